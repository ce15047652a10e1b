"""What an error says of SciPy: the twin of a function that would drop a tangent, and the functions that must not be
given object arrays of Duals."""

import importlib
import sys

import numpy as np

from .frames import SPARSE
from .tables import KINDS

MODULES = "scipy.fft", "scipy.integrate", "scipy.linalg", "scipy.signal", "scipy.sparse.linalg", "scipy.special"
SPARSE_ENTRIES = (
    "the entries of a sparse matrix are plain numbers, which drop the tangent of a Dual: keep the matrix constant, as "
    "in A @ x, x @ A, d[:, None] * (A @ x) and dualgrad.scipy.sparse.linalg.spsolve(A, x), or write np.* of A.toarray()"
)
FORBIDDEN = {  # what reads the bytes of Python objects, or answers with plain numbers once it has compared the Duals
    "squareform": "scipy.spatial.distance.squareform",
    "_minimize_powell": "scipy.optimize.minimize",
    "_root_df_sane": "scipy.optimize.root",
}


def objection_to(code):
    """Why no object array can be made for a function of SciPy, or None."""
    if code.co_filename.startswith(SPARSE):
        return SPARSE_ENTRIES
    return twin_of(FORBIDDEN[code.co_name]) if code.co_name in FORBIDDEN else None


def of_scipy(frames):
    """What to write in place of the function of SciPy that these frames belong to, the outermost first."""
    names = [_public(frame.f_globals["__name__"], frame.f_code.co_qualname) for frame in frames]
    return twin_of(next((name for name in names if "._" not in name), names[0]))


def _public(module, name):
    """``scipy.integrate.quad`` for a function found in scipy.integrate._quadpack_py."""
    parts = [p for p in module.split(".") if not p.startswith("_")]
    first = name.partition(".")[0]
    while len(parts) > 2 and not hasattr(sys.modules.get(".".join(parts)), first):
        parts.pop()
    return ".".join([*parts, name.removesuffix(".__init__").removesuffix(".__call__").partition(".<locals>")[0]])


def twin_of(public):
    """The words of the error for ``scipy.linalg.expm``: its twin in `dualgrad.scipy`, that of NumPy, or that there is
    none."""
    module, _, name = public.rpartition(".")
    lost = f"{public} would drop the tangent of a Dual"
    if module in MODULES:
        twins = importlib.import_module(f"dualgrad.{module}")
        if name in twins.__all__ or getattr(twins, name, None) in KINDS:
            return f"{lost}: write dualgrad.{public} (import dualgrad.{module})"
    if module == "scipy.optimize":
        return (
            f"{lost}: what a solver finds is differentiated by dg.implicit (roots), dg.fixed_point and dg.argmin "
            "(minima), around a call with plain numbers"
        )
    for home, short in ((np, "np"), (np.linalg, "np.linalg"), (np.fft, "np.fft")):
        if module in sys.modules and getattr(home, name, None) in KINDS:
            return f"{lost}: write {short}.{name}"
    of_distributions = "dualgrad.scipy.stats or " * (".rv_" in public)
    return (
        f"{lost}, and there is no rule for {public} yet: wrap it with @dg.custom_jvp and its derivative, or write it "
        f"with {of_distributions}np.* functions"
    )
