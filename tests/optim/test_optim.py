"""Optimizers: their formulas, in place, on every kind of parameters; errors leave everything as it was."""

import inspect
import math
import os
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import optim
from dualgrad.optim import blockwise
from tests.support.optimizers import MAKERS, every
from tests.support.strict import DeviceArray, device, host

CLIPS = {"as it is": {}, "clip_norm": {"clip_norm": 0.7}, "clip_value": {"clip_value": 0.3}}
clipped = pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
ONE_CYCLE = {"pct_start": 3 / 11, "anneal_strategy": "linear", "div_factor": 10, "final_div_factor": 100}
SCHEDULES = [
    (optim.constant(0.1), lambda t: 0.1),
    (optim.inverse_sqrt(0.1), lambda t: 0.1 / t**0.5),
    (optim.exponential(0.1, decay=0.3), lambda t: 0.1 * math.exp(-0.3 * (t - 1))),
    (optim.cosine(0.1, 7), lambda t: 0.1 * (1 + math.cos(math.pi * (t - 1) / 7)) / 2),
    (optim.cosine(0.1, 4, final=0.02), lambda t: 0.02 + 0.08 * (1 + math.cos(math.pi * min(t - 1, 4) / 4)) / 2),
    (optim.linear(0.1, 0.5, 0.9, 4), lambda t: 0.1 * (0.5 + 0.1 * min(t - 1, 4))),
    (optim.step(0.1, 3, 0.5), lambda t: 0.1 * 0.5 ** math.floor((t - 1) / 3)),
    (optim.multistep(0.1, (2, 5)), lambda t: 0.1 if t <= 2 else 0.01 if t <= 5 else 0.001),
    (optim.cosine_restarts(0.1, 3), lambda t: 0.05 * (1 + math.cos(math.pi * ((t - 1) % 3) / 3))),
    (
        optim.cosine_restarts(0.1, 2, 2, 0.02),
        lambda t: (
            0.06 + 0.04 * math.cos(math.pi * ([0, 1] + [k / 2 for k in range(4)] * 2)[t - 1] / 2)
            if t <= 6
            else 0.06 + 0.04 * math.cos(math.pi * (t - 7) / 8)
        ),
    ),
    (
        optim.one_cycle(0.1, 11, **ONE_CYCLE),
        lambda t: 0.01 + 0.045 * (t - 1) if t <= 3 else 0.1 - (0.1 - 1e-4) * min(t - 3, 8) / 8,
    ),
    (
        optim.one_cycle(0.1, 11, pct_start=3 / 11, div_factor=10, final_div_factor=100),
        lambda t: (
            0.055 - 0.045 * math.cos(math.pi * (t - 1) / 2)
            if t <= 3
            else 0.05005 + 0.04995 * math.cos(math.pi * min(t - 3, 8) / 8)
        ),
    ),
    (
        optim.one_cycle(0.1, 11, **ONE_CYCLE, three_phase=True),
        lambda t: (
            0.01 + 0.045 * (t - 1)
            if t <= 3
            else 0.1 - 0.045 * (t - 3)
            if t <= 5
            else 0.01 - (0.01 - 1e-4) * min(t - 5, 6) / 6
        ),
    ),
    (optim.warmup(3, 0.1), lambda t: 0.1 * min(1, t / 3)),
    (optim.warmup(3, optim.inverse_sqrt(0.1)), lambda t: 0.1 * t / 3 if t <= 3 else 0.1 / (t - 3) ** 0.5),
]


def test_the_catalogue_is_complete():
    schedules = {type(schedule).__name__ for schedule, _ in SCHEDULES} | {"plateau", "Averaged"}  # tested beside it
    assert {type(make()).__name__ for make in MAKERS.values()} | schedules == set(optim.__all__)
    for name in set(optim.__all__) - schedules:
        assert {"lr", "clip_norm", "clip_value"} <= set(inspect.signature(getattr(optim, name)).parameters)


L2 = {"SGD with all": 0.1, "Adam with all": 0.2, "RMSprop with L2": 0.1, "NAdam": 0.1, "RAdam": 0.1, "Adagrad": 0.1}


def formula(name, w, gradients):
    """The textbook recursions, in float64, on one tensor."""
    w, m, v, mean, product = w.astype(float), 0.0, 0.0, 0.0, 1.0
    for t, g in enumerate(gradients, 1):
        if name in ("SGD with all", "Adam with all"):
            g = -g
        g = g + L2.get(name, 0) * w
        if name.startswith("SGD"):
            m = g if name == "SGD" or t == 1 else 0.9 * m + (0.7 * g if name == "SGD with all" else g)
            w = w - 0.1 * (g + 0.9 * m if "Nesterov" in name else m)
        elif name == "Adagrad":
            v = v + g**2
            w = w - 0.1 / (1 + 0.05 * (t - 1)) * g / (np.sqrt(v + 0.3) + 1e-10)
        elif name == "Lion":
            w = (1 - 0.01 * 0.1) * w - 0.01 * np.sign(0.8 * m + 0.2 * g)
            m = 0.95 * m + 0.05 * g
        elif name == "NAdam":
            now, following = (0.8 * (1 - 0.5 * 0.96 ** (k * 4e-3)) for k in (t, t + 1))
            m, v, product = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2, product * now
            along = (1 - now) / (1 - product) * g + following / (1 - product * following) * m
            w = w - 0.01 * along / (np.sqrt(v / (1 - 0.95**t)) + 1e-6)
        elif name == "RAdam":
            m, v, last = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2, 2 / 0.05 - 1
            rho = last - 2 * t * 0.95**t / (1 - 0.95**t)
            adapted = 1.0
            if rho > 5:
                r = np.sqrt((rho - 4) * (rho - 2) * last / ((last - 4) * (last - 2) * rho))
                adapted = r * np.sqrt(1 - 0.95**t) / (np.sqrt(v) + 1e-6)
            w = w - 0.01 * m / (1 - 0.8**t) * adapted
        elif name.startswith("RMSprop"):
            plain = name != "RMSprop with all"
            v, mean = 0.9 * v + 0.1 * g**2, 0.0 if plain else 0.9 * mean + 0.1 * g
            m = (0 if plain else 0.5 * m) + g / (np.sqrt(v - mean**2) + (1e-8 if plain else 1e-6))
            w = w - 0.01 * m
        elif name == "KalmanQDOP":  # one tensor has no units: the diagonal alone
            v = 0.9 * v + g**2
            w = w - 0.01 * g / (v + 0.5)
        else:
            m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
            mean = np.maximum(mean, v)  # the largest so far
            m_hat, v_hat = m / (1 - 0.8**t), (mean if name == "Adam with all" else v) / (1 - 0.95**t)
            rms = np.sqrt(np.mean(g**2 / np.maximum(v_hat, 1e-12))) if name == "StableAdamW" else 0
            lr = 0.01 / max(1, rms)
            decoupled = 0.1 if "AdamW" in name else 0
            w = w - lr * m_hat / (np.sqrt(v_hat) + 1e-6) - lr * decoupled * w
    return w


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("size", [1, 5, 200_001], ids=["1", "5", "several blocks"])
def test_the_textbook_recursion(name, size):
    rng = np.random.default_rng(0)
    w, gradients = rng.standard_normal(size), rng.standard_normal((4, size)) * np.array([1, 1, 20, 1])[:, None]
    expected, optimizer, view = formula(name, w, gradients), MAKERS[name](), w
    for g in gradients:
        assert optimizer.step(w, g) is None
    np.testing.assert_allclose(w, expected, rtol=1e-9, atol=1e-12)
    assert view is w


def published(w, gradients, lr, betas, eps, decay):
    """Algorithm 2 of Wortsman et al. 2023 line by line, on a list of tensors: v is its u, m its v."""
    (b1, b2), ms, vs = betas, [0.0] * len(w), [0.0] * len(w)
    w = [x.copy() for x in w]
    for t, grads in enumerate(gradients, 1):
        b1_hat, b2_hat = b1 * (1 - b1 ** (t - 1)) / (1 - b1**t), b2 * (1 - b2 ** (t - 1)) / (1 - b2**t)
        for k, g in enumerate(grads):
            ms[k] = b1_hat * ms[k] + (1 - b1_hat) * g
            vs[k] = b2_hat * vs[k] + (1 - b2_hat) * g**2
            rms = np.sqrt(np.mean(g**2 / np.maximum(vs[k], eps**2)))
            rate = lr / max(1, rms)
            w[k] = w[k] - rate * decay * w[k] - rate * ms[k] / (np.sqrt(vs[k]) + eps)
    return w


@pytest.mark.parametrize("kind", ["Params", "tree"])
def test_stable_adamw_slows_each_tensor_by_itself(kind):
    rng = np.random.default_rng(0)
    start = {"w": rng.standard_normal((300, 400)), "b": rng.standard_normal(7), "none": np.zeros(0), "s": np.array(0.5)}
    # Relative to the first step w's gradients stay, b's grow, and s's grow from below √eps.
    scales = {"w": (1, 1), "b": (1, 30), "none": (1, 1), "s": (1e-5, 1e-4)}
    gradients = [
        {k: scales[k][t > 0] * np.asarray(rng.standard_normal(x.shape)) for k, x in start.items()} for t in range(4)
    ]
    names = ["w", "b", "s"]
    expected = published(
        [start[k] for k in names], [[g[k] for k in names] for g in gradients], 1e-2, (0.9, 0.99), 1e-6, 0.05
    )
    wrap = dg.Params if kind == "Params" else lambda tree: {k: x.copy() for k, x in tree.items()}
    params, optimizer = wrap(start), optim.StableAdamW(1e-2, weight_decay=0.05)
    for g in gradients:
        optimizer.step(params, wrap(g))
    for name, x in zip(names, expected, strict=True):
        np.testing.assert_allclose(params[name], x, rtol=1e-10)
    assert len(optimizer.state_dict()["m"]) == (1 if kind == "Params" else 4)


TORCH = {
    "SGD": lambda o, p: o.SGD(p, 0.1),
    "SGD with momentum": lambda o, p: o.SGD(p, 0.1, momentum=0.9),
    "SGD with Nesterov's": lambda o, p: o.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "Adam": lambda o, p: o.Adam(p, 0.01, betas=(0.8, 0.95), eps=1e-6),
    "AdamW": lambda o, p: o.AdamW(p, 0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    "RMSprop": lambda o, p: o.RMSprop(p, 0.01, alpha=0.9),
    "RMSprop with all": lambda o, p: o.RMSprop(p, 0.01, 0.9, 1e-6, momentum=0.5, centered=True),
    "RMSprop with L2": lambda o, p: o.RMSprop(p, 0.01, alpha=0.9, weight_decay=0.1),
    "SGD with all": lambda o, p: o.SGD(p, 0.1, momentum=0.9, dampening=0.3, weight_decay=0.1, maximize=True),
    "Adam with all": lambda o, p: o.Adam(
        p, 0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.2, amsgrad=True, maximize=True
    ),
    "NAdam": lambda o, p: o.NAdam(p, 0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    "RAdam": lambda o, p: o.RAdam(p, 0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    "Adagrad": lambda o, p: o.Adagrad(p, 0.1, lr_decay=0.05, weight_decay=0.1, initial_accumulator_value=0.3),
}


@clipped
@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("dtype", [np.float64, np.complex128, np.float32])
def test_torch_agrees_step_for_step(name, clip, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)

    def draw(*shape):
        x = rng.standard_normal(shape)
        return (x + 1j * rng.standard_normal(shape) if dtype == np.complex128 else x).astype(dtype)

    params = {"w": draw(3, 2), "b": draw(4)}
    theirs = [torch.tensor(x.copy(), requires_grad=True) for x in params.values()]
    schedule = optim.inverse_sqrt(0.05)
    ours, reference = MAKERS[name](schedule, **clip), TORCH[name](torch.optim, theirs)
    for t in range(1, 7):
        gradient = {k: draw(*x.shape) * (0.1 if t == 3 else 1) for k, x in params.items()}
        for x, g in zip(theirs, gradient.values(), strict=True):
            x.grad = torch.tensor(g)
        if "clip_norm" in clip:
            torch.nn.utils.clip_grad_norm_(theirs, clip["clip_norm"])
        if "clip_value" in clip:
            if dtype == np.complex128:  # which torch does not clip by value
                for x in theirs:
                    torch.view_as_real(x.grad).clamp_(-clip["clip_value"], clip["clip_value"])
            else:
                torch.nn.utils.clip_grad_value_(theirs, clip["clip_value"])
        reference.param_groups[0]["lr"] = schedule(t)
        reference.step()
        ours.step(params, gradient)
        for x, w in zip(theirs, params.values(), strict=True):
            exact = 1e-7 if name == "NAdam" else 1e-9  # whose product torch has in float32
            rtol = 2e-5 if dtype == np.float32 else exact
            np.testing.assert_allclose(w, x.detach().numpy(), rtol=rtol, atol=rtol * 1e-1)


@clipped
@every
def test_every_kind_of_parameters_gets_the_same_steps(make, clip):
    start = {"w": np.arange(6.0).reshape(2, 3), "b": np.ones(2)}
    gradient = {"w": np.full((2, 3), 0.5), "b": np.array([1.0, -1.0])}
    params, mixed, tree = dg.Params(start), dg.Params(start), {k: v.copy() for k, v in start.items()}
    wide = np.zeros((4, 6))
    strided = {"w": np.asfortranarray(start["w"]), "b": wide[::2, 1]}
    strided["b"][:] = 1
    optimizers = [make(**clip) for _ in range(4)]
    vector = params.vector
    for step in range(3):
        g = {k: x * (1 + 20 * (step == 1)) for k, x in gradient.items()}
        optimizers[0].step(params, dg.Params(g))
        optimizers[1].step(tree, g)
        optimizers[2].step(strided, {k: np.asfortranarray(x) for k, x in g.items()} if step else g)
        optimizers[3].step(mixed, g)
    for name in start:
        for other in (params, strided, mixed):
            np.testing.assert_allclose(other[name], tree[name], rtol=1e-14)
    assert params.vector is vector
    assert np.count_nonzero(wide) == 2


@clipped
@every
def test_device_arrays_get_the_same_steps(make, clip):
    rng = np.random.default_rng(0)
    start = {"w": rng.standard_normal((2, 3)), "b": rng.standard_normal(2), "c": rng.standard_normal((4, 3)).T}
    here, there = {k: v.copy() for k, v in start.items()}, {k: device(v) for k, v in start.items()}
    layout = dg.Params(start).layout
    vector = dg.Params.from_vector(layout, device(dg.Params(start).vector))
    ours, theirs, third = make(**clip), make(**clip), make(**clip)
    for _ in range(3):
        gradient = {k: rng.standard_normal(v.shape) for k, v in start.items()}
        ours.step(here, gradient)
        theirs.step(there, {k: device(g) for k, g in gradient.items()})
        third.step(vector, dg.Params.from_vector(layout, device(dg.Params(gradient).vector)))
        again = make(**clip)
        again.load_state_dict(theirs.state_dict())
        theirs = again
    for name in start:
        assert isinstance(there[name], DeviceArray)
        np.testing.assert_allclose(host(there[name]), here[name], rtol=1e-12)
        np.testing.assert_allclose(host(vector[name]), here[name], rtol=1e-12)
    with pytest.raises(dg.NonFiniteError):
        theirs.step(there, {k: device(np.full(v.shape, np.nan)) for k, v in start.items()})


@clipped
@every
def test_float32_stays_float32(make, clip):
    clip = {k: np.float64(c) for k, c in clip.items()}
    w, optimizer = np.ones(4, np.float32), make(lambda t: np.float64(0.1), **clip)
    optimizer.step(w, np.full(4, 0.5, np.float32))
    optimizer.step(w, np.full(4, 0.5))
    assert w.dtype == np.float32
    moments = np.float64 if isinstance(optimizer, optim.KalmanQDOP) else np.float32
    assert all(a.dtype == moments for name in optimizer.state_names for a in optimizer.state_dict()[name])


@clipped
@every
@pytest.mark.parametrize("kind", ["vector", "Params", "tree with strides"])
def test_a_step_allocates_nothing(make, clip, kind):
    n = 1_000_000 if kind == "vector" else 100_000
    w = np.ones(n, np.float32)
    params = {"vector": w, "Params": dg.Params({"a": w, "b": w[:777]}), "tree with strides": {"a": w[::2]}}[kind]
    wrap = {"vector": lambda g: g, "Params": lambda g: dg.Params({"a": g, "b": g[:777]})}.get(
        kind, lambda g: {"a": g[::2]}
    )
    gradient, optimizer = wrap(np.full(n, 0.01, np.float32)), make(optim.inverse_sqrt(1e-3), **clip)
    if isinstance(optimizer, optim.KalmanQDOP):
        pytest.skip("says that it makes temporaries")
    optimizer.step(params, gradient)
    optimizer.step(params, gradient)
    tracemalloc.start()
    try:
        optimizer.step(params, gradient)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        optimizer.step(params, gradient)
        assert tracemalloc.get_traced_memory()[1] - before < 16 << 10
    finally:
        tracemalloc.stop()


@clipped
@every
def test_the_gradient_is_only_read(make, clip):
    gradient = {"w": np.array([3.0, -4.0]), "b": np.full((2, 2), 2.0)}
    params, before = {k: np.ones_like(g) for k, g in gradient.items()}, {k: g.copy() for k, g in gradient.items()}
    for g in gradient.values():
        g.flags.writeable = False
    make(**clip).step(params, gradient)
    assert all(np.array_equal(gradient[k], before[k]) for k in gradient)


def test_clipping_as_stated():
    gradient = {"a": np.array([3.0, 0.0]), "b": np.array([[-4.0]])}

    def update(g=gradient, **clip):
        w = {k: np.zeros(x.shape, x.dtype) for k, x in g.items()}
        optim.SGD(1.0, **clip).step(w, g)
        return np.concatenate([x.ravel() for x in w.values()])

    np.testing.assert_allclose(update(clip_norm=1), np.array([-3, 0, 4]) / (5 + 1e-6), rtol=1e-14)
    np.testing.assert_array_equal(update(clip_norm=6), [-3, 0, 4])
    np.testing.assert_array_equal(update(clip_value=3.5), [-3, 0, 3.5])
    huge = {"a": np.full(4, 1e30, np.float32), "b": np.zeros(2, np.float32)}  # its squares overflow
    np.testing.assert_allclose(update(huge, clip_norm=1), [-0.5] * 4 + [0] * 2, rtol=1e-6)
    np.testing.assert_allclose(update({"a": np.array([3e200 + 4e200j])}, clip_norm=1), [-0.6 - 0.8j], rtol=1e-14)
    np.testing.assert_array_equal(update({"a": np.array([3 - 4j])}, clip_value=1), [-1 + 1j])
    halves = {"a": np.ones(100_000, np.float16)}
    np.testing.assert_allclose(update(halves, clip_norm=1), -(100_000**-0.5), rtol=1e-2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("shape", [(0,), (1,), (3,), (1000,), (7, 11), (1 << 16,), (200_001,), (300, 301)])
def test_the_norm_that_clips_is_added_up_without_blas(dtype, shape, monkeypatch):
    g = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    monkeypatch.setattr(blockwise, "norm", None)  # only what has no squares would need it
    if g.size:
        squares = np.abs(g.astype(np.complex128)) ** 2
        assert math.isclose(blockwise.steady_norm(g), math.sqrt(math.fsum(squares.ravel())), rel_tol=1e-14)
        assert blockwise.steady_norm(np.asfortranarray(g)) == pytest.approx(blockwise.steady_norm(g), rel=1e-14)


def test_a_norm_is_the_same_number_on_every_cpu():
    program = (
        "import numpy as np; from dualgrad.optim.blockwise import steady_norm;"
        "print([steady_norm(np.random.default_rng(n).random(n).astype('f4')).hex() for n in (3, 1000, 70_001)])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True,
            env={**os.environ, **setting, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for setting in ({"OPENBLAS_CORETYPE": "Nehalem"}, {"OPENBLAS_CORETYPE": "Haswell"})
    }  # fmt: skip
    assert len(printed) == 1


# ---------------------------------------------------------------------- schedules


@pytest.mark.parametrize(("schedule", "expected"), SCHEDULES, ids=[repr(schedule) for schedule, _ in SCHEDULES])
def test_schedules(schedule, expected):
    rates = [expected(t) for t in range(1, 8)]
    np.testing.assert_allclose([schedule(t) for t in range(1, 8)], rates, rtol=1e-14)
    assert pickle.loads(pickle.dumps(schedule)) == schedule == eval(repr(schedule), vars(optim))
    for make in (lambda lr: optim.SGD(lr), lambda lr: optim.StableAdamW(lr, weight_decay=0)):
        w, optimizer = np.zeros(1), make(schedule)  # under a constant gradient both move by the rate
        for t in range(7):
            optimizer.step(w, np.ones(1))
            np.testing.assert_allclose(w, -sum(rates[: t + 1]), rtol=1e-5)
    assert repr(schedule) in repr(optimizer)


@every
@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf, None, "fast"])
def test_a_schedule_without_a_rate_changes_nothing(make, rate):
    w, optimizer = np.ones(2), make(lambda t: 0.1 if t < 3 else rate)
    optimizer.step(w, np.ones(2))
    optimizer.step(w, np.ones(2))
    before, state = w.copy(), optimizer.state_dict()
    with pytest.raises(ValueError, match=r"\(3\)=.*expected a number that is not negative"):
        optimizer.step(w, np.ones(2))
    assert np.array_equal(w, before)
    assert_same(optimizer.state_dict(), state)


@every
def test_a_rate_of_zero_learns_and_moves_nothing(make):
    w, optimizer = np.ones(2), make(0)
    optimizer.step(w, np.array([0.5, -1.0]))
    assert np.array_equal(w, np.ones(2))
    assert all(np.any(v) for name in optimizer.state_names[:1] for v in optimizer.state_dict()[name])
    optimizer.lr = 0.1
    optimizer.step(w, np.array([0.5, -1.0]))
    assert not np.any(w == 1)


def test_a_rate_that_falls_to_zero_moves_nothing():
    w, optimizer = np.ones(1), optim.SGD(optim.cosine(0.1, 2))
    for _ in range(2):
        optimizer.step(w, np.ones(1))
    before = w.copy()
    optimizer.step(w, np.ones(1))
    assert np.array_equal(w, before)


@clipped
@every
def test_resuming_from_a_file_is_bit_exact(make, clip, tmp_path):
    rng = np.random.default_rng(0)
    params = dg.Params({"w": rng.standard_normal((300, 300)), "b": rng.standard_normal(3)})
    gradients = [dg.Params({"w": rng.standard_normal((300, 300)), "b": rng.standard_normal(3)}) for _ in range(6)]
    schedule = optim.warmup(2, optim.cosine(0.05, 5))
    straight, whole = make(schedule, **clip), params.copy()
    for g in gradients:
        straight.step(whole, g)
    first = make(schedule, **clip)
    for g in gradients[:3]:
        first.step(params, g)
    dg.save(tmp_path / "run.npz", {"params": params, "optimizer": first.state_dict()})
    saved, second = dg.load(tmp_path / "run.npz"), make(schedule, **clip)
    second.load_state_dict(saved["optimizer"])
    for g in gradients[3:]:
        second.step(saved["params"], g)
    assert np.array_equal(saved["params"].vector, whole.vector)
    assert_same(second.state_dict(), straight.state_dict())


def test_a_saved_rate_replaces_a_number_and_no_schedule():
    constant, falling = optim.SGD(0.1), optim.SGD(optim.inverse_sqrt(0.2))
    assert falling.state_dict()["lr"] is None
    falling.load_state_dict(constant.state_dict())
    assert falling.lr == optim.inverse_sqrt(0.2)
    constant.load_state_dict(falling.state_dict())
    assert constant.lr == 0.1


# ---------------------------------------------------------------------- errors


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(make, bad):
    w, optimizer = np.ones(3), make()
    optimizer.step(w, np.ones(3))
    before, state = w.copy(), optimizer.state_dict()
    with pytest.raises(dg.NonFiniteError, match="step 2 of"):
        optimizer.step(w, np.array([1.0, bad, 1.0]))
    assert np.array_equal(w, before)
    assert_same(optimizer.state_dict(), state)


def test_a_gradient_of_huge_numbers_is_finite():
    w = np.zeros(2, np.float32)
    optim.SGD(1e-30).step(w, np.full(2, 1e30, np.float32))
    np.testing.assert_allclose(w, -1)


@every
def test_other_layouts_are_refused_and_change_nothing(make):
    params, optimizer = dg.Params({"w": np.ones(3)}), make()
    for gradient in (dg.Params({"v": np.ones(3)}), dg.Params({"w": np.ones(4)}), dg.Params({"w": np.ones((1, 3))})):
        with pytest.raises(dg.LayoutError, match="got a gradient"):
            optimizer.step(params, gradient)
    with pytest.raises(dg.StructureError, match="missing"):
        optimizer.step({"w": np.ones(3)}, {"v": np.ones(3)})
    with pytest.raises(dg.LayoutError, match="expected"):
        optimizer.step({"w": np.ones(3)}, {"w": np.ones(1)})
    optimizer.step(params, dg.Params({"w": np.ones(3)}))
    with pytest.raises(dg.LayoutError, match="was stepping"):
        optimizer.step(np.ones(2), np.ones(2))
    with pytest.raises(TypeError, match="expected an array"):
        make().step({"w": 1.0}, {"w": 1.0})
    assert optimizer.steps == 1


@every
def test_state_is_saved_and_restored(make):
    rng = np.random.default_rng(0)
    w, first = rng.standard_normal(7), make()
    gradients = rng.standard_normal((6, 7))
    for g in gradients[:3]:
        first.step(w, g)
    copy, second = w.copy(), make()
    second.load_state_dict(first.state_dict())
    for g in gradients[3:]:
        first.step(w, g)
        second.step(copy, g)
    assert np.array_equal(w, copy)
    second.lr = 0.5
    second.load_state_dict(first.state_dict())
    assert second.lr == first.lr
    second.reset()
    assert second.steps == 0
    fresh = make()
    fresh.load_state_dict(make().state_dict())
    assert fresh.steps == 0


def test_a_foreign_state_is_refused():
    adam, sgd = optim.Adam(0.1), optim.SGD(0.1, momentum=0.5)
    adam.step(np.ones(2), np.ones(2))
    before = adam.state_dict()
    with pytest.raises(dg.LayoutError, match="expects"):
        sgd.load_state_dict(before)
    for broken in (
        before | {"extra": 1},
        {k: v for k, v in before.items() if k != "m"},
        before | {"m": [np.ones(3)]},
        {},
    ):
        with pytest.raises(dg.LayoutError):
            adam.load_state_dict(broken)
    with pytest.raises(dg.LayoutError, match="got a NoneType"):
        adam.load_state_dict(None)
    assert_same(adam.state_dict(), before)


@every
@pytest.mark.parametrize("lr", [-1, np.nan, np.inf, "fast", None, 1j, True])
def test_a_wrong_rate_is_refused(make, lr):
    with pytest.raises(ValueError, match=r"got lr=.*; expected a number that is not negative"):
        make(lr)
    optimizer = make(0.25)
    with pytest.raises(ValueError, match="expected a number that is not negative"):
        optimizer.lr = lr
    assert optimizer.lr == 0.25


@every
def test_wrong_clipping_is_refused(make):
    for name in ("clip_norm", "clip_value"):
        for bad in (0, -1, np.inf, np.nan, "hard"):
            with pytest.raises(ValueError, match=rf"got {name}=.*; expected a positive number"):
                make(**{name: bad})
    with pytest.raises(ValueError, match=r"clip_norm=1, clip_value=2.*not both"):
        make(clip_norm=1, clip_value=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.SGD(0.1, momentum=1), r"got momentum=1; expected a number in \[0, 1\)"),
        (lambda: optim.SGD(0.1, nesterov=True), "expected a momentum above 0"),
        (lambda: optim.Adam(0.1, betas=(0.9, 1.0)), "got betas=.*expected two numbers"),
        (lambda: optim.Adam(0.1, betas=0.9), "got betas=0.9; expected two numbers"),
        (lambda: optim.Adam(0.1, eps=0), "got eps=0; expected a positive number"),
        (lambda: optim.AdamW(0.1, weight_decay=-1), "got weight_decay=-1; expected a number that is not negative"),
        (lambda: optim.StableAdamW(0.1, eps=-1e-6), "got eps"),
        (lambda: optim.RMSprop(0.1, alpha=1), "got alpha=1"),
        (lambda: optim.RMSprop(0.1, momentum=None), "got momentum=None"),
        (lambda: optim.constant(-1), "got lr=-1; expected a number that is not negative"),
        (lambda: optim.inverse_sqrt(optim.constant(1)), "got lr=constant"),
        (lambda: optim.exponential(0.1, decay=-1), "got decay=-1"),
        (lambda: optim.cosine(0.1, 0), "got steps=0; expected a positive whole number"),
        (lambda: optim.cosine(0.1, 2.5), "got steps=2.5"),
        (lambda: optim.cosine(0.1, 3, final=np.nan), "got final=nan"),
        (lambda: optim.warmup(3, -0.1), "got then=-0.1; expected a number that is not negative"),
        (lambda: optim.warmup(-3, 0.1), "got steps=-3"),
    ],
)
def test_wrong_constants_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_optimizers_print_as_they_are_made():
    assert repr(optim.SGD(0.1)) == "SGD(lr=0.1, momentum=0, nesterov=False)"
    made = "StableAdamW(lr=warmup(steps=5, then=0.1), betas=(0.9, 0.99), eps=1e-06, weight_decay=0.01, clip_norm=1)"
    assert repr(eval(made, vars(optim))) == made
    numbers = optim.AdamW(np.float64(0.5), betas=[np.float64(0.5)] * 2, eps=np.float64(0.5))
    assert repr(numbers) == "AdamW(lr=0.5, betas=(0.5, 0.5), eps=0.5, weight_decay=0.01)"


def test_a_variance_rounded_below_zero_is_zero():
    w, optimizer = np.zeros(1), optim.RMSprop(1e-9, alpha=0.5, centered=True)
    for _ in range(200):
        optimizer.step(w, np.full(1, 0.7))
        assert np.isfinite(w).all()


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert all(np.array_equal(x, y) for x, y in zip(np.atleast_1d(a[name]), np.atleast_1d(b[name]), strict=True))


@every
def test_what_cannot_be_written_is_refused_before_anything_changes(make):
    optimizer, frozen = make(), np.ones(2)
    frozen.flags.writeable = False
    tree = {"a": np.ones(2), "b": frozen}
    with pytest.raises(TypeError, match=r"params\['b'\] is read-only"):
        optimizer.step(tree, {"a": np.ones(2), "b": np.ones(2)})
    for w, g in ((np.ones(2), np.ones(2) * 1j), (np.ones(2, int), np.ones(2))):
        with pytest.raises(TypeError, match="expected floating, of one kind"):
            optimizer.step(w, g)
        np.testing.assert_array_equal(w, 1)
    np.testing.assert_array_equal(tree["a"], 1)
    assert optimizer.steps == 0
    optimizer.step(np.ones(2), np.ones(2))


@clipped
@every
def test_a_complex_number_is_two_real_ones(make, clip):
    w, pair = np.array([1 + 2j, 3 - 1j]), np.array([[1.0, 2.0], [3.0, -1.0]])
    one, two = make(**clip), make(**clip)
    for g in (np.array([0.5 + 1j, 2j]), np.array([1.0 - 1j, 0.1]), np.array([30.0, 40.0])):
        one.step(w, g)
        two.step(pair, np.stack([g.real, g.imag], -1))
    np.testing.assert_allclose(w, pair[:, 0] + 1j * pair[:, 1], rtol=1e-13)


def test_gradients_of_whole_numbers_are_numbers():
    w, same = np.ones(3), np.ones(3)
    optim.SGD(0.1, clip_norm=1.0).step(w, np.array([1, 2, 2]))
    optim.SGD(0.1, clip_norm=1.0).step(same, np.array([1.0, 2.0, 2.0]))
    np.testing.assert_array_equal(w, same)


@pytest.mark.parametrize("change", [{"steps": -1}, {"steps": "7"}, {"lr": np.nan}, {"m": [np.array([np.nan])]}])
def test_a_state_that_cannot_be_is_refused(change):
    w, optimizer = np.ones(1), optim.Adam(0.1)
    optimizer.step(w, w)
    before = optimizer.state_dict()
    with pytest.raises((dg.LayoutError, ValueError)):
        optimizer.load_state_dict(before | change)
    assert_same(optimizer.state_dict(), before)
