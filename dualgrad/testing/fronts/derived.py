"""Numbers that were uniform draws before arithmetic was done with them: comparing them is never certified."""

import numpy as np

JUMPS = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.sign, np.floor, np.ceil,
         np.trunc, np.rint, np.floor_divide, np.remainder, np.divmod, np.heaviside, np.signbit}  # fmt: skip
ORDERS = {np.argsort, np.argmax, np.argmin, np.argpartition, np.searchsorted, np.digitize, np.histogram, np.unique,
          np.round, np.around, np.floor_divide, np.nonzero, np.lexsort, np.isin, np.bincount, np.count_nonzero,
          np.argwhere, np.flatnonzero, np.array_equal, np.trunc, np.fix}  # fmt: skip


class Derived(np.ndarray):
    """An array that doubts where it is compared, ordered or rounded, and what is computed from it likewise.

    ``np.asarray`` and ``float`` end this, as does what is written in C: jumps beyond them are seen along lines alone.
    """

    source = None

    def __array_finalize__(self, base):
        self.source = getattr(base, "source", None)

    def _doubt(self, what):
        if self.source is not None:
            self.source.doubt(f"a uniform draw is compared after arithmetic was done with it, by {what}")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        source = next(x.source for x in (*inputs, *(out or ())) if isinstance(x, Derived))
        if ufunc in JUMPS:
            self._doubt(ufunc.__name__)
        if out is not None:
            kwargs["out"] = tuple(map(plain, out))
        found = getattr(ufunc, method)(*map(plain, inputs), **kwargs)
        if out is not None and len(out) == 1:
            return out[0]
        return derived(found, source)

    def __array_function__(self, function, types, args, kwargs):
        if function in ORDERS:
            self._doubt(function.__name__)
        found = function(*map(plain, args), **{name: plain(a) for name, a in kwargs.items()})
        return derived(found, self.source)

    def astype(self, dtype, *args, **kwargs):
        if np.dtype(dtype).kind in "iub":
            self._doubt("astype")
        return derived(plain(self).astype(dtype, *args, **kwargs), self.source)

    def __int__(self):
        self._doubt("int")
        return int(plain(self))


def _ordering(name):
    def method(self, *args, **kwargs):
        self._doubt(name)
        return getattr(plain(self), name)(*map(plain, args), **kwargs)

    return method


for _name in ("argsort", "argmax", "argmin", "argpartition", "searchsorted", "round", "nonzero"):
    setattr(Derived, _name, _ordering(_name))


def derived(x, source):
    """Floating results as derived arrays, also in tuples; anything else as it is."""
    if isinstance(x, tuple):
        return tuple(derived(part, source) for part in x)
    if isinstance(x, (np.ndarray, np.floating)) and x.dtype.kind == "f":
        found = np.asarray(x).view(Derived)
        found.source = source
        return found
    return x


def plain(x):
    """As a plain array, also inside lists."""
    if isinstance(x, Derived):
        return x.view(np.ndarray)
    if isinstance(x, (list, tuple)) and any(isinstance(entry, Derived) for entry in x):
        return type(x)(map(plain, x))
    return x
