"""Views and copies are NumPy's own: what is written into an array, or into what was made of it, is seen where NumPy
sees it, value and tangent alike."""

import copy

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.tables import MAKERS
from tests.support.catalogue import CATALOGUE
from tests.support.checks import close, direction, outputs

ROWS = [c for c in CATALOGUE if len(c.draws) == 1 and c.draws[0].shape and c.function not in MAKERS]
MORE = {
    "an entry": lambda y: y[1, 0], "a tuple": lambda y: y[(0, 1)], "one of zero axes": lambda y: y[0, 1, ...],
    "a row": lambda y: y[0], "a column": lambda y: y[:, 1], "a new axis": lambda y: y[0, 1, None],
    "a slice": lambda y: y[:1, ::-1], "a list": lambda y: y[[0, 1]], "a mask": lambda y: y[y > 0],
    "an iterator": lambda y: next(iter(y[1])), "unpacked": lambda y: [*y[0]][1], "min": lambda y: min(y[0]),
    "sorted": lambda y: sorted(y[0])[1], "itself": lambda y: y, "copy.copy": lambda y: copy.copy(y),
    "flatten": lambda y: y.flatten(), "ravel": lambda y: y.T.ravel(), "reshape": lambda y: y.T.reshape(2, -1),
    "astype": lambda y: y.astype(float), "astype, no copy": lambda y: y.astype(float, copy=False),
    "np.astype": lambda y: np.astype(y, np.float64, copy=False) if hasattr(np, "astype") else y,
    "conj": lambda y: y.conj(), "conjugate": lambda y: y.conjugate(), "np.conj": lambda y: np.conj(y),
    "real": lambda y: y.real, "T": lambda y: y.T, "mT": lambda y: y.mT, "+": lambda y: +y, "** 1": lambda y: y**1,
    "np.array": lambda y: np.array(y), "entries": lambda y: np.array([y[0, 0], y[1, 1]]),
    "real_if_close": lambda y: np.real_if_close(y), "views by einsum": lambda y: np.einsum("ij->ji", y),
    "diagonals by einsum": lambda y: np.einsum("ii->i", y[:2, :2]), "all by einsum": lambda y: np.einsum("ij->ij", y),
    "sums by einsum": lambda y: np.einsum("ij->i", y), "of a row of one": lambda y: y[:1].sum(0) + 0,
}  # fmt: skip


def _double(y, z):
    y *= 2.0


def _pour(y, z):
    y[...] = y[::-1] * 0.5
    y[(0,) * y.ndim] = 7.0


def _double_the_result(y, z):
    z *= 2.0


def _pour_into_the_result(y, z):
    z[...] = 0.5


WRITES = (_double, _pour, _double_the_result, _pour_into_the_result)


def first(z):
    """The first result, as an array that can be written into where NumPy's can."""
    return outputs(z)[0]


def check(make, x, rng):
    """The value is that of plain NumPy; the tangent that of differences, and of one direction alone."""
    stacked = direction(rng, [x], [True], (x.shape[0],))[0]  # as many directions as the first axis is long
    for write in WRITES:

        def program(x, write=write):
            y = x * 1.0
            z = first(make(y))
            write(y, z)
            return y * 1.0, z * 1.0

        try:
            expected = program(x)
        except (ValueError, TypeError):  # read-only in NumPy, or no array
            continue
        for v in (stacked[0], stacked):
            try:
                values, tangents = dg.jvp(program, (x,), (v,))
            except (dg.TangentLossError, ValueError) as error:
                if "read-only" in str(error) or "cannot hold a Dual" in str(error):
                    continue
                raise
            for a, b in zip(values, expected, strict=True):
                close(a, b, 1e-12, what=f"values after {write.__name__}")
            if v is stacked:
                for k, one in enumerate(v):
                    for a, b in zip(tangents, dg.jvp(program, (x,), (one,))[1], strict=True):
                        close(a[k], b, 1e-11, what=f"direction {k} after {write.__name__}")
        along = lambda t, v=stacked[0]: program(x + t * v)  # noqa: E731
        h = 1e-6
        for a, up, down in zip(dg.jvp(program, (x,), (stacked[0],))[1], along(h), along(-h), strict=True):
            close(a, (np.asarray(up) - np.asarray(down)) / (2 * h), 1e-5, what=f"tangents after {write.__name__}")


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_every_rule(case):
    rng = np.random.default_rng(0)
    (x,) = case.sample(rng)
    if x.size and not case.is_complex:
        check(case, x, rng)


@pytest.mark.parametrize("make", MORE.values(), ids=MORE)
def test_every_way_to_take_entries(make):
    rng = np.random.default_rng(0)
    check(make, rng.uniform(0.2, 2, (3, 3)), rng)


@pytest.mark.parametrize("ufunc", [np.add, np.subtract, np.multiply, np.divide, np.hypot, np.power])
@pytest.mark.parametrize("lead", [(), (2,)], ids=["one", "K"])
def test_at_with_entries_of_the_array_itself(ufunc, lead):
    """The operands are those from before the first write, in value, tangent and Taylor coefficient."""

    def within(x):
        y = x * 1.0
        ufunc.at(y, [0, 0, 1], y[:3])
        return y

    def apart(x):
        y = x * 1.0
        ufunc.at(y, [0, 0, 1], x[:3] * 1.0)
        return y

    x, v = np.array([1.3, 0.7, 1.9, 0.4]), np.random.default_rng(0).normal(size=(*lead, 4))
    for a, b in zip(dg.jvp(within, (x,), (v,)), dg.jvp(apart, (x,), (v,)), strict=True):
        np.testing.assert_array_equal(a, b)
    if not lead:
        np.testing.assert_allclose(dg.taylor(within, x, v, 2), dg.taylor(apart, x, v, 2), rtol=1e-14)


def test_swapping_two_entries():
    def swap(x):
        y = x.copy()
        y[0], y[1] = y[1], y[0]
        return y

    np.testing.assert_array_equal(dg.jacfwd(swap)(np.array([1.0, 2.0, 3.0])), np.eye(3)[[1, 0, 2]])


@pytest.mark.parametrize("take", [np.asarray, np.asanyarray, np.ascontiguousarray], ids=lambda f: f.__name__)
@pytest.mark.parametrize("lead", [(), (2,)], ids=["one", "K"])
def test_what_asarray_was_taken_of_is_read_only(take, lead):
    """NumPy gives back the array itself; an object array cannot follow it, so neither can be written into."""

    def through(x):
        y = x * 1.0
        np.asarray(y)[0] = 1.0
        return y

    def behind(x):
        y = x * 1.0
        z = (
            np.asarray(y)
            if take is np.asarray
            else np.asanyarray(y)
            if take is np.asanyarray
            else np.ascontiguousarray(y)
        )
        y[0] = 1.0
        return z * 1.0

    for f in (through, behind):
        with pytest.raises(dg.TangentLossError, match=r"read-only.* x = x\.copy"):
            dg.jvp(f, (np.ones(3),), (np.ones((*lead, 3)),))
