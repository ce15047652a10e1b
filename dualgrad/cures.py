"""What an error says where a tangent would be lost: the cure for that very call, read off the frame that made it."""

import ast
import builtins
import difflib
import dis
import functools
import importlib
import inspect
import re
import sys

import numpy as np

from .errors import DualgradError, TangentLossError
from .frames import OURS, SCIPY, is_within, outside, place, place_of
from .tables import KINDS, REFUSED

LIMIT = 10_000  # entries of a Dual that may go into an object array at once
LIKE = "np.array([...], like=x) with an array x of Duals, or np.stack([...])"
STORE = (
    "a plain array cannot hold a Dual (plain[i] = dual would drop the tangent): make the buffer from the Dual, "
    "np.zeros_like(dual) or np.zeros(n, like=dual), or build the result with np.array([...], like=dual)"
)
FLOAT = (
    "float(), int() and the math module take plain numbers and would drop the tangent of a Dual: use NumPy's "
    "function (np.sin for math.sin), or float(dg.primal(x)) to leave on purpose"
)
LARGE = (
    f"a Dual of more than {LIMIT:,} entries is too large to be an object array: leave np.asarray(x) out, x is an array "
    "already; join Duals by np.stack or np.concatenate; write plain @ x for plain.dot(x)"
)
ARRAY = (
    "a plain array was asked of a Dual, which would drop its tangent: leave np.asarray(x) out, x is an array already; "
    f"to join Duals write {LIKE}, np.stack or np.concatenate; wrap a function that is not NumPy's with "
    "@dg.custom_jvp; dg.primal(x) leaves on purpose"
)
COMPLEX = (
    "complex numbers lose their imaginary part in np.array([...]) of Duals, where .imag and np.angle see zeros: write "
    f"{LIKE}"
)
INDEX = "a Dual cannot be an index or a size: write dg.primal(x).astype(int) if its value is meant"
OF_MATH = {  # where NumPy's name is not that of the math module
    "erf": "scipy.special.erf", "erfc": "scipy.special.erfc", "gamma": "scipy.special.gamma",
    "lgamma": "scipy.special.gammaln", "pow": "np.power", "fsum": "np.sum", "sumprod": "np.dot", "fabs": "np.abs",
    "acos": "np.arccos", "asin": "np.arcsin", "atan": "np.arctan", "atan2": "np.arctan2", "acosh": "np.arccosh",
    "asinh": "np.arcsinh", "atanh": "np.arctanh", "dist": "np.linalg.norm", "phase": "np.angle",
}  # fmt: skip
UNSAFE = {"as_strided"}  # which reads the bytes of Python objects
ASKING = {  # what of NumPy asks a Dual for plain numbers, by its own name
    "as_strided": "np.lib.stride_tricks.sliding_window_view(x, shape), or x[...], for as_strided(x, ...)",
    "vectorize": "np.vectorize(f) without otypes=",
    "poly1d": "np.polyval(coefficients, x) for np.poly1d(coefficients)(x), which keeps plain coefficients",
    "nditer": "for v in np.ravel(x) for np.nditer(x), which steps through the memory of plain arrays",
}
_IMAGINARY = frozenset({"imag", "real", "angle", "iscomplexobj", "isrealobj", "complex"})
_OBJECT = re.compile(  # what NumPy and SciPy say of object arrays
    r"no callable \w+ method|not supported for the input types|dtype\('O'\)|object arrays?\b|dtype=object|\('object'\)|"
    r"type 'object'|numpy\.object_|non-numeric|not a proper array of floats|so to use a where mask|REFS_OK|"
    r"valid indices|used as indices|unsupported data types in input|is read-only|no attribute '(arctan2|hypot|fmod)'|"
    r"([Ss]upport|nsupported|Unknown) dtype object|No matching signature|array type not sup|not available for this type"
)

# ---------------------------------------------------------------------- plain numbers and arrays asked of a Dual


def refusal(general):
    """The error for a plain number or array asked of a Dual: what to write in place of the call that asked."""
    asking = sys._getframe(2)
    user = outside(asking, (*OURS, SCIPY))
    if user is asking and dis.opname[asking.f_code.co_code[asking.f_lasti]].startswith(("STORE_SUBSCR", "STORE_SLICE")):
        return TangentLossError(STORE)
    here = place(user)
    cure = _of_frames(_frames_between(asking, user)) or _of_call(here.text, here.expression, user, user is asking)
    return TangentLossError(cure or general)


def _frames_between(frame, last):
    """The frames from one to an outer one."""
    found = [frame]
    while found[-1] is not last and found[-1].f_back:
        found.append(found[-1].f_back)
    return found


def _of_frames(frames):
    """The cure for a function of SciPy, or of NumPy by its own name, that called for plain numbers inside."""
    for frame in reversed(frames):
        name = frame.f_code.co_qualname.partition(".")[0]
        if is_within(frame.f_code, OURS[1:]) and (name in ASKING or name.startswith("assert_")):
            return of_numpy(name)
    of_scipy_s = [frame for frame in reversed(frames) if frame.f_globals.get("__name__", "").startswith("scipy.")]
    return counterparts().of_scipy(of_scipy_s) if of_scipy_s else None


def of_numpy(name):
    """The cure for a function of NumPy that is known by its own name."""
    return f"np.{name} would drop the tangent of a Dual: write {ASKING.get(name, 'dg.primal(x) for x in assertions')}"


def counterparts():
    """What is known of SciPy, imported when it is asked for."""
    return importlib.import_module("dualgrad.counterparts")


_USUAL = np.ndarray.__mul__, np.ndarray.__array_ufunc__


def require_arrays(kinds, what="an operand beside a Dual"):
    """Refuse arrays with an arithmetic of their own (masked ones, np.matrix, units), which the rules do not know."""
    for kind in kinds:
        if kind is not np.ndarray and issubclass(kind, np.ndarray) and (kind.__mul__, kind.__array_ufunc__) != _USUAL:
            raise TypeError(f"{what} is a {kind.__name__}; expected a plain array: np.asarray(x), or x.filled(0)")


def sparse_operand(constant):
    """A sparse matrix of SciPy as an operand of NumPy's functions beside a Dual."""
    return importlib.import_module("dualgrad.scipy.sparse").as_operand(constant)


def _of_call(text, expression, frame, direct):
    """The cure for the function that the user called, or that the line speaks of, as in ``map(math.sin, x)``."""
    try:
        call = ast.parse(expression, mode="eval").body
    except SyntaxError:
        call = None
    if not isinstance(call, ast.Call):
        named = re.search(r"\b(c?math)\.(\w+)", text)
        return named and _of_math(f"{named[0]} would drop the tangent of a Dual: ", named[1], named[2])
    function, lost = _resolve(call.func, frame), f"{_short(expression)} would drop the tangent of a Dual: "
    module, name = getattr(function, "__module__", None), getattr(function, "__name__", "")
    called = {id(node.func) for node in ast.walk(call) if isinstance(node, ast.Call) and node is not call}
    for f in (_resolve(node, frame) for node in ast.walk(call) if id(node) not in called):
        if getattr(f, "__module__", None) in ("math", "cmath"):
            return _of_math(lost, f.__module__, f.__name__)
    if not direct:
        return f"{lost}write {LIKE}, for NumPy cannot do this with an object array of Duals"
    if function is np.arange:
        return f"{lost}write np.linspace(start, stop, n), or np.arange(..., like=x) with an array x of Duals"
    if function is np.fromiter:
        return f"{lost}write np.stack(list(...)) for np.fromiter(...)"
    if isinstance(function, type) and issubclass(function, np.generic):
        return f"{lost}leave np.{name} out, x is a number already; x.astype(np.{name}) changes its precision"
    method = call.func.attr if isinstance(call.func, ast.Attribute) else None
    if method in ("fill", "at"):
        return STORE
    if method == "astype":
        return f"{lost}write {LIKE}"
    if function in (np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray):
        of_list = call.args and isinstance(call.args[0], (ast.List, ast.Tuple, ast.ListComp, ast.GeneratorExp))
        out = f"leave np.{name} out, x is an array already (x.astype(dtype) changes its precision)"
        return lost + (f"write {LIKE}" if of_list else out)
    if method and hasattr(np.random.Generator, method):
        return f"{lost}write mean + scale * rng.standard_normal(size), and the like, with plain arguments"
    return f"{lost}write {LIKE}" if str(module).startswith("numpy") else None


def _short(expression):
    """An expression on one line."""
    return " ".join(expression.split()) or "this call"


def _of_math(lost, module, name):
    twin = OF_MATH.get(name) or (f"np.{name}" if hasattr(np, name) else None)
    if twin is None:
        return f"{lost}there is no rule for {module}.{name}; float(dg.primal(x)) leaves on purpose"
    how = " (import dualgrad.scipy)" if twin.startswith("scipy") else ""
    return f"{lost}write {twin} for {module}.{name}{how}, or float(dg.primal(x)) to leave on purpose"


def _resolve(node, frame):
    """The function that an expression names, looked up without running anything of the user's."""
    if isinstance(node, ast.Name):
        for names in (frame.f_locals, frame.f_globals, vars(builtins)):
            if node.id in names:
                return names[node.id]
    if isinstance(node, ast.Attribute):
        owner = _resolve(node.value, frame)
        if inspect.ismodule(owner):
            return getattr(owner, node.attr, None)
    return None


# ---------------------------------------------------------------------- object arrays that NumPy cannot work on


def of_object_array(error, message):
    """What to write in place of a call in which an object array of Duals failed, as with NumPy's "loop of ufunc does
    not support argument 0 of type float which has no callable sin method"; None for an error of another kind.

    ``message`` is what the Duals last said of that, or None.
    """
    steps, tb = [], error.__traceback__
    while tb:
        steps.append(tb)
        tb = tb.tb_next
    user = max(k for k, tb in enumerate(steps) if k == 0 or not is_within(tb.tb_frame.f_code, (*OURS, SCIPY)))
    in_scipy = is_within(steps[-1].tb_frame.f_code, (SCIPY,))  # whose C code may go on after an error
    if message and (in_scipy or "setting single item" in str(error)):
        return TangentLossError(message)
    inside = isinstance(error, (TypeError, AttributeError))
    inside = inside and any(is_within(tb.tb_frame.f_code, (OURS[1], SCIPY)) for tb in steps[user:])
    if "write" in str(error) or not inside and (isinstance(error, DualgradError) or not _OBJECT.search(str(error))):
        return None
    here = place(steps[user].tb_frame, steps[user].tb_lasti)
    cure = _of_frames([tb.tb_frame for tb in steps[:user:-1]])
    if isinstance(error, IndexError):
        cure = INDEX
    if "output from dtype('O')" in str(error):
        cure = STORE
    if cure is None and "is read-only" in str(error):
        cure = (
            f"{_short(here.expression)} writes into np.asarray(x), which is read-only: write x = x.copy(), x[...] = ..."
        )
    if cure is None and "REFS_OK" in str(error):
        cure = f"{_short(here.expression)} would drop the tangent of a Dual: write {ASKING['nditer']}"
    if cure is None:
        cure = f"{_short(here.expression)} cannot take an object array of Duals: write {LIKE}"
    return TangentLossError(f"{cure}\n  at {here}\n  NumPy says: {error}")


def objection():
    """Why no object array can be made for the function that asks, as far as its code tells; nothing for most."""
    frame = sys._getframe(2)
    while (found := _objection(frame.f_code)) is None and frame.f_back:
        frame = frame.f_back
    return found


@functools.lru_cache(4096)
def _objection(code):
    """What stands against a function; None for one of the libraries, whose caller is to be asked."""
    if is_within(code, (SCIPY,)):
        return counterparts().objection_to(code)
    if is_within(code, OURS):
        return of_numpy(code.co_name) if code.co_name in UNSAFE else None
    is_complex = any(isinstance(c, complex) for c in code.co_consts) or not _IMAGINARY.isdisjoint(code.co_names)
    return COMPLEX if is_complex else ""


def asks_for_alias(x):
    """Whether the line that asks is ``np.asarray(x)`` or a kin of it, which gives back x itself and no copy."""
    frame = sys._getframe(2)
    name = _aliased(frame.f_code, frame.f_lasti)
    return name is not None and frame.f_locals.get(name, x) is x


@functools.lru_cache(4096)
def _aliased(code, at):
    """The name in ``np.asarray(name)``, "" for another expression there; None for other calls."""
    expression = place_of(code, at).expression
    call = re.fullmatch(r"[\w.]*\b(asarray|asanyarray|ascontiguousarray|asfortranarray)\((.*)\)", expression, re.S)
    argument = call and call[2].partition(",")[0].strip()
    return None if not call or argument.startswith(("[", "(")) else argument if argument.isidentifier() else ""


# ---------------------------------------------------------------------- functions without a rule


def no_rule(function):
    """The message for a function without a rule: its name, the fix, and the nearest supported ones."""
    name = qualified_name(function)
    if cure := _of_frames(_frames_between(sys._getframe(2), outside(sys._getframe(2)))):
        return cure
    if reason := REFUSED.get(function) or REFUSED.get(getattr(function, "__module__", None)):
        return f"{name} cannot take a Dual: {reason}"
    if name.startswith("scipy.special."):
        return counterparts().twin_of(name)
    return (
        f"{name} has no tangent rule: add one with dg.defjvp({name}, rule), where rule(primals, tangents) returns "
        f"(y, dy), or write it with functions that have one; the nearest supported: {_nearest(function)}"
    )


def qualified_name(function):
    """The name by which a user reaches a function."""
    name = getattr(function, "__name__", str(function))
    for short, module in (("np", "numpy"), ("np.linalg", "numpy.linalg"), ("np.fft", "numpy.fft")):
        if getattr(sys.modules.get(module), name, None) is function:
            return f"{short}.{name}"
    for module in [m for m in sys.modules if m.startswith(("scipy.", "cupyx.")) and "._" not in m]:
        if vars(sys.modules[module]).get(name) is function:
            return f"{module}.{name}"
    return f"{getattr(function, '__module__', None) or 'np'}.{name}"


def _nearest(function):
    """What is spelled alike, or else what stands in the same module."""
    name = getattr(function, "__name__", str(function))
    names = {f.__name__: f for f in KINDS if KINDS[f] != "constant"}
    near = [qualified_name(names[n]) for n in difflib.get_close_matches(name, names, n=2, cutoff=0.7)]
    module = qualified_name(function).rpartition(".")[0] + "."
    near = near or [n for n in map(qualified_name, names.values()) if n.startswith(module) and module != "np."]
    return ", ".join(near) or "none is close; dg.supported() lists them all"
