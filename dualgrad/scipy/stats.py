"""``scipy.stats``: distributions whose densities, areas, quantiles and entropies take Duals.

It is imported by name, ``from dualgrad.scipy import stats``, for ``scipy.stats`` takes long to import. Signatures and
values are SciPy's; every other name, of the module and of a distribution (``rvs``, ``fit``, ``mean``), is SciPy's own.

Examples
--------
>>> import dualgrad as dg
>>> from dualgrad.scipy import stats
>>> dg.derivative(stats.norm.logsf)(40.0)
np.float64(-40.024968847207276)
>>> dg.derivative(lambda mu: stats.poisson.cdf(3, mu))(2.0) == -stats.poisson.pmf(3, 2.0)
np.True_
"""

from scipy import stats as ss

from ..extend import lasting
from .shared import others

__all__ = [
    "bernoulli", "beta", "binom", "cauchy", "chi2", "dirichlet", "expon", "gamma", "geom", "laplace", "logistic",
    "lognorm", "multivariate_normal", "norm", "poisson", "t", "uniform", "weibull_min",
]  # fmt: skip
__getattr__ = others(ss)

with lasting():
    from . import continuous, discrete, gamma_family, multivariate

    norm = continuous.Normal("norm")
    expon = continuous.Exponential("expon")
    uniform = continuous.UniformInterval("uniform")
    laplace = continuous.Laplace("laplace")
    logistic = continuous.Logistic("logistic")
    cauchy = continuous.Cauchy("cauchy")
    lognorm = continuous.LogNormal("lognorm")
    weibull_min = continuous.Weibull("weibull_min")
    gamma = gamma_family.Gamma("gamma")
    beta = gamma_family.Beta("beta")
    chi2 = gamma_family.ChiSquared("chi2")
    t = gamma_family.Student("t")
    poisson = discrete.Poisson("poisson")
    bernoulli = discrete.Bernoulli("bernoulli")
    binom = discrete.Binomial("binom")
    geom = discrete.Geometric("geom")
    multivariate_normal = multivariate.MultivariateNormal("multivariate_normal")
    dirichlet = multivariate.Dirichlet("dirichlet")
