"""What SciPy found of an augmented system, as Duals: the curve, its ends and events, and what lies between steps."""

import numpy as np
from scipy import integrate as si

from ...dual import Dual, primal
from ...errors import TangentLossError
from .components import duals_by_level
from .instants import at_times, of_event


def lifted_solution(found, problem, components):
    """SciPy's result with Duals in the place of components."""
    if found.sol is not None:
        found.sol = Between(found.sol, problem, components)
    last = _lift_events(found, problem, components) if problem.events else None
    if problem.t_eval is not None:
        if len(found.t):
            found.t = problem.t_eval[: len(found.t)] if isinstance(problem.t_eval, Dual) else found.t
            found.y = at_times(problem.slope, found.t, components.dual(found.y))
        return found
    y = components.dual(found.y)
    columns = {0: (problem.start, problem.y0)} if isinstance(problem.start, Dual) else {}
    if found.status == 0 and isinstance(problem.end, Dual):
        columns[len(found.t) - 1] = problem.end, at_times(problem.slope, problem.end[None], y[:, -1:])[:, 0]
    elif found.status == 1:
        columns[len(found.t) - 1] = last
    found.t, found.y = _put_in(found.t, y, columns)
    return found


def _put_in(t, y, columns):
    """Times and columns with some of them in the place of others."""
    times = {k: moment for k, (moment, _) in columns.items() if isinstance(moment, Dual)}
    states = {k: state for k, (_, state) in columns.items() if isinstance(state, Dual)}
    if times:
        t = np.stack([times.get(k, t[k]) for k in range(len(t))])
    if states:
        pieces, begun = [], 0
        for k in sorted(states):
            pieces += [y[:, begun:k], states[k][:, None]]
            begun = k + 1
        y = np.concatenate([*pieces, y[:, begun:]], axis=1)
    return t, y


def _lift_events(found, problem, components):
    """Times and states of events with their tangents; those of the event that ended the solution."""
    last = None
    for k, (times, states) in enumerate(zip(found.t_events, found.y_events, strict=True)):
        if not len(times):
            continue
        event = problem.event(k)
        lifted = [
            of_event(event, problem.slope, t, components.dual(z)) for t, z in zip(times.tolist(), states, strict=True)
        ]
        terminal = getattr(problem.events[k], "terminal", None)
        if terminal and found.status == 1 and len(found.t) and times[-1] == found.t[-1]:
            last = lifted[-1]
        found.t_events[k] = np.stack([t for t, _ in lifted])
        found.y_events[k] = np.stack([y for _, y in lifted])
    return last


class Between(si.OdeSolution):
    """A dense solution: SciPy's, at plain times and at Duals, with the tangents of the curve."""

    def __init__(self, found, problem, components):
        self.__dict__.update(found.__dict__)
        self.problem, self.components = problem, components

    def __reduce__(self):
        """What is kept is SciPy's alone, at plain times."""
        if self.components.levels:
            raise TangentLossError("a solution with tangents cannot be pickled or copied: save dg.primal(sol(t))")
        kept = {name: value for name, value in vars(self).items() if name not in ("problem", "components")}
        return _of_scipy, (kept,)

    def __call__(self, t):
        """y at a time, of shape (n,), or at times of shape (m,), of shape (n, m)."""
        self.components.require_live()
        if not isinstance(t, Dual):
            return self.components.dual(super().__call__(t))
        duals_by_level(t)
        times = np.atleast_1d(t)
        y = at_times(self.problem.slope, times, self.components.dual(super().__call__(primal(times))))
        return y if t.ndim else y[:, 0]


def _of_scipy(kept):
    sol = object.__new__(si.OdeSolution)
    vars(sol).update(kept)
    return sol
