"""Distributions with their parameters given, ``stats.norm(loc, scale)``, whose functions take Duals."""

import inspect
from typing import Any

from ..dual import primal
from ..errors import TangentLossError
from ..rules.declare import duals_in
from ..tree import is_container, map_leaves


def _plain(parameter):
    return map_leaves(primal, parameter) if is_container(parameter) else primal(parameter)


class Frozen:
    """A distribution and its parameters, plain or Duals; made by calling the distribution.

    The functions that the distribution gives Duals are called with these parameters. Every other name (``rvs``,
    ``mean``, ``interval``) is that of SciPy's frozen distribution, which cannot be asked of Duals.

    Parameters
    ----------
    distribution : Distribution
        One of `dualgrad.scipy.stats`.
    args, kwargs
        What SciPy takes there: shapes, ``loc`` and ``scale``, or ``mean`` and ``cov``.

    Raises
    ------
    TypeError
        For parameters that the distribution does not have, as SciPy does.
    TangentLossError
        For a name of SciPy's where a parameter is a Dual.

    Examples
    --------
    >>> import dualgrad as dg
    >>> from dualgrad.scipy import stats
    >>> dg.derivative(lambda sigma: stats.norm(0.0, sigma).logpdf(1.0))(2.0)
    np.float64(-0.375)
    >>> stats.norm(0.0, 2.0).mean()
    np.float64(0.0)
    """

    def __init__(self, distribution: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.dist, self.args, self.kwds = distribution, args, kwargs
        self._moves = any(True for _ in duals_in((*args, *kwargs.values())))
        self._of_scipy = distribution.of_scipy(*map(_plain, args), **{k: _plain(a) for k, a in kwargs.items()})
        bound = distribution.parameters.bind(*args, **kwargs).arguments
        self._given = bound | bound.pop("kwds", {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self.dist.declared:
            function = getattr(self.dist, name)
            known = inspect.signature(function).parameters
            given = {key: value for key, value in self._given.items() if key in known}
            return lambda *args, **kwargs: function(*args, **kwargs, **given)
        if not self._moves:
            return getattr(self._of_scipy, name)
        if name in self._given:
            return self._given[name]
        if not hasattr(self._of_scipy, name):
            raise AttributeError(f"stats.{self.dist.name}(...) has no {name}")
        raise TangentLossError(
            f"stats.{self.dist.name}(...).{name} is SciPy's own and would drop the tangent of a parameter: pass "
            f"dg.primal(...) if it is a constant; {', '.join(self.dist.declared)} take Duals"
        )

    def __repr__(self) -> str:
        return f"<dualgrad.scipy.stats.{self.dist.name}, frozen>"
