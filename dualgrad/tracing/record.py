"""What is written down while the function runs."""

import inspect
import math
import threading
from contextlib import contextmanager

import numpy as np

from ..backend import is_array, to_numpy
from ..dual import LIVE, Dual, primal
from ..frames import outside, place
from ..outer_product import OuterProduct
from ..params import Params
from ..tables import KINDS
from ..tree import flatten, map_leaves, paths
from .costs import multiply_adds
from .row import Row, digits, kind, safe_norm, where
from .traced import IN_PLACE, Traced

_IN_PLACE = {f"i{name}" for name in IN_PLACE}


class Recorder:
    """The rows of a trace in progress, and which step each Dual of its level came from."""

    def __init__(self):
        self.level, self.rows, self.steps, self.failing = 0, [], 0, ""
        self.constants = {}  # id -> an array without tangent, and its step; what is held keeps its id
        self.writes = {}  # id of an array -> it, and (number, view, step) of what was written into it
        self.trouble = {}  # step -> which of NaN, inf its primal holds, and which its primal or tangent
        self.places = {}  # id of a code, and instruction -> the code, and where it stands
        self.running = set()  # the threads in which an operation runs

    def start(self, f, args):
        """The inputs as `Traced`, with their rows, named as the parameters of f; v0 is the last of them."""
        try:
            names = list(inspect.signature(f).parameters)
        except (TypeError, ValueError):
            names = []
        names = names if len(names) >= len(args) else [f"x{k + 1}" for k in range(len(args))]
        self.level = max((x.level for x in flatten(args)[0]), default=self)  # without inputs, a level that no Dual has
        args = map_leaves(lambda x: Traced(x, self), args)
        trees = [(name, *flatten(arg)) for name, arg in zip(names, args, strict=False)]
        found = [(name + path, x) for name, xs, tree in trees for path, x in zip(paths(tree), xs, strict=True)]
        for k, (name, x) in enumerate(found):
            self.add(f"v{k + 1 - len(found)}", "input", (name,), (), x, (0, 0), ("", 0, "", ""))
        return args

    def is_traced(self, x):
        return isinstance(x, Dual) and x.level == self.level

    def step_of(self, x):
        """The step that x came from, or the last that wrote into it; or None."""
        if type(x) is not Traced:
            return self.constants.get(id(x), (x, None))[1]
        if x.recorder is not self:
            return None
        array = primal(x)
        for number, view, step in reversed(self.writes.get(_owner(array), ((), ()))[1]) if array.ndim else ():
            if number <= x.named_at:
                break
            if np.may_share_memory(array, view):
                return step
        return x.step

    def inputs(self, leaves):
        """The steps among the leaves."""
        return tuple(dict.fromkeys(filter(None, map(self.step_of, leaves))))

    def named(self, x):
        """An operand, as it is shown."""
        if step := self.step_of(x):
            return step
        if isinstance(x, (float, complex)):
            return format(x, ".4g")
        if isinstance(x, (list, tuple)):
            text = ", ".join(map(self.named, x))
            return f"[{text}]" if isinstance(x, list) else f"({text}{',' * (len(x) == 1)})"
        if isinstance(x, (dict, Params)):
            return f"{{{', '.join(f'{k}: {self.named(v)}' for k, v in x.items())}}}"
        if isinstance(x, slice):
            ends = ["" if end is None else self.named(end) for end in (x.start, x.stop, x.step)]
            return ":".join(ends if ends[2] else ends[:2])
        if is_array(x):
            x = _host_copy(x)
            return digits(x) or kind(x)
        return "..." if x is Ellipsis else getattr(x, "__name__", None) or repr(x)

    def run(self, call, operation, function, args, kwargs, leaves):
        """Do an operation and write its rows; what it does inside is its own affair. The leaves are of its operands."""
        operands = (*map(self.named, args), *(f"{k}={self.named(v)}" for k, v in kwargs.items()))
        inputs, self.failing = self.inputs(leaves), f", then {operation}({', '.join(operands)}) failed"
        with self.busy():
            result = call()
        self.failing = ""
        y = next(iter((*args, *kwargs.values()))) if result is None else result  # as setitem, np.copyto, np.add.at do
        written = result is None or operation in _IN_PLACE or kwargs.get("out") is not None
        outputs = flatten(y)[0]
        work = self.work(operation, function, args, kwargs, leaves, outputs)
        self.write(operation, operands, inputs, outputs, work, written)
        return result

    def write(self, operation, operands, inputs, outputs, work, written=False):
        """A row for each array among the results."""
        arrays = [y for y in outputs if self.is_traced(y) or is_array(y) and not isinstance(y, Dual)]
        here = self.place()
        for k, y in enumerate(arrays):
            self.steps += 1
            name = f"{operation}[{k}]" if len(arrays) > 1 else operation
            self.add(f"v{self.steps}", name, operands, inputs, y, (0, 0) if k else work, here, written)

    def add(self, step, operation, operands, inputs, y, work, place, written=False):
        """A row. The step names the Dual it made, or the one it wrote into and all that share its memory."""
        p, d = _host_copy(y), None
        if type(y) is Traced:
            d, y.step, y.named_at = _host_copy(y.tangent), step, self.steps
        elif not isinstance(y, np.bool_):  # of which there are only two
            self.constants[id(y)] = y, step
        if written and p.ndim:
            view = primal(y)
            written = self.writes.setdefault(_owner(view), (view, []))[1]
            if written and written[-1][1] is view:  # which this write replaces
                written.pop()
            written.append((self.steps, view, step))
        kinds = set() if operation == "empty_like" else _nonfinite(p)
        self.trouble[step] = kinds, kinds | _nonfinite(d)
        made = ""
        for k, part in ((1, "tangent"), (0, "primal")):
            before = set().union(*(self.trouble[s][k] for s in inputs))
            new = sorted(self.trouble[step][k] - before - ({"inf"} if before else set()))
            made = f"{new[0]} in {part}" if new else made
        norms = safe_norm(p), 0.0 if d is None else safe_norm(d)
        self.rows.append(Row(step, operation, operands, inputs, p.shape, p.dtype, p, d, *norms, work, made, *place))

    def place(self):
        """The place in the source that asks for an operation; each is looked up once."""
        frame = outside()
        key = id(frame.f_code), frame.f_lasti
        if key not in self.places:
            here = place(frame)
            here = here._replace(expression=here.text) if "\n" in here.expression else here
            self.places[key] = frame.f_code, here
        return self.places[key][1]

    def work(self, operation, function, args, kwargs, leaves, outputs):
        """Multiply-adds: of the primal, and of the tangent as one such operation a moving operand and direction."""
        once = multiply_adds(operation, function, args, leaves, outputs)
        moving = sum(any(map(self.is_traced, flatten(a)[0])) for a in (*args, *kwargs.values()))
        moving = moving if any(map(self.is_traced, outputs)) else 0  # a constant has no tangent
        terms = min(moving, 1) if KINDS.get(function) == "linear" else moving
        return once, once * terms * math.prod(LIVE[self.level])

    def layer(self, layer, weights, x, y):
        """The row of a layer."""
        once = max(y.size, math.prod(y.shape[:-1]) * sum(w.size for w in weights))
        terms = any(map(self.is_traced, weights)) + self.is_traced(x)
        operands = [*weights, x]
        work = once, once * terms * math.prod(LIVE[self.level])
        self.write(repr(layer), tuple(map(self.named, operands)), self.inputs(operands), [y], work)

    def is_busy(self):
        """Whether this thread is inside an operation that will have its row."""
        return threading.get_ident() in self.running

    @contextmanager
    def busy(self):
        """An operation, of which what happens inside is a part."""
        inside = self.is_busy()
        self.running.add(threading.get_ident())
        try:
            yield
        finally:
            if not inside:
                self.running.discard(threading.get_ident())

    def note(self):
        """What an exception of f is told."""
        last = f"{self.rows[-1]}  {where(self.rows[-1], self.rows[-1].source)}".strip() if self.rows else None
        return f"dg.trace: the last step was {last}{self.failing}"


def _owner(array):
    """The id of the array whose memory it is; on a device, one for all."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return id(array) if isinstance(array, np.ndarray) else None


def _host_copy(x):
    """A copy on the host, all levels stripped."""
    x = primal(x)
    x = to_numpy(x.dense() if isinstance(x, OuterProduct) else x)
    return x.copy() if x.ndim else x[()]


def _nonfinite(x):
    if x is None or x.dtype.kind not in "fc":
        return set()
    return {kind for kind, found in (("NaN", np.isnan(x)), ("inf", np.isinf(x))) if found.any()}
