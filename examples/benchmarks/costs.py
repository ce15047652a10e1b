"""What an estimate costs, in forward passes of plain NumPy, at three widths: the cost columns of the docs."""

from timing import show, take_turns

WIDTHS, CLASSES, BATCH = (64, 512, 2048), 10, 128
LONG = 20.0  # forward passes, above which an estimate takes a third of the turns


def costs(args):
    """Every estimator that a network without a past can have, but those of 1 + 2p passes; no update but MeZO's own."""
    found, rows = {}, {}
    widths = (16,) if args.smoke else WIDTHS
    for width in widths:
        forward, batch, params = network(width)
        calls = estimates(batch, params)
        first = take_turns({"forward": forward} | {name: call for name, (_, call) in calls.items()}, 1)
        times = found[width] = {}
        for group in (False, True):
            some = {k: c for k, (_, c) in calls.items() if (first[k] > LONG * first["forward"]) is group}
            if some:
                turns = take_turns({"forward": forward} | some, max(2, args.rounds // (3 if group else 1)))
                times |= {name: turns.ratio(name, "forward") for name in some}
    for name, (stated, _) in calls.items():
        rows[name] = [name, stated, *(f"{found[width][name]:.2f}" for width in widths)]
    header = ["estimate", "stated", *(f"{w}-{w}-{w}-{CLASSES}" for w in widths)]
    show(f"Cost in forward passes of plain NumPy, batch {BATCH}, float32", header, list(rows.values()))
    return found


def network(width):
    """A forward pass with cross-entropy in plain NumPy; the same objective, and its parameters."""
    import numpy as np

    from dualgrad import nn

    model = nn.networks.mlp((width, width, width, CLASSES))
    rng, params = np.random.default_rng(0), model.init(rng=0)
    x, y = rng.standard_normal((BATCH, width), dtype=np.float32), rng.integers(0, CLASSES, BATCH)
    layers, rows = [(params[f"{k}.weight"], params[f"{k}.bias"]) for k in (0, 2, 4)], np.arange(BATCH)

    def forward():
        z = x
        for k, (w, b) in enumerate(layers):
            z = z @ w
            z += b
            if k < 2:
                np.maximum(z, 0, out=z)
        z -= z.max(axis=1, keepdims=True)
        return np.mean(np.log(np.exp(z).sum(axis=1)) - z[rows, y])

    return forward, nn.Objective(model, nn.cross_entropy).bind(x, y), params


def estimates(batch, params):
    """Name -> what the docs say an estimate costs, and a call that makes one."""
    import dualgrad as dg
    from dualgrad import directions, estimators

    rng = dg.Rng(0)

    def estimate(estimator):
        return lambda: estimator.estimate(batch, params, rng=rng)

    def step(mezo):  # whose parameters stay where they are
        return lambda: mezo.step(batch, params, lr=0.0, rng=rng)

    def along(direction, n=1):
        return estimate(estimators.ForwardGradient(direction, n=n))

    calls = {
        "objective(params)": ("1", lambda: batch(params)),
        "ForwardGradient(LowRank())": ("2", along(directions.LowRank())),
        "ForwardGradient(Rademacher())": ("3", along(directions.Rademacher())),
        "ForwardGradient(Gaussian())": ("3", along(directions.Gaussian())),
        "... LowRank(), n=16": ("17", along(directions.LowRank(), 16)),
        "... Rademacher(), n=16": ("33", along(directions.Rademacher(), 16)),
        "... Hadamard(low_rank=True), n=16": ("17", along(directions.Hadamard(low_rank=True), 16)),
        "Dodge(Oracle())": ("6", estimate(estimators.Dodge(estimators.Oracle()))),
        "SPSA()": ("2", estimate(estimators.SPSA())),
        "MeZO().step": ("2", step(estimators.MeZO())),
        "MeZO(directions=Rademacher()).step": ("2", step(estimators.MeZO(directions=directions.Rademacher()))),
        "Backprop()": ("3", estimate(estimators.Backprop())),
    }
    for kind, twice, once in (
        (estimators.ActivationPerturbation, 4, 3), (estimators.ActivationMixing, 4, 3),
        (estimators.TransposedWeight, 6, 4), (estimators.Downstream, 6, 4), (estimators.SelfSharpening, 6, 4),
    ):  # fmt: skip
        calls[f"{kind.__name__}()"] = f"{twice}", estimate(kind())
        calls[f"{kind.__name__}(store=True)"] = f"{once}", estimate(kind(store=True))
    return calls


TABLES = {"costs": costs}
