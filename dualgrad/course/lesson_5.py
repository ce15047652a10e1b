"""Exercises of lesson 5: a kink, zero times infinity, an iteration's tangent, and implicit functions."""

import numpy as np

import dualgrad as dg

from .exercise import Exercise, any_of, half_steps, one_from, tables


def _rows(st, strategy=None):
    """Arrays with zeros among them and tangents of theirs, along one direction or several."""
    x = st.lists(one_from(st, [0.0, 1.0, 4.0, 0.25]), min_size=3, max_size=3).map(np.array)
    return st.tuples(x if strategy is None else strategy, any_of(st, tables(st, 3), tables(st, 2, 3)))


SIGNED = {
    "an entry of x is 0": lambda x, dx: bool(np.any(x == 0)),
    "an entry of x is negative": lambda x, dx: bool(np.any(x < 0)),
    "there are K directions": lambda x, dx: np.ndim(dx) > 1,
}

ABSOLUTE = Exercise(
    number="5.1",
    title="A kink",
    task="Write absolute(x, dx) for arrays: |x| and its tangent, with the convention that the slope at 0 is 0.",
    call="absolute(x, dx)",
    first=((np.array([2.0]), np.array([1.0])), (np.array([-2.0]), np.array([1.0])), (np.array([0.0]), np.array([1.0]))),
    inputs=lambda st: _rows(st, st.lists(half_steps(st, -1, 1), min_size=3, max_size=3).map(np.array)),
    expected=lambda x, dx: (np.abs(x), np.where(x == 0, 0.0, np.where(x > 0, dx, -dx))),
    facets=SIGNED,
    mistakes={
        "At 0 yours is no number: 0/0. Which function gives -1, 0 and 1 without dividing?": (
            lambda x, dx: (np.abs(x), x / np.abs(x) * dx)
        ),
        "At 0 you take the slope on the right. That is a convention too, and not the one asked for.": (
            lambda x, dx: (np.abs(x), np.where(x >= 0, dx, -dx))
        ),
        "At 0 you take the slope on the left. That is a convention too, and not the one asked for.": (
            lambda x, dx: (np.abs(x), np.where(x > 0, dx, -dx))
        ),
        "At 0 that is how |x| really changes along dx; but it is not linear in dx, as a tangent must be.": (
            lambda x, dx: (np.abs(x), np.where(x == 0, np.abs(dx), np.where(x > 0, dx, -dx)))
        ),
        "An if asks one question of a whole array; np.where and np.sign ask every entry.": (
            lambda x, dx: (np.abs(x), dx if x > 0 else -dx),
            lambda x, dx: (np.abs(x), dx if x > 0 else -dx if x < 0 else 0 * dx),
            lambda x, dx: (np.abs(x), dx if x >= 0 else -dx),
        ),
        "The absolute value is taken of the tangent: a tangent may well be negative.": (
            lambda x, dx: (np.abs(x), np.abs(dx))
        ),
        "The tangent passes as if the slope were 1 everywhere; what of x < 0?": lambda x, dx: (np.abs(x), dx),
        "That is the slope alone; how fast does x move?": lambda x, dx: (np.abs(x), np.sign(x) + 0 * dx),
    },
)


def _root_tangent(x, dx):
    with np.errstate(all="ignore"):
        return np.where(dx == 0, 0.0, dx / (2 * np.sqrt(x)))


ROOT = Exercise(
    number="5.2",
    title="Zero times infinity",
    task="Write root(x, dx) for arrays x ≥ 0: √x and its tangent; a zero tangent gives zero, also at x = 0.",
    call="root(x, dx)",
    first=((np.array([4.0]), np.array([1.0])), (np.array([0.0]), np.array([0.0])), (np.array([0.0]), np.array([1.0]))),
    inputs=_rows,
    expected=lambda x, dx: (np.sqrt(x), _root_tangent(x, dx)),
    facets={
        "an entry of x and its tangent are both 0": lambda x, dx: bool(np.any((x == 0) & (dx == 0))),
        "an entry of x is 0": lambda x, dx: bool(np.any(x == 0)),
        "there are K directions": lambda x, dx: np.ndim(dx) > 1,
    },
    mistakes={
        "The formula, and it gives 0/0 where x and dx are 0: what does an entry that does not move contribute?": (
            lambda x, dx: (np.sqrt(x), dx / (2 * np.sqrt(x)))
        ),
        "At x = 0 a tangent that is not 0 must give an infinite one: the root is vertical there, and you hide it.": (
            lambda x, dx: (np.sqrt(x), np.where(x == 0, 0.0, dx / (2 * np.sqrt(x))))
        ),
        "A small number under the root makes every value and slope a little wrong, and 0 enormous.": (
            lambda x, dx: (np.sqrt(x + 1e-6), dx / (2 * np.sqrt(x + 1e-6)))
        ),
        "nan_to_num turns an infinity into a large number as well; ask where dx is 0 instead.": (
            lambda x, dx: (np.sqrt(x), np.nan_to_num(dx / (2 * np.sqrt(x))))
        ),
        "The slope of √x has the root below: dx over twice the root.": (
            lambda x, dx: (np.sqrt(x), np.where(dx == 0, 0.0, dx * np.sqrt(x) / 2))
        ),
        "** binds more tightly than /: x ** 1/2 is half of x, and x ** 0.5 its root.": (
            lambda x, dx: (x**1 / 2, np.where(dx == 0, 0.0, dx / (2 * x**1 / 2))),
            lambda x, dx: (x**1 / 2, _root_tangent(x, dx)),
        ),
        "A factor is missing: the square of 1 + t/2 is 1 + t, nearly.": (
            lambda x, dx: (np.sqrt(x), 2 * _root_tangent(x, dx))
        ),
        "You replace the slope before it meets dx; zero it where dx is 0, not where x is.": (
            lambda x, dx: (np.sqrt(x), np.where(x == 0, 1.0, 0.5 / np.sqrt(x)) * dx)
        ),
    },
)


def _newton(a, more=0, steps=None):
    x = a
    if steps is None:
        while abs(x * x - a) > 1e-12 * a:
            x = (x + a / x) / 2
        steps = more
    for _ in range(steps):
        x = (x + a / x) / 2
    return x


def _pushed_root(answer, a, v):
    """Value, slope and second derivative along v, by dualgrad."""
    (y, dy), (_, ddy) = dg.jvp(lambda b: dg.jvp(answer, (b,), (v,)), (a,), (v,))
    return y, dy, ddy


ITERATION = Exercise(
    number="5.3",
    title="An iteration whose tangent is right too",
    task="Write newton_root(a): a loop that finds √a for a > 0, and which dg.jvp twice is right for as well.",
    call="newton_root(a)",
    shown="a, v",
    run=_pushed_root,
    first=((4.0, 1.0), (1.0, 1.0), (9.0, 1.0)),
    inputs=lambda st: st.tuples(one_from(st, [0.25, 1.0, 1.0 + 1e-14, 2.0, 7.0, 50.0]), one_from(st, [1.0, -0.5])),
    draws=12,
    tolerance=1e-8,
    expected=lambda a, v: (np.sqrt(a), v / (2 * np.sqrt(a)), -(v**2) / (4 * a * np.sqrt(a))),
    facets={
        "the first guess is the root, or next to it": lambda a, v: abs(a - 1) < 1e-12,
        "a is far from 1": lambda a, v: abs(a - 1) > 1e-12,
    },
    mistakes={
        "At a = 1 your loop makes no step, and the tangent is that of the guess. What does one step more do to it?": (
            lambda a: _newton(a)
        ),
        "One step after the value has settled makes the first derivative right. The second needs another.": (
            lambda a: _newton(a, 1)
        ),
        "A fixed number of steps, and too few of them for a that are far from 1.": (
            *(lambda a, n=n: _newton(a, steps=n) for n in range(3, 7)),
        ),
        "dg.primal drops the tangent of a, and from then on a is a constant.": lambda a: (
            _newton(dg.primal(a), 2) + 0 * a
        ),
        "float() keeps the value and would lose the tangent, which dualgrad refuses.": lambda a: _newton(float(a), 2),
        "The values are those of a; the root has another.": lambda a: a * 1.0,
        "The step is x ← (x + a/x)/2; in yours the halves are missing or misplaced, and it goes elsewhere.": (
            lambda a: _halved(a)
        ),
    },
)


def _halved(a):
    x = a
    for _ in range(60):
        x = x / 2 + a / x
    return x


FIXED_TANGENT = Exercise(
    number="5.4",
    title="The tangent of a fixed point",
    task="Write fixed_tangent(gx, ga, da): the tangent of x, where x = g(x, a), gx = ∂g/∂x ≠ 1, ga = ∂g/∂a.",
    call="fixed_tangent(gx, ga, da)",
    first=((0.5, 1.0, 1.0), (0.0, 3.0, 1.0)),
    inputs=lambda st: st.tuples(
        half_steps(st, -2, 2).filter(lambda g: g != 1), half_steps(st), any_of(st, half_steps(st), tables(st, 3))
    ),
    expected=lambda gx, ga, da: ga * da / (1 - gx),
    facets={"gx is not 0": lambda gx, ga, da: gx != 0, "da is a row": lambda gx, ga, da: np.ndim(da) > 0},
    mistakes={
        "That is how g moves with x at rest; but x moves as well, and takes g with it.": lambda gx, ga, da: ga * da,
        "Differentiate x = g(x, a): dx = gx dx + ga da. Mind the sign when you solve for dx.": (
            lambda gx, ga, da: ga * da / (1 + gx)
        ),
        "gx - 1 below has the sign of the whole wrong.": lambda gx, ga, da: ga * da / (gx - 1),
        "One step of the iteration for the tangent; solve the equation, or take infinitely many.": (
            lambda gx, ga, da: (1 + gx) * ga * da
        ),
        "The roles of gx and ga are exchanged.": (
            lambda gx, ga, da: gx * da / (1 - ga),
            lambda gx, ga, da: np.divide(gx * da, 1 - ga),
        ),
        "ga is missing: by how much does g move when a alone does?": lambda gx, ga, da: da / (1 - gx),
        "1 - gx belongs below: the nearer gx is to 1, the more x moves.": lambda gx, ga, da: (1 - gx) * ga * da,
        "That is the slope dx/da; how fast does a move?": lambda gx, ga, da: ga / (1 - gx) + 0 * da,
    },
)

LESSON_5 = ABSOLUTE, ROOT, ITERATION, FIXED_TANGENT
