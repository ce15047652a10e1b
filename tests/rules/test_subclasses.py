"""Arrays with an arithmetic of their own beside a Dual: masks, matrices and units are never ignored in silence."""

import operator

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.tree import map_leaves
from tests.support.catalogue import CATALOGUE

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of np.matrix, by NumPy


class Metres(np.ndarray):
    """A unit, which follows its numbers through ufuncs."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        plain = [np.asarray(x) if isinstance(x, Metres) else x for x in inputs]
        return map_leaves(lambda y: np.asarray(y).view(Metres), getattr(ufunc, method)(*plain, **kwargs))


class Named(np.ndarray):
    """Plain numbers, and a name."""


KINDS = {
    "MaskedArray": lambda a: np.ma.array(a, mask=np.arange(a.size).reshape(a.shape) % 2),
    "matrix": np.matrix,
    "Metres": lambda a: a.view(Metres),
}
NUMBERS_ALONE = np.full_like, np.fill_diagonal  # which take no more of them, in NumPy too
SEVERAL = [
    case for case in CATALOGUE
    if len(case.draws) > 1 and all(d.shape for d in case.draws) and case.function not in NUMBERS_ALONE
]  # fmt: skip
OPERATORS = (
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.matmul, operator.mod,
    operator.lt, operator.le, operator.eq, operator.ne, operator.iadd,
)  # fmt: skip


def beside(case, other):
    """The call as a function of its first input; the others are constants of another kind."""
    x, *constants = case.sample(np.random.default_rng(0))
    return (lambda x: case(x, *map(other, constants))), x


@pytest.mark.parametrize("kind", ["MaskedArray", "Metres"])
@pytest.mark.parametrize("case", SEVERAL, ids=str)
def test_every_function_of_several_arrays_refuses_them(case, kind):
    f, x = beside(case, KINDS[kind])
    with pytest.raises(TypeError, match=f"is a {kind}; expected a plain array"):
        dg.jvp(f, (x,), (x,))


@pytest.mark.parametrize("operate", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_operators_refuse_them(operate, kind):
    other, x = KINDS[kind](np.eye(3) + 1), np.full((3, 3), 2.0)
    with pytest.raises(TypeError, match=f"an operand beside a Dual is a {kind}; expected a plain array"):
        dg.jvp(lambda x: operate(x.copy(), other) * x, (x,), (x,))


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_and_tangents_are_none_of_them(kind):
    x = np.ones((2, 2))
    for what, given in (("primals", (KINDS[kind](x), x)), ("tangents", (x, KINDS[kind](x)))):
        with pytest.raises(TypeError, match=rf"{what}\[0\] is a {kind}; expected a plain array"):
            dg.jvp(np.sin, given[:1], given[1:])


def test_arrays_that_are_more_in_name_alone_are_arrays():
    x, two = np.arange(1.0, 4.0), np.full(3, 2.0).view(Named)
    value, tangent = dg.jvp(lambda x: np.stack([x, two * x]), (x.view(Named),), (x,))
    np.testing.assert_array_equal(value, [x, 2 * x])
    np.testing.assert_array_equal(tangent, value)
