"""check_jvp: a function's tangent rule against oracles that do not use it."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..arguments import match_tangents
from ..backend import to_numpy
from ..errors import DualgradError, ShapeError
from ..pushforward import jvp
from ..random import RngLike, as_rng
from ..tree import flatten, rebuild, returned, unflatten
from .oracles import analytic, complex_step, has_settled, slope_at_0
from .report import Check, Elements, Report, compare, row, verdict

STEP_SIZES = 14  # step sizes 0.05, 0.025, ..., 6e-6
RELATIVE = 1e-8  # what an oracle's own rounding may add
SETTLED = 1e-5  # differences less certain than this certify nothing
DIRECTIONS = 3


class CheckError(DualgradError, ValueError):
    """What was to be checked is not a function: it changes its input, or gives two results for one input.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad import testing
    >>> try:
    ...     testing.check_jvp(lambda x: x + np.random.default_rng().random(), (1.0,))
    ... except testing.CheckError as error:
    ...     print(str(error)[:54])
    <lambda> is not deterministic: two calls with the same
    """


def check_jvp(
    f: Callable[..., Any],
    primals: tuple[Any, ...] | list[Any],
    tangents: tuple[Any, ...] | list[Any] | None = None,
    *,
    orders: int | Iterable[int] = (1, 2),
    rng: RngLike = None,
    raises: bool = True,
) -> Report:
    """Check the derivative that `dualgrad.jvp` gives for ``f``.

    Order 1 is compared with central differences of f, extrapolated (Ridders 1982), and with the complex step wherever
    the Cauchy-Riemann equations hold; order k with the same two oracles applied to the jvp of order k - 1, so that
    order 2 is forward over forward. The tangent must be linear in the direction (sums, multiples, zero), and
    K directions in one pass must be K single ones.

    Parameters
    ----------
    f : callable
        A function of the primals: written with ``np.*``, or with a rule of your own (`dualgrad.custom_jvp`).
    primals : tuple
        Its arguments: floating or complex arrays, numbers, or trees of them. The oracles run in double precision;
        float32 and float16 arguments are checked in their own precision against that.
    tangents : tuple, optional
        The first direction; by default every entry is ±U(0.2, 1).
    orders : tuple of int
        Orders to check, each at least 1.
    rng : int, numpy.random.Generator or Rng, optional
        Draws the directions; by default the seed 0, so that a check gives the same answer every time.
    raises : bool
        Raise when the check fails, warn when no oracle can tell; False only returns the report.

    Returns
    -------
    Report
        Every `Check` with its oracle, its verdict and its worst element. An element is "unchecked" where differences
        do not settle and the complex step does not apply: at a kink (both slopes are given), a jump, a singularity.

    Raises
    ------
    AssertionError
        With the report, when a check fails.
    CheckError
        When f writes to its input or gives two results for one input.
    TypeError
        When f is not callable or returns integers; for integer primals.

    Notes
    -----
    Cost: about 70 evaluations of f, as many of its jvp for order 2, and so on; twice that near a kink. A fault is
    caught along the directions drawn; one that shows only elsewhere in the domain is not.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import testing
    >>> @dg.custom_jvp
    ... def cube(x):
    ...     return x**3
    >>> @cube.defjvp
    ... def cube_jvp(primals, tangents):
    ...     return primals[0] ** 3, 2 * primals[0] ** 2 * tangents[0]
    >>> report = testing.check_jvp(cube, (np.array([1.0, 2.0]),), raises=False)
    >>> report.status, report.failures[0].name, report.failures[0].where
    ('failed', 'order 1', '[1]')
    """
    if not callable(f):
        raise TypeError(f"check_jvp got f={f!r}; expected a function of the primals")
    orders = _orders(orders)
    if not isinstance(primals, (tuple, list)):
        raise TypeError("check_jvp takes a tuple of primals: check_jvp(f, (x,))")
    rng = as_rng(0 if rng is None else rng)
    given, structure = flatten(tuple(primals))
    zeros = unflatten(structure, [np.zeros(np.shape(x)) for x in given])
    given = match_tangents(primals, zeros)[0]  # says what is wrong with a primal
    if not given:
        raise TypeError("check_jvp got no primals; expected at least one array to differentiate by")
    xs = [_double(x) for x in given]
    f = _FlatFunction(f, structure)
    elements = f.examine(given)
    checks = _Checks(f, xs, elements)
    v, w = ([_random_direction(rng, x) for x in xs] for _ in range(2))
    if tangents is not None:
        v = [_double(d) for d in match_tangents(primals, tuple(tangents))[1]]
        if any(np.shape(d) != np.shape(x) for d, x in zip(v, xs, strict=True)):
            raise ShapeError("check_jvp takes one direction, of the shapes of the primals; it draws K itself")
    found = [checks.value(v)]
    chain = [v, *([_random_direction(rng, x) for x in xs] for _ in range(max(orders) - 1))]
    for order in orders:
        found += checks.order(chain[:order])
    found += checks.linear(v, w)
    found.append(checks.directions([_random_direction(rng, x, (DIRECTIONS,)) for x in xs]))
    if any(x.dtype != y.dtype for x, y in zip(xs, given, strict=True)):
        found += checks.precision(given, v)
    return verdict(Report(f"check_jvp of {f.name}", tuple(found)), raises)


def _orders(orders):
    orders = (orders,) if isinstance(orders, int) else tuple(orders)
    if not orders or any(not isinstance(k, int) or isinstance(k, bool) or k < 1 for k in orders):
        raise ValueError(f"got orders={orders!r}; expected positive whole numbers such as (1, 2)")
    return orders


def _double(x):
    x = to_numpy(x)
    return (
        x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
        if x.dtype.itemsize < 8 or x.dtype == np.complex64
        else x
    )


def _random_direction(rng, x, lead=()):
    shape = lead + x.shape
    v = rng.uniform(0.2, 1, shape) * rng.signs(shape)
    return v * np.exp(1j * rng.uniform(0, 2 * np.pi, shape)) if np.iscomplexobj(x) else v


class _FlatFunction:
    """f as a function from leaves to one row of entries."""

    def __init__(self, f, structure):
        self.f, self.structure = f, structure
        self.name = getattr(f, "__name__", None) or repr(f)

    def tree(self, *leaves):
        return self.f(*rebuild(self.structure, leaves))

    def __call__(self, *leaves):
        return row(self.tree(*leaves))

    def tangent(self, *directions):
        """The function of the leaves that differentiates f along each direction in turn."""
        f = self.tree
        for vs in directions:
            f = _jvp_along(f, vs)
        return lambda *leaves: row(f(*leaves))

    def examine(self, xs):
        """The entries of f(x); raises when f writes to x, is not deterministic, or returns no floating numbers."""
        copies = [np.array(x) for x in xs]
        ys = returned(self.tree(*copies))
        for name, x, copy in zip(Elements(unflatten(self.structure, xs)).names, xs, copies, strict=True):
            if np.asarray(x).tobytes() != copy.tobytes():
                raise CheckError(
                    f"{self.name} writes to its input primals{name}, so it has no well-defined derivative there: let "
                    "it work on a copy (x = x.copy())"
                )
        elements, leaves = Elements(ys), flatten(ys)[0]
        for name, y in zip(elements.names, leaves, strict=True):
            kind = getattr(y, "dtype", np.asarray(y).dtype)
            if not np.issubdtype(kind, np.inexact):
                raise TypeError(
                    f"{self.name} returns {kind} at {name or 'its result'}; expected floating or complex numbers, "
                    "which alone have derivatives"
                )
        again = self.tree(*[np.array(x) for x in xs])
        same = [np.shape(y) for y in flatten(again)[0]] == elements.shapes
        if not same or not np.allclose(row(again), row(ys), rtol=1e-12, atol=0, equal_nan=True):
            raise CheckError(
                f"{self.name} is not deterministic: two calls with the same input differ. Give it a fixed seed, or "
                "make what it keeps between calls part of its input"
            )
        return elements


def _jvp_along(f, vs):
    return lambda *xs: jvp(f, xs, tuple(vs))[1]


def _largest_finite(values):
    """The size of the largest finite entry."""
    with np.errstate(all="ignore"):
        return float(np.max(np.abs(values), initial=0, where=np.isfinite(values)))


class _Checks:
    """The checks of one function at one point."""

    def __init__(self, f, xs, elements):
        self.f, self.xs, self.elements = f, xs, elements
        self.size = _largest_finite(f(*xs))
        self.eps = max((np.finfo(np.asarray(to_numpy(y)).dtype).eps for y in flatten(f.tree(*xs))[0]), default=0.0)

    def push(self, *directions):
        return self.f.tangent(*directions)(*self.xs)

    def budget(self, expected, relative):
        """What an entry may be off: a part of itself, and a little of the largest entry, which may have cancelled."""
        with np.errstate(all="ignore"):
            size = np.abs(expected)
        return max(relative, 1e4 * self.eps) * (size + 1e-4 * max(self.size, _largest_finite(expected)))

    def compare(self, name, oracle, found, expected, relative):
        return compare(name, oracle, self.elements, found, expected, self.budget(expected, relative))

    def value(self, v):
        primals = row(jvp(self.f.tree, tuple(self.xs), tuple(v))[0])
        return self.compare("value", "f itself", primals, self.f(*self.xs), 1e-11)

    def order(self, directions):
        """The derivative along all the directions, from that along all but the last."""
        *lower, v = directions
        below = self.f.tangent(*lower) if lower else self.f
        found = self.push(*directions)
        name = f"order {len(directions)}"
        yield self._differences(name, found, below, v)
        yield self._complex_step(name, found, below, v)

    def _differences(self, name, found, below, v):
        longest = max((np.max(np.abs(d), initial=0) for d in v), default=0)
        start = 1 / max(longest, 1e-300) if longest > 1 else 1.0
        line = lambda t: below(*(x + t * d for x, d in zip(self.xs, v, strict=True)))  # noqa: E731
        noise = self.eps * max(self.size, _largest_finite(line(0.0)))
        at = slope_at_0(line, 0.05 * start, STEP_SIZES, noise)
        sure = has_settled(at, self.budget(at.value, SETTLED))
        budget = self.budget(at.value, RELATIVE) + 10 * at.error
        return compare(name, "central differences", self.elements, found, at.value, budget, sure, self._why(at, sure))

    def _why(self, at, sure):
        if np.all(sure):
            return ""
        kinks = at.kink & ~sure
        k = int(np.argmax(kinks if np.any(kinks) else ~sure))
        where = self.elements.label(k) or "the result"
        if kinks[k]:
            sides = f"slopes {at.left[k]:.6g} and {at.right[k]:.6g} on its two sides"
            more = f" (and at {np.sum(kinks) - 1} more)" if np.sum(kinks) > 1 else ""
            return f"a kink at {where}{more}: {sides}; nothing can be certified there"
        return f"the differences do not settle at {where} (± {at.error[k]:.1e}): a kink, a jump, a singularity or noise"

    def _complex_step(self, name, found, below, v):
        if any(np.iscomplexobj(x) for x in self.xs):
            return Check(name, "complex step", "unchecked", note="the input is complex already", mask=False)
        mask = analytic(below, self.xs, v)
        if isinstance(mask, str):
            return Check(name, "complex step", "unchecked", note=mask, mask=False)
        if np.iscomplexobj(found):
            return Check(name, "complex step", "unchecked", note="the result is complex", mask=False)
        note = "" if np.all(mask) else "not analytic in some entries (Cauchy-Riemann)"
        expected = complex_step(below, self.xs, v)
        budget = self.budget(expected, 1e-9)
        return compare(name, "complex step", self.elements, found, expected, budget, mask, note)

    def linear(self, v, w, factor=-1.75):
        """∂f (v + w) = ∂f v + ∂f w, ∂f (c v) = c ∂f v, and ∂f 0 = 0."""
        along_v, along_w = self.push(v), self.push(w)
        both = self.push([a + b for a, b in zip(v, w, strict=True)])
        budget = self.budget(np.abs(along_v) + np.abs(along_w), 1e-9)
        yield compare("linear in the tangent", "sums", self.elements, both, along_v + along_w, budget)
        times = self.push([factor * d for d in v])
        yield compare("linear in the tangent", "multiples", self.elements, times, factor * along_v, budget)
        nothing = self.push([0 * d for d in v])
        yield compare("linear in the tangent", "zero", self.elements, nothing, 0 * nothing, 0.0)

    def directions(self, stacked):
        """One pass with K directions, and K passes."""
        together = jvp(self.f.tree, tuple(self.xs), tuple(stacked))[1]
        together = [row([d[k] for d in flatten(together)[0]]) for k in range(DIRECTIONS)]
        checks = []
        for k, found in enumerate(together):
            single = self.push([d[k] for d in stacked])
            checks.append(self.compare(f"{DIRECTIONS} directions in one pass", "single ones", found, single, 1e-9))
        return max(checks, key=lambda c: (c.status == "failed", c.error / max(c.budget, 1e-300)))

    def precision(self, given, v):
        """The tangent in the precision of the input, which it keeps."""
        v = [d.astype(x.dtype) for d, x in zip(v, given, strict=True)]
        ys, ds = jvp(self.f.tree, tuple(given), tuple(v))
        kinds = [
            (np.asarray(y).dtype, np.asarray(d).dtype) for y, d in zip(flatten(ys)[0], flatten(ds)[0], strict=True)
        ]
        changed = next((f"a tangent of {d} for a value of {y}" for y, d in kinds if y != d), "")
        yield Check("precision", "dtype of the value", "failed" if changed else "passed", note=changed)
        expected = self.push([_double(d) for d in v])
        coarsest = max(np.finfo(x.dtype).eps for x in given)
        yield self.compare("precision", "double precision", row(ds), expected, 1e4 * coarsest)
