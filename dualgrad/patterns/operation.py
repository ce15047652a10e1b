"""One pass of a function over bit sets, and one operation of it."""

import functools

import numpy as np

from ..backend import is_array
from ..cures import sparse_operand
from ..dual import LIVE, Dual, new_level, pad_lead, primal
from ..rules.lead import broadcast
from ..tree import flatten, rebuild
from .bits import NONE, WORD, union


class NeedsValueError(NotImplementedError):
    """What stands for all values was asked for its own."""

    def __init__(self):
        super().__init__(
            "sparsity(at=None) is for all values of x, and here f asks for one: an if or bool(x), an index made of x, "
            "dg.primal(x), a derivative inside, np.array([x, y]), ufunc.at, or a shape that depends on values; write "
            "np.where, np.stack([x, y]), or leave at=None out for the pattern at x"
        )


class Pass:
    """A pass of f over sets of so many words: at the values of x, or for ``any_value``.

    For all values there is one word more, which says that an entry may change though it has no derivative, as that of
    ``np.floor`` does: an entry whose set is empty is constant, and may be counted on to be 0.

    ``kind`` is the class of what travels. ``meetings``, a list where second derivatives are asked for, takes pairs of
    arrays of sets ``(words, m)``: in each pair of sets all inputs of the one may meet all of the other in a product.
    """

    def __init__(self, words, kind, any_value=False, meetings=None):
        self.words, self.kind, self.any_value, self.meetings = words + any_value, kind, any_value, meetings
        self.level, self.entered = new_level((self.words,)), set()

    def close(self):
        """End the pass."""
        LIVE.pop(self.level, None)

    def made(self, value, bits, inert=False, frozen=False):
        """A value with its sets; numbers of Python as NumPy's."""
        value = value if hasattr(value, "dtype") else np.asarray(value)[()]
        return self.kind(value, bits, self, inert, frozen)

    def empty(self, shape):
        """Empty sets of a shape."""
        return np.zeros((self.words, *shape), WORD)

    def without_inputs(self, value):
        """A value that depends on no input, and may change."""
        bits = self.empty(np.shape(value))
        if self.any_value:
            bits[-1] = 1
        return self.made(value, bits, inert=not self.any_value)

    def owns(self, a):
        """Whether ``a`` travels in this pass."""
        return isinstance(a, Dual) and getattr(a, "run", None) is self

    def meet(self, first, second):
        """Note that the inputs in sets of the first may meet those in sets of the second, pair by pair."""
        if self.meetings is not None:
            flat = (np.ascontiguousarray(np.reshape(b, (self.words, -1))) for b in (first, second))
            self.meetings.append(tuple(flat))


def _of_sparse(a):
    """A sparse matrix as the operand that it is of NumPy's functions."""
    return sparse_operand(a) if a.__class__.__module__.startswith("scipy.sparse") else a


class Operation:
    """A call of a function with operands of a pass among its arguments; ``values`` is what it gives of the values."""

    def __init__(self, run, function, args, kwargs):
        self.run, self.function = run, function
        self.args, self.kwargs = args, kwargs = tuple(map(_of_sparse, args)), kwargs
        self.leaves, self.structure = flatten((args, kwargs))
        self.mine = [k for k, a in enumerate(self.leaves) if run.owns(a)]
        self.moving = [k for k in self.mine if not self.leaves[k].inert]

    @functools.cached_property
    def operands(self):
        """What moves."""
        return [self.leaves[k] for k in self.moving]

    def filled(self, replace, function=None):
        """The call with other leaves: ``replace`` maps places to them, and the rest are plain values."""
        plain = [replace[k] if k in replace else self.plain(a) for k, a in enumerate(self.leaves)]
        args, kwargs = rebuild(self.structure, plain)
        return (self.function if function is None else function)(*args, **kwargs)

    def plain(self, a):
        """The value of a leaf."""
        if self.run.owns(a):
            return a.value
        return primal(a) if isinstance(a, Dual) else a

    @functools.cached_property
    def values(self):
        """What the function gives of plain values."""
        first = self.args[0] if self.args else None
        if (
            len(self.mine) == 1
            and self.leaves[self.mine[0]] is first
            and sum(isinstance(a, Dual) for a in self.leaves) == 1
        ):
            return self.function(first.value, *self.args[1:], **self.kwargs)
        return self.filled({})

    def results(self, bits_of):
        """The results with their sets, ``bits_of(value)``; what is no array of numbers goes as it is."""
        outputs, structure = flatten(self.values)
        return rebuild(structure, [self.result(v, bits_of) for v in outputs])

    def result(self, v, bits_of):
        """One result with its sets."""
        if getattr(v, "dtype", np.dtype(float)).kind not in "fc" or not (is_array(v) or np.isscalar(v)):
            return v if not self.run.any_value or not hasattr(v, "dtype") else self.run.without_inputs(v)
        frozen = is_array(v) and any(np.may_share_memory(v, a.value) for a in self.operands if is_array(a.value))
        return self.run.made(v, bits_of(v), frozen=frozen)

    # ------------------------------------------------------------------ sets that any function has

    def dense(self, within=False):
        """Every entry of the results depends on all inputs of the operands, and each of them may meet each; ``within``
        its own rule those of different operands: of one it is linear, or what the rule looks at."""
        run, together = self.run, np.zeros(self.run.words, WORD)
        for a in self.operands:
            inputs = union(a.tangent, tuple(range(1, a.tangent.ndim)))
            run.meet(together[:, None], inputs[:, None])
            together = together | inputs
        if not within:
            run.meet(together[:, None], together[:, None])
        return self.results(lambda v: self.spread(together, v.shape))

    def spread(self, bits, shape):
        """Sets as those of a larger shape, in memory of their own."""
        return broadcast(bits, (self.run.words,), shape, WORD)

    def may_count(self, a):
        """Where an operand is not a constant 0."""
        there = np.asarray(self.plain(a)) != 0
        if not self.run.owns(a):
            return there
        return np.ones_like(there) if a.inert else there | np.any(a.tangent, axis=0)

    def entrywise(self, masks=None):
        """The union of the operands' sets, entry by entry; where a mask is false, without that operand's."""
        value = self.values
        shape = np.shape(value if hasattr(value, "shape") else flatten(value)[0][0])
        together = None
        for n, a in enumerate(self.operands):
            bits = pad_lead(a.tangent, len(shape))
            bits = bits if masks is None else np.where(masks[n], bits, NONE)
            together = bits if together is None else together | bits
        return self.results(lambda v: self.spread(together, v.shape))
