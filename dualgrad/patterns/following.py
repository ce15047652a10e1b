"""What an operation makes of bit sets: by the kind of its rule, and for the few that need it by one of their own."""

import functools

import numpy as np

from ..custom import custom_jvp
from ..dispatch import precedence
from ..dual import LIVE, OBJECT, Dual, lead_of, new_level, store
from ..errors import LevelError
from ..rules.writes import WRITES
from ..tables import KINDS, RULES
from ..tree import flatten, map_leaves, rebuild
from . import choices, linear_maps, sums_of_products
from .curved_in import curved_pairs
from .operation import NeedsValueError, Operation, Pass

__all__ = ["NeedsValueError", "Pass", "followed", "followed_entrywise", "through_rule", "without_values"]

_OF_MATRICES = {
    getattr(np.linalg, name)
    for name in "inv solve pinv det slogdet cholesky qr eigh eigvalsh eig eigvals svd svdvals".split()
    if hasattr(np.linalg, name)
}
_OF_THEIR_SHAPE = {np.nonzero, np.flatnonzero, np.argwhere}
_BY_DEFINITION = {np.piecewise, np._core.umath.clip}
_OWN = {
    np.where: choices.chosen_where, np.sign: choices.sign_of, np.power: choices.power, np.multiply: choices.product_of,
    np.divide: choices.quotient_of,
    np.real: choices.part, np.imag: choices.part,
    np.zeros_like: choices.empty_buffer, np.ones_like: choices.empty_buffer, np.empty_like: choices.empty_buffer,
    np.full_like: choices.filled, np.copy: choices.copied_sets, np.pad: choices.padded,
    np.sort: choices.sorted_along, np.partition: choices.partitioned,
    np.cumsum: linear_maps.running, np.convolve: linear_maps.convolved,
    np.sum: linear_maps.summed, np.mean: linear_maps.summed,
    **dict.fromkeys((np.max, np.min, np.amax, np.amin), choices.extremum),
    **dict.fromkeys((np.maximum, np.minimum, np.fmax, np.fmin), choices.larger_or_smaller),
    **dict.fromkeys(sums_of_products.SPELLED, sums_of_products.sum_of_products),
    **{getattr(np.fft, name): linear_maps.along_axes(-1) for name in "fft ifft rfft irfft hfft ihfft".split()},
    **{getattr(np.fft, name): linear_maps.along_axes((-2, -1)) for name in "fft2 ifft2 rfft2 irfft2".split()},
    **{getattr(np.fft, name): linear_maps.along_axes(None) for name in "fftn ifftn rfftn irfftn".split()},
}  # fmt: skip
if hasattr(np, "astype"):
    _OWN[np.astype] = choices.another_precision


def _is_entrywise(function):
    if isinstance(function, np.ufunc):
        return function.signature is None and function not in _BY_DEFINITION
    return KINDS.get(function) == "elementwise"


_JOINING = {np.add, np.subtract, np.multiply, np.divide, *(f for f, kind in KINDS.items() if kind == "elementwise")}

# ---------------------------------------------------------------------- one call


def followed(function, args, kwargs):
    """A function of arguments with a Dependent among them."""
    if kwargs.get("out") is not None:
        rest = {k: v for k, v in kwargs.items() if k != "out"}
        return store(kwargs["out"], followed(function, args, rest))
    leaves, _ = flatten((tuple(args), kwargs))
    top = max((a for a in leaves if isinstance(a, Dual)), key=precedence)
    rule = RULES.get(function, function)
    if type(top) is Dual:
        return rule(*args, **kwargs)
    run = getattr(top, "run", None)
    if run is None:
        return top.__array_function__(function, (), args, kwargs)
    lead_of(top)
    if any(type(a) is Dual and a.level == run.level for a in leaves):
        raise NotImplementedError("sparsity met a Dual that has no sets of inputs")
    step = Operation(run, function, args, kwargs)
    return without_values(lambda: _by_kind(step, step.args, kwargs), run, function, args, kwargs)


def followed_entrywise(function, args):
    """A ufunc of Dependents of one pass, numbers and arrays; None for anything else."""
    run = None
    for a in args:
        kind = a.__class__
        if kind is float or kind is int or kind is np.ndarray and a.dtype is not OBJECT or isinstance(a, np.generic):
            continue
        found = getattr(a, "run", None)
        if found is None or run is not None and found is not run:
            return None
        run = found
    if run is None or run.level not in LIVE or function not in RULES:
        return None
    if run.meetings is None and function in _JOINING and (y := _joined_sets(run, function, args)) is not None:
        return y
    step = Operation(run, function, args, {})
    return without_values(lambda: _by_kind(step, step.args, {}), run, function, args, {})


def _joined_sets(run, function, args):
    """The commonest: sums, products and functions of one operand, of one shape."""
    values, bits, fresh = [], None, False
    for a in args:
        if a.__class__ is not run.kind:
            if a.__class__ is np.ndarray or a == 0:
                return None
            values.append(a)
        elif a.inert or bits is not None and bits.shape != a.tangent.shape:
            return None
        else:
            values.append(a.value)
            bits, fresh = (a.tangent, False) if bits is None else (bits | a.tangent, True)
    y = function(*values)
    if y.__class__ is not np.ndarray or y.shape != bits.shape[1:] or y.dtype.kind != "f":
        return None
    return run.kind(y, bits if fresh else bits.copy(), run)


def without_values(call, run, function, args, kwargs):
    """``call()``; where it asks for values that stand for all, its results depend on all inputs of its operands."""
    if not run.any_value:
        return call()
    try:
        return call()
    except NeedsValueError:
        known = (
            function in KINDS
            or isinstance(function, custom_jvp)
            or getattr(function, "__name__", "") in ("reduce", "accumulate", "reduceat", "outer")
        )
        step = Operation(run, function, args, kwargs)
        closed = any(callable(a) and not hasattr(a, "dtype") for a in step.leaves)  # which may depend on more
        if not known or closed or function in WRITES or _has_a_shape_of_values(step) or "out" in kwargs:
            raise
        return step.entrywise() if _is_entrywise(function) else step.dense()


def _has_a_shape_of_values(step):
    """Whether the shape of the result depends on values that are not known."""
    given = step.leaves[0] if step.leaves else None
    if step.function in (np.compress, np.extract):
        return step.run.owns(given)
    return step.function in _OF_THEIR_SHAPE or step.function is np.where and len(step.leaves) == 1


def _by_kind(step, args, kwargs):
    function, run, kind = step.function, step.run, KINDS.get(step.function)
    if run.any_value and _has_a_shape_of_values(step):
        raise NeedsValueError
    if isinstance(function, custom_jvp):
        return _by_its_rule(step)
    if kind == "constant":
        return _constant_results(step)
    if not step.moving and function not in WRITES:
        return _inert(step)
    own = _OWN.get(function)
    if _is_entrywise(function):
        _meet_entrywise(step, args)
        return step.entrywise() if own is None else own(step, *args)
    if own is not None and (y := own(step, *args, **kwargs)) is not None:
        return y
    if kind == "composite" or function in WRITES or function in _BY_DEFINITION:
        return _by_definition(step, args, kwargs) if run.any_value else RULES[function](*args, **kwargs)
    if kind == "linear":
        return linear_maps.linear(step)
    if kind == "bilinear":
        return sums_of_products.bilinear(step)
    return _of_matrices(step) if function in _OF_MATRICES else _by_its_rule(step)


def _by_definition(step, args, kwargs):
    """What a function is made of, without its values; of a call that the definition does not take, all of it."""
    rule = RULES[step.function]
    try:
        return getattr(rule, "definition", rule)(*args, **kwargs)
    except TypeError:
        return step.dense()


def _inert(step):
    outputs, structure = flatten(step.values)
    ours = lambda v: getattr(v, "dtype", np.dtype(bool)).kind in "fc"  # noqa: E731
    return rebuild(structure, [step.run.without_inputs(v) if ours(v) else v for v in outputs])


def _constant_results(step):
    """Plain values at x; for all values, something that is not known."""
    if not step.run.any_value:
        return step.values
    if step.function in (np.shape, np.ndim, np.size):
        return step.values
    return map_leaves(lambda v: step.run.without_inputs(v), step.values)


def _meet_entrywise(step, args):
    """The inputs of operands along which a function bends."""
    run, shape = step.run, np.shape(flatten(step.values)[0][0])
    if run.meetings is None:
        return
    sets = {n: step.spread(a.tangent, shape) for n, a in enumerate(args) if run.owns(a) and not a.inert}
    for i, j in curved_pairs(step.function, len(args)):
        if i in sets and j in sets:
            run.meet(sets[i], sets[j])


# ---------------------------------------------------------------------- matrices, and rules of one's own


def _of_matrices(step):
    """Functions of matrices: all of one depends on all of it, apart from those beside it."""
    first, run = step.leaves[0], step.run
    loops = step.plain(first).shape[:-2]
    if not loops or any(a.ndim != len(loops) + 2 or a.shape[:-2] != loops for a in step.operands):
        return step.dense()
    together = run.empty(loops)
    for a in step.operands:
        together = together | np.bitwise_or.reduce(a.tangent.reshape(run.words, *loops, -1), -1)
    run.meet(together, together)

    def bits_of(v):
        if v.shape[: len(loops)] != loops:
            raise NotImplementedError(f"sparsity through {step.function.__name__} with results of shape {v.shape}")
        return step.spread(together.reshape(together.shape + (1,) * (v.ndim - len(loops))), v.shape)

    return step.results(bits_of)


def _by_its_rule(step):
    """A rule is linear in the tangents: they go through it with the sets, the values with none. Where the rule is its
    own, or does not take them, everything depends on everything."""
    run, function = step.run, step.function
    if function in run.entered:
        return step.dense(within=True)
    run.entered.add(function)
    try:
        return through_rule(run, RULES.get(function, function), step)()
    except (NeedsValueError, LevelError):
        raise
    except Exception:  # whatever a rule of one's own makes of what travels: the values say whether it is at fault
        return step.dense()
    finally:
        run.entered.discard(function)


def through_rule(run, function, step=None):
    """The function, called at a level of its own whose tangents are the sets."""

    @functools.wraps(function, updated=())
    def call(*args, **kwargs):
        whole = Operation(run, function, args, kwargs) if step is None else step
        level = new_level(())
        try:
            replace = {k: _value_and_sets(run, whole.leaves[k], level) for k in whole.moving}
            y = whole.filled(replace | {k: whole.leaves[k] for k in whole.mine if k not in replace}, function)
            return map_leaves(lambda v: _put_together(run, v, level), y)
        finally:
            LIVE.pop(level)

    return call


def _value_and_sets(run, a, level):
    """A Dual of a level whose tangent has the sets; its primal has them only where second derivatives are asked for."""
    value = a if run.meetings is not None else run.without_inputs(a.value)
    tangent = run.made(np.ones_like(a.value)[()], a.tangent)
    return Dual(value, tangent, level, True)


def _put_together(run, y, level):
    if not isinstance(y, Dual) or y.level != level:
        return y
    value = y.primal.value if run.owns(y.primal) else y.primal
    bits = y.tangent.tangent if run.owns(y.tangent) else run.empty(np.shape(value))
    return run.made(value, np.broadcast_to(bits, (run.words, *np.shape(value))).copy())
