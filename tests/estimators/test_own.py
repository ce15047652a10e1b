"""Estimators and directions of one's own, by the public bases or by duck typing, are as good as the library's."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, online
from dualgrad.directions.base import Rows
from dualgrad.vectors import double
from tests.support import strict
from tests.support.checks import close
from tests.support.rooms import Run, network, on_device, plain


class Averaging(estimators.Estimator):
    """The average of forward gradients, with no constructor that resets it."""

    vectors, draws, named = ("average",), True, ("decay",)

    def __init__(self, direction, decay=0.5):
        self.direction, self.decay = direction, decay

    def estimated(self, at, rng):
        V = at.rows(self.direction, 1, rng)
        value, slope = at.jvp(V)
        new = double(slope @ V)
        self._average = new if self._average is None else self.decay * self._average + (1 - self.decay) * new
        return value, self._average, slope, 3.0


class Part(estimators.Estimator):
    """The half of what another estimates."""

    parts, draws = {"inner": "inner"}, True

    def __init__(self, inner):
        self.inner = inner

    def estimated(self, at, rng):
        found = self.inner.estimate(at.objective, at.params, rng=rng)
        return found.value, at.layout.vector(found.gradient) / 2, found.directional, found.cost

    def mean(self, g, layout, at):
        return g / 2


class Signs(directions.Direction):
    """By its matrix."""

    fourth_moment = 1.0

    def matrix(self, rng, n, p):
        return rng.signs((n, p))

    def moments(self, g, n, layout=None):
        return n * g, n * (g @ g - g * g)


class SignsInRows(Signs):
    """By its rows, in double precision."""

    def rows(self, rng, n, layout, w):
        return Rows(rng.signs((n, layout.size)) if dg.backend.is_host(w) else rng.signs((n, layout.size), like=w))


class Duck:
    """By nothing but the protocol."""

    cost = 3.0

    def __repr__(self):
        return "Duck()"

    def sample(self, params, *, rng, n=None):
        w, layout = dg.Layout.of(params).vector(params), dg.Layout.of(params)
        drawn = dg.Rng(rng).signs(((n or 1), layout.size)) if isinstance(rng, int) else rng.signs((n or 1, layout.size))
        return layout.tree(dg.backend.like((drawn if n else drawn[0]).astype(w.dtype), w))

    def variance(self, gradient):
        return directions.Rademacher().variance(gradient)


OWN = {"Direction by matrix": Signs, "Direction by rows": SignsInRows, "duck": Duck}
ESTIMATORS = {
    "Averaging": lambda: Averaging(directions.Rademacher()),
    "Part": lambda: Part(Averaging(directions.Rademacher(), 0.25)),
    "Dodge": lambda: estimators.Dodge(Part(Averaging(directions.Rademacher())), 0.5),
    "Dodge, several": lambda: estimators.Dodge([Averaging(directions.Rademacher()), estimators.Oracle()]),
    "MatchedCosine": lambda: estimators.MatchedCosine(Averaging(directions.Rademacher()), 0.5),
    **{f"ForwardGradient, {k}": lambda d=d: estimators.ForwardGradient(d(), n=2, baseline=0.5) for k, d in OWN.items()},
    **{f"Dodge, {k}": lambda d=d: estimators.Dodge(estimators.ForwardGradient(d(), n=3), 0.5) for k, d in OWN.items()},
}  # fmt: skip


# ---------------------------------------------------------------------- as the library's


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", [plain, network], ids=["function", "network"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_it_goes_on_from_a_file_in_the_precision_of_the_parameters(name, place, dtype, tmp_path):
    whole, first = Run(ESTIMATORS[name], place, dtype=dtype), Run(ESTIMATORS[name], place, dtype=dtype)
    for t in range(4):
        expected = whole.call()
        if t == 2:
            dg.save(tmp_path / "run.npz", first.state())
            first = Run(ESTIMATORS[name], place, seed=9, dtype=dtype)
            first.call()
            first.load(dg.load(tmp_path / "run.npz"))
        found = first.call()
        assert all(map(np.array_equal, found, expected))
        assert all(a.dtype == dtype for k, a in enumerate(found) if k != 1)  # beside the cost
    assert whole.thing.made == 4
    whole.thing.reset()
    assert str(whole.thing.state_dict()) == str(ESTIMATORS[name]().state_dict())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_it_works_on_a_device_too(name):
    def there(dtype):
        params, batch = plain(dtype)
        return on_device(params), batch

    here, run = Run(ESTIMATORS[name], plain), Run(ESTIMATORS[name], there)
    for _ in range(3):
        for a, b in zip(here.call(), run.call(), strict=True):
            close(a, b, 1e-12)
    assert all(isinstance(w, strict.DeviceArray) for w in dg.tree.leaves(run.params))


def test_its_repr_is_the_call_that_makes_it():
    names = vars(directions) | {"Averaging": Averaging, "Part": Part, "Duck": Duck, "Dodge": estimators.Dodge}
    for thing, shown in (
        (Averaging(directions.Rademacher()), "Averaging(Rademacher(), decay=0.5)"),
        (Part(Averaging(Duck(), 0.25)), "Part(Averaging(Duck(), decay=0.25))"),
        (estimators.Dodge(Averaging(Duck())), "Dodge(Averaging(Duck(), decay=0.5), decay=0.0)"),
    ):
        assert repr(thing) == shown == repr(eval(shown, dict(names)))

    class NotKept(estimators.Estimator):
        def __init__(self, count, scale=1.0):
            self.scale = scale

    assert repr(NotKept(3, 2.0)) == "NotKept(..., scale=2.0)"
    with pytest.raises(NotImplementedError, match="NotKept does not say how it estimates"):
        NotKept(3).estimate(np.sum, np.ones(2))


def test_its_claims_are_checked_as_any():
    g = np.array([1.0, -2.0])
    part = Part(estimators.ForwardGradient(Signs()))
    dg.testing.assert_unbiased(part, lambda w: np.sum(np.sin(w) * g), np.zeros(2))
    with pytest.raises(NotImplementedError, match="the variance of Part has no closed form"):
        part.variance(g)
    for own in OWN.values():
        for direction in (own(), directions.Scaled(own(), np.array([4.0, 1.0]), restore=True)):
            estimator = estimators.ForwardGradient(direction, n=2)
            dg.testing.assert_unbiased(estimator, lambda w: np.sum(np.sin(w) * g), np.zeros(2))
            dg.testing.assert_variance(estimator, lambda w: np.sum(np.sin(w) * g), np.zeros(2))


# ---------------------------------------------------------------------- wherever directions are taken

TREE = {"a": np.ones(2, np.float32), "b": np.full((1, 2), 0.5, np.float32)}


def wave(p):
    return sum(np.sum(np.sin(leaf)) for leaf in dg.tree.leaves(p))


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("options", [
    {}, {"combine": "sum"}, {"combine": "project"}, {"baseline": 0.5}, {"shrink": True}, {"baseline": TREE},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("name", OWN)
def test_directions_of_ones_own_are_those_of_the_library(name, options, n):
    for params in (TREE, dg.Params(TREE), np.ones(5), [np.ones(2), 0.5]):
        if "baseline" in options and options["baseline"] is TREE and not isinstance(params, (dict, dg.Params)):
            continue
        own, signs = (estimators.ForwardGradient(d, n=n, **options) for d in (OWN[name](), Flat()))
        for t in range(2):
            found, expected = (e.estimate(wave, params, rng=t) for e in (own, signs))
            for a, b in zip(dg.tree.leaves(found.gradient), dg.tree.leaves(expected.gradient), strict=True):
                assert a.dtype == b.dtype
                close(a, b, 1e-6)
            assert found.cost == expected.cost == 1 + 2 * n


class Flat(directions.Rademacher):
    """Signs drawn at once over all leaves, as those above are."""

    def rows(self, rng, n, layout, w):
        return Rows(rng.signs((n, layout.size)).astype(w.dtype))


@pytest.mark.parametrize("name", OWN)
def test_learners_scales_and_blocks_take_them_or_say_why_not(name):
    own = OWN[name]()
    leak = online.System(lambda s, x, w: 0.5 * s + w, lambda s, y, w: np.sum(s * s), np.zeros(3))
    for wrap in (lambda d: d, lambda d: directions.Scaled(d, np.array([1.0, 2.0, 3.0]), restore=True)):
        learners = [online.OnlineForwardGradient(wrap(d), n=2).start(leak, np.ones(3), rng=0) for d in (own, Flat())]
        for _ in range(3):
            found, expected = (each.step(None, None) for each in learners)
            close(found.gradient, expected.gradient, 1e-12)
    scaled = directions.Scaled(own, np.array([1.0, 2.0, 3.0]))
    close(scaled.norm(3), np.sqrt(6), 1e-12)
    assert scaled.kurtosis(3) == getattr(own, "fourth_moment", None)
    with pytest.raises(TypeError, match="independent entries"):
        directions.Blocks(own)
    for kind in (estimators.SPSA, estimators.MeZO):
        with pytest.raises(TypeError, match="expected Rademacher"):
            kind(directions=own)
    with pytest.raises(TypeError, match=r"expected an estimator such as Oracle\(\)"):
        estimators.Dodge(own)


# ---------------------------------------------------------------------- what is refused


def made(found, **attributes):
    """An estimator that returns what it was told."""
    return type("Mine", (estimators.Estimator,), {"estimated": lambda self, at, rng: found} | attributes)()


G = np.ones(3)


@pytest.mark.parametrize(("found", "error", "says"), [
    (None, TypeError, "estimated None; expected the loss, a gradient, slopes and the cost"),
    ((1.0, G), TypeError, "expected the loss, a gradient, slopes and the cost"),
    (G, TypeError, "expected the loss, a gradient, slopes and the cost"),
    ((None, G, None, 1.0), TypeError, "returned None"),
    ((np.ones(2), G, None, 1.0), dg.ShapeError, r"returned shape \(2,\)"),
    ((1j, G, None, 1.0), TypeError, "takes a real loss"),
    ((np.nan, G, None, 1.0), dg.NonFiniteError, "the loss is nan"),
    ((1.0, np.full(3, np.inf), None, 1.0), dg.NonFiniteError, "its gradient is not finite"),
    ((1.0, np.ones(5), None, 1.0), dg.ShapeError, r"a gradient of shape \(5,\); expected a vector"),
    ((1.0, np.ones((2, 3)), None, 1.0), dg.ShapeError, r"of shape \(2, 3\)"),
    ((1.0, {"a": G}, None, 1.0), dg.ShapeError, "a gradient .*; expected a vector"),
    ((1.0, None, None, 1.0), dg.ShapeError, "a gradient .*; expected a vector"),
    ((1.0, G * 1j, None, 1.0), TypeError, "complex.* for real parameters"),
], ids=str)  # fmt: skip
def test_what_no_estimate_is_made_of_is_refused(found, error, says):
    mine = made(found, vectors=("past",))
    mine._past = np.ones(3)
    before = str(mine.state_dict())
    with pytest.raises(error, match=says):
        mine.estimate(np.sum, np.ones(3))
    assert str(mine.state_dict()) == before


def test_moments_of_another_size_and_backward_passes_of_functions_are_refused():
    wrong = made(None, mean=lambda self, g, layout, at: np.ones(7), spread=lambda self, g, layout, at: 1.0)
    for claim in (wrong.expectation, wrong.variance):
        with pytest.raises(dg.ShapeError, match="expected a vector"):
            claim(np.ones(3))
    back = type("Back", (estimators.Estimator,), {"estimated": lambda self, at, rng: (*at.vjp(), None, 3.0)})()
    with pytest.raises(dg.DualgradError, match=r"Back\(\) needs the layers' transposed rules: give it nn.Objective"):
        back.estimate(np.sum, np.ones(3))
    params, batch = network()
    close(back.estimate(batch(0, dg.Rng(0)), params).gradient.vector, estimators.Backprop().estimate(
        batch(0, dg.Rng(0)), params).gradient.vector, 1e-12)  # fmt: skip


def drawing(found, by="matrix", **attributes):
    """A direction that draws what it was told."""
    return type("Mine", (directions.Direction,), {by: lambda self, *args: found} | attributes)()


@pytest.mark.parametrize("n", [1, 2])
def test_what_no_directions_are_is_refused(n):
    class Sampling:
        cost = 3.0

        def __init__(self, found):
            self.found = found

        def sample(self, params, *, rng, n=None):
            return self.found

    shapes = [(n, 4), (n + 1, 3), (3,), (n, 3, 1), ()]
    wrong = [drawing(np.ones(shape)) for shape in shapes]
    wrong += [drawing(Rows(np.ones(shape)), "rows") for shape in shapes[:2]]
    wrong += [Sampling(np.ones(shape)) for shape in ((n, 4), (n + 1, 3), (4,), ())]
    wrong += [drawing(found) for found in (None, [[1.0] * 3] * n, np.full((n, 3), 1j), np.full((n, 3), "a"))]
    wrong += [drawing(np.ones((n, 3)), "rows"), drawing(None, "rows"), Sampling(None), Sampling({"a": np.ones(3)})]
    wrong += [Sampling(np.full((n, 3) if n > 1 else 3, 1j)), drawing(np.full((n, 3), np.nan))]
    leak = online.System(lambda s, x, w: 0.5 * s + w, lambda s, y, w: np.sum(s), np.zeros(3))
    for own in wrong:
        estimator = estimators.ForwardGradient(own, n=n)
        for attempt in (
            lambda e=estimator: e.estimate(np.sum, np.ones(3), rng=0),
            lambda d=own: estimators.ForwardGradient(directions.Scaled(d, np.ones(3)), n).estimate(np.sum, G, rng=0),
            lambda d=own: online.OnlineForwardGradient(d, n).start(leak, np.ones(3), rng=0).step(None, None),
        ):
            with pytest.raises(
                (TypeError, ValueError, dg.DualgradError), match=r"drew|directions|finite|matrix|rows|gradient"
            ):
                attempt()
        assert estimator.made == 0


def test_what_a_direction_lacks_is_named():
    nothing, no_cost = type("Mine", (), {})(), type("Mine", (), {"sample": Duck.sample})()
    for own, says in (
        (nothing, "expected an instance such as"),
        (no_cost, "has no cost"),
        (Duck, "expected an instance"),
    ):
        for make in (estimators.ForwardGradient, online.OnlineForwardGradient, lambda d: directions.Scaled(d, G)):
            with pytest.raises(TypeError, match=says):
                make(own)
    bare = type("Mine", (), {"sample": Duck.sample, "cost": 3.0})()
    for direction in (bare, drawing(np.ones((1, 3)))):
        estimators.ForwardGradient(direction).estimate(np.sum, G, rng=0)
        with pytest.raises(NotImplementedError, match=r"the moments of .* are not known"):
            estimators.ForwardGradient(direction).variance(G)


def test_a_network_is_taken_as_a_library_estimator_takes_it():
    """With buffers, which no gradient has."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Linear(4, 2))
    params = model.init(rng=0)
    batch = nn.Objective(model, nn.mse).bind(np.ones((5, 3), np.float32), np.ones((5, 2), np.float32))
    for make in ESTIMATORS.values():
        found = make().estimate(batch, params, rng=0)
        assert type(found.gradient) is dg.Params
        assert not found.gradient.buffers
        assert found.gradient.dtype == found.value.dtype == np.float32
