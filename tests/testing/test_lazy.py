"""Arrays of uniform draws: what is cut agrees with the numbers drawn later; what is compared afterwards is doubted."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualgrad.testing import InexactWarning, ReplayError, exact_moments
from dualgrad.testing.enumeration.chance import Random
from dualgrad.testing.fronts.lazy import LazyUniform
from dualgrad.testing.fronts.place import StreamPlace

VIEWS = {
    "T": lambda u: u.T, "ravel": lambda u: u.ravel(), "flip": lambda u: np.flip(u), "first": lambda u: u[:1],
    "steps": lambda u: u[::2], "newaxis": lambda u: u[None], "last": lambda u: u[..., -1:],
    "fancy": lambda u: u[[0, -1]], "stack": lambda u: np.concatenate([u, u]), "rows": lambda u: u + np.zeros((2, 1, 1)),
    "tile": lambda u: np.tile(u, 2), "squeeze": lambda u: np.squeeze(u), "plus": lambda u: u + 0.25,
    "times": lambda u: -3 * u, "from": lambda u: 1 - u, "over": lambda u: u / np.float64(4), "minus": lambda u: -u,
    "clip": lambda u: np.clip(u, 0.2, 0.7), "least": lambda u: np.minimum(u, 0.6),
    "rest": lambda u: np.maximum(u - 0.4, 0),
    "within": lambda u: (1.4 * u - 0.2).clip(0, 1), "abs": lambda u: abs(u - 0.4),
    "modulo": lambda u: u % 0.3, "list": lambda u: u.reshape(-1)[:2], "copy": lambda u: copy.deepcopy(u),
    "same": lambda u: u.astype(np.float64),
}  # fmt: skip
CUTS = {
    "less": lambda u: u < 0.31, "at most": lambda u: u <= np.full(u.shape, 0.71), "greater": lambda u: 0.21 > u,
    "at least": lambda u: np.greater_equal(u, 0.51), "equal": lambda u: u == 0.123, "not equal": lambda u: u != 0.123,
    "floor": lambda u: np.floor(3.1 * u), "ceil": lambda u: np.ceil(3.1 * u), "trunc": lambda u: np.trunc(3.1 * u),
    "rint": lambda u: np.rint(3.1 * u), "round": lambda u: np.round(1.01 * u, 1),
    "int": lambda u: (5.1 * u).astype(int),
    "floor divide": lambda u: u // 0.31, "sign": lambda u: np.sign(u - 0.51),
    "where": lambda u: np.where(u < 0.41, 1, 2),
    "sum": lambda u: np.sum(u < 0.51), "count": lambda u: np.count_nonzero(u > 0.51),
    "searchsorted": lambda u: np.searchsorted([0.11, 0.41, 0.81], u),
    "right": lambda u: np.searchsorted([0.11, 0.41], u, "right"), "digitize": lambda u: np.digitize(u, [0.21, 0.51]),
    "falling": lambda u: np.digitize(u, [0.51, 0.21]), "divmod": lambda u: np.divmod(u, 0.41)[0],
    "into": lambda u: np.less(u, 0.51, out=np.zeros(u.shape, bool)), "nan": lambda u: u < np.nan,
    "is a bound": lambda u: (u == 0.2) + 2 * (u == 0.6) + 4 * (0.0 == u),
    "is no bound": lambda u: (u != 0.7) & (u != 1.0),
    "to a bound": lambda u: (u <= 0.2) + 2 * (u <= 0.6) + 4 * (0.0 >= u),
    "beyond": lambda u: (u > 0.2) + 2 * (u >= 0.6),
    "before": lambda u: (u < 0.6) + 2 * (0.0 < u), "sign of the rest": lambda u: np.sign(np.maximum(u - 0.4, 0)),
    "is there": lambda u: np.maximum(u - 0.4, 0).astype(bool),
    "at bounds": lambda u: np.searchsorted([0.2, 0.6, 0.7], u),
    "from bounds": lambda u: np.searchsorted([0.2, 0.6, 0.7], u, side="right"),
    "bins to the right": lambda u: np.digitize(u, [0.2, 0.6], right=True),
    "no more": lambda u: np.digitize(u, [0.6, 0.2]),
    "in": lambda u: 2.0 in u, "masked": lambda u: (u[u < 0.51] < 0.26).sum(),
}  # fmt: skip


def drawn(shape, seed=0):
    """Uniform draws of a random outcome."""
    source = Random(seed)
    return StreamPlace(source).uniform(shape), source


def agrees(views, cut, shape, seed):
    def played(u):
        for name in views:
            u = VIEWS[name](np.atleast_1d(u))
        return u, CUTS[cut](np.atleast_1d(u))

    u, source = drawn(shape, seed)
    viewed, found = played(u)
    assert isinstance(viewed, LazyUniform)
    assert not source.doubts
    expected_view, expected = played(np.asarray(u))
    np.testing.assert_allclose(np.asarray(viewed), expected_view, atol=1e-12)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.asarray(found).dtype == np.asarray(expected).dtype


@pytest.mark.parametrize("cut", CUTS)
def test_what_is_cut_agrees_with_the_numbers_that_are_drawn_afterwards(cut):
    for seed, view in enumerate(VIEWS):
        agrees([view], cut, (2, 3), seed)


@given(views=st.lists(st.sampled_from(sorted(VIEWS)), max_size=5), cut=st.sampled_from(sorted(CUTS)),
       shape=st.sampled_from([(2, 3), (3,), (1, 2, 2), (1,)]), seed=st.integers(0, 99))  # fmt: skip
def test_so_it_does_after_any_views(views, cut, shape, seed):
    agrees(views, cut, shape, seed)


def test_a_single_draw_is_a_number():
    uses = (float, math.log, lambda u: float(f"{u:.17f}"), lambda u: math.floor(4 * u), lambda u: int(4 * u),
            lambda u: round(4 * u), lambda u: round(u, 1), bool, lambda u: u.item() + 0.0, lambda u: math.ceil(4 * u),
            lambda u: pickle.loads(pickle.dumps(u)))  # fmt: skip
    for use in uses:
        u, _ = drawn(())
        found = use(u)
        np.testing.assert_allclose(np.asarray(found), use(np.float64(float(u))), atol=1e-12)
    assert not isinstance(u, np.ndarray)


def test_in_place():
    u, _ = drawn((3,))
    same = u
    u *= 2
    u += 1
    assert same is u
    assert np.all(u > 1)
    with pytest.raises(ReplayError, match="in place"):
        u **= 2
    view = u[:1]
    with pytest.raises(ReplayError, match="of which there are views"):
        u -= 1
    with pytest.raises(ReplayError, match="assigns to entries"):
        view[0] = 1.0


DOUBTED = {
    "two": lambda u: u[0] < u[1], "argmax": lambda u: np.argmax(u), "argsort": lambda u: u.argsort(),
    "sort": lambda u: np.argsort(-np.log(u)), "root": lambda u: np.sqrt(u) < 1e-9, "square": lambda u: u * u > 1e-9,
    "again": lambda u: (u.sum(), u < 1e-9)[1], "sign": lambda u: np.sign(u.sum() - 1e-9),
    "floor": lambda u: np.floor(u**2), "int": lambda u: (u**2).astype(int), "dot": lambda u: u @ u < 1e-9,
    "gumbel": lambda u: (-np.log(-np.log(u))).argmax(), "mean": lambda u: np.mean(u) > 1e-9,
    "scalar": lambda u: -np.log(u[0]) < 1e-9, "round": lambda u: np.round(u**2),
    "histogram": lambda u: np.histogram(u)[0],
}  # fmt: skip


@pytest.mark.parametrize("run", DOUBTED.values(), ids=DOUBTED)
def test_what_is_compared_after_arithmetic_is_never_certified(run):
    """However small the interval in which it shows, which no line would meet."""
    with pytest.warns(InexactWarning, match="compared|jumps|kink|abruptly"):
        assert not exact_moments(lambda r: run(r.random(2)), draws="numpy").certified


@pytest.mark.parametrize("power", [1, 2, 3])
def test_smooth_arithmetic_is_certified(power):
    found = exact_moments(lambda r: np.sum(np.array([1.0, 2.0]) * r.random(2) ** power), draws="numpy")
    np.testing.assert_allclose(found.mean, 3 / (power + 1))
    assert found.certified
