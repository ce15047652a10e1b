"""How the augmented system is integrated: which errors count, and what an implicit method is told of the Jacobian."""

import functools
import inspect
import math
from typing import Literal

import numpy as np
from scipy import integrate as si
from scipy import linalg as sl
from scipy import sparse as ss
from scipy.sparse import linalg as ssl

SPARSE_FROM = 500  # the components from which on a matrix of independent blocks is sparse
UNCOUNTED = 1e100  # the absolute tolerance of what has no part in the norm; LSODA divides by its inverse
SMALLEST_RTOL = 100 * np.finfo(float).eps  # which SciPy allows
NAMED = "RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"
IMPLICIT = si.Radau, si.BDF

ErrorControl = Literal["full", "partial"]


def is_full(error_control):
    """Whether the errors of tangents count, too."""
    if error_control not in ("full", "partial"):
        raise ValueError(f"got error_control={error_control!r}; expected 'full', or 'partial': the errors of y alone")
    return error_control == "full"


class Way:
    """A method of SciPy with its options, for a system that is some times as large."""

    def __init__(self, method, options, full):
        self.method = getattr(si, method) if isinstance(method, str) and method in NAMED else method
        self.options, self.full = dict(options), full

    def options_for(self, problem, components):
        """The keywords of SciPy's ``solve_ivp``."""
        if not components.levels:
            return {"method": self.method, **self._of_plain(problem)}
        n, copies, given = components.n, components.copies, dict(self.options)
        given["rtol"], given["atol"] = tolerances(
            given.get("rtol", 1e-3), given.get("atol", 1e-6), n, copies, self.full, self._is(si.LSODA)
        )
        if not self._is(*IMPLICIT, si.LSODA):
            return {"method": self.method, **given}
        jac = given.pop("jac", None)
        J = problem.jacobian(jac, given.pop("jac_sparsity", None))
        if self._is(si.LSODA):
            widths = given.pop("lband", None), given.pop("uband", None)
            of_band = banded(J, jac is not None, *widths, n, copies)
            return {"method": self.method, **given, **dict(zip(("jac", "lband", "uband"), of_band, strict=True))}
        given["jac"] = lambda t, z: in_blocks(J(t, z[:n]), copies)
        if not self.full:
            given["newton_tol"] = newton_tolerance(self.options.get("rtol", 1e-3))
        return {"method": by_blocks(self.method), "block": n, **given}

    def _of_plain(self, problem):
        jac = self.options.get("jac")
        return {**self.options, "jac": problem.jacobian(jac)} if jac is not None else self.options

    def _is(self, *kinds):
        return inspect.isclass(self.method) and issubclass(self.method, kinds)


# ---------------------------------------------------------------------- errors


def tolerances(rtol, atol, n, copies, full, maximum=False):
    """Tolerances for n values and their tangents, ``copies`` times n in all.

    SciPy's norm of errors is a root mean square over all components, or the ``maximum`` for LSODA. The mean of squares
    is so many times smaller than the sum of the means of value and tangents, each of which is to be below 1. Where not
    the ``full`` error counts, tangents may have any.
    """
    part = 1.0 if maximum else 1 / math.sqrt(copies)
    rtol, atol = (np.asarray(tol, float) for tol in (rtol, atol))
    rtol = np.where(rtol > SMALLEST_RTOL, np.maximum(rtol * part, SMALLEST_RTOL), rtol)
    rtol = np.tile(np.broadcast_to(rtol, n), copies) if rtol.ndim else float(rtol)
    atol = np.broadcast_to(atol, n) * part
    return rtol, np.concatenate([atol, np.tile(atol, copies - 1) if full else np.full(n * (copies - 1), UNCOUNTED)])


# ---------------------------------------------------------------------- implicit methods


def in_blocks(J, copies):
    """One block for the value and each tangent. Those of the second derivatives, which also belong to the Jacobian of
    the augmented system, are left out, which changes how fast Newton's method converges, and nothing that it finds."""
    if ss.issparse(J):
        return ss.block_diag([J] * copies, format="csc")
    if len(J) * copies > SPARSE_FROM:
        return ss.kron(ss.identity(copies), J, format="csc")
    return np.kron(np.eye(copies), J)


@functools.cache
def by_blocks(method):
    """The class of an implicit method that factors one block for all, and takes the errors of its own Newton steps for
    what they are without the tangents."""

    class ByBlocks(method):
        def __init__(self, *args, block, newton_tol=None, **options):
            super().__init__(*args, **options)
            if newton_tol is not None:
                self.newton_tol = newton_tol
            self.block, self.lu, self.solve_lu = block, self._factored, self._solved

        def _factored(self, A):
            self.nlu += 1
            A = A[: self.block, : self.block]
            return ssl.splu(A.tocsc()) if ss.issparse(A) else sl.lu_factor(A, overwrite_a=True)

        def _solved(self, factors, b):
            b = b.reshape(-1, self.block).T
            return (factors.solve(b) if hasattr(factors, "solve") else sl.lu_solve(factors, b)).T.reshape(-1)

    ByBlocks.__name__ = method.__name__
    return ByBlocks


def newton_tolerance(rtol):
    """That of Radau and BDF in SciPy."""
    return max(10 * np.finfo(float).eps / rtol, min(0.03, rtol**0.5))


def banded(J, packed, lower, upper, n, copies):
    """What LSODA takes: blocks along the diagonal are a band, that of one block; the function, and its two widths.
    ``packed`` says that J has the form that SciPy asks of a band."""
    packed = packed and (lower, upper) != (None, None)
    lower, upper = (n - 1, n - 1) if lower is upper is None else (lower or 0, upper or 0)
    rows, columns = np.nonzero(np.tri(n, n, upper) - np.tri(n, n, -lower - 1))

    def in_band(t, z):
        found = J(t, z[:n])
        if not packed:
            band = np.zeros((lower + upper + 1, n))
            band[rows - columns + upper, columns] = found[rows, columns]
            found = band
        return np.tile(found, copies)

    return in_band, lower, upper
