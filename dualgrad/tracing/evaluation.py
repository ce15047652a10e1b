"""`trace`: a jvp evaluated once, with its rows."""

from typing import Any

from ..pushforward import Arguments, jvp
from ..tree import Function, flatten, map_leaves
from .graph import as_dot, as_svg
from .record import Recorder
from .row import Row, in_short
from .table import as_html, as_text
from .traced import untraced_dual


def trace(f: Function, primals: Arguments, tangents: Arguments) -> "Trace":
    """Evaluate a `jvp` once and write down every NumPy operation on the way.

    Parameters
    ----------
    f, primals, tangents
        As for `jvp`, whose errors these are; K directions too.

    Returns
    -------
    Trace : the inputs (..., v-1, v0) and the steps v1, v2, ..., each with its operands, primal, tangent, norms, place
    in your source, and an estimate of its multiply-adds.

    Notes
    -----
    An operation is one row, whatever it does inside; with several results it is several rows. An exception of f
    carries a note that names the last step. Every value is copied: memory grows with the number of steps.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> print(dg.trace(lambda x: x * np.sin(x), (2.0,), (1.0,)))
    step  operation         shape      primal  tangent  cost  source
    v0    x                 float64[]  2       1
    v1    sin(v0)           float64[]  0.9093  -0.4161  1+1   line 1  np.sin(x)
    v2    multiply(v0, v1)  float64[]  1.819   0.077    1+2   line 1  x * np.sin(x)
    y = v2; 2 steps, 2 + 3 multiply-adds
    """
    recorder = Recorder()

    def recorded(*args):
        args = recorder.start(f, args)
        try:
            result = f(*args)
        except BaseException as error:
            error.add_note(recorder.note())
            raise
        recorder.outputs = tuple(map(recorder.named, flatten(result)[0]))
        return map_leaves(lambda x: untraced_dual(x, recorder), result)

    value, tangent = jvp(recorded, primals, tangents)
    return Trace(recorder.rows, value, tangent, recorder.outputs)


class Trace:
    """The steps of one `jvp`, from `trace`; it prints as a table, and shows as one in a notebook.

    Attributes
    ----------
    rows : list of named tuples
        ``step, operation, operands, inputs, shape, dtype, primal, tangent, primal_norm, tangent_norm, multiply_adds,
        made, file, line, source, expression``: plain data, the inputs first.
    value, tangent
        What `jvp` returns.
    outputs : tuple of str
        The steps that the value consists of.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> trace = dg.trace(lambda x: x * np.sin(x), (0.0,), (1.0,))
    >>> [(row.step, row.operation, row.operands) for row in trace.rows]
    [('v0', 'input', ('x',)), ('v1', 'sin', ('v0',)), ('v2', 'multiply', ('v0', 'v1'))]
    >>> trace.rows[1].primal, trace.rows[1].tangent
    (np.float64(0.0), np.float64(1.0))
    """

    def __init__(self, rows: list[Row], value: Any, tangent: Any, outputs: tuple[str, ...]) -> None:
        self.rows = rows
        self.value = value
        self.tangent = tangent
        self.outputs = outputs

    @property
    def first_nonfinite(self) -> Row | None:
        """The first row that made a NaN or an infinity of finite operands, or None."""
        return next((row for row in self.rows if row.made), None)

    @property
    def multiply_adds(self) -> tuple[int, ...]:
        """The estimates of all rows together: of the primals, and of the tangents."""
        return tuple(sum(row.multiply_adds[k] for row in self.rows) for k in (0, 1))

    def _summary(self) -> str:
        y = self.outputs[0] if len(self.outputs) == 1 else f"({', '.join(self.outputs)})"
        steps = sum(row.operation != "input" for row in self.rows)
        return (
            f"y = {y}; {steps} step{'s'[: steps != 1]}, {' + '.join(map(in_short, self.multiply_adds))} multiply-adds"
        )

    def __str__(self) -> str:
        return as_text(self.rows, self._summary())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return as_html(self.rows, self._summary())

    def to_dot(self) -> str:
        """The graph of the steps as Graphviz text."""
        return as_dot(self.rows)

    def to_svg(self) -> str:
        """The graph of the steps as an SVG image, inputs at the top: for up to a few hundred steps."""
        return as_svg(self.rows, self.outputs, self._summary())
