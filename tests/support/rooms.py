"""Every class of `dualgrad.estimators` and `dualgrad.online` that works call by call: how it is made, and what on."""

import inspect
from functools import partial
from types import SimpleNamespace

import numpy as np

import dualgrad as dg
from dualgrad import directions, estimators, nn, online, optim, workers
from tests.support import strict

VALUES = {
    estimators.Estimator,
    estimators.Estimate,
    estimators.Diagnosis,
    estimators.Recommendation,
    estimators.Trial,
    estimators.Subspace,
    online.System,
    online.Network,
    online.StreamHistory,
    online.AfterRow,
}
EVERY = {
    thing
    for room in (estimators, online)
    for name in room.__all__
    if inspect.isclass(thing := getattr(room, name)) and thing not in VALUES
}


# ---------------------------------------------------------------------- what they work on


def plain(dtype=np.float64):
    """A function of a tree of parameters, another one at every call."""
    params = {"a": np.arange(6.0).reshape(2, 3).astype(dtype) / 7, "x": np.array([0.5, -0.25], dtype)}
    return params, lambda t, rng: by_shard(lambda p: np.sum(np.sin(p["a"] * (t + 1))) + np.sum(p["x"] ** 2) * p["x"][0])


def by_shard(loss):
    """A loss that is also a function of a shard, a whole number, and gives the loss of that."""
    return lambda p: (lambda q: loss(q) * (p + 0.5)) if isinstance(p, int) else loss(p)


def network(dtype=np.float64):
    """A bound perceptron, with Dropout from the run's own stream."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 2))
    objective = nn.Objective(model, nn.mse)

    def batch(t, rng):
        data = np.random.default_rng(t)
        x, y = data.standard_normal((5, 3)).astype(dtype), data.standard_normal((5, 2)).astype(dtype)
        return objective.bind(x, y, train=True, rng=rng)

    return model.init(rng=1, dtype=dtype), batch


def sequence(dtype=np.float64, sizes=(2, 3, 1)):
    """A bound recurrent network over five steps."""
    n, hidden, out = sizes
    model = nn.Sequential(nn.RNN(n, hidden), nn.Linear(hidden, out))

    def batch(t, rng):
        data = np.random.default_rng(t)
        x, y = data.standard_normal((5, 4, n)).astype(dtype), data.standard_normal((5, 4, out)).astype(dtype)
        return nn.Objective(model, nn.mse).bind(x, y)

    return model.init(rng=1, dtype=dtype), batch


def _step(s, x, p):
    lift = 0.0 if x is None else x["scale"] * x["u"] if isinstance(x, dict) else x
    return {"h": 0.6 * np.tanh(s["h"] + p["a"][..., 0, :]) + lift, "v": 0.5 * s["v"] + p["x"] * s["h"][..., :2]}


def _loss(s, y, p):
    return np.sum(s["v"] ** 2, axis=-1) + np.sum(s["h"] * p["a"][..., 1, :], axis=-1) + y


def system(dtype=np.float64, batched=False):
    """A system with trees for its state, parameters and inputs."""
    init = {"h": np.full(3, 0.1, dtype), "v": np.zeros(2, dtype)}
    params = {"a": np.arange(6.0).reshape(2, 3).astype(dtype) / 7, "x": np.array([0.5, -0.25], dtype)}
    inputs = [None, {"u": np.full(3, 0.5, dtype), "scale": 2}, np.full(3, -0.25, dtype)]
    return online.System(_step, _loss, init, batched=batched), params, lambda t: (inputs[t % 3], 0.25 * t)


def cells(dtype=np.float64, streams=2, batched=False):
    """A network of two cells over streams."""
    both = [nn.LeakyRNNCell(2, 3), nn.LSTMCell(3, 2)]
    net = online.Network(both, nn.Linear(2, 3), nn.cross_entropy, streams, batched=batched)
    data = dg.Rng(3).normal((12, streams, 2)).astype(dtype)
    return net, net.init(rng=1, dtype=dtype), lambda t: (data[t % 12], np.arange(streams) % 3)


def on_device(tree):
    """A tree with its arrays on the pretend device."""
    if isinstance(tree, dg.Params):
        return tree.to(SimpleNamespace(asarray=strict.device))
    return dg.tree.map_leaves(strict.device, tree)


# ---------------------------------------------------------------------- runs


class Run:
    """An estimator, its parameters and its stream, going on call by call; and all of it as plain data."""

    def __init__(self, make, place, seed=0, dtype=np.float64):
        (self.params, self.objective), self.rng = place(dtype), dg.Rng(seed)
        self.thing, self.t = make(), 0

    def call(self):
        """One call, and plain descent along what comes out of it; the numbers that did."""
        found = self.estimate(self.objective(self.t, self.rng))
        self.t += 1
        return self.moved(found)

    def estimate(self, objective):
        return self.thing.estimate(objective, self.params, rng=self.rng)

    def moved(self, found):
        if found is None:
            return [np.zeros(0)]
        if found.gradient is not None:
            for w, g in zip(dg.tree.leaves(self.params), dg.tree.leaves(found.gradient), strict=True):
                w[...] = w - (0.01 * g).astype(w.dtype)
        numbers = [found.value, found.cost, found.directional, *dg.tree.leaves(self.params)]
        return [np.array(dg.backend.to_numpy(n)) for n in numbers if n is not None]

    def state(self):
        return {"params": self.params, "rng": self.rng.state_dict(), "thing": self.thing.state_dict(), "t": self.t}

    def load(self, state):
        self.params, self.t = state["params"], state["t"]
        self.rng.load_state_dict(state["rng"])
        self.thing.load_state_dict(state["thing"])


class Steps(Run):
    """MeZO in place."""

    def estimate(self, objective):
        return self.thing.step(objective, self.params, lr=0.01, rng=self.rng)


class Learning(Run):
    """A learner that follows a stream, in episodes of six steps, beside its optimizer if that is its metric."""

    def __init__(self, make, place, seed=0, dtype=np.float64):
        self.system, self.params, self.data = place(dtype)
        self.rng, self.thing, self.t = dg.Rng(seed), make(), 0
        self.thing.start(self.system, self.params, rng=self.rng)

    def call(self):
        found = self.thing.step(*self.data(self.t))
        self.t += 1
        if self.t % 6 == 0:
            found = self.thing.close() if hasattr(self.thing, "close") and found is None else found
        metric = getattr(self.thing, "metric", None)
        if metric is not None:
            metric.step(self.params, found.gradient)
        after = self.moved(found)
        if self.t % 6 == 0:
            self.thing.reset()
        return after

    def state(self):
        metric = getattr(self.thing, "metric", None)
        return super().state() | {"metric": None if metric is None else metric.state_dict()}

    def load(self, state):
        self.params = state["params"]
        self.thing.start(self.system, self.params, rng=self.rng)  # as one goes on: with the parameters that were saved
        if state["metric"] is not None:
            self.thing.metric.load_state_dict(state["metric"])
        super().load(state)


# ---------------------------------------------------------------------- the catalogue

SIGNS, NORMALS = directions.Rademacher(), directions.Gaussian()
CRITIC = partial(estimators.QuadraticCritic, lr=0.01)
AVERAGING = partial(estimators.ForwardGradient, SIGNS, baseline=0.5)
EVOLVING = {"particles": (4, 6), "sigma": (0.1, 0.2), "perturbations": (None, partial(directions.LowRank))}
CRITICAL = estimators.SyntheticGradient, estimators.DeterministicPolicyGradient

# class -> how it runs, on what, and for each argument of its constructor two values, made anew at every use
CATALOGUE = {
    estimators.Backprop: (Run, network, {}),
    estimators.ForwardJacobian: (Run, plain, {"chunk": (None, 2)}),
    estimators.Oracle: (Run, plain, {"previous": (True, False)}),
    estimators.FiniteDifference: (Run, plain, {"eps": (1e-4, 1e-3)}),
    estimators.SPSA: (Run, plain, {"eps": (1e-4, 1e-3), "n": (2, 1), "directions": (None, NORMALS)}),
    estimators.MeZO: (Steps, plain, {"eps": (1e-4, 1e-3), "n": (2, 1), "directions": (None, SIGNS)}),
    estimators.ForwardGradient: (
        Run, network,
        {
            "directions": (NORMALS, SIGNS), "n": (2, 3), "combine": ("mean", "sum"), "baseline": (0.5, 0.25),
            "shrink": (False, True),
        },
    ),
    estimators.ActivationPerturbation: (
        Run, network, {"noise": ("normal", "signs"), "n": (2, 1), "store": (False, True), "local": (False, True)},
    ),
    estimators.ActivationMixing: (
        Run, network, {"noise": ("signs", "normal"), "n": (2, 1), "store": (False, True), "local": (False, True)},
    ),
    estimators.TransposedWeight: (
        Run, network,
        {
            "power": (1.0, 0.5), "noise": ("normal", "signs"), "n": (2, 1), "store": (True, False),
            "local": (False, True),
        },
    ),
    estimators.Downstream: (
        Run, network,
        {"layers": (1, 2), "noise": ("normal", "signs"), "n": (1, 2), "store": (False, True), "local": (False, True)},
    ),
    estimators.SelfSharpening: (
        Run, network, {"layers": (1, 2), "n": (2, 1), "store": (False, True), "local": (False, True)},
    ),
    estimators.MatchedCosine: (Run, plain, {"base": (AVERAGING, partial(AVERAGING, n=2)), "cosine": (0.5, 0.25)}),
    estimators.Reptile: (Run, network, {"inner_steps": (2, 1), "inner_lr": (0.1, 0.2)}),
    estimators.TruncatedBPTT: (Run, sequence, {"window": (3, 2), "random": (True, False)}),
    estimators.SyntheticGradient: (
        Run, sequence, {"critic": (CRITIC, partial(CRITIC, scale=0.5)), "window": (2, 3)},
    ),
    estimators.DeterministicPolicyGradient: (
        Run, sequence, {"critic": (CRITIC, partial(CRITIC, scale=0.5)), "window": (2, 3)},
    ),
    estimators.Dodge: (
        Run, plain, {"candidate": (AVERAGING, partial(estimators.Oracle, previous=True)), "decay": (0.5, 0.25)},
    ),
    estimators.Shared: (
        Run, plain,
        {
            "base": (partial(estimators.ForwardGradient, SIGNS, n=3), AVERAGING), "shards": (1, 2), "chunk": (1, 2),
            "exact": (False, True), "workers": (None, workers.Alone), "check": (100, None), "journal": (None, None),
        },
    ),
    online.RTRL: (Learning, cells, {}),
    online.BPTT: (Learning, cells, {}),
    online.UORO: (Learning, cells, {}),
    online.KroneckerRTRL: (Learning, cells, {}),
    online.SnAp: (Learning, cells, {"n": (1, 2)}),
    online.TruncatedBPTT: (Learning, cells, {"window": (4, 5)}),
    online.OnlineForwardGradient: (
        Learning, cells, {"directions": (NORMALS, SIGNS), "n": (2, 3), "combine": ("mean", "sum")},
    ),
    online.NoBackTrack: (
        Learning, cells,
        {
            "rank": (2, 3), "split": (False, True), "rescale": (True, False), "noise": ("signs", "gaussian"),
            "metric": (None, partial(optim.KalmanQDOP, 0.01)),
        },
    ),
    online.EvolutionStrategies: (Learning, partial(system, batched=True), EVOLVING),
    online.TruncatedES: (Learning, system, EVOLVING | {"window": (4, 5)}),
    online.NoiseReuseES: (Learning, system, EVOLVING | {"window": (4, 5)}),
    online.PersistentES: (Learning, system, EVOLVING | {"window": (4, 5), "analytic": (False, True)}),
}  # fmt: skip


def fresh(value):
    return value() if isinstance(value, partial) else value


def maker(cls, **changed):
    """A function that makes an object of the catalogue, with some arguments changed."""
    usual = {name: values[0] for name, values in CATALOGUE[cls][2].items()} | changed
    return lambda: cls(**{name: fresh(value) for name, value in usual.items()})


def telling(cls):
    """The arguments of a class of the catalogue that make a difference to what comes out."""
    return [name for name in CATALOGUE[cls][2] if name not in getattr(cls, "circumstances", ())]


def every_setting(wanted):
    """By name, every class of the catalogue that is wanted, with each of its arguments changed in turn: the class, a
    function that makes one, and what was changed."""
    return {
        f"{cls.__name__}({', '.join(changed)})": (cls, maker(cls, **changed), changed)
        for cls, (_, _, arguments) in CATALOGUE.items() if wanted(cls)
        for changed in [{}, *({name: arguments[name][1]} for name in telling(cls))]
    }  # fmt: skip


# ---------------------------------------------------------------------- more runs than one a class

MORE = {
    "Dodge(SnAp)": (Run, lambda: estimators.Dodge(online.SnAp(1), decay=0.5), sequence),
    "Dodge(UORO, critics)": (
        Run,
        lambda: estimators.Dodge(
            [online.UORO(), *(each(CRITIC(), 3 - k) for k, each in enumerate(CRITICAL))], decay=0.25,
        ),
        sequence,
    ),
    "Dodge(Dodge)": (Run, lambda: estimators.Dodge(estimators.Dodge(AVERAGING(), 0.5), 0.5), plain),
    "Dodge(OnlineForwardGradient)": (
        Run, lambda: estimators.Dodge([online.OnlineForwardGradient(NORMALS), online.BPTT()]), sequence,
    ),
    "Dodge(Reptile)": (Run, lambda: estimators.Dodge(estimators.Reptile(2, 0.1), 0.5), network),
    "MatchedCosine(Dodge)": (Run, lambda: estimators.MatchedCosine(estimators.Dodge(AVERAGING(), 0.5), 0.5), plain),
    "ForwardGradient(projected)": (
        Run, lambda: estimators.ForwardGradient(directions.Orthogonal(), n=3, combine="project", baseline=0.5), plain,
    ),
    "ForwardGradient(LowRank)": (
        Run, lambda: estimators.ForwardGradient(directions.LowRank(), n=2, baseline=0.5, shrink=True), network,
    ),
    "ForwardGradient(Coordinate)": (
        Run, lambda: estimators.ForwardGradient(directions.Coordinate(), n=2, baseline=0.5), plain,
    ),
    "MeZO.estimate": (Run, lambda: estimators.MeZO(1e-4), network),
    "NoBackTrack(split)": (Learning, lambda: online.NoBackTrack(2, split=True), cells),
    "NoBackTrack(gaussian)": (Learning, lambda: online.NoBackTrack(noise="gaussian"), cells),
    "NoBackTrack(metric)": (Learning, lambda: online.NoBackTrack(metric=optim.KalmanQDOP(0.01)), cells),
    "SnAp(1), one cell": (
        Learning, lambda: online.SnAp(1),
        lambda dtype: (
            net := online.Network(nn.GRUCell(2, 3), nn.Linear(3, 2), nn.mse), net.init(rng=0, dtype=dtype),
            lambda t: (np.full(2, 0.1 * t, dtype), np.ones(2, dtype)),
        ),
    ),
    "PersistentES(Network)": (Learning, lambda: online.PersistentES(4, 0.1, 4), partial(cells, batched=True)),
    "PersistentES(analytic)": (Learning, lambda: online.PersistentES(4, 0.1, 4, analytic=True), system),
    **{
        f"{cls.__name__}(System)": (Learning, maker(cls), system)
        for cls in (
            online.RTRL, online.BPTT, online.UORO, online.SnAp, online.TruncatedBPTT, online.OnlineForwardGradient,
            online.NoBackTrack,
        )
    },
    **{
        f"{cls.__name__}(batched)": (Learning, maker(cls), partial(system, batched=True))
        for cls in (online.TruncatedES, online.NoiseReuseES, online.PersistentES)
    },
}  # fmt: skip
RUNS = MORE | {
    cls.__name__ + (" online" if cls is online.TruncatedBPTT else ""): (kind, maker(cls), place)
    for cls, (kind, place, _) in CATALOGUE.items()
}

# Runs that take slopes along some coordinates alone: what is not finite along the others they do not meet.
PARTIAL = {"ForwardGradient(Coordinate)"}
