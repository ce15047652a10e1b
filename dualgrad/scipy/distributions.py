"""Distributions: SciPy's values with derivatives, loc and scale, the edges of the support, and what is no distribution.

A distribution is a class of formulas in standard form, ``_logpdf(z, *shapes)`` for loc 0 and scale 1, written with
functions that have rules. Each function of SciPy that it knows becomes one that answers Duals: its value is SciPy's
own, its tangent that of the formula.
"""

from collections.abc import Callable
from inspect import Parameter, Signature
from types import NoneType
from typing import Any

import numpy as np
from scipy import stats as ss

from ..backend import is_array
from ..dispatch import own
from ..dual import Dual, primal
from ..rules.declare import composite
from .frozen import Frozen

TINY = np.finfo(float).tiny  # below it a tail has lost digits
QUANTILES = "ppf", "isf"
SAFE = 0.5  # inside every support, and every range of a shape parameter; where an entry is outside, it stands for it


class Distribution:
    """SciPy's distribution of a name, some of whose functions take Duals; the others are SciPy's own.

    Parameters
    ----------
    name : str
        SciPy's.
    """

    shapes: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()  # of x, or of q
    located: tuple[str, ...] = ("loc",)
    variable = "x"

    cdf: Callable[..., Any]
    sf: Callable[..., Any]
    logcdf: Callable[..., Any]
    logsf: Callable[..., Any]
    ppf: Callable[..., Any]
    isf: Callable[..., Any]
    entropy: Callable[..., Any]

    def __init__(self, name: str) -> None:
        self.name, self.of_scipy = name, getattr(ss, name)
        self.declared = (*self.functions, "entropy")
        for function in self.declared:
            self._declare(function, self._signature(function))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "of_scipy":
            raise AttributeError(name)
        return getattr(self.of_scipy, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Frozen:
        """The distribution with these parameters, as SciPy's frozen one."""
        return Frozen(self, args, kwargs)

    def __repr__(self) -> str:
        return f"<dualgrad.scipy.stats.{self.name}>"

    @property
    def parameters(self) -> Signature:
        """Those of a frozen distribution."""
        return self._signature("entropy")

    def _signature(self, name: str) -> Signature:
        """The one that SciPy documents."""
        kind = Parameter.POSITIONAL_OR_KEYWORD
        variable = [] if name == "entropy" else ["q" if name in QUANTILES else self.variable]
        places = [Parameter(p, kind) for p in (*variable, *self.shapes)]
        places += [Parameter(p, kind, default=1 if p == "scale" else 0) for p in self.located]
        return Signature(places)

    def _declare(self, name, signature):
        """The function of SciPy under a signature, and its definition."""
        original = getattr(self.of_scipy, name)

        def function(*args, **kwargs):
            return original(*args, **kwargs)

        function.__signature__, function.__doc__ = signature, original.__doc__
        function.__name__, function.__qualname__ = name, f"{self.name}.{name}"
        function.__module__ = "dualgrad.scipy.stats"
        function = own(function)
        formula = getattr(self, f"_define_{name}")
        composite(function, lambda *args, **kwargs: formula(*map(_as_operand, args), **kwargs))
        setattr(self, name, function)

    def _valid(self, *shapes):
        """Whether these are parameters of the distribution."""
        return np.all([s > 0 for s in np.broadcast_arrays(*map(primal, shapes))], 0) if shapes else True


def _as_operand(a):
    return a if is_array(a) or isinstance(a, (bool, NoneType, ss.Covariance)) else np.asarray(a)


def nowhere(valid, y, *args):
    """y, and NaN with tangents NaN where it is not defined."""
    return y if np.all(valid) else np.where(valid, y, sum(np.nan * a for a in args))


def safe(inside, *args):
    """Arguments with `SAFE` ones for the entries outside."""
    return args if np.all(inside) else tuple(np.where(inside, a, SAFE) for a in args)


def log_of_area(area, *args):
    """log of a cdf or sf of some arguments, with NaN tangents where it underflows: its own tangent is lost there."""
    there = primal(area) >= TINY
    return nowhere(there, np.log(np.where(there, area, SAFE)), *args)


class ContinuousDistribution(Distribution):
    """A distribution with a density: ``(low, high)`` is its support in standard form, ends included if ``closed``."""

    functions = ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf", *QUANTILES)
    located = ("loc", "scale")
    low, high, closed = -np.inf, np.inf, True
    pdf: Callable[..., Any]
    logpdf: Callable[..., Any]

    def _pdf(self, z, *shapes):
        return np.exp(self._logpdf(z, *shapes))

    def _logcdf(self, z, *shapes):
        return log_of_area(self._cdf(z, *shapes), z, *shapes)

    def _logsf(self, z, *shapes):
        return log_of_area(self._sf(z, *shapes), z, *shapes)

    def _standard(self, x, args):
        """Where x and the parameters are some, where x is inside of the support, above it, and (z, shapes, scale)."""
        *shapes, loc, scale = args
        valid = self._valid(*shapes) & (primal(scale) > 0) & np.isfinite(primal(loc)) & ~np.isnan(primal(x))
        (size,) = safe(valid, scale)
        z = (x - loc) / size
        at = primal(z)
        inside = (self.low <= at) & (at <= self.high) if self.closed else (self.low < at) & (at < self.high)
        z, *shapes = safe(valid & inside, z, *shapes)
        return valid, inside, ~inside & (at >= self.high), z, shapes, size

    def _define(self, form, outside, above, x, args, scaled=lambda y, scale: y):
        valid, inside, over, z, shapes, scale = self._standard(x, args)
        y = scaled(form(z, *shapes), scale)
        return nowhere(valid, y if np.all(inside) else np.where(inside, y, np.where(over, above, outside)), x, *args)

    def _define_pdf(self, x, *args):
        return self._define(self._pdf, 0.0, 0.0, x, args, lambda y, scale: y / scale)

    def _define_logpdf(self, x, *args):
        return self._define(self._logpdf, -np.inf, -np.inf, x, args, lambda y, scale: y - np.log(scale))

    def _define_cdf(self, x, *args):
        return self._define(self._cdf, 0.0, 1.0, x, args)

    def _define_logcdf(self, x, *args):
        return self._define(self._logcdf, -np.inf, 0.0, x, args)

    def _define_sf(self, x, *args):
        return self._define(self._sf, 1.0, 0.0, x, args)

    def _define_logsf(self, x, *args):
        return self._define(self._logsf, 0.0, -np.inf, x, args)

    def _define_quantile(self, form, q, args):
        *shapes, loc, scale = args
        valid = self._valid(*shapes) & (primal(scale) > 0) & (0 <= primal(q)) & (primal(q) <= 1)
        inner = safe(valid, q, *shapes)
        return nowhere(valid, loc + scale * form(*inner), q, *args)

    def _define_ppf(self, q, *args):
        return self._define_quantile(self._ppf, q, args)

    def _define_isf(self, q, *args):
        return self._define_quantile(self._isf, q, args)

    def _define_entropy(self, *args):
        *shapes, loc, scale = args
        valid = self._valid(*shapes) & (primal(scale) > 0)
        *shapes, size = safe(valid, *shapes, scale)
        return nowhere(valid, self._entropy(*shapes) + np.log(size) + 0 * loc, *args)


class DiscreteDistribution(Distribution):
    """A distribution on the whole numbers from ``low`` to the last one.

    What jumps from one whole number to the next has no derivative there: a Dual as ``k``, ``loc`` or another whole
    number is refused, but for ``ppf`` and ``isf``, step functions of q and the shapes, which move with ``loc``.
    """

    functions = ("pmf", "logpmf", "cdf", "logcdf", "sf", "logsf", *QUANTILES)
    variable = "k"
    whole: tuple[str, ...] = ()  # shapes that are whole numbers
    low = 0
    pmf: Callable[..., Any]
    logpmf: Callable[..., Any]

    def _last(self, *shapes):
        return np.inf

    def _logcdf(self, k, *shapes):
        return log_of_area(self._cdf(k, *shapes), k, *shapes)

    def _logsf(self, k, *shapes):
        return log_of_area(self._sf(k, *shapes), k, *shapes)

    def _refuse(self, function, names, args):
        for name, a in zip(names, args, strict=True):
            if isinstance(a, Dual) and name in ("k", "loc", *self.whole):
                raise NotImplementedError(
                    f"{self.name}.{function} has no derivative along {name}, which counts whole numbers: "
                    f"pass dg.primal({name}) if it is a constant"
                )

    def _define(self, function, outside, above, k, args):
        self._refuse(function, ("k", *self.shapes, "loc"), (k, *args))
        *shapes, loc = args
        valid = self._valid(*shapes) & ~np.isnan(k) & np.isfinite(loc)
        at, last = k - loc, self._last(*map(primal, shapes))
        mass = function.endswith("pmf")
        over = at > last if mass else at >= last
        inside = valid & (self.low <= at) & ~over & ((at == np.floor(at)) if mass else True)
        y = getattr(self, f"_{function}")(*safe(inside, np.floor(at), *shapes))
        return nowhere(valid, np.where(inside, y, np.where(over, above, outside)), k, *args)

    def _define_pmf(self, *args):
        return self._define("pmf", 0.0, 0.0, args[0], args[1:])

    def _define_logpmf(self, *args):
        return self._define("logpmf", -np.inf, -np.inf, args[0], args[1:])

    def _define_cdf(self, *args):
        return self._define("cdf", 0.0, 1.0, args[0], args[1:])

    def _define_logcdf(self, *args):
        return self._define("logcdf", -np.inf, 0.0, args[0], args[1:])

    def _define_sf(self, *args):
        return self._define("sf", 1.0, 0.0, args[0], args[1:])

    def _define_logsf(self, *args):
        return self._define("logsf", 0.0, -np.inf, args[0], args[1:])

    def _define_quantile(self, function, q, args):
        *shapes, loc = args
        self._refuse(function, self.shapes, shapes)
        valid = self._valid(*shapes) & (0 <= primal(q)) & (primal(q) <= 1)
        return nowhere(valid, loc + 0.0 * primal(q) + sum(0.0 * primal(s) for s in shapes), q, *args)

    def _define_ppf(self, q, *args):
        return self._define_quantile("ppf", q, args)

    def _define_isf(self, q, *args):
        return self._define_quantile("isf", q, args)

    def _define_entropy(self, *args):
        self._refuse("entropy", (*self.shapes, "loc"), args)
        *shapes, loc = args
        valid = self._valid(*shapes)
        return nowhere(valid, self._entropy(*safe(valid, *shapes)) + 0 * loc, *args)
