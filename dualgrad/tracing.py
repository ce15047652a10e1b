"""The evaluation trace: what a jvp computes, one operation a line, as in Griewank and Walther (2008, section 2.2) and
Baydin et al. (2018, table 2).

While a trace runs, the rules in the tables, and the methods of a Dual that do without them, are replaced by ones that
also write down what they did. A level belongs to one jvp alone, so the level of the operands says which trace an
operation belongs to; other threads and other levels pass through. When the last trace ends, everything is put back.
"""

import functools
import html
import inspect
import itertools
import math
import shutil
import threading
import unicodedata
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import numpy as np

from .backend import is_array, to_numpy
from .cures import dotted
from .custom import custom_jvp
from .dual import LIVE, Dual, primal
from .frames import Place, outside, place
from .lowrank import LowRank
from .params import Params
from .pushforward import jvp
from .rules.einsum import from_sublists, spelled_out
from .rules.operators import BINARY
from .tables import KINDS, RULES
from .tree import flatten, paths
from .zero import ZERO


def trace(f, primals, tangents):
    """Evaluate a `jvp` once and write down every NumPy operation on the way.

    Parameters
    ----------
    f, primals, tangents
        As for `jvp`, whose errors these are; K directions too.

    Returns
    -------
    Trace : the inputs (..., v-1, v0) and the steps v1, v2, ..., each with its operands, primal, tangent, norms, place
    in your source, and an estimate of its multiply-adds.

    Notes
    -----
    An operation is one row, whatever it does inside; with several results it is several rows. An exception of f
    carries a note that names the last step. Every value is copied: memory grows with the number of steps.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> print(dg.trace(lambda x: x * np.sin(x), (2.0,), (1.0,)))
    step  operation         shape      primal  tangent  cost  source
    v0    x                 float64[]  2       1
    v1    sin(v0)           float64[]  0.9093  -0.4161  1+1   line 1  np.sin(x)
    v2    multiply(v0, v1)  float64[]  1.819   0.077    1+2   line 1  x * np.sin(x)
    y = v2; 2 steps, 2 + 3 multiply-adds
    """
    recorder = _Recorder()

    def recorded(*args):
        recorder.start(f, args)
        try:
            with _watching(recorder):
                result = f(*args)
        except BaseException as error:
            error.add_note(recorder.note())
            raise
        recorder.outputs = tuple(map(recorder.named, flatten(result)[0]))
        return result

    value, tangent = jvp(recorded, primals, tangents)
    return Trace(recorder.rows, value, tangent, recorder.outputs)


class Row(NamedTuple):
    """One step of a trace: plain data, copied when the step was taken."""

    step: str  # "v3"; the inputs end with "v0"
    operation: str  # "sin", "linalg.solve", "getitem", "iadd"; "input"
    operands: tuple  # of strings: names of steps, and constants shown short
    inputs: tuple  # the steps among the operands
    shape: tuple
    dtype: np.dtype
    primal: object  # an array or array scalar
    tangent: object  # the same, of shape lead + shape; None for a constant
    primal_norm: float  # Euclidean, over all entries
    tangent_norm: float  # over all entries and directions
    multiply_adds: tuple  # an estimate for the primal, and one for the tangent in all directions
    made: str  # what came into being here: "NaN in primal", "inf in tangent", ...; else ""
    file: str
    line: int
    source: str  # the text of that line
    expression: str  # the part of it that asked for the operation

    def __str__(self):
        call = self.operands[0] if self.operation == "input" else f"{self.operation}({', '.join(self.operands)})"
        return f"{self.step} = {call}"


class Trace:
    """The steps of one `jvp`, from `trace`; it prints as a table, and shows as one in a notebook.

    Attributes
    ----------
    rows : list of named tuples
        ``step, operation, operands, inputs, shape, dtype, primal, tangent, primal_norm, tangent_norm, multiply_adds,
        made, file, line, source, expression``: plain data, the inputs first.
    value, tangent
        What `jvp` returns.
    outputs : tuple of str
        The steps that the value consists of.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> trace = dg.trace(lambda x: x * np.sin(x), (0.0,), (1.0,))
    >>> [(row.step, row.operation, row.operands) for row in trace.rows]
    [('v0', 'input', ('x',)), ('v1', 'sin', ('v0',)), ('v2', 'multiply', ('v0', 'v1'))]
    >>> trace.rows[1].primal, trace.rows[1].tangent
    (np.float64(0.0), np.float64(1.0))
    """

    def __init__(self, rows, value, tangent, outputs):
        self.rows, self.value, self.tangent, self.outputs = rows, value, tangent, outputs

    @property
    def first_nonfinite(self):
        """The first row that made a NaN or an infinity of finite operands, or None."""
        return next((row for row in self.rows if row.made), None)

    @property
    def multiply_adds(self):
        """The estimates of all rows together: of the primals, and of the tangents."""
        return tuple(sum(row.multiply_adds[k] for row in self.rows) for k in (0, 1))

    def _entries(self):
        """The lines of the table: cells, or one text for the whole line."""
        yield _HEADINGS
        hidden = 0
        for k, row in enumerate(self.rows):
            if min(k, len(self.rows) - 1 - k) >= _SHOWN and not row.made:
                hidden += 1
                continue
            if hidden:
                yield f"... {hidden} rows hidden"
            hidden = 0
            yield _cells(row)
            if row.made:
                yield f"^ {row.step} makes {row.made}: {_place(row, row.source)}"
        yield self._summary()

    def _summary(self):
        y = self.outputs[0] if len(self.outputs) == 1 else f"({', '.join(self.outputs)})"
        steps = sum(row.operation != "input" for row in self.rows)
        return f"y = {y}; {steps} step{'s'[: steps != 1]}, {' + '.join(map(_count, self.multiply_adds))} multiply-adds"

    def __str__(self):
        entries, width = list(self._entries()), max(60, shutil.get_terminal_size((100, 24)).columns)
        widths = _fit([entry for entry in entries if isinstance(entry, tuple)], width)
        return "\n".join(_cut(e, width) if isinstance(e, str) else _line(e, widths) for e in entries)

    __repr__ = __str__

    def _repr_html_(self):
        lines = []
        for entry in self._entries():
            cells, span = ((entry,), len(_HEADINGS)) if isinstance(entry, str) else (entry, 1)
            look = "font-weight:bold" if entry is _HEADINGS else "color:#e5484d" if cells[0][0] == "^" else ""
            cells = (
                f'<td colspan="{span}" style="text-align:left;padding:0 1em 0 0">{html.escape(cell)}</td>'
                for cell in cells
            )
            lines.append(f'<tr style="{look}">{"".join(cells)}</tr>')
        return '<table style="font-family:monospace">\n' + "\n".join(lines) + "\n</table>"

    def to_dot(self):
        """The graph of the steps as Graphviz text."""
        quoted = lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'  # noqa: E731
        lines = ["digraph trace {", '  node [shape=box, style=rounded, fontname="monospace"];']
        for row in self.rows:
            red = ", color=red, fontcolor=red" if row.made else ""
            lines.append(f"  {quoted(row.step)} [label={quoted(chr(10).join(_label(row)))}{red}];")
            lines += [f"  {quoted(step)} -> {quoted(row.step)};" for step in row.inputs]
        return "\n".join([*lines, "}", ""])

    def to_svg(self):
        """The graph of the steps as an SVG image, inputs at the top: for up to a few hundred steps."""
        return _draw(self.rows, self.outputs, self._summary())


# ---------------------------------------------------------------------- writing down


class _Recorder:
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
            return _digits(x) or _kind(x)
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
        norms = _norm(p), 0.0 if d is None else _norm(d)
        self.rows.append(Row(step, operation, operands, inputs, p.shape, p.dtype, p, d, *norms, work, made, *place))

    def work(self, operation, function, args, kwargs, y):
        """Multiply-adds: of the primal, and of the tangent as one such operation a moving operand and direction."""
        once = 0 if operation in _MOVES else _work(operation, function, args, kwargs, flatten(y)[0])
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
        last = f"{self.rows[-1]}  {_place(self.rows[-1], self.rows[-1].source)}".strip() if self.rows else None
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


def _norm(x):
    """The Euclidean norm, which does not overflow on the way."""
    with np.errstate(all="ignore"):
        x = np.abs(x).astype(float)
        top = np.max(x, initial=0.0)
        return float(top * np.sqrt(np.sum((x / top) ** 2)) if 0 < top < np.inf else top)


# ---------------------------------------------------------------------- multiply-adds

_MOVES = frozenset(
    "append array_split astype atleast_1d atleast_2d atleast_3d block broadcast_arrays broadcast_to column_stack "
    "compress concatenate copy copyto delete diag diagflat diagonal dsplit dstack empty_like expand_dims extract "
    "fft.fftshift fft.ifftshift fill_diagonal flip fliplr flipud full_like getitem hsplit hstack imag insert "
    "linalg.diagonal linalg.matrix_transpose matrix_transpose meshgrid moveaxis ones_like pad permute_dims place put "
    "put_along_axis putmask ravel real repeat reshape resize roll rollaxis rot90 select setitem split squeeze stack "
    "swapaxes take take_along_axis tile transpose tril trim_zeros triu unstack vsplit vstack where zeros_like".split()
)
_FACTORIZATIONS = frozenset(
    "cholesky det eig eigh eigvals eigvalsh inv lstsq matrix_power pinv qr slogdet solve svd svdvals".split()
)


def _work(operation, function, args, kwargs, outputs):
    """Multiply-adds of one evaluation: the terms of products, n³ for a factorization, n log n for a transform; for
    all others, the size of the largest array."""
    module, _, name = operation.rpartition(".")
    arrays = [a for a in flatten((args, kwargs))[0] if is_array(a)]
    largest = max((a.size for a in (*arrays, *outputs) if is_array(a)), default=0)
    if function is np.einsum:
        subscripts, *factors = args if isinstance(args[0], str) else from_sublists(args)
        letters, sizes = "".join(spelled_out(subscripts, factors)[0]), {}
        for letter, n in zip(letters, (n for factor in factors for n in np.shape(factor)), strict=True):
            sizes[letter] = max(n, sizes.get(letter, 0))  # an axis of 1 broadcasts
        return math.prod(sizes.values())
    if len(arrays) > 1 and arrays[0].ndim and arrays[1].ndim:
        x, y = arrays[:2]
        if name in ("matmul", "imatmul", "dot", "inner", "vecdot", "matvec", "vecmat"):
            return outputs[0].size * x.shape[-1]
        if name in ("tensordot", "vdot"):
            return math.isqrt(x.size * y.size * outputs[0].size)
        if name in ("convolve", "correlate"):
            return x.size * y.size
    if module == "linalg" and name in _FACTORIZATIONS:
        return largest * arrays[0].shape[-1]
    return largest * max(largest, 2).bit_length() if module == "fft" else largest


# ---------------------------------------------------------------------- the tables, while a trace runs

_active = {}  # level -> its recorder
_lock = threading.Lock()
_undo = []
_IN_PLACE = {"ipow", *(f"i{name}" for name in BINARY)}


@contextmanager
def _watching(recorder):
    try:
        with _lock:
            if not _active:
                _install()
            _active[recorder.level] = recorder
        yield
    finally:
        with _lock:
            _active.pop(recorder.level, None)
            while _undo and not _active:
                _undo.pop()()


def _install():
    from .nn.layer import Layer
    from .nn.losses import Loss

    for function, rule in list(RULES.items()):
        _replace_rule(function, rule, _watched(rule, _called(_short_name(function), function)))
    for name, ufunc in (*BINARY.items(), ("pow", np.power)):
        _replace(Dual, f"__i{name}__", _called(f"i{name}", ufunc))
    _replace(Dual, "__getitem__", _called("getitem", None))
    _replace(Dual, "__setitem__", _called("setitem", None))
    _replace(Dual, "astype", _called("astype", None))
    _replace(Dual, "__pow__", _called("power", np.power))
    _replace(Dual, "__rpow__", lambda self, other: ("power", np.power, (other, self), {}))
    _replace(Dual, "__array_ufunc__", _ufunc_called)
    _replace(Dual, "__array_function__", lambda self, f, types, args, kwargs: (_short_name(f), f, args, kwargs))
    _replace(custom_jvp, "__call__", lambda self, *args, **kwargs: (self.__name__, None, args, kwargs))
    _replace(Loss, "__call__", lambda self, *args, **kwargs: (repr(self), None, args, kwargs))
    _replace(Layer, "__call__", watched=_watched_layer)
    _replace(Layer, "push", watched=_watched_push)


def _short_name(function):
    return dotted(function).removeprefix("np.")


def _called(name, function):
    return lambda *args, **kwargs: (name, function, args, kwargs)


def _ufunc_called(self, ufunc, method, *args, **kwargs):
    name = _short_name(ufunc) if method == "__call__" else f"{_short_name(ufunc)}.{method}"
    return name, ufunc, args, kwargs


def _replace_rule(function, rule, watched):
    RULES[function] = watched
    _undo.append(lambda: RULES.get(function) is watched and RULES.update({function: rule}))  # f may call defjvp


def _replace(kind, name, describe=None, watched=None):
    original = vars(kind)[name]
    setattr(kind, name, _watched(original, describe) if watched is None else watched(original))
    _undo.append(lambda: setattr(kind, name, original))


def _recorder_of(*operands):
    """The trace of the highest level among the operands, unless it is busy: with an operation that this is part of."""
    recorder = _active.get(max((a.level for a in flatten(operands)[0] if isinstance(a, Dual)), default=0))
    return None if recorder is None or recorder.running.get(threading.get_ident()) else recorder


def _watched(original, describe):
    """The same, written down; ``describe(*args)`` gives operation, function, args and kwargs."""

    def call(*args, **kwargs):
        recorder = _recorder_of(args, kwargs)
        if recorder is None:
            return original(*args, **kwargs)
        return recorder.run(lambda: original(*args, **kwargs), *describe(*args, **kwargs))

    return call


def _watched_layer(original):
    """The call of a layer, whose rule, or the rules of the layers in it, will write the rows."""

    def call(layer, p, x, **kwargs):
        recorder = _recorder_of(p, x)
        if recorder is None:
            return original(layer, p, x, **kwargs)
        with recorder.busy("layer"):
            return original(layer, p, x, **kwargs)

    return call


def _watched_push(original):
    """The rule of a layer, which sees primals and tangents apart; a row, unless layers in it have written theirs."""
    from .nn.lead import takes_lead

    def call(layer, p, x, dp, dx, **kwargs):
        me, rule = threading.get_ident(), original.fget(layer)
        recorder = next((r for r in list(_active.values()) if r.running.get(me) == "layer"), None)
        if recorder is None:
            return rule(p, x, dp, dx, **kwargs)
        join = lambda v, d: v if d is ZERO else Dual(v, d, recorder.level)  # noqa: E731
        weights, steps = {name: join(v, dp.get(name, ZERO)) for name, v in p.items()}, recorder.steps
        args = [*weights.values(), join(x, dx)]
        operands, inputs = tuple(map(recorder.named, args)), recorder.inputs(args)
        with nullcontext() if takes_lead(layer) else recorder.busy("direction"):
            y, dy = rule(p, x, dp, dx, **kwargs)
        if recorder.steps == steps:
            once = max(y.size, math.prod(y.shape[:-1]) * sum(w.size for w in weights.values()))
            terms = any(map(recorder.is_mine, args[:-1])) + recorder.is_mine(args[-1])
            work = once, once * terms * math.prod(LIVE[recorder.level])
            recorder.write(repr(layer), operands, inputs, join(y, dy), work)
        return y, dy

    return property(lambda layer: functools.partial(call, layer))


# ---------------------------------------------------------------------- as a table

_HEADINGS = ("step", "operation", "shape", "primal", "tangent", "cost", "source")
_GIVE_WAY = (6, 24), (1, 24), (6, 0), (5, 0), (1, 12), (2, 8)  # which columns, in this order, and how far
_SHOWN = 20  # rows at either end of a long trace


def _cells(row):
    call, work = str(row).partition(" = ")[2], "+".join(map(_count, row.multiply_adds))
    values = _kind(row.primal), _value(row.primal), _value(row.tangent)
    return row.step, call, *values, work if any(row.multiply_adds) else "", _place(row, row.expression)


def _kind(x):
    return f"{x.dtype}[{', '.join(map(str, x.shape))}]"


def _digits(x):
    """A number, or up to three of them; nothing for more, or where they take much room."""
    number = lambda a: str(a) if x.dtype.kind not in "fc" else format(a, ".4g")  # noqa: E731
    if x.ndim > 1 or x.size > 3:
        return ""
    text = f"[{', '.join(map(number, x))}]" if x.ndim else number(x)
    return text if len(text) <= 12 else ""


def _value(x):
    return "-" if x is None else _digits(x) or f"‖{_norm(x):.4g}‖"


def _count(n):
    return str(n) if n < 100_000 else f"{n / 1e6:.3g}M"


def _place(row, text):
    return str(Place(row.file, row.line, text, "")) if row.line else ""


def _columns(text):
    """The columns of a terminal that a text takes up: wide characters take two."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _cut(text, width):
    if _columns(text) <= width:
        return text
    while text and _columns(text) >= width:
        text = text[:-1]
    return text + "…"[:width]


def _fit(table, width):
    """The widths of the columns; a column of width 0 falls out."""
    widths = [max(map(_columns, column)) for column in zip(*table, strict=True)]
    for k, least in _GIVE_WAY:
        over = sum(w + 2 for w in widths if w) - 2 - width
        if over > 0:
            left = max(widths[k] - over, min(least, widths[k]))
            widths[k] = left if left >= 8 else 0
    return widths


def _line(cells, widths):
    cells = [(_cut(cell, width), width) for cell, width in zip(cells, widths, strict=True) if width]
    return "  ".join(cell + " " * (width - _columns(cell)) for cell, width in cells).rstrip()


# ---------------------------------------------------------------------- as a graph


def _label(row):
    values = f"{_value(row.primal)} + ε {_value(row.tangent)}" if row.tangent is not None else _value(row.primal)
    return [_cut(str(row), 36), _kind(row.primal), values, *([f"makes {row.made}"] if row.made else [])]


def _layers(rows):
    """The steps in layers, by the longest path from an input, and what stands above each of them. A line that passes
    a layer bends there, at a node ``(step, layer)``, so that it keeps clear of the others (Sugiyama et al. 1981)."""
    depth, reach, above = {}, {}, {}
    for row in rows:
        depth[row.step] = 0 if row.operation == "input" else 1 + max((depth[s] for s in row.inputs), default=0)
        reach.update((s, max(reach.get(s, 0), depth[row.step])) for s in row.inputs)
    at = lambda step, d: step if depth[step] == d else (step, d)  # noqa: E731
    layers = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for row in rows:
        for d in range(depth[row.step], max(reach.get(row.step, 0), depth[row.step] + 1)):
            node = at(row.step, d)
            above[node] = [at(s, d - 1) for s in (row.inputs if node == row.step else [row.step])]
            layers[d].append(node)
    return layers, above


def _arrange(layers, above, size, gap=24, sweeps=12):
    """The centre of every node: each layer in turn as close to its neighbours as its order allows; the first sweeps
    order it by where its neighbours are."""
    below = {node: [] for node in above}
    for node, parents in above.items():
        for parent in parents:
            below[parent].append(node)
    x = dict.fromkeys(above, 0.0)
    for sweep in range(sweeps):
        near = below if sweep % 2 else above
        for layer in layers[::-1] if sweep % 2 else layers:
            wish = {node: sum(x[n] for n in near[node]) / len(near[node]) if near[node] else x[node] for node in layer}
            if sweep < sweeps // 2:
                layer.sort(key=wish.get)
            x.update(_apart(layer, wish, size, gap))
    return x


def _apart(layer, wish, size, gap):
    """The least squares fit to the wishes that keeps nodes apart: isotonic regression, by pooling adjacent ones."""
    offsets, pools = [0.0], []
    for left, right in itertools.pairwise(layer):
        offsets.append(offsets[-1] + (size[left] + size[right]) / 2 + gap)
    for node, offset in zip(layer, offsets, strict=True):
        pools.append((wish[node] - offset, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, m), (b, n) = pools.pop(), pools.pop()
            pools.append(((a * m + b * n) / (m + n), m + n))
    means = (mean for mean, count in pools for _ in range(count))
    return {node: mean + offset for node, mean, offset in zip(layer, means, offsets, strict=True)}


_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}" \
font-family="monospace" font-size="12">
<defs><marker id="tip" orient="auto" markerWidth="8" markerHeight="8" refX="7" refY="4"><path d="M0 0L8 4L0 8z" \
fill="#57606a"/></marker></defs>
<path d="M0 0H{0}V{1}H0z" fill="#ffffff"/>
{3}
<text x="16" y="{4}" fill="#57606a">{2}</text>
</svg>
"""


def _draw(rows, outputs, title):
    labels = {row.step: _label(row) for row in rows}
    layers, above = _layers(rows)
    size = {node: 20 + 7.3 * max(map(_columns, labels[node])) if node in labels else 8 for node in above}
    x, top, bottom, y, shapes = _arrange(layers, above, size), {}, {}, 16, []
    left = min((x[node] - size[node] / 2 for node in x), default=0) - 16
    x = {node: centre - left for node, centre in x.items()}
    for layer in layers:
        heights = {node: 14 + 16 * len(labels.get(node, "")) for node in layer}
        for node in layer:
            top[node], bottom[node] = y, y + (heights[node] if node in labels else max(heights.values()))
        y += max(heights.values()) + 40
    for node, parents in above.items():
        end = '" marker-end="url(#tip)"' if node in labels else f'V{bottom[node]}"'
        for parent in parents:
            a, b, c, d = x[parent], bottom[parent], x[node], top[node]
            bend = f"{a:.1f} {(b + d) / 2} {c:.1f} {(b + d) / 2}"
            shapes.append(f'<path fill="none" stroke="#8c959f" d="M{a:.1f} {b}C{bend} {c:.1f} {d}{end}/>')
    for row in rows:
        shapes += _box(row, labels[row.step], x[row.step], top[row.step], size[row.step], row.step in outputs)
    right = max([x[node] + size[node] / 2 + 16 for node in x] + [7.3 * _columns(title) + 32])
    return _SVG.format(math.ceil(right), y + 4, html.escape(title), "\n".join(shapes), y - 10)


def _box(row, label, x, y, width, is_output):
    fill, stroke = "#ddf4ff", "#0969da"
    if row.operation == "input" or row.tangent is None:
        fill, stroke = "#ffffff" if row.operation == "input" else "#f6f8fa", "#57606a"
    if row.made:
        fill, stroke = "#ffebe9", "#cf222e"
    place = f'x="{x - width / 2:.1f}" y="{y}" width="{width:.1f}" height="{14 + 16 * len(label)}" rx="6"'
    yield f"<g><title>{html.escape(_place(row, row.source))}</title>"
    yield f'<rect {place} fill="{fill}" stroke="{stroke}" stroke-width="{2.5 if is_output else 1}"/>'
    for k, text in enumerate(label):
        look = f'fill="{"#cf222e" if k == 3 else "#1f2328"}" font-weight="{"normal" if k else "bold"}"'
        yield f'<text x="{x:.1f}" y="{y + 20 + 16 * k}" text-anchor="middle" {look}>{html.escape(text)}</text>'
    yield "</g>"
