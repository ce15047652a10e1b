"""Speed of learning online: a step of each estimator against running the network, and RTRL against its products."""

import pathlib
import sys

from timing import show, take_turns

SYMBOLS = 3


def streams(args):
    """A leaky RNN of 20 units, one stream; the bar is 4 for NoBackTrack of rank one against a step and its loss."""
    from dualgrad import directions, online

    learners = {
        "NoBackTrack": online.NoBackTrack(), "NoBackTrack, rank 2": online.NoBackTrack(2),
        "NoBackTrack, rank 10": online.NoBackTrack(10), "UORO": online.UORO(), "KF-RTRL": online.KroneckerRTRL(),
        "SnAp(1)": online.SnAp(), "forward gradient": online.OnlineForwardGradient(directions.Rademacher()),
        "BPTT in windows of 15": online.TruncatedBPTT(15), "RTRL": online.RTRL(),
    }  # fmt: skip
    network, params, x = leaky(20)
    state = network.step(network.init_state, x, params)
    turns = {"the network": lambda: network.loss(network.step(state, x, params), 1, params)}
    for name, learner in learners.items():
        learner.start(network, params, rng=0)
        turns[name] = lambda learner=learner: learner.step(x, 1)
    t = take_turns(turns, args.rounds)
    rows = [[name, f"{t[name]:.0f}", f"{t.ratio(name, 'the network'):.2f}"] for name in turns]
    show("A step of a leaky RNN of 20 units, one stream", ["step", "dualgrad", "/ the network"], rows)
    return t


def rtrl(args):
    """RTRL at 128 units against the products that it must make, J G and H G; the bar is 1.5."""
    import numpy as np

    from dualgrad import online

    units = 16 if args.smoke else 128
    network, params, x = leaky(units)
    learner = online.RTRL().start(network, params)
    learner.step(x, 1)
    n, p = learner.memory.shape
    J, G, H = np.ones((n, n), np.float32) / n, np.ones((n, p), np.float32), np.ones(n, np.float32)
    out = np.empty_like(G)

    def products():
        np.matmul(J, G, out=out)
        return H @ out

    t = take_turns({"RTRL": lambda: learner.step(x, 1), "products": products}, args.rounds)
    ratio = t.ratio("RTRL", "products")
    show(f"RTRL of a leaky RNN of {units} units", ["", "µs", "/ products"],
         [["RTRL", f"{t['RTRL']:.0f}", f"{ratio:.2f}"], ["J G and H G", f"{t['products']:.0f}", "1"]])  # fmt: skip
    return t


def leaky(units):
    """A network, its parameters and an input."""
    import numpy as np

    from dualgrad import nn, online

    network = online.Network(nn.LeakyRNNCell(SYMBOLS, units, leak=0.5), nn.Linear(units, SYMBOLS), nn.cross_entropy)
    params = network.init(rng=0)
    params.vector[:] *= 0.5  # a network that forgets, however long it is run
    return network, params, np.eye(SYMBOLS, dtype=np.float32)[0]


def particles(args):
    """PES with 1,000 particles of influence balancing, as one batch and one by one; the bar is 20."""
    import dataclasses

    import numpy as np

    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    from influence_balancing import system

    from dualgrad import online

    count = 20 if args.smoke else 1000
    turns = {}
    for name, batched in (("batch", True), ("one by one", False)):
        pes = online.PersistentES(count, 0.1, window=1)
        pes.start(dataclasses.replace(system(), batched=batched), np.array(0.5), rng=0)
        turns[name] = lambda pes=pes: pes.step(None, 1.0)
    t = take_turns(turns, args.rounds)
    rows = [[name, f"{t[name]:.0f}", f"{t.ratio('one by one', name):.1f}"] for name in turns]
    show(f"A step of PES with {count:,} particles", ["particles", "µs", "times faster"], rows)
    return t


TABLES = {"streams": streams, "rtrl": rtrl, "particles": particles}
