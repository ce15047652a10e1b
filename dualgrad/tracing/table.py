"""The rows as a table: text, HTML for notebooks, Markdown and LaTeX."""

import html
import shutil

from .formulas import epsilon, latex, latex_call, latex_formula, latex_number, latex_operand
from .row import columns, cut, where

_GIVE_WAY = {
    "source": (24, 0), "operation": (24, 12), "local": (16, 0), "cost": (0,), "shape": (8,),
}  # fmt: skip
_IN_ORDER = "source", "operation", "local", "source", "cost", "operation", "local", "shape"
_SHOWN = 20  # rows at either end of a long trace
_NARROW = 12  # the room for entries where the terminal has too few columns


def as_text(trace, view):
    """The table, in as many columns as the terminal has; in as many as it takes where arrays are shown in full."""
    width = max(60, shutil.get_terminal_size((100, 24)).columns) if not view.full else 1 << 30
    for room in (view.room, _NARROW):
        entries = list(_entries(trace, view._replace(room=room)))
        widths = _column_widths([entry for entry in entries if isinstance(entry, tuple)], view.columns, width)
        if sum(w + 2 for w in widths if w) - 2 <= width:
            break
    return "\n".join(cut(e, width) if isinstance(e, str) else _format_row(e, widths) for e in entries)


def as_html(trace, view):
    """The table as a notebook shows it."""
    lines = []
    for entry in _entries(trace, view):
        cells, span = ((entry,), len(view.columns)) if isinstance(entry, str) else (entry, 1)
        look = "font-weight:bold" if entry is view.columns else "color:#e5484d" if cells[0][:1] == "^" else ""
        cells = (
            f'<td colspan="{span}" style="text-align:left;padding:0 1em 0 0;white-space:pre">{html.escape(cell)}</td>'
            for cell in cells
        )
        lines.append(f'<tr style="{look}">{"".join(cells)}</tr>')
    return '<table style="font-family:monospace">\n' + "\n".join(lines) + "\n</table>"


def as_markdown(trace, view):
    """The table in Markdown, with vertical bars."""
    tidy = lambda cell: "".join(f"\\{c}" if c in "|*_`<>[]\\~$" else c for c in cell.strip())  # noqa: E731
    line = lambda cells: f"| {' | '.join(map(tidy, cells))} |"  # noqa: E731
    lines, notes = [line(view.columns), "|---" * len(view.columns) + "|"], []
    for entry in list(_entries(trace, view))[1:]:
        if isinstance(entry, tuple):
            lines.append(line(entry))
        elif entry.startswith("..."):
            lines.append(line((entry, *[""] * (len(view.columns) - 1))))
        else:
            notes.append(tidy(entry))
    return "\n".join([*lines, "", "\n\n".join(notes), ""])


def as_latex(trace, view):
    """The table as a tabular environment, which needs no package."""
    lines, notes = [], []
    for entry in list(_entries(trace, view, as_rows=True))[1:]:
        if isinstance(entry, str):
            if entry.startswith("..."):
                lines.append(rf"\multicolumn{{{len(view.columns)}}}{{l}}{{{latex(entry)}}} \\")
            else:
                notes.append(latex(entry))
        else:
            lines.append(" & ".join(_latex_cells(*entry, trace, view)) + r" \\")
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * len(view.columns)}}}",
            r"\hline",
            " & ".join(view.columns) + r" \\",
            r"\hline",
            *lines,
            r"\hline",
            *(rf"\multicolumn{{{len(view.columns)}}}{{l}}{{{note}}} \\" for note in notes),
            r"\end{tabular}",
            "",
        ]
    )


def _latex_cells(row, entry, trace, view):
    cells = view.cells(row, trace) if entry is None else view.layer(entry)
    for column, cell in zip(view.columns, cells, strict=True):
        if entry is not None and column == "operation":
            yield rf"$\quad {epsilon(entry[0])}$"
        elif column == "step":
            yield f"${latex_operand(cell)}$" if cell else ""
        elif column == "operation":
            yield f"${latex_call(row) if view.names == 'numpy' else latex_formula(row)}$"
        elif column == "local":
            yield ", ".join(_latex_local(row, view, trace))
        elif column == "source":
            yield rf"\texttt{{{latex(cell)}}}" if cell else ""
        else:
            number = latex_number(cell.strip())
            yield f"${number}$" if number else latex(cell)


def _latex_local(row, view, trace):
    for step, text in view.local(row, trace):
        number = latex_number(text[2:])
        ratio = rf"\partial {latex_operand(row.step)} / \partial {latex_operand(step)}"
        yield f"${ratio} = {number}$" if number else f"${ratio}$ {latex(text)}"


def _entries(trace, view, as_rows=False):
    """The lines of the table: cells, or one text for the whole line; as rows, what the cells are of."""
    yield view.columns
    hidden, rows = 0, trace.rows
    for k, row in enumerate(rows):
        if min(k, len(rows) - 1 - k) >= _SHOWN and not row.made and not view.full:
            hidden += 1
            continue
        if hidden:
            yield f"... {hidden} rows hidden"
        hidden = 0
        yield (row, None) if as_rows else view.cells(row, trace)
        for entry in row.layers:
            yield (row, entry) if as_rows else view.layer(entry)
        if row.made:
            yield ": ".join(filter(None, (f"^ {row.step} {row.trouble}", where(row, row.source))))
    yield trace.summary()


def _column_widths(table, names, width):
    """The widths of the columns; a column of width 0 falls out."""
    widths = [max(map(columns, column)) for column in zip(*table, strict=True)]
    least = {name: list(steps) for name, steps in _GIVE_WAY.items()}
    for name in _IN_ORDER:
        over = sum(w + 2 for w in widths if w) - 2 - width
        if over > 0 and name in names and least[name]:
            k, floor = names.index(name), least[name].pop(0)
            left = max(widths[k] - over, min(floor, widths[k]))
            widths[k] = left if left >= 8 else 0
    return widths


def _format_row(cells, widths):
    cells = [(cut(cell, width), width) for cell, width in zip(cells, widths, strict=True) if width]
    return "  ".join(cell + " " * (width - columns(cell)) for cell, width in cells).rstrip()
