"""The errors dualgrad raises by name. Each message says what was given, what was expected and what to do."""

import sys
import warnings

from .frames import outside

__all__ = [
    "CheckpointError",
    "DriftError",
    "DualgradError",
    "IllConditionedWarning",
    "LayoutError",
    "LevelError",
    "NonFiniteError",
    "ShapeError",
    "StructureError",
    "TangentLossError",
]


class DualgradError(Exception):
    """Base class of every error that dualgrad defines.

    Examples
    --------
    >>> import dualgrad as dg
    >>> issubclass(dg.TangentLossError, dg.DualgradError) and issubclass(dg.TangentLossError, TypeError)
    True
    """


class TangentLossError(DualgradError, TypeError):
    """The operation would have turned a Dual into a plain value and dropped its tangent.

    Examples
    --------
    >>> import dualgrad as dg
    >>> try:
    ...     dg.derivative(lambda x: float(x))(2.0)
    ... except dg.TangentLossError as error:
    ...     print(str(error)[:44])
    float(), int() and the math module take plai
    """


class LevelError(DualgradError, RuntimeError):
    """A Dual was used after its jvp had ended, or stored in a buffer of a lower level.

    Examples
    --------
    >>> import dualgrad as dg
    >>> kept = []
    >>> _ = dg.derivative(lambda x: kept.append(x) or x)(1.0)
    >>> try:
    ...     kept[0] + 1
    ... except dg.LevelError:
    ...     print("its jvp has ended")
    its jvp has ended
    """


class ShapeError(DualgradError, ValueError):
    """A shape is not the one expected: of a tangent, a direction, a layer's input.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> try:
    ...     dg.jvp(np.sin, (np.zeros(3),), (np.zeros(1),))
    ... except dg.ShapeError:
    ...     print("a tangent never broadcasts")
    a tangent never broadcasts
    """


class StructureError(DualgradError, ValueError):
    """Two trees that should have the same structure differ (number of arguments, keys, lengths).

    Examples
    --------
    >>> import dualgrad as dg
    >>> try:
    ...     dg.jvp(lambda d: d["a"], ({"a": 1.0},), ({"b": 1.0},))
    ... except dg.StructureError:
    ...     print("keys differ")
    keys differ
    """


class LayoutError(StructureError):
    """Two Params have different names or shapes, or an optimizer's state belongs to other parameters.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> params = dg.Params({"w": np.zeros(2)})
    >>> try:
    ...     dg.optim.SGD(0.1).step(params, dg.Params({"v": np.zeros(2)}))
    ... except dg.LayoutError:
    ...     print("another layout")
    another layout
    """


class NonFiniteError(DualgradError, ArithmeticError):
    """A loss, a directional derivative or a gradient is NaN or infinite; nothing was changed.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> params = dg.Params({"w": np.zeros(2)})
    >>> try:
    ...     dg.optim.SGD(0.1).step(params, dg.Params({"w": np.array([1.0, np.nan])}))
    ... except dg.NonFiniteError:
    ...     print(params.vector)
    [0. 0.]
    """


class CheckpointError(DualgradError, ValueError):
    """A checkpoint is damaged, truncated, of another program, or does not fit what it is loaded into.

    Examples
    --------
    >>> import dualgrad as dg, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.npz")
    >>> with open(path, "w") as file:
    ...     _ = file.write("not a checkpoint")
    >>> try:
    ...     dg.load(path)
    ... except dg.CheckpointError:
    ...     print("refused")
    refused
    """


class DriftError(DualgradError, RuntimeError):
    """Workers that make steps together have different parameters, or a run that is made again goes elsewhere.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> def run(comm):
    ...     shared = dg.estimators.Shared(dg.estimators.SPSA(), comm)
    ...     return shared.estimate(np.sum, np.full(3, float(comm.rank)), rng=0)
    >>> try:
    ...     dg.workers.threads(2, run)
    ... except dg.DriftError as error:
    ...     print(str(error)[:27])
    worker 1 of 2 has drifted:
    """


class IllConditionedWarning(UserWarning):
    """The value is right, but rounding has taken the digits of a derivative, or nothing determines it: shown once for
    each line that asks for it.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np, warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     slopes = dg.grad(np.std)(np.array([0.1, 0.1, 0.1]))      # NumPy's deviation is 1.4e-17 here, and not 0
    >>> slopes, caught[0].category.__name__
    (array([0., 0., 0.]), 'IllConditionedWarning')
    """


def caution(text: str, category: type[Warning] = IllConditionedWarning) -> None:
    """A warning at the line that asked: in the nearest frame outside dualgrad and NumPy."""
    frame = outside(sys._getframe(1))
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(text, category, frame.f_code.co_filename, frame.f_lineno, registry=registry)
