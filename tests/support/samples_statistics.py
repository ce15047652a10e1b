"""Sample calls of statistics and polynomials."""

import numpy as np

from tests.support.cases import Rows, above, positive, real, z

ROWS = Rows()
case = ROWS.case

# ---------------------------------------------------------------------- order statistics

for f in (np.median, np.nanmedian):
    case(f, real(2, 4), axis=1, keepdims=True)
    case(f, real(2, 3, 2), axis=(0, -1))
case(np.median, real())
case(np.median, real(5))
case(np.median, z(4))
case(np.median, real(2, 4), axis=0, _call=lambda x, **kw: np.median(x, out=np.zeros_like(x[0]), **kw))
for f, hundred in ((np.quantile, 1), (np.nanquantile, 1), (np.percentile, 100), (np.nanpercentile, 100)):
    case(f, real(3, 4), [0.1 * hundred, 0.6 * hundred], axis=1, method="median_unbiased")
case(np.quantile, real(5), 0.3)
case(np.quantile, real(2, 3, 2), np.array([0.0, 0.35, 1.0]), axis=(0, -1), keepdims=True)
case(np.quantile, real(3, 2), np.array([[0.0, 0.35], [0.8, 1.0]]), axis=0)
case(np.quantile, real(2, 4), 0.43, axis=1, method="inverted_cdf", weights=np.array([0.5, 1.5, 0.25, 1.0]))
case(np.nanpercentile, real(3, 2), 35.0)
case(np.ptp, real(2, 3))
case(np.ptp, real(2, 3, 2), axis=(0, 2), keepdims=True)

# ---------------------------------------------------------------------- averages and correlations

case(np.average, real(2, 3))
case(np.average, z(2, 3), axis=1, weights=positive(3))
case(np.average, real(2, 3, 2), axis=(2, 0), weights=positive(2, 2), keepdims=True)
case(np.average, real(2, 3), axis=0, weights=positive(2, 3), returned=True)
case(np.average, real(2, 3), weights=positive(2, 3))
case(np.average, real(2, 3), axis=-1, returned=True)
case(np.average, np.array([[1.0, 2.0], [3.0, 5.0]]), axis=0, weights=positive(2))
for f in (np.cov, np.corrcoef):
    case(f, real(2, 4))
    case(f, real(5))
    case(f, z(2, 4), z(4))
    case(f, real(4, 1), real(4, 2), rowvar=False)
case(np.cov, real(2, 4), bias=True, dtype=np.float64)
case(np.cov, real(2, 4), ddof=0, aweights=positive(4))
case(np.cov, real(2, 4), fweights=np.array([1, 2, 1, 3]), aweights=positive(4))
case(np.cov, real(4), real(4), fweights=np.array([1, 2, 1, 3]))

# ---------------------------------------------------------------------- interpolation, integration, phases

NODES, HEIGHTS = np.array([-1.0, 0.1, 0.9, 1.7]), np.array([0.5, -1.0, 2.0, 1.0])
case(np.interp, real(5), NODES, HEIGHTS)
case(np.interp, real(2, 3), NODES, real(4))
case(np.interp, real(), NODES, z(4))
case(np.interp, real(3), positive(4), real(4), _call=lambda x, d, fp: np.interp(x, np.cumsum(d) - 2.0, fp))
case(np.interp, np.array([-3.0, 0.4, 5.0]), NODES, real(4), left=2.0, right=-1.0)
case(np.interp, real(5), NODES, real(4), period=2.5)
case(np.trapezoid, real(2, 4))
case(np.trapezoid, real(2, 3), dx=positive(), axis=0)
case(np.trapezoid, z(2, 3), real(3))
case(np.trapezoid, real(3, 2), real(3, 2), axis=0)
TURNS = np.array([0.0, 2.0, -1.0, 3.0, 1.0])
case(np.unwrap, real(5), TURNS, _call=lambda x, turns: np.unwrap(1.3 * turns + x / 8, period=1.3))
case(np.unwrap, real(2, 4), 5.0, axis=0, period=8.0)

# ---------------------------------------------------------------------- spacings

case(np.logspace, real(), real(), 4)
case(np.logspace, real(2), 1.0, 3, base=positive(), endpoint=False, axis=-1)
case(np.logspace, 0.5, real(), 3, base=positive(2))
case(np.geomspace, positive(), positive(), 4)
case(np.geomspace, positive(2), 2.0, 3, endpoint=False, axis=-1)
case(np.geomspace, -1.5, positive(), 3, _call=lambda a, b, n: np.geomspace(a, -b, n))
case(np.geomspace, z(2), z(2), 3)

# ---------------------------------------------------------------------- polynomials

for f in (np.convolve, np.correlate):
    case(f, real(4), real(2))
    case(f, real(2), real(4), mode="same")
    case(f, z(3), z(2), "full")
    case(f, np.array([1.0, -2.0, 0.5]), real(3), mode="valid")
for f in (np.polyadd, np.polysub, np.polymul):
    case(f, real(3), real(2))
    case(f, real(2), np.array([1.0, 2.0, 3.0]))
    case(f, z(2), real())
case(np.polydiv, real(4), real(2))
case(np.polydiv, real(5), above(3))
case(np.polydiv, real(2), real(3))
case(np.polydiv, real(3), real(1))
case(np.polyval, real(4), real(2, 3))
case(np.polyval, z(3), z())
case(np.polyval, [2.0, -1.0, 0.5], real(3))
case(np.polyder, real(5))
case(np.polyder, real(5), m=2)
case(np.polyint, real(3))
case(np.polyint, real(3), m=2, k=[1.0, -0.5])
case(np.polyint, z(2), m=2, k=2.0)
case(np.vander, real(3))
case(np.vander, real(3), 4, increasing=True)
case(np.vander, z(2), N=1)
case(np.polyfit, np.array([-1.0, 0.2, 0.9, 1.5]), real(4, 2), 2)
case(np.polyfit, real(4), real(4), 1, w=positive(4))
case(np.roots, np.array([1.0, -3.0, 1.5, 0.5]), real(4), _call=lambda p, x: np.roots(p + x / 10))
case(np.roots, z(3))
case(np.poly, real(3))
case(np.poly, real(3, 3), _call=lambda a: np.real(np.poly(a)))  # by eigenvalues: no oracle by the complex step
case(np.poly, z(2))
case(np.poly, [real(), 2.0])
