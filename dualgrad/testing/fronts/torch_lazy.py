"""Uniform draws in torch tensors: a storage is filled, element by element, when its numbers are first needed.

Until then it holds NaN (a shuffled deck, ``randperm``, a number out of its range), and beside it, by position in the
storage, stand the cells of its elements with a shift and a scale; so every view of it is covered. Comparisons,
rounding, ``searchsorted``, sums and products with numbers, copies and selections work on cells, as `LazyUniform` does;
whatever else takes such a tensor has it filled.
"""

import math

import numpy as np
import torch

from ..enumeration.source import Interval
from .coordinates import Bounded, Constant, MinusLog, Rest
from .lazy import LazyUniform
from .torch_operations import each_tensor, written
from .torch_taint import Taint

aten = torch.ops.aten
UNKNOWN = -(2**30)  # in place of a card that is not turned yet


class Storages:
    """The storages of one play that hold cells."""

    def __init__(self, source):
        self.source, self.held, self.taint = source, {}, Taint(source)
        self.used = set()  # the types of the numbers that were needed

    # ------------------------------------------------------------------ what a tensor holds

    def of(self, x):
        """The `Held` of a tensor's storage, if any of the tensor's elements is a cell there."""
        if not self.held or not isinstance(x, torch.Tensor):
            return None
        try:
            held = self.held.get(x.untyped_storage()._cdata)
        except (NotImplementedError, RuntimeError):  # a tensor without storage
            return None
        return held if held is not None and (held.is_full or held.has_cells(held.places(x))) else None

    def hold(self, x, draws):
        """Let a tensor hold draws, a `LazyUniform` of its shape, in place of numbers."""
        key = x.untyped_storage()._cdata
        if key not in self.held:
            self.held[key] = Held(x)
        self.held[key].put(places(x), draws)
        x.data.fill_(math.nan if x.is_floating_point() else UNKNOWN)

    def forget(self, x):
        """The numbers of a tensor were written over."""
        held = self.of(x)
        if held is not None:
            held.cells[held.places(x)], held.is_full = None, False

    def fill(self, x):
        """Give a tensor its numbers."""
        held = self.of(x)
        if held is not None and held.fill(held.places(x)):
            self.used.add(held.data.dtype)
            self.taint.mark(x)

    def draws(self, x):
        """A tensor as a `LazyUniform`; its plain elements are constants."""
        held, at = self.of(x), places(x)
        if held is None:
            cells, shift, scale = np.full(at.shape, None), np.zeros(at.shape), np.ones(at.shape)
        else:
            cells, shift, scale = (a[at.ravel()].reshape(at.shape) for a in (held.cells, held.shift, held.scale))
        if held is None or not held.is_full:
            plain = np.equal(cells, None)
            cells, shift, scale = cells.copy(), np.where(plain, 0.0, shift), np.where(plain, 1.0, scale)
            numbers = numbers_in(x)
            for k in np.argwhere(plain):
                cells[tuple(k)] = Constant(float(numbers[tuple(k)]))
        return LazyUniform(cells, shift, scale)

    # ------------------------------------------------------------------ operations

    def run(self, func, args, kwargs):
        """An operation of which an argument may hold cells."""
        tensors = [x for tree in (args, kwargs) for x in each_tensor(tree)]
        lazies = [x for x in tensors if self.of(x) is not None]
        if not lazies:
            return self.taint.follow(func, tensors, args, kwargs, func(*args, **kwargs))
        if func.overloadpacket in LOOKS_NOT or (func.is_view and func not in REINTERPRETS):
            return func(*args, **kwargs)
        rule = ATEN_RULES.get(func.overloadpacket)
        is_uniform = all(x.is_floating_point() for x in lazies)
        if any(self.of(x).data.dtype != x.dtype for x in lazies):
            rule = None
        if rule is not None and (is_uniform or rule is cells_moved):
            found = rule(self, func, args, kwargs)
            if found is not NotImplemented:
                return found
        if is_uniform and func.overloadpacket in COMPARES_EACH:
            self.source.doubt(f"uniform draws are compared with each other, by {func.overloadpacket.__name__}")
        for x in lazies:
            self.fill(x)
        found = func(*args, **kwargs)
        for x in lazies if func in REINTERPRETS else written(func, args, kwargs):
            self.forget(x)
        return self.taint.follow(func, tensors, args, kwargs, found)

    def result(self, x, found):
        """Let x, which an operation returned for NaN, be what it is for the draws."""
        if isinstance(found, LazyUniform):
            self.hold(x, found)
        else:
            self.forget(x)
            put_numbers(x, found)
        return x


class Held:
    """What stands in a storage: a cell for every position or None, its shift and scale, whether it was filled in."""

    def __init__(self, x):
        size = x.untyped_storage().nbytes() // x.itemsize
        self.data = torch.as_strided(x.data, (size,), (1,), 0)
        self.cells, self.filled = np.full(size, None), np.zeros(size, bool)
        self.shift, self.scale, self.is_full = np.zeros(size), np.ones(size), False  # full: of cells

    def places(self, x):
        """The positions of a tensor's elements; all, if it sees the storage as another type, such as bytes."""
        return places(x) if x.dtype == self.data.dtype else np.arange(self.cells.size)

    def has_cells(self, at):
        return bool(np.not_equal(self.cells[at.ravel()], None).any())

    def put(self, at, draws):
        self.cells[at.ravel()], self.filled[at] = draws.cells.ravel(), False
        self.shift[at], self.scale[at] = draws.shift, draws.scale
        self.is_full |= at.size == self.cells.size

    def fill(self, at):
        """Put numbers there, if any are missing; whether there were."""
        at = at.ravel()
        missing = at[np.not_equal(self.cells[at], None) & ~self.filled[at]].tolist()
        for k in missing:
            self.data[k] = float(self.shift[k] + self.scale[k] * self.cells[k].number())
            self.filled[k] = True
        return bool(missing)


def places(x):
    """The positions of a tensor's elements in its storage, an array of its shape."""
    found = np.array(x.storage_offset())
    for size, stride in zip(x.shape, x.stride(), strict=True):
        found = np.add.outer(found, stride * np.arange(size))
    return found


def numbers_in(x):
    """A tensor of numbers as a NumPy array, in double precision."""
    return x.detach().to("cpu", torch.float64).numpy()


def put_numbers(x, values):
    """Write over a tensor's numbers, unseen by autograd."""
    x.data.copy_(torch.from_numpy(np.ascontiguousarray(values)).reshape(x.shape))


# ---------------------------------------------------------------------- rules


def by_ufunc(ufunc):
    """A rule for an operation of one or two arguments, by what NumPy's does with draws; in place as well."""

    def rule(storages, func, args, kwargs):
        if kwargs.pop("alpha", 1) != 1 or kwargs or len(args) > 2:
            return NotImplemented
        lazies = [storages.of(x) is not None for x in args]
        if sum(lazies) != 1:
            if ufunc in COMPARES:
                storages.source.doubt("two uniform draws are compared")
            return NotImplemented
        operands = [
            storages.draws(x) if is_lazy else numbers_in(x) if isinstance(x, torch.Tensor) else x
            for x, is_lazy in zip(args, lazies, strict=True)
        ]
        if ufunc in ROUNDS:
            operands = [bounded(*operands)]
        if any(x is None or isinstance(x, (bool, complex)) for x in operands):
            return NotImplemented
        in_place = next(written(func, args, kwargs), None)
        if in_place is not None and storages.of(in_place) is None:
            return NotImplemented
        found = ufunc(*operands)
        return storages.result(func(*args, **kwargs), found)

    return rule


def bounded(draws):
    """StateDraws on [0, 1), for rounding: uniform ones are, exponential ones without a tail; None for others."""
    if all(map(is_interval, draws.cells.flat)):
        return draws
    if not all(isinstance(cell, MinusLog) and isinstance(cell.of, Rest) for cell in draws.cells.flat):
        return None
    cells = np.frompyfunc(Bounded, 1, 1)(draws.cells)
    return LazyUniform(np.asarray(cells, object), draws.shift, draws.scale * Bounded.FAR)


def reversed_subtract(a, b):
    return b - a


def sign(draws):
    return np.less(0, draws).astype(float) - np.less(draws, 0).astype(float)


def magnitude(draws):
    return sign(draws) * draws


def to_copy(storages, func, args, kwargs):
    """Another type or layout: whole numbers cut, floating ones are draws still."""
    dtype = kwargs.get("dtype") or args[0].dtype
    draws = storages.draws(args[0])
    if dtype.is_floating_point:
        return storages.result(func(*args, **kwargs), draws)
    draws = bounded(draws)
    if dtype in (torch.bool, torch.complex64, torch.complex128) or draws is None:
        return NotImplemented
    return storages.result(torch.empty_like(args[0], **kwargs), np.trunc(draws))


def cells_moved(storages, func, args, kwargs):
    """Elements are copied_over or selected: the operation is done with their numbers in a row."""
    first = args[0]
    group = list(first) if isinstance(first, (list, tuple)) else [first]
    if "out" in kwargs or any(storages.of(x) is not None for x in each_tensor([*args[1:], *kwargs.values()])):
        return NotImplemented
    draws = [storages.draws(x) for x in group]
    ends = np.cumsum([0, *(d.size for d in draws)])
    numbered = [torch.arange(a, b).reshape(d.shape) for a, b, d in zip(ends, ends[1:], draws, strict=False)]
    order = func(numbered if isinstance(first, (list, tuple)) else numbered[0], *args[1:], **kwargs).numpy()
    cells, shift, scale = (
        np.concatenate([np.broadcast_to(getattr(d, name), d.shape).ravel() for d in draws])[order]
        for name in ("cells", "shift", "scale")
    )
    return storages.result(func(*args, **kwargs), LazyUniform(np.asarray(cells), shift, scale))


def copied_over(storages, func, args, kwargs):
    """``copy_``, ``fill_``, ``zero_``: what was there is not needed, and draws remain draws."""
    target, new = (*args, None)[:2]
    if not isinstance(new, torch.Tensor) or storages.of(new) is None:
        storages.forget(target)
        return func(*args, **kwargs)
    if not (target.is_floating_point() and new.is_floating_point()):
        return NotImplemented
    draws = storages.draws(new)
    parts = (np.broadcast_to(a, tuple(target.shape)) for a in (draws.cells, draws.shift, draws.scale))
    return storages.result(func(*args, **kwargs), LazyUniform(*parts))


def bucketize(storages, func, args, kwargs):
    x, edges = args[:2]
    return sorted_into(storages, func, args, kwargs, x, edges)


def searchsorted(storages, func, args, kwargs):
    edges, x = args[:2]
    return sorted_into(storages, func, args, kwargs, x, edges)


def sorted_into(storages, func, args, kwargs, x, edges):
    """Which interval each draw lies in: a branch each."""
    if storages.of(x) is None or storages.of(edges) is not None or kwargs.get("sorter") is not None:
        return NotImplemented
    draws, edges = storages.draws(x), numbers_in(edges)
    if edges.ndim == 1:
        return storages.result(func(*args, **kwargs), np.searchsorted(edges, draws))
    rows = [np.searchsorted(edges[k], draws[k]) for k in np.ndindex(edges.shape[:-1])]
    return storages.result(func(*args, **kwargs), np.array(rows))


def logarithm(before):
    """The rule for log(before(x)): of a draw from 0 on it is an exponential one, of that a Gumbel one."""

    def rule(storages, func, args, kwargs):
        if len(args) > 1 or kwargs:
            return NotImplemented
        draws, tiny = before(storages.draws(args[0])), 4 * torch.finfo(args[0].dtype).eps
        shift, scale = (np.broadcast_to(a, draws.shape) for a in (draws.shift, draws.scale))
        found = [log_of(*each, tiny) for each in zip(draws.cells.flat, shift.flat, scale.flat, strict=True)]
        if not found or any(each is None for each in found):
            return NotImplemented
        cells = np.empty(len(found), object)
        cells[:] = [cell for _, cell in found]
        offset = np.array([log for log, _ in found]).reshape(draws.shape)
        return storages.result(func(*args), LazyUniform(cells.reshape(draws.shape), offset, -1.0))

    return rule


def log_of(cell, shift, scale, tiny):
    """log(shift + scale z) as a constant and minus a `MinusLog`; None where the least of these numbers is not 0."""
    if isinstance(cell, Interval) and cell.known is None:
        low, high = shift + scale * cell.low, shift + scale * cell.high
        cell, shift, scale = Rest(cell, is_falling=scale < 0), min(low, high), abs(high - low)
    is_gumbel = isinstance(cell, MinusLog) and isinstance(cell.of, MinusLog)
    if is_gumbel or scale <= 0 or abs(shift) > tiny * scale or not getattr(cell, "is_whole", False):
        return None
    return math.log(scale), MinusLog(cell)


def clamp(storages, func, args, kwargs):
    """Bounds that keep a uniform draw off its ends by rounding leave it as it is."""
    (x, low, high), tiny = (*args, None, None)[:3], 4 * torch.finfo(args[0].dtype).eps
    low, high = kwargs.get("min", low), kwargs.get("max", high)
    draws = storages.draws(x)
    if any(isinstance(bound, torch.Tensor) for bound in (low, high)) or not all(map(is_interval, draws.cells.flat)):
        return NotImplemented
    ends = draws.shift, draws.shift + draws.scale
    below, above = np.minimum(*ends), np.maximum(*ends)
    margin = tiny * (above - below)
    if (low is not None and np.any(low - below > margin)) or (high is not None and np.any(above - high > margin)):
        return NotImplemented
    return storages.result(func(*args, **kwargs), draws)


def is_interval(cell):
    return isinstance(cell, Interval)


COMPARES = {np.less, np.less_equal, np.greater, np.greater_equal}
ROUNDS = {np.floor, np.ceil, np.trunc, np.rint}
ELEMENTWISE = {
    "lt lt_": np.less, "le le_": np.less_equal, "gt gt_": np.greater, "ge ge_": np.greater_equal,
    "add add_": np.add, "sub sub_": np.subtract, "mul mul_": np.multiply, "div div_": np.divide,
    "neg neg_": np.negative, "rsub": reversed_subtract, "floor floor_": np.floor, "ceil ceil_": np.ceil,
    "trunc trunc_": np.trunc, "round round_": np.rint, "sign sign_": sign, "abs abs_": magnitude,
}  # fmt: skip
SELECTIONS = "clone index index_select gather take flip roll cat stack repeat masked_select constant_pad_nd"
ATEN_RULES = {
    **{getattr(aten, name): by_ufunc(ufunc) for names, ufunc in ELEMENTWISE.items() for name in names.split()},
    **{getattr(aten, name): cells_moved for name in SELECTIONS.split()},
    **dict.fromkeys((aten.copy_, aten.fill_, aten.zero_), copied_over),
    aten._to_copy: to_copy,
    aten.bucketize: bucketize,
    aten.searchsorted: searchsorted,
    aten.log: logarithm(lambda draws: draws),
    aten.log1p: logarithm(lambda draws: 1 + draws),
    aten.clamp: clamp,
}
COMPARES_EACH = {
    getattr(aten, name)
    for name in "sort argsort topk kthvalue median nanmedian mode argmax argmin max min amax amin aminmax cummax "
    "cummin unique_dim _unique2 maximum minimum eq ne isin".split()
}
LOOKS_NOT = {
    getattr(aten, name)
    for name in "_unsafe_view empty_like zeros_like ones_like full_like new_empty new_zeros new_ones new_full "
    "new_empty_strided".split()
}
REINTERPRETS = {aten.view.dtype, aten.view_as_complex.default, aten.view_as_real.default, aten.set_.source_Tensor}
