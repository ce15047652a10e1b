"""`trace`: a jvp evaluated once, with its rows."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..pushforward import Arguments, jvp
from ..tree import Function
from .graph import as_dot, as_svg
from .partials import Remembered
from .record import Recorder
from .row import Row, in_short
from .stepper import as_page
from .table import as_html, as_latex, as_markdown, as_text
from .view import Naming, View, as_view


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
        return recorder.end(result)

    value, tangent = jvp(recorded, primals, tangents)
    return Trace(recorder.rows, value, tangent, recorder.outputs, recorder.calls)


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

    def __init__(
        self,
        rows: list[Row],
        value: Any,
        tangent: Any,
        outputs: tuple[str, ...],
        calls: "dict[str, Remembered] | None" = None,
    ) -> None:
        self.rows = rows
        self.value = value
        self.tangent = tangent
        self.outputs = outputs
        self._calls = calls or {}
        self._partials: dict[str, list[tuple[str, Any]]] = {}
        self._numbers = {row.step: k for k, row in enumerate(rows)}

    def __getstate__(self) -> dict[str, Any]:
        for row in self.rows:
            self.partials(row.step)
        return {**vars(self), "_calls": {}}

    @property
    def first_nonfinite(self) -> Row | None:
        """The first row that made a NaN or an infinity of finite operands, or None."""
        return next((row for row in self.rows if row.made), None)

    @property
    def multiply_adds(self) -> tuple[int, ...]:
        """The estimates of all rows together: of the primals, and of the tangents."""
        return tuple(sum(row.multiply_adds[k] for row in self.rows) for k in (0, 1))

    def row(self, step: str) -> Row:
        """The row of a step.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> dg.trace(np.sin, (0.0,), (1.0,)).row("v1").operation
        'sin'
        """
        if step not in self._numbers:
            there = f"the steps are {self.rows[0].step} to {self.rows[-1].step}" if self.rows else "there are none"
            raise KeyError(f"got step {step!r}: {there}")
        return self.rows[self._numbers[step]]

    def partials(self, step: str) -> list[tuple[str, Any]]:
        """The local derivatives of a step: for each operand that is a step, its name and the derivative by it.

        Returns
        -------
        list of pairs
            ``(operand, array)`` of shape ``y.shape + x.shape``; an operand that occurs twice is there twice. None in
            the place of the array where there is no derivative, where it is not one number (of np.real, np.abs and
            the like of complex operands), and where there are more than 64 entries in all.

        Notes
        -----
        Computed when asked for, by a jvp of the one operation: a random or costly one is done again.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> trace = dg.trace(lambda x, y: x * y, (2.0, 5.0), (1.0, 0.0))
        >>> [(operand, float(slope)) for operand, slope in trace.partials("v1")]
        [('v-1', 5.0), ('v0', 2.0)]
        """
        if step not in self._partials:
            row, how = self.row(step), self._calls.get(step)
            if how is not None:
                found = how.partials({name: self.row(name).primal for name in row.inputs})
            else:
                found = [(name, None) for name in row.edges if row.operation not in ("perturb", "derivative")]
            self._partials[step] = found
        return self._partials[step]

    def summary(self) -> str:
        """The last line of the table: the outputs, how many steps, the multiply-adds.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> dg.trace(np.sin, (0.0,), (1.0,)).summary()
        'y = v1; 1 step, 1 + 1 multiply-adds'
        """
        y = self.outputs[0] if len(self.outputs) == 1 else f"({', '.join(self.outputs)})"
        steps = sum(row.operation != "input" for row in self.rows)
        return (
            f"y = {y}; {steps} step{'s'[: steps != 1]}, {' + '.join(map(in_short, self.multiply_adds))} multiply-adds"
        )

    def __str__(self) -> str:
        return as_text(self, View())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return as_html(self, View())

    def table(
        self, *, digits: int = 4, full: bool = False, columns: Sequence[str] | None = None, names: Naming = "numpy"
    ) -> str:
        """The table as text, with options.

        Parameters
        ----------
        digits : int
            Significant digits of every number.
        full : bool
            Arrays in full and every row, in lines as long as it takes.
        columns : sequence of str, optional
            Some of step, operation, shape, primal, tangent, local, cost, source, in your order; all but the local
            derivatives by default.
        names : "numpy" or "mathematical"
            ``multiply(v1, v2)``, or ``v1 · v2``.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> trace = dg.trace(lambda x: x * np.sin(x), (2.0,), (1.0,))
        >>> print(trace.table(digits=3, columns=("operation", "primal", "local"), names="mathematical"))
        operation  primal  local
        x          2
        sin v0     0.909   ∂v1/∂v0 = -0.416
        v0 · v1    1.82    ∂v2/∂v0 = 0.909, ∂v2/∂v1 = 2
        y = v2; 2 steps, 2 + 3 multiply-adds
        """
        return as_text(self, as_view(digits, full, columns, names))

    def to_markdown(
        self,
        *,
        digits: int = 4,
        full: bool = False,
        columns: Sequence[str] | None = None,
        names: Naming = "mathematical",
    ) -> str:
        """The table in Markdown, for pages and slides; the options are those of `table`.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> trace = dg.trace(lambda x: np.sin(x), (0.0,), (1.0,))
        >>> print(trace.to_markdown(columns=("step", "operation", "tangent")))
        | step | operation | tangent |
        |---|---|---|
        | v0 | x | 1 |
        | v1 | sin v0 | 1 |
        <BLANKLINE>
        y = v1; 1 step, 1 + 1 multiply-adds
        <BLANKLINE>
        """
        return as_markdown(self, as_view(digits, full, columns, names))

    def to_latex(
        self,
        *,
        digits: int = 4,
        full: bool = False,
        columns: Sequence[str] | None = None,
        names: Naming = "mathematical",
    ) -> str:
        r"""The table in LaTeX, for sheets: a tabular; the options are those of `table`.

        It needs no package, and ``\usepackage{textcomp}`` where your LaTeX is older than 2020; names and strings in
        other scripts than the Latin and Greek ones need XeLaTeX or LuaLaTeX.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> trace = dg.trace(lambda x: np.log(x), (2.0,), (1.0,))
        >>> print(trace.to_latex(columns=("step", "operation", "tangent")))
        \begin{tabular}{lll}
        \hline
        step & operation & tangent \\
        \hline
        $v_{0}$ & $\texttt{x}$ & $1$ \\
        $v_{1}$ & $\ln v_{0}$ & $0.5$ \\
        \hline
        \multicolumn{3}{l}{y = v1; 1 step, 1 + 1 multiply{-}adds} \\
        \end{tabular}
        <BLANKLINE>
        """
        return as_latex(self, as_view(digits, full, columns, names))

    def to_dot(self, *, digits: int = 4, names: Naming = "numpy") -> str:
        """The graph of the steps as Graphviz text.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> "v0" in dg.trace(np.sin, (0.0,), (1.0,)).to_dot(names="mathematical")
        True
        """
        return as_dot(self.rows, as_view(digits, names=names))

    def to_svg(self, *, digits: int = 4, names: Naming = "numpy") -> str:
        """The graph of the steps as an SVG image, inputs at the top: for up to a few hundred steps.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> dg.trace(np.sin, (0.0,), (1.0,)).to_svg(digits=2)[:4]
        '<svg'
        """
        return as_svg(self.rows, self.outputs, self.summary(), as_view(digits, names=names))

    def to_html(
        self,
        path: "str | os.PathLike[str] | None" = None,
        *,
        digits: int = 6,
        names: Naming = "mathematical",
        title: str = "The evaluation trace",
    ) -> str:
        """A page that goes through the trace step by step: source, graph and table light up together.

        Parameters
        ----------
        path : path, optional
            Where to write it: one file, which opens without a network and needs nothing beside it.
        digits, names
            As for `table`. Arrays are there in full, with a slider over K directions; the first entries of large ones.
        title : str
            The heading of the page.

        Returns
        -------
        str : the page, also for an ``<iframe srcdoc=...>`` (escaped by `html.escape`).

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> page = dg.trace(np.sin, (0.0,), (1.0,)).to_html()
        >>> page[:15], len(page) < 300_000
        ('<!doctype html>', True)
        """
        page = as_page(self, as_view(digits, names=names), title)
        if path is not None:
            Path(path).write_text(page, "utf-8")
        return page
