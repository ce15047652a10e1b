"""The front for JAX: estimators of the field, their exact moments, and what is refused or reported."""

import functools
import random

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import testing
from dualgrad.testing.enumeration import lines, settle
from tests.support.jax_runs import FAULTS, NOT_CERTIFIED, RIGHT, moments_of


@pytest.fixture(scope="module", autouse=True)
def jax():
    """JAX in double precision, as moments hold to rounding."""
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax
    jax.config.update("jax_enable_x64", before)


@pytest.fixture
def single(jax):
    """JAX as it is by default."""
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


@pytest.mark.parametrize("run", RIGHT, ids=lambda run: run.__name__)
def test_estimators_have_the_moments_they_should(jax, run):
    moments = testing.exact_moments(functools.partial(run, jax), draws="jax")
    assert moments.certified
    mean, variance = moments_of(run)
    np.testing.assert_allclose(moments.mean, np.ravel(mean), atol=1e-8)
    if variance is not None:
        np.testing.assert_allclose(moments.variance, np.ravel(variance), atol=1e-7)


@pytest.mark.parametrize("run", FAULTS, ids=lambda run: run.__name__)
def test_faults_are_told_from_their_twins(jax, run):
    moments = testing.exact_moments(functools.partial(run, jax), draws="jax")
    mean, variance = moments_of(run)
    off = [np.abs(moments.mean - mean), 0.0 if variance is None else np.abs(moments.variance - variance)]
    assert max(map(np.max, off)) > 1e-3


@pytest.mark.parametrize("run", NOT_CERTIFIED, ids=lambda run: run.__name__)
def test_what_jumps_is_not_certified(jax, monkeypatch, run):
    monkeypatch.setitem(settle.settle.__kwdefaults__, "samples", 50)
    with pytest.warns(testing.InexactWarning, match="not certified"):
        assert not testing.exact_moments(functools.partial(run, jax), draws="jax").certified


def test_many_outcomes_are_played_together(jax, monkeypatch):
    """Discrete draws, nodes, cuts, branches and a stopping time: the same in one vmapped call as one by one."""
    from dualgrad.testing.fronts import frontier, jax_front

    def run(key):
        a, b, c, d = jax.random.split(key, 4)
        v = jax.random.rademacher(a, (), float)
        k = jax.lax.cond(v < 0, lambda: 1.0 * jax.random.randint(b, (), 0, 2), lambda: 0.0)
        k += jax.lax.cond(
            (v > 0) | (k > 0), lambda: jax.random.rademacher(jax.random.fold_in(b, 1), (), float), lambda: 3.0
        )
        u = jax.random.uniform(c)
        x = jax.lax.cond(u < 0.25, lambda: jax.random.normal(d), lambda: 1.0 * jax.random.randint(d, (), 0, 3))
        n = jax.lax.while_loop(
            lambda n: jax.random.bernoulli(jax.random.fold_in(d, n + 5), 0.4) & (n < 2), lambda n: n + 1, 0
        )
        return jax.numpy.stack([v * k * x, x, jax.numpy.where(u < 0.5, u, 2.0), n * v])

    monkeypatch.setattr(lines, "PLAYS", 0)
    monkeypatch.setattr(jax_front, "ROOM", 1)
    monkeypatch.setattr(frontier, "FEWEST", 64)  # outcomes in one call: there are several
    found = []
    for few in (0, 10**6):
        monkeypatch.setattr(jax_front, "ALONE", few)
        found.append(testing.exact_moments(run, draws="jax", degree=3))
    assert found[0].certified
    assert found[0].outcomes == found[1].outcomes > 64
    np.testing.assert_allclose(found[0].mean, found[1].mean, atol=1e-12)
    np.testing.assert_allclose(found[0].covariance, found[1].covariance, atol=1e-12)
    assert found[0].draws == found[1].draws


def test_a_quarter_of_a_million_outcomes(jax):
    g = np.arange(1.0, 19)

    def run(key):
        v = jax.random.rademacher(key, (18,), float)
        return (g @ v) * v

    moments = testing.exact_moments(run, draws="jax")
    assert (moments.outcomes, moments.draws) == (2**18, {"rademacher": 18})
    np.testing.assert_allclose(moments.mean, g, atol=1e-9)
    np.testing.assert_allclose(moments.variance, g @ g - g**2, rtol=1e-12)


def test_names_bound_and_functions_jitted_before_are_played_too(jax):
    from jax.random import choice, normal, split

    @jax.jit
    def before(key):
        a, b = split(key)
        picked = choice(b, 3, (2,), replace=False, p=jax.numpy.asarray([0.5, 0.25, 0.25]))
        return normal(a, (2,)) * picked[0]

    key = jax.random.key(0)
    first = before(key)
    moments = testing.exact_moments(before, draws="jax")
    assert moments.certified
    assert moments.outcomes == 9 * 6
    np.testing.assert_allclose(moments.variance, 0.25 + 4 * 0.25, atol=1e-12)
    np.testing.assert_array_equal(before(key), first)
    np.testing.assert_array_equal(normal(key), jax.random.normal(jax.random.key(0)))


def test_a_key_used_twice_gives_the_same_numbers(jax):
    moments = testing.exact_moments(lambda key: jax.random.normal(key) * jax.random.normal(key), draws="jax")
    np.testing.assert_allclose([moments.mean[0], moments.variance[0]], [1, 2], atol=1e-12)


REUSED = {
    "another shape": lambda jax, key: jax.random.normal(key, (2,)).sum() * jax.random.normal(key),
    "another law": lambda jax, key: jax.random.normal(key) * jax.random.uniform(key),
    "in a loop": lambda jax, key: jax.lax.scan(lambda c, _: (jax.random.randint(key, (), 0, c), None), 3, None, 2)[0],
    "in one of 2^10 outcomes": lambda jax, key: jax.lax.cond(
        jax.numpy.all(jax.random.rademacher(jax.random.fold_in(key, 1), (10,)) < 0),
        lambda: 1.0 * jax.random.randint(key, (), 0, 2) + jax.random.bernoulli(key),
        lambda: 0.0,
    ),
    "folded and split": lambda jax, key: (
        jax.random.normal(jax.random.split(key)[1]) * jax.random.exponential(jax.random.fold_in(key, 1))
    ),
}


@pytest.mark.parametrize("run", REUSED.values(), ids=REUSED.keys())
def test_keys_used_twice_for_other_things_are_reported(jax, run):
    with pytest.raises(testing.ReplayError, match="key reused"):
        testing.exact_moments(functools.partial(run, jax), draws="jax")


def _keeping_state(jax, key, kept=[]):  # noqa: B006
    kept.append(jax.random.normal(key))
    return kept[0]


REFUSED = {
    "gamma": (lambda jax, key: jax.random.gamma(key, 2.0), "gamma is not modelled"),
    "student": (lambda jax, key: jax.random.t(key, 3.0), "gamma is not modelled"),
    "bits": (lambda jax, key: jax.random.bits(key), "draws random bits"),
    "poisson": (lambda jax, key: jax.random.poisson(key, 2.0), "poisson is not modelled"),
    "state": (_keeping_state, "keeps state between runs"),
    "words": (lambda jax, key: jax.random.key_data(key)[0], "reads the words"),
}


@pytest.mark.parametrize(("run", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_modelled_is_an_error(jax, run, message):
    with pytest.raises(testing.ReplayError, match=message):
        testing.exact_moments(functools.partial(run, jax), draws="jax")


def test_randomness_of_python_is_noticed(jax):
    source = np.random.default_rng(0)
    with pytest.raises(testing.ReplayError, match="not reproducible"):
        testing.exact_moments(lambda key: jax.random.normal(key) * source.random(), draws="jax")


ELSEWHERE = {
    "np.random.Generator": lambda: np.random.default_rng(0).normal(),
    "random module": lambda: random.Random.random(random._inst) if random.seed(1) is None else 0.0,
    "dualgrad.Rng": lambda: dg.Rng(0).normal(),
}


@pytest.mark.parametrize(("what", "number"), ELSEWHERE.items(), ids=ELSEWHERE.keys())
def test_what_a_run_draws_elsewhere_while_it_is_traced_is_noticed(jax, what, number):
    with pytest.warns(testing.ForeignDrawsWarning, match=what):
        moments = testing.exact_moments(lambda key: number() * jax.random.rademacher(key, ()), draws="jax")
    assert not moments.certified


def test_outcomes_too_improbable_to_be_played_out_may_weigh(jax):
    """One of probability 1e-15, whose result is 1e15: the mean is one."""

    def run(key):
        a, b = jax.random.split(key)
        return jax.numpy.where(jax.random.uniform(a) < 1e-15, 1e15, 0.0) + jax.random.rademacher(b, (8,)).sum()

    with pytest.warns(testing.InexactWarning, match=r"as large as 1\.0e\+15"):
        assert testing.exact_moments(run, draws="jax").error > 1


def test_a_key_from_outside_is_reported(jax):
    outside = jax.random.key(5)
    with pytest.warns(testing.InexactWarning, match="a key of its own"):
        testing.exact_moments(lambda key: jax.random.normal(outside) * jax.random.normal(key), draws="jax")


@pytest.mark.parametrize("is_traced", [False, True], ids=["in a program", "while it is traced"])
def test_an_interrupt_leaves_jax_as_it_was(jax, single, monkeypatch, is_traced):
    def interrupt(*_):
        raise KeyboardInterrupt

    def run(key):
        return interrupt() if is_traced else jax.random.normal(key)

    if not is_traced:
        from dualgrad.testing.fronts.jax_single import Single

        monkeypatch.setattr(Single, "_continuous", interrupt)
    before = jax.random.normal.__globals__["_normal"], jax.random.choice.__code__
    with jax.enable_x64(True), pytest.raises(KeyboardInterrupt):
        testing.exact_moments(run, draws="jax")
    assert (jax.random.normal.__globals__["_normal"], jax.random.choice.__code__) == before
    assert not jax.config.jax_enable_x64


AS_IT_IS = {
    "type": (lambda jax, key: jax.numpy.finfo(jax.random.normal(key).dtype).eps, [2.0**-23, 0]),
    "wraparound": (lambda jax, key: jax.numpy.asarray(2**30) * 4 + jax.random.rademacher(key, (), int), [0, 1]),
    "whole numbers": (lambda jax, key: 2**30 + jax.random.rademacher(key, (), int), [2**30, 1]),
    "normals": (lambda jax, key: 1 + 2 * jax.random.normal(key), [1, 4]),
    "cuts": (lambda jax, key: jax.random.uniform(key) < 0.3, [0.3, 0.21]),
}


@pytest.mark.parametrize(("run", "expected"), AS_IT_IS.values(), ids=AS_IT_IS.keys())
def test_the_run_is_played_in_the_precision_that_the_user_has(jax, single, run, expected):
    moments = testing.exact_moments(functools.partial(run, jax), draws="jax")
    assert moments.certified
    np.testing.assert_allclose([moments.mean[0], moments.variance[0]], expected, rtol=1e-6)
    with jax.enable_x64(True):
        moments = testing.exact_moments(lambda key: jax.random.normal(key) ** 2, draws="jax")
    np.testing.assert_allclose([moments.mean[0], moments.variance[0]], [1, 2], rtol=1e-12)


def test_errors_of_the_run_are_its_own(jax):
    with pytest.raises(ValueError, match="cannot take 4 of 3"):
        testing.exact_moments(lambda key: jax.random.choice(key, 3, (4,), replace=False), draws="jax")
    for run in (lambda key: jax.random.rademacher(key, (40,)), lambda key: jax.random.randint(key, (), 0, 2**30)):
        with pytest.raises(testing.TooManyOutcomesError):
            testing.exact_moments(run, draws="jax")


def test_single_precision_is_checked_as_such(jax):
    def run(key):
        z = jax.random.normal(key, (2,), jax.numpy.float32)
        return jax.lax.scan(lambda c, x: (c + x * z[0], None), jax.numpy.float32(0), z)[0]

    report = testing.assert_moments(run, mean=1.0, draws="jax")
    assert report.passed
    with pytest.raises(AssertionError):
        testing.assert_moments(run, mean=1.001, draws="jax")


# ---------------------------------------------------------------------- random programs of one uniform draw

AT = [-0.5, -0.3, 0.0, 0.2, 0.3, 0.45, 0.6, 0.7, 1.0, 1.3]


def random_program(jax, rng):
    """A function of a draw and a parameter, of bounds, comparisons with them, and arithmetic."""
    jnp = jax.numpy

    def step():
        low, high = sorted(rng.choice(AT, 2, replace=False))
        return (
            lambda x, p: jnp.maximum(x, low), lambda x, p: jnp.minimum(x, high), lambda x, p: jnp.clip(x, low, high),
            lambda x, p: jax.lax.clamp(low, x, high), lambda x, p: 2 * x - low, lambda x, p: high - x,
            lambda x, p: x * p, lambda x, p: x + p, lambda x, p: jnp.abs(x - low), lambda x, p: jnp.maximum(x, p),
            lambda x, p: jnp.where(x < low + 0.35, x, high), lambda x, p: jnp.where(x >= low, 2 * x, -x),
            lambda x, p: jnp.where(x == low, p, x), lambda x, p: jnp.where(x != high, x, 3.0), lambda x, p: x * x,
            lambda x, p: jax.nn.relu(x - low), lambda x, p: jax.nn.hard_tanh(3 * x - p),
        )[rng.integers(17)]  # fmt: skip

    steps = [step() for _ in range(rng.integers(1, 5))]
    at_last = [lambda x: x, lambda x: 1.0 * (x > 0.3), lambda x: 1.0 * (x <= 0.3), lambda x: 1.0 * (x == 1), jnp.sign,
               jnp.floor, lambda x: 1.0 * x.astype(int)][rng.integers(7) if rng.random() < 0.5 else 0]  # fmt: skip

    def program(u, p):
        for act in steps:
            u = act(u, p)
        return at_last(u)

    return jax.grad(program, 1) if rng.random() < 0.5 else program


@pytest.mark.filterwarnings("ignore:not certified")  # some are not, of which nothing is claimed here
@pytest.mark.parametrize("seed", range(30))
def test_what_is_certified_of_a_random_program_is_its_mean_over_a_fine_grid(jax, monkeypatch, seed):
    monkeypatch.setitem(settle.settle.__kwdefaults__, "samples", 50)
    program = random_program(jax, np.random.default_rng(seed))
    found = testing.exact_moments(lambda key: program(jax.random.uniform(key), 0.2718), draws="jax")
    grid = (np.arange(20_000) + 0.5) / 20_000
    values = np.asarray(jax.vmap(lambda u: program(u, 0.2718))(jax.numpy.asarray(grid)))
    if found.certified:
        np.testing.assert_allclose(found.mean, values.mean(), atol=2e-3)
        np.testing.assert_allclose(found.variance, values.var(), atol=6e-3)
