"""The fronts of NumPy: estimators written in it, each with its claim and a fault; laws; what is refused."""
# ruff: noqa: NPY002

import copy
import dataclasses
import functools
import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.random import default_rng

import dualgrad as dg
from dualgrad.testing import ReplayError, assert_moments, exact_moments
from dualgrad.testing.fronts import numpy_laws
from dualgrad.testing.fronts.numpy_generator import ReplayGenerator
from dualgrad.testing.fronts.numpy_global import ReplayState

A = np.array([[2.0, 1.0], [1.0, 3.0]])
G = np.array([1.0, -2.0])
X = np.array([1.0, 4.0, -2.0, 0.5, 3.0])
P = np.array([0.2, 0.5, 0.3])
Q = np.array([0.4, 0.4, 0.2])
F = np.array([2.0, -1.0, 4.0])  # a loss by category


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


THETA = 0.4
S = sigmoid(THETA)
SLOPE = S * (1 - S) * (3.0 - 1.0)  # of E f, f = 3 with probability S, else 1


def f(b):
    return np.where(b, 3.0, 1.0)


# ---------------------------------------------------------------------- estimators


def hutchinson_normal(r, centre=0.0):
    v = r.normal(centre, 1.0, 2)
    return v @ A @ v


def forward_gradient(r, scale=1.0):
    v = r.standard_normal(2)
    return scale * (G @ v) * v


def reinforce(r, slip=0.0):
    b = r.random() < S
    return (f(b) - 2.0) * (b - S - slip)


def reinforce_normal(r, mean=0.5, sigma=1.0):
    x = r.normal(mean, 1.0)
    return x**2 * (x - mean) / sigma**2


def reparameterised_exponential(r, scale=2.0):
    return r.exponential(scale) / 2.0


def categorical(r, p=P):
    k = r.choice(3, p=p)
    return F[k] * ((np.arange(3) == k) - P)


def inverse_cdf(r, p=P):
    k = np.searchsorted(np.cumsum(p), r.random(), side="right")
    return F[k]


def rounding_by_coin(r, more=0.0):
    x = np.array([0.3, 1.7])
    return np.floor(x) + (r.random(2) < x - np.floor(x) + more)


def rounding_to_int(r, shift=0.0):
    return (2.3 + r.random(size=2) + shift).astype(int)


def minibatch_by_order(r, n=5):
    return np.mean(X[r.permutation(4)[:2]]) if n == 4 else np.mean(X[r.permutation(n)[1:4]])


def shuffled(r, first=0):
    order = np.arange(4)
    r.shuffle(order)
    return X[order[first]] + (order[0] == first) * (first > 0)


def svrg(r, full=1.0):
    """Two steps on ½(w - x_k)²·a_k, the anchor at 0."""
    a, w = np.array([1.0, 2.0, 3.0]), 0.0
    for _ in range(2):
        k = int(r.integers(3))
        w -= 0.1 * (a[k] * (w - X[k]) - a[k] * (0 - X[k]) + full * np.mean(a * (0 - X[:3])))
    return w


def svrg_claim():
    a, w = np.array([1.0, 2.0, 3.0]), 0.0
    for _ in range(2):
        w -= 0.1 * np.mean(a * (w - X[:3]))
    return w


def roulette_geometric(r, p=0.5, weigh=True):
    n = r.geometric(p)
    return sum(3.0**-k / ((1 - p) ** k if weigh else 1.0) for k in range(int(n)))


def noback(r, correct=True):
    """A rank-one trace of a two-unit recurrence, signs drawn at each step."""
    h, s, t = np.array([[0.5, 0.2], [0.1, 0.3]]), np.zeros(2), np.zeros(2)
    for k in range(2):
        v = 1.0 - 2 * r.integers(0, 2, size=2)
        s, t = h @ s + v, (t + v * X[k]) if correct else t + X[k]
    return np.outer(s, t)


def noback_claim():
    h = np.array([[0.5, 0.2], [0.1, 0.3]])
    return h * X[0] + np.eye(2) * X[1]


def whitened(r, cov=A):
    x = r.multivariate_normal([1.0, -1.0], cov)
    return x


def straight_through_mean(r, p=0.3):
    return r.binomial(1, p, size=3)


def poisson_thinning(r, rate=2.0):
    return r.binomial(r.poisson(rate), 0.25)


def multinomial_counts(r, p=P):
    return r.multinomial(3, p)


def laplace_smoothing(r, scale=0.5):
    x = r.laplace(0.0, scale)
    return (1.0 + x) ** 2


def gumbel_mean(r, loc=0.0):
    return r.gumbel(loc, 1.0) - np.euler_gamma


def logistic_noise(r, scale=1.0):
    return r.logistic(0.3, scale) ** 2


def bootstrap(r, n=3):
    return np.mean(r.choice(X[:3], size=n, replace=True) ** 2)


def stratified(r, wide=1.0):
    u = (np.arange(2) + wide * r.random(2)) / 2
    return np.mean(3 * u**2)


def control_variate(r, beta=0.7):
    x = r.standard_normal()
    return x**3 + x + 1.0 - beta * (x - 0.0)


def rademacher_by_sign(r, shift=0.0):
    v = np.sign(r.random(2) - 0.5 + shift)
    return (G @ v) * v


def quantised(r, levels=4):
    """QSGD: each entry to one of a few levels, up with what is left."""
    x = np.array([0.3, 0.9])
    y = x * levels
    return (np.floor(y) + (r.random(2) < y - np.floor(y))) / 4


def sparse(r, keep=0.25):
    return np.where(r.random(3) < 0.25, X[:3] / keep, 0.0)


def hashed(r, n=3):
    """A count sketch: E ⟨Sx, Sy⟩ = ⟨x, y⟩."""
    rows, signs = r.integers(0, 2, size=3), 1 - 2 * r.integers(0, 2, size=n)
    sketch = lambda x: np.bincount(rows, signs * x, 2)  # noqa: E731
    return sketch(X[:3]) @ sketch(X[1:4])


def cyclic(r, axis=0):
    return r.permuted(np.arange(4.0).reshape(2, 2), axis=1)[0] if axis == 0 else r.permutation(np.arange(4.0))[:2] + 1


class Program(NamedTuple):
    """An estimator, its mean, and the keyword that plants a fault; ``general``: needs a Generator."""

    run: Any
    mean: Any
    fault: dict
    general: bool = False
    variance: Any = None


PROGRAMS = [
    Program(hutchinson_normal, 5.0, {"centre": 0.1}),
    Program(forward_gradient, G, {"scale": 0.5}),
    Program(reinforce, SLOPE, {"slip": 0.01}),
    Program(reinforce_normal, 1.0, {"sigma": 1.1}),
    Program(reparameterised_exponential, 1.0, {"scale": 1.0}),
    Program(categorical, P * (F - P @ F), {"p": Q}),
    Program(inverse_cdf, P @ F, {"p": Q}),
    Program(rounding_by_coin, [0.3, 1.7], {"more": 1e-4}),
    Program(rounding_to_int, [2.3, 2.3], {"shift": 0.5}),
    Program(minibatch_by_order, np.mean(X), {"n": 4}),
    Program(shuffled, np.mean(X[:4]), {"first": 1}),
    Program(svrg, svrg_claim(), {"full": 0.0}, True),
    Program(roulette_geometric, 1.5, {"weigh": False}),
    Program(noback, noback_claim(), {"correct": False}, True),
    Program(whitened, [1.0, -1.0], {"cov": 2 * A}, variance=np.diag(A)),
    Program(straight_through_mean, [0.3] * 3, {"p": 0.31}),
    Program(poisson_thinning, 0.5, {"rate": 2.1}),
    Program(multinomial_counts, 3 * P, {"p": Q}),
    Program(laplace_smoothing, 1.5, {"scale": 0.6}),
    Program(gumbel_mean, 0.0, {"loc": 0.1}),
    Program(logistic_noise, 0.09 + np.pi**2 / 3, {"scale": 1.1}),
    Program(bootstrap, np.mean(X[:3] ** 2), {"n": 2}, variance=np.var(X[:3] ** 2) / 3),
    Program(stratified, 1.0, {"wide": 0.9}),
    Program(control_variate, 1.0, {"beta": 0.5}, variance=16.89),
    Program(rademacher_by_sign, G, {"shift": 0.1}),
    Program(quantised, [0.3, 0.9], {"levels": 5}),
    Program(sparse, X[:3], {"keep": 0.3}),
    Program(hashed, X[:3] @ X[1:4], {"n": 1}, True),
    Program(cyclic, [0.5, 0.5], {"axis": 1}, True),
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.run.__name__)
def test_estimators_have_the_moments_they_claim_and_their_faults_not(program):
    claims = {"mean": program.mean, "variance": program.variance, "degree": 3}
    assert assert_moments(program.run, draws="numpy", **claims).passed
    with pytest.raises(AssertionError, match="FAILED"):
        assert_moments(functools.partial(program.run, **program.fault), draws="numpy", **claims)


def test_estimators_that_draw_from_numpy_itself_have_the_same_moments():
    """One after the other in one run, so that the functions of NumPy are replaced once."""
    cheap = [program for program in PROGRAMS if not program.general and program.run not in DEAR]
    for some in (cheap[k : k + 2] for k in range(0, len(cheap), 5)):
        found = exact_moments(lambda some=some: [program.run(np.random) for program in some], draws="numpy-global")
        claim = np.concatenate([np.ravel(program.mean) for program in some])
        np.testing.assert_allclose(found.mean, claim, atol=1e-9)
        assert found.certified


DEAR = {roulette_geometric, poisson_thinning}


# ---------------------------------------------------------------------- laws

SHARED = {
    "normal": lambda r: r.normal(1.0, 2.0), "row": lambda r: r.normal([0.0, 3.0], [1.0, 2.0]),
    "size": lambda r: r.normal(0, 1, (2, 1)), "empty": lambda r: r.normal(size=()), "gumbel": lambda r: r.gumbel(1, 2),
    "laplace": lambda r: r.laplace(1, 0.5), "logistic": lambda r: r.logistic([1.0, 2.0]),
    "exponential": lambda r: r.exponential([1.0, 2.0]), "uniform": lambda r: np.floor(r.uniform([0, 1], [1, 3])),
    "lognormal": lambda r: r.lognormal(0, 0.3),
    "mvn": lambda r: r.multivariate_normal([1, 2], [[2.0, 1], [1, 3]], 1),
    "binomial": lambda r: r.binomial([2, 3], 0.3), "geometric": lambda r: r.geometric(0.6),
    "poisson": lambda r: r.poisson(1.5),
    "multinomial": lambda r: r.multinomial(2, [0.5, 0.3, 0.2]), "choice": lambda r: r.choice(3),
    "of": lambda r: r.choice([1.0, 4.0, 5.0], (1, 2)), "without": lambda r: r.choice(4, 2, replace=False),
    "weighted": lambda r: r.choice(3, 2, replace=False, p=[0.5, 0.3, 0.2]),
    "with p": lambda r: r.choice(["a", "b"], p=[0.3, 0.7]) == "a", "permutation": lambda r: r.permutation(3),
    "rows": lambda r: r.permutation(np.arange(6.0).reshape(3, 2)), "random": lambda r: r.random(2) < [0.2, 0.9],
}  # fmt: skip
OF_GENERATORS = SHARED | {
    "integers": lambda r: r.integers(0, [2, 3]), "endpoint": lambda r: r.integers(1, 3, endpoint=True),
    "float32": lambda r: r.standard_normal(2, dtype=np.float32), "int8": lambda r: r.integers(3, dtype=np.int8),
    "ordered": lambda r: r.choice(4, 2, replace=False, shuffle=False),
    "axis": lambda r: r.choice(np.arange(6).reshape(2, 3), 2, axis=1),
    "permuted": lambda r: r.permuted(np.arange(6).reshape(2, 3), axis=1), "all": lambda r: r.permuted([1, 2, 5]),
    "standard": lambda r: r.standard_exponential(2), "out": lambda r: r.standard_normal(out=np.zeros(2)),
}  # fmt: skip
OF_STATES = SHARED | {
    "randint": lambda r: r.randint(3, size=2), "rand": lambda r: r.rand(2) < 0.3, "randn": lambda r: r.randn(1, 2),
    "sample": lambda r: np.floor(3 * r.random_sample()), "standard": lambda r: r.standard_normal(),
}  # fmt: skip
CALLS = [("numpy", default_rng, call) for call in OF_GENERATORS.values()]
CALLS += [("numpy-global", lambda k: np.random.RandomState(k), call) for call in OF_STATES.values()]


@pytest.mark.parametrize(("draws", "make", "call"), CALLS, ids=[*OF_GENERATORS, *OF_STATES])
def test_draws_have_the_types_and_the_moments_of_numpys(draws, make, call):
    kinds, real = [], make(0)

    def run(*given):
        kinds.append(call(*given or (make(3),)))
        return kinds[-1]

    found = exact_moments(run, draws=draws, degree=3)
    one = call(real)
    assert found.certified
    assert type(kinds[-1]) is type(one)
    assert getattr(kinds[-1], "dtype", None) == getattr(one, "dtype", None)
    assert np.shape(kinds[-1]) == np.shape(one)
    sample = np.array([np.ravel(call(real)) for _ in range(1000)], float)
    assert np.all(np.abs(sample.mean(0) - found.mean) <= 5 * np.sqrt(found.variance / 1000) + 1e-9)
    np.testing.assert_allclose(sample.var(0), found.variance, rtol=0.5)


def test_without_replacement_as_many_outcomes_as_there_are():
    assert exact_moments(lambda r: r.choice(9, 2, replace=False), draws="numpy").outcomes == 9 * 8
    assert exact_moments(lambda r: r.choice(9, 2, replace=False, shuffle=False), draws="numpy").outcomes == 9 * 8


def test_the_tail_of_a_count_is_lost_and_told():
    found = exact_moments(lambda r: r.geometric(0.5), draws="numpy")
    assert 0 < found.lost < 1e-13
    np.testing.assert_allclose([found.mean[0], found.variance[0]], [2, 2], atol=1e-10)


def test_counts_of_many_values():
    """The mean and variance of np, λ; and no table of more values than can be played."""
    for law, mean, variance in ((numpy_laws.binomial(2000, 0.5), 1000, 500), (numpy_laws.binomial(3, 0.3), 0.9, 0.63),
                                (numpy_laws.binomial(4, 1.0), 4, 0), (numpy_laws.binomial(5, 0.0), 0, 0),
                                (numpy_laws.poisson(1e4), 1e4, 1e4), (numpy_laws.poisson(0.3), 0.3, 0.3)):  # fmt: skip
        found = law.probabilities @ law.values
        np.testing.assert_allclose(found, mean, rtol=1e-12)
        np.testing.assert_allclose(law.probabilities @ (law.values - found) ** 2, variance, rtol=1e-9, atol=1e-12)
    for draw in (lambda r: r.geometric(1e-6), lambda r: r.poisson(1e12), lambda r: r.binomial(10**9, 0.5)):
        with pytest.raises(ReplayError, match="values that are not rare"):
            exact_moments(draw, draws="numpy")


SEEDED = {
    "legacy": lambda: default_rng(np.random.randint(2**31)).normal(),
    "generator": lambda: default_rng(default_rng(0).integers(2**63)).normal(),
    "words": lambda: default_rng(default_rng(0).integers(2**32, size=4, dtype=np.uint32)).normal(),
    "state": lambda: np.random.RandomState(np.random.randint(-1, 2**31 - 1) % 1000).randn(),
    "unsigned": lambda: default_rng(default_rng(0).integers(2**64, dtype=np.uint64)).normal(),
}


@pytest.mark.parametrize("run", SEEDED.values(), ids=SEEDED)
def test_whole_numbers_of_a_large_range_are_seeds(run):
    found = exact_moments(run, draws="numpy-global")
    assert found.certified
    assert found.outcomes == 3
    np.testing.assert_allclose([found.mean[0], found.variance[0]], [0, 1], atol=1e-12)


def test_a_result_that_depends_on_a_seed_is_not_reproducible():
    with pytest.raises(ReplayError, match="not reproducible") as caught:
        exact_moments(lambda gen: gen.integers(2**40) % 1000, draws="numpy")
    assert "taken for seeds" in caught.value.__notes__[0]


@pytest.mark.parametrize("cls", [ReplayGenerator, ReplayState])
def test_what_is_not_written_is_refused_by_name(cls):
    _, base = cls.__bases__
    refused = [name for name in dir(base) if not name.startswith("_") and getattr(cls, name) is getattr(base, name)]
    assert not refused
    for name in ("gamma", "beta", "standard_cauchy", "vonmises", "bytes"):
        with pytest.raises(ReplayError, match=f"NumPy's {name}, which is not modelled"):
            getattr(cls, name)(None)
    with pytest.raises(ReplayError, match="random_raw, which is not modelled"):
        exact_moments(lambda r: r.bit_generator.random_raw(), draws="numpy")


# ---------------------------------------------------------------------- one generator like another


def test_a_replayed_generator_is_one_of_numpys():
    def run(gen):
        assert isinstance(gen, np.random.Generator)
        assert np.random.default_rng(gen) is gen
        state = gen.bit_generator.state
        first = gen.normal()
        gen.bit_generator.state = state
        twin, read = copy.deepcopy(gen), pickle.loads(pickle.dumps(gen))
        (child,) = gen.spawn(1)
        return [first, gen.normal(), twin.normal(), read.normal(), child.normal(), dg.Rng(gen).signs(1)[0]]

    expected = np.eye(6)
    expected[:4, :4] = 1
    np.testing.assert_allclose(exact_moments(run, draws="numpy").covariance, expected, atol=1e-12)


OUTER = np.random.RandomState(5).get_state()
make_early, rand_early = functools.partial(default_rng, 3), np.random.rand


@dataclasses.dataclass
class Learner:
    rng: Any = dataclasses.field(default_factory=default_rng)

    def estimate(self):
        return self.rng.choice([-1.0, 1.0], 2)


class Drawing:
    draw = np.random.randn


def in_closure():
    make = np.random.default_rng
    return lambda: make(2).normal(size=2)


def by_default(make=np.random.RandomState, *, draw=np.random.normal):
    return [make(0).randn(), draw()]


BOUND_BEFORE = {
    "partial": (lambda: 2 * (make_early().random() < 0.5) - 1, np.eye(1)),
    "function": (lambda: 2 * (rand_early() < 0.5) - 1, np.eye(1)),
    "dataclass": (lambda: Learner().estimate(), np.eye(2)),
    "class": (lambda: Drawing.draw(2), np.eye(2)),
    "closure": (in_closure(), np.eye(2)),
    "default": (by_default, np.eye(2)),
    "seeds": (lambda: [default_rng(0).normal(), default_rng(0).normal(), default_rng(1).normal()],
              np.kron(np.diag([1, 0]), np.ones((2, 2)))[:3, :3] + np.diag([0, 0, 1])),
    "rewound": (lambda: [(np.random.seed(s), np.random.randn())[1] for s in (0, 0)], np.ones((2, 2))),
    "state": (lambda: (lambda s: [np.random.randn(), np.random.set_state(s), np.random.randn()][::2])(
        np.random.get_state()), np.ones((2, 2))),
    "outer state": (lambda: [(np.random.set_state(OUTER), np.random.randn())[1] for _ in range(2)], np.ones((2, 2))),
    "bits": (lambda: [np.random.Generator(np.random.PCG64(1)).normal(), default_rng(1).normal()], np.ones((2, 2))),
    "drawn seed": (lambda: [default_rng(s).normal() for s in [np.random.randint(3)] * 2], np.ones((2, 2))),
    "rng": (lambda: dg.Rng(5).signs(2), np.eye(2)),
}  # fmt: skip


@pytest.mark.parametrize(("run", "covariance"), BOUND_BEFORE.values(), ids=BOUND_BEFORE)
def test_names_bound_before_the_run_are_replayed_and_put_back(run, covariance):
    held = lambda: (np.random.default_rng, np.random.Generator, np.random.rand, default_rng, rand_early,  # noqa: E731
                    make_early.func, Drawing.draw, by_default.__defaults__, by_default.__kwdefaults__)  # fmt: skip
    before, state = held(), np.random.get_state()[1].tolist()
    found = exact_moments(run, draws="numpy-global")
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)
    assert found.certified
    assert all(a is b or a == b for a, b in zip(before, held(), strict=True))
    assert np.random.get_state()[1].tolist() == state


def test_after_an_error_everything_is_as_it_was():
    before = np.random.default_rng, np.random.rand, rand_early
    with pytest.raises(ZeroDivisionError):
        exact_moments(lambda: 1 / 0, draws="numpy-global")
    assert (np.random.default_rng, np.random.rand, rand_early) == before
