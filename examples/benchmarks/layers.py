"""Speed of the layers against their rivals: recurrent, convolutional, norms, pools and activations, in float32."""

from timing import rivals, show, take_turns

UNITS, BATCH, STEPS, SYMBOLS = 128, 32, 60, 10


def copy_network():
    """The LSTM of the copy task: one-hot symbols in, logits out, cross-entropy at every step."""
    import numpy as np

    from dualgrad import nn

    model = nn.Sequential(nn.LSTM(SYMBOLS, UNITS), nn.Linear(UNITS, SYMBOLS))
    rng = np.random.default_rng(0)
    symbols = rng.integers(0, SYMBOLS, (STEPS, BATCH))
    x = np.eye(SYMBOLS, dtype=np.float32)[symbols]
    return nn.Objective(model, nn.cross_entropy).bind(x, symbols), model.init(rng=0)


def lstm(args):
    """jvp of the copy network along a dense direction, and a training step with LowRank signs."""
    import dualgrad as dg

    torch, jax = rivals("torch", "jax", smoke=args.smoke)
    objective, params = copy_network()
    v = dg.directions.Gaussian().sample(params, rng=1)
    rng, sgd = dg.Rng(0), dg.optim.SGD(lr=1e-7)
    estimator = dg.estimators.ForwardGradient(directions=dg.directions.LowRank())

    def train():
        sgd.step(params, estimator.estimate(objective, params, rng=rng).gradient)

    turns, steps = {"dualgrad": lambda: dg.jvp(objective, (params,), (v,))}, {"dualgrad": train}
    turns["products"] = lstm_products()
    if torch:
        turns["torch"] = torch_lstm(torch, objective, params, v)
    if jax:
        turns["jax"], steps["jax"] = jax_lstm(jax, objective, params, v)
    t, u = take_turns(turns, args.rounds), take_turns(steps, args.rounds)
    rows = [
        [
            "jvp, dense",
            f"{t['dualgrad']:.0f}",
            t.versus("torch", 0.6),
            t.versus("jax", 2.0),
            f"{t.ratio('dualgrad', 'products'):.2f}",
        ],
        ["training step, LowRank signs", f"{u['dualgrad']:.0f}", "-", u.versus("jax", 1.7), "-"],
    ]
    header = ["work", "dualgrad", "/ torch forward AD", "/ jitted JAX scan", "/ products"]
    show("LSTM copy network, 128 units, batch 32, T = 60", header, rows)
    return {"jvp": t, "step": u}


def lstm_products():
    """The matrix products that the jvp cannot do without."""
    import numpy as np

    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    x, h, both = draw(BATCH, SYMBOLS), draw(BATCH, UNITS), draw(2 * BATCH, UNITS)
    wx, wh, wy = draw(SYMBOLS, 4 * UNITS), draw(UNITS, 4 * UNITS), draw(UNITS, SYMBOLS)
    out, twice = np.empty((BATCH, 4 * UNITS), np.float32), np.empty((2 * BATCH, 4 * UNITS), np.float32)

    def run():
        for _ in range(STEPS):
            np.matmul(x, wx, out=out)
            np.matmul(x, wx, out=out)
            np.matmul(both, wh, out=twice)
            np.matmul(h, wh, out=out)
            np.matmul(both, wy)
            np.matmul(h, wy)

    return run


def torch_lstm(torch, objective, params, v):
    """The same in torch's forward mode, which its own LSTM lacks: written out."""
    p, w = ({k: torch.tensor(a) for k, a in q.items()} for q in (params, v))
    x, y = torch.tensor(objective.x), torch.tensor(objective.y)

    def loss(p):
        h = c = torch.zeros(BATCH, UNITS)
        total = 0.0
        for t in range(STEPS):
            z = x[t] @ p["0.weight_x"] + h @ p["0.weight_h"] + p["0.bias"]
            i, f, g, o = z.chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            total = total + torch.nn.functional.cross_entropy(h @ p["1.weight"] + p["1.bias"], y[t])
        return total / STEPS

    return lambda: torch.func.jvp(loss, (p,), (w,))


def jax_lstm(jax, objective, params, v):
    """The same in JAX, a jitted scan; and its training step with dense signs."""
    jnp = jax.numpy
    x, y = jnp.asarray(objective.x), jnp.asarray(objective.y)
    p, w = ({k: jnp.asarray(a) for k, a in q.items()} for q in (params, v))

    def loss(p):
        def step(state, now):
            h, c = state
            z = now[0] @ p["0.weight_x"] + h @ p["0.weight_h"] + p["0.bias"]
            i, f, g, o = jnp.split(z, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            logits = jax.nn.log_softmax(h @ p["1.weight"] + p["1.bias"])
            return (h, c), -jnp.mean(jnp.take_along_axis(logits, now[1][:, None], 1))

        zero = jnp.zeros((BATCH, UNITS))
        return jnp.mean(jax.lax.scan(step, (zero, zero), (x, y))[1])

    push = jax.jit(lambda p, w: jax.jvp(loss, (p,), (w,)))

    def one(p, key):
        keys = dict(zip(p, jax.random.split(key, len(p) + 1)[1:], strict=True))
        u = {k: jax.random.rademacher(keys[k], a.shape, dtype=a.dtype) for k, a in p.items()}
        d = jax.jvp(loss, (p,), (u,))[1]
        return {k: a - 1e-7 * d * u[k] for k, a in p.items()}, jax.random.split(key)[0]

    train, state = jax.jit(one), {"now": (p, jax.random.key(0))}

    def step():
        state["now"] = jax.block_until_ready(train(*state["now"]))

    return lambda: jax.block_until_ready(push(p, w)), step


def conv(args):
    """A training step of the convolutional network of Baydin et al., batch 32."""
    import numpy as np

    import dualgrad as dg
    from dualgrad import nn

    (torch,) = rivals("torch", smoke=args.smoke)
    model = nn.networks.conv_baydin()
    params, rng, sgd = model.init(rng=0), dg.Rng(0), dg.optim.SGD(lr=1e-9)
    data = np.random.default_rng(0)
    x, y = data.standard_normal((BATCH, 28, 28, 1)).astype(np.float32), data.integers(0, 10, BATCH)
    objective = nn.Objective(model, nn.cross_entropy).bind(x, y)
    estimator = dg.estimators.ForwardGradient(directions=dg.directions.LowRank())

    def train():
        sgd.step(params, estimator.estimate(objective, params, rng=rng).gradient)

    turns = {"dualgrad": train, "forward": lambda: objective(params)}
    if torch:
        t = torch.nn
        layers = [f for a in (1, 64, 64, 64) for f in (t.Conv2d(a, 64, 3, padding=1), t.ReLU())]
        layers = [*layers[:4], t.MaxPool2d(2), *layers[4:], t.MaxPool2d(2), t.Flatten(), t.Linear(3136, 1024), t.ReLU()]
        network = t.Sequential(*layers, t.Linear(1024, 10))
        p = {k: a.detach() for k, a in network.named_parameters()}
        tx, ty = torch.tensor(x).permute(0, 3, 1, 2).contiguous(), torch.tensor(y)

        def loss(p):
            return t.functional.cross_entropy(torch.func.functional_call(network, p, (tx,)), ty)

        def torch_train():
            with torch.no_grad():
                u = {k: torch.randn_like(a) for k, a in p.items()}
                d = torch.func.jvp(loss, (p,), (u,))[1]
                for k, a in p.items():
                    a.sub_(u[k], alpha=float(1e-9 * d))

        turns["torch"] = torch_train
    found = take_turns(turns, max(3, args.rounds // 3))
    row = [f"{found['dualgrad'] / 1e3:.0f} ms", f"{found['forward'] / 1e3:.0f} ms", found.versus("torch", 0.9)]
    show(
        "Training step of the conv net of Baydin et al., batch 32",
        ["LowRank signs", "forward", "/ torch, dense"],
        [row],
    )
    return found


def images(args):
    """jvp of norms and pooling at (32, 28, 28, 64)."""
    import numpy as np

    import dualgrad as dg
    from dualgrad import nn

    (torch,) = rivals("torch", smoke=args.smoke)
    rng, found, rows = np.random.default_rng(0), {}, []
    x, dx = (rng.standard_normal((32, 28, 28, 64)).astype(np.float32) for _ in range(2))
    cases = {
        "BatchNorm": (nn.BatchNorm(64), {"train": True}, 1.1),
        "LayerNorm": (nn.LayerNorm(64), {}, 1.1),
        "MaxPool2d": (nn.MaxPool2d(2), {}, 1.5),
    }
    for name, (layer, keywords, bar) in cases.items():
        params = layer.init(rng=0)
        turns = {
            "dualgrad": lambda f=layer, p=params, k=keywords: dg.jvp(lambda x: f(p, x, **k), (x,), (dx,)),
            "forward": lambda f=layer, p=params, k=keywords: f(p, x, **k),
        }
        if torch:
            turns["torch"] = torch_image(torch, name, x, dx)
        t = found[name] = take_turns(turns, args.rounds)
        rows.append([name, f"{t['dualgrad']:.0f}", f"{t['forward']:.0f}", t.versus("torch", bar)])
    show("jvp at (32, 28, 28, 64)", ["layer", "jvp", "forward", "/ torch forward AD"], rows)
    return found


def torch_image(torch, name, x, dx):
    """torch's jvp of the same layer, in torch's own layout."""
    import numpy as np

    functional, one, zero = torch.nn.functional, torch.ones(64), torch.zeros(64)
    layer = {
        "BatchNorm": lambda x: functional.batch_norm(x, None, None, one, zero, training=True),
        "LayerNorm": lambda x: functional.layer_norm(x, (64,), one, zero),
        "MaxPool2d": lambda x: functional.max_pool2d(x, 2),
    }[name]
    last = name == "LayerNorm"
    x, dx = (torch.tensor(a if last else np.ascontiguousarray(np.moveaxis(a, -1, 1))) for a in (x, dx))
    return lambda: torch.func.jvp(layer, (x,), (dx,))


def activations(args):
    """jvp over forward at a million entries."""
    import numpy as np

    import dualgrad as dg
    from dualgrad import nn

    rng, found, rows = np.random.default_rng(0), {}, []
    x, dx = (rng.standard_normal((1000, 1000)).astype(np.float32) for _ in range(2))
    slow = [(layer, 2.3) for layer in (nn.Sigmoid(), nn.SiLU(), nn.GELU(), nn.Softplus())]
    for layer, bar in [(nn.ReLU(), 3.5), (nn.Tanh(), 3.5), *slow]:
        turns = {
            "dualgrad": lambda f=layer: dg.jvp(lambda x: f({}, x), (x,), (dx,)),
            "forward": lambda f=layer: f({}, x),
        }
        t = found[repr(layer)] = take_turns(turns, args.rounds)
        rows.append([repr(layer), f"{t['dualgrad']:.0f}", f"{t['forward']:.0f}", t.versus("forward", bar)])
    show("jvp at 1,000,000 entries", ["layer", "jvp", "forward", "/ forward"], rows)
    return found


TABLES = {"lstm": lstm, "conv": conv, "images": images, "activations": activations}
