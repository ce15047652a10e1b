"""What is said where equal values leave vectors, or their derivatives, without an answer."""

import numpy as np

from ..errors import caution
from .directions import has_series, plain_leaves
from .matrices import depth

NO_DIGITS = (
    "derivatives of order {} of the vectors of np.linalg.{} may have no digits left: some values nearly coincide, or "
    "vanish. The values have theirs, and so have functions of the matrix without vectors"
)
OF_VECTORS = (
    "Along one direction there is a limit for np.linalg.eigh and svd: dg.taylor, or dg.jvp of one direction at a time, "
    "nested along the same. Functions of the matrix that need no vectors have all derivatives: np.linalg.inv, solve, "
    "matrix_power, np.trace(a @ a)"
)
OF_VALUES = (
    "Along one direction they exist: dg.taylor, or dg.jvp nested along the same direction; of a function that does not "
    "depend on the order of the values, (f''(v + w) - f''(v - w)) / 4 is the mixed derivative. Without the values, all "
    "exist: np.trace(a) is their sum, np.trace(a @ a) that of their squares (of singular values np.sum(a * a)), "
    "np.linalg.slogdet(a) that of their logarithms"
)


def coincide(what, works):
    return np.linalg.LinAlgError(
        f"{what} do not exist here: some eigenvalues or singular values coincide, and the direction parts them. {works}"
    )


def _warn(name, report):
    """Name the columns of vectors that belong to equal values and have no tangent, or one of choice."""
    of = lambda columns: f"columns {', '.join(map(str, columns))} of the vectors of np.linalg.{name}"  # noqa: E731
    if report.apart:
        caution(
            f"{of(report.apart)} belong to equal values that several directions part, each in its way: their tangents "
            f"are NaN. The other columns are right. {OF_VECTORS}"
        )
    if report.rotating:
        caution(
            f"{of(report.rotating)} belong to equal values that the direction does not part: nothing says how they "
            f"turn among themselves, and their tangents are NaN. The other columns are right. {OF_VECTORS}"
        )
    if report.still:
        caution(
            f"{of(report.still)} belong to equal values that the direction does not part: they are NumPy's choice, and "
            "stand still. What does not depend on the choice is right, and so are the other columns"
        )


def warn_along(name, line, report):
    """Warn of what the vectors along a line miss."""
    if any(np.any(c) for c in line.coefficients[1:]):
        _warn(name, report)
    if report.limit and line.bends:
        caution(
            f"the vectors of np.linalg.{name} at equal values that the direction parts turn here as along a straight "
            "line of matrices: where the matrix is not linear in what is differentiated, the last of their derivatives "
            "needs one more of the matrix. dg.taylor of a higher order has it: drop the last coefficients"
        )
    if (report.limit or line.order > 1) and line.eps > 2e-4 * report.closest**line.order:
        caution(NO_DIGITS.format(line.order, name))


def several_directions(name, a, function, *known):
    """Values and vectors along several directions at once, with warnings of what they miss."""
    if has_series(a):
        raise coincide(f"derivatives of the vectors of np.linalg.{name} inside of dg.taylor", OF_VECTORS)
    *found, report = function(a, *known)
    order = 1 + depth(a.primal)
    if any(np.any(c) for c in plain_leaves(a)[1:]):
        _warn(name, report)
        if order > 1 and np.finfo(known[0].dtype).eps > 2e-4 * report.closest**order:
            caution(NO_DIGITS.format(order, name))
    return *found, report
