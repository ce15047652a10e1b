"""The front for JAX: ``run(key)``, traced, rewritten, and played for many outcomes in one vmapped call."""

import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
from jax import numpy as jnp
from jax.extend.core import jaxpr_as_fun
from jax.interpreters import partial_eval

from ...tree import flatten
from ..enumeration.chance import played
from ..enumeration.path import Path
from ..enumeration.source import ReplayError
from .front import Front
from .frontier import Frontier
from .jax_draws import drawing_from
from .jax_keys import keys_of
from .jax_reading import Reading
from .jax_rewrite import rewritten
from .jax_samplers import FOREIGN, samplers_replaced
from .jax_sides import Sides, Tally
from .jax_single import Single, Wide

UNTRACEABLE = (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError,
            jax.errors.TracerIntegerConversionError)  # fmt: skip
WIDE = 48  # outcomes far out that come to a comparison, to see whether it ever goes the other way
MOST_WIDE = 2000  # outcomes that are played for those
HARDLY_EVER = 8  # that say nothing
ALONE = 200  # outcomes that are played one by one: to compile for many takes longer
ROOM = 2**25  # of an array over all outcomes that are played at once


class JAX(Front):
    """``run(key)`` with a key of ``jax.random``; it is traced, and where it branches in Python, run key by key."""

    name, takes = "jax", "key"

    def __init__(self, run):
        super().__init__(run)
        self.key = keys_of([0])[0]

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(samplers_replaced())
            stack.enter_context(_precision_in_all_threads())
            self.closing = stack.pop_all()
        return self

    def __exit__(self, *error):
        self.closing.close()

    @functools.cached_property
    def programs(self):
        """The program, traced twice: once more where the two traces differ, so that they are played in turn.

        It is traced when it is first played, as what it draws elsewhere is noticed then.
        """
        try:
            first, second = TracedRun(self.run), TracedRun(self.run)
        except UNTRACEABLE:
            return None
        return [first] if first.text == second.text else [first, second]

    def play(self, source):
        with _no_number_of_another_call():
            programs = self.programs
            with drawing_from(Single(source)):
                y, doubts = self._run_at_once() if programs is None else self._run_in_turn()
        if self.programs is None and "uniform" in source.drawn:
            source.doubt("uniform draws of a run that branches in Python may be compared")
        for why in doubts:
            source.doubt(why)
        return y

    def _run_at_once(self):
        FOREIGN.clear()
        return rounded_as_computed(row_of(self.run(self.key)), jnp.zeros(()).dtype), _doubts({}, FOREIGN)

    def _run_in_turn(self):
        self.programs.append(self.programs.pop(0))
        program = self.programs[0]
        return rounded_as_computed(program.alone(self.key), program.reading.narrowest), program.doubts

    def walk(self, once, degree, max_outcomes):
        """All outcomes: in few calls, or one by one where they are few or the run branches in Python."""
        first = Path([], degree)
        played(once, first)
        if self.programs is None:
            return super().walk(once, degree, max_outcomes)
        if not first.is_cut and first.outcomes() <= ALONE:
            found = super().walk(once, degree, max_outcomes)
        else:
            room = ROOM // self.programs[0].reading.largest
            found = Frontier(once, self._together, degree, max_outcomes, room)
        found.doubts |= dict.fromkeys(self.programs[0].doubts + self.jumps)
        return found

    @functools.cached_property
    def jumps(self):
        """Where continuous draws jump, each anywhere on its line: also where several have to be large at once."""
        program = self.programs[0]
        tally = Tally(len(program.reading.watched))
        for seed in range(MOST_WIDE):
            if np.all(tally.times >= WIDE):
                break
            with drawing_from(Single(Wide(seed))):
                tally.add(jax.block_until_ready(program.sides(self.key)))
        return [
            f"a {law} draw goes through {name}, " + ("both ways" if is_both else "where a run hardly ever comes")
            for (_, law, name), times, is_both in zip(program.reading.watched, *tally.found(), strict=False)
            if is_both or times < HARDLY_EVER
        ]

    def _together(self, batch):
        numbers = np.zeros(batch.lanes)
        numbers[: batch.size] = np.arange(batch.size)
        program = self.programs[0]
        with drawing_from(batch):
            rows = rounded_as_computed(program.together(keys_of(numbers)), program.reading.narrowest)
        return rows[: batch.size]


class TracedRun:
    """A traced run: for one key, for an array of keys, and why its moments may be no certificate."""

    def __init__(self, run):
        FOREIGN.clear()
        key = keys_of([0])[0]
        closed = _needed(jax.make_jaxpr(lambda key: row_of(run(key)))(key))
        self.jaxpr = jax.make_jaxpr(rewritten(closed))(key)
        self.text = f"{self.jaxpr} {[_contents(c).tolist() for c in self.jaxpr.consts]}"
        self.reading = Reading(self.jaxpr)
        self.doubts = _doubts(self.reading.jumps, FOREIGN or ["the run"] * self.reading.is_foreign)
        function = jaxpr_as_fun(self.jaxpr)
        row = lambda key: function(key)[0]  # noqa: E731
        self.sides = jax.jit(Sides(self.jaxpr, [equation for equation, *_ in self.reading.watched]))
        self.alone = jax.jit(row)
        self.together = jax.jit(jax.vmap(row))


def _needed(closed):
    """A program without what its results do not depend on, such as statistics that the run leaves behind."""
    jaxpr, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars), instantiate=True)
    return closed.replace(jaxpr=jaxpr)


@contextlib.contextmanager
def _precision_in_all_threads():
    """The precision that the user has, single or double, in all threads: callbacks come from others."""
    with ThreadPoolExecutor(1) as another:
        before = another.submit(lambda: jax.config.jax_enable_x64).result()
    jax.config.update("jax_enable_x64", jax.config.jax_enable_x64)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


@contextlib.contextmanager
def _no_number_of_another_call():
    try:
        yield
    except jax.errors.UnexpectedTracerError as error:
        raise ReplayError(
            "the run keeps state between runs: it uses a number of an earlier call (make that state anew inside run)"
        ) from error


def _contents(x):
    """An array of JAX as one of NumPy, the words of keys."""
    return np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)


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
    return jnp.concatenate(leaves)


def rounded_as_computed(y, dtype):
    """Numbers in the precision that they have been computed in; whole numbers that this would round stay whole."""
    y = np.asarray(y)
    rounded = y.astype(dtype)
    return y.astype(np.float64) if y.dtype.kind in "iu" and np.any(rounded != y) else rounded
