"""Speed of guessing: a step of each guess against a forward-gradient step and a forward pass, on a 3 x 1024 MLP."""

import statistics

from timing import show, take_turns

SIZES, BATCH = (784, 1024, 1024, 1024, 10), 128
BAR = 1.8


def guess(args):
    """Estimate and SGD update; the bar of two passes is 1.8 times a forward-gradient step (LowRank) plus a pass."""
    import numpy as np

    import dualgrad as dg
    from dualgrad import directions, estimators, nn

    sizes = (16, 32, 10) if args.smoke else SIZES
    model = nn.networks.mlp(sizes)
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, sizes[0]), dtype=np.float32)
    batch = nn.Objective(model, nn.cross_entropy).bind(x, rng.integers(0, sizes[-1], BATCH))
    params, stream = model.init(rng=0), dg.Rng(0)

    def step(estimator):
        sgd = dg.optim.SGD(lr=1e-9)
        return lambda: sgd.step(params, estimator.estimate(batch, params, rng=stream).gradient)

    forward = {
        "LowRank signs": directions.LowRank(), "dense signs": directions.Rademacher(), "normals": directions.Gaussian(),
    }  # fmt: skip
    makers = {
        "activation": estimators.ActivationPerturbation, "mixing": estimators.ActivationMixing,
        "W^T": estimators.TransposedWeight, "downstream": estimators.Downstream,
    }  # fmt: skip
    turns = {"forward pass": lambda: batch(params), "backprop": step(estimators.Backprop())}
    turns |= {name: step(estimators.ForwardGradient(d)) for name, d in forward.items()}
    for store in (True, False):
        for name, make in makers.items():
            turns[f"{name}, {'stored' if store else 'two passes'}"] = step(make(noise="signs", store=store))
    t = take_turns(turns, args.rounds)
    rows = []
    for name in turns:
        cells = [f"{against(t, name, direction):.2f}" for direction in forward]
        if "two passes" in name:
            cells[0] += f" ({'<=' if float(cells[0]) <= BAR else '>'} {BAR})"
        rows.append([name, f"{t[name]:.0f}", *cells])
    title = f"A step by guessing, MLP {'-'.join(map(str, sizes))}, batch {BATCH}"
    show(title, ["step", "dualgrad", *(f"/ ({direction} + forward)" for direction in forward)], rows)
    return t


def against(t, name, direction):
    """The median over rounds of a step's time to that of a forward-gradient step and a forward pass."""
    rounds = zip(t.times[name], t.times[direction], t.times["forward pass"], strict=True)
    return statistics.median(a / (b + c) for a, b, c in rounds)


TABLES = {"guess": guess}
