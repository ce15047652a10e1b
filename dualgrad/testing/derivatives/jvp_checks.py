"""check_jvp: a function's tangent rule against oracles that do not use it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ... import pushforward
from ...arguments import match_tangents
from ...backend import to_numpy
from ...errors import DualgradError, ShapeError
from ...random import RngLike, as_rng
from ...tree import flatten, unflatten
from ..report import Check, Report, verdict
from .around import around, widened
from .elsewhere import random_direction
from .functions import FlatFunction
from .pointwise import AtPoint
from .variations import MEETS


def check_jvp(
    f: Callable[..., Any],
    primals: tuple[Any, ...] | list[Any],
    tangents: tuple[Any, ...] | list[Any] | None = None,
    *,
    orders: int | Iterable[int] = (1, 2),
    directions: Iterable[int] = (1, 3, 5, 17),
    jvp: Callable[..., tuple[Any, Any]] = pushforward.jvp,
    rng: RngLike = None,
    raises: bool = True,
) -> Report:
    """Check the derivative that `dualgrad.jvp`, or an engine of your own, gives for ``f``.

    Order 1 is compared with central differences of f, extrapolated (Ridders 1982), and with the complex step wherever
    the Cauchy-Riemann equations hold; order k with the same two oracles applied to the jvp of order k - 1, so that
    order 2 is forward over forward. The tangent must be linear in the direction (sums, multiples, zero, tangents with
    zeros in them), and K directions in one pass must be K single ones.

    From the point that is given, others are derived, where f is defined there: the same numbers in other layouts, in
    single precision, one example and none, points nearby and further out, with other signs, zeros, ties and complex
    entries.

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
        Orders to check, each at least 1; ``(1,)`` for an engine that does not nest.
    directions : tuple of int
        How many directions to push in one pass, beside as many as an axis has entries; ``()`` for an engine that takes
        one at a time.
    jvp : callable
        The engine: ``jvp(f, primals, tangents) -> value, tangent``. It is given f as a function of arrays and numbers,
        one for every leaf of the primals; nested in itself it gives order 2. What it raises is a failed check.
    rng : int, numpy.random.Generator or Rng, optional
        Draws the directions; by default the seed 0, so that a check gives the same answer every time.
    raises : bool
        Raise when the check fails, warn when no oracle can tell; False only returns the report.

    Returns
    -------
    Report
        Every `Check` with its oracle, its verdict and its worst element. An element is "unchecked" where differences
        do not settle and the complex step does not apply: at a kink (both slopes are given), a jump, a singularity, or
        where x is so large that its last bits decide the differences.

    Raises
    ------
    AssertionError
        With the report, when a check fails.
    CheckError
        When f writes to its input or gives two results for one input.
    TypeError
        When f is not callable or returns integers or arrays other than NumPy's; for integer primals.

    Notes
    -----
    Cost: about 80 evaluations of f, as many of its jvp for order 2, and so on; twice that near a kink. What is derived
    from the point costs another 60 and 30 of the jvp. A fault is caught along the directions drawn; one that shows only
    elsewhere in the domain is not.

    A derived point judges, but is never missed: it is passed over where f raises, warns or is not finite, where the
    differences do not settle or are no linear map (a kink, a tie), where f needs double precision, and where a rule is
    one for real numbers alone (it takes i v to i times the tangent along v).

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

    An engine of one's own, here by differences, of one direction and one order:

    >>> def mine(f, primals, tangents):
    ...     (x,), (v,) = primals, tangents
    ...     return f(x), (f(x + 1e-3 * v) - f(x - 1e-3 * v)) / 2e-3
    >>> report = testing.check_jvp(np.exp, (1.0,), orders=(1,), directions=(), jvp=mine, raises=False)
    >>> report.status, report.failures[0].name
    ('failed', 'order 1')
    """
    if not callable(f):
        raise TypeError(f"check_jvp got f={f!r}; expected a function of the primals")
    if not callable(jvp):
        raise TypeError(f"check_jvp got jvp={jvp!r}; expected an engine jvp(f, primals, tangents) -> value, tangent")
    orders, directions = _whole_numbers("orders", orders, 1), _whole_numbers("directions", directions, 0)
    if not orders:
        raise ValueError("got orders=(); expected positive whole numbers such as (1, 2)")
    if not isinstance(primals, (tuple, list)):
        raise TypeError("check_jvp takes a tuple of primals: check_jvp(f, (x,))")
    rng = as_rng(0 if rng is None else rng)
    given, structure = flatten(tuple(primals))
    zeros = unflatten(structure, [np.zeros(np.shape(x)) for x in given])
    given = [np.asarray(to_numpy(x)) for x in match_tangents(primals, zeros)[0]]  # says what is wrong with a primal
    if not given:
        raise TypeError("check_jvp got no primals; expected at least one array to differentiate by")
    xs = [widened(x) for x in given]
    f = FlatFunction(f, structure, jvp)
    with np.errstate(all="ignore"):  # what is not finite is unchecked
        f.examine(given)
    v, w = ([random_direction(rng, x) for x in xs] for _ in range(2))
    if tangents is not None:
        v = [widened(np.asarray(to_numpy(d))) for d in match_tangents(primals, tuple(tangents))[1]]
        if any(np.shape(d) != np.shape(x) for d, x in zip(v, xs, strict=True)):
            raise ShapeError("check_jvp takes one direction, of the shapes of the primals; it draws K itself")
    with np.errstate(all="ignore"):
        found = _checks(f, xs, v, w, orders, directions, rng)
    found = tuple(map(_with_what_to_leave_out, found)) if f.own else tuple(found)
    return verdict(Report(f"check_jvp of {f.name}", found), raises)


def _checks(f, xs, v, w, orders, directions, rng):
    """The derivative, and that it is a linear map; where that is right, whatever can be derived from the point."""
    at = AtPoint(f, xs)
    chain = [v, *([random_direction(rng, x) for x in xs] for _ in range(max(orders) - 1))]
    found = _tried("value", lambda: [at.of_value(v)], f.own)
    if found[0].oracle == RUNS:
        return found
    for order in orders:
        try:
            found += _tried(f"order {order}", lambda k=order: at.order(chain[:k]), f.own)
        except DualgradError as error:
            if order > 1:
                error.add_note(f"at order {order}; a rule of first derivatives alone is checked by orders=(1,)")
            raise
    found += _tried("linear in the tangent", lambda: at.linear(v, w))
    if directions:
        meets = {n for shape in [*map(np.shape, xs), *at.elements.shapes] for n in shape if n <= MEETS}
        counts = sorted({*directions, *meets})
        found += _tried("K directions in one pass", lambda: [at.directions(counts, v, w, rng)])
    if not any(check.status == "failed" for check in found):
        found += _tried("what is derived from the point", lambda: around(at, v, rng))
    return found


RUNS = "runs"


def _with_what_to_leave_out(check):
    """A failed check with the option for an engine that is not made for it."""
    order = check.name.startswith("order ") and check.name != "order 1"
    if check.status != "failed" or not (order or check.name == "K directions in one pass"):
        return check
    hint = "does not nest: orders=(1,)" if order else "takes one direction at a time: directions=()"
    return replace(check, note="; ".join(filter(None, [check.note, f"for an engine that {hint}"])))


def _tried(name, checks, caught=True):
    """The checks, or one that failed with what the engine raised; dualgrad's own errors at the point are the user's."""
    try:
        return [check for check in checks() if check is not None]
    except Exception as error:
        if not caught:
            raise
        return [Check(name, RUNS, "failed", note=f"{type(error).__name__}: {error}")]


def _whole_numbers(name, numbers, least):
    numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers)
    if any(not isinstance(k, int) or isinstance(k, bool) or k < least for k in numbers):
        raise ValueError(f"got {name}={numbers!r}; expected whole numbers from {least}, such as (1, 3)")
    return numbers
