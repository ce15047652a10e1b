"""The samplers of jax.random while a replay is on: for its keys they draw from it, for others they are JAX's own.

The public samplers call functions of their module by name; those are replaced, so names bound before (``from
jax.random import normal``), libraries and jitted functions come here too. ``choice`` and ``categorical`` do their own
work, and ``poisson`` looks at its key: their code is replaced. What is not listed is computed by JAX from what is
(lognormal, multivariate_normal, ...), or reaches random bits, which a key of the replay refuses.
"""

import contextlib
import functools
import inspect
import math
import types

import jax
import numpy as np
from jax import numpy as jnp

from ..enumeration.source import ReplayError
from .jax_draws import draw
from .jax_keys import KEY

MODULE = jax.random.normal.__globals__  # of the module that defines the samplers
DELEGATED = "_samplers_of_replay"
FOREIGN = []  # what was drawn from keys that are not the replay's

# ---------------------------------------------------------------------- laws


def _normal(key, shape, dtype):
    if not jnp.issubdtype(dtype, jnp.complexfloating):
        return _standard("normal", key, shape, dtype)
    real, imaginary = jax.random.split(key)
    part = np.zeros((), dtype).real.dtype
    z = jax.lax.complex(_standard("normal", real, shape, part), _standard("normal", imaginary, shape, part))
    return z / np.sqrt(2).astype(part)


def _standard(law, key, shape, dtype):
    return draw(("continuous", law), shape, dtype, key)


def _uniform(key, minval, maxval, shape, dtype):
    u = draw(("uniform", tuple(shape)), shape, dtype, key, _positions(shape))
    minval, maxval = (jax.lax.convert_element_type(m, dtype) for m in (minval, maxval))
    return minval + (maxval - minval) * u


def _positions(shape):
    return np.arange(math.prod(shape), dtype=np.int32).reshape(shape)


def _truncated_normal(key, lower, upper, shape, dtype):
    shape = jnp.broadcast_shapes(jnp.shape(lower), jnp.shape(upper)) if shape is None else shape
    lower, upper = (jax.lax.erf(jnp.asarray(a, dtype) / np.sqrt(2).astype(dtype)) for a in (lower, upper))
    return np.sqrt(2).astype(dtype) * jax.lax.erf_inv(_uniform(key, lower, upper, shape, dtype))


def _exponential(key, shape, dtype):
    return _standard("exponential", key, shape, dtype)


def _gumbel(key, shape, dtype):
    return _standard("gumbel", key, shape, dtype)


def _laplace(key, shape, dtype):
    return _standard("laplace", key, shape, dtype)


def _logistic(key, shape, dtype):
    return _standard("logistic", key, shape, dtype)


def _bernoulli(key, p, shape):
    shape = jnp.shape(p) if shape is None else shape
    return draw(("below", tuple(shape)), shape, bool, key, _positions(shape), jnp.broadcast_to(p, shape))


def _rademacher(key, shape, dtype):
    return draw(("rademacher",), shape, dtype, key)


def _randint(key, minval, maxval, shape, dtype):
    minval, maxval = jnp.asarray(minval), jnp.asarray(maxval)
    span = jnp.broadcast_to(maxval - minval, shape)
    return minval.astype(dtype) + draw(("integers",), shape, dtype, key, span)


def _shuffle(key, x, axis):
    if np.ndim(x) == 1:
        return x[_permuted(key, len(x), len(x))]
    rows = jnp.moveaxis(x, axis, -1)
    lead = rows.shape[:-1]
    keys = jax.random.split(key, math.prod(lead))
    orders = draw(("permutation", rows.shape[-1], False), rows.shape[-1:], int, keys).reshape(rows.shape)
    return jnp.moveaxis(jnp.take_along_axis(rows, orders, -1), -1, axis)


def _permuted(key, n, count, weights=()):
    """The first ``count`` of a permutation of n, in proportion to weights where they are given."""
    return draw(("permutation", n, bool(weights)), (count,), int, key, *weights)


def categorical(key, logits, axis=-1, shape=None, replace=True):
    """``jax.random.categorical`` of the replay: of the softmax of the logits, not by the largest of Gumbel draws."""
    weights = jax.nn.softmax(jnp.moveaxis(jnp.asarray(logits), axis, -1), -1)
    *batch, n = weights.shape
    shape = tuple(batch) if shape is None else tuple(shape)
    if jnp.broadcast_shapes(shape, tuple(batch)) != shape:
        raise ValueError(f"jax.random.categorical got shape={shape}; expected one that ends with {tuple(batch)}")
    if replace:
        return draw(("categorical", n), shape, int, key, jnp.broadcast_to(weights, (*shape, n)))
    count = math.prod(shape[: len(shape) - len(batch)])
    if count > n:
        raise ValueError(f"jax.random.categorical cannot take {count} of {n} without replacement")
    keys = jax.random.split(key, tuple(batch)) if batch else key
    return jnp.moveaxis(draw(("permutation", n, True), (count,), int, keys, weights), -1, 0).reshape(shape)


def choice(key, a, shape=(), replace=True, p=None, axis=0, mode=None):
    """``jax.random.choice`` of the replay: by indices, each a draw of its own."""
    a = jnp.asarray(a) if np.ndim(a) else jnp.arange(a)
    n, count = a.shape[axis], math.prod(shape)
    if p is not None and jnp.shape(p) != (n,):
        raise ValueError(f"jax.random.choice got p of shape {jnp.shape(p)}; expected ({n},), one for each to choose")
    if not replace and count > n:
        raise ValueError(f"jax.random.choice cannot take {count} of {n} without replacement")
    if replace and p is None:
        indices = jax.random.randint(key, shape, 0, n)
    elif replace:
        indices = draw(("categorical", n), shape, int, key, jnp.broadcast_to(jnp.asarray(p, float), (*shape, n)))
    else:
        indices = _permuted(key, n, count, () if p is None else (jnp.asarray(p, float),))
    return jnp.take(a, indices.reshape(shape), axis)


def _refused(name):
    def refused(key):
        raise ReplayError(
            f"jax.random.{name.strip('_')} is not modelled by the replay; check the run by samples: testing.check_mean"
        )

    return refused


LAWS = {f.__name__: f for f in (
    _normal, _uniform, _truncated_normal, _exponential, _gumbel, _laplace, _logistic, _bernoulli, _rademacher,
    _randint, _shuffle,
)}  # fmt: skip
OF_THEIR_OWN = {"choice": choice, "categorical": categorical, "poisson": _refused("poisson")}
REJECTED = ("_beta", "_binomial", "_dirichlet", "_gamma", "_geometric", "_triangular", "_wald")

# ---------------------------------------------------------------------- replaced


@contextlib.contextmanager
def samplers_replaced():
    """The samplers of jax.random draw from the replay, where the key is one of its own."""
    if DELEGATED in MODULE:  # a run within a run
        yield
        return
    old = {name: MODULE[name] for name in (*LAWS, *REJECTED) if name in MODULE}
    codes = {name: getattr(jax.random, name).__code__ for name in OF_THEIR_OWN}
    if missing := [name for name in LAWS if name not in old]:
        raise ReplayError(
            f"jax.random has no {', '.join(missing)} in jax {jax.__version__}; the replay knows jax 0.6 to 0.10"
        )
    FOREIGN.clear()
    try:
        MODULE[DELEGATED] = {
            name: _switched(_copied(getattr(jax.random, name)), ours) for name, ours in OF_THEIR_OWN.items()
        }
        for name in OF_THEIR_OWN:
            getattr(jax.random, name).__code__ = _delegate(name)
        for name, theirs in old.items():
            MODULE[name] = _switched(theirs, LAWS.get(name) or _refused(name))
        yield
    finally:
        MODULE.update(old)
        for name, code in codes.items():
            getattr(jax.random, name).__code__ = code
        del MODULE[DELEGATED]


def _copied(function):
    """A function whose code does not change with that of the one it is a copy of."""
    copy = types.FunctionType(function.__code__, MODULE, function.__name__, function.__defaults__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _delegate(name):
    """Code with the arguments of a sampler, which calls what is delegated."""
    code = getattr(jax.random, name).__code__
    first, count = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    names, place = code.co_varnames[:count], {}
    listed = ", ".join([*names[:first], *(["*"] if count > first else []), *names[first:]])
    given = ", ".join(f"{each}={each}" for each in names)
    exec(f"def {name}({listed}): return {DELEGATED}[{name!r}]({given})", place)
    return place[name].__code__


def _switched(theirs, ours):
    """A sampler of JAX's, and ours in its place for keys of the replay; arguments are passed by their names."""
    signature, wanted = inspect.signature(theirs), inspect.signature(ours).parameters

    @functools.wraps(theirs)
    def sampler(*args, **kwargs):
        key, before = args[0] if args else kwargs["key"], len(FOREIGN)
        if getattr(key, "dtype", None) != KEY:
            drawn = theirs(*args, **kwargs)
            FOREIGN[before:] = [theirs.__name__.strip("_")]  # not what it calls
            return drawn
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return ours(**{name: value for name, value in bound.arguments.items() if name in wanted})

    return sampler
