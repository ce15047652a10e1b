"""Sample calls: what a row of the catalogue is made of.

A row names a function and its arguments; a `Draw` among them is an input to differentiate, filled with numbers of its
domain, distinct and away from the kinks. Whatever else stands there is passed as it is.
"""

from typing import NamedTuple

import numpy as np


class Draw(NamedTuple):
    """An input: its shape and where its numbers come from."""

    shape: tuple
    domain: str


def real(*shape):
    return Draw(shape, "real")  # 0.2 < |x| < 1.8


def positive(*shape):
    return Draw(shape, "positive")  # (0.3, 2)


def inside(*shape):
    return Draw(shape, "inside")  # 0.1 < |x| < 0.85


def above(*shape):
    return Draw(shape, "above")  # (1.2, 3)


def z(*shape):
    return Draw(shape, "complex")  # away from both axes


DOMAINS = {
    "real": lambda u, s, t: s * (0.2 + 1.6 * u),
    "positive": lambda u, s, t: 0.3 + 1.7 * u,
    "inside": lambda u, s, t: s * (0.1 + 0.75 * u),
    "above": lambda u, s, t: 1.2 + 1.8 * u,
    "complex": lambda u, s, t: (0.3 + 1.2 * u) * np.exp(1j * (0.4 + 0.8 * t)) * np.where(s > 0, 1, -1),
}


class Case(NamedTuple):
    """A call with holes; ``case(*arrays)`` fills the holes and makes it."""

    function: object
    call: object
    args: tuple
    kwargs: dict

    @property
    def draws(self):
        found = []
        fill((self.args, self.kwargs), lambda d: found.append(d))
        return found

    @property
    def is_complex(self):
        return any(d.domain == "complex" for d in self.draws)

    def __call__(self, *arrays):
        arrays = iter(arrays)
        args, kwargs = fill((self.args, self.kwargs), lambda d: next(arrays))
        return (self.call or self.function)(*args, **kwargs)

    def __str__(self):
        def shown(v):
            if isinstance(v, Draw):
                return f"{v.domain}{list(v.shape)}"
            if isinstance(v, (list, tuple)):
                return "(" + " ".join(map(shown, v)) + ")"
            return f"{v.dtype}{list(v.shape)}" if isinstance(v, np.ndarray) else getattr(v, "__name__", str(v))

        name = name_of(self.function)
        return f"{name}-" + "-".join([*map(shown, self.args), *(f"{k}={shown(v)}" for k, v in self.kwargs.items())])

    def sample(self, rng, dtype=None):
        """One array for every hole."""
        count = sum(int(np.prod(d.shape)) for d in self.draws)
        u = (rng.permutation(count) + rng.uniform(0.3, 0.7, count)) / max(count, 1)  # distinct over all inputs
        arrays, start = [], 0
        for d in self.draws:
            size = int(np.prod(d.shape))
            sign, t = rng.choice([-1.0, 1.0], size), rng.uniform(0, 1, size)
            x = DOMAINS[d.domain](u[start : start + size], sign, t).reshape(d.shape)
            arrays.append(x if dtype is None else x.astype(dtype))
            start += size
        return arrays

    def on(self, put):
        """The same call with every constant array moved by ``put``."""
        args, kwargs = fill((self.args, self.kwargs), lambda d: d, put)
        return self._replace(args=args, kwargs=kwargs)


def fill(template, f, put=lambda a: a):
    """A nested template with ``f`` applied to its draws and ``put`` to its constant arrays."""
    if isinstance(template, Draw):
        return f(template)
    if isinstance(template, (list, tuple)):
        return type(template)([fill(t, f, put) for t in template])
    if isinstance(template, dict):
        return {k: fill(v, f, put) for k, v in template.items()}
    return put(template) if isinstance(template, np.ndarray) else template


def name_of(function):
    module = (getattr(function, "__module__", None) or "numpy").removeprefix("numpy").lstrip(".")
    return f"{module}.{function.__name__}".lstrip(".")


class Rows(list):
    """Sample calls, in the order in which a module writes them."""

    def case(self, function, *args, _call=None, **kwargs):
        """Add a row; ``_call`` is for what is not a plain call of the function (methods, index objects)."""
        self.append(Case(function, _call, args, kwargs))


MASK = np.array([[True, False, True], [True, True, False]])
