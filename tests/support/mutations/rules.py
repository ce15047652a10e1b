"""Rules of one's own, and of the engine's tables."""

import numpy as np

import dualgrad as dg
from dualgrad import testing
from dualgrad.rules.declare import explicit, linear
from dualgrad.tables import RULES
from tests.support.mutations.planting import MUTATIONS, Mutation

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
