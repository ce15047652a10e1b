"""Planted faults for the verification kit, each beside its correct twin: the kit must catch the one and pass the other.

A mutation is a function ``check(wrong)`` that runs one of the kit's checks on the faulty or on the correct version.
`caught` says whether the check objected.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

import dualgrad as dg
from dualgrad import directions, estimators, extend, nn, online, testing
from dualgrad.rules.declare import explicit, linear
from dualgrad.tables import RULES
from dualgrad.tree import map_leaves
from tests.support.unrolls import coefficients, history, perturbation_a_window


class Mutation(NamedTuple):
    """A planted fault: of what kind, and the check that must catch it."""

    kind: str
    name: str
    check: object


MUTATIONS = []


def caught(mutation, wrong):
    """Whether the kit objects: to a result, or to something that cannot be checked at all."""
    try:
        with extend.rules_restored():
            mutation.check(wrong)
    except (AssertionError, testing.ReplayError, testing.CheckError):
        return True
    return False


# ---------------------------------------------------------------------- rules of one's own

X = np.array([0.7, -1.2, 1.9])
M = np.array([[2.0, 0.3, -0.4], [0.1, 1.5, 0.6], [-0.2, 0.5, 1.8]])
Z = np.array([0.7 + 0.4j, -1.2 + 0.9j, 0.3 - 1.1j])


def rule(kind, name, f, right, wrong, *xs, orders=(1, 2)):
    """A function with a rule ``(primals, tangents) -> dy``, right or wrong."""

    def check(is_wrong):
        tangent = wrong if is_wrong else right
        g = dg.custom_jvp(lambda *args: f(*args))
        g.defjvp(lambda primals, tangents: (f(*primals), tangent(*primals, *tangents)))
        testing.check_jvp(lambda *args: g(*args), xs, orders=orders)

    MUTATIONS.append(Mutation(f"rule: {kind}", name, check))


def softmax(x, axis=-1):
    e = np.exp(x - np.max(dg.primal(x)))
    return e / np.sum(e, axis=axis, keepdims=True)


def standardized(x):
    centred = x - np.mean(x)
    return centred / np.sqrt(np.mean(centred**2))


def standardized_tangent(x, dx):
    y, s = standardized(x), np.sqrt(np.mean((x - np.mean(x)) ** 2))
    return (dx - np.mean(dx) - y * np.mean(y * dx)) / s


def inv(x):
    return np.linalg.inv(x)


def at_first_order_only(x):
    """The value with its tangents dropped."""
    return dg.primal(x)


rule("sign", "cosine", np.cos, lambda x, d: -np.sin(x) * d, lambda x, d: np.sin(x) * d, X)
rule("sign", "reciprocal", lambda x: 1 / x, lambda x, d: -d / x**2, lambda x, d: d / x**2, X)
rule(
    "sign", "quotient", lambda x, y: x / y,
    lambda x, y, dx, dy: dx / y - x * dy / y**2, lambda x, y, dx, dy: dx / y + x * dy / y**2, X, X + 3,
)  # fmt: skip
rule("sign", "inverse", inv, lambda x, d: -inv(x) @ d @ inv(x), lambda x, d: inv(x) @ d @ inv(x), M)
rule(
    "sign", "absolute value below zero", lambda x: np.abs(x),
    lambda x, d: np.sign(x) * d, lambda x, d: d, X,
)  # fmt: skip
rule(
    "missing term", "product", lambda x, y: x * y,
    lambda x, y, dx, dy: dx * y + x * dy, lambda x, y, dx, dy: dx * y, X, X + 3,
)  # fmt: skip
rule(
    "missing term", "power", lambda x, y: x**y,
    lambda x, y, dx, dy: y * x ** (y - 1) * dx + x**y * np.log(x) * dy, lambda x, y, dx, dy: y * x ** (y - 1) * dx,
    np.abs(X), X,
)  # fmt: skip
rule("missing term", "inner factor", lambda x: np.sin(3 * x), lambda x, d: 3 * np.cos(3 * x) * d,
     lambda x, d: np.cos(3 * x) * d, X)  # fmt: skip
rule("missing term", "softmax", softmax, lambda x, d: softmax(x) * (d - np.sum(softmax(x) * d)),
     lambda x, d: softmax(x) * d, X)  # fmt: skip
rule("missing term", "standardisation holds its scale fixed", standardized, standardized_tangent,
     lambda x, d: (d - np.mean(d)) / np.sqrt(np.mean((x - np.mean(x)) ** 2)), X)  # fmt: skip
rule("missing term", "determinant without its inverse", np.linalg.det,
     lambda x, d: np.linalg.det(x) * np.trace(inv(x) @ d), lambda x, d: np.linalg.det(x) * np.trace(d), M)  # fmt: skip
rule("missing term", "log-sum-exp", lambda x: np.log(np.sum(np.exp(x))), lambda x, d: np.sum(softmax(x) * d),
     lambda x, d: np.sum(d), X)  # fmt: skip
rule("wrong axis", "cumulative sum", lambda x: np.cumsum(x, 0), lambda x, d: np.cumsum(d, 0),
     lambda x, d: np.cumsum(d, 1), M)  # fmt: skip
rule("wrong axis", "sum", lambda x: np.sum(x, 0), lambda x, d: np.sum(d, 0), lambda x, d: np.sum(d, 1), M)
rule("wrong axis", "flip", lambda x: np.flip(x, 0), lambda x, d: np.flip(d, 0), lambda x, d: np.flip(d, 1), M)
rule("wrong axis", "softmax", softmax,
     lambda x, d: softmax(x) * (d - np.sum(softmax(x) * d, -1, keepdims=True)),
     lambda x, d: softmax(x) * (d - np.sum(softmax(x) * d, 0, keepdims=True)), M)  # fmt: skip
rule("wrong axis", "matrix product, transposed", np.matmul, lambda x, y, dx, dy: dx @ y + x @ dy,
     lambda x, y, dx, dy: dx @ y + x @ dy.T, M, M + 1)  # fmt: skip
rule("wrong broadcast", "one row for all", np.add, lambda x, y, dx, dy: dx + dy,
     lambda x, y, dx, dy: dx[:1] + 0 * dx + dy, M, X)  # fmt: skip
rule("wrong broadcast", "mean without its count", np.mean, lambda x, d: np.mean(d), lambda x, d: np.sum(d), X)
rule("wrong broadcast", "outer product, turned", np.outer, lambda x, y, dx, dy: np.outer(dx, y) + np.outer(x, dy),
     lambda x, y, dx, dy: np.outer(dx, y) + np.outer(dy, x), X, X + 3)  # fmt: skip
rule("conjugate forgotten", "absolute value", np.abs, lambda z, d: np.real(np.conj(z) * d) / np.abs(z),
     lambda z, d: np.real(z * d) / np.abs(z), Z)  # fmt: skip
rule("conjugate forgotten", "inner product", np.vdot, lambda z, w, dz, dw: np.vdot(dz, w) + np.vdot(z, dw),
     lambda z, w, dz, dw: np.sum(dz * w) + np.vdot(z, dw), Z, Z + 1)  # fmt: skip
rule("conjugate forgotten", "holomorphic by mistake", lambda z: np.conj(z) * z,
     lambda z, d: 2 * np.real(np.conj(z) * d), lambda z, d: 2 * np.conj(z) * d, Z)  # fmt: skip
rule("second order dropped", "sine", np.sin, lambda x, d: np.cos(x) * d,
     lambda x, d: np.cos(at_first_order_only(x)) * d, X)  # fmt: skip
rule("second order dropped", "square", lambda x: x * x, lambda x, d: 2 * x * d,
     lambda x, d: 2 * at_first_order_only(x) * d, X)  # fmt: skip
rule("second order dropped", "inverse", inv, lambda x, d: -inv(x) @ d @ inv(x),
     lambda x, d: -inv(at_first_order_only(x)) @ d @ inv(at_first_order_only(x)), M)  # fmt: skip
rule("second order dropped", "half of it, in a quotient", lambda x, y: x / y,
     lambda x, y, dx, dy: (dx - x / y * dy) / y, lambda x, y, dx, dy: (dx - at_first_order_only(x / y) * dy) / y,
     X, X + 3)  # fmt: skip
rule("second order dropped", "third order", np.exp, lambda x, d: np.exp(x) * d,
     lambda x, d: (np.exp(dg.primal(x)) * (1 + x - dg.primal(x)) if isinstance(x, dg.Dual) else np.exp(x)) * d,
     X, orders=(1, 2, 3))  # fmt: skip
rule("nonlinear in the tangent", "square of it", np.cos, lambda x, d: -np.sin(x) * d,
     lambda x, d: -np.sin(x) * d * np.abs(d), X)  # fmt: skip
rule("nonlinear in the tangent", "its largest entry", np.cos, lambda x, d: -np.sin(x) * d,
     lambda x, d: -np.sin(x) * np.max(np.abs(d)), X)  # fmt: skip
rule("nonlinear in the tangent", "rounded", np.cos, lambda x, d: -np.sin(x) * d,
     lambda x, d: -np.sin(x) * np.round(d, 6), X, orders=(1,))  # fmt: skip
rule("nonlinear in the tangent", "something from nothing", np.cos, lambda x, d: -np.sin(x) * d,
     lambda x, d: -np.sin(x) * d + 1e-9, X)  # fmt: skip
rule("1e-4 relative", "cosine", np.cos, lambda x, d: -np.sin(x) * d, lambda x, d: -np.sin(x) * d * (1 + 1e-4), X)
rule("1e-4 relative", "one entry of a softplus", lambda x: np.log1p(np.exp(x)), lambda x, d: d / (1 + np.exp(-x)),
     lambda x, d: d / (1 + np.exp(-x)) * np.array([1, 1, 1 + 1e-4]), X)  # fmt: skip
rule("1e-4 relative", "norm", np.linalg.norm, lambda x, d: np.sum(x * d) / np.linalg.norm(x),
     lambda x, d: np.sum(x * d) / np.linalg.norm(x) * (1 - 1e-4), X)  # fmt: skip
rule("1e-4 relative", "second derivative alone", np.sin, lambda x, d: np.cos(x) * d,
     lambda x, d: (np.cos(x) + 1e-4 * (np.cos(dg.primal(x)) - np.cos(x))) * d, X)  # fmt: skip
rule("wrong branch", "ReLU", lambda x: np.maximum(x, 0), lambda x, d: (x > 0) * d, lambda x, d: (x < 0) * d, X)
rule("wrong branch", "largest entry", np.max, lambda x, d: d[int(np.argmax(dg.primal(x)))], lambda x, d: d[-2], X)
rule("wrong branch", "sorted without its tangents", np.sort, lambda x, d: d[np.argsort(dg.primal(x))],
     lambda x, d: d * 1, X[::-1])  # fmt: skip
rule("wrong formula", "1 - tanh for 1 - tanh²", lambda x: x * (1 + np.tanh(x)),
     lambda x, d: (1 + np.tanh(x) + x / np.cosh(x) ** 2) * d, lambda x, d: (1 + np.tanh(x) + x * (1 - np.tanh(x))) * d,
     X)  # fmt: skip
rule("wrong formula", "half a diagonal forgotten in Cholesky", lambda x: np.linalg.cholesky(x @ x.T),
     lambda x, d: _cholesky_tangent(x, d, 0.5), lambda x, d: _cholesky_tangent(x, d, 1.0), M)  # fmt: skip
rule("wrong formula", "transform by its inverse", lambda x: np.real(np.fft.fft(x)) + np.imag(np.fft.fft(x)),
     lambda x, d: np.real(np.fft.fft(d)) + np.imag(np.fft.fft(d)),
     lambda x, d: 3 * (np.real(np.fft.ifft(d)) + np.imag(np.fft.ifft(d))), X)  # fmt: skip


def _cholesky_tangent(x, d, share):
    l, m = np.linalg.cholesky(x @ x.T), x @ d.T + d @ x.T
    p = np.linalg.solve(l, np.linalg.solve(l, m).T)
    return l @ (np.tril(p) - (1 - share) * np.diag(np.diag(p)))


def planted(kind, name, f, right, wrong, x):
    """A rule of the engine's own tables, replaced."""

    def check(is_wrong):
        (wrong if is_wrong else right)()
        testing.check_jvp(f, (x,))

    MUTATIONS.append(Mutation(f"rule: {kind}", name, check))


def same_axis_under_lead():
    linear(np.flip, lead=lambda d, ndim, axis: np.flip(d, axis))


def axis_from_the_end():
    linear(np.flip, lead=lambda d, ndim, axis: np.flip(d, axis - ndim))


def first_direction_for_all():
    explicit(np.cos)(lambda x, d, lead: (np.cos(x), -np.sin(x) * (d[:1] + 0 * d if lead else d)))


def each_direction_its_own():
    explicit(np.cos)(lambda x, d, lead: (np.cos(x), -np.sin(x) * d))


def off_value():
    explicit(np.expm1)(lambda x, d, lead: (np.exp(x) - 1.0001, np.exp(x) * d))


def own_value():
    explicit(np.expm1)(lambda x, d, lead: (np.expm1(x), np.exp(x) * d))


def double_tangent():
    RULES[np.exp] = lambda x: dg.Dual(np.exp(x.primal), np.exp(x.primal) * x.tangent * np.ones(3), x.level)


def kept_precision():
    explicit(np.exp)(lambda x, d, lead: (np.exp(x), np.exp(x) * d))


planted("wrong axis", "under K directions", lambda x: np.flip(x, 0), axis_from_the_end, same_axis_under_lead, M)
planted("wrong broadcast", "one direction for all K", np.cos, each_direction_its_own, first_direction_for_all, X)
planted("wrong formula", "value off", np.expm1, own_value, off_value, X)
planted("wrong formula", "precision of the tangent", np.exp, kept_precision, double_tangent, X.astype(np.float32))


# ---------------------------------------------------------------------- layers


class Square(nn.Linear):
    """A Linear layer with one rule exchanged."""

    def __init__(self, jvp=None, pull=None):
        super().__init__(3, 3)
        self.faulty_jvp, self.faulty_pull = jvp, pull

    def jvp(self, p, x, dp, dx):
        return (self.faulty_jvp or super().jvp)(p, x, dp, dx)

    def vjp(self, p, x):
        y, pullback = super().vjp(p, x)
        return y, pullback if self.faulty_pull is None else lambda dy: self.faulty_pull(p, x, dy, *pullback(dy))


def layer(kind, name, *, jvp=None, pull=None):
    def check(is_wrong):
        model = Square(jvp, pull) if is_wrong else Square()
        testing.check_vjp(model, model.init(rng=0, dtype=np.float64), M)

    MUTATIONS.append(Mutation(f"layer: {kind}", name, check))


layer(
    "missing term",
    "jvp without db",
    jvp=lambda p, x, dp, dx: (x @ p["weight"] + p["bias"], dx @ p["weight"] + x @ dp["weight"]),
)
layer(
    "missing term",
    "jvp without x dW",
    jvp=lambda p, x, dp, dx: (x @ p["weight"] + p["bias"], dx @ p["weight"] + dp["bias"]),
)
layer(
    "sign",
    "jvp",
    jvp=lambda p, x, dp, dx: (x @ p["weight"] + p["bias"], -dx @ p["weight"] + x @ dp["weight"] + dp["bias"]),
)
layer("wrong axis", "weight transposed", pull=lambda p, x, dy, dp, dx: (dp | {"weight": dp["weight"].T}, dx))
layer("wrong axis", "input by W instead of its transpose", pull=lambda p, x, dy, dp, dx: (dp, dy @ p["weight"]))
layer("wrong broadcast", "bias by the mean", pull=lambda p, x, dy, dp, dx: (dp | {"bias": dp["bias"] / 3}, dx))
layer("wrong broadcast", "bias of one example", pull=lambda p, x, dy, dp, dx: (dp | {"bias": dy[0]}, dx))
layer("1e-4 relative", "weight", pull=lambda p, x, dy, dp, dx: (dp | {"weight": dp["weight"] * (1 + 1e-4)}, dx))
layer("nonlinear in the cotangent", "clipped", pull=lambda p, x, dy, dp, dx: (dp, np.clip(dx, -1, 1)))
layer("missing term", "bias forgotten", pull=lambda p, x, dy, dp, dx: ({"weight": dp["weight"]}, dx))


class Promised(nn.Linear):
    """A Linear layer that promises to take K directions, with a tangent that is changed: ``change(x, dp, dx, dy)``."""

    lead = True

    def __init__(self, change=None):
        super().__init__(3, 3)
        self.change = change

    def jvp(self, p, x, dp, dx):
        y, dy = super().jvp(p, x, dp, dx)
        return y, dy if self.change is None else self.change(x, dp, dx, dy)


def promised(kind, name, change):
    def check(is_wrong):
        model = Promised(change if is_wrong else None)
        testing.check_vjp(model, model.init(rng=0, dtype=np.float64), np.concatenate([M, M[:1]]))

    MUTATIONS.append(Mutation(f"layer: {kind}", name, check))


def many(x, dy):
    return dy is not dg.ZERO and dy.ndim > x.ndim


def where(count, change):
    """The change, at K that ``count(K, x)`` tells."""
    return lambda x, dp, dx, dy: change(dy) if dy is not dg.ZERO and dy.ndim > x.ndim and count(len(dy), x) else dy


def no_input(x, dp, dx, dy):
    return dg.ZERO if dx is dg.ZERO else dy


def lead_of_the_bias(x, dp, dx, dy):
    return dy if dy is dg.ZERO else np.broadcast_to(dy, dp["bias"].shape[:-1] + x.shape)


def always_an_array(x, dp, dx, dy):
    return 0 * x if dy is dg.ZERO else dy


promised("under K directions", "the first for all", where(lambda k, x: k > 1, lambda dy: 0 * dy + dy[:1]))
promised("under K directions", "K = 1 as one", where(lambda k, x: k == 1, lambda dy: dy[0]))
promised("under K directions", "turned where K is the batch", where(lambda k, x: k == len(x), lambda dy: dy[::-1]))
promised("symbolic zeros", "an input at rest stops all", no_input)
promised("symbolic zeros", "K as the bias has it", lead_of_the_bias)
promised("symbolic zeros", "an array where nothing moves", always_an_array)


class Scaled(nn.Layer):
    """y = s x in natural code: right for one direction, and for K where the layer makes no promise."""

    def shapes(self):
        return {"s": (3,)}

    def initial(self, name, shape, rng, dtype):
        return rng.normal(shape, dtype=dtype)

    def forward(self, p, x):
        return p["s"] * x

    def jvp(self, p, x, dp, dx):
        return p["s"] * x, dp["s"] * x + p["s"] * dx

    def vjp(self, p, x):
        return p["s"] * x, lambda dy: ({"s": np.sum(dy * x, axis=0)}, dy * p["s"])


class Rash(Scaled):
    lead = True
    jvp = lambda self, *args: Scaled.jvp(self, *args)  # noqa: E731


def natural(is_wrong):
    model = Rash() if is_wrong else Scaled()
    testing.check_vjp(model, model.init(rng=0, dtype=np.float64), M)


MUTATIONS.append(Mutation("layer: under K directions", "natural code with a promise", natural))


class Summed(type(nn.mse)):
    """A loss that promises to take K directions and sums over them."""

    lead = True

    def jvp(self, x, target, dx, reduction=None, weights=None):
        y, dy = super().jvp(x, target, dx, reduction, weights)
        return y, dy if dy is dg.ZERO or not np.ndim(dy) else 0 * dy + np.sum(dy)


MUTATIONS.append(
    Mutation(
        "layer: under K directions", "a loss that sums over them",
        lambda w: testing.check_vjp(Summed() if w else nn.mse, {}, M, target=M.T),
    )
)  # fmt: skip


class Forgetful(nn.Tanh):
    """A pullback that works once, and one that uses y for 1 - y²."""

    def __init__(self, fault=None):
        self.fault = fault

    def vjp(self, p, x):
        y = np.tanh(x)
        slope = 1 - y if self.fault == "slope" else 1 - y * y

        def pullback(dy):
            found = {}, slope * dy
            if self.fault == "once":
                slope[...] = 0
            return found

        return y, pullback


def activation(kind, name, fault):
    MUTATIONS.append(
        Mutation(f"layer: {kind}", name, lambda w: testing.check_vjp(Forgetful(fault if w else None), {}, M))
    )


activation("wrong formula", "tanh with 1 - y", "slope")
activation("state", "a pullback that works once", "once")


class Unscaled(type(nn.cross_entropy)):
    """A mean whose gradient is that of the sum."""

    def vjp(self, prediction, target, reduction="mean"):
        y, pullback = super().vjp(prediction, target, reduction)
        return y, lambda dy: pullback(dy) * len(prediction)


MUTATIONS.append(
    Mutation(
        "layer: wrong broadcast", "loss not divided by the batch",
        lambda w: testing.check_vjp(Unscaled() if w else nn.cross_entropy, {}, M, target=np.array([0, 2, 1])),
    )
)  # fmt: skip


# ---------------------------------------------------------------------- estimators

W = np.array([0.4, -0.9, 1.3])


def objective(w):
    return np.sum(np.sin(w)) + w[0] * w[1]


class Estimator:
    """A gradient estimator from a function of the gradient oracle and an Rng."""

    def __init__(self, f, expectation=None, variance=None):
        self.f = f
        if expectation:
            self.expectation = lambda g, objective=None, params=None: expectation(g)
        if variance:
            self.variance = lambda g, objective=None, params=None: variance(g)

    def __repr__(self):
        return "Estimator"

    def estimate(self, objective, params, *, rng):
        slope = lambda v: dg.jvp(objective, (params,), (v,))[1]  # noqa: E731
        return estimators.Estimate(objective(params), self.f(slope, objective, params, rng))


def estimator(kind, name, right, wrong, claim=testing.assert_unbiased):
    def check(is_wrong):
        claim(wrong if is_wrong else right, objective, W)

    MUTATIONS.append(Mutation(f"estimator: {kind}", name, check))


def forward(slope, objective, w, rng):
    v = rng.signs(w.shape)
    return slope(v) * v


def gaussian(slope, objective, w, rng):
    v = rng.normal(w.shape)
    return slope(v) * v


def scaled(f, factor):
    return lambda slope, objective, w, rng: factor * f(slope, objective, w, rng)


def spherical(radius):
    def f(slope, objective, w, rng):
        v = radius(len(w)) * rng.unit(w.shape)
        return slope(v) * v

    return f


def projection(rescaled):
    def f(slope, objective, w, rng):
        chosen = rng.permutation(len(w))[:2]
        g = np.zeros_like(w)
        for k in chosen:
            g[k] = slope(np.eye(len(w))[k])
        return g * (len(w) / 2 if rescaled else 1)

    return f


def two_directions(reused):
    def f(slope, objective, w, rng):
        v = rng.signs(w.shape)
        u = v if reused else rng.signs(w.shape)
        return (slope(v) * v + slope(u) * u) / 2

    return f


def controlled(sign):
    def f(slope, objective, w, rng):
        b, v = np.array([1.0, -0.5, 0.25]), rng.signs(w.shape)
        return b + sign * (slope(v) - b @ v) * v

    return f


def evolution(second):
    def f(slope, objective, w, rng):
        e = 0.1 * rng.signs(w.shape)
        other = second(e, rng)
        quadratic = lambda d: slope(d) + 1.0  # noqa: E731  (a loss with a constant, linear in the perturbation)
        return (e * quadratic(e) + other * quadratic(other)) / (2 * 0.01)

    return f


def rank_one(noise, shared=True):
    """UORO's reduction of Σ_k g_k e_k: (Σ ν_k g_k)(Σ ν_k e_k)."""

    def f(slope, objective, w, rng):
        nu = noise(rng, len(w))
        mu = nu if shared else noise(rng, len(w))
        g = np.array([slope(e) for e in np.eye(len(w))])
        return (nu @ g) * mu

    return f


def stepsum(reset):
    """An accumulator, as of persistent evolution strategies, over two windows of one episode."""
    kept = np.zeros(3)

    def f(slope, objective, w, rng):
        nonlocal kept
        if reset:
            kept = np.zeros(3)
        total = 0
        for _ in range(2):
            e = rng.signs(w.shape)
            kept = kept + e
            total = total + kept * slope(e)
        return total / 2

    return f


SIGN_VARIANCE = lambda g: g @ g - g * g  # noqa: E731
GAUSS_VARIANCE = lambda g: g @ g + g * g  # noqa: E731
LIBRARY = estimators.ForwardGradient(directions.Rademacher())
VARIANCE = testing.assert_variance


class OnePercent(estimators.ForwardGradient):
    """The library's own, with a bias of 1 %."""

    def estimate(self, objective, params, *, rng):
        found = super().estimate(objective, params, rng=rng)
        return dataclasses.replace(found, gradient=map_leaves(lambda g: 1.01 * g, found.gradient))


class SameDraw(directions.Rademacher):
    """Signs from a seed of its own."""

    def sample(self, params, *, rng, n=None):
        return super().sample(params, rng=7, n=n)


class Outside(directions.Rademacher):
    """Signs from NumPy's global stream."""

    def sample(self, params, *, rng, n=None):
        return np.random.default_rng().choice([-1.0, 1.0], np.shape(params))


class Correlated(directions.Rademacher):
    """One sign for every pair of neighbours."""

    def sample(self, params, *, rng, n=None):
        return np.repeat(dg.Rng(rng).signs(2), 2)[:3]


estimator("bias of 1 %", "ForwardGradient", LIBRARY, OnePercent(directions.Rademacher()))
estimator("bias of 1 %", "in one entry", Estimator(forward), Estimator(lambda *a: forward(*a) * [1, 1, 1.01]))
estimator(
    "bias of 1 %", "in the expectation claimed", Estimator(forward, lambda g: g), Estimator(forward, lambda g: 1.01 * g)
)
estimator("bias", "shrunk and called unbiased", Estimator(forward), Estimator(scaled(forward, 1 / 3)))
estimator("bias", "sign of a control variate", Estimator(controlled(1)), Estimator(controlled(-1)))
estimator("bias", "ascent for descent", Estimator(forward), Estimator(scaled(forward, -1)))
estimator(
    "variance off",
    "1 + 2/p, signs",
    Estimator(forward, variance=SIGN_VARIANCE),
    Estimator(forward, variance=lambda g: SIGN_VARIANCE(g) * (1 + 2 / 3)),
    VARIANCE,
)
estimator(
    "variance off",
    "1 - 2/p, signs",
    Estimator(forward, variance=SIGN_VARIANCE),
    Estimator(forward, variance=lambda g: SIGN_VARIANCE(g) * (1 - 2 / 3)),
    VARIANCE,
)
estimator(
    "variance off",
    "that of signs claimed for normals",
    Estimator(gaussian, variance=GAUSS_VARIANCE),
    Estimator(gaussian, variance=SIGN_VARIANCE),
    VARIANCE,
)
estimator(
    "variance off",
    "that of normals claimed for signs",
    Estimator(forward, variance=SIGN_VARIANCE),
    Estimator(forward, variance=GAUSS_VARIANCE),
    VARIANCE,
)
estimator(
    "variance off",
    "entries in another order",
    Estimator(forward, variance=SIGN_VARIANCE),
    Estimator(forward, variance=lambda g: SIGN_VARIANCE(g)[::-1]),
    VARIANCE,
)
estimator(
    "variance off",
    "p/(p - 1), one direction too few",
    Estimator(two_directions(False), variance=lambda g: SIGN_VARIANCE(g) / 2),
    Estimator(two_directions(False), variance=SIGN_VARIANCE),
    VARIANCE,
)
estimator("forgotten rescaling", "normals of variance 1/N", Estimator(gaussian), Estimator(scaled(gaussian, 1 / 3)))
estimator(
    "forgotten rescaling",
    "unit instead of radius √p",
    Estimator(spherical(np.sqrt)),
    Estimator(spherical(lambda p: 1.0)),
)
estimator("forgotten rescaling", "p/k of a projection", Estimator(projection(True)), Estimator(projection(False)))
estimator(
    "forgotten rescaling",
    "sum instead of mean",
    Estimator(two_directions(False)),
    Estimator(scaled(two_directions(False), 2)),
)
estimator(
    "forgotten rescaling",
    "uniform noise of variance 1/3",
    Estimator(rank_one(lambda r, n: r.signs(n))),
    Estimator(rank_one(lambda r, n: r.uniform(-1, 1, n))),
)
estimator("correlated directions", "neighbours share a sign", LIBRARY, estimators.ForwardGradient(Correlated()))
estimator(
    "correlated directions",
    "both factors their own noise",
    Estimator(rank_one(lambda r, n: r.signs(n))),
    Estimator(rank_one(lambda r, n: r.signs(n), shared=False)),
)
estimator(
    "correlated directions",
    "signs that lean to one side",
    Estimator(forward),
    Estimator(lambda s, o, w, r: (lambda v: s(v) * v)(2 * r.bernoulli(0.6, 3) - 1)),
)
estimator(
    "reused seed",
    "the same direction twice",
    Estimator(two_directions(False), variance=lambda g: SIGN_VARIANCE(g) / 2),
    Estimator(two_directions(True), variance=lambda g: SIGN_VARIANCE(g) / 2),
    VARIANCE,
)
estimator("reused seed", "the same direction every time", LIBRARY, estimators.ForwardGradient(SameDraw()))
estimator("randomness outside Rng", "NumPy's own", LIBRARY, estimators.ForwardGradient(Outside()))
estimator(
    "wrong antithetic pairing",
    "the pair is (ε, ε)",
    Estimator(evolution(lambda e, rng: -e), variance=SIGN_VARIANCE),
    Estimator(evolution(lambda e, rng: e), variance=SIGN_VARIANCE),
    VARIANCE,
)
estimator(
    "wrong antithetic pairing",
    "the pair is (ε, ε')",
    Estimator(evolution(lambda e, rng: -e), variance=SIGN_VARIANCE),
    Estimator(evolution(lambda e, rng: 0.1 * rng.signs(3)), variance=SIGN_VARIANCE),
    VARIANCE,
)
SMALL_STEP = estimators.SPSA(1e-4)  # whose bias, stated to order eps², is then within rounding
BLOCKS, NEAR = directions.Blocks(directions.Rademacher()), np.array([0.5, -1.0, 1.5])


class ClaimsToBeUnbiased:
    """An estimator of the library, with g for its expectation."""

    def __init__(self, inner):
        self.estimate = inner.estimate
        self.expectation = lambda g, objective=None, params=None: g


class Uncentred(estimators.ForwardGradient):
    """A control variate that is taken out of the slope and not put back."""

    def estimate(self, objective, params, *, rng):
        found = super().estimate(objective, params, rng=rng)
        return dataclasses.replace(found, gradient=found.gradient - self.baseline)


class HalfStep(estimators.SPSA):
    """A difference over 2 eps, divided by eps."""

    def estimate(self, objective, params, *, rng):
        found = super().estimate(objective, params, rng=rng)
        return dataclasses.replace(found, gradient=2 * found.gradient)


class WrongVariance(estimators.ForwardGradient):
    """Blocks with the variance that averages of whole directions have."""

    def variance(self, gradient, objective=None, params=None):
        return directions.Rademacher().variance(gradient) / self.n


estimator(
    "forgotten rescaling", "blocks averaged instead of summed",
    estimators.ForwardGradient(BLOCKS, n=3, combine="sum"), ClaimsToBeUnbiased(estimators.ForwardGradient(BLOCKS, n=3)),
)  # fmt: skip
estimator(
    "bias", "a control variate not put back",
    estimators.ForwardGradient(directions.Rademacher(), baseline=NEAR),
    Uncentred(directions.Rademacher(), baseline=NEAR),
)  # fmt: skip
estimator(
    "bias", "shrinkage called unbiased",
    estimators.ForwardGradient(directions.Rademacher(), shrink=True),
    ClaimsToBeUnbiased(estimators.ForwardGradient(directions.Rademacher(), shrink=True)),
)  # fmt: skip
estimator(
    "bias", "DODGE called unbiased", estimators.Dodge(estimators.ForwardGradient(directions.Along(NEAR))),
    ClaimsToBeUnbiased(estimators.Dodge(estimators.ForwardGradient(directions.Along(NEAR)))),
)  # fmt: skip
estimator("forgotten rescaling", "SPSA by half its step", SMALL_STEP, HalfStep(1e-4))
estimator("bias", "SPSA's third derivatives forgotten", SMALL_STEP, ClaimsToBeUnbiased(estimators.SPSA(0.1)))
estimator(
    "variance off", "blocks with the variance of averages",
    estimators.ForwardGradient(BLOCKS, n=2, combine="sum"), WrongVariance(BLOCKS, n=2, combine="sum"),
    testing.assert_variance,
)  # fmt: skip
# ---------------------------------------------------------------------- guesses, inside a network


class OneSlopeForAll(estimators.ActivationPerturbation):
    """The slope of the whole batch for every example: their noise does not average out at once."""

    def _slopes(self, walk, chain, rng, kept):
        loss, error, d, guesses = super()._slopes(walk, chain, rng, kept)
        return loss, error, np.broadcast_to(d.mean(1, keepdims=True), d.shape), guesses


class WithoutItsMask(estimators.TransposedWeight):
    """W ξ, the slope of the activation between left out."""

    def _guess(self, walk, k, rng):
        if not walk.downstream(k):
            return super()._guess(walk, k, rng)
        site, _ = walk.downstream(k)[0]
        return self._draw(rng, walk.value(site + 1).shape, walk.value(k + 1)) @ walk.p[f"{site}.weight"].T


class WithoutItsMean(estimators.SelfSharpening):
    """Cov(ξ) for E ξ ξᵀ: erratum 20."""

    def _expected(self, sites):
        return [delta if self._known(walk, k) else self._covariance(walk, k, delta) / 12 for walk, k, delta in sites]


class VarianceOfNormals(estimators.ActivationPerturbation):
    """Signs that claim the fourth moment of normals."""

    def variance(self, gradient, objective=None, params=None):
        return estimators.ActivationPerturbation().variance(gradient, objective, params)


def guess(kind, name, right, wrong, claim=testing.assert_unbiased):
    def check(is_wrong):
        model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        params = dg.Params(
            {"0.weight": M[:2, :2], "0.bias": np.array([0.5, -3.0]), "2.weight": M[:2, 2:], "2.bias": X[:1]}
        )
        batch = nn.Objective(model, nn.mse).bind(np.array([[1.0, -0.5], [0.25, 2.0]]), np.array([[1.0], [-1.0]]))
        claim(wrong if is_wrong else right, batch, params)

    MUTATIONS.append(Mutation(f"estimator: {kind}", name, check))


guess(
    "bias",
    "one slope for all examples",
    estimators.ActivationPerturbation(noise="signs"),
    OneSlopeForAll(noise="signs"),
)
guess("bias", "a guess without its mask", estimators.TransposedWeight(noise="signs"), WithoutItsMask(noise="signs"))
guess("bias", "noise whose mean is forgotten", estimators.SelfSharpening(), WithoutItsMean())
guess(
    "variance off", "signs with the variance of normals", estimators.ActivationPerturbation(noise="signs"),
    VarianceOfNormals(noise="signs"), testing.assert_variance,
)  # fmt: skip
estimator("reset forgotten", "an accumulator that goes on", Estimator(stepsum(True)), Estimator(stepsum(False)))


# ---------------------------------------------------------------------- online estimators

STREAM = online.Network(nn.RNNCell(1, 2), nn.Linear(2, 2), nn.cross_entropy)
STREAM_PARAMS = STREAM.init(rng=5, dtype=np.float64)
STREAM_PARAMS.vector[:] *= 2
INPUTS, TARGETS = np.array([[0.7], [-1.2], [1.9]]), [0, 1, 1]


def streamed(estimator):
    """The exact mean and covariance of the gradient after three steps of a recurrent network of two units."""

    def run(rng):
        estimator.start(STREAM, STREAM_PARAMS, rng=rng)
        return [estimator.step(x, y) for x, y in zip(INPUTS, TARGETS, strict=True)][-1].gradient.vector

    return testing.exact_moments(run)


def stream(kind, name, right, wrong):
    """Is its mean the gradient of RTRL?"""

    def check(is_wrong):
        exact = streamed(online.RTRL()).mean
        found = streamed(wrong if is_wrong else right).mean
        assert np.max(np.abs(found - exact)) < 1e-10, f"the mean is off by {np.max(np.abs(found - exact))}"

    MUTATIONS.append(Mutation(f"online: {kind}", name, check))


class OneSign(online.NoBackTrack):
    """One sign for all units."""

    def reduce(self, memory, T):
        draws, signs = self.rng, self.rng.signs((self.rank, 1))
        self.rng = type("Same", (), {"signs": lambda _, shape, **kw: np.broadcast_to(signs, shape)})()
        try:
            return super().reduce(memory, T)
        finally:
            self.rng = draws


class MinusTheLast(online.NoBackTrack):
    """Algorithm 2 as it is printed: (H v̄) w̄ - Σ H_i D_i."""

    def influence(self, memory, H, T):
        return super().influence(memory, H, T) - 2 * T.pull_params(H[..., T.rows])


class NotCarried(online.NoBackTrack):
    """v̄ is not taken through J."""

    def propagate(self, memory, transitions):
        return memory


class ScaledOnOneSide(online.NoBackTrack):
    """v̄ is scaled by ρ̄, w̄ not by its inverse."""

    def _scales(self, memory, T):
        (rho, inverse), others = super()._scales(memory, T)
        return (rho, np.ones_like(inverse)), others


class SmallNoise(online.UORO):
    """ν of variance 1/3, as of uniform numbers on (-1, 1)."""

    def propagate(self, memory, transitions):
        draws = self.rng
        self.rng = type("Small", (), {"signs": lambda _, shape, **kw: draws.signs(shape, **kw) / 3**0.5})()
        try:
            return super().propagate(memory, transitions)
        finally:
            self.rng = draws


class EpisodeThatGoesOn(online.RTRL):
    """The influence of the last episode is still there."""

    def init_memory(self):
        fresh = super().init_memory()
        return getattr(self, "memory", fresh)


class WithoutSigns(online.KroneckerRTRL):
    """The two Kronecker terms added without signs."""

    def propagate(self, memory, transitions):
        draws = self.rng
        self.rng = type("Plus", (), {"signs": lambda _, shape, **kw: np.ones(shape)})()
        try:
            return super().propagate(memory, transitions)
        finally:
            self.rng = draws


stream("correlated directions", "one sign for all units", online.NoBackTrack(), OneSign())
stream("sign", "the printed Algorithm 2", online.NoBackTrack(), MinusTheLast())
stream("missing term", "a tangent not carried on", online.NoBackTrack(), NotCarried())
stream("forgotten rescaling", "ρ on one side only", online.NoBackTrack(), ScaledOnOneSide())
stream("forgotten rescaling", "UORO with noise of variance 1/3", online.UORO(), SmallNoise())
stream("correlated directions", "Kronecker terms without signs", online.KroneckerRTRL(), WithoutSigns())
stream("reset forgotten", "an episode that goes on", online.RTRL(), EpisodeThatGoesOn())


# ---------------------------------------------------------------------- evolution strategies

WINDOWS = coefficients(2, 1)
BOTH = WINDOWS.sum((0, 1))


def unrolled(estimator, episodes=1):
    """The exact mean and variance of the gradient of an episode of two windows, the last of some, of linear losses."""
    system, params = history(2, 1), np.ones(1)

    def run(rng):
        estimator.start(system, params, rng=rng)
        for k in range(episodes):
            if k:
                estimator.reset()
            total = sum(estimator.step(t, g).gradient for t, g in enumerate(WINDOWS))
        return total

    return testing.exact_moments(run)


def evolution(kind, name, right, wrong, *, mean=BOTH, variance=None, episodes=1):
    """Is its mean that of the whole unroll, or what it is said to be; and its variance?"""

    def check(is_wrong):
        found = unrolled(wrong if is_wrong else right, episodes)
        assert np.max(np.abs(found.mean - mean)) < 1e-10, f"the mean is off by {np.max(np.abs(found.mean - mean))}"
        if variance is not None:
            assert abs(found.variance.sum() - variance) < 1e-10, f"a variance of {found.variance.sum()}"

    MUTATIONS.append(Mutation(f"evolution: {kind}", name, check))


class OwnWindowAlone(online.PersistentES):
    """Losses times the perturbation of their own window, as if the states had not gone on."""

    def window_gradient(self, t, memory, difference):
        return online.NoiseReuseES.window_gradient(self, t, memory, difference)


class SumThatOutlivesTheEpisode(online.PersistentES):
    """Particles begin anew, ξ does not."""

    def extra_memory(self):
        return {"accumulated": self.memory["accumulated"]} if hasattr(self, "memory") else super().extra_memory()

    def _started(self, *args, **options):
        self.__dict__.pop("memory", None)
        return super()._started(*args, **options)


class VarianceAsDeviation(online.PersistentES):
    """Divided by σ, as if sigma were a variance."""

    def window_gradient(self, t, memory, difference):
        return super().window_gradient(t, memory, difference) * self.sigma


class SumOverPairs(online.PersistentES):
    """A pair counts as one particle."""

    def window_gradient(self, t, memory, difference):
        return super().window_gradient(t, memory, difference) * 2


class BothSidesUp(online.PersistentES):
    """θ + ε twice: no antithetic partner."""

    def perturbed(self, noise):
        half = super().perturbed(noise)[: len(noise)]
        return np.concatenate([half, half])


class FreshNoise(online.NoiseReuseES):
    """ε is drawn again in every window, and no sum is kept."""

    def next_window(self, state, memory):
        return state, memory | {"noise": self._noise()}


class ParticlesThatGoOn(online.TruncatedES):
    """The window begins where the particles were, not at the state of θ: other variance, same mean."""

    def next_window(self, state, memory):
        return state, memory | {"noise": self._noise()}


pes = online.PersistentES(2, 0.5, 1)
evolution("missing term", "the perturbation of the window alone", pes, OwnWindowAlone(2, 0.5, 1))
evolution("missing term", "fresh noise without a sum", online.NoiseReuseES(2, 0.5, 1), FreshNoise(2, 0.5, 1))
evolution("forgotten rescaling", "σ for σ²", pes, VarianceAsDeviation(2, 0.5, 1))
evolution("forgotten rescaling", "over pairs, not particles", pes, SumOverPairs(2, 0.5, 1))
evolution("sign", "both of a pair at θ + ε", pes, BothSidesUp(2, 0.5, 1))
evolution(
    "reset forgotten", "a sum that outlives its episode", pes, SumThatOutlivesTheEpisode(2, 0.5, 1),
    variance=perturbation_a_window(WINDOWS), episodes=2,
)  # fmt: skip
evolution(
    "variance off", "truncated windows that go on", online.TruncatedES(2, 0.5, 1), ParticlesThatGoOn(2, 0.5, 1),
    mean=WINDOWS[0, 0] + WINDOWS[1, 1], variance=2 * (WINDOWS[0, 0, 0] ** 2 + WINDOWS[1, 1, 0] ** 2),
)  # fmt: skip


# ---------------------------------------------------------------------- by samples


def sampled(kind, name, claim, right, wrong):
    def check(is_wrong):
        claim(wrong if is_wrong else right)

    MUTATIONS.append(Mutation(f"samples: {kind}", name, check))


def heavy(rng):
    return (rng.normal(4) ** 3) @ np.ones(4)


sampled("bias", "a tenth of a standard deviation", lambda f: testing.check_mean(f, np.zeros(3)),
        lambda rng: rng.normal(3), lambda rng: rng.normal(3) + np.array([0, 0.1, 0]))  # fmt: skip
sampled("bias", "with the variance known", lambda f: testing.check_mean(f, 0.0, variance=1.0, samples=8000),
        lambda rng: rng.normal(), lambda rng: rng.normal() + 0.1)  # fmt: skip
sampled("bias", "under heavy tails", lambda f: testing.check_mean(f, 0.0, variance=60.0, samples=8000),
        heavy, lambda rng: heavy(rng) + 1)  # fmt: skip
sampled("variance off", "by a sixth", lambda f: testing.check_variance(f, np.zeros(2), np.ones(2)),
        lambda rng: rng.normal(2), lambda rng: rng.normal(2) * [1, 1.08])  # fmt: skip
sampled("bias", "in what does not vary", lambda f: testing.check_mean(f, [0.0, 1.0], samples=1000),
        lambda rng: [rng.normal(), 1.0], lambda rng: [rng.normal(), 1.01])  # fmt: skip
