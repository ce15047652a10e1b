"""The subjects: each line is a function, its truth and what JAX and PyTorch call it.

A *case* makes it a function of one x: ``"x, 1"`` is f(x, 1), ``"x, 2x"`` moves both arguments, and ``"x, x̄"`` is a tie
with a constant of the same value. What rivals call it is a Python expression, evaluated when they are measured.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import dualgrad as dg
from dualgrad import nn
from dualgrad.scipy import special
from dualgrad.tables import KINDS

from . import truth as t
from .truth import Jet, jet


class Subject(NamedTuple):
    """A function of one or more arrays, entry by entry."""

    name: str
    group: str
    program: Callable
    truth: Callable  # of as many jets
    cases: tuple
    jax: str | None = None
    torch: str | None = None
    rules: tuple = ()  # the functions whose rules it tests
    scale: float = 0.0  # a rounding of x is one of max(|x|, scale)
    within: Callable = lambda x: True
    own: bool = True  # whether the value is dualgrad's work, and has a bar, too

    def arguments(self, case, x, constant, full):
        """What the function is called with: ``constant(x)`` does not move, ``full(x, c)`` is c in the shape of x."""
        kinds = {"x": lambda: x, "2x": lambda: 2 * x, "x̄": lambda: constant(x), "-x": lambda: -x}
        return [kinds[token]() if token in kinds else full(x, float(token)) for token in case.split(", ")]


class Case(NamedTuple):
    """A subject as a function of one x."""

    subject: Subject
    label: str
    program: Callable
    truth: Callable
    parts: tuple  # where several arguments move with x, the same with one moving at a time
    single: bool  # whether one argument alone depends on x


@functools.cache
def cases():
    """Every case of every subject, in the order of the page."""
    return [_case(s, label) for s in SUBJECTS for label in s.cases]


def _case(s, label):
    def program(x):
        return s.program(*s.arguments(label, x, dg.primal, lambda x, c: np.full_like(dg.primal(x), c)))

    def truth(x, alone=None):
        arguments = s.arguments(label, x, lambda x: Jet.constant(x.c[0]), lambda x, c: jet(c))
        return s.truth(*(a if alone in (None, i) else Jet.constant(a.c[0]) for i, a in enumerate(arguments)))

    moving = [i for i, token in enumerate(label.split(", ")) if token in ("x", "2x", "-x")]
    parts = tuple(functools.partial(truth, alone=i) for i in moving) if len(moving) > 1 else ()
    return Case(s, label, program, truth, parts, label.count("x") == 1)


# Drawn in the figure: the second derivative of a case along one sign of x.
CURVES = {
    "np.tanh": ("x", 1), "np.logaddexp": ("x, 0", 1), "np.hypot": ("x, 1", 1), "np.sinc": ("x", 1),
    "np.linalg.norm(x, 2)": ("x, 1", 1), "special.expit": ("x", -1), "special.log_ndtr": ("x", -1),
    "special.erfcx": ("x", 1), "special.i0e": ("x", 1), "special.softmax": ("x, 0", 1),
    "nn.Softplus(beta=1.0, threshold=inf)": ("x", 1), "nn.cross_entropy": ("x, 0", 1),
}  # fmt: skip


def curve(name):
    """The case that is drawn, and where."""
    label, sign = CURVES[name]
    case = next(c for c in cases() if (c.subject.name, c.label) == (name, label))
    return case, sign * 10.0 ** np.linspace(-9, 9, 163)


def missing():
    """The names of elementwise rules that no subject tests."""
    ruled = {f for s in SUBJECTS for f in s.rules}
    elementwise = (
        f for f, kind in KINDS.items() if kind == "elementwise" or isinstance(f, np.ufunc) and kind != "constant"
    )
    ruled |= {np.matmul, np.vecdot, np.matvec, np.vecmat}
    return sorted(f.__name__ for f in elementwise if f not in ruled and not _is_private(f))


def _is_private(f):
    """Whether it is a helper of rules, known to dualgrad's modules alone."""
    module = getattr(f, "__module__", None) or ""
    return module.startswith("dualgrad.") and module != special.__name__


# ---------------------------------------------------------------------- how a line is read

SUBJECTS = []
SOON = ("dawsn", "erfi", "hyperu")


def add(group, name, program, truth, *cases, **settings):
    """A subject."""
    SUBJECTS.append(Subject(name, group, program, truth, cases or ("x",), **settings))


def numpy(name, truth, *cases, torch=True, jax=True, program=None, **settings):
    """A function of NumPy, which JAX and PyTorch call the same unless told otherwise."""
    f = getattr(np, name)
    jax, torch = (f"{m}.{name}" if other is True else other for m, other in (("jnp", jax), ("torch", torch)))
    settings = {"rules": (f,), "own": False} | settings
    add("NumPy", f"np.{name}", program or f, truth, *cases, jax=jax, torch=torch, **settings)


def scipy(name, truth, *cases, torch=True, jax=True, program=None, shown=None, **settings):
    """A function of scipy.special."""
    f = getattr(special, name)
    jax, torch = (f"{m}.{name}" if other is True else other for m, other in (("jsp", jax), ("torch.special", torch)))
    settings = {"rules": (f,), "own": False} | settings
    if f in KINDS or name not in SOON:
        add("SciPy", f"special.{shown or name}", program or f, truth, *cases, jax=jax, torch=torch, **settings)


def stacked(group, name, f, truth, *cases, jax=None, torch=None, **settings):
    """A function of the entries of the last axis; rivals are expressions of an array z."""
    jax, torch = (e and f"lambda *xs: (lambda z: {e})({m}.stack(xs, -1))" for m, e in (("jnp", jax), ("torch", torch)))
    program = lambda *xs: f(np.stack(xs, axis=-1))  # noqa: E731
    add(group, name, program, truth, *cases, jax=jax, torch=torch, **settings)


def number(n):
    """The exponent of a constant array, as the number that a user would write."""
    n = float(np.ravel(n)[0]) if np.size(n) else 0.0
    return int(n) if n.is_integer() else n


def total(terms):
    """The sum of jets."""
    return functools.reduce(Jet.__add__, terms)


PAIR = ("x, 1", "1, x", "x, 2x", "x, x", "x, x̄", "x̄, x")
LN2, LN10, DEGREE = (lambda: t.mp.log(2)), (lambda: t.mp.log(10)), (lambda: t.mp.pi / 180)

# ---------------------------------------------------------------------- NumPy: arithmetic

numpy("add", lambda x, y: x + y, *PAIR)
numpy("subtract", lambda x, y: x - y, *PAIR)
numpy("multiply", lambda x, y: x * y, *PAIR)
numpy("divide", lambda x, y: x / y, *PAIR)
numpy("reciprocal", lambda x: 1 / x)
numpy("negative", lambda x: -x)
numpy("positive", lambda x: x)
numpy("conjugate", lambda x: x, torch="torch.conj")
numpy("degrees", lambda x: x / DEGREE(), torch="torch.rad2deg")
numpy("rad2deg", lambda x: x / DEGREE())
numpy("radians", lambda x: x * DEGREE(), torch="torch.deg2rad")
numpy("deg2rad", lambda x: x * DEGREE())
numpy("square", lambda x: x * x)
numpy("sqrt", t.sqrt)
numpy("cbrt", t.cbrt, torch=None)

WHOLE = ("x, 0", "x, 1", "x, 2", "x, 3", "x, 6", "x, -1", "x, -2")
ROOTS = ("x, 0.5", "x, 1.5", "x, -0.5")
EXPONENTIALS = ("2, x", "0.5, x", "x, x", "x, 2x", "x, x̄", "x̄, x")
numpy("power", t.power, *WHOLE, *ROOTS, *EXPONENTIALS, torch="torch.pow")
numpy("float_power", t.power, *WHOLE, *ROOTS, *EXPONENTIALS)
add("NumPy", "x ** n", lambda x, n: x ** number(n), t.power, *WHOLE, *ROOTS,
    jax="lambda x, n: x ** number(n)", torch="lambda x, n: x ** number(n)", own=False)  # fmt: skip
add("NumPy", "x ** np.array([n, ...])", lambda x, n: x ** n.astype(int), t.power, *WHOLE,
    jax="lambda x, n: x ** n.astype(int)", torch="lambda x, n: x ** n.long()", own=False)  # fmt: skip

numpy("fabs", abs, torch="torch.abs")
numpy("absolute", abs)
numpy("hypot", t.hypot, *PAIR, "x, 0", "0, x")
numpy("arctan2", t.arctan2, *PAIR, "x, -1", "-1, x", "-x, x", within=lambda x: str(x) != "-0.0")  # mpmath has no -0
PLANE = ("x, 1", "1, x", "x, 2x", "x, x", "x, x̄", "x, 0")
add("NumPy", "np.absolute(x + 1j * y)", lambda x, y: np.absolute(x + 1j * y), t.hypot, *PLANE, own=False,
    jax="lambda x, y: jnp.absolute(x + 1j * y)", torch="lambda x, y: torch.complex(x, y).abs()")  # fmt: skip
add("NumPy", "np.angle(x + 1j * y)", lambda x, y: np.angle(x + 1j * y), lambda x, y: t.arctan2(y, x), *PLANE,
    jax="lambda x, y: jnp.angle(x + 1j * y)", torch="lambda x, y: torch.complex(x, y).angle()", own=False,
    within=lambda x: math.isfinite(x) and str(x) != "-0.0")  # fmt: skip

# ---------------------------------------------------------------------- NumPy: exponentials, trigonometry

numpy("exp", t.exp)
numpy("exp2", lambda x: t.exp(x * LN2()))
numpy("expm1", t.expm1)
numpy("log", t.log)
numpy("log2", lambda x: t.log(x) / LN2())
numpy("log10", lambda x: t.log(x) / LN10())
numpy("log1p", t.log1p)
SUMS = ("x, 0", "0, x", "x, 1", "x, x", "x, 2x", "x, x̄", "x̄, x")
numpy("logaddexp", t.logsumexp, *SUMS, scale=2.0)
numpy("logaddexp2", lambda x, y: t.logsumexp(x * LN2(), y * LN2()) / LN2(), *SUMS, scale=2.0)
numpy("sin", t.sin)
numpy("cos", t.cos)
numpy("tan", t.tan)
numpy("arcsin", t.arcsin)
numpy("arccos", t.arccos)
numpy("arctan", t.arctan)
numpy("sinh", t.sinh)
numpy("cosh", t.cosh)
numpy("tanh", t.tanh)
numpy("arcsinh", t.arcsinh)
numpy("arccosh", t.arccosh)
numpy("arctanh", t.arctanh)
numpy("sinc", t.sinc)

# ---------------------------------------------------------------------- NumPy: steps, extrema, parts


def rest(x, y, whole):
    """x - y whole(x / y), and nothing where it jumps."""
    ratio = x.c[0] / y.c[0]
    if whole(ratio) == ratio:
        raise ValueError("a jump")
    return x - y * whole(ratio)


def truncated(x):
    """Rounded towards 0."""
    return t.mp.floor(x) if x >= 0 else t.mp.ceil(x)


def step(below, above):
    """Two constants."""
    return lambda x, *_: t.switch(x, 0, lambda x: jet(below), lambda x: jet(above))


def mantissa(x):
    """x / 2ᵉ, between 1/2 and 1."""
    return x * t.mpf(2) ** -t.mp.frexp(x.c[0])[1] if x.c[0] else x


RATIOS = ("x, 1", "1, x", "x, 3", "x, 2x")
floored = functools.partial(rest, whole=t.mp.floor)
numpy("remainder", floored, *RATIOS, within=math.isfinite)
numpy("fmod", functools.partial(rest, whole=truncated), *RATIOS, within=math.isfinite)
numpy("divmod", floored, *RATIOS, program=lambda x, y: np.divmod(x, y)[1], jax=None, torch=None, within=math.isfinite)
numpy("modf", lambda x: rest(x, jet(1), truncated), program=lambda x: np.modf(x)[0], jax=None, torch=None)
numpy("frexp", mantissa, program=lambda x: np.frexp(x)[0], jax=None, torch=None, within=math.isfinite)
numpy("ldexp", lambda x: 8 * x, program=lambda x: np.ldexp(x, 3), jax=None, torch=None)
numpy("maximum", t.maximum, *PAIR[:4])
numpy("minimum", t.minimum, *PAIR[:4])
numpy("fmax", t.maximum, *PAIR[:4])
numpy("fmin", t.minimum, *PAIR[:4])
numpy("clip", lambda x: t.minimum(t.maximum(x, jet(-2)), jet(2)), program=lambda x: np.clip(x, -2, 2),
      rules=(np.clip, np._core.umath.clip), jax="lambda x: jnp.clip(x, -2, 2)",
      torch="lambda x: torch.clip(x, -2, 2)")  # fmt: skip
numpy("copysign", t.copysign, "x, 1", "x, -1", "x, 2x")
numpy("sign", step(-1, 1))
numpy("heaviside", step(0, 1), "x, 0.5")

# ---------------------------------------------------------------------- NumPy: scimath, where it stays real


def scimath(name, truth, within):
    """A function of np.lib.scimath."""
    f = getattr(np.lib.scimath, name)
    add("NumPy", f"scimath.{name}", f, truth, rules=(f,), own=False, within=within)


scimath("sqrt", t.sqrt, lambda x: x > 0)
scimath("log", t.log, lambda x: x > 0)
scimath("log2", lambda x: t.log(x) / LN2(), lambda x: x > 0)
scimath("log10", lambda x: t.log(x) / LN10(), lambda x: x > 0)
scimath("arcsin", t.arcsin, lambda x: abs(x) < 1)
scimath("arccos", t.arccos, lambda x: abs(x) < 1)
scimath("arctanh", t.arctanh, lambda x: abs(x) < 1)

# ---------------------------------------------------------------------- NumPy: norms


def norm(order, truth):
    """The norm of two or three numbers."""
    shown = "np.inf" if order == math.inf else order
    stacked("NumPy", f"np.linalg.norm(x, {shown})", lambda z: np.linalg.norm(z, order, axis=-1), truth,
            "x, 1", "x, x", "x, 2x", "x, 0", "x, 1, 2x", *(() if order == math.inf else ("x, x̄",)), own=False,
            jax=f"jnp.linalg.norm(z, {shown}, axis=-1)", torch=f"torch.linalg.norm(z, {shown}, dim=-1)")  # fmt: skip


def euclidean(*xs):
    return t.sqrt(total(x * x for x in xs))


def largest(*xs):
    """max |x|, and nothing where two are it that move differently."""
    top = max(abs(x).c[0] for x in xs)
    return functools.reduce(t.maximum, (abs(x) for x in xs if abs(x).c[0] == top))


def p_norm(p, *xs):
    return t.power(total(t.power(abs(x), t.mpf(p)) for x in xs), 1 / t.mpf(p))


def by_entry(x, y):
    """[[x, y], [y, x]]"""
    return np.stack([np.stack([x, y], axis=-1), np.stack([y, x], axis=-1)], axis=-1)


norm(2, euclidean)
norm(1, lambda *xs: total(map(abs, xs)))
norm(3, functools.partial(p_norm, 3))
norm(math.inf, largest)
stacked("NumPy", "np.linalg.vector_norm(x)", lambda z: np.linalg.vector_norm(z, axis=-1), euclidean,
        "x, 1", "x, x", "x, 2x", "x, 0", "x, x̄", "x, 1, 2x", own=False,
        jax="jnp.linalg.vector_norm(z, axis=-1)", torch="torch.linalg.vector_norm(z, dim=-1)")  # fmt: skip
for order, exact in {"fro": lambda x, y: euclidean(x, y, x, y), 1: lambda x, y: abs(x) + abs(y)}.items():
    add("NumPy", f"np.linalg.matrix_norm(x, {order!r})",
        lambda x, y, order=order: np.linalg.matrix_norm(by_entry(x, y), ord=order), exact, "x, 1", "x, x", "x, 2x",
        own=False)  # fmt: skip

# ---------------------------------------------------------------------- SciPy: error, gamma and Bessel functions

scipy("erf", t.erf)
scipy("erfc", t.erfc)
scipy("erfcx", t.erfcx, jax=None)
scipy("erfi", t.erfi, torch=None, jax=None)
scipy("dawsn", t.dawsn, torch=None, jax=None)
scipy("erfinv", t.erfinv)
scipy("erfcinv", t.erfcinv, torch=None, jax=None)
scipy("ndtr", t.ndtr)
scipy("log_ndtr", t.log_ndtr, scale=1.0)
scipy("ndtri", t.ndtri)


def near(x):
    """Beyond, mpmath takes long; as at other arguments of beta."""
    return x > -1000


scipy("gamma", t.gamma, torch=None, within=near)
scipy("gammaln", t.gammaln, within=near)
scipy("loggamma", t.loggamma, torch="torch.lgamma", jax="jsp.gammaln")
scipy("digamma", functools.partial(t.polygamma, 0), within=near)
for n in (1, 2):
    scipy("polygamma", functools.partial(t.polygamma, n), program=functools.partial(special.polygamma, n),
          shown=f"polygamma({n}, x)", jax=f"lambda x: jsp.polygamma({n}, x)",
          torch=f"lambda x: torch.polygamma({n}, x)", within=near)  # fmt: skip
scipy("zeta", functools.partial(t.zeta, 2), program=functools.partial(special.zeta, 2.0), shown="zeta(2, x)",
      jax="lambda x: jsp.zeta(2.0, x)", torch="lambda x: torch.special.zeta(torch.full_like(x, 2.0), x)")  # fmt: skip
POSITIVE = ("x, 1", "1, x", "x, 2.5", "x, x", "x, 2x")
scipy("beta", t.beta, *POSITIVE, torch=None, within=lambda x: 1e-50 < x < 1e30)
scipy("betaln", t.betaln, *POSITIVE, torch=None, within=lambda x: 1e-50 < x < 1e30)
scipy("i0", functools.partial(t.iv, 0))
scipy("i0e", functools.partial(t.ive, 0))
scipy("i1", functools.partial(t.iv, 1))
scipy("i1e", functools.partial(t.ive, 1))
for v in (2, 3):
    for name, exact in (("iv", t.iv), ("ive", t.ive)):
        scipy(name, functools.partial(exact, v), program=functools.partial(getattr(special, name), v),
              shown=f"{name}({v}, x)", jax=None, torch=None)  # fmt: skip
scipy("hyperu", functools.partial(t.hyperu, 0.5, 1.5), program=functools.partial(special.hyperu, 0.5, 1.5),
      shown="hyperu(0.5, 1.5, x)", jax=None, torch=None)  # fmt: skip


def positive(x):
    """Where the function is real, and neither it nor SciPy's underflows; and mpmath is quick."""
    return 1e-40 < x < 1e4


def from_zero(x):
    """The same with 0, where it has an end."""
    return x == 0 or positive(x)


def along(name, *orders, within=positive, truth=None):
    """A function of SciPy of its last argument, the others at constants."""
    head = ", ".join(map(str, orders))
    scipy(name, functools.partial(truth or getattr(t, name), *orders), jax=None, torch=None, within=within,
          program=functools.partial(getattr(special, name), *orders),
          shown=f"{name}({head}, x)" if orders else name)  # fmt: skip


def moderate(x):
    """Where mpmath is quick."""
    return abs(x) < 1e4


for v in (0, 1):
    for letter, where in (("j", moderate), ("y", positive), ("k", positive)):
        along(f"{letter}{v}", within=where, truth=functools.partial(getattr(t, f"{letter}v"), v))
along("jv", 2, within=moderate)
along("jv", 2.5)
along("yv", 2)
along("yv", 0.5)
along("yn", 2, truth=t.yv)
along("kv", 2)
along("kv", 0.5)
along("kn", 3, truth=t.kv)
along("expi", within=moderate)
along("exp1")
along("expn", 1)
along("expn", 3)
along("exprel", within=moderate)
scipy("boxcox", lambda x, p: t.boxcox(t.log(x), p), "x, 2.5", "x, 0", "2.5, x", jax=None, torch=None,
      within=positive)  # fmt: skip
scipy(
    "boxcox1p", lambda x, p: t.boxcox(t.log1p(x), p), "x, 2.5", "x, 0", "2.5, x", jax=None, torch=None, within=positive
)

scipy("rgamma", t.rgamma, jax=None, torch=None, within=lambda x: x > -30 and (x == 0 or abs(x) > 1e-40))
scipy("multigammaln", functools.partial(t.multigammaln, 3), program=lambda a: special.multigammaln(a, 3),
      shown="multigammaln(x, 3)",
      within=lambda x: 1 < x < 1e30, jax=None, torch=None)  # fmt: skip
scipy("poch", t.poch, "1, x", "x, 2.5", "x, x", "x, 2x", jax=None, torch=None, within=lambda x: 1e-10 < x < 1e3)
scipy("binom", t.binom, "x, 0.5", "20.5, x", "2x, x", jax=None, torch=None, within=lambda x: 1e-3 < x < 100)
for a in (0.5, 1, 3, 200):
    along("gammainc", a, within=from_zero)
    along("gammaincc", a, within=from_zero)
along("chdtr", 3, within=from_zero)
along("chdtrc", 3, within=from_zero)
along("betainc", 0.5, 0.5, within=from_zero)
along("betainc", 2, 3.5, within=from_zero)
along("betainc", 1, 2, within=from_zero)
along("betainc", 40, 60, within=from_zero)
along("betaincc", 2, 3.5, within=from_zero)
along("stdtr", 1, within=moderate)
along("stdtr", 4.5, within=moderate)


def between(x):
    """Away from the ends, where inverses grow without bound or lose the digits of 1 - x."""
    return 1e-3 < x < 0.9


along("gammaincinv", 3, within=between)
along("gammainccinv", 0.5, within=between)
along("chdtri", 5, within=between)
along("betaincinv", 2, 3.5, within=between)
along("betainccinv", 2, 3.5, within=between)
along("stdtrit", 4.5, within=between)

along("ellipk", within=lambda x: -1e4 < x < 1)
along("ellipe", within=lambda x: -1e4 < x < 1)
along("spence", within=positive)
for k in (0, -1):
    scipy("lambertw", functools.partial(t.lambertw, k), program=lambda x, k=k: np.real(special.lambertw(x, k)),
          shown=f"lambertw(x, {k})", jax=None, torch=None,
          within=lambda x: x == 0 or 1e-40 < abs(x) < 1e4)  # fmt: skip
scipy("huber", t.huber, "1, x", "x, 1", "x, 2x", "x, 0.5", jax=None, torch=None, within=positive)
scipy(
    "pseudo_huber",
    t.pseudo_huber,
    "1, x",
    "x, 1",
    "x, 2x",
    "x, 0.5",
    jax=None,
    torch=None,
    within=lambda x: 0.01 < x < 1e4,
)
along("hyp1f1", 0.5, 1.5, within=lambda x: -20 < x < 100)
along("hyp1f1", 2, 3.5, within=lambda x: -20 < x < 100)
along("hyp2f1", 0.5, 1, 1.5, within=lambda x: -1 < x < 0.9)
along("hyp2f1", 2, 1.5, 3.5, within=lambda x: -1 < x < 0.9)

# ---------------------------------------------------------------------- SciPy: logistic functions, entropies, softmax

scipy("expit", t.sigmoid)
scipy("log_expit", lambda x: -t.softplus(-x), torch="torch.nn.functional.logsigmoid", jax="jax.nn.log_sigmoid")
scipy("logit", lambda x: t.log(x) - t.log(1 - x))
scipy("xlogy", lambda x, y: x * t.log(y), *PAIR)
scipy("xlog1py", lambda x, y: x * t.log1p(y), *PAIR)
scipy("entr", lambda x: -x * t.log(x))
scipy("rel_entr", t.rel_entr, *PAIR, torch=None)
scipy("kl_div", lambda x, y: t.rel_entr(x, y) - x + y, *PAIR, torch=None)

LOGITS = ("x, 0", "0, x", "x, x̄", "x, 2x", "x, 0, 1", "0, x, 1", "x, x, 0")
of_logits = functools.partial(stacked, scale=2.0, within=lambda x: x < math.inf)


def log_softmax(*xs):
    """Of the first."""
    return -t.logsumexp(*(x - xs[0] for x in xs))


def softmax(*xs):
    return t.exp(log_softmax(*xs))


of_logits("SciPy", "special.logsumexp", lambda z: special.logsumexp(z, axis=-1), t.logsumexp, *LOGITS, own=False,
          jax="jsp.logsumexp(z, axis=-1)", torch="torch.logsumexp(z, -1)")  # fmt: skip
of_logits("SciPy", "special.softmax", lambda z: special.softmax(z, axis=-1)[..., 0], softmax, *LOGITS, own=False,
          jax="jax.nn.softmax(z, axis=-1)[..., 0]", torch="torch.softmax(z, -1)[..., 0]")  # fmt: skip
of_logits("SciPy", "special.log_softmax", lambda z: special.log_softmax(z, axis=-1)[..., 0], log_softmax, *LOGITS,
          jax="jax.nn.log_softmax(z, axis=-1)[..., 0]", torch="torch.log_softmax(z, -1)[..., 0]",
          own=False)  # fmt: skip

# ---------------------------------------------------------------------- layers

F = "torch.nn.functional."


def activation(layer, truth, jax, torch):
    """A layer that acts entry by entry."""
    add("Layers", f"nn.{repr(layer).removesuffix('()')}", lambda x: layer({}, x), truth, jax=jax, torch=torch)


def bend(below, above):
    """Two functions that meet at 0."""
    return lambda x: t.switch(x, 0, below, above)


def between(below, inside, above):
    """Three functions that meet at -3 and 3."""
    return lambda x: t.switch(x, -3, below, lambda x: t.switch(x, 3, inside, above))


def gelu_tanh(x):
    """x (1 + tanh u) / 2 = x σ(2u)."""
    return x * t.sigmoid((x + x * x * x * t.mpf("0.044715")) * (2 * t.mp.sqrt(2 / t.mp.pi)))


ALPHA, LAMBDA = t.mpf("1.6732632423543772"), t.mpf("1.0507009873554805")
activation(nn.ReLU(), bend(lambda x: 0 * x, lambda x: x), "jax.nn.relu", "torch.relu")
activation(nn.LeakyReLU(0.25), bend(lambda x: 0.25 * x, lambda x: x),
           "lambda x: jax.nn.leaky_relu(x, 0.25)", f"lambda x: {F}leaky_relu(x, 0.25)")  # fmt: skip
activation(nn.ELU(), bend(t.expm1, lambda x: x), "jax.nn.elu", f"{F}elu")
activation(nn.SELU(), bend(lambda x: ALPHA * LAMBDA * t.expm1(x), lambda x: LAMBDA * x), "jax.nn.selu", f"{F}selu")
activation(nn.GELU(), lambda x: x * t.ndtr(x), "lambda x: jax.nn.gelu(x, approximate=False)", f"{F}gelu")
activation(nn.GELU("tanh"), gelu_tanh,
           "lambda x: jax.nn.gelu(x, approximate=True)", f"lambda x: {F}gelu(x, approximate='tanh')")  # fmt: skip
activation(nn.SiLU(), lambda x: x * t.sigmoid(x), "jax.nn.silu", f"{F}silu")
activation(nn.Softplus(threshold=math.inf), t.softplus,
           "jax.nn.softplus", f"lambda x: {F}softplus(x, threshold=math.inf)")  # fmt: skip
activation(nn.Tanh(), t.tanh, "jnp.tanh", "torch.tanh")
activation(nn.Sigmoid(), t.sigmoid, "jax.nn.sigmoid", "torch.sigmoid")
activation(nn.HardTanh(), lambda x: t.minimum(t.maximum(x, jet(-1)), jet(1)), "jax.nn.hard_tanh", f"{F}hardtanh")
activation(nn.Sine(2.0), lambda x: t.sin(2 * x), "lambda x: jnp.sin(2.0 * x)", "lambda x: torch.sin(2.0 * x)")
activation(nn.Mish(), lambda x: x * t.tanh(t.softplus(x)), "jax.nn.mish", f"{F}mish")
activation(nn.CELU(2.0), bend(lambda x: 2 * t.expm1(x / 2), lambda x: x),
           "lambda x: jax.nn.celu(x, 2.0)", f"lambda x: {F}celu(x, 2.0)")  # fmt: skip
activation(nn.Softsign(), bend(lambda x: x / (1 - x), lambda x: x / (1 + x)), "jax.nn.soft_sign", f"{F}softsign")
activation(nn.LogSigmoid(), lambda x: -t.softplus(-x), "jax.nn.log_sigmoid", f"{F}logsigmoid")
activation(nn.Tanhshrink(), lambda x: x - t.tanh(x), None, f"{F}tanhshrink")
activation(nn.ReLU6(), lambda x: t.minimum(t.maximum(x, jet(0)), jet(6)), "jax.nn.relu6", f"{F}relu6")
activation(nn.Hardsigmoid(), between(lambda x: 0 * x, lambda x: (x + 3) / 6, lambda x: 0 * x + 1),
           "jax.nn.hard_sigmoid", f"{F}hardsigmoid")  # fmt: skip
activation(nn.Hardswish(), between(lambda x: 0 * x, lambda x: x * (x + 3) / 6, lambda x: x),
           "jax.nn.hard_swish", f"{F}hardswish")  # fmt: skip
activation(nn.Hardshrink(3.0), between(lambda x: x, lambda x: 0 * x, lambda x: x),
           None, f"lambda x: {F}hardshrink(x, 3.0)")  # fmt: skip
activation(nn.Softshrink(3.0), between(lambda x: x + 3, lambda x: 0 * x, lambda x: x - 3),
           None, f"lambda x: {F}softshrink(x, 3.0)")  # fmt: skip
activation(nn.Threshold(0.0, -2.0), bend(lambda x: 0 * x - 2, lambda x: x),
           None, f"lambda x: {F}threshold(x, 0.0, -2.0)")  # fmt: skip
add("Layers", "nn.PReLU", lambda x: nn.PReLU()({"weight": np.full(1, 0.25, x.dtype)}, x),
    bend(lambda x: 0.25 * x, lambda x: x))  # fmt: skip
stacked("Layers", "nn.GLU", lambda z: nn.GLU()({}, z)[..., 0], lambda x, y: x * t.sigmoid(y), "x, 1", "1, x", "x, 2x")
of_logits("Layers", "nn.Softmax", lambda z: nn.Softmax()({}, z)[..., 0], softmax, *LOGITS)
of_logits("Layers", "nn.LogSoftmax", lambda z: nn.LogSoftmax()({}, z)[..., 0], log_softmax, *LOGITS)


def normalised(layer, centred):
    """The first of three numbers that are normalised."""

    def truth(*xs):
        xs = [x - total(xs) / len(xs) for x in xs] if centred else xs
        return xs[0] / t.sqrt(total(x * x for x in xs) / len(xs) + t.mpf(layer.eps))

    def program(z):
        return layer({name: p.astype(z.dtype) for name, p in layer.init(rng=0).items()}, z)[..., 0]

    stacked("Layers", f"nn.{type(layer).__name__}", program, truth, "x, 0, 1", "x, x, 0", "1, x, 0", scale=2.0,
            within=math.isfinite)  # fmt: skip


normalised(nn.LayerNorm(3, eps=2.0**-17), centred=True)
normalised(nn.RMSNorm(3, eps=2.0**-17), centred=False)


def cell(name, kind, truth, state, read, **weights):
    """One unit of a cell whose weights leave one nonlinearity: those not given are 0."""
    unit = kind(1, 1)

    def program(x):
        drawn = unit.init(rng=0, dtype=x.dtype)
        given = {k: np.reshape(weights.get(k, np.zeros(p.size)), p.shape).astype(x.dtype) for k, p in drawn.items()}
        start = tuple(np.full((*x.shape, 1), part, x.dtype) for part in state)
        out = unit(dg.Params(given, drawn.buffers), start if len(start) > 1 else start[0], x[..., None])
        return read(unit, out)[..., 0]

    add("Layers", f"nn.{kind.__name__}{name}", program, truth, within=math.isfinite)


def state(unit, out):
    return out


OPEN = 1e4  # the bias of a gate that is open
cell("", nn.RNNCell, t.tanh, [0], state, weight_x=1)
cell("", nn.LeakyRNNCell, t.sigmoid, [0], nn.LeakyRNNCell.output, weight_x=1)
cell(", candidate", nn.GRUCell, t.tanh, [0], state, weight_x=[0, 0, 1], bias_x=[0, -OPEN, 0])
cell(", gate", nn.GRUCell, t.sigmoid, [1], state, weight_x=[0, 1, 0])
cell(", input gate", nn.LSTMCell, t.sigmoid, [0, 0], lambda unit, s: s[1], weight_x=[1, 0, 0, 0], bias=[0, 0, OPEN, 0])
cell(", forget gate", nn.LSTMCell, t.sigmoid, [0, 1], lambda unit, s: s[1], weight_x=[0, 1, 0, 0])
cell(", candidate", nn.LSTMCell, t.tanh, [0, 0], lambda unit, s: s[1], weight_x=[0, 0, 1, 0], bias=[OPEN, 0, 0, 0])
cell(", output gate", nn.LSTMCell, t.sigmoid, [0, OPEN], lambda unit, s: s[0], weight_x=[0, 0, 0, 1],
     bias=[0, OPEN, 0, 0])  # fmt: skip
cell(", output", nn.LSTMCell, lambda x: t.tanh(t.tanh(x)), [0, 0], lambda unit, s: s[0], weight_x=[0, 0, 1, 0],
     bias=[OPEN, 0, 0, OPEN])  # fmt: skip

# ---------------------------------------------------------------------- losses


def cross_entropy(name, truth, target, *cases, jax=None, torch=None, **settings):
    """Of the first class, or of a distribution."""
    loss = lambda z: nn.cross_entropy(z, target(dg.primal(z)), reduction="none", **settings)  # noqa: E731
    of_logits("Losses", f"nn.cross_entropy{name}", loss, truth, *cases, jax=jax, torch=torch)


def first(z):
    return np.zeros(z.shape[:-1], int)


def smoothed(share):
    """Cross-entropy with 1 - share on the first class and share spread over all."""

    def truth(*xs):
        each = [log_softmax(x, *xs[:i], *xs[i + 1 :]) for i, x in enumerate(xs)]
        return -(1 - t.mpf(share)) * each[0] - t.mpf(share) / len(xs) * total(each)

    return truth


cross_entropy("", lambda *xs: -log_softmax(*xs), first, *LOGITS, jax="-jax.nn.log_softmax(z, axis=-1)[..., 0]",
              torch=f"{F}cross_entropy(z, torch.zeros(z.shape[:-1], dtype=torch.long), reduction='none')")  # fmt: skip
cross_entropy("(label_smoothing=0.25)", smoothed(0.25), first, *LOGITS[:3], *LOGITS[-1:], label_smoothing=0.25)
cross_entropy(" of distributions", smoothed(1), lambda z: np.full_like(z, 1 / z.shape[-1]), *LOGITS[:3], *LOGITS[-1:])


def loss(name, truth, *cases, torch=None, jax=None, **settings):
    """A loss of a prediction and a constant target."""
    f = getattr(nn, name)
    program = lambda x, y: f(x, y, reduction="none")  # noqa: E731
    add("Losses", f"nn.{name}", program, truth, *cases, torch=torch, jax=jax, **settings)


def huber(x, y):
    e = x - y
    return t.switch(abs(e) if e.c[0] else e, 1, lambda a: a * a / 2, lambda a: a - t.mpf("0.5"))


stacked("Losses", "nn.nll", lambda z: nn.nll(z, first(dg.primal(z)), reduction="none"), lambda x, y: -x, "x, 2x")
loss(
    "mse",
    lambda x, y: (x - y) * (x - y),
    "x, 0",
    "x, 1",
    "x, x̄",
    torch=f"lambda x, y: {F}mse_loss(x, y, reduction='none')",
)
loss("mae", lambda x, y: abs(x - y), "x, 0", "x, 1", torch=f"lambda x, y: {F}l1_loss(x, y, reduction='none')")
loss("huber", huber, "x, 0", "x, x̄", torch=f"lambda x, y: {F}huber_loss(x, y, reduction='none')")
loss("bce_with_logits", lambda x, y: t.softplus(x) - x * y, "x, 0", "x, 1", "x, 0.25", scale=2.0,
     torch=f"lambda x, y: {F}binary_cross_entropy_with_logits(x, y, reduction='none')")  # fmt: skip
loss("smooth_l1", huber, "x, 0", "x, x̄", torch=f"lambda x, y: {F}smooth_l1_loss(x, y, reduction='none')")
loss("hinge", lambda x, y: t.maximum(1 - x * y, jet(0)), "x, 1", "x, -1")
loss("kl_div", lambda x, y: (x * 0 if not y.c[0] else y * t.log(y)) - x * y, "x, 0", "x, 1", "x, 0.25",
     torch=f"lambda x, y: {F}kl_div(x, y, reduction='none')")  # fmt: skip
stacked("Losses", "nn.gaussian_nll(log_var=True)",
        lambda z: nn.gaussian_nll(z, 0 * dg.primal(z)[..., :1], reduction="none", log_var=True)[..., 0],
        lambda x, v: (v + x * x * t.exp(-v)) / 2, "x, 0", "1, x", "x, x", scale=2.0,
        within=lambda x: -13 < x < math.inf)  # fmt: skip
