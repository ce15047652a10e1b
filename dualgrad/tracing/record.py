"""What is written down while the function runs."""

import inspect
import math
import threading
from contextlib import contextmanager

import numpy as np

from ..backend import is_array, to_numpy
from ..dual import LIVE, Dual, primal
from ..frames import outside, place
from ..lowrank import LowRank
from ..params import Params
from ..rules.operators import BINARY
from ..tables import KINDS
from ..tree import flatten, paths
from .costs import multiply_adds
from .row import Row, digits, kind, norm, where

_IN_PLACE = {"ipow", *(f"i{name}" for name in BINARY)}


class Recorder:
    """The rows of a trace in progress, and which step each Dual of its level came from."""

    def __init__(self):
        self.level, self.rows, self.steps, self.failing = 0, [], 0, ""
        # id -> (a Dual, or an array without tangent, and its step), and (id,) -> the same for the primal of a Dual, by
        # which a Dual made anew of the same parts is known. What is held keeps its id.
        self.known = {}
        self.trouble = {}  # step -> which of NaN, inf its primal holds, and which its primal or tangent
        self.running = {}  # thread -> "operation" or "layer" while one runs

    def start(self, f, args):
        """The rows of the inputs, named as the parameters of f; v0 is the last of them."""
        try:
            names = list(inspect.signature(f).parameters)
        except (TypeError, ValueError):
            names = []
        names = names if len(names) >= len(args) else [f"x{k + 1}" for k in range(len(args))]
        trees = [(name, *flatten(arg)) for name, arg in zip(names, args, strict=False)]
        found = [(name + path, x) for name, xs, tree in trees for path, x in zip(paths(tree), xs, strict=True)]
        self.level = max((x.level for _, x in found), default=self)  # without inputs, a level that no Dual has
        for k, (name, x) in enumerate(found):
            self.add(f"v{k + 1 - len(found)}", "input", (name,), (), x, (0, 0), ("", 0, "", ""))

    def is_mine(self, x):
        return isinstance(x, Dual) and x.level == self.level

    def step(self, x):
        """The step that x came from, or None."""
        known = self.known.get(id(x)) or (self.known.get((id(x.primal),)) if self.is_mine(x) else None)
        return known and known[1]

    def inputs(self, tree):
        """The steps among the leaves."""
        return tuple(dict.fromkeys(filter(None, map(self.step, flatten(tree)[0]))))

    def named(self, x):
        """An operand, as it is shown."""
        if self.step(x):
            return self.step(x)
        if isinstance(x, (list, tuple)):
            text = ", ".join(map(self.named, x))
            return f"[{text}]" if isinstance(x, list) else f"({text}{',' * (len(x) == 1)})"
        if isinstance(x, (dict, Params)):
            return f"{{{', '.join(f'{k}: {self.named(v)}' for k, v in x.items())}}}"
        if isinstance(x, slice):
            ends = ["" if end is None else self.named(end) for end in (x.start, x.stop, x.step)]
            return ":".join(ends if ends[2] else ends[:2])
        if is_array(x):
            x = _plain(x)
            return digits(x) or kind(x)
        if isinstance(x, (float, complex)):
            return format(x, ".4g")
        return "..." if x is Ellipsis else getattr(x, "__name__", None) or repr(x)

    def run(self, call, operation, function, args, kwargs):
        """Do an operation and write its rows; what it does inside is its own affair."""
        operands = (*map(self.named, args), *(f"{k}={self.named(v)}" for k, v in kwargs.items()))
        inputs, self.failing = self.inputs((args, kwargs)), f", then {operation}({', '.join(operands)}) failed"
        with self.busy("operation"):
            result = call()
        self.failing = ""
        y = next(iter((*args, *kwargs.values()))) if result is None else result  # as setitem, np.copyto, np.add.at do
        written = result is None or operation in _IN_PLACE or kwargs.get("out") is not None
        self.write(operation, operands, inputs, y, self.work(operation, function, args, kwargs, y), written)
        return result

    def write(self, operation, operands, inputs, result, work, written=False):
        """A row for each array among the results."""
        arrays = [y for y in flatten(result)[0] if self.is_mine(y) or is_array(y) and not isinstance(y, Dual)]
        here = place(outside())
        here = here._replace(expression=here.text) if "\n" in here.expression else here
        for k, y in enumerate(arrays):
            self.steps += 1
            name = f"{operation}[{k}]" if len(arrays) > 1 else operation
            self.add(f"v{self.steps}", name, operands, inputs, y, (0, 0) if k else work, here, written)

    def add(self, step, operation, operands, inputs, y, work, place, written=False):
        """A row. The step names the Dual it made, or the one it wrote into and all that share its memory."""
        if written:
            arrays = [(key, x) for key, (x, _) in self.known.items() if getattr(x, "ndim", 0)]
            self.known.update((key, (x, step)) for key, x in arrays if np.may_share_memory(primal(x), primal(y)))
        if not isinstance(y, np.bool_):  # of which there are only two
            self.known[id(y)] = y, step
        p, d = _plain(y), None
        if self.is_mine(y):
            self.known[(id(y.primal),)] = y.primal, step
            d = _plain(y.tangent)
        kinds = set() if operation == "empty_like" else _nonfinite(p)
        self.trouble[step] = kinds, kinds | _nonfinite(d)
        made = ""
        for k, part in ((1, "tangent"), (0, "primal")):
            before = set().union(*(self.trouble[s][k] for s in inputs))
            new = sorted(self.trouble[step][k] - before - ({"inf"} if before else set()))
            made = f"{new[0]} in {part}" if new else made
        norms = norm(p), 0.0 if d is None else norm(d)
        self.rows.append(Row(step, operation, operands, inputs, p.shape, p.dtype, p, d, *norms, work, made, *place))

    def work(self, operation, function, args, kwargs, y):
        """Multiply-adds: of the primal, and of the tangent as one such operation a moving operand and direction."""
        once = multiply_adds(operation, function, args, kwargs, flatten(y)[0])
        moving = sum(any(map(self.is_mine, flatten(arg)[0])) for arg in (*args, *kwargs.values()))
        moving = moving if any(map(self.is_mine, flatten(y)[0])) else 0  # a constant has no tangent
        terms = min(moving, 1) if KINDS.get(function) == "linear" else moving
        return once, once * terms * math.prod(LIVE[self.level])

    @contextmanager
    def busy(self, what):
        me = threading.get_ident()
        before, self.running[me] = self.running.get(me), what
        try:
            yield
        finally:
            self.running[me] = before

    def note(self):
        """What an exception of f is told."""
        last = f"{self.rows[-1]}  {where(self.rows[-1], self.rows[-1].source)}".strip() if self.rows else None
        return f"dg.trace: the last step was {last}{self.failing}"


def _plain(x):
    """A copy on the host, all levels stripped."""
    x = primal(x)
    x = to_numpy(x.dense() if isinstance(x, LowRank) else x)
    return x.copy() if x.ndim else x[()]


def _nonfinite(x):
    if x is None or x.dtype.kind not in "fc":
        return set()
    return {kind for kind, found in (("NaN", np.isnan(x)), ("inf", np.isinf(x))) if found.any()}
