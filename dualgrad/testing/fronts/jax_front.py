"""The front for JAX: ``run(key)``, traced, rewritten, and played for many outcomes in one vmapped call."""

import contextlib
import functools

import jax
import numpy as np
from jax import numpy as jnp
from jax.extend.core import jaxpr_as_fun
from jax.interpreters import partial_eval

from ...tree import flatten
from ..enumeration.chance import played
from ..enumeration.path import Path
from .front import Front
from .frontier import Frontier
from .jax_draws import drawing_from
from .jax_keys import keys_of
from .jax_reading import Reading
from .jax_rewrite import rewritten
from .jax_samplers import FOREIGN, samplers_replaced
from .jax_single import Single, Wide

UNTRACEABLE = (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError,
            jax.errors.TracerIntegerConversionError)  # fmt: skip
WIDE = 48  # outcomes far out, to see whether a comparison ever goes the other way
ALONE = 200  # outcomes that are played one by one: to compile for many takes longer
ROOM = 2**25  # of an array over all outcomes that are played at once


class JAX(Front):
    """``run(key)`` with a key of ``jax.random``; it is traced, and where it branches in Python, run key by key."""

    name, takes = "jax", "key"

    def __init__(self, run):
        super().__init__(run)
        self.programs, self.key = None, keys_of([0])[0]

    def __enter__(self):
        try:
            self._open(double=True)
        except TypeError:  # single precision is written into the run
            self._open(double=False)  # as the user has it
        return self

    def _open(self, double):
        with contextlib.ExitStack() as stack:
            stack.enter_context(samplers_replaced())
            stack.enter_context(_precision(double))
            with contextlib.suppress(*UNTRACEABLE):
                self.programs = self._traced()
            self.closing = stack.pop_all()

    def __exit__(self, *error):
        self.closing.close()

    def _traced(self):
        """The program, traced twice: once more where the two traces differ, so that they are played in turn."""
        first, second = TracedRun(self.run), TracedRun(self.run)
        return [first] if first.text == second.text else [first, second]

    def play(self, source):
        with drawing_from(Single(source)):
            if self.programs is None:
                FOREIGN.clear()
                y, doubts = np.asarray(row_of(self.run(self.key))), _doubts({}, FOREIGN)
            else:
                self.programs.append(self.programs.pop(0))
                y, doubts = np.asarray(self.programs[0].alone(self.key)), self.programs[0].doubts
        if self.programs is None and "uniform" in source.drawn:
            source.doubt("uniform draws of a run that branches in Python may be compared")
        for why in doubts:
            source.doubt(why)
        return y

    def walk(self, once, degree, max_outcomes):
        """All outcomes: in few calls, or one by one where they are few or the run branches in Python."""
        first = Path([], degree)
        played(once, first)
        if self.programs is None:
            return super().walk(once, degree, max_outcomes)
        if first.outcomes() <= ALONE:
            found = super().walk(once, degree, max_outcomes)
        else:
            room = ROOM // self.programs[0].reading.largest
            found = Frontier(once, self._together, degree, max_outcomes, room)
        found.doubts |= dict.fromkeys(self.programs[0].doubts + self.jumps)
        return found

    @functools.cached_property
    def jumps(self):
        """Where continuous draws jump, each anywhere on its line: also where several have to be large at once."""
        program, found = self.programs[0], []
        if not program.reading.watched:
            return []
        for seed in range(WIDE):
            with drawing_from(Single(Wide(seed))):
                found.append([np.asarray(y) for y in program.watched(self.key)])
        return [
            f"a {law} draw goes through {name}, both ways"
            for (law, name, _), *values in zip(program.reading.watched, *found, strict=True)
            if not all(np.array_equal(values[0], value) for value in values)
        ]

    def _together(self, batch):
        numbers = np.zeros(batch.lanes)
        numbers[: batch.size] = np.arange(batch.size)
        with drawing_from(batch):
            return np.asarray(self.programs[0].together(keys_of(numbers)))[: batch.size]


class TracedRun:
    """A traced run: for one key, for an array of keys, and why its moments may be no certificate."""

    def __init__(self, run):
        FOREIGN.clear()
        key = keys_of([0])[0]
        closed = _needed(jax.make_jaxpr(lambda key: row_of(run(key)))(key))
        self.jaxpr = jax.make_jaxpr(rewritten(closed))(key)
        self.text = f"{self.jaxpr} {[np.asarray(c).tolist() for c in self.jaxpr.consts]}"
        self.reading = Reading(self.jaxpr)
        self.doubts = _doubts(self.reading.jumps, FOREIGN or ["the run"] * self.reading.is_foreign)
        function = jaxpr_as_fun(self.jaxpr)
        row = lambda key: function(key)[0].astype(self.reading.narrowest)  # noqa: E731
        results = self.jaxpr.jaxpr.replace(outvars=[v for *_, v in self.reading.watched])
        self.watched = jax.jit(jaxpr_as_fun(self.jaxpr.replace(jaxpr=results)))
        self.alone = jax.jit(row)
        self.together = jax.jit(jax.vmap(row))


def _needed(closed):
    """A program without what its results do not depend on, such as statistics that the run leaves behind."""
    jaxpr, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars), instantiate=True)
    return closed.replace(jaxpr=jaxpr)


@contextlib.contextmanager
def _precision(double):
    """Double precision, in all threads: callbacks come from others."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", double or before)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def _doubts(jumps, foreign):
    """Why a run's moments may be no certificate: jumps that uniform draws meet, and draws from other keys."""
    doubts = [f"a uniform draw goes through {name}" for law, name in jumps if law == "uniform"]
    if foreign:
        what = " and ".join(dict.fromkeys(foreign))
        doubts.append(f"{what} draws from a key of its own: derive all keys from the one that run is given")
    return doubts


def row_of(result):
    """All entries of a tree as one vector, leaf by leaf: a dict in its own order, a container of JAX in JAX's."""
    leaves = [jnp.ravel(x) for part in flatten(result)[0] for x in jax.tree.leaves(part)]
    if not leaves:
        raise TypeError(f"run returned {result!r:.60}; expected the numbers whose moments are wanted")
    y = jnp.concatenate(leaves)
    return y if jnp.issubdtype(y.dtype, jnp.inexact) else y.astype(float)
