"""Speed of dualgrad against its rivals, measured in one run on one core, the contestants taking turns.

    python examples/benchmarks/bench.py            every table of docs/benchmarks.md and differential-equations.md
    python examples/benchmarks/bench.py --smoke    dualgrad alone, a few rounds: does it run?

A figure is the best time over the rounds. A ratio is the median, over the rounds, of the ratio of two neighbouring
turns, so that a machine that changes its pace changes it for both. Rivals that are not installed are left out. Every
library is held to one thread and one core, and chooses its kernels itself.
"""

import argparse
import json
import os
import sys
import timeit

import costs
import guesses
import laplacians
import layers
import sensitivities
import small
import sparse
import streams
from timing import rivals, show, take_turns

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
TUNING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # would tie down NumPy's BLAS and nobody else's
SIZES = (784, 512, 512, 10)
SIDES = ("Dual", "its NumPy calls")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a few rounds, without rivals")
    parser.add_argument("--only", nargs="+", choices=list(TABLES), help="run only these tables")
    parser.add_argument("--rounds", type=int, default=15, help="turns each contestant takes (default 15)")
    parser.add_argument("--json", metavar="PATH", help="also write the figures as JSON")
    args = parser.parse_args()
    wanted = {k: v for k, v in (os.environ | ONE_THREAD).items() if k not in TUNING}
    if wanted != os.environ:  # the libraries read it when they are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if args.smoke:
        args.rounds = 2
    print(machine())
    results = {name: TABLES[name](args) for name in args.only or TABLES}
    if args.json:
        with open(args.json, "w") as file:
            json.dump(results, file, indent=1)


def machine():
    import numpy as np

    try:
        from threadpoolctl import threadpool_info

        blas = ", ".join(f"{lib['internal_api']} {lib.get('architecture', '')}" for lib in threadpool_info())
    except ImportError:
        blas = "unknown BLAS"
    return f"NumPy {np.__version__}, {blas}, one core; best of the rounds, in microseconds\n"


# ---------------------------------------------------------------------- one operation


def overhead(args):
    """What one operation on a 4-element Dual costs over the NumPy calls that its rule makes."""
    import numpy as np

    import dualgrad as dg

    x, v = np.linspace(0.1, 1.0, 4), np.ones(4)
    found = {}

    def inside(a):
        b = a * 1.0

        def guard(d):  # 0 * inf = 0: one look for NaN
            return d.dot(d)

        calls = {
            "a * b": (lambda: a * b, lambda: (x * x, np.add(v * x, x * v), guard(v))),
            "a * 2.0": (lambda: a * 2.0, lambda: (x * 2.0, v * 2.0, guard(v))),
            "a + b": (lambda: a + b, lambda: (x + x, v + v)),
            "a + 2.0": (lambda: a + 2.0, lambda: (x + 2.0, v.copy())),
            "a / b": (lambda: a / b, lambda: (x / x, (v - x * v) / x, guard(v))),
            "-a": (lambda: -a, lambda: (-x, -v)),
            "np.exp": (lambda: np.exp(a), lambda: (np.exp(x), x * v, guard(v))),
            "np.tanh": (lambda: np.tanh(a), lambda: (np.tanh(x), v / np.square(np.cosh(x)))),
            "np.sqrt": (lambda: np.sqrt(a), lambda: (np.sqrt(x), v / (2 * x), guard(v))),
            "np.sin": (lambda: np.sin(a), lambda: (np.sin(x), np.cos(x) * v, guard(v))),
            "np.sum": (lambda: np.sum(a), lambda: (np.add.reduce(x, axis=None), np.add.reduce(v, axis=None))),
            "a[1:]": (lambda: a[1:], lambda: (x[1:], v[1:])),
            "a @ b": (lambda: a @ b, lambda: (np.matmul(x, x), np.matmul(v, x) + np.matmul(x, v))),
        }
        turns = {(name, side): call for name, pair in calls.items() for side, call in zip(SIDES, pair, strict=True)}
        found.update(take_turns(turns, 2 * args.rounds, 0.005))
        return a

    dg.jvp(inside, (x,), (v,))
    times = {name: (found[name, SIDES[0]], found[name, SIDES[1]]) for name, _ in list(found)[::2]}
    rows = [[name, f"{ours:.2f}", f"{numpy:.2f}", f"{ours - numpy:.2f}"] for name, (ours, numpy) in times.items()]
    rows.append(["mean", "", "", f"{sum(ours - numpy for ours, numpy in times.values()) / len(times):.2f}"])
    show("Overhead of one operation (4 entries; bar: 1.2)", ["operation", *SIDES, "overhead"], rows)
    return times


def chain(args):
    """sum(tanh(x*x + 2) * exp(-x)), one direction."""
    import numpy as np

    import dualgrad as dg

    torch, autograd = rivals("torch", "autograd", smoke=args.smoke)
    found, rows = {}, []
    for n in (4, 64, 1000):
        x, v = np.linspace(0.1, 1.0, n), np.ones(n)

        def f(x):
            return np.sum(np.tanh(x * x + 2) * np.exp(-x))

        turns = {"dualgrad": lambda x=x, v=v, f=f: dg.jvp(f, (x,), (v,)), "numpy value": lambda x=x, f=f: f(x)}
        if torch:
            tx, tv = torch.tensor(x), torch.tensor(v)

            def h(x):
                return torch.sum(torch.tanh(x * x + 2) * torch.exp(-x))

            turns["torch"] = lambda tx=tx, tv=tv, h=h: torch.func.jvp(h, (tx,), (tv,))
        if autograd:
            import autograd.numpy as anp

            def g(x):
                return anp.sum(anp.tanh(x * x + 2) * anp.exp(-x))

            turns["autograd"] = lambda x=x, v=v, g=g: autograd.make_jvp(g)(x)(v)
        t = found[n] = take_turns(turns, args.rounds)
        rows.append([
            n, f"{t['numpy value']:.1f}", f"{t['dualgrad']:.1f}", t.versus("torch", 0.12),
            t.versus("autograd", 0.35),
        ])  # fmt: skip
    show("jvp of sum(tanh(x*x + 2) * exp(-x))", ["n", "value", "dualgrad", "/ torch.func.jvp", "/ HIPS autograd"], rows)
    return found


# ---------------------------------------------------------------------- the network


def network(batch, sizes=SIZES, seed=0):
    """The 784-512-512-10 network with cross-entropy, its parameters and a batch, in float32."""
    import numpy as np

    from dualgrad import nn

    a, b, c, d = sizes
    model = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c), nn.ReLU(), nn.Linear(c, d))
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((batch, a)).astype(np.float32), rng.integers(0, d, batch)
    return nn.Objective(model, nn.cross_entropy).bind(x, y), model.init(rng=0)


def pairs(params):
    """Weights and biases layer by layer, as the rivals take them."""
    return [(params[f"{k}.weight"], params[f"{k}.bias"]) for k in (0, 2, 4)]


def jax_mean_loss(jax):
    """Cross-entropy of logits."""
    return lambda z, y: -jax.numpy.mean(jax.numpy.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1))


def jax_loss(jax):
    mean_loss = jax_mean_loss(jax)

    def loss(p, x, y):
        for k, (w, b) in enumerate(p):
            x = x @ w + b
            x = jax.nn.relu(x) if k < len(p) - 1 else x
        return mean_loss(x, y)

    return loss


def jax_jvp(jax):
    loss = jax_loss(jax)
    return jax.jit(lambda p, v, x, y: jax.jvp(lambda q: loss(q, x, y), (p,), (v,)))


def products(params, direction, batch):
    """The six matrix products that no jvp with dense tangents can do without."""
    import numpy as np

    rng = np.random.default_rng(1)
    one = [rng.standard_normal((batch, s)).astype(np.float32) for s in SIZES]
    two = [rng.standard_normal((2 * batch, s)).astype(np.float32) for s in SIZES]
    weights, tangents = ([w for w, _ in pairs(p)] for p in (params, direction))
    calls = [(one[0], weights[0]), (one[0], tangents[0])]
    for k in (1, 2):
        calls += [(two[k], weights[k]), (one[k], tangents[k])]
    outs = [np.empty((len(a), w.shape[1]), np.float32) for a, w in calls]

    def run():
        for (a, w), out in zip(calls, outs, strict=True):
            np.matmul(a, w, out=out)

    return run


def mlp(args):
    """jvp of the network along a dense direction."""
    import dualgrad as dg

    torch, jax = rivals("torch", "jax", smoke=args.smoke)
    found, rows = {}, []
    for batch, jax_bar in ((32, 1.3), (128, 1.2), (512, 1.15)):
        objective, params = network(batch)
        v = dg.directions.Gaussian().sample(params, rng=1)
        turns = {
            "dualgrad": lambda o=objective, p=params, v=v: dg.jvp(o, (p,), (v,)),
            "products": products(params, v, batch),
        }
        if torch:
            tp, tv = ([tuple(map(torch.tensor, pair)) for pair in pairs(q)] for q in (params, v))
            tx, ty = torch.tensor(objective.x), torch.tensor(objective.y)

            def torch_loss(p, tx=tx, ty=ty):
                x = tx
                for k, (w, b) in enumerate(p):
                    x = x @ w + b
                    x = torch.relu(x) if k < len(p) - 1 else x
                return torch.nn.functional.cross_entropy(x, ty)

            turns["torch"] = lambda f=torch_loss, p=tp, v=tv: torch.func.jvp(f, (p,), (v,))
        if jax:
            jp, jv = (jax.tree.map(jax.numpy.asarray, pairs(q)) for q in (params, v))
            jx, jy = jax.numpy.asarray(objective.x), jax.numpy.asarray(objective.y)
            fast = jax_jvp(jax)
            turns["jax"] = lambda f=fast, a=(jp, jv, jx, jy): jax.block_until_ready(f(*a))
        t = found[batch] = take_turns(turns, args.rounds)
        rows.append([
            batch, f"{t['dualgrad']:.0f}", t.versus("torch", 1.0),
            t.versus("jax", jax_bar), t.versus("products", 1.2),
            f"{t.ratio('products', 'jax'):.2f}" if jax else "-",
        ])  # fmt: skip
    header = ["batch", "dualgrad", "/ torch.func.jvp", "/ jitted JAX", "/ six products", "products / JAX"]
    show("jvp of the 784-512-512-10 network, dense tangent, float32", header, rows)
    return found


def step(args):
    """A whole training step with LowRank signs: draw a direction, jvp, SGD update."""
    import dualgrad as dg

    (jax,) = rivals("jax", smoke=args.smoke)
    found, rows = {}, []
    for batch, bar, same in ((32, 0.36, 1.4), (128, 0.47, 1.2), (512, 0.60, 1.1)):
        objective, params = network(batch)
        rng, sgd = dg.Rng(0), dg.optim.SGD(lr=1e-7)
        estimator = dg.estimators.ForwardGradient(directions=dg.directions.LowRank())

        def train(objective=objective, params=params, estimator=estimator, sgd=sgd, rng=rng):
            sgd.step(params, estimator.estimate(objective, params, rng=rng).gradient)

        turns = {"dualgrad": train}
        if jax:
            turns |= {f"jax {name}": jax_step(jax, objective, params, name) for name in ("rademacher", "normal")}
            turns["jax LowRank"] = jax_low_rank_step(jax, objective, params)
        t = found[batch] = take_turns(turns, args.rounds)
        faster = min((name for name in ("jax rademacher", "jax normal") if name in t), key=t.get, default=None)
        cells = [f"{t[k]:.0f}" if k in t else "-" for k in ("dualgrad", "jax rademacher", "jax normal", "jax LowRank")]
        rows.append([batch, *cells, t.versus(faster, bar), t.versus("jax LowRank", same)])
    header = ["batch", "dualgrad", "JAX rademacher", "JAX normal", "JAX LowRank", "/ the faster dense", "/ LowRank"]
    show("A training step there with LowRank signs: draw, jvp, SGD update", header, rows)
    return found


def jax_step(jax, objective, params, name):
    """JAX's training step: draw dense directions, jvp, SGD update, jitted, the parameters donated."""
    loss, draw = jax_loss(jax), getattr(jax.random, name)

    def one(p, key, x, y):
        leaves, tree = jax.tree.flatten(p)
        key, *keys = jax.random.split(key, len(leaves) + 1)
        v = tree.unflatten([draw(k, leaf.shape, dtype=leaf.dtype) for k, leaf in zip(keys, leaves, strict=True)])
        _, d = jax.jvp(lambda q: loss(q, x, y), (p,), (v,))
        return jax.tree.map(lambda w, u: w - 1e-7 * d * u, p, v), key

    return jax_run(jax, one, objective, params)


def jax_run(jax, one, objective, params):
    """A step of JAX, jitted, from one to the next."""
    fast = jax.jit(one, donate_argnums=(0,))
    state = {"now": (jax.tree.map(jax.numpy.array, pairs(params)), jax.random.key(0))}
    x, y = jax.numpy.asarray(objective.x), jax.numpy.asarray(objective.y)

    def run():
        state["now"] = jax.block_until_ready(fast(*state["now"], x, y))

    return run


def jax_low_rank_step(jax, objective, params):
    """The algorithm of our step in JAX: signs a bᵀ that stay factors until the update, jitted, parameters donated."""
    jnp, mean_loss = jax.numpy, jax_mean_loss(jax)

    def signs(key, n):
        return jax.random.rademacher(key, (n,), dtype=jnp.float32)

    def one(p, key, x, y):
        key, *keys = jax.random.split(key, 3 * len(p) + 1)
        v = [
            (signs(keys[3 * k], w.shape[0]), signs(keys[3 * k + 1], w.shape[1]), signs(keys[3 * k + 2], len(b)))
            for k, (w, b) in enumerate(p)
        ]
        dx = None
        for k, ((w, b), (left, right, db)) in enumerate(zip(p, v, strict=True)):
            dz = (x @ left)[:, None] * right + db
            dz = dz if dx is None else dz + dx @ w
            z = x @ w + b
            x, dx = (z, dz) if k == len(p) - 1 else (jax.nn.relu(z), jnp.where(z > 0, dz, 0))
        _, d = jax.jvp(lambda z: mean_loss(z, y), (x,), (dx,))
        c = 1e-7 * d
        moved = zip(p, v, strict=True)
        return [(w - c * left[:, None] * right, b - c * db) for (w, b), (left, right, db) in moved], key

    return jax_run(jax, one, objective, params)


def many(args):
    """16 dense directions in one pass, batch 128."""
    import dualgrad as dg

    (jax,) = rivals("jax", smoke=args.smoke)
    objective, params = network(128)
    v = dg.directions.Gaussian().sample(params, rng=1, n=16)
    turns = {"dualgrad": lambda: dg.jvp(objective, (params,), (v,))}
    if jax:
        loss = jax_loss(jax)
        jp, jv = (jax.tree.map(jax.numpy.asarray, pairs(q)) for q in (params, v))
        x, y = jax.numpy.asarray(objective.x), jax.numpy.asarray(objective.y)

        def along(p, x, y):
            return lambda u: jax.jvp(lambda q: loss(q, x, y), (p,), (u,))[1]

        mapped = jax.jit(lambda p, v, x, y: jax.vmap(along(p, x, y))(v))
        looped = jax.jit(lambda p, v, x, y: jax.lax.map(along(p, x, y), v))
        turns["jax vmap"] = lambda: jax.block_until_ready(mapped(jp, jv, x, y))
        turns["jax lax.map"] = lambda: jax.block_until_ready(looped(jp, jv, x, y))
    t = take_turns(turns, max(3, args.rounds // 2))
    faster = min((name for name in t if name.startswith("jax")), key=t.get, default=None)
    cells = [f"{t[k]:.0f}" if k in t else "-" for k in ("dualgrad", "jax vmap", "jax lax.map")]
    header = ["dualgrad", "vmap(jvp)", "lax.map(jvp)", "/ the faster"]
    show("16 dense directions in one pass, batch 128", header, [[*cells, t.versus(faster, 1.15)]])
    return t


def signs(args):
    """Drawing random signs."""
    import numpy as np

    import dualgrad as dg

    rng, found, rows = dg.Rng(0), {}, []
    for count in (10_000, 1_000_000):
        t = take_turns({d: (lambda d=d, n=count: rng.signs(n, dtype=d)) for d in (np.float32, np.float64)}, args.rounds)
        found[count] = {np.dtype(d).name: us * 1000 / count for d, us in t.items()}
        rows.append([count, *(f"{ns:.2f}" for ns in found[count].values())])
    show("Drawing signs, nanoseconds an entry (bar: 1.5)", ["entries", "float32", "float64"], rows)
    return found


# ---------------------------------------------------------------------- higher derivatives


def taylor(args):
    """Taylor coefficients of tanh(x*x + 2) * exp(-x) along one direction."""
    import numpy as np

    import dualgrad as dg

    (jax,) = rivals("jax", smoke=args.smoke)

    def f(x):
        return np.tanh(x * x + 2) * np.exp(-x)

    def nested(x, order):
        g = lambda t: f(x + t * x)  # noqa: E731
        for _ in range(order):
            g = lambda t, g=g: dg.jvp(g, (t,), (np.float64(1.0),))[1]  # noqa: E731
        return g(np.float64(0.0))

    found, rows = {}, []
    for n, order in ((4, 3), (4, 6), (4, 10), (10000, 3), (10000, 6), (10000, 10)):
        x = np.linspace(0.1, 1.0, n)
        turns = {"dualgrad": lambda x=x, k=order: dg.taylor(f, x, x, k)}
        if order < 10:
            turns["nested jvp"] = lambda x=x, k=order: nested(x, k)
        if jax:
            turns |= jets(jax, x, order)
        t = found[f"{n}, order {order}"] = take_turns(turns, args.rounds)
        if order == 10 and not args.smoke:
            t["nested jvp"] = timeit.timeit(lambda x=x: nested(x, 10), number=1) * 1e6
        compiled = "-" if not jax else f"{t.ratio('dualgrad', 'jitted jet'):.2f}"
        rows.append([
            n, order, f"{t['dualgrad']:.0f}", f"{t['nested jvp'] / t['dualgrad']:.0f}" if "nested jvp" in t else "-",
            f"{t.ratio('dualgrad', 'jet'):.2f}" if jax else "-",
            t.versus("jitted jet", 5) if order == 10 and n > 4 else compiled,
        ])  # fmt: skip
    header = ["n", "order", "dualgrad", "nested jvp / dualgrad", "/ JAX jet", "/ jitted JAX jet"]
    show("Taylor coefficients of tanh(x*x + 2) * exp(-x), float64", header, rows)
    return found


def second(args):
    """Taylor coefficients to second order against a jvp of a jvp, of several programs."""
    import dualgrad as dg

    def slope(f, v):
        return lambda x: dg.jvp(f, (x,), (v,))[1]

    found, rows = {}, []
    for name, n, f, x, v in second_order_programs():
        twice = slope(slope(f, v), v)
        turns = {"dualgrad": lambda f=f, x=x, v=v: dg.taylor(f, x, v, 2), "nested": lambda x=x, twice=twice: twice(x)}
        t = found[f"{name}, {n}"] = take_turns(turns, args.rounds)
        rows.append([name, n, f"{t['dualgrad']:.0f}", t.versus("nested", 1.5)])
    show("Taylor coefficients to order 2, float64", ["program", "n", "dualgrad", "/ jvp of jvp"], rows)
    return found


def second_order_programs():
    """Name, size, function, point and direction."""
    import numpy as np

    from dualgrad import directions, nn

    rng = np.random.default_rng(0)
    for n in (4, 1000, 10000):
        x, side = np.linspace(0.1, 1.0, n), int(n**0.5)
        yield "tanh(x*x + 2) * exp(-x)", n, lambda x: np.tanh(x * x + 2) * np.exp(-x), x, x
        yield "sqrt(1 + x*x) / (1 + x) * log(x)", n, lambda x: np.sqrt(1 + x * x) / (1 + x) * np.log(x), x, x
        yield "arctan(x) * logaddexp(0, x)", n, lambda x: np.arctan(x) * np.logaddexp(0, x), x, x
        a, v = rng.standard_normal((side, side)) / side + 2 * np.eye(side), rng.standard_normal((side, side))
        yield "inv(a) @ a.T @ tanh(a)", n, lambda a: np.linalg.inv(a) @ a.T @ np.tanh(a), a, v
    for width in (4, 64, 512):
        model = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 10))
        params = model.init(rng=0, dtype=np.float64)
        x, y = rng.standard_normal((32, width)), rng.integers(0, 10, 32)
        objective = nn.Objective(model, nn.cross_entropy).bind(x, y)
        yield "network, cross-entropy", width, objective, params, directions.Gaussian().sample(params, rng=1)


def jets(jax, x, order):
    """JAX's Taylor mode on the same function, in its own float64, op by op and compiled."""
    jax.config.update("jax_enable_x64", True)
    jnp, jet = jax.numpy, __import__("jax.experimental.jet").experimental.jet.jet
    x = jnp.asarray(x)

    def coefficients(x):
        return jet(lambda x: jnp.tanh(x * x + 2) * jnp.exp(-x), (x,), ((x, *[0 * x] * (order - 1)),))

    fast = jax.jit(coefficients)
    return {
        "jet": lambda: jax.block_until_ready(coefficients(x)),
        "jitted jet": lambda: jax.block_until_ready(fast(x)),
    }


TABLES = {
    "overhead": overhead, "chain": chain, "mlp": mlp, "step": step, "many": many, "signs": signs, "taylor": taylor,
    "second": second,
}  # fmt: skip
for module in (laplacians, layers, guesses, small, costs, streams, sensitivities, sparse):
    TABLES |= module.TABLES

if __name__ == "__main__":
    main()
