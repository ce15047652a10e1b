"""Sample calls of the functions of SciPy that have a rule; not in the catalogue, because SciPy may be missing.

``np.real`` keeps the complex step away from functions whose complex branch is not exact to the last bit.
"""

import numpy as np

from dualgrad.scipy import fft, linalg, signal, special
from tests.support.cases import Rows, above, inside, positive, real, z

ROWS = Rows()
case = ROWS.case

for f in (special.erf, special.erfc, special.erfcx, special.ndtr, special.log_ndtr, special.expit, special.log_expit,
          special.i0, special.i1, special.i0e, special.i1e):  # fmt: skip
    case(f, real(2, 3))
    case(f, real())
for f in (special.erfi, special.dawsn):
    case(f, real(2, 3))
case(special.hyperu, 0.5, 1.5, positive(2, 3))
case(special.hyperu, np.array([0.5, 2.0]), 1.5, positive(3, 1))
case(special.erf, z(3))
case(special.log_ndtr, z(3))
case(special.erfinv, inside(3))
case(special.erfcinv, inside(3), _call=lambda x: special.erfcinv(1 + x))
for f in (special.ndtri, special.logit):
    case(f, inside(2, 2), _call=lambda x, f=f: f((1 + x) / 2))
for f in (special.gamma, special.gammaln, special.loggamma, special.digamma, special.psi):
    case(f, positive(2, 3))
case(special.gamma, real(3), _call=lambda x: np.real(special.gamma(x / 4 - 1.5)))
case(special.gammaln, real(3), _call=lambda x: special.gammaln(x / 4 - 2.5))
case(special.polygamma, 1, positive(3))
case(special.polygamma, np.array([[2], [3]]), positive(3))
case(special.zeta, 2.5, above(3))
case(special.zeta, np.array([2.0, 3.0]), above(2, 1))
for f in (special.beta, special.betaln):
    case(f, positive(2, 3), positive(3))
    case(f, 1.5, positive(3))
for f in (special.xlogy, special.xlog1py):
    case(f, real(2, 3), positive(3))
    case(f, real(3), 2.5)
    case(f, z(3), z(3))
case(special.entr, positive(2, 3))
for f in (special.rel_entr, special.kl_div):
    case(f, positive(2, 3), positive(3))
    case(f, positive(3), np.array([0.3, 0.4, 0.3]))
for f in (special.iv, special.ive):
    case(f, 2, real(3))
    case(f, 1.5, positive(2, 2))
for f in (special.j0, special.j1, special.exprel):
    case(f, real(2, 3))
for f in (special.y0, special.y1, special.k0, special.k1, special.exp1):
    case(f, positive(2, 3))
case(special.expi, real(3), _call=lambda x: np.real(special.expi(x)))
for f in (special.jv, special.yv, special.kv):
    case(f, np.array([0.5, 2.0]), positive(3, 2))
for f in (special.yn, special.kn, special.expn):
    case(f, 2, positive(3))
for f in (special.boxcox, special.boxcox1p):
    case(f, positive(2, 3), real(3))
    case(f, positive(3), 0.0)
case(special.rgamma, positive(2, 3))
case(special.rgamma, real(3), _call=lambda x: np.real(special.rgamma(x / 4 - 1.5)))
case(special.gammasgn, real(3))
case(special.multigammaln, above(3), 3)
case(special.poch, positive(2, 3), positive(3))
case(special.poch, positive(3), 2.5)
case(special.binom, above(2, 3), positive(3), _call=lambda n, k: special.binom(n + 2, k))
case(special.binom, 9.5, positive(3))
for f in (special.gammainc, special.gammaincc, special.chdtr, special.chdtrc, special.stdtr):
    case(f, above(2), positive(3, 2))
    case(f, 20.0, positive(3))
for f in (special.gammaincinv, special.gammainccinv, special.chdtri, special.stdtrit):
    case(f, above(2), inside(3, 2), _call=lambda a, p, f=f: f(a, (2 + p) / 4))
for f in (special.betainc, special.betaincc, special.betaincinv, special.betainccinv):
    case(f, above(2), above(3, 1), inside(3, 2), _call=lambda a, b, x, f=f: f(a, b, (2 + x) / 4))
    case(f, 20.0, 30.0, inside(3), _call=lambda a, b, x, f=f: f(a, b, (1 + x) / 2))
for f in (special.ellipk, special.ellipe):
    case(f, inside(2, 3))
case(special.spence, positive(2, 3), _call=lambda x: np.real(special.spence(x)))
case(special.lambertw, positive(3), _call=lambda x: np.real(special.lambertw(x)))
case(special.lambertw, z(3), 1)
for f in (special.huber, special.pseudo_huber):
    case(f, above(2, 3), inside(3))
    case(f, inside(3), above(3), _call=lambda delta, r, f=f: f(1 + delta, 1 + r))
case(special.hyp1f1, np.array([0.5, 2.0]), 1.5, real(3, 2), _call=lambda a, b, x: np.real(special.hyp1f1(a, b, x)))
case(
    special.hyp2f1,
    np.array([0.5, 2.0]),
    1.0,
    1.5,
    inside(3, 2),
    _call=lambda a, b, c, x: np.real(special.hyp2f1(a, b, c, x)),
)
case(special.logsumexp, real(2, 3))
case(special.logsumexp, real(2, 3, 2), axis=(0, -1), keepdims=True)
case(special.logsumexp, real(2, 3), axis=1, b=positive(3))
case(special.logsumexp, real(4), b=np.array([1.0, -3.0, 0.0, 0.5]), return_sign=True)
case(special.logsumexp, np.array([[0.5], [1.0]]), b=real(2, 3), axis=0, return_sign=True)
case(special.logsumexp, real())
case(special.logsumexp, z(3))
for f in (special.softmax, special.log_softmax):
    case(f, real(2, 3))
    case(f, real(2, 3), axis=-1)
    case(f, real(2, 3, 2), axis=(0, 2))

case(linalg.expm, real(3, 3))
case(linalg.expm, real(2, 2, 2))
case(linalg.expm, z(2, 2))
case(linalg.expm, real(1, 1))
case(linalg.sqrtm, real(3, 3), _call=lambda x: np.real(linalg.sqrtm(x @ x.T + 2 * np.eye(3))))
case(linalg.sqrtm, z(2, 2), _call=lambda x: linalg.sqrtm(x + 4 * np.eye(2)))
A, B = 4 * np.eye(2), np.eye(3)
case(
    linalg.solve_sylvester,
    above(2, 2),
    real(3, 3),
    real(2, 3),
    _call=lambda a, b, q: np.real(linalg.solve_sylvester(a + A, b / 4 + B, q)),
)
case(linalg.solve_sylvester, z(2, 2), np.array([[9.0]]), z(2, 1))
for kw in ({}, {"lower": True}, {"trans": 1}, {"trans": "T", "lower": True, "unit_diagonal": True}):
    case(linalg.solve_triangular, above(3, 3), real(3), **kw)
case(linalg.solve_triangular, z(2, 2), z(2, 3), trans=2)
case(linalg.solve_triangular, z(2, 2), real(2), trans="C", lower=True, unit_diagonal=True)
case(linalg.cho_solve, (above(3, 3), True), real(3))
case(linalg.cho_solve, (z(2, 2), False), real(2, 2))
for trans in (0, 1, 2):
    case(linalg.lu_solve, (above(3, 3), [1, 2, 2]), real(3), trans=trans)
case(linalg.lu_solve, (z(2, 2), [1, 1]), real(2, 2), trans=2)

# ---------------------------------------------------------------------- banded and dense matrices

for shape in ((4,), (4, 2)):
    case(
        linalg.solve_banded,
        (1, 1),
        above(3, 4),
        real(*shape),
        _call=lambda w, ab, b: linalg.solve_banded(w, WIDE + ab, b),
    )
WIDE = np.array([[0.0], [6.0], [0.0]])
case(linalg.solve_banded, (1, 2), inside(4, 4), real(4), _call=lambda w, ab, b: linalg.solve_banded(w, DEEP + ab, b))
DEEP = np.array([[0.0], [0.0], [6.0], [0.0]])
case(linalg.solve_banded, (0, 3), inside(4, 2), z(2), _call=lambda w, ab, b: linalg.solve_banded(w, LAST + ab, b))
LAST = np.array([[0.0], [0.0], [0.0], [6.0]])
case(linalg.solve_banded, (1, 1), np.array([[0.0, 1, 1], [4, 5, 6], [1, 1, 0]]), z(3, 2))
for lower in (False, True):
    rise = np.array([[6.0], [0.0], [0.0]][:: 1 if lower else -1])
    call = lambda ab, b, rise=rise, lower=lower: linalg.solveh_banded(rise + ab, b, lower=lower)  # noqa: E731
    case(linalg.solveh_banded, inside(3, 4), real(4), _call=call)
    case(linalg.solveh_banded, inside(3, 4), real(4, 2), _call=call)
FAR = 6 * np.eye(3)
for kind in (None, "gen", "sym", "pos", "her", "diagonal", "tridiagonal", "upper triangular", "lower triangular"):
    for lower in (False, True):
        call = lambda a, b, k=kind, low=lower: linalg.solve(FAR + a, b, assume_a=k, lower=low)  # noqa: E731
        case(linalg.solve, real(3, 3), real(3), _call=call)
case(linalg.solve, real(3, 3), np.ones(3), _call=lambda a, b: linalg.solve(FAR + a, b, transposed=True))
case(linalg.solve, real(2, 3, 3), real(2, 3, 2), _call=lambda a, b: linalg.solve(FAR + a, b))
for kind in (None, "pos", "sym"):
    case(linalg.inv, real(3, 3), _call=lambda a, k=kind: linalg.inv(FAR + a, assume_a=k, lower=True))
case(linalg.inv, z(2, 2, 2), _call=lambda a: linalg.inv(FAR[:2, :2] + a))
case(linalg.det, real(3, 3), _call=lambda a: linalg.det(FAR + a))
case(linalg.det, z(2, 2))
case(linalg.norm, real(3))
case(linalg.norm, real(3, 2), axis=1, keepdims=True)
case(linalg.norm, real(3, 2), ord=1)
for lower in (False, True):
    case(linalg.cholesky, real(3, 3), _call=lambda a, low=lower: linalg.cholesky(FAR + a, lower=low))
    case(linalg.cho_factor, real(3, 3), _call=lambda a, low=lower: linalg.cho_factor(FAR + a, low)[0])
case(linalg.lu_factor, real(3, 3), _call=lambda a: linalg.lu_factor(a + np.diag([3.0, 2.0, 4.0])[[1, 2, 0]])[0])
case(linalg.lu_factor, z(2, 2), _call=lambda a: linalg.lu_factor(a + 4 * np.eye(2))[0])
case(linalg.logm, real(3, 3), _call=lambda a: linalg.logm(FAR + a))
case(linalg.logm, z(2, 2), _call=lambda a: linalg.logm(a + 4 * np.eye(2)))
squares = lambda found: (found[0], found[1] ** 2)  # noqa: E731  (whose signs jump)
APART = np.diag([1.0, 5.0, 9.0])
for lower in (False, True):
    call = lambda a, low=lower: linalg.eigh(APART + a, lower=low, eigvals_only=True)  # noqa: E731
    case(linalg.eigh, real(3, 3), _call=call)
case(linalg.eigh, real(3, 3), _call=lambda a: squares(linalg.eigh(APART + a)))
case(linalg.eigh, real(3, 3), real(3, 3), _call=lambda a, b: squares(linalg.eigh(APART + a, FAR + b)))
case(linalg.eigh, real(3, 3), _call=lambda a: squares(linalg.eigh(APART + a, subset_by_index=[1, 2])))
case(linalg.toeplitz, real(3))
case(linalg.toeplitz, z(3))
case(linalg.toeplitz, real(3), real(4))
case(linalg.block_diag, real(2, 3), real(2), real())

# ---------------------------------------------------------------------- filters and transforms

for mode in ("full", "valid", "same"):
    for f in (signal.convolve, signal.correlate):
        case(f, real(5), real(3), mode)
        case(f, z(2), real(4), mode)
        case(f, real(3, 4), real(2, 2), mode)
    for f in (signal.fftconvolve, signal.oaconvolve):
        case(f, real(5), real(3), mode, _call=lambda x, h, mode, f=f: np.real(f(x, h, mode)))
        case(f, z(4, 2), real(3, 1), mode, axes=[0])
for a in (above(1), above(3)):
    case(signal.lfilter, real(2), a, real(6))
case(signal.lfilter, real(4), above(3), real(2, 5))
case(signal.lfilter, real(3), above(3), real(2, 5), zi=real(2, 2))
case(signal.lfilter, real(4), above(2), real(5, 2), axis=0, zi=real(3, 2))
case(signal.lfilter, [1.0, 2.0], [2.0, 1.0, 0.5], real(5))
case(signal.lfilter, z(2), z(2), z(4))
for name in ("fft", "ifft", "hfft"):
    case(getattr(fft, name), z(4, 2), n=5, axis=0, norm="ortho")
for name in ("rfft", "irfft", "ihfft"):
    case(getattr(fft, name), real(4, 2), n=6, axis=0)
for name in ("fft2", "ifft2", "hfft2", "rfft2", "irfft2", "ihfft2"):
    case(getattr(fft, name), real(2, 3, 4), axes=(0, 1), norm="forward")
for name in ("fftn", "ifftn", "hfftn", "rfftn", "irfftn", "ihfftn"):
    case(getattr(fft, name), real(3, 4))
    case(getattr(fft, name), real(2, 3, 4), s=(4, 6), axes=(0, 2))
for name in ("dct", "idct", "dst", "idst"):
    case(getattr(fft, name), real(4, 2), type=3, n=5, axis=0, norm="ortho")
for name in ("dctn", "idctn", "dstn", "idstn"):
    case(getattr(fft, name), real(3, 4))
    case(getattr(fft, name), real(2, 3, 4), type=3, axes=(0, 1), norm="ortho", orthogonalize=False)
