"""What an estimate costs, in forward passes of plain NumPy, at three widths: the cost columns of the docs."""

from plain import network, recurrent_network
from timing import show, take_turns

WIDTHS, CLASSES, BATCH = (64, 512, 2048), 10, 128
LONG = 20.0  # forward passes, above which an estimate takes a third of the turns


def costs(args):
    """Every estimator but those of 1 + 2p passes: on an MLP, one that needs a past on an RNN. MeZO has its update."""
    widths, found, stated = (16,) if args.smoke else WIDTHS, {}, {}
    for width in widths:
        found[width] = {}
        for make, forward, *problem in (
            (estimates, *network((width, width, width, CLASSES), BATCH)),
            (estimates_of_the_past, *recurrent_network(width, CLASSES, BATCH)),
        ):
            calls = make(*problem)
            stated |= {name: passes for name, (passes, _) in calls.items()}
            found[width] |= measured(forward, {name: call for name, (_, call) in calls.items()}, args.rounds)
    rows = [[name, passes, *(f"{found[width][name]:.2f}" for width in widths)] for name, passes in stated.items()]
    header = ["estimate", "stated", *(f"{w}-{w}-{w}-{CLASSES}" for w in widths)]
    show(f"Cost in forward passes of plain NumPy, batch {BATCH}, float32", header, rows)
    return found


def measured(forward, calls, rounds):
    """The cost of each call; those that take long have fewer turns."""
    first, found = take_turns({"forward": forward} | calls, 1), {}
    for long in (False, True):
        some = {name: call for name, call in calls.items() if (first[name] > LONG * first["forward"]) is long}
        if some:
            turns = take_turns({"forward": forward} | some, max(2, rounds // (3 if long else 1)))
            found |= {name: turns.ratio(name, "forward") for name in some}
    return found


def estimates_of_the_past(batch, params):
    """The same of an estimator that goes back a few steps of a recurrent network."""
    import dualgrad as dg
    from dualgrad import estimators

    rng, dodge = dg.Rng(0), estimators.Dodge(estimators.TruncatedBPTT(3))
    return {"Dodge(TruncatedBPTT(3)), an RNN": ("6", lambda: dodge.estimate(batch, params, rng=rng))}


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
