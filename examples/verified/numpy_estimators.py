"""Estimators in NumPy: a function of a Generator each. "# fault:" is a line to put in place of the one above it."""

import numpy as np

A = np.array([[3.0, 1.0], [1.0, 5.0]])
w = np.array([3.0, 4.0])
x = np.array([1.3, -0.6])
c = np.array([0.0, 1.0, 4.0, 9.0, 16.0])
P = np.array([0.2, 0.3, 0.5])
Q = np.array([0.5, 0.25, 0.25])
F = np.array([1.0, -2.0, 4.0])
p = 0.75
signs = [-1.0, 1.0]


def rloo(gen):
    b = gen.random(3) < p
    f = 1 + 2.0 * b
    others = (f.sum() - f) / 2
    # fault: others = f.mean()
    return ((f - others) * (b - p)).mean()


def vimco(gen):
    b = gen.random(2) < p
    f = 1 + 2.0 * b
    bound = np.log(f.mean())
    other = np.log(f[::-1])
    # fault: other = bound
    return ((bound - other) * (b - p)).sum()


def reparameterised(gen):
    m, s = 1.5, 0.5
    z = gen.standard_normal()
    x = m + s * z
    # fault: x = m + s**2 * z
    return np.array([2 * x, 2 * x * z])


def straight_through(gen):
    y = np.eye(3)[gen.choice(3, p=P)]
    slope = F + 0 * y
    # fault: slope = F * (y == 1)
    return P * (slope - P @ slope)


def straight_through_squared(gen):
    y = np.eye(3)[gen.choice(3, p=P)]
    slope = 2 * (y @ F) * F
    return P * (slope - P @ slope)


def gumbel_softmax(gen, tau=2.0):
    a, b = gen.gumbel(size=2)
    y = 1 / (1 + np.exp((b - a) / tau))
    # fault: y = 1 / (1 + np.exp((b - a) / 4))
    return np.array([y, y * (1 - y) / tau])


def gumbel_max(gen):
    k = np.argmax(np.log(P) + gen.gumbel(size=3))
    return np.eye(3)[k]


def hard_sign(gen):
    return np.sign(0.5 + gen.standard_normal())


def spsa(gen, h=0.1):
    v = gen.choice(signs, 2)
    a, b = w + h * v, w - h * v
    # fault: a, b = w + h * v, w
    slope = (a @ A @ a - b @ A @ b) / 2 / (2 * h)
    return slope / v


def antithetic_es(gen, s=0.5):
    v = gen.standard_normal(2)
    u = v
    # fault: u = gen.standard_normal(2)
    up, down = w + s * v, w - s * u
    return ((up**3 - down**3).sum() / (2 * s)) * v


def hutchinson(gen):
    v = gen.choice(signs, 2)
    # fault: v = gen.uniform(-1, 1, 2)
    return v @ A @ v


def hutch_plus_plus(gen):
    s, v = gen.choice(signs, (2, 2))
    q = A @ s / np.linalg.norm(A @ s)
    v = v - (q @ v) * q
    # fault: v = v - q
    return q @ A @ q + v @ A @ v


def stochastic_rounding(gen):
    return np.floor(x + gen.random(2))
    # fault: return np.round(x + gen.random(2))


def dropout(gen, keep=0.75):
    mask = gen.random(2) < keep
    return w * mask / keep
    # fault: return w * mask


def minibatch(gen):
    k = gen.choice(5, 2, replace=False)
    # fault: k = gen.choice(5, 2)
    return c[k].mean()


def svrg(gen, at=2.0, anchor=1.5):
    k = gen.integers(3)
    full = F.sum() * anchor
    # fault: full = F.mean() * anchor
    return 3 * F[k] * (at - anchor) + full


def roulette(gen):
    s, t = 1.0, 1.0
    while gen.random() < 0.2:
        t *= 0.1 / 0.2
        # fault: t *= 0.1 / 0.25
        s += t
    return s


def importance(gen):
    k = gen.choice(3, p=Q)
    return F[k] * P[k] / Q[k]
    # fault: return F[k]


def fourier_features(gen):
    k = gen.standard_normal()
    z = np.exp(1j * k * x)
    # fault: z = np.exp(2j * k * x)
    return (z[0] * z[1].conj()).real


def gamma_noise(gen):
    return gen.gamma(2.0)
