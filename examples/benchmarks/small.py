"""Small networks: what dualgrad costs beside a forward pass in plain NumPy, on the network of examples/digits.py."""

from plain import network
from timing import show, take_turns

BATCH, CLASSES, INPUTS = 128, 10, 64
GOALS = {"objective(params)": 1.15, "LowRank": 2.8, "Rademacher": 3.4, "Adam": 0.45}
WIDTHS = (32, 64, 128, 256, 512, 1024)


def small(args):
    """The parts of a training step at 64-128-128-10, in forward passes; and LowRank against dense, by width."""
    t = parts(128, args.rounds)
    rows = [[name, f"{t[name]:.1f}", cell(t, name)] for name in t]
    show(f"A step of {name_of(128)}, batch {BATCH}, float32", ["part", "time", "/ forward pass in NumPy"], rows)
    found = {str(width): parts(width, args.rounds) for width in WIDTHS[: 2 if args.smoke else None]}
    rows = [
        [name_of(int(width)), *(f"{t.ratio(name, 'forward') :.2f}" for name in ("LowRank", "Rademacher")),
         f"{t.ratio('LowRank', 'Rademacher'):.2f}"] for width, t in found.items()
    ]  # fmt: skip
    header = ["network", "LowRank / forward", "dense / forward", "LowRank / dense (bar: 1)"]
    show(f"An estimate by width, batch {BATCH}, float32", header, rows)
    return {"parts": t, "widths": found}


def cell(t, name):
    """A part in forward passes, beside its goal."""
    ratio = t.ratio(name, "forward")
    return f"{ratio:.2f}" + (f" ({'<=' if ratio <= GOALS[name] else '>'} {GOALS[name]})" if name in GOALS else "")


def name_of(width):
    return f"{INPUTS}-{width}-{width}-{CLASSES}"


def parts(width, rounds):
    """The times of the forward pass, the objective, estimates and Adam's step, taking turns."""
    import numpy as np

    import dualgrad as dg
    from dualgrad import directions, estimators

    forward, objective, params = network((INPUTS, width, width, CLASSES), BATCH)
    stream, adam, gradient = dg.Rng(0), dg.optim.Adam(lr=1e-9), params.zeros_like()
    gradient.vector[:] = np.random.default_rng(0).standard_normal(gradient.size)

    def estimate(direction):
        estimator = estimators.ForwardGradient(direction)
        return lambda: estimator.estimate(objective, params, rng=stream)

    return take_turns(
        {
            "forward": forward,
            "objective(params)": lambda: objective(params),
            "LowRank": estimate(directions.LowRank()),
            "Rademacher": estimate(directions.Rademacher()),
            "Adam": lambda: adam.step(params, gradient),
        },
        rounds,
    )


TABLES = {"small": small}
