"""Sample calls of the functions of SciPy that have a rule; not in the catalogue, because SciPy may be missing.

``np.real`` keeps the complex step away from functions whose complex branch is not exact to the last bit.
"""

import numpy as np

from dualgrad.scipy import linalg, special
from tests.support.catalogue import Case, above, inside, positive, real, z

ROWS = []


def row(function, *args, _call=None, **kwargs):
    ROWS.append(Case(function, _call, args, kwargs))


for f in (special.erf, special.erfc, special.erfcx, special.ndtr, special.log_ndtr, special.expit, special.log_expit,
          special.i0, special.i1, special.i0e, special.i1e):  # fmt: skip
    row(f, real(2, 3))
    row(f, real())
for f in (special.erfi, special.dawsn):
    row(f, real(2, 3))
row(special.hyperu, 0.5, 1.5, positive(2, 3))
row(special.hyperu, np.array([0.5, 2.0]), 1.5, positive(3, 1))
row(special.erf, z(3))
row(special.log_ndtr, z(3))
row(special.erfinv, inside(3))
row(special.erfcinv, inside(3), _call=lambda x: special.erfcinv(1 + x))
for f in (special.ndtri, special.logit):
    row(f, inside(2, 2), _call=lambda x, f=f: f((1 + x) / 2))
for f in (special.gamma, special.gammaln, special.loggamma, special.digamma, special.psi):
    row(f, positive(2, 3))
row(special.gamma, real(3), _call=lambda x: np.real(special.gamma(x / 4 - 1.5)))
row(special.gammaln, real(3), _call=lambda x: special.gammaln(x / 4 - 2.5))
row(special.polygamma, 1, positive(3))
row(special.polygamma, np.array([[2], [3]]), positive(3))
row(special.zeta, 2.5, above(3))
row(special.zeta, np.array([2.0, 3.0]), above(2, 1))
for f in (special.beta, special.betaln):
    row(f, positive(2, 3), positive(3))
    row(f, 1.5, positive(3))
for f in (special.xlogy, special.xlog1py):
    row(f, real(2, 3), positive(3))
    row(f, real(3), 2.5)
    row(f, z(3), z(3))
row(special.entr, positive(2, 3))
for f in (special.rel_entr, special.kl_div):
    row(f, positive(2, 3), positive(3))
    row(f, positive(3), np.array([0.3, 0.4, 0.3]))
for f in (special.iv, special.ive):
    row(f, 2, real(3))
    row(f, 1.5, positive(2, 2))
row(special.logsumexp, real(2, 3))
row(special.logsumexp, real(2, 3, 2), axis=(0, -1), keepdims=True)
row(special.logsumexp, real(2, 3), axis=1, b=positive(3))
row(special.logsumexp, real(4), b=np.array([1.0, -3.0, 0.0, 0.5]), return_sign=True)
row(special.logsumexp, np.array([[0.5], [1.0]]), b=real(2, 3), axis=0, return_sign=True)
row(special.logsumexp, real())
row(special.logsumexp, z(3))
for f in (special.softmax, special.log_softmax):
    row(f, real(2, 3))
    row(f, real(2, 3), axis=-1)
    row(f, real(2, 3, 2), axis=(0, 2))

row(linalg.expm, real(3, 3))
row(linalg.expm, real(2, 2, 2))
row(linalg.expm, z(2, 2))
row(linalg.expm, real(1, 1))
row(linalg.sqrtm, real(3, 3), _call=lambda x: np.real(linalg.sqrtm(x @ x.T + 2 * np.eye(3))))
row(linalg.sqrtm, z(2, 2), _call=lambda x: linalg.sqrtm(x + 4 * np.eye(2)))
A, B = 4 * np.eye(2), np.eye(3)
row(
    linalg.solve_sylvester,
    above(2, 2),
    real(3, 3),
    real(2, 3),
    _call=lambda a, b, q: np.real(linalg.solve_sylvester(a + A, b / 4 + B, q)),
)
row(linalg.solve_sylvester, z(2, 2), np.array([[9.0]]), z(2, 1))
for kw in ({}, {"lower": True}, {"trans": 1}, {"trans": "T", "lower": True, "unit_diagonal": True}):
    row(linalg.solve_triangular, above(3, 3), real(3), **kw)
row(linalg.solve_triangular, z(2, 2), z(2, 3), trans=2)
row(linalg.solve_triangular, z(2, 2), real(2), trans="C", lower=True, unit_diagonal=True)
row(linalg.cho_solve, (above(3, 3), True), real(3))
row(linalg.cho_solve, (z(2, 2), False), real(2, 2))
for trans in (0, 1, 2):
    row(linalg.lu_solve, (above(3, 3), [1, 2, 2]), real(3), trans=trans)
row(linalg.lu_solve, (z(2, 2), [1, 1]), real(2, 2), trans=2)
