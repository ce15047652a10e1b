"""The subjects: each line is a function, its truth and what JAX and PyTorch call it.

A *case* makes it a function of one x: ``"x, 1"`` is f(x, 1), ``"x, 2x"`` moves both arguments, and ``"x, x̄"`` is a tie
with a constant of the same value. Names of rivals are Python expressions, evaluated when they are measured.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import dualgrad as dg
from dualgrad import nn
from dualgrad.scipy import special
from dualgrad.tables import RULES

from . import truth as t
from .truth import Jet, jet


class Subject(NamedTuple):
    """A function of one or more arrays, entry by entry."""

    name: str
    group: str
    program: Callable
    truth: Callable  # of as many jets
    cases: tuple = ("x",)
    jax: str | None = None
    torch: str | None = None
    rules: tuple = ()  # the NumPy functions whose rules it tests
    scale: float = 0.0  # rounding of x is ε max(|x|, scale)
    within: Callable = lambda x: True
    own: bool = True  # whether the value is dualgrad's own work, and order 0 must pass

    def arguments(self, case, x, constant, full):
        """What the function is called with: ``constant(x)`` does not move, ``full(x, c)`` is c in the shape of x."""
        kinds = {"x": lambda: x, "2x": lambda: 2 * x, "x̄": lambda: constant(x), "-x": lambda: -x}
        return [kinds[token]() if token in kinds else full(x, float(token)) for token in case.split(", ")]


class Case(NamedTuple):
    """A function of one x."""

    subject: Subject
    label: str
    program: Callable
    truth: Callable
    scale: float
    within: Callable
    moving: int  # how many of its arguments depend on x


@functools.cache
def cases():
    """Every case of every subject, in the order of the page."""
    return [_case(s, label) for s in SUBJECTS for label in s.cases]


def _case(s, label):
    program = lambda x: s.program(*s.arguments(label, x, dg.primal, _full))  # noqa: E731
    exact = lambda x: s.truth(*s.arguments(label, x, lambda x: Jet.constant(x.c[0]), lambda x, c: jet(c)))  # noqa: E731
    return Case(s, label, program, exact, s.scale, s.within, label.count("x"))


def _full(x, c):
    return np.full_like(dg.primal(x), c)


SUBJECTS = []
SOON = ("dawsn", "erfi", "hyperu")


def add(group, name, program, truth, *cases, prefix="", **settings):
    SUBJECTS.append(Subject(prefix + name, group, program, truth, cases or ("x",), **settings))


def numpy(name, truth, *cases, group="NumPy", torch=True, **settings):
    """A ufunc of NumPy, which JAX calls the same, and PyTorch, too, unless told otherwise."""
    f = getattr(np, name)
    torch = f"torch.{name}" if torch is True else torch
    jax = settings.pop("jax", f"jnp.{name}")
    add(group, name, f, truth, *cases, prefix="np.", jax=jax, torch=torch, rules=(f,), own=False, **settings)


def scipy(name, truth, *cases, torch=True, f=None, **settings):
    """A function of scipy.special; left out where SciPy or dualgrad has it not."""
    f = f or getattr(special, name)
    if getattr(special, name) not in RULES and name in SOON:
        return
    torch = f"torch.special.{name}" if torch is True else torch
    settings = {"jax": f"jsp.{name}", "rules": (f,), "own": False} | settings
    add("SciPy", name, f, truth, *cases, prefix="special.", torch=torch, **settings)


# ---------------------------------------------------------------------- NumPy: arithmetic

PAIR = ("x, 1", "1, x", "x, 2x", "x, x", "x, x̄", "x̄, x")
numpy("add", lambda x, y: x + y, *PAIR)
numpy("subtract", lambda x, y: x - y, *PAIR)
numpy("multiply", lambda x, y: x * y, *PAIR)
numpy("divide", lambda x, y: x / y, *PAIR)
numpy("reciprocal", lambda x: 1 / x)
numpy("negative", lambda x: -x)
numpy("positive", lambda x: x)
numpy("conjugate", lambda x: x, torch="torch.conj")
numpy("real", lambda x: x)
numpy("degrees", lambda x: x * (180 / t.mp.pi), torch="torch.rad2deg")
numpy("rad2deg", lambda x: x * (180 / t.mp.pi))
numpy("radians", lambda x: x * (t.mp.pi / 180), torch="torch.deg2rad")
numpy("deg2rad", lambda x: x * (t.mp.pi / 180))
numpy("square", lambda x: x * x)
WHOLE = ("x, 0", "x, 1", "x, 2", "x, 3", "x, 6", "x, -1", "x, -2")
EXPONENTS = (*WHOLE, "x, 0.5", "x, 1.5", "x, -0.5", "2, x", "0.5, x", "x, x", "x, 2x", "x, x̄", "x̄, x")
numpy("power", t.power, *EXPONENTS, torch="torch.pow")
numpy("float_power", t.power, *EXPONENTS)


def _number(n):
    n = float(np.ravel(n)[0]) if np.size(n) else 0.0
    return int(n) if n.is_integer() else n


add("NumPy", "x ** n", lambda x, n: x ** _number(n), t.power, *EXPONENTS[:10], own=False,
    jax="lambda x, n: x ** number(n)", torch="lambda x, n: x ** number(n)")  # fmt: skip
add("NumPy", "x ** np.array([n, ...])", lambda x, n: x ** n.astype(int), t.power, *WHOLE, own=False,
    jax="lambda x, n: x ** n.astype(int)", torch="lambda x, n: x ** n.long()")  # fmt: skip
numpy("sqrt", t.sqrt)
numpy("cbrt", t.cbrt, torch=None)
numpy("fabs", abs, torch="torch.abs")
numpy("absolute", abs)
numpy("hypot", t.hypot, *PAIR, "x, 0", "0, x")
numpy("arctan2", t.arctan2, *PAIR, "x, -1", "-1, x", "-x, x")
COMPLEX = ("x, 1", "1, x", "x, 2x", "x, x", "x, x̄", "x, 0")
add("NumPy", "np.absolute(x + 1j * y)", lambda x, y: np.absolute(x + 1j * y), t.hypot, *COMPLEX, own=False,
    jax="lambda x, y: jnp.absolute(x + 1j * y)", torch="lambda x, y: torch.abs(torch.complex(x, y))")  # fmt: skip
add("NumPy", "np.angle(x + 1j * y)", lambda x, y: np.angle(x + 1j * y), lambda x, y: t.arctan2(y, x), *COMPLEX,
    rules=(np.angle,), own=False, jax="lambda x, y: jnp.angle(x + 1j * y)",
    torch="lambda x, y: torch.angle(torch.complex(x, y))")  # fmt: skip

# ---------------------------------------------------------------------- NumPy: exponentials, trigonometry

numpy("exp", t.exp)
numpy("exp2", lambda x: t.exp(x * t.mp.log(2)))
numpy("expm1", t.expm1)
numpy("log", t.log)
numpy("log2", lambda x: t.log(x) / t.mp.log(2))
numpy("log10", lambda x: t.log(x) / t.mp.log(10))
numpy("log1p", t.log1p)
SUMS = ("x, 0", "0, x", "x, 1", "x, x", "x, 2x", "x, x̄", "x̄, x")
numpy("logaddexp", t.logsumexp, *SUMS, scale=4.0)
numpy("logaddexp2", lambda x, y: t.logsumexp(x * t.mp.log(2), y * t.mp.log(2)) / t.mp.log(2), *SUMS, scale=4.0)
for name in (
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "sinc",
):
    numpy(name, getattr(t, name))

# ---------------------------------------------------------------------- NumPy: steps, extrema, parts


def _floored(x, y, floor):
    """x - y floor(x / y), and nothing where it jumps."""
    ratio = x.c[0] / y.c[0]
    whole = floor(ratio)
    if whole == ratio:
        raise ValueError("a jump")
    return x - y * whole


def _truncate(x):
    return t.mp.floor(x) if x >= 0 else t.mp.ceil(x)


def _flat(value):
    def step(x, *_):
        return t.switch(x, 0, lambda x: jet(value(-1)), lambda x: jet(value(1)))

    return step


numpy("remainder", lambda x, y: _floored(x, y, t.mp.floor), "x, 1", "1, x", "x, 3", "x, 2x")
numpy("fmod", lambda x, y: _floored(x, y, _truncate), "x, 1", "1, x", "x, 3")
add("NumPy", "np.divmod", lambda x, y: np.divmod(x, y)[1], lambda x, y: _floored(x, y, t.mp.floor), "x, 1", "1, x",
    rules=(np.divmod,), own=False)  # fmt: skip
for name, exact in (("maximum", t.maximum), ("minimum", t.minimum), ("fmax", t.maximum), ("fmin", t.minimum)):
    numpy(name, exact, *PAIR)
add("NumPy", "np.clip", lambda x: np.clip(x, -2, 2), lambda x: t.minimum(t.maximum(x, jet(-2)), jet(2)), own=False,
    rules=(np.clip, np._core.umath.clip), jax="lambda x: jnp.clip(x, -2, 2)", torch="lambda x: torch.clip(x, -2, 2)")  # fmt: skip
numpy("copysign", t.copysign, "x, 1", "x, -1", "x, 2x")
numpy("sign", _flat(lambda s: s))
numpy("heaviside", _flat(lambda s: (s + 1) // 2), "x, 0.5")
add("NumPy", "np.ldexp", lambda x: np.ldexp(x, 3), lambda x: x * 8, rules=(np.ldexp,), own=False)
add("NumPy", "np.modf", lambda x: np.modf(x)[0], lambda x: _floored(x, jet(1), _truncate), rules=(np.modf,), own=False)


def _mantissa(x):
    return x * t.mpf(2) ** -t.mp.frexp(x.c[0])[1] if x.c[0] else x


add(
    "NumPy",
    "np.frexp",
    lambda x: np.frexp(x)[0],
    _mantissa,
    rules=(np.frexp,),
    own=False,
    within=lambda x: math.isfinite(x),
)
numpy("nan_to_num", lambda x: x, within=math.isfinite)
numpy("real_if_close", lambda x: x, torch=None, jax=None)

# ---------------------------------------------------------------------- NumPy: scimath, where it stays real


def scimath(name, truth, within):
    f = getattr(np.lib.scimath, name)
    add("NumPy", name, f, truth, prefix="scimath.", rules=(f,), own=False, within=within)


positive, ratio = (lambda x: x > 0), (lambda x: abs(x) < 1)
scimath("sqrt", t.sqrt, positive)
scimath("log", t.log, positive)
scimath("log2", lambda x: t.log(x) / t.mp.log(2), positive)
scimath("log10", lambda x: t.log(x) / t.mp.log(10), positive)
scimath("arcsin", t.arcsin, ratio)
scimath("arccos", t.arccos, ratio)
scimath("arctanh", t.arctanh, ratio)

# ---------------------------------------------------------------------- NumPy: norms


def norm(order):
    return lambda *xs: np.linalg.norm(np.stack(xs, axis=-1), order, axis=-1)


def _total(terms):
    terms = list(terms)
    return sum(terms[1:], terms[0])


def _greatest(*xs):
    top = max(abs(x).c[0] for x in xs)
    largest = [abs(x) for x in xs if abs(x).c[0] == top]
    return functools.reduce(t.maximum, largest)


PLANE = ("x, 1", "x, x", "x, 2x", "x, 0", "x, x̄", "x, 1, 2x")
for order, exact in {
    2: lambda *xs: t.sqrt(_total(x * x for x in xs)),
    1: lambda *xs: _total(abs(x) for x in xs),
    3: lambda *xs: t.power(_total(abs(x) ** 3 for x in xs), 1 / t.mpf(3)),
    0.5: lambda *xs: t.power(_total(t.sqrt(abs(x)) for x in xs), t.mpf(2)),
    math.inf: _greatest,
}.items():
    shown = "np.inf" if order == math.inf else order
    add("NumPy", f"np.linalg.norm(x, {shown})", norm(order), exact, *PLANE,
        jax=f"lambda *xs: jnp.linalg.norm(jnp.stack(xs, axis=-1), {shown}, axis=-1)",
        torch=f"lambda *xs: torch.linalg.norm(torch.stack(xs, axis=-1), {shown.replace('np', 'math') if order == math.inf else order}, axis=-1)")  # fmt: skip
add("NumPy", "np.linalg.vector_norm(x)", lambda *xs: np.linalg.vector_norm(np.stack(xs, axis=-1), axis=-1),
    lambda *xs: t.sqrt(_total(x * x for x in xs)), *PLANE,
    jax="lambda *xs: jnp.linalg.vector_norm(jnp.stack(xs, axis=-1), axis=-1)",
    torch="lambda *xs: torch.linalg.vector_norm(torch.stack(xs, axis=-1), dim=-1)")  # fmt: skip


def matrix(x, y):
    return np.stack([np.stack([x, y], axis=-1), np.stack([y, x], axis=-1)], axis=-1)


add("NumPy", "np.linalg.matrix_norm(x)", lambda x, y: np.linalg.matrix_norm(matrix(x, y)),
    lambda x, y: t.sqrt(2 * (x * x + y * y)), "x, 1", "x, x", "x, 2x",
    jax="lambda x, y: jnp.linalg.norm(jnp.stack([jnp.stack([x, y], -1), jnp.stack([y, x], -1)], -1), axis=(-2, -1))",
    torch="lambda x, y: torch.linalg.matrix_norm(torch.stack([torch.stack([x, y], -1), torch.stack([y, x], -1)], -1))")  # fmt: skip
for order in (1, math.inf):
    add("NumPy", f"np.linalg.matrix_norm(x, {'np.inf' if order == math.inf else order})",
        lambda x, y, order=order: np.linalg.matrix_norm(matrix(x, y), ord=order), lambda x, y: abs(x) + abs(y),
        "x, 1", "x, x", "x, 2x")  # fmt: skip

# ---------------------------------------------------------------------- SciPy

for name in ("erf", "erfc", "erfcx", "erfinv", "ndtr", "log_ndtr", "ndtri"):
    scipy(name, getattr(t, name), jax=None if name == "erfcx" else f"jsp.{name}")
scipy("erfcinv", t.erfcinv, torch=None, jax=None)
scipy("erfi", t.erfi, torch=None, jax=None)
scipy("dawsn", t.dawsn, torch=None, jax=None)
near = lambda x: x > -1000  # noqa: E731  (beyond, mpmath takes long)
scipy("gamma", t.gamma, torch=None, within=near)
scipy("gammaln", t.gammaln, within=near)
scipy("loggamma", t.loggamma, torch="torch.lgamma", jax="jsp.gammaln")
scipy("digamma", lambda x: t.polygamma(0, x), within=near)
for n in (1, 2):
    scipy("polygamma", lambda x, n=n: t.polygamma(n, x), f=lambda x, n=n: special.polygamma(n, x), rules=(special.polygamma,), within=near,
          jax=f"lambda x: jsp.polygamma({n}, x)", torch=f"lambda x: torch.polygamma({n}, x)")  # fmt: skip
    SUBJECTS[-1] = SUBJECTS[-1]._replace(name=f"special.polygamma({n}, x)")
scipy("zeta", lambda x: t.zeta(2, x), f=lambda x: special.zeta(2.0, x), rules=(special.zeta,),
      jax="lambda x: jsp.zeta(2.0, x)", torch="lambda x: torch.special.zeta(torch.full_like(x, 2.0), x)")  # fmt: skip
POSITIVE = ("x, 1", "1, x", "x, 2.5", "x, x", "x, 2x")
scipy("beta", t.beta, *POSITIVE, torch=None)
scipy("betaln", t.betaln, *POSITIVE, torch=None, within=lambda x: 0 < x < math.inf)
scipy("expit", t.sigmoid)
scipy("log_expit", lambda x: -t.softplus(-x), torch="torch.nn.functional.logsigmoid", jax="jax.nn.log_sigmoid")
scipy("logit", lambda x: t.log(x) - t.log(1 - x))
RATIOS = ("x, 1", "1, x", "x, 2x", "x, x", "x, x̄", "x̄, x")
scipy("xlogy", lambda x, y: x * t.log(y), *RATIOS)
scipy("xlog1py", lambda x, y: x * t.log1p(y), *RATIOS)
scipy("entr", t.entr)
scipy("rel_entr", t.rel_entr, *RATIOS, torch=None)
scipy("kl_div", lambda x, y: t.rel_entr(x, y) - x + y, *RATIOS, torch=None)
for v in (0, 1):
    scipy(f"i{v}", lambda x, v=v: t.iv(v, x))
    scipy(f"i{v}e", lambda x, v=v: t.ive(v, x))
for v in (2, 3):
    scipy("iv", lambda x, v=v: t.iv(v, x), f=lambda x, v=v: special.iv(v, x), rules=(special.iv,), jax=None, torch=None)
    scipy(
        "ive",
        lambda x, v=v: t.ive(v, x),
        f=lambda x, v=v: special.ive(v, x),
        rules=(special.ive,),
        jax=None,
        torch=None,
    )
    SUBJECTS[-2:] = [s._replace(name=f"{s.name}({v}, x)") for s in SUBJECTS[-2:]]
scipy("hyperu", lambda x: t.hyperu(0.5, 1.5, x), f=lambda x: special.hyperu(0.5, 1.5, x), rules=(special.hyperu,),
      jax=None, torch=None)  # fmt: skip

LOGITS = ("x, 0", "0, x", "x, x̄", "x, 2x", "x, 0, 1", "0, x, 1", "x, x, 0")


def of_logits(group, name, f, truth, jax, torch, rules=(), own=True):
    """A function of logits side by side; it gives an array of one number each."""
    add(group, name, lambda *xs: f(np.stack(xs, axis=-1)), truth, *LOGITS, scale=4.0, rules=rules, own=own,
        jax=jax and f"lambda *xs: ({jax})(jnp.stack(xs, axis=-1))",
        torch=torch and f"lambda *xs: ({torch})(torch.stack(xs, axis=-1))")  # fmt: skip


def _log_softmax(*xs):
    return -t.logsumexp(*(x - xs[0] for x in xs))


def _softmax(*xs):
    return t.exp(_log_softmax(*xs))


of_logits("SciPy", "special.logsumexp", lambda z: special.logsumexp(z, axis=-1), t.logsumexp,
          "lambda z: jsp.logsumexp(z, axis=-1)", "lambda z: torch.logsumexp(z, -1)", (special.logsumexp,))  # fmt: skip
of_logits("SciPy", "special.softmax", lambda z: special.softmax(z, axis=-1)[..., 0], _softmax,
          "lambda z: jax.nn.softmax(z, axis=-1)[..., 0]", "lambda z: torch.softmax(z, -1)[..., 0]", (special.softmax,))  # fmt: skip
of_logits("SciPy", "special.log_softmax", lambda z: special.log_softmax(z, axis=-1)[..., 0], _log_softmax,
          "lambda z: jax.nn.log_softmax(z, axis=-1)[..., 0]", "lambda z: torch.log_softmax(z, -1)[..., 0]",
          (special.log_softmax,))  # fmt: skip

# ---------------------------------------------------------------------- layers


def activation(layer, truth, jax, torch):
    add("Layers", repr(layer).replace("()", ""), lambda x: layer({}, x), truth, prefix="nn.", jax=jax, torch=torch)


def _bend(below, above):
    return lambda x: t.switch(x, 0, below, above)


def _gelu_tanh(x):
    c = t.mp.sqrt(2 / t.mp.pi)
    return x * t.sigmoid(2 * (x * c + x * x * x * (t.mpf("0.044715") * c)))


ALPHA, LAMBDA = t.mpf("1.6732632423543772"), t.mpf("1.0507009873554805")
F = "torch.nn.functional."
activation(nn.ReLU(), _bend(lambda x: 0 * x, lambda x: x), "jax.nn.relu", "torch.relu")
activation(nn.LeakyReLU(0.25), _bend(lambda x: 0.25 * x, lambda x: x), "lambda x: jax.nn.leaky_relu(x, 0.25)",
           f"lambda x: {F}leaky_relu(x, 0.25)")  # fmt: skip
activation(nn.ELU(), _bend(t.expm1, lambda x: x), "jax.nn.elu", f"{F}elu")
activation(nn.SELU(), _bend(lambda x: t.expm1(x) * (ALPHA * LAMBDA), lambda x: x * LAMBDA), "jax.nn.selu", f"{F}selu")
activation(nn.GELU(), lambda x: x * t.ndtr(x), "lambda x: jax.nn.gelu(x, approximate=False)", f"{F}gelu")
activation(nn.GELU("tanh"), _gelu_tanh, "lambda x: jax.nn.gelu(x, approximate=True)",
           f"lambda x: {F}gelu(x, approximate='tanh')")  # fmt: skip
activation(nn.SiLU(), lambda x: x * t.sigmoid(x), "jax.nn.silu", f"{F}silu")
activation(nn.Softplus(threshold=1e9), t.softplus, "jax.nn.softplus", f"lambda x: {F}softplus(x, threshold=1e9)")
activation(nn.Tanh(), t.tanh, "jnp.tanh", "torch.tanh")
activation(nn.Sigmoid(), t.sigmoid, "jax.nn.sigmoid", "torch.sigmoid")
activation(nn.HardTanh(), lambda x: t.minimum(t.maximum(x, jet(-1)), jet(1)), "jax.nn.hard_tanh", f"{F}hardtanh")
activation(nn.Sine(2.0), lambda x: t.sin(2 * x), "lambda x: jnp.sin(2.0 * x)", "lambda x: torch.sin(2.0 * x)")
of_logits("Layers", "nn.Softmax", lambda z: nn.Softmax()({}, z)[..., 0], _softmax, None, None)
of_logits("Layers", "nn.LogSoftmax", lambda z: nn.LogSoftmax()({}, z)[..., 0], _log_softmax, None, None)


def _normal(*xs, centre):
    n = len(xs)
    shifted = [x - _total(xs) / n for x in xs] if centre else xs
    return shifted[0] / t.sqrt(_total(x * x for x in shifted) / n + t.mpf("1e-5"))


def normalised(layer, truth):
    def program(*xs):
        x = np.stack(xs, axis=-1)
        return layer({k: v.astype(x.dtype) for k, v in layer.init(rng=0).items()}, x)[..., 0]

    add("Layers", f"nn.{type(layer).__name__}", program, truth, "x, 0, 1", "x, 2x, 0", "1, x, 0", scale=4.0)


normalised(nn.LayerNorm(3), functools.partial(_normal, centre=True))
normalised(nn.RMSNorm(3), functools.partial(_normal, centre=False))


def cell(name, truth, kind, state, read, **weights):
    """One unit of a cell with weights that leave one nonlinearity; ``state`` and the rest of the weights are constants."""
    one = kind(1, 1)

    def program(x):
        dtype = x.dtype
        p = {k: np.array(weights.get(k, np.zeros(v.shape)), dtype).reshape(v.shape) for k, v in one.init(rng=0).items()}
        start = [np.full((*x.shape, 1), s, dtype) for s in state]
        return read(one, one(p, start[0] if len(start) == 1 else tuple(start), x[..., None]))[..., 0]

    add("Layers", name, program, truth, prefix="nn.")


shown = lambda cell, state: state  # noqa: E731
cell("RNNCell", t.tanh, nn.RNNCell, [0], shown, weight_x=1)
cell("LeakyRNNCell", t.sigmoid, nn.LeakyRNNCell, [0], lambda c, s: c.output(s), weight_x=1)
cell("GRUCell, candidate", t.tanh, nn.GRUCell, [0], shown, weight_x=[0, 0, 1], bias_x=[0, -1e4, 0])
cell("GRUCell, gate", t.sigmoid, nn.GRUCell, [1], shown, weight_x=[0, 1, 0])
cell(
    "LSTMCell, output gate",
    t.sigmoid,
    nn.LSTMCell,
    [0, 1e4],
    lambda c, s: s[0],
    weight_x=[0, 0, 0, 1],
    bias=[0, 1e4, 0, 0],
)
cell(
    "LSTMCell, input gate",
    t.sigmoid,
    nn.LSTMCell,
    [0, 0],
    lambda c, s: s[1],
    weight_x=[1, 0, 0, 0],
    bias=[0, 0, 1e4, 0],
)
cell("LSTMCell, candidate", t.tanh, nn.LSTMCell, [0, 0], lambda c, s: s[1], weight_x=[0, 0, 1, 0], bias=[1e4, 0, 0, 0])
cell("LSTMCell, tanh c", lambda x: t.tanh(t.tanh(x)), nn.LSTMCell, [0, 0], lambda c, s: s[0],
     weight_x=[0, 0, 1, 0], bias=[1e4, 0, 0, 1e4])  # fmt: skip

# ---------------------------------------------------------------------- losses


def _class(k):
    return lambda z: np.full(z.shape[:-1], k)


def cross_entropy(name, truth, target, jax=None, torch=None, **settings):
    of_logits(
        "Losses",
        name,
        lambda z: nn.cross_entropy(z, target(dg.primal(z)), reduction="none", **settings),
        truth,
        jax,
        torch,
    )


def _uniform(share):
    """Cross-entropy with a distribution of 1 - share on the first class and share spread over all."""

    def truth(*xs):
        even = _total(_log_softmax(x, *xs[:i], *xs[i + 1 :]) for i, x in enumerate(xs)) / len(xs)
        return -(1 - t.mpf(share)) * _log_softmax(*xs) - t.mpf(share) * even

    return truth


TORCH_CE = f"lambda z: {F}cross_entropy(z, torch.zeros(z.shape[0], dtype=torch.long), reduction='none')"
cross_entropy(
    "nn.cross_entropy",
    lambda *xs: -_log_softmax(*xs),
    _class(0),
    "lambda z: -jax.nn.log_softmax(z, axis=-1)[..., 0]",
    TORCH_CE,
)
cross_entropy("nn.cross_entropy(label_smoothing=0.25)", _uniform(0.25), _class(0), label_smoothing=0.25)
cross_entropy("nn.cross_entropy of distributions", _uniform(1), lambda z: np.full_like(z, 1 / z.shape[-1]))


def loss(name, truth, *cases, torch=None, jax=None, scale=0.0, **settings):
    f = getattr(nn, name)
    program = lambda x, y: f(x[..., None], y[..., None], reduction="none", **settings)  # noqa: E731
    add("Losses", name, program, truth, *cases, prefix="nn.", torch=torch, jax=jax, scale=scale)


add(
    "Losses",
    "nn.nll",
    lambda x: nn.nll(np.stack([x, 2 * x], -1), np.zeros(x.shape, int), reduction="none"),
    lambda x: -x,
)
loss(
    "mse",
    lambda x, y: (x - y) * (x - y),
    "x, 0",
    "x, 1",
    "x, x̄",
    torch=f"lambda x, y: {F}mse_loss(x, y, reduction='none')",
)
loss("mae", lambda x, y: abs(x - y), "x, 0", "x, 1", "x, x̄", torch=f"lambda x, y: {F}l1_loss(x, y, reduction='none')")


def _huber(x, y):
    e = x - y
    return t.switch(abs(e) if e.c[0] else e, 1, lambda a: a * a / 2, lambda a: a - t.mpf("0.5"))


loss("huber", _huber, "x, 0", "x, x̄", torch=f"lambda x, y: {F}huber_loss(x, y, reduction='none')")
loss("bce_with_logits", lambda x, y: t.softplus(x) - x * y, "x, 0", "x, 1", "x, 0.25", scale=4.0,
     torch=f"lambda x, y: {F}binary_cross_entropy_with_logits(x, y, reduction='none')")  # fmt: skip
