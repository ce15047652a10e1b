"""Estimators in JAX: a function of a key each. "# fault:" is a line to put in place of the one above it."""

import jax
import numpy as np
from jax import numpy as jnp
from jax import random

jax.config.update("jax_enable_x64", True)
A = np.array([[3.0, 1.0], [1.0, 5.0]])
w = np.array([3.0, 4.0])
x = np.array([1.3, -0.6])
c = np.array([0.0, 1.0, 4.0, 9.0, 16.0])
P = np.array([0.2, 0.3, 0.5])
Q = np.array([0.5, 0.25, 0.25])
F = np.array([1.0, -2.0, 4.0])
p, logit = 0.75, np.log(3.0)


def log_prob(theta, b):
    return jax.nn.log_sigmoid((2 * b - 1) * theta)


def one_hot(key, theta):
    k = random.categorical(key, theta)
    soft = jax.nn.softmax(theta)
    hard = jax.nn.one_hot(k, 3)
    return soft + jax.lax.stop_gradient(hard - soft)


def rloo(key):
    b = random.bernoulli(key, p, (3,))
    f = 1 + 2.0 * b
    others = (f.sum() - f) / 2
    # fault: others = f.mean()

    def loss(theta):
        return (f - others) @ log_prob(theta, b)

    return jax.grad(loss)(logit) / 3


def vimco(key):
    b = random.bernoulli(key, p, (2,))
    f = 1 + 2.0 * b
    bound = jnp.log(f.mean())
    other = jnp.log(f[::-1])
    # fault: other = bound * jnp.ones(2)

    def loss(theta):
        return (bound - other) @ log_prob(theta, b)

    return jax.grad(loss)(logit)


def reparameterised(key):
    def loss(m, s):
        x = m + s * random.normal(key)
        # fault: x = m + s**2 * random.normal(key)
        return x**2

    return jax.grad(loss, (0, 1))(1.5, 0.5)


def straight_through(key):
    def loss(theta):
        y = one_hot(key, theta)
        return y @ F
        # fault: return (y * y) @ F

    return jax.grad(loss)(np.log(P))


def straight_through_squared(key):
    def loss(theta):
        return (one_hot(key, theta) @ F) ** 2

    return jax.grad(loss)(np.log(P))


def gumbel_softmax(key, tau=2.0):
    def relaxed(theta):
        a, b = random.gumbel(key, (2,))
        y = theta + a - b
        return jax.nn.sigmoid(y / tau)
        # fault: return jax.nn.sigmoid(y / 4)

    return jax.value_and_grad(relaxed)(0.0)


def gumbel_max(key):
    noise = random.gumbel(key, (3,))
    k = jnp.argmax(np.log(P) + noise)
    return jax.nn.one_hot(k, 3)


def hard_sign(key):
    return jnp.sign(0.5 + random.normal(key))


def spsa(key, h=0.1):
    v = random.rademacher(key, (2,), float)
    a, b = w + h * v, w - h * v
    # fault: a, b = w + h * v, w
    slope = (a @ A @ a - b @ A @ b) / 2 / (2 * h)
    return slope / v


def antithetic_es(key, s=0.5):
    keys = random.split(key)
    v = random.normal(keys[0], (2,))
    u = v
    # fault: u = random.normal(keys[1], (2,))
    up, down = w + s * v, w - s * u
    return ((up**3 - down**3).sum() / (2 * s)) * v


def hutchinson(key):
    v = random.rademacher(key, (2,), float)
    # fault: v = 2 * random.uniform(key, (2,)) - 1
    return v @ A @ v


def hutch_plus_plus(key):
    s, v = random.rademacher(key, (2, 2), float)
    q = A @ s / jnp.linalg.norm(A @ s)
    v = v - (q @ v) * q
    # fault: v = v - q
    return q @ A @ q + v @ A @ v


def stochastic_rounding(key):
    u = random.uniform(key, (2,))
    return jnp.floor(x + u)
    # fault: return jnp.round(x + u)


def dropout(key, keep=0.75):
    mask = random.bernoulli(key, keep, (2,))
    return w * mask / keep
    # fault: return w * mask


def minibatch(key):
    k = random.choice(key, 5, (2,), replace=False)
    # fault: k = random.choice(key, 5, (2,))
    return jnp.asarray(c)[k].mean()


def svrg(key, at=2.0, anchor=1.5):
    k = random.randint(key, (), 0, 3)
    full = F.sum() * anchor
    # fault: full = F.mean() * anchor
    return 3 * jnp.take(F, k) * (at - anchor) + full


def roulette(key):
    def more(state):
        s, t, key, _ = state
        key, coin = random.split(key)
        on = random.bernoulli(coin, 0.2)
        t *= on * 0.1 / 0.2
        # fault: t *= on * 0.1 / 0.25
        return s + t, t, key, on

    def alive(state):
        return state[3]

    start = 1.0, 1.0, key, True
    return jax.lax.while_loop(alive, more, start)[0]


def importance(key):
    k = random.choice(key, 3, p=Q)
    weight = jnp.take(P / Q, k)
    # fault: weight = 1
    return jnp.take(F, k) * weight


def fourier_features(key):
    k = random.normal(key)
    z = jnp.exp(1j * k * x)
    # fault: z = jnp.exp(2j * k * x)
    return (z[0] * z[1].conj()).real


def gamma_noise(key):
    return random.gamma(key, 2.0)
