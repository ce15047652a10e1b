"""What is written down while the function runs."""

import inspect
import math
import os
import sys
import threading
from contextlib import contextmanager

import numpy as np

from ..backend import is_array, to_numpy
from ..dual import LIVE, Dual, lift, primal
from ..frames import OURS, Place, outside, place
from ..outer_product import OuterProduct
from ..params import Params
from ..tables import KINDS
from ..tree import flatten, map_leaves, paths
from ..zero import ZERO
from . import partials
from .costs import MOVED, multiply_adds
from .overlaps import overlap, owner, same_entries
from .row import Row, constant, digits, kind, safe_norm, subscript, where
from .traced import IN_PLACE, Traced, untraced_dual

_IN_PLACE = {f"i{name}" for name in IN_PLACE}
_NOWHERE = Place("", 0, "", "")


class Recorder:
    """The rows of a trace in progress, and which step each Dual of its level came from."""

    def __init__(self):
        self.level, self.rows, self.outputs, self.steps, self.failing = 0, [], (), 0, ""
        self.depths = {}  # level -> 1 for that of the trace, 2, 3, ... for those of the jvps inside it
        self.opened = {}  # level of an inner jvp -> the place that asked for it
        self.pending = {}  # id of a tangent of an inner level -> it, the step of which it is one, and that level
        self.adopted_duals = {}  # id of a Dual of an inner jvp without traced arguments -> it, and what stands for it
        self.shown = {}  # step of a derivative -> the array of which its row tells
        self.index = {}  # step -> the number of its row
        self.calls = {}  # step -> how it was made, where it is small: for its local derivatives
        self.constants = {}  # id -> an array without tangent, and its step; what is held keeps its id
        self.gathered = {}  # shape and entries of an object array of Duals -> a copy, and the Dual it stands for
        self.scattered = {}  # id of an entry of such an array that an operation made -> it, the step, and its index
        self.writes = {}  # id of an array -> it, and (number, view, step) of what was written into it
        self.trouble = {}  # step -> which of NaN, inf its primal holds, and which its primal or tangent
        self.places = {}  # id of a code, and instruction -> the code, and where it stands
        self.running = set()  # the threads in which an operation runs
        self.assigned = None  # what a setitem puts: the part of its target that an operator wrote, in y[i] *= 2
        self.returned = False

    def start(self, f, args):
        """The inputs as `Traced`, with their rows, named as the parameters of f; v0 is the last of them."""
        try:
            names = list(inspect.signature(f).parameters)
        except (TypeError, ValueError):
            names = []
        names = names if len(names) >= len(args) else [f"x{k + 1}" for k in range(len(args))]
        self.level = max((x.level for x in flatten(args)[0]), default=self)  # without inputs, a level that no Dual has
        self.depths[self.level] = 1
        args = map_leaves(lambda x: Traced(x, self), args)
        trees = [(name, *flatten(arg)) for name, arg in zip(names, args, strict=False)]
        found = [(name + path, x) for name, xs, tree in trees for path, x in zip(paths(tree), xs, strict=True)]
        for k, (name, x) in enumerate(found):
            self.add(f"v{k + 1 - len(found)}", "input", (name,), (), x, (0, 0), _NOWHERE)
        return args

    def end(self, result):
        """What f returned, of plain Duals."""
        self.returned = True
        result = map_leaves(self.one_of, result)
        self.outputs = tuple(map(self.named, flatten(result)[0]))
        return map_leaves(lambda x: untraced_dual(x, self), result)

    def is_traced(self, x):
        return isinstance(x, Dual) and x.level in self.depths

    def raised(self, inner):
        """The argument of an inner jvp as `Traced`, with its row."""
        x, v, level = inner.primal, inner.tangent, inner.level
        if level not in self.depths:
            self.depths[level] = 1 + sum(known == self.level or known in LIVE for known in self.depths)
            self.opened[level] = self.place()
        y, operands = Traced(inner, self), (self.named(x), self.seed(x, v))
        self.steps += 1
        step = f"v{self.steps}"
        self.add(step, "perturb", operands, self.steps_of((x, v)), y, (0, 0), self.opened[level])
        return y

    def adopted(self, x):
        """A Dual of an inner jvp that began with plain values, as `Traced`, with a row; anything else as it is."""
        if type(x) is not Dual or x.level <= self.level:
            return x
        if id(x) not in self.adopted_duals:
            self.adopted_duals[id(x)] = x, self.raised(x)
        return self.adopted_duals[id(x)][1]

    def seed(self, x, v):
        """The direction of an inner jvp, as it is shown: nothing for 1, I for all basis vectors."""
        if self.step_of(v) or not is_array(v):
            return self.named(v)
        plain = _host_copy(v)
        size = math.prod(np.shape(x))
        if plain.size == 1 and size == 1 and plain.item() == 1:
            return ""
        if size > 1 and plain.size == size**2 and np.array_equal(plain.reshape(size, size), np.eye(size)):
            return "I"
        return self.named(v)

    def derivative(self, x):
        """The step of a tangent that came out of an inner jvp, with its row; None for anything else."""
        of, level = self.pending.pop(id(x), (x, None, None))[1:]
        if of is None:
            return None
        self.steps += 1
        self.add(f"v{self.steps}", "derivative", (of,), (of,), x, (0, 0), self.opened[level])
        self.shown[x.step] = x
        return x.step

    def one_of(self, x):
        """The Dual that an object array of traced ones stands for, with its row; anything else as it is."""
        if not _holds_traced(x):
            return x
        found = self.gathered.get(_key_of(x))
        if found is None:
            found = x.copy(), lift(x)
            self.gathered[_key_of(x)] = found  # by now the entries have steps
        return found[1]

    def step_of(self, x):
        """The step that x came from, or that of what has since been written into its memory; or None."""
        x = self.one_of(x)
        if type(x) is not Traced:
            return self.constants.get(id(x), (x, None))[1]
        if x.recorder is not self:
            return None
        step, parts = self.since_named(x) if self.writes else (None, [])
        step = step or x.step or self.derivative(x) or self.entry(x)
        return self.overwritten(x, step, parts) if parts else step

    def entry(self, x):
        """The step of an entry of an object array that an operation made, with its row; None for anything else."""
        _, of, index = self.scattered.pop(id(x), (x, None, None))
        if of is None:
            return None
        self.steps += 1
        step, at = f"v{self.steps}", self.named(index if len(index) > 1 else index[0])
        self.calls.update(partials.of_entry(step, of, index, self.rows[self.index[of]].primal))
        self.add(step, "getitem", (of, at), (of,), x, (0, 0), self.place())
        return step

    def since_named(self, x):
        """Since x was named: the last step that wrote all of it, or None, and what wrote into parts of it later."""
        array, parts = primal(x), []
        for number, view, step in reversed(self.writes.get(owner(array), ((), ()))[1]) if array.ndim else ():
            if number <= x.named_at:
                break
            if same_entries(array, view):
                return step, parts
            if view is not primal(self.assigned) and overlap(array, view):
                parts.insert(0, (step, view))
        return None, parts

    def overwritten(self, x, step, parts):
        """The step of x after writes through other views of its memory, with its row."""
        if self.is_busy():
            return step
        self.steps += 1
        edges, name = tuple(filter(None, (step, *(part for part, _ in parts)))), f"v{self.steps}"
        self.calls.update(partials.of_overwritten(name, edges, primal(x), [view for _, view in parts]) if step else ())
        self.add(name, "overwritten", edges, edges, x, (0, 0), self.place())
        return name

    def steps_of(self, leaves):
        """The steps among the leaves, as often as they are there."""
        return tuple(filter(None, map(self.step_of, leaves)))

    def named(self, x):
        """An operand, as it is shown."""
        if step := self.step_of(x):
            return step
        if isinstance(x, (float, complex)):
            return constant(x)
        if isinstance(x, (list, tuple)):
            text = ", ".join(map(self.named, x))
            return f"[{text}]" if isinstance(x, list) else f"({text}{',' * (len(x) == 1)})"
        if isinstance(x, (dict, Params)):
            return f"{{{', '.join(f'{k}: {self.named(v)}' for k, v in x.items())}}}"
        if isinstance(x, slice):
            ends = ["" if end is None else self.named(end) for end in (x.start, x.stop, x.step)]
            return ":".join(ends if ends[2] else ends[:2])
        if x is ZERO:
            return "0"
        if is_array(x):
            x = _host_copy(x)
            return digits(x) or kind(x)
        return "..." if x is Ellipsis else getattr(x, "__name__", None) or repr(x)

    def run(self, call, operation, function, args, kwargs, leaves, how=None):
        """Do an operation and write its rows; what it does inside is its own affair. The leaves are of its operands."""
        self.assigned = args[2] if operation == "setitem" else None
        operands = (*map(self.named, args), *(f"{k}={self.named(v)}" for k, v in kwargs.items()))
        steps = list(map(self.step_of, leaves))
        edges, self.failing = tuple(filter(None, steps)), f", then {operation}({', '.join(operands)}) failed"
        with self.busy():
            result = call()
        self.failing = ""
        if result is ZERO:  # of a layer without a tangent: nothing is computed
            return result
        if len(edges) == 1 and operation in MOVED and self.shown.keys() & edges and _by_transform(sys._getframe(2)):
            return self.moved(next(filter(self.is_traced, leaves)), result)
        if len(edges) == 1 and operation == "copy" and type(result) is Traced and _by_transform(sys._getframe(2)):
            result.step, result.named_at = edges[0], self.steps
            return result
        y = next(iter((*args, *kwargs.values()))) if result is None else result  # as setitem, np.copyto, np.add.at do
        written = result is None or operation in _IN_PLACE or kwargs.get("out") is not None
        outputs = flatten(y)[0]
        work = self.work(operation, function, args, kwargs, leaves, outputs)
        before = len(self.rows)
        at = [self.rows[self.index[step]] if step else None for step in steps] if how else ()
        self.write(operation, operands, edges, outputs, work, written)
        if how:
            self.calls.update(partials.remembered(*how, leaves, at, self.rows[before:]))
        return result

    def moved(self, x, y):
        """A derivative as the transform hands it out, with its axes where they belong: the same row."""
        row = self.rows[self.index[x.step]]
        if self.shown[x.step] is x:
            self.name(y, x.step)
            self.shown[x.step] = y
            self.rows[self.index[x.step]] = row._replace(**_outcome(y, self.depths))
        else:
            self.steps += 1
            here = Place(row.file, row.line, row.source, row.expression, row.column)
            self.add(f"v{self.steps}", row.operation, row.operands, row.edges, y, (0, 0), here)
            self.shown[y.step] = y
        return y

    def write(self, operation, operands, edges, outputs, work, written=False):
        """A row for each array among the results."""
        arrays = [y for y in outputs if self.is_traced(y) or is_array(y) and not isinstance(y, Dual)]
        here = self.place()
        for k, y in enumerate(arrays):
            self.steps += 1
            name = f"{operation}[{k}]" if len(arrays) > 1 else operation
            self.add(f"v{self.steps}", name, operands, edges, y, (0, 0) if k else work, here, written)

    def add(self, step, operation, operands, edges, y, work, place, written=False):
        """A row. The step names the Dual it made, or the one it wrote into and all that share its memory."""
        if _holds_traced(y):
            self.scattered.update({id(entry): (entry, step, index) for index, entry in np.ndenumerate(y)})
            with self.busy():
                y = self.one_of(y)
        inputs, values = tuple(dict.fromkeys(edges)), _outcome(y, self.depths)
        p, d = values["primal"], values["tangent"]
        if type(y) is Traced:
            self.name(y, step)
        elif not isinstance(y, np.bool_):  # of which there are only two
            self.constants[id(y)] = y, step
        if written and p.ndim:
            view = primal(y)
            written = self.writes.setdefault(owner(view), (view, []))[1]
            if written and written[-1][1] is view:  # which this write replaces
                written.pop()
            written.append((self.steps, view, step))
        kinds = set() if operation == "empty_like" else _nonfinite(p)
        self.trouble[step] = (
            kinds,
            kinds.union(_nonfinite(d), *(_nonfinite(x) for e in values["layers"] for x in e[1:])),
        )
        made = ""
        for k, part in ((1, "tangent"), (0, "primal")):
            before = set().union(*(self.trouble[s][k] for s in inputs))
            new = sorted(self.trouble[step][k] - before - ({"inf"} if before else set()))
            made = f"{new[0]} in {part}" if new else made
        file, line, source, expression, column = place
        self.index[step] = len(self.rows)
        self.rows.append(
            Row(
                step=step,
                operation=operation,
                operands=operands,
                inputs=inputs,
                multiply_adds=work,
                made=made,
                file=file,
                line=line,
                source=source,
                expression=expression,
                column=column,
                edges=edges,
                **values,
            )
        )

    def name(self, y, step):
        """What an operation made bears its step: of a Dual of an inner jvp, the value too; the derivatives have steps
        of their own once they are used."""
        y.step, y.named_at = step, self.steps
        if y.level != self.level:
            for part, of in ((y.primal, None), (y.tangent, (step, y.level))):
                if type(part) is Traced and part.recorder is self and part.step is None:
                    if of:
                        self.pending[id(part)] = part, *of
                    else:
                        self.name(part, step)

    def place(self):
        """The place in the source that asks for an operation; each is looked up once."""
        if self.returned:
            return _NOWHERE
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
        levels = {level for y in outputs if self.is_traced(y) for level in _all_levels(y) if level in self.depths}
        return once, once * (math.prod(1 + terms * math.prod(LIVE.get(level, ())) for level in levels) - 1)

    def layer(self, layer, weights, x, y):
        """The row of a layer."""
        once = max(y.size, math.prod(y.shape[:-1]) * sum(w.size for w in weights))
        terms = any(map(self.is_traced, weights)) + self.is_traced(x)
        operands = [*weights, x]
        work = once, once * terms * math.prod(LIVE[self.level])
        self.write(repr(layer), tuple(map(self.named, operands)), self.steps_of(operands), [y], work)

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


def _holds_traced(x):
    return type(x) is np.ndarray and x.dtype.hasobject and any(type(entry) is Traced for entry in x.flat)


def _key_of(objects):
    return objects.shape, tuple((id(entry), getattr(entry, "step", None)) for entry in objects.flat)


def _host_copy(x):
    """A copy on the host, all levels stripped."""
    x = primal(x)
    x = to_numpy(x.dense() if isinstance(x, OuterProduct) else x)
    return x.copy() if x.ndim else x[()]


def _outcome(y, depths):
    """The fields of a row that say what it came to."""
    if not isinstance(y, Dual) or depths.get(y.level) == 1:  # the common case
        p, d = _host_copy(y), _host_copy(y.tangent) if isinstance(y, Dual) else None
        return {
            "shape": p.shape, "dtype": p.dtype, "primal": p, "tangent": d, "primal_norm": safe_norm(p),
            "tangent_norm": 0.0 if d is None else safe_norm(d), "depth": 1, "layers": (),
        }  # fmt: skip
    parts = _expanded(y, depths)
    p, d = parts.pop(()), parts.pop((1,), None)
    inner = sorted((key for key in parts if 1 not in key), key=lambda key: (len(key), key))
    layers = tuple(
        ("".join(f"ε{subscript(k)}" for k in key), *_along_one(p, parts[key], parts.get((1, *key)))) for key in inner
    )
    depth = max((k for key in inner for k in key), default=1)
    norms = safe_norm(p), 0.0 if d is None else safe_norm(d)
    return {
        "shape": p.shape, "dtype": p.dtype, "primal": p, "tangent": d, "primal_norm": norms[0],
        "tangent_norm": norms[1], "depth": depth, "layers": layers,
    }  # fmt: skip


def _along_one(p, x, d):
    """A derivative in one direction, and its tangent, without the axis of the direction."""
    extra = x.ndim - p.ndim
    if not extra or any(n != 1 for n in x.shape[:extra]):
        return x, d
    return x.reshape(p.shape)[()], None if d is None else d.reshape(d.shape[: d.ndim - x.ndim] + p.shape)[()]


def _expanded(y, depths):
    """A Dual of Duals as a polynomial in the ε of its levels: by their depths, copies on the host."""
    if not isinstance(y, Dual) or not any(level in depths for level in _all_levels(y)):
        return {(): _host_copy(y)}
    below = _expanded(y.primal, depths)
    if y.level not in depths:
        return below
    above = _expanded(y.tangent, depths) if y.tangent is not ZERO else {}
    return below | {(*key, depths[y.level]): x for key, x in above.items()}


def _all_levels(y):
    while isinstance(y, Dual):
        yield y.level
        y = y.primal


_MECHANISM = tuple(os.path.join(OURS[0], name) for name in ("tracing", "dual.py", "operators.py", "dispatch.py"))


def _by_transform(frame):
    """Whether it is a transform of dualgrad that asks, and not the function that is traced."""
    while frame.f_back and frame.f_code.co_filename.startswith((*_MECHANISM, OURS[1])):
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(OURS[0])


def _nonfinite(x):
    if x is None or x.dtype.kind not in "fc":
        return set()
    return {kind for kind, found in (("NaN", np.isnan(x)), ("inf", np.isinf(x))) if found.any()}
