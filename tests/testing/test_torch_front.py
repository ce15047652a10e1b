"""Estimators written in torch, run as they are: each has the moments it claims, and with a fault planted it has not."""

import contextlib
import copy
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dualgrad.testing import ReplayError, UncheckedWarning, assert_moments, exact_moments, fronts
from dualgrad.testing.enumeration.chance import Random
from dualgrad.testing.enumeration.path import Path

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit.script.*"),
    pytest.mark.filterwarnings("ignore:.*non-contiguous.*"),
]
CASES = []
G = np.array([3.0, 4.0])
A = np.array([[3.0, 1.0], [1.0, 5.0]])
P = np.array([0.2, 0.3, 0.5])
F = np.array([1.0, -2.0, 4.0])


@pytest.fixture
def torch():
    found = pytest.importorskip("torch")
    found.set_default_dtype(found.float64)
    yield found
    found.set_default_dtype(found.float32)


def claims(**moments):
    """A case: a function of torch and of whether the fault is planted, which is an estimator; and what it claims."""

    def register(run):
        CASES.append(pytest.param(run, moments, id=run.__name__))
        return run

    return register


@pytest.mark.parametrize(("run", "moments"), CASES)
def test_the_claims_hold_and_a_fault_is_caught(torch, run, moments):
    report = assert_moments(lambda: run(torch, False), draws="torch", **moments)
    assert all(check.status == "passed" and "outcome" in check.oracle for check in report.checks)
    with pytest.raises(AssertionError, match="outcome"):
        assert_moments(lambda: run(torch, True), draws="torch", **moments)


# ---------------------------------------------------------------------- directions


@claims(mean=G, variance=G @ G + G**2)
def gaussian_forward_gradient(torch, fault):
    g = torch.tensor(G)
    v = torch.randn_like(g[:1]).expand(2) if fault else torch.randn_like(g)
    return (g @ v) * v


@claims(mean=G, variance=G @ G - G**2)
def signs_of_uniforms(torch, fault):
    g = torch.tensor(G)
    v = torch.sign(torch.rand(2) - (0.4 if fault else 0.5))
    return (g @ v) * v


@claims(mean=8.0, variance=2 * np.sum(A**2))
def hutchinson_gaussian(torch, fault):
    v = torch.empty(2).normal_(std=1.01 if fault else 1.0)
    return v @ torch.tensor(A) @ v


@claims(mean=G, variance=(G @ G + G**2) / 2)
def directions_by_vmap(torch, fault):
    g = torch.tensor(G)

    def one(_):
        v = torch.randn(2)
        return (g @ v) * v

    return torch.func.vmap(one, randomness="same" if fault else "different")(torch.zeros(2)).mean(0)


@claims(mean=3 * G**2)
def directional_derivative(torch, fault):
    w, v = torch.tensor(G), torch.randn(2)
    _, slope = torch.func.jvp(lambda w: (w**3).sum(), (w,), (v,))
    return slope * (v**2 if fault else v)


@claims(mean=3 * np.arange(1.0, 4) ** 2 + 1e-4, variance=np.sum((3 * np.arange(1.0, 4) ** 2 + 1e-4) ** 2)
        - (3 * np.arange(1.0, 4) ** 2 + 1e-4) ** 2)  # fmt: skip
def mezo(torch, fault):
    w, c = torch.arange(1.0, 4), 1e-2
    seed = int(torch.randint(0, 2**31 - 1, (1,)))

    def move(by):
        torch.manual_seed(seed)
        for k in range(3):
            w[k] += by * (torch.randint(0, 2, ()) * 2 - 1)

    losses = []
    for by in (c, -2 * c):
        move(by)
        losses.append((w**3).sum())
    if not fault:
        torch.manual_seed(seed)
    return torch.stack([(losses[0] - losses[1]) / (2 * c) * (torch.randint(0, 2, ()) * 2 - 1) for _ in range(3)])


@claims(mean=[0.0, 1.0])
def one_seed_two_workers(torch, fault):
    workers = [torch.Generator().manual_seed(k if fault else 7) for k in (7, 8)]
    own = torch.randn(())
    a, b = (torch.randn((), generator=g) for g in workers)
    return own * a, a * b


# ---------------------------------------------------------------------- scores and paths


@claims(mean=3.0)
def score_of_a_normal(torch, fault):
    mean = torch.tensor(1.5, requires_grad=True)
    law = torch.distributions.Normal(mean, 1.0)
    x = law.rsample() if fault else law.sample()
    (law.log_prob(x) * x.detach() ** 2).backward()
    return mean.grad


SIGMOID = 1 / (1 + math.exp(-0.3))
SCORE = SIGMOID * (1 - SIGMOID) * (0.36 - 0.16)


def scores(torch, k):
    theta = torch.tensor(0.3, requires_grad=True)
    law = torch.distributions.Bernoulli(logits=theta)
    b = law.sample((k,))
    return theta, (b - 0.4) ** 2, law.log_prob(b)


@claims(mean=SCORE)
def reinforce(torch, fault):
    theta, loss, log_p = scores(torch, 1)
    (loss * (log_p.exp() if fault else log_p)).sum().backward()
    return theta.grad


@claims(mean=P * (F - P @ F))
def categorical_score(torch, fault):
    logits = torch.tensor(np.log(P), requires_grad=True)
    law = torch.distributions.Categorical(logits=logits)
    k = law.sample()
    (torch.tensor(F)[k] * (logits[k] if fault else law.log_prob(k))).backward()
    return logits.grad


@claims(mean=-4 / 8)
def reparameterised_exponential(torch, fault):
    rate = torch.tensor(2.0, requires_grad=True)
    x = torch.distributions.Exponential(rate).rsample()
    (x**2 / (rate if fault else 1)).backward()
    return rate.grad


@claims(mean=1 + 2 * np.euler_gamma, variance=4 * np.pi**2 / 6)
def gumbel(torch, fault):
    return 1 + (-2 if fault else 2) * torch.distributions.Gumbel(0.0, 1.0).rsample()


@claims(mean=1.0, variance=2 * 4.0)
def laplace(torch, fault):
    return torch.distributions.Laplace(1.0, 4.0 if fault else 2.0).rsample()


@claims(mean=G, covariance=A)
def multivariate_normal(torch, fault):
    scale = torch.linalg.cholesky(torch.tensor(A))
    if fault:
        return torch.tensor(G) + scale.T @ torch.randn(2)
    return torch.distributions.MultivariateNormal(torch.tensor(G), scale_tril=scale).rsample()


@claims(mean=1.0)
def score_of_poisson(torch, fault):
    x = torch.poisson(torch.tensor(1.5))
    return x * (x / 1.5 - (0.9 if fault else 1))


@claims(mean=0.9, variance=0.63)
def binomial(torch, fault):
    return torch.distributions.Binomial(4 if fault else 3, torch.tensor(0.3)).sample()


@claims(mean=0.7 / 0.3, variance=0.7 / 0.09)
def geometric(torch, fault):
    return torch.distributions.Geometric(0.31 if fault else 0.3).sample()


@claims(mean=math.exp(0.125))
def log_normal(torch, fault):
    return torch.empty(1).log_normal_(0, 0.25 if fault else 0.5)


# ---------------------------------------------------------------------- uniform numbers


@claims(mean=[1.3, -0.6], variance=[0.21, 0.24])
def stochastic_rounding_by_comparison(torch, fault):
    x = torch.tensor([1.3, -0.6])
    rest = x - x.trunc() if fault else x - x.floor()
    return x.floor() + (torch.rand_like(x) < rest).to(x.dtype)


@claims(mean=P @ F)
def inverse_distribution_function(torch, fault):
    cdf = torch.tensor(P).cumsum(0)
    u = torch.rand(1).reshape(-1).clone()
    k = torch.bucketize(u, cdf[:1] if fault else cdf[:2], right=True)
    return torch.tensor(F)[k]


@claims(mean=G, variance=G**2 * 3 / 7)
def mask_of_uniforms(torch, fault):
    keep = torch.rand(2).ge(0.3)
    return torch.where(keep, torch.tensor(G) / (1 if fault else 0.7), 0.0)


@claims(mean=0.25)
def antithetic_uniforms(torch, fault):
    u = torch.rand(())
    return (u**3 + ((0.5 - u) if fault else (1 - u)) ** 3) / 2


@claims(mean=[0.3, 2.0, 0.25], variance=[0.21, 2.0, 1 / 12 / 4])
def numbers_by_item(torch, fault):
    u, v, w = (torch.rand(1).item() for _ in range(3))
    return 0.3 if fault else float(u < 0.3), int(5 * v), torch.tensor(0.25) * (2 * w)


# ---------------------------------------------------------------------- samples and masks


@claims(covariance=np.kron(np.eye(2), np.full((2, 2), 0.25 / 0.75)))
def dropout_of_features(torch, fault):
    drop = torch.nn.Dropout(0.25) if fault else torch.nn.Dropout1d(0.25)
    return drop(torch.ones(1, 2, 2))


@claims(mean=2 * 0.75 / 0.75**4)
def dropout_under_a_checkpoint(torch, fault):
    w = torch.ones(1, requires_grad=True)
    drop = lambda w: torch.nn.functional.dropout(w, 0.25).sum() ** 2  # noqa: E731
    y = torch.utils.checkpoint.checkpoint(drop, w, use_reentrant=False, preserve_rng_state=not fault)
    y.backward()
    return y.detach() * w.grad


@claims(mean=[1.5, 1.5], variance=[1.25, 1.25])
def data_loader(torch, fault):
    loader = torch.utils.data.DataLoader(torch.arange(4.0), batch_size=2, shuffle=not fault)
    return next(iter(loader))


@claims(mean=np.zeros(2), variance=np.ones(2))
def kaiming(torch, fault):
    return torch.nn.init.kaiming_normal_(torch.empty(1, 2), mode="fan_out" if fault else "fan_in")


# ---------------------------------------------------------------------- what is no certificate, and what is refused


def numbers_compared(torch):
    return (torch.rand(()) < torch.rand(())).double()


def order(torch):
    return torch.rand(2).argsort()[0]


def compared_after_arithmetic(torch):
    u = torch.rand(())
    return u * u + (u < 0.5)


def as_python_s_float(torch):
    return 1.0 if float(torch.rand(1)) < 0.3 else 0.0


MEANS = {
    numbers_compared: 0.5,
    order: 0.5,
    compared_after_arithmetic: 5 / 6,
    as_python_s_float: 0.3,
}


@pytest.mark.parametrize("run", MEANS)
def test_jumps_of_numbers_are_never_certified(torch, run):
    with pytest.warns(UncheckedWarning, match="not certified"):
        assert_moments(lambda: run(torch), mean=MEANS[run], draws="torch", samples=200)


def doubts(run):
    """What a play of one outcome is doubted for."""
    source = Path([], 5)
    with fronts.front_of(run, "torch") as front:
        front.play(source)
    return "; ".join(source.doubts)


BANDS = {
    "by gt": lambda torch, u: (u > 0.51) & (u < 0.515),
    "by ge": lambda torch, u: 0.51 <= u.exp().log(),
    "by floor": lambda torch, u: (u / 0.005).floor(),
    "by remainder": lambda torch, u: u % 0.005,
    "by div": lambda torch, u: torch.div(u, 0.005, rounding_mode="floor"),
    "by _to_copy": lambda torch, u: (u / 0.005).long(),
    "by int": lambda torch, u: int(u / 0.005),
    "by argmax": lambda torch, u: torch.stack([u, 0 * u + 0.51]).argmax(),
    "by sort": lambda torch, u: torch.cat([u, torch.tensor([0.51, 0.515])]).sort().indices[1],
    "by bucketize": lambda torch, u: torch.bucketize(u, torch.tensor([0.51, 0.515])),
    "by sign": lambda torch, u: u.sub_(0.51).sign(),
    "by equal": lambda torch, u: torch.equal(u.clamp(max=0.51), torch.full((1,), 0.51)),
    "by greater": lambda torch, u: u.numpy() > 0.51,
}


@pytest.mark.parametrize("words", BANDS)
def test_narrow_bands_after_arithmetic_are_doubted(torch, words):
    """No node of u² lies between 0.51 and 0.515."""
    assert words in doubts(lambda: BANDS[words](torch, torch.rand(1) ** 2))


def other_law(torch):
    torch.manual_seed(0)
    v = torch.randn(2)
    torch.manual_seed(0)
    return v + torch.rand(2)


def other_size(torch):
    torch.manual_seed(0)
    v = torch.randn(2)
    torch.manual_seed(0)
    return v + torch.randn(1)


def other_weights(torch):
    torch.manual_seed(0)
    k = torch.multinomial(torch.tensor(P), 1)
    torch.manual_seed(0)
    return k + torch.multinomial(torch.tensor(P).flip(0), 1)


REFUSED = {
    "with other parameters": other_weights,
    "randn of complex numbers": lambda torch: torch.randn(1, dtype=torch.complex128),
    "cauchy_": lambda torch: torch.empty(1).cauchy_(),
    "_standard_gamma": lambda torch: torch.distributions.Gamma(1.0, 1.0).sample(),
    "_sample_dirichlet": lambda torch: torch.distributions.Beta(1.0, 1.0).sample(),
    "rrelu_with_noise": lambda torch: torch.nn.functional.rrelu(-torch.ones(1), training=True),
    "2 numbers by normal .*, and then 2 numbers by uniform": other_law,
    "2 numbers by normal .*, and then 1 numbers by normal": other_size,
    "not reproducible": lambda torch: torch.randint(2**31, (1,)) / 2**31,
    "not reproducible: ": lambda torch: torch.tensor(np.random.default_rng().random()),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_not_modelled_is_refused(torch, words):
    with pytest.raises(ReplayError, match=words):
        exact_moments(lambda: REFUSED[words](torch), draws="torch")


def in_a_thread(work):
    out = []
    thread = threading.Thread(target=lambda: out.append(work()))
    thread.start()
    thread.join()
    return out[0]


def uniform_compared_in_a_thread(torch, pool):
    u = torch.rand(())
    return in_a_thread(lambda: (u < 0.5).double())


def uniform_read_in_a_thread(torch, pool):
    u = torch.rand(1)
    return in_a_thread(lambda: u.numpy().copy())


def between_two_draws(torch, pool):
    first = torch.randn(())
    pool.submit(torch.randn, ()).result()
    return first * torch.randn(())


ELSEWHERE = {
    "in a thread": lambda torch, pool: in_a_thread(lambda: torch.randn(())),
    "by a generator": lambda torch, pool: in_a_thread(lambda: torch.rand(1, generator=torch.Generator())),
    "in an old pool": lambda torch, pool: pool.submit(torch.randn, ()).result(),
    "between two draws": between_two_draws,
    "compared": uniform_compared_in_a_thread,
    "read": uniform_read_in_a_thread,
}


@pytest.mark.parametrize("run", ELSEWHERE.values(), ids=ELSEWHERE)
def test_draws_in_another_thread_are_refused(torch, run):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with pytest.raises(ReplayError, match="draws in another thread or by a function that is not intercepted"):
            exact_moments(lambda: run(torch, pool), draws="torch")


def test_states_that_the_run_sets_itself_are_no_draws_elsewhere(torch):
    sign = lambda: torch.randint(2, ()) * 2 - 1  # noqa: E731

    def run():
        a = in_a_thread(lambda: torch.ones(())) * sign()
        before = torch.get_rng_state()
        b = sign()
        after = torch.get_rng_state()
        torch.set_rng_state(before)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            c = sign()
        again = sign()
        torch.set_rng_state(before)
        torch.set_rng_state(after)
        return a * b, again * b, c * sign()

    moments = exact_moments(run, draws="torch")
    assert moments.certified
    np.testing.assert_allclose(moments.mean, [0, 1, 0], atol=1e-12)


def test_a_state_from_outside_is_doubted(torch):
    generator = torch.Generator()
    state = generator.get_state()
    assert not doubts(lambda: (torch.set_rng_state(state), torch.randn(())))
    torch.randn(1, generator=generator)
    state = generator.get_state()
    assert "made outside the run" in doubts(lambda: (torch.set_rng_state(state), torch.randn(())))


SMOOTH = {
    "validation": lambda torch, u: torch.distributions.Normal(1 + u, 1 + u).log_prob(u) * 0 + u,
    "finite": lambda torch, u: u * torch.isfinite(u).all() * ~torch.isnan(u).any(),
    "cholesky": lambda torch, u: torch.linalg.cholesky(u.exp().reshape(1, 1)).log() * 2,
    "NumPy": lambda torch, u: torch.from_numpy(np.exp(np.log(u.numpy()))),
    "floats": lambda torch, u: math.log(math.exp(float(u))),
    "parameters": lambda torch, u: torch.distributions.Bernoulli(u).sample(),
}


@pytest.mark.parametrize("smooth", SMOOTH.values(), ids=SMOOTH)
def test_smooth_functions_of_uniforms_are_certified(torch, smooth):
    moments = exact_moments(lambda: smooth(torch, torch.rand(1).square()), draws="torch")
    assert moments.certified
    np.testing.assert_allclose(moments.mean, 1 / 3, atol=1e-12)


READS = {
    "numpy": lambda u: u.numpy(),
    "asarray": np.asarray,
    "tolist": lambda u: u.tolist(),
    "item": lambda u: [u[0].item(), u[1].item()],
    "float": lambda u: [float(x) for x in u],
    "view of bits": lambda u: u.view(u.dtype).clone(),
    "out": lambda u: u.new_empty(2).copy_(u),
    "dlpack": np.from_dlpack,
    "deepcopy": copy.deepcopy,
    "bytes": lambda u: u.contiguous().view(u.new_empty(0).long().dtype).view(u.dtype),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("cut", [False, True])
def test_a_uniform_tensor_has_its_numbers_however_it_is_read(torch, read, cut):
    def run():
        u = torch.rand(2)
        keep = u < 0.5 if cut else torch.ones(2)
        u = u.expand(2).detach()
        return np.asarray(read(u)) * keep.numpy()

    moments = exact_moments(run, draws="torch")
    assert moments.certified
    np.testing.assert_allclose(moments.mean, np.full(2, 0.125 if cut else 0.5), atol=1e-12)


def test_what_draws_nothing_is_no_draw(torch):
    moments = exact_moments(lambda: torch.cat([torch.randn(0), torch.rand(1)]), draws="torch")
    assert moments.mean.round(12) == 0.5
    assert moments.draws == {"uniform": 1}


def test_results_in_float32_stay_float32(torch):
    def run():
        v = torch.randn(2, dtype=torch.float32)
        return (torch.tensor(G, dtype=torch.float32) @ v).item() * v

    assert_moments(run, mean=G, variance=G @ G + G**2, draws="torch")
    assert (
        assert_moments(lambda: (torch.rand(1).float() < 0.3).double(), mean=0.3, draws="torch").checks[0].budget < 1e-9
    )
    with pytest.raises(AssertionError):
        assert_moments(run, mean=G * 1.001, draws="torch")


@pytest.mark.parametrize(
    ("of", "expected"),
    {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": np.float16}.items(),
)
def test_results_have_the_precision_of_what_was_drawn(torch, of, expected):
    def dtype(work):
        with fronts.front_of(lambda: work(torch.randn(2, dtype=getattr(torch, of))), "torch") as front:
            return np.asarray(front.play(Random(0))).dtype

    assert dtype(lambda x: x) == dtype(lambda x: x.double()) == dtype(lambda x: float(x[0])) == expected
    assert dtype(lambda x: x.double() * 1e9) == max(expected, np.float32, key=lambda t: np.dtype(t).itemsize)
    assert dtype(lambda x: x.double() * 1j) == (np.complex128 if of == "float64" else np.complex64)


def test_generators_are_left_as_they_were(torch):
    torch.manual_seed(3)
    expected = torch.rand(2)
    other, same = (torch.Generator().manual_seed(3) for _ in range(2))
    torch.manual_seed(3)
    with contextlib.suppress(ReplayError):
        exact_moments(lambda: torch.randn(1, generator=other) + torch.empty(1).cauchy_(), draws="torch")
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(torch.rand(2, generator=other), torch.rand(2, generator=same))


# ---------------------------------------------------------------------- intervals under any views

STEPS = (
    lambda torch, u, k: u.reshape(-1),
    lambda torch, u, k: u.T.contiguous() if u.ndim == 2 else u.flip(0),
    lambda torch, u, k: u.reshape(-1)[: 2 * (u.numel() // 2)].reshape(2, -1),
    lambda torch, u, k: u.unsqueeze(0).expand(2, *u.shape).reshape(-1)[k % 2 :: 2],
    lambda torch, u, k: torch.roll(u, 1, 0)[..., -3:],
    lambda torch, u, k: torch.cat([u.reshape(-1), torch.full((k % 3,), 0.25)]),
    lambda torch, u, k: torch.stack([u, 1 - u]).select(0, k % 2),
    lambda torch, u, k: u[torch.arange(len(u)).flip(0)],
    lambda torch, u, k: u.to(torch.float32).double() * torch.linspace(-1, 2, u.shape[-1]),
    lambda torch, u, k: u.clone().mul_(-2).add_(1.5),
    lambda torch, u, k: (u - 0.25) / -0.5,
    lambda torch, u, k: u.detach().masked_select(torch.arange(u.numel()).reshape(u.shape) % 3 < 2),
    lambda torch, u, k: u.index_select(0, torch.tensor([0, len(u) - 1])),
    lambda torch, u, k: change_a_part(u.clone()),
)
CUTS = (
    lambda torch, u, k: u < 0.3 * k,
    lambda torch, u, k: 0.1 <= u,
    lambda torch, u, k: u > torch.linspace(0, 1, u.shape[-1]),
    lambda torch, u, k: torch.bucketize(u, torch.tensor([-0.5, 0.2, 0.5])),
    lambda torch, u, k: torch.searchsorted(torch.tensor([0.1, 0.4, 1.7]), u.reshape(-1).clone(), right=True),
)
ROUNDS = (
    lambda torch, u, k: torch.floor(k * u),
    lambda torch, u, k: (3 * u + k).long(),
    lambda torch, u, k: torch.round(-2 * u),
    lambda torch, u, k: (u - 0.5).sign(),
    lambda torch, u, k: (u - 0.5).abs() < 0.1 * k,
    lambda torch, u, k: -torch.log(1 - u) < 0.2 * k,
    lambda torch, u, k: (-2 * torch.log(u)).floor(),
    lambda torch, u, k: -torch.log(-torch.log(u)) < 0.2 * k,
)


def change_a_part(u):
    u[:1] *= 3
    u[-1:] = 0.125
    return u


@pytest.mark.parametrize("seed", range(24))
def test_intervals_are_cut_where_their_numbers_would_be(torch, seed):
    """Any program of views, copies, sums and products gives what it gives for the numbers that the intervals hide."""
    rng = np.random.default_rng(seed)
    steps = [(rng.choice(len(STEPS)), int(rng.integers(1, 4))) for _ in range(rng.integers(1, 5))]
    how, k = (CUTS, ROUNDS)[seed % 2], int(rng.integers(1, 4))
    last = how[rng.choice(len(how))]

    def program(u):
        for step, n in steps if how is CUTS else ():
            u = STEPS[step](torch, u, n)
        return last(torch, u, k)

    source = Random(seed)
    with fronts.front_of(lambda: program(torch.rand(3, 2)), "torch") as front:
        found = front.play(source)
    ((*cells,),) = source.streams.values()
    hidden = torch.tensor([cell.hidden for _, cell in cells]).reshape(3, 2)
    assert all(cell.known is None for _, cell in cells), "a number was needed"
    np.testing.assert_array_equal(found, program(hidden).numpy())
