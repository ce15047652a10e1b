# pyright: reportUnnecessaryTypeIgnoreComment=true
"""Programs as users write and annotate them, which two type checkers pass: those of README.md, those of the tutorial
(docs/dual-numbers-in-ten-minutes.md), and others.

``make lint`` runs ``mypy --strict`` and pyright on this file, and tests/repository/test_types.py runs every program.
What is refused stands in `refused`: a line that a checker should object to says ``type: ignore``, and both object where
there is nothing to ignore.
"""

import contextlib
import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dualgrad as dg
from dualgrad import directions, estimators, extend, nn, online, optim, testing
from dualgrad.nn.types import Reduction
from dualgrad.typing import (
    Array,
    DirectionSampler,
    DynamicalSystem,
    Function,
    GradientEstimator,
    GradientOptimizer,
    RngLike,
    Tree,
)

Vector = NDArray[np.float64]

# ---------------------------------------------------------------------- README.md


def program_differentiate() -> None:
    def f(x: Array) -> Array:
        y = np.zeros_like(x)
        for i in range(len(x)):
            y[i] = np.sin(x[i]) * np.prod(x[: i + 1])
        return y

    x, v = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 0.0])
    y, dy = dg.jvp(f, (x,), (v,))
    print(y.round(3), dy.round(3))
    print(dg.jvp(f, (x,), (np.eye(3),))[1].round(3))


def program_newton() -> None:
    def meet(a: Array) -> Array:
        x = np.array([1.0, 1.0], like=a)
        for _ in range(6):
            residual = np.array([x[0] ** 2 + x[1] ** 2 - a[0], x[0] - a[1] * x[1]])
            slopes = np.array([[2 * x[0], 2 * x[1]], [1.0, -a[1]]], like=a)
            x = x - np.linalg.solve(slopes, residual)
        return x

    jacobian: Vector = dg.jacfwd(meet)(np.array([2.0, 1.0]))
    assert jacobian.shape == (2, 2)


def program_trace() -> None:
    trace = dg.trace(lambda x, y: np.log(x) + x * y - np.sin(y), (2.0, 5.0), (1.0, 0.0))
    print(trace)
    steps: list[str] = [row.step for row in trace.rows if row.operation != "input"]
    primal_cost, tangent_cost = trace.multiply_adds
    assert steps[-1] == trace.outputs[0]
    assert primal_cost < tangent_cost
    if (row := trace.first_nonfinite) is not None:
        print(row.operation, row.operands[0].upper(), row.file, row.line + 1)
    with open("steps.dot", "w") as file:
        file.write(trace.to_dot())
    slopes: list[str] = [operand for operand, _ in trace.partials("v1")]
    page: str = trace.to_html(digits=4, names="mathematical")
    print(slopes, len(page), trace.table(columns=["step", "local"], full=True), trace.to_markdown(), trace.to_latex())
    with contextlib.suppress(ValueError):
        trace.table(names="greek")  # type: ignore[arg-type]


def program_taylor() -> None:
    print(*(f"{c:.4f}" for c in dg.taylor(np.tanh, 0.5, 1.0, order=6)))
    coefficients = dg.taylor(lambda p: p["a"] * np.exp(p["b"]), {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 2.0}, order=3)
    assert len(coefficients) == 4


def program_train() -> None:
    rng = dg.Rng(0)
    x = rng.uniform(-1, 1, (256, 2), dtype=np.float32)
    inside = (np.sum(x * x, axis=1) < 0.6).astype(int)
    model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
    params = model.init(rng=rng)
    objective = nn.Objective(model, nn.cross_entropy).bind(x, inside)
    estimator = estimators.ForwardGradient(directions=directions.LowRank())
    optimizer = optim.Adam(lr=0.02)
    for _ in range(3):
        estimate = estimator.estimate(objective, params, rng=rng)
        optimizer.step(params, estimate.gradient)
    accuracy: float = np.mean(model(params, x).argmax(axis=1) == inside)
    assert 0 <= accuracy <= 1


def program_learn_from_a_stream() -> None:
    network = online.Network(nn.LSTMCell(3, 8), nn.Linear(8, 3), nn.cross_entropy)
    params = network.init(rng=0)
    learner = online.NoBackTrack().start(network, params, rng=1)
    optimizer = optim.KalmanQDOP(prior=8.0)
    letters = np.eye(3, dtype=np.float32)
    losses: list[float] = []
    for x, y in [(0, 1), (1, 2), (2, 0)]:
        estimate = learner.step(letters[x], y)
        optimizer.step(params, estimate.gradient)
        losses.append(float(estimate.value))
    learner.reset()


def program_prove() -> None:
    def loss(w: Vector) -> Any:
        return np.sum(np.sin(w) * w[::-1])

    w = np.array([1.0, 2.0, 3.0])
    estimator = estimators.ForwardGradient(directions.Gaussian())
    assert testing.assert_unbiased(estimator, loss, w).passed
    report = testing.check_jvp(loss, (w,))
    assert report.passed, str(report)


# ---------------------------------------------------------------------- the tutorial


def program_tutorial() -> None:
    y, dy = dg.jvp(lambda x: np.sin(x**2), (1.5,), (1.0,))
    print(f"{y:.3f} {dy:.3f}")

    def double(x: Array) -> Array:
        print(type(x).__name__, x.shape, x.dtype)
        return 2 * x

    y, dy = dg.jvp(double, (np.ones((2, 3)),), (np.ones((2, 3)),))
    f = lambda x: np.array([1.0, 10.0]) * x[::-1] ** 2  # noqa: E731
    print(dg.jvp(f, (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),)), dg.jacfwd(f)(np.array([1.0, 2.0])))
    gradient = dg.grad(lambda p: np.sum(p["w"] ** 2) + 3 * p["b"])({"w": np.array([1.0, 2.0]), "b": 0.5})
    print(gradient["w"], gradient["b"])
    d = dg.derivative
    print(d(np.sin)(0.0), d(d(np.sin))(0.0), d(d(d(np.sin)))(0.0), d(lambda x: x * d(lambda y: x + y)(1.0))(1.0))
    print(dg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0])))
    print(dg.hvp(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), np.array([0.0, 1.0])))
    print(dg.grad(lambda x: np.sum(x**2), chunk=100)(np.ones(1000)).shape, d(lambda x: dg.primal(x) * x)(3.0))


def program_tutorial_loops() -> None:
    def root(a: float) -> float:
        x = a
        while abs(x * x - a) > 1e-12 * a:
            x = (x + a / x) / 2
        for _ in range(2):
            x = (x + a / x) / 2
        return x

    def running_product(x: Array) -> Array:
        out, total = np.zeros_like(x), 1.0
        for i in range(len(x)):
            total = total * x[i]
            out[i] = total
        return out

    assert abs(dg.derivative(root)(4.0) - 0.25) < 1e-12
    print(dg.jacfwd(running_product)(np.array([2.0, 3.0, 4.0])))


def program_tutorial_refusals() -> None:
    kept: list[dg.Dual] = []

    def square(x: dg.Dual) -> dg.Dual:
        kept.append(x)
        return x * x

    dg.derivative(square)(1.0)
    try:
        print(kept[0] + 1)
    except dg.LevelError as error:
        print(error)
    try:
        dg.derivative(lambda x: float(x) ** 2)(3.0)
    except dg.TangentLossError as error:
        print(str(error).upper())


# ---------------------------------------------------------------------- Duals


def program_duals() -> None:
    def f(x: dg.Dual, a: Vector) -> dg.Dual:
        n: int = x.ndim + x.size
        shape: tuple[int, ...] = x.shape
        y = 2 * x + x * 2 - x / 3 + 1 / x - 2**x + x**2 - (-x) + abs(x) % 2
        y = y + x @ x + x[0] * x[-1] + a @ a * x.T + x.sum() + x.mean(axis=0, keepdims=True) + x.reshape(-1)[::-1]
        y += x.astype(np.float64).copy()
        y[0] = y.max()
        positive: Any = (x > 0) & (x <= 3) | (x == 1)
        for entry in y:
            y = y + entry * n * len(shape)
        return y[positive] if bool(x[0] > 0) else y

    x = np.array([1.0, 2.0])
    value, tangent = dg.jvp(lambda x: f(x, x), (x,), (x,))
    assert value.shape == tangent.shape
    dg.jvp(
        lambda x: np.exp(x) + np.sum(x) * np.stack([x, x])[0] + x @ np.linalg.inv(np.outer(x, x) + np.eye(2)),
        (x,),
        (x,),
    )


def program_arrays_like_a_dual() -> None:
    def f(x: dg.Dual) -> Any:
        y, z = np.zeros(3, like=x), np.array([1.0, 2.0], like=x)
        y[0] = x[0]
        return y.sum() + np.sum(x * z) + np.sum(np.eye(2, like=x))

    print(dg.grad(f)(np.array([1.0, 2.0])))


# ---------------------------------------------------------------------- a physics simulation


@dataclass
class Body:
    position: Array
    velocity: Array


def gravity(position: Array, mass: float) -> Array:
    pull: Array = -mass * position / np.linalg.norm(position) ** 3
    return pull


def simulate(body: Body, mass: float, steps: int, dt: float = 0.01) -> Iterator[Body]:
    """Leapfrog."""
    x, v = body.position, body.velocity
    for _ in range(steps):
        v = v + dt / 2 * gravity(x, mass)
        x = x + dt * v
        v = v + dt / 2 * gravity(x, mass)
        yield Body(x, v)


def program_physics() -> None:
    x, v = np.array([1.0, 0.0]), np.array([0.0, 1.0])

    def ends(mass: float) -> tuple[Array, dict[str, int]]:
        *_, last = simulate(Body(x, v), mass, 50)
        return last.position, {"steps": 50}

    end, drift, extra = dg.jvp(ends, (1.0,), (1.0,), has_aux=True)
    assert end.shape == drift.shape == (2,)
    assert extra["steps"] == 50
    energy: Callable[..., Any] = dg.grad(lambda x, v: np.sum(v**2) / 2 - 1 / np.linalg.norm(x), argnum=1)
    print(energy(x, v))


# ---------------------------------------------------------------------- a solver


def newton(residual: Function, x: Vector, tolerance: float = 1e-10) -> Vector:
    jacobian = dg.jacfwd(residual)
    for _ in range(20):
        r: Vector = residual(x)
        if np.linalg.norm(r) < tolerance:
            break
        x = x - np.linalg.solve(jacobian(x), r)
    return x


def program_solver() -> None:
    x = newton(lambda x: np.array([x[0] ** 2 + x[1] ** 2 - 2, x[0] - x[1]]), np.array([2.0, 0.5]))
    assert np.allclose(x, 1)
    bands = np.abs(np.subtract.outer(np.arange(5), np.arange(5))) < 2
    print(dg.jacfwd(lambda x: np.diff(x, append=0) * x, chunk="auto", sparsity=bands)(np.ones(5)))


def program_curvature_of_a_dict() -> None:
    def loss(p: dict[str, Array]) -> Any:
        return np.sum((p["w"] @ np.ones(2) - p["b"]) ** 2)

    params = {"w": np.ones((3, 2)), "b": np.zeros(3)}
    value, gradient = dg.value_and_grad(loss)(params)
    curvature = dg.hessian(loss, chunk=4)(params)
    product = dg.hvp(loss, params, params)
    assert gradient["w"].shape == product["w"].shape
    assert curvature["w"]["b"].shape == (3, 2, 3)
    assert value > 0


# ---------------------------------------------------------------------- trees, parameters, randomness, files


class Line:
    def __init__(self, slope: Any, offset: Any) -> None:
        self.slope, self.offset = slope, offset


def program_tree() -> None:
    dg.tree.register(Line, lambda line: (vars(line), None), lambda aux, children: Line(**children))
    line: Line = dg.grad(lambda line: line.slope**2 + line.offset)(Line(2.0, 1.0))
    print(line.slope)


def scaled(params: Tree, by: float) -> Tree:
    layout = dg.Layout.of(params)
    return layout.tree(by * layout.vector(params))


def program_parameters() -> None:
    params = dg.Params({"weight": np.ones((2, 2)), "bias": [0.0, 1.0]})
    params.vector[:] *= 3
    params["bias"] = 0 * params["bias"] + [1.0, 2.0]
    names: list[str] = list(params)
    total: float = sum(float(np.sum(leaf)) for leaf in params.values())
    for name, leaf in params.items():
        print(name, leaf.shape, params.layout.slices[name].start)
    other = params.copy()
    assert scaled(params, 0.5).size == other.size
    assert total > 0
    assert set(params.zeros_like().keys()) == set(names)


def draw(n: int, rng: RngLike = None) -> Array:
    stream = dg.Rng(rng)
    masks = stream.named("masks", n).bernoulli(0.5, (n, 3))
    first, second = stream.spawn(2)
    points: Array = masks * first.signs((n, 3), dtype=np.float32) + second.unit((n, 3))
    return points + stream.integers(0, 4, (n, 1))


def program_randomness() -> None:
    for rng in (0, np.random.default_rng(0), np.random.SeedSequence(0), dg.Rng(0), None):
        assert draw(2, rng).shape == (2, 3)
    assert dg.Rng(0).uniform() < 1
    assert dg.Rng(0).normal(3).shape == (3,)


def program_stop_and_go_on() -> None:
    params, optimizer, rng = dg.Params({"w": np.ones(2)}), optim.Adam(lr=0.02), dg.Rng(0)
    optimizer.step(params, params.zeros_like())
    dg.save("run.npz", {"params": params, "optimizer": optimizer.state_dict(), "rng": rng.state_dict(), "step": 1})
    saved = dg.load("run.npz", max_bytes=1 << 20)
    optimizer.load_state_dict(saved["optimizer"])
    rng.load_state_dict(saved["rng"])
    step: int = saved["step"]
    with open("copy.npz", "wb") as file:
        dg.save(file, saved)
    assert step == 1


# ---------------------------------------------------------------------- rules of one's own


@dg.custom_jvp
def log1pexp(x: Array) -> Array:
    y: Array = np.log1p(np.exp(x))
    return y


@log1pexp.defjvp
def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    (x,), (dx,) = primals, tangents
    return log1pexp(x), dx / (1 + np.exp(-x))


@extend.linear(alone=True)
@extend.dispatched
def second_difference(x: Array) -> Array:
    y: Array = x[..., 2:] - 2 * x[..., 1:-1] + x[..., :-2]
    return y


@extend.bilinear
@extend.dispatched
def bracket(a: Array, b: Array) -> Array:
    c: Array = a @ b - b @ a
    return c


@extend.constant
@extend.dispatched
def label(x: Array) -> int:
    return int(np.argmax(x))


@extend.dispatched
def rounded(x: Array) -> Any:
    return np.rint(x)


@extend.explicit(rounded)
def straight_through(x: Array, dx: Array, lead: tuple[int, ...]) -> tuple[Array, Array]:
    return rounded(x), dx


@extend.dispatched
def softsign(x: Array) -> Any:
    return x / (1 + np.abs(x))


extend.elementwise(softsign, lambda y, x: np.square(1 - np.abs(y)))


def program_rules() -> None:
    x = np.array([0.5, 1.5, 3.0])
    y: Array = second_difference(log1pexp(x))
    index: int = label(x)
    commutator: Array = bracket(np.eye(2), np.eye(2))
    print(dg.grad(lambda x: np.sum(softsign(log1pexp(x)) + rounded(x)))(x)[index], y, commutator, straight_through)
    with extend.rules_restored():
        extend.composite(softsign, lambda x: x / (1 + np.abs(x)))
        dg.defjvp(np.i0, lambda primals, tangents: (np.i0(primals[0]), tangents[0] * primals[0] / 2))
    kinds: set[str] = set(dg.supported().values())
    assert "linear" in kinds


# ---------------------------------------------------------------------- networks


class Scale(nn.Layer):
    """A layer of one's own, with its tangent rule."""

    def __init__(self, size: int) -> None:
        self.size = size

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"scale": (self.size,)}

    def initial(self, name: str, shape: tuple[int, ...], rng: dg.Rng, dtype: Any) -> Array:
        return np.ones(shape, dtype)

    def forward(self, p: Any, x: Array) -> Array:
        y: Array = np.exp(x) * p["scale"]
        return y

    def jvp(self, p: Any, x: Array, dp: Any, dx: Any) -> tuple[Array, Any]:
        e = np.exp(x)
        return e * p["scale"], dp["scale"] * e + p["scale"] * (e * dx)


def program_losses() -> None:
    x, y = np.ones((3, 2)), np.zeros((3, 2))
    each: Array = nn.MSE(reduction="none")(x, y)
    each = nn.mse.using(reduction="none")(x, y)
    each = nn.mse(x, y, reduction="none")
    mean: np.floating[Any] = nn.MSE(reduction="none")(x, y, reduction="mean")
    total: float = float(nn.mse(x, y, "sum"))
    reductions: list[Reduction] = ["mean", "sum", "none"]
    sizes: list[int] = [np.size(nn.mse(x, y, reduction=reduction)) for reduction in reductions]
    assert sizes == [1, 1, 6]
    assert total == each.sum() == 6 * mean
    model = nn.Linear(2, 2)
    params = nn.initialise(model.init(rng=np.int64(0)), "orthogonal", rng=np.random.default_rng(0))
    batch = nn.Objective(model, nn.MSE(reduction="none")).bind(x, y)
    each = batch(params)
    each, slopes = batch.jvp(params, params)
    assert each.shape == slopes.shape == (3, 2)
    mask = np.array([True, False, True])
    weighted = nn.Objective(model, nn.CrossEntropy(weight=[1.0, 2.0], ignore_index=0)).bind(x, [0, 1, 1], weights=mask)
    each = weighted.per_example(params)
    divergence: nn.KLDiv = nn.KLDiv(reduction="batchmean", log_target=True)
    mean = nn.kl_div(np.log(x), x, reduction="batchmean")
    mean = nn.gaussian_nll(x, y, reduction="mean", var=2.0) + nn.smooth_l1(x, y, "mean", beta=0.5)
    assert each[0] == 0
    assert mean != 0
    assert divergence.reduction == "batchmean"


def batches(x: Array, y: Array, size: int, rng: dg.Rng) -> Iterator[tuple[Array, Array]]:
    order = rng.permutation(len(x))
    for start in range(0, len(x), size):
        chosen = order[start : start + size]
        yield x[chosen], y[chosen]


def train(model: nn.Layer, x: Array, y: Array, *, epochs: int = 2, seed: int = 0) -> tuple[dg.Params, list[float]]:
    rng = dg.Rng(seed)
    params, losses = model.init(rng=rng), []
    objective = nn.Objective(model, nn.mse)
    optimizer = optim.Adam(lr=optim.schedules.cosine(0.01, 100), clip_norm=1.0)
    estimator = estimators.ForwardGradient(directions.LowRank(), n=4)
    for _ in range(epochs):
        for xs, ys in batches(x, y, 16, rng):
            estimate = estimator.estimate(objective.bind(xs, ys), params, rng=rng)
            optimizer.step(params, estimate.gradient)
            losses.append(float(estimate.value))
    return params, losses


def program_training_loop() -> None:
    x = dg.Rng(1).normal((32, 2), dtype=np.float32)
    model = nn.Sequential(Scale(2), nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    params, losses = train(model, x, np.sum(x, axis=1, keepdims=True))
    assert len(losses) == 4
    assert model(params, x).shape == (32, 1)


# ---------------------------------------------------------------------- files


def program_fit() -> None:
    def halve(after: dg.training.AfterEpoch) -> bool:
        after.optimizer.lr *= 0.5
        return bool(after.history[-1]["loss"] < 1e-3)

    objective = nn.Objective(nn.Linear(2, 1), nn.mse)
    params, x = objective.model.init(rng=0, dtype=np.float64), np.ones((6, 2))
    for batch in objective.batches(x, x[:, :1], 2, rng=dg.Rng(0)):
        print(float(batch(params)))
    history = dg.fit(
        objective, params, (x, x[:, :1]), estimator=estimators.Backprop(), optimizer=optim.SGD(0.1), epochs=4,
        batch_size=3, validation=(x, x[:, :1]), metrics={"gap": lambda p, y: float(np.max(np.abs(p - y)))},
        early_stopping=dg.training.EarlyStopping(2, metric="gap"), callbacks=[halve], progress=False, rng=0,
    )  # fmt: skip
    rates: list[Any] = history["lr"]
    row: dict[str, Any] = history[0]
    print(rates, row["epoch"], history.stopped, nn.accuracy(np.eye(2), np.arange(2)))


def program_files() -> None:
    tree: dict[str, Any] = {"w": np.ones(2)}
    dg.save("run.npz", tree)
    with gzip.open("run.npz.gz", "wb") as packed:
        dg.save(packed, tree)
    with gzip.open("run.npz.gz", "rb") as packed, open("run.npz", "rb") as plain:
        print(dg.load(packed), dg.load(plain))
    buffer = io.BytesIO()
    dg.save(buffer, tree)
    loaded: dict[str, Array] = dg.load(io.BytesIO(buffer.getvalue()))
    assert loaded["w"].sum() == 2


# ---------------------------------------------------------------------- one's own estimator, direction and system


class Central:
    """Central differences along one direction."""

    def __init__(self, direction: DirectionSampler, h: float = 1e-4) -> None:
        self.direction, self.h = direction, h

    def estimate(self, objective: Function, params: Vector, *, rng: RngLike = None) -> estimators.Estimate:
        v = self.direction.sample(params, rng=dg.Rng(rng))
        slope = (objective(params + self.h * v) - objective(params - self.h * v)) / (2 * self.h)
        return estimators.Estimate(objective(params), slope * v, slope, 3.0)


class Threes:
    """Signs, and a length of three."""

    cost = 3.0

    def sample(self, params: Any, *, rng: dg.Rng, n: int | None = None) -> Tree:
        return np.sqrt(3.0) * (rng.signs(params.shape) if n is None else rng.signs((n, *params.shape)))


class Spread:
    """Names of its own for what it is given."""

    def estimate(self, loss: Function, w: Vector, *, rng: RngLike = None) -> estimators.Estimate:
        value, gradient = dg.value_and_grad(loss)(w)
        return estimators.Estimate(value, gradient + dg.Rng(rng).normal(w.shape))


class Sign:
    """Steps of one length, and what is left; a state as it is loaded by itself."""

    def __init__(self, lr: float) -> None:
        self.lr, self.steps = lr, 0

    def step(self, params: Tree, gradient: Tree) -> float:
        params -= self.lr * np.sign(gradient)
        self.steps += 1
        return float(np.abs(gradient).max())

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]


def follow(optimizer: GradientOptimizer, estimator: GradientEstimator, w: Vector, steps: int) -> Vector:
    for _ in range(steps):
        optimizer.step(w, estimator.estimate(lambda w: np.sum(w**2), w, rng=0).gradient)
    optimizer.load_state_dict(optimizer.state_dict())
    return w


def program_own_optimizer() -> None:
    scheduled = optim.Adam(lr=lambda t: np.float32(0.1) / t), optim.AdamW(lr=optim.cosine(0.1, steps=3))
    optimizers: list[GradientOptimizer] = [Sign(0.1), optim.SGD(np.float32(0.1)), optim.RMSprop(np.float64(0.1))]
    for optimizer in [*optimizers, *scheduled]:
        assert np.abs(follow(optimizer, Spread(), np.ones(2), 3)).max() < 2
    assert isinstance(Sign(0.1), GradientOptimizer)
    assert isinstance(Spread(), GradientEstimator)
    assert not isinstance(Spread(), (GradientOptimizer, DirectionSampler, DynamicalSystem))


def descend(estimator: GradientEstimator, loss: Function, w: Vector, steps: int) -> Vector:
    optimizer, rng = optim.SGD(lr=0.05, momentum=0.5), dg.Rng(0)
    for _ in range(steps):
        optimizer.step(w, estimator.estimate(loss, w, rng=rng).gradient)
    return w


def program_own_estimator() -> None:
    def loss(w: Array) -> Any:
        return np.sum(w**2)

    for estimator in (Central(Threes()), estimators.ForwardGradient(Threes()), estimators.Backprop()):
        print(type(estimator).__name__)
    w = descend(Central(Threes()), loss, np.ones(2), 3)
    print(descend(estimators.ForwardGradient(directions.Gaussian(), n=2), loss, w, 3))


def program_own_system() -> None:
    def step(s: Array, x: Array, p: dict[str, Array]) -> Any:
        return np.tanh(p["a"] * s + x)

    system = online.System(step, lambda s, y, p: np.sum((s - y) ** 2), init_state=np.zeros(2))
    params = {"a": np.array([0.5, 0.2])}
    learner = online.RTRL().start(system, params)
    for t in range(3):
        estimate = learner.step(np.full(2, 0.1 * t), np.ones(2))
        optim.SGD(0.1).step(params, estimate.gradient)
    assert params["a"].shape == (2,)


class Pendulum(online.System):
    def __init__(self, friction: float) -> None:
        def step(s: Array, x: Array, p: dict[str, Array]) -> Array:
            moved: Array = np.stack([s[0] + 0.1 * s[1], (1 - friction) * s[1] - 0.1 * p["g"] * np.sin(s[0]) + x])
            return moved

        super().__init__(step, lambda s, y, p: (s[0] - y) ** 2, init_state=np.array([1.0, 0.0]))


def program_own_kind_of_system() -> None:
    system: DynamicalSystem = Pendulum(0.1)
    assert isinstance(system, DynamicalSystem)
    learner = online.RTRL().start(Pendulum(0.1), {"g": np.array(9.8)})
    print(learner.step(0.0, 0.5).gradient, system.step(system.init_state, 0.0, {"g": np.array(9.8)}))


# ---------------------------------------------------------------------- what is refused before it runs


def refused(x: Vector, v: Vector, f: Function, d: dg.Dual) -> None:
    dg.jvp(f, x, v)  # type: ignore[call-overload]
    _, _ = dg.jvp(f, (x,), (v,), has_aux=True)  # type: ignore[misc]
    dg.jacrev(f)  # type: ignore[attr-defined]
    dg.grad(f, argnums=0)  # type: ignore[call-arg]
    dg.grad(x)  # type: ignore[arg-type]
    dg.jacfwd(f, chunk="all")  # type: ignore[arg-type]
    dg.taylor(f, x, v, order="4")  # type: ignore[arg-type]
    dg.trace(f, x, v)  # type: ignore[arg-type]
    dg.Params([x])  # type: ignore[arg-type]
    print(dg.Params({"w": x}).w)  # type: ignore[attr-defined]
    dg.Rng("seed")  # type: ignore[arg-type]
    dg.load(3)  # type: ignore[arg-type]
    dg.save(io.StringIO(), x)  # type: ignore[arg-type]
    nn.initialise({"w": x}, "he", rng=0)  # type: ignore[arg-type]
    nn.mse(x, x, reduction="avg")  # type: ignore[call-overload]
    nn.mse(x, x, reduction="sum")[0]  # type: ignore[index]
    optim.Adam().rate = 0.1  # type: ignore[attr-defined]
    optim.Adam(lr="0.1")  # type: ignore[arg-type]
    follow(online.RTRL, Spread(), x, 3)  # type: ignore[arg-type]
    online.System(f, 3.0, x)  # type: ignore[arg-type]
    d.tobytes()  # type: ignore[attr-defined]
    extend.elementwise(np.tanh, 1.0)  # type: ignore[arg-type]
    nn.Linear("3", 2)  # type: ignore[arg-type]
    optim.Adam(rate=0.1)  # type: ignore[call-arg]
    descend(directions.Gaussian(), f, x, 3)  # type: ignore[arg-type]
    directions.Gaussian().sample(x)  # type: ignore[call-arg]
    testing.check_jvp(f, x)  # type: ignore[arg-type]
