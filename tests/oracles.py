"""Derivatives by other means: extrapolated differences anywhere, the complex step where a function is analytic."""

import warnings

import numpy as np

STEP, ROWS = 0.05, 6


def richardson(g):
    """g'(0) for a function of one real number, and an estimate of the error, entry by entry (Ridders 1982).

    Central differences at h, h/2, h/4, ... are extrapolated in h²; each entry keeps the estimate whose neighbours in
    the tableau agree best.
    """
    best = error = None
    previous = []
    for k in range(ROWS):
        h = STEP / 2**k
        row = [(np.asarray(g(h)) - np.asarray(g(-h))) / (2 * h)]
        for j, above in enumerate(previous):
            row.append(row[j] + (row[j] - above) / (4.0 ** (j + 1) - 1))
        for j in range(1, len(row)):
            spread = np.maximum(np.abs(row[j] - row[j - 1]), np.abs(row[j] - previous[j - 1]))
            if best is None:
                best, error = row[j] + 0, spread + 0
            better = spread < error
            best, error = np.where(better, row[j], best), np.where(better, spread, error)
        previous = row
    return best, error


def along(f, xs, vs):
    """The function t -> f(x + t v) of one number."""
    return lambda t: f(*(x if v is None else x + t * v for x, v in zip(xs, vs, strict=True)))


def is_analytic(f, xs, vs):
    """Whether f extends to complex numbers and the Cauchy-Riemann equations hold along v: f'(x; iv) = i f'(x; v)."""
    turned = [None if v is None else 1j * v for v in vs]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            on_line, beside = along(f, xs, vs)(0.0), along(f, xs, turned)(1e-30)
            if not np.iscomplexobj(beside) or not np.allclose(on_line, np.real(beside), 1e-9, 1e-9):
                return False
            across, e1 = richardson(along(f, xs, turned))
            ahead, e2 = richardson(along(f, xs, [None if v is None else v + 0j for v in vs]))
        except (TypeError, ValueError, Warning, NotImplementedError):
            return False
    scale = np.maximum(1, np.abs(ahead))
    return bool(np.all(np.abs(across - 1j * ahead) <= 1e-7 * scale + 10 * (e1 + e2)))


def complex_step(f, xs, vs, h=1e-30):
    """Im f(x + ihv) / h: exact to rounding, for f analytic and real on the real line."""
    return np.imag(along(f, xs, [None if v is None else 1j * v for v in vs])(h)) / h
