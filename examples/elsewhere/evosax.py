"""Evolution strategies of evosax, through ask and tell; an optimizer that moves nothing keeps what it is handed."""

import numpy as np
from elsewhere.case import Case
from elsewhere.unrolled import SIGMA, WEIGHTS, gradients, persistent, reused

PACKAGE = "evosax"
G = np.array([1.0, -2.0, 0.5, 3.0])


def cases():
    """The rows of the catalogue."""
    import jax
    import jax.numpy as jnp
    import optax
    from evosax.algorithms import ESMC, PGPE, GuidedES, NoiseReuseES, Open_ES, PersistentES, xNES
    from evosax.core.fitness_shaping import identity_fitness_shaping_fn as raw

    keep = optax.GradientTransformation(lambda p: p, lambda g, _, p=None: (jnp.zeros_like(g), g))
    constant = optax.constant_schedule(SIGMA)

    def generation(es, loss, theta, key, **more):
        """The state after one generation, its parameters and its state before."""
        start, ask, tell = jax.random.split(key, 3)
        params = es.default_params.replace(**more.pop("params", {}))
        state = es.init(start, theta, params).replace(**more)
        population, state = es.ask(ask, state, params)
        return es.tell(tell, population, jax.vmap(loss)(population), state, params)[0]

    def gradient(es, loss, theta, **more):
        return lambda key: generation(es, loss, theta, key, **more).opt_state

    def unrolled(es):
        """The gradient of every window of two episodes."""

        def run(key):
            params = es.default_params.replace(T=len(WEIGHTS), K=1)
            state, s, found = es.init(key, jnp.ones(1), params), jnp.zeros(2), []
            for t in range(2 * len(WEIGHTS)):
                c = WEIGHTS[t % len(WEIGHTS)]
                ask, tell = jax.random.split(jax.random.fold_in(key, t))
                population, state = es.ask(ask, state, params)
                s = s / 2 + population[:, 0]
                state = es.tell(tell, population, c * s, state, params)[0]
                found.append(state.opt_state)
                s = jnp.zeros(2) if (t + 1) % len(WEIGHTS) == 0 else s
            return jnp.concatenate(found)

        return run

    theta = jnp.array([0.5, -1.0])
    cubic = lambda x: x[0] ** 3 - 2 * x[1]  # noqa: E731
    smoothed = np.array([3 * (0.25 + SIGMA**2), -2])
    for antithetic in (True, False):
        es = Open_ES(2, theta, antithetic, keep, constant, raw)
        kind = "antithetic" if antithetic else "independent"
        yield Case(
            f"Open_ES, {kind}, raw fitness", "θ₀³ - 2 θ₁, population 2", "gradient of E f(θ + σ z)", smoothed,
            gradient(es, cubic, theta), "jax",
        )  # fmt: skip

    linear = lambda x: x @ G  # noqa: E731
    one = Open_ES(2, G, True, keep, constant, raw)
    yield Case(
        "Open_ES, one pair", "g·θ in 4 parameters", "mean g, variance g² + ‖g‖²", G,
        gradient(one, linear, jnp.zeros(4)), "jax", variance=G**2 + G @ G,
    )  # fmt: skip

    guide = jnp.eye(2)[0]
    guided = (np.eye(2) / 4 + np.outer(guide, guide) / 2) @ G[:2]
    for pairs in (1, 2, 4, 8):
        es = GuidedES(2 * pairs, G[:2], 1, keep, constant)
        yield Case(
            f"GuidedES, {pairs} pair" + "s" * (pairs > 1), "g·θ in 2 parameters, guide e₀, α = 1/2",
            "(α/n + (1 - α)/k Q Qᵀ) g, whatever the number of pairs", guided,
            gradient(es, lambda x: x @ G[:2], jnp.zeros(2), grad=guide), "jax",
            found=pairs * guided if pairs > 1 else None, where="guided_es.py, GuidedES._tell" if pairs > 1 else "",
            cause="" if pairs == 1 else "the pairs are summed, not averaged: `grad` is divided by 2 σ², not by the "
            "number of pairs; the default optimizer is plain SGD, whose step grows with the population",
        )  # fmt: skip

    early = lambda t: jnp.where(t < 1, SIGMA, SIGMA / 2)  # noqa: E731
    late = lambda t: jnp.where(t < 2, SIGMA, SIGMA / 2)  # noqa: E731
    inside = [SIGMA, SIGMA, *[SIGMA / 2] * 4]  # a generation late: schedule(0) serves generations 0 and 1
    ends = [False, False, True] * 2
    text = "s' = s/2 + θ, losses c_t s, c = (1, -2, 3), two episodes"
    claim = "gradient of every window's loss"
    out_of_scale = (
        "right for a constant σ, or one that changes at ends of episodes; the schedule is read one "
        "generation late, and "
    )
    for es, name, formula, file, why in (
        (PersistentES, "PersistentES", lambda sigmas: persistent(sigmas, ends), "persistent_es.py",
         "a sum of perturbations of several σ is divided by the last σ²"),
        (NoiseReuseES, "NoiseReuseES", reused, "noise_reuse_es.py",
         "a perturbation drawn at the first window's σ is divided by the last σ²"),
    ):  # fmt: skip
        make = lambda schedule, es=es: unrolled(es(2, jnp.ones(1), keep, schedule))  # noqa: E731
        yield Case(name, text, claim, gradients(), make(constant), "jax")
        yield Case(f"{name}, σ halved between episodes", text, claim, gradients(), make(late), "jax")
        yield Case(
            f"{name}, σ halved inside an episode", text, claim, gradients(), make(early), "jax", found=formula(inside),
            verdict="depends on use",
            where=f"{file}, {name}._tell", cause=out_of_scale + why,
        )  # fmt: skip

    es = ESMC(4, G, keep, constant)
    yield Case(
        "ESMC", "g·θ in 4 parameters", "σ times the gradient, for a linear loss", SIGMA * G,
        gradient(es, linear, jnp.zeros(4)), "jax",
    )  # fmt: skip

    a = np.array([1.0, -3.0])
    square = lambda x: x**2 @ a  # noqa: E731
    es = PGPE(4, theta, keep, raw)
    sigma = {"params": {"std_init": SIGMA, "std_lr": 1e-6}}
    yield Case(
        "PGPE, mean", "Σ a_i θ_i², 2 pairs", "σ² times the gradient for the mean", SIGMA**2 * 2 * a * np.asarray(theta),
        gradient(es, square, theta, **sigma), "jax",
    )  # fmt: skip
    yield Case(
        "PGPE, standard deviation", "Σ a_i θ_i², 2 pairs", "σ² times the gradient for σ", 2 * a * SIGMA**3,
        lambda key, es=es: (SIGMA - generation(es, square, theta, key, **sigma).std) / 1e-6, "jax", found=a * SIGMA**3,
        verdict="narrower",
        where="pgpe.py, PGPE._tell",
        cause="shrunk by 1 - 1/P for P pairs: the baseline is the mean of all fitnesses, the pair's own among them",
    )  # fmt: skip

    es = xNES(4, jnp.zeros(2), keep, raw)
    rate = 1e-6
    yield Case(
        "xNES, off-diagonal of B", "θ₀ θ₁ at 0, σ = 1, population 4",
        "the step of B along Σ f (z zᵀ - 1), whose mean is 4 off the diagonal", 4.0,
        lambda key: generation(
            es, lambda x: x[0] * x[1], jnp.zeros(2), key, params={"std_init": 1.0, "lr_B": rate}
        ).B[0, 1] * 2 / rate,
        "jax", found=0.0,
        where="xnes.py, xNES._tell",
        cause="`B * jnp.exp(...)` is taken entry by entry, where xNES has the product with a matrix exponential: "
        "entries that are 0, as all off the diagonal at the start, stay 0",
    )  # fmt: skip
