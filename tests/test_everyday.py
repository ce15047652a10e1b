"""Everyday programs run at once, or end at an error whose first line is the cure; none is silently wrong.

`python -m tests.test_everyday` prints what became of each program, and the counts.
"""

import re
import traceback
from collections import Counter

import numpy as np
import pytest

import dualgrad as dg
from tests.support.everyday import PROGRAMS

RTOL = 1e-6


class WrongNumberError(AssertionError):
    """A number that is not the derivative, or not the value."""


def leaves(tree):
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in leaves(tree[key])]
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [np.asarray(tree)]


def flat(tree):
    """All numbers of a tree in one vector, so that derivatives of any program are compared in one way."""
    return np.concatenate([leaf.ravel().astype(np.result_type(leaf.dtype, float)) for leaf in leaves(tree)])


def like(tree, draw):
    """A tree of the same structure, with draw(shape) for each array."""
    if isinstance(tree, dict):
        return {key: like(branch, draw) for key, branch in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(like(branch, draw) for branch in tree)
    return draw(np.shape(tree)) * (np.abs(tree) + 0.1 * np.max(np.abs(tree)))


def moved(tree, along, h):
    if isinstance(tree, dict):
        return {key: moved(branch, along[key], h) for key, branch in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(moved(branch, v, h) for branch, v in zip(tree, along, strict=True))
    return tree + h * along


def richardson(f, levels=7, step=0.02):
    """f'(0) of a vector function by central differences, the step halved and extrapolated: (estimate, its error)."""
    best, error, row = None, np.inf, []
    for level in range(levels):
        h = step / 2**level
        new = [(f(h) - f(-h)) / (2 * h)]
        for power, old in enumerate(row, 1):
            new.append(new[-1] + (new[-1] - old) / (4**power - 1))
            apart = np.max(np.abs(np.stack([new[-1] - new[-2], new[-1] - old])), initial=0.0)
            if apart < error:
                best, error = new[-1], apart
        row = new
    return best, error


def agree(what, given, expected, rtol=RTOL, scale=0.0):
    """Entry by entry, relative to the largest entry and to `scale`."""
    given, expected = flat(given), flat(expected)
    if given.dtype == object or given.shape != expected.shape:
        raise WrongNumberError(f"{what}: {given.dtype} {given.shape} for {expected.dtype} {expected.shape}")
    size = max(np.max(np.abs(expected), initial=0.0), scale)
    if not np.all(np.abs(given - expected) <= rtol * size + 1e-300):
        raise WrongNumberError(f"{what}: {given} for {expected}")


def directions(at, n):
    rng = np.random.default_rng(7)
    return [like(at, lambda shape: rng.uniform(0.3, 1.0, shape) * rng.choice([-1, 1], shape)) for _ in range(n)]


def stacked(trees):
    if isinstance(trees[0], dict):
        return {key: stacked([tree[key] for tree in trees]) for key in trees[0]}
    if isinstance(trees[0], list | tuple):
        return type(trees[0])(stacked([tree[i] for tree in trees]) for i in range(len(trees[0])))
    return np.stack(trees)


def differentiate(f, at, value):
    """What a newcomer calls: derivative of a number, grad of a scalar function of an array, jacfwd of an array."""
    (x,) = at if len(at) == 1 else (None,)
    if isinstance(x, float):
        return dg.derivative(f)(x)
    if isinstance(x, np.ndarray) and not isinstance(value, dict | list):
        return (dg.grad if np.ndim(value) == 0 else dg.jacfwd)(f)(x)
    return None


def check_right(f, at, orders):
    """The value, one direction, three directions in one pass, second derivatives, and the call of a newcomer."""
    value = f(*at)
    vs = directions(at, 3)
    one = [dg.jvp(f, at, v) for v in vs]
    agree("value", one[0][0], value, rtol=1e-12)
    for v, (_, dy) in zip(vs, one, strict=True):
        numeric, error = richardson(lambda h, v=v: flat(f(*moved(at, v, h))))
        size = max(np.max(np.abs(numeric), initial=0.0), 1e-6 * np.max(np.abs(flat(value))))
        assert error <= 0.1 * RTOL * size, f"no stable difference: {numeric} up to {error}"
        agree("derivative", dy, numeric, scale=size)
    for width in (3, 1):
        _, many = dg.jvp(f, at, stacked(vs[:width]))
        for k, (_, dy) in enumerate(one[:width]):
            agree(f"direction {k} of {width}", [leaf[k] for leaf in leaves(many)], leaves(dy), rtol=1e-11)
    called = differentiate(f, at, value)
    if called is not None:
        n = np.ndim(at[0])
        agree("the Jacobian", np.tensordot(called, vs[0][0], n) if n else called * vs[0][0], one[0][1], rtol=1e-11)
    if orders > 1:

        def slope(*x):
            return dg.jvp(f, x, vs[0])[1]

        numeric, error = richardson(lambda h: flat(slope(*moved(at, vs[1], h))))
        size = max(np.max(np.abs(numeric), initial=0.0), 1e-6 * np.max(np.abs(flat(one[0][1]))))
        assert error <= 0.1 * RTOL * size, f"no stable second difference: {numeric} up to {error}"
        agree("second derivative", dg.jvp(slope, at, vs[1])[1], numeric, scale=size)
        many = dg.jvp(slope, at, stacked(vs[1:]))[1]
        agree("second derivative of two", [leaf[0] for leaf in leaves(many)], numeric, scale=size)


def first_line(f, at, tangents):
    try:
        y, _ = dg.jvp(f, at, tangents)
    except Exception as error:
        return f"{type(error).__name__}: {error}".split("\n")[0]
    check_right(f, at, orders=1)
    return f"no error: it ran, rightly, and gave {y}"


def check_cure(program):
    """The natural code ends at an error, in each kind of call, whose first line says what to write."""
    (v,) = directions(program.at, 1)
    for tangents in (v, stacked([v, v])):
        first = first_line(program.natural, program.at, tangents)
        assert re.search(program.says, first), f"no {program.says!r} in {first}"
    agree("the cured program's value", program.cure(*program.at), program.natural(*program.at), rtol=1e-8)


def outcome(program):
    """ran, cured, wrong, or wall: an error that does not say what to write."""
    try:
        if program.says:
            check_cure(program)
        check_right(program.cure or program.natural, program.at, program.orders)
    except WrongNumberError as error:
        return "wrong", str(error)
    except Exception as error:
        lines = str(error).split("\n")
        where = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith("everyday.py")]
        return "wall", f"{type(error).__name__}: {lines[0]}  [{where[-1].line if where else ''}]"
    return "cured" if program.says else "ran", ""


def test_there_are_enough_of_them():
    assert len(PROGRAMS) >= 104
    assert len({p.name for p in PROGRAMS}) == len(PROGRAMS)
    assert all(bool(p.says) == bool(p.cure) for p in PROGRAMS)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of np.matrix, by NumPy
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_everyday_program(program):
    if program.says:
        check_cure(program)
    check_right(program.cure or program.natural, program.at, program.orders)


def faulty(fault):
    """x², with one of the numbers that are compared planted wrong."""
    calls = []

    @dg.custom_jvp
    def square(x):
        return x**2

    @square.defjvp
    def rule(primals, tangents):
        (x,), (dx,) = primals, tangents
        return square(x), 2 * (dg.primal(x) if fault == "curvature" else x) * dx

    def f(x):
        calls.append(isinstance(x, dg.Dual))
        if fault == "value" and calls[-1]:
            return x**2 + 1e-9
        if fault == "slope":
            return x**2 + 1e-4 * dg.primal(x)
        if fault == "directions" and sum(calls) > 3:  # the first three go one by one
            return x * dg.primal(x)
        return square(x)

    return f


FAULTS = {"value": "value", "slope": "derivative", "curvature": "second derivative", "directions": "direction 0 of 3"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_noticed(fault):
    at = (np.array([1.0, 2.0, 3.0]),)
    check_right(faulty("none"), at, 2)
    with pytest.raises(WrongNumberError, match=f"^{FAULTS[fault]}"):
        check_right(faulty(fault), at, 2)


def main():
    counts = Counter()
    for program in PROGRAMS:
        kind, why = outcome(program)
        counts[kind] += 1
        print(f"{kind:6} {program.name:40} {why[:300]}")
    print(len(PROGRAMS), "programs:", *(f"{counts[kind]} {kind}" for kind in ("ran", "cured", "wall", "wrong")))


if __name__ == "__main__":
    main()
