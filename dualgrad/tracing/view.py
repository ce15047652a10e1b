"""What of a trace is shown, and how: the options of every output."""

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from .formulas import formula
from .row import call, in_short, kind, safe_norm, where

Naming: TypeAlias = Literal["numpy", "mathematical"]
HEADINGS = ("step", "operation", "shape", "primal", "tangent", "local", "cost", "source")
SHOWN_BY_DEFAULT = tuple(heading for heading in HEADINGS if heading != "local")
_ENTRIES_ROOM = 26  # for the entries of a short vector


class View(NamedTuple):
    """The options; `as_view` makes one of what a user gives."""

    digits: int = 4
    full: bool = False
    columns: tuple[str, ...] = SHOWN_BY_DEFAULT
    names: Naming = "numpy"
    room: int = _ENTRIES_ROOM

    def value(self, x):
        """Up to four numbers, all where the arrays are shown in full, or ‖their norm‖."""
        if x is None:
            return "-"
        return self.entries(x) or f"‖{format(safe_norm(x), f'.{self.digits}g')}‖"

    def number(self, a):
        """A number, in the digits asked for."""
        return format(a, f".{self.digits}g") if isinstance(a, np.inexact) else str(a)

    def entries(self, x):
        """The entries of an array; nothing for one that takes too much room."""
        if not self.full and (x.ndim > 1 or x.size > 4):
            return ""
        text = self.nested(x)
        return text if self.full or len(text) <= self.room else ""

    def nested(self, x):
        """An array as lists in each other."""
        return f"[{', '.join(map(self.nested, x))}]" if x.ndim else self.number(x[()])

    def call(self, row):
        """What made a row."""
        return formula(row) if self.names == "mathematical" else call(row)

    def cells(self, row, trace):
        """The cells of a row, one for each column."""
        made = {
            "step": lambda: row.step,
            "operation": lambda: self.call(row),
            "shape": lambda: kind(row.primal),
            "primal": lambda: self.value(row.primal),
            "tangent": lambda: self.value(row.tangent),
            "local": lambda: ", ".join(f"∂{row.step}/∂{step} {text}" for step, text in self.local(row, trace)),
            "cost": lambda: "+".join(map(in_short, row.multiply_adds)) if any(row.multiply_adds) else "",
            "source": lambda: where(row, row.expression),
        }
        return tuple(made[name]() for name in self.columns)

    def layer(self, entry):
        """The cells of a layer of a row: what it comes to along the ε of an inner jvp."""
        name, value, tangent = entry
        made = {"operation": f"  {name}", "primal": self.value(value), "tangent": self.value(tangent)}
        return tuple(made.get(column, "") for column in self.columns)

    def local(self, row, trace):
        """The local derivatives of a row, as text: ``= 5``, or the shapes where they are large."""
        for step, found in trace.partials(row.step):
            if trace.row(step).dtype.kind not in "fc":
                continue
            small = "" if found is None else self.slope(found)
            yield step, f"= {small}" if small else f": {_shapes(row, trace.row(step))}"

    def slope(self, x):
        """A local derivative: its entries, or of a diagonal matrix the diagonal; nothing where there are many."""
        if x.ndim == 2 and x.shape[0] == x.shape[1] > 1 and not np.any(x * ~np.eye(len(x), dtype=bool)):
            entries = self.entries(np.diagonal(x))
            return entries and f"diag{entries}"
        return self._replace(full=self.full or x.size <= 9).entries(x)


def _shapes(row, operand):
    return " by ".join("×".join(map(str, x.shape)) or "1" for x in (row, operand))


def as_view(digits=4, full=False, columns=None, names="numpy"):
    """The options, or an error that says what there is."""
    if isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= 17:
        raise ValueError(f"digits={digits!r}: expected a whole number from 1 to 17")
    if names not in ("numpy", "mathematical"):
        raise ValueError(f'names={names!r}: expected "numpy" or "mathematical"')
    chosen = (columns,) if isinstance(columns, str) else SHOWN_BY_DEFAULT if columns is None else tuple(columns)
    unknown = [name for name in chosen if name not in HEADINGS]
    if unknown or not chosen:
        raise ValueError(f"columns={columns!r}: expected some of {', '.join(HEADINGS)}")
    return View(digits, bool(full), chosen, names)
