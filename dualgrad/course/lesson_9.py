"""Exercises of lesson 9, through time: a step of RTRL, the rank-one trick, persistent evolution strategies."""

import itertools

import numpy as np

from .exercise import Exercise, one_from, tables, whole

RTRL_STEP = Exercise(
    number="9.1",
    title="A step of RTRL",
    task="Write rtrl(G, J, D, H): the influence after the step, and the gradient of its loss, with H = ∂ℓ/∂s.",
    call="rtrl(G, J, D, H)",
    first=((np.array([[0.0, 4.0]]), np.array([[0.5]]), np.array([[4.0, 2.0]]), np.array([1.0])),),
    inputs=lambda st: [
        st.tuples(tables(st, n, p), tables(st, n, n), tables(st, n, p), tables(st, n))
        for n, p in ((1, 2), (2, 3), (3, 3))
    ],
    expected=lambda G, J, D, H: (J @ G + D, H @ (J @ G + D)),
    mistakes={
        "The new influence lacks D, what the parameters do in this very step.": (
            lambda G, J, D, H: (J @ G, H @ (J @ G))
        ),
        "The old influence is pushed through the step, by J, before D is added.": (
            lambda G, J, D, H: (G + D, H @ (G + D))
        ),
        "The loss looks at the state after the step, so the gradient takes the new influence.": (
            lambda G, J, D, H: (J @ G + D, H @ G)
        ),
        "The gradient has this step alone in it; the past counts, too.": lambda G, J, D, H: (J @ G + D, H @ D),
        "J and G in the wrong order: J acts on the state, the rows of G.": (
            lambda G, J, D, H: (J.T @ G + D, H @ (J.T @ G + D)),
            lambda G, J, D, H: (G @ J + D, H @ (G @ J + D)),
        ),
        "D is pushed by J as well; it enters after the push.": (
            lambda G, J, D, H: (J @ (G + D), H @ (J @ (G + D)))
        ),
        "The gradient and the influence are right, and in the other order.": (
            lambda G, J, D, H: (H @ (J @ G + D), J @ G + D)
        ),
    },
    facets={
        "the state has more than one number": lambda G, J, D, H: len(H) > 1,
        "the influence was not 0": lambda G, J, D, H: bool(G.any()),
    },
)  # fmt: skip


def _scales(v, w):
    """√(‖w‖/‖v‖) of each term, and which terms are not zero."""
    a, b = np.linalg.norm(v, axis=1), np.linalg.norm(w, axis=1)
    there = (a > 0) & (b > 0)
    return np.sqrt(np.where(there, b, 1) / np.where(there, a, 1)), there


def _rank_one(v, w, signs, scale=_scales, second=lambda signs: signs):
    rho, there = scale(v, w)
    left = (signs * rho)[there] @ v[there]
    return left, (second(signs) / rho)[there] @ w[there]


def _with_zeros(st, terms, n):
    return st.tuples(tables(st, terms, n), one_from(st, range(-1, terms))).map(
        lambda drawn: drawn[0] * (np.arange(terms) != drawn[1])[:, None]
    )


TRICK = Exercise(
    number="9.2",
    title="The rank-one trick",
    task="Write rank_one(v, w, signs): two vectors whose outer product is Σ vᵢ wᵢᵀ on average; terms rescaled by ρᵢ.",
    call="rank_one(v, w, signs)",
    first=((np.array([[3.0, 4.0]]), np.array([[20.0, 0.0]]), np.array([1.0])),),
    inputs=lambda st: [
        st.tuples(_with_zeros(st, k, n), _with_zeros(st, k, m), whole(st, 2**k).map(
            lambda bits, k=k: 1.0 - 2 * np.array([bits >> i & 1 for i in range(k)])))
        for k, n, m in ((1, 2, 2), (2, 2, 3), (3, 3, 2))
    ],
    expected=_rank_one,
    mistakes={
        "The terms are not rescaled: ρᵢ makes both sides of a term equally long.": (
            lambda v, w, signs: _rank_one(v, w, signs, lambda v, w: (np.ones(len(v)), _scales(v, w)[1]))
        ),
        "The terms are not rescaled by ρᵢ, and a term of which one side is zero is still in the sums.": (
            lambda v, w, signs: (signs @ v, signs @ w)
        ),
        "ρᵢ is turned over: where v is short it must be made longer.": (
            lambda v, w, signs: _rank_one(v, w, signs, lambda v, w: (1 / _scales(v, w)[0], _scales(v, w)[1]))
        ),
        "Without the root in ρᵢ: it then makes one side as long as the other was, and the other way round.": (
            lambda v, w, signs: _rank_one(v, w, signs, lambda v, w: (_scales(v, w)[0] ** 2, _scales(v, w)[1]))
        ),
        "The signs are missing in both sums: without them what does not belong has no mean of 0.": (
            lambda v, w, signs: _rank_one(v, w, np.ones_like(signs)),
            lambda v, w, signs: (v.sum(0), w.sum(0)),
        ),
        "The signs are in one sum alone: then the outer product has the mean 0.": (
            lambda v, w, signs: _rank_one(v, w, signs, second=np.ones_like)
        ),
        "Both sides are multiplied by ρᵢ; one is to be divided, so that the product stays.": (
            lambda v, w, signs: (_rank_one(v, w, signs)[0], (signs * _scales(v, w)[0] * _scales(v, w)[1]) @ w)
        ),
        "A term of which one side is zero has no ρᵢ, 0/0 or 1/0: leave it out.": (
            lambda v, w, signs: (
                (signs * (r := np.sqrt(np.linalg.norm(w, axis=1) / np.linalg.norm(v, axis=1)))) @ v, (signs / r) @ w)
        ),
        "The outer product itself is returned; asked are its two vectors.": (
            lambda v, w, signs: np.outer(*_rank_one(v, w, signs))
        ),
    },
    facets={
        "there is more than one term": lambda v, w, signs: len(v) > 1,
        "a side is zero": lambda v, w, signs: not _scales(v, w)[1].all(),
    },
)  # fmt: skip


def _pes(losses, noise, sigma, summed=lambda noise: np.cumsum(noise, axis=0), over=lambda n, sigma: n * sigma**2):
    return np.einsum("ki,kip->kp", losses, summed(noise)) / over(losses.shape[1], sigma)


PERSISTENT = Exercise(
    number="9.3",
    title="Persistent evolution strategies",
    task="Write pes(losses, noise, sigma): the estimate of every window, (windows, p), of losses (windows, particles).",
    call="pes(losses, noise, sigma)",
    first=(
        (np.array([[2.0, 1.0]]), np.array([[[0.5], [-0.5]]]), 0.5),
        (np.array([[2.0, 1.0], [3.0, 1.0]]), np.array([[[0.5], [-0.5]], [[1.0], [-1.0]]]), 0.5),
    ),
    inputs=lambda st: [
        st.tuples(tables(st, k, n), tables(st, k, n, p), one_from(st, (0.5, 1.0, 2.0)))
        for k, n, p in itertools.product((1, 2, 3), (2, 4), (1, 2))
    ],
    expected=_pes,
    mistakes={
        "The noise of this window alone: a loss feels the noise of all windows before it, too.": (
            lambda losses, noise, sigma: _pes(losses, noise, sigma, lambda noise: noise)
        ),
        "The noise is summed over the windows, its first axis; yours over the particles.": (
            lambda losses, noise, sigma: _pes(losses, noise, sigma, lambda noise: np.cumsum(noise, axis=1))
        ),
        "It is the noise that adds up from window to window; a loss is that of its own window.": (
            lambda losses, noise, sigma: _pes(np.cumsum(losses, axis=0), noise, sigma, lambda noise: noise)
        ),
        "The sum stops before this window; its own noise belongs to it.": (
            lambda losses, noise, sigma: _pes(losses, noise, sigma, lambda noise: np.cumsum(noise, axis=0) - noise)
        ),
        "Divided by σ, where the variance of the noise belongs, σ².": (
            lambda losses, noise, sigma: _pes(losses, noise, sigma, over=lambda n, sigma: n * sigma)
        ),
        "N counts the particles, and yours the windows, or both.": (
            lambda losses, noise, sigma: _pes(losses, noise, sigma, over=lambda n, sigma: len(losses) * sigma**2),
            lambda losses, noise, sigma: _pes(losses, noise, sigma, over=lambda n, sigma: losses.size * sigma**2),
        ),
        "A mean over particles divides by how many there are, not by one less.": (
            lambda losses, noise, sigma: _pes(losses, noise, sigma, over=lambda n, sigma: (n - 1) * sigma**2)
        ),
        "A mean over particles divides by how many there are.": (
            lambda losses, noise, sigma: _pes(losses, noise, sigma, over=lambda n, sigma: sigma**2)
        ),
        "The variance σ² is missing: the noise has it twice, in ε and in the loss.": (
            lambda losses, noise, sigma: _pes(losses, noise, sigma, over=lambda n, sigma: n)
        ),
        "The estimates of the windows are summed; an update is made after each, of its own losses.": (
            lambda losses, noise, sigma: _pes(losses, noise, sigma).sum(0)
        ),
        "Every window has the noise of all windows in it; what comes later cannot have changed this loss.": (
            lambda losses, noise, sigma: _pes(losses, noise, sigma, lambda n: np.broadcast_to(n.sum(0), n.shape))
        ),
    },
    facets={"there is more than one window": lambda losses, noise, sigma: len(losses) > 1},
)  # fmt: skip

LESSON_9 = (RTRL_STEP, TRICK, PERSISTENT)
