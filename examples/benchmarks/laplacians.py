"""Sums of second and fourth derivatives of a tanh network at many points: in one pass, by nesting, and in JAX."""

from timing import rivals, show, take_turns

SIZES, POINTS = (16, 64, 64, 1), 64


def network(sizes, dtype):
    """The network of one number as a function of points ``(B, n)``, its parameters, and points."""
    import numpy as np

    from dualgrad import nn

    model = nn.networks.mlp(list(sizes), nn.Tanh)
    params = model.init(rng=0, dtype=dtype)
    points = np.random.default_rng(0).standard_normal((POINTS, sizes[0])).astype(dtype)
    return lambda x: model(params, x)[:, 0], params, points


def coordinates(x):
    """Each coordinate as a direction of all points."""
    import numpy as np

    return [np.broadcast_to(e, x.shape).astype(x.dtype) for e in np.eye(x.shape[1])]


def laplacian(args):
    """dg.laplacian against a jvp of a jvp along each coordinate, Taylor mode, and JAX."""
    import numpy as np

    import dualgrad as dg

    (jax,) = rivals("jax", smoke=args.smoke)

    def slope(f, v):
        return lambda x: dg.jvp(f, (x,), (v,))[1]

    found, rows = {}, []
    for dtype in (np.float64, np.float32):
        u, params, x = network(SIZES, dtype)
        units = coordinates(x)

        turns = {
            "network": lambda u=u, x=x: u(x),
            "dualgrad": lambda u=u, x=x: dg.laplacian(u, axis=-1)(x),
            "nested": lambda u=u, x=x, units=units: sum(slope(slope(u, e), e)(x) for e in units),
            "taylor": lambda u=u, x=x, units=units: sum(dg.taylor(u, x, e, 2)[2] for e in units),
            "taylor, K": lambda u=u, x=x, units=units: dg.taylor(u, x, np.stack(units), 2)[2].sum(0),
        }
        if jax:
            turns |= in_jax(jax, params, x)
            np.testing.assert_allclose(turns["jitted JAX"](), turns["dualgrad"](), rtol=1e-3, atol=1e-4)
        t = found[np.dtype(dtype).name] = take_turns(turns, args.rounds)
        rows.append([
            np.dtype(dtype).name, f"{t['dualgrad']:.0f}", f"{t.ratio('dualgrad', 'network'):.1f} (18)",
            f"{1 / t.ratio('dualgrad', 'nested'):.1f} (>= 5)", f"{1 / t.ratio('dualgrad', 'taylor'):.1f}",
            f"{t.ratio('taylor', 'taylor, K'):.1f}", t.versus("JAX", 1.0), t.versus("jitted JAX", 2.0),
        ])  # fmt: skip
    header = [
        "dtype", "dualgrad", "forward passes", "nested / dualgrad", "taylor / dualgrad", "16 taylor / one of 16",
        "/ JAX", "/ jitted JAX",
    ]  # fmt: skip
    show(f"Laplacian of a {'-'.join(map(str, SIZES))} tanh network at {POINTS} points", header, rows)
    return found


def in_jax(jax, params, x):
    """The sum over coordinates of a jvp of a jvp, under vmap over coordinates and points, op by op and compiled."""
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    layers = [(jnp.asarray(params[f"{k}.weight"]), jnp.asarray(params[f"{k}.bias"])) for k in (0, 2, 4)]
    x, units = jnp.asarray(x), jnp.eye(x.shape[1], dtype=x.dtype)

    def u(x):
        for w, b in layers[:-1]:
            x = jnp.tanh(x @ w + b)
        w, b = layers[-1]
        return (x @ w + b)[0]

    def one(x):
        def second(e):
            return jax.jvp(lambda x: jax.jvp(u, (x,), (e,))[1], (x,), (e,))[1]

        return jax.vmap(second)(units).sum()

    many = jax.vmap(one)
    fast = jax.jit(many)
    return {"JAX": lambda: jax.block_until_ready(many(x)), "jitted JAX": lambda: jax.block_until_ready(fast(x))}


def biharmonic(args):
    """dg.biharmonic against the Laplacian of the Laplacian, and four jvp inside each other along pairs."""
    import numpy as np

    import dualgrad as dg

    def fourth(u, a, b):
        for e in (a, a, b, b):
            u = lambda x, u=u, e=e: dg.jvp(u, (x,), (e,))[1]  # noqa: E731
        return u

    found, rows = {}, []
    for n in (2, 3, 8):
        u, _, x = network((n, *SIZES[1:]), np.float64)
        units = coordinates(x)

        turns = {
            "dualgrad": lambda u=u, x=x: dg.biharmonic(u, axis=-1)(x),
            "twice": lambda u=u, x=x: dg.laplacian(dg.laplacian(u, axis=-1), axis=-1)(x),
            "nested": lambda u=u, x=x, es=units: sum(fourth(u, a, b)(x) for a in es for b in es),
        }
        t = found[n] = take_turns(turns, max(2, args.rounds // 3))
        rows.append([n, f"{t['dualgrad']:.0f}", *(f"{t.ratio(k, 'dualgrad'):.1f}" for k in ("twice", "nested"))])
    header = ["n", "dualgrad", "Laplacian twice / dualgrad", "nested / dualgrad"]
    show(f"Biharmonic operator of an n-64-64-1 tanh network at {POINTS} points, float64", header, rows)
    return found


TABLES = {"laplacian": laplacian, "biharmonic": biharmonic}
