"""Runs of `Shared` for tests: losses of a module, so that they pickle, whose shards take unequal times on purpose."""

import contextlib
import os
import signal
import time
from functools import partial

import numpy as np

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim, workers

SIGNS, NORMALS = directions.Rademacher(), directions.Gaussian()
LAYOUTS = {
    "array": lambda dtype: np.linspace(-1, 1, 12, dtype=dtype),
    "tree": lambda dtype: {"w": np.linspace(-1, 1, 8, dtype=dtype).reshape(2, 4), "b": [np.arange(4.0).astype(dtype)]},
    "Params": lambda dtype: dg.Params({"w": np.linspace(-1, 1, 8, dtype=dtype).reshape(2, 4), "b": np.ones(4, dtype)}),
}  # fmt: skip

_NET = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def loss(params, step=0, shard=0, nap=0.0):
    """A loss of any tree, another one for every step and shard; the first shard takes the longest."""
    time.sleep(nap * (3 - shard))
    arrays = params.values() if hasattr(params, "values") else [params]
    leaves = [leaf for entry in arrays for leaf in (entry if isinstance(entry, list) else [entry])]
    return sum(np.sum(np.sin(leaf * (1 + 0.3 * shard + 0.1 * step)) + leaf**2) for leaf in leaves)


def of_shard(step, shard, nap=0.0):
    """The loss of a shard, for `functools.partial(of_shard, step)`."""
    return partial(loss, step=step, shard=shard, nap=nap)


def batch_of(step, shard):
    """A shard of a batch, bound to a network."""
    data = np.random.default_rng([step, shard])
    return nn.Objective(_NET, nn.mse).bind(data.standard_normal((3, 3)), data.standard_normal((3, 2)))


def network(dtype):
    return _NET.init(rng=1, dtype=dtype)


def every_direction():
    """One of each class of `dualgrad.directions`, by name."""
    made = {
        "Along": directions.Along(np.linspace(0.1, 1, 12)),
        "Blocks": directions.Blocks(NORMALS),
        "Scaled": directions.Scaled(SIGNS, np.linspace(0.5, 1, 12)),
        "Hadamard, low rank": directions.Hadamard(low_rank=True),
    }
    others = set(directions.__all__) - made.keys() - {"Direction", "Rows"}
    return made | {name: getattr(directions, name)() for name in sorted(others)}


class Run:
    """A run step by step: parameters, optimizer, estimator and stream, and all of it as plain data."""

    def __init__(self, make, comm=None, params=None, objective=of_shard, seed=0, lr=0.05, optimizer=None, **settings):
        self.params = LAYOUTS["Params"](np.float64) if params is None else params
        self.optimizer = optim.Adam(lr) if optimizer is None else optimizer
        self.rng, self.objective, self.lr = dg.Rng(seed), objective, lr
        self.shared = estimators.Shared(make(), comm, **{"shards": 2, "chunk": 2} | settings)

    def step(self):
        objective = partial(self.objective, self.shared.made)
        objective = objective if self.shared.shards > 1 else objective(0)
        estimate = self.shared.estimate(objective, self.params, rng=self.rng)
        self.optimizer.step(self.params, estimate.gradient)
        return estimate

    def steps(self, count):
        """So many steps; the digest of the parameters then."""
        for _ in range(count):
            self.step()
        return workers.digest(self.params)

    def replay(self):
        return estimators.replay(self.shared.journal, self.params, self.optimizer, self.shared, self.rng)

    def state(self):
        return {
            "params": self.params, "optimizer": self.optimizer.state_dict(), "rng": self.rng.state_dict(),
            "shared": self.shared.state_dict(),
        }  # fmt: skip

    def load(self, state):
        self.params = state["params"]
        if "optimizer" in state:
            self.optimizer.load_state_dict(state["optimizer"])
        self.rng.load_state_dict(state["rng"])
        self.shared.load_state_dict(state["shared"])
        return self


class InPlaceRun(Run):
    """MeZO's steps in place."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.optimizer = None

    def step(self):
        return self.shared.step(partial(self.objective, self.shared.made), self.params, lr=self.lr, rng=self.rng)

    def state(self):
        return {"params": self.params, "rng": self.rng.state_dict(), "shared": self.shared.state_dict()}


def dies_once(path, step, shard):
    """The loss of a shard; whoever first comes to that of step 2 is killed, and leaves a file that says when."""
    if step == 2 and shard == 1:
        with contextlib.suppress(FileExistsError), open(path, "x") as file:
            file.write(str(time.time()))
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return of_shard(step, shard)
