"""A layer's pullback where the user did not look: dtypes, layouts, batches of one and of none, the second order."""

import warnings

import numpy as np

from ...pushforward import jvp
from ...tree import flatten, map_leaves
from ...zero import ZERO
from ..report import Check, Elements, compare, row
from .around import widened
from .elsewhere import defined, tangent_at
from .functions import FlatFunction
from .pointwise import worst
from .variations import LAYOUTS


def around_layer(checks, u, pulled):
    """The checks of whatever can be derived from the point of a `_Transposes`."""
    yield _of_its_dtype(checks, u, "dtype of p and x")
    yield _in_single_precision(checks)
    yield worst(_pullback_in_layout(checks, u, pulled, name, lay) for name, lay in LAYOUTS.items())
    yield worst(_batch(checks, count, name) for count, name in ((1, "one example"), (0, "no examples")))
    yield _second_order(checks, u)


def _cast(tree, change):
    """Every floating array changed; other things, as integers or options, as they are."""
    if not isinstance(tree, (dict, np.ndarray)):
        return tree
    return map_leaves(lambda a: change(a) if isinstance(a, np.ndarray) and a.dtype.kind in "fc" else a, tree)


def _forward(checks):
    """The value of a layer at a point that may be none of its own; None where it raises, warns or is not finite."""
    with warnings.catch_warnings(), np.errstate(divide="raise", over="raise", invalid="raise"):
        warnings.simplefilter("error")
        try:
            y = np.asarray(checks.forward(checks.point))
        except Exception:  # whatever a layer says of an input that is not for it
            return None
    return y if np.all(np.isfinite(y)) else None


def _of_its_dtype(checks, u, oracle):
    """dp and dx in the dtype of p and x, where all of them and y have one."""
    kinds = {a.dtype for a in flatten(checks.point)[0]} | {u.dtype}
    if len(kinds) > 1:
        return None
    dp, dx = checks.layer.vjp(checks.p, checks.x, **checks.kwargs)[1](u)
    found = {f"['params']['{name}']": dp[name] for name in checks.p} | ({"['x']": dx} if "x" in checks.point else {})
    wrong = {name: d.dtype for name, d in found.items() if getattr(d, "dtype", u.dtype) != u.dtype}
    note = ", ".join(f"{name} comes back as {kind}, given as {u.dtype}" for name, kind in wrong.items())
    return Check("dtype of the pullback", oracle, "failed" if wrong else "passed", note=note)


def _in_single_precision(checks):
    single = {np.dtype(np.float64): np.float32, np.dtype(np.complex128): np.complex64}
    there = checks.at(*(_cast(t, lambda a: a.astype(single.get(a.dtype, a.dtype))) for t in checks.where))
    y = _forward(there)
    return None if y is None else _of_its_dtype(there, there.draw(y), "float32")


def _pullback_in_layout(checks, u, pulled, note, lay):
    there, name, oracle = checks.at(*(_cast(t, laid_out(lay)) for t in checks.where)), "layouts", "contiguous arrays"
    y = _forward(there)
    if y is None or checks.close(name, oracle, checks.outputs, y, checks.forward(checks.point)).status == "failed":
        return None
    try:
        found = there.pull(there.layer.vjp(there.p, there.x, **there.kwargs)[1], laid_out(lay)(u))
    except Exception as error:  # the layer takes this layout, so its rule should
        return Check(name, oracle, "failed", note=f"{note}: {type(error).__name__}: {error}")
    return checks.close(name, oracle, checks.inputs, found, pulled, note)


def laid_out(lay):
    return lambda a: lay(a) if np.ndim(a) else a


def _batch(checks, count, note):
    """⟨Jᵀu, v⟩ = ⟨u, Jv⟩ for the first few examples, where the layer takes them."""
    p, x, kwargs = checks.where
    if not x.ndim or len(x) <= count:
        return None
    few = {k: a[:count] if isinstance(a, np.ndarray) and a.shape[:1] == x.shape[:1] else a for k, a in kwargs.items()}
    there, name, oracle = checks.at(p, x[:count], few), "batches", "⟨Jᵀu, v⟩ = ⟨u, Jv⟩"
    y = _forward(there)
    if y is None or not there.inputs.names:
        return None
    try:
        u, v = there.draw(y), there.draw(there.point)
        dy = jvp(there.forward, (there.point,), (v,))[1]
        back = there.pull(there.layer.vjp(there.p, there.x, **there.kwargs)[1], u)
    except Exception as error:
        refused = not count and not isinstance(error, AssertionError)
        return None if refused else Check(name, oracle, "failed", note=f"{note}: {type(error).__name__}: {error}")
    found, expected = row(back) * row(v), row(u) * row(dy)
    budget = checks.tolerance * (np.sum(np.abs(found)) + np.sum(np.abs(expected)) + checks.size)
    found, expected = np.array([np.sum(found)]), np.array([np.sum(expected)])
    return compare(name, oracle, Elements(found[0]), found, expected, budget, note=note)


def _second_order(checks, u):
    """The derivative of (p, x, dy) -> (dp, dx) along a direction, in double precision; None if it takes no Duals."""

    def pull(point, u):
        dp, dx = checks.layer.vjp(point["params"], point.get("x", checks.x), **checks.kwargs)[1](u)
        return [d for d in [*(dp[name] for name in checks.p), dx] if d is not ZERO]

    leaves, structure = flatten((checks.point, u))
    at = defined(FlatFunction(pull, structure, jvp), [widened(np.asarray(leaf)) for leaf in leaves])
    return worst([tangent_at(at, checks.rng, "second order", "", Exception)])
