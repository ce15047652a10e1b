"""Estimators in JAX, ``run(jax, key)``, with their mean and, where it is known, their variance; some with a fault.

A fault has the moments of what it is meant to be.
"""

import numpy as np

RIGHT, FAULTS, NOT_CERTIFIED = [], [], []
G = np.array([1.0, -2.0, 0.5])  # a gradient
A = np.array([[3.0, 1.0], [1.0, 5.0]])
P = np.array([0.5, 0.3, 0.2])
LOGITS = np.log(P)


def moments_of(run):
    """What a run is claimed to have."""
    return run.mean, run.variance


def claim(mean, variance=None, kind=RIGHT):
    """Put a run into a table, with what is claimed of it."""

    def put(run):
        run.mean, run.variance = mean, variance
        kind.append(run)
        return run

    return put


# ---------------------------------------------------------------------- directions


@claim(G, G @ G + G**2)
def forward_gradient(jax, key):
    v = jax.random.normal(key, (3,))
    return (G @ v) * v


@claim(G, G @ G - G**2)
def sign_directions(jax, key):
    v = jax.random.rademacher(key, (3,), float)
    return jax.jvp(lambda w: w @ G, (G,), (v,))[1] * v


@claim(G)
def best_kept_beside(jax, key):
    """What a step keeps of its population jumps, but the estimate does not depend on it."""
    v = jax.random.normal(key, (2, 3))
    estimates, _ = jax.jit(lambda losses: (losses @ v / 2, v[jax.numpy.argmin(losses)]))(v @ G)
    return estimates


@claim(G, G @ G + G**2, kind=FAULTS)
def directions_of_one_key(jax, key):
    """Two directions are averaged, of one key."""
    vs = [jax.random.normal(key, (3,)) for _ in range(2)]
    return sum((G @ v) * v for v in vs) / 4


# ---------------------------------------------------------------------- discrete distributions


def _reward(jax, k):
    return jax.numpy.array([1.0, 4.0, -2.0])[k]


REWARD = np.array([1.0, 4.0, -2.0])
POLICY_GRADIENT = P * (REWARD - P @ REWARD)


@claim(POLICY_GRADIENT)
def reinforce(jax, key):
    k = jax.random.categorical(key, LOGITS)
    return _reward(jax, k) * jax.grad(lambda t: jax.nn.log_softmax(t)[k])(LOGITS)


@claim(0.25 * 0.75 * 3.0)
def bernoulli_of_a_parameter(jax, key):
    """d/dθ E f(b), b of probability σ(θ): drawn by u < p in a function that was jitted."""

    @jax.jit
    def estimate(theta):
        b = jax.random.uniform(key) < jax.nn.sigmoid(theta)
        score = jax.grad(lambda t: jax.numpy.where(b, jax.nn.log_sigmoid(t), jax.nn.log_sigmoid(-t)))(theta)
        return jax.numpy.where(b, 4.0, 1.0) * score

    return estimate(float(np.log(1 / 3)))


@claim(P @ REWARD)
def inverse_distribution(jax, key):
    return _reward(jax, jax.numpy.searchsorted(jax.numpy.cumsum(P), jax.random.uniform(key)))


@claim(0.0625)
def common_random_numbers(jax, key):
    """The same key in two calls: f(p + h) - f(p) on the same uniforms."""
    f = lambda p: 1.0 * jax.random.bernoulli(key, p)  # noqa: E731
    return f(0.5) - f(0.4375)


# ---------------------------------------------------------------------- rounding, dropping, stopping


@claim(2.0, 2.0)
def stopping_time(jax, key):
    def body(state):
        n, key, _ = state
        key, sub = jax.random.split(key)
        return n + 1, key, jax.random.bernoulli(sub, 0.5)

    return jax.lax.while_loop(lambda state: state[2], body, (0, key, True))[0]


# ---------------------------------------------------------------------- minibatches, permutations


@claim(G[::-1].sum() / 3 * np.ones(3))
def permuted(jax, key):
    return jax.random.permutation(key, jax.numpy.asarray(G))


@claim(P, P * (1 - P))
def without_replacement(jax, key):
    """The first of a Gumbel top-k is a draw from p."""
    first = jax.random.categorical(key, LOGITS, shape=(2,), replace=False)[0]
    return jax.nn.one_hot(first, 3)


@claim(np.sum(G) / 3)
def variance_reduced(jax, key):
    """SVRG on losses G_i w² / 2 at w = 1 with the anchor 2, in two steps of keys that are folded."""

    def step(w, t):
        i = jax.random.randint(jax.random.fold_in(key, t), (), 0, 3)
        g = jax.numpy.asarray(G)
        return w, g[i] * w - g[i] * 2.0 + jax.numpy.mean(g) * 2.0

    return jax.lax.scan(step, 1.0, jax.numpy.arange(2))[1].mean()


# ---------------------------------------------------------------------- continuous draws


@claim([1.0, 2.0, 0.0], [1.0, 20.0, 0.5])
def laws_of_their_own(jax, key):
    a, b, c = jax.random.split(key, 3)
    u = jax.random.uniform(c, (), minval=-1.0, maxval=1.0)
    return jax.numpy.stack([jax.random.exponential(a), jax.random.exponential(b) ** 2, 1.5**0.5 * u])


@claim(np.ones(3), 2 * np.ones(3))
def guarded(jax, key):
    """A comparison that never goes the other way."""
    v = jax.random.normal(key, (3,))
    return jax.numpy.where(jax.numpy.linalg.norm(v) > 1e-9, v * v, 0.0)


@claim([0.3 * 2, 2.0], None)
def guarded_in_branches(jax, key):
    """Comparisons in a branch and in a loop, that never go the other way."""
    a, b = jax.random.split(key)
    v = jax.random.normal(b, (2,))
    square = lambda: jax.numpy.where(jax.numpy.linalg.norm(v) > 1e-9, v @ v, 0.0)  # noqa: E731
    step = lambda c, z: (c + jax.numpy.where(abs(z) < 50, z * z, 0.0), None)  # noqa: E731
    return jax.numpy.stack([
        jax.lax.cond(jax.random.bernoulli(a, 0.3), square, lambda: 0.0), jax.lax.scan(step, 0.0, v)[0]
    ])  # fmt: skip


@claim(0.75)
def uniforms_in_a_loop(jax, key):
    count = lambda c, u: (c + (u < 0.25), None)  # noqa: E731
    return jax.lax.scan(count, 0.0, jax.random.uniform(key, (3,)))[0]


@claim([0.8, 5 / 6, 0.96, -0.7, 0.045, 0.7])
def pathwise_through_bounds(jax, key):
    """Gradients at bounds, where a draw is a number: of clip, maximum and minimum, at three parameters."""
    jnp, u = jax.numpy, jax.random.uniform(key)
    losses = (
        (0.2, lambda p: jnp.clip(u + p, 0, 1)),
        (0.0, lambda p: jax.lax.clamp(0.0, 1.2 * u - 0.1 + p, 1.0)),
        (0.2, lambda p: jnp.clip(u + p, 0, 1) ** 2),
        (0.3, lambda p: jnp.maximum(u - p, 0)),
        (1.0, lambda p: jnp.minimum(p * u, 0.3)),
        (0.3, lambda p: jnp.minimum(u, p)),
    )
    return jnp.stack([jax.grad(loss)(p) for p, loss in losses])


@claim([0.4, 0.3, 0.7, 0.7, 1.0], [0.24, 0.21, 0.21, 0.21, 2 / 3])
def at_its_bounds(jax, key):
    """What is cut is equal to the bound."""
    jnp, u = jax.numpy, jax.random.uniform(key)
    within, rest = jnp.clip(u, 0.3, 0.6), jnp.maximum(u - 0.3, 0)
    whole = jnp.floor(jnp.clip(3 * u, 0, 2))
    return jnp.stack([1.0 * (within == 0.6), 1.0 * (within <= 0.3), jnp.sign(rest), 1.0 * (0 < rest), whole])


@claim([0.25, 0.25, -0.75, 0.5], [3 / 16, 3 / 16, 3 / 16, 1 / 12])
def turned_uniforms(jax, key):
    u = 1 - jax.random.uniform(key, (4,))
    whole = jax.numpy.floor(0.25 - u[2])
    return jax.numpy.stack([u[0] < 0.25, 0.5 > 2 * u[1], whole, u[3]])


@claim(np.zeros(2), np.diag(A))
def correlated(jax, key):
    return jax.random.multivariate_normal(key, jax.numpy.zeros(2), jax.numpy.asarray(A))


@claim(0.3, 0.3 * 1.0 + 0.7 * 2 + 0.3 * 0.7)
def branches(jax, key):
    a, b = jax.random.split(key)
    return jax.lax.cond(
        jax.random.bernoulli(a, 0.3),
        lambda: 1 + jax.random.normal(b),
        lambda: jax.random.rademacher(b, (2,), float).sum(),
    )


branches.variance = 0.3 * 1.0 + 0.7 * 2.0 + 0.3 * 0.7


@claim(0.3, None)
def branches_in_python(jax, key):
    a, b = jax.random.split(key)
    return 1.0 + jax.random.normal(b) if jax.random.bernoulli(a, 0.3) else 0.0


@claim(3.0, 6.0)
def keys_in_a_batch(jax, key):
    return jax.vmap(lambda k: jax.random.normal(k) ** 2)(jax.random.split(key, 3)).sum()


@claim(14.0, None)
def checkpointed(jax, key):
    """Rematerialised draws are the same draws: d/dw E (w·v)² = 2w, times w."""
    w = jax.numpy.array([1.0, 2.0])
    loss = jax.checkpoint(lambda w: (w @ jax.random.rademacher(key, (2,), float)) ** 2)
    return jax.grad(loss)(w) @ w + jax.hessian(loss)(w).trace()


checkpointed.mean = 2 * 5.0 + 4.0


# ---------------------------------------------------------------------- jumps


@claim(None, kind=NOT_CERTIFIED)
def clipped_far_out(jax, key):
    z = jax.random.normal(key)
    return jax.numpy.where(abs(z) > 5, 0.0, z) ** 2


@claim(None, kind=NOT_CERTIFIED)
def dropped_where_both_are_large(jax, key):
    """No line along one draw with the other at rest need come there."""
    z = jax.random.normal(key, (2,))
    return jax.numpy.where(z[0] * z[1] > 6, 0.0, z[0]) ** 2


@claim(None, kind=NOT_CERTIFIED)
def compared_after_arithmetic(jax, key):
    return 1.0 * (jax.random.uniform(key) ** 2 < 0.3)


@claim(None, kind=NOT_CERTIFIED)
def the_largest(jax, key):
    u = jax.random.uniform(key, (3,))
    return jax.numpy.where(u == u.max(), 1.0, 0.0)


@claim(None, kind=NOT_CERTIFIED)
def nothing_is_zero(jax, key):
    return jax.numpy.where(jax.random.normal(key) == 0, 5.0, 1.0)


@claim(None, kind=NOT_CERTIFIED)
def shuffled_by_uniforms(jax, key):
    return jax.numpy.argsort(jax.random.uniform(key, (2,)))


@claim(None, kind=NOT_CERTIFIED)
def key_of_its_own(jax, key):
    return jax.random.normal(jax.random.key(0))


@claim(None, kind=NOT_CERTIFIED)
def jump_in_a_rare_branch(jax, key):
    a, b = jax.random.split(key)
    return jax.lax.cond(jax.random.uniform(a) < 0.05, lambda: 1.0 * (jax.random.normal(b) > 0), lambda: 0.0)


@claim(None, kind=NOT_CERTIFIED)
def jump_in_one_branch_of_many(jax, key):
    a, b = jax.random.split(key)
    branches = [lambda: 0.0] * 19 + [lambda: jax.numpy.sign(jax.random.normal(b))]
    return jax.lax.switch(jax.random.randint(a, (), 0, 20), branches)


@claim(None, kind=NOT_CERTIFIED)
def jump_in_a_loop(jax, key):
    step = lambda c, z: (c + jax.numpy.where(c * z > 6, 1.0, z * z), None)  # noqa: E731
    return jax.lax.scan(step, 0.0, jax.random.normal(key, (2,)))[0]


@claim(None, kind=NOT_CERTIFIED)
def stopped_by_a_normal(jax, key):
    """The third of three draws is the first one above 4."""
    step = lambda s: (s[0] + 1, jax.random.normal(jax.random.fold_in(key, s[0])))  # noqa: E731
    return 1.0 * (jax.lax.while_loop(lambda s: (s[0] < 3) & (s[1] < 4.0), step, (0, 0.0))[0] == 3)
