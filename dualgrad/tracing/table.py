"""The rows as a table: text, and HTML for notebooks."""

import html
import shutil

from .row import columns, cut, in_short, kind, value, where

_HEADINGS = ("step", "operation", "shape", "primal", "tangent", "cost", "source")
_GIVE_WAY = (6, 24), (1, 24), (6, 0), (5, 0), (1, 12), (2, 8)  # which columns, in this order, and how far
_SHOWN = 20  # rows at either end of a long trace


def as_text(rows, summary):
    """The table, in as many columns as the terminal has."""
    entries, width = list(_entries(rows, summary)), max(60, shutil.get_terminal_size((100, 24)).columns)
    widths = _column_widths([entry for entry in entries if isinstance(entry, tuple)], width)
    return "\n".join(cut(e, width) if isinstance(e, str) else _format_row(e, widths) for e in entries)


def as_html(rows, summary):
    """The table as a notebook shows it."""
    lines = []
    for entry in _entries(rows, summary):
        cells, span = ((entry,), len(_HEADINGS)) if isinstance(entry, str) else (entry, 1)
        look = "font-weight:bold" if entry is _HEADINGS else "color:#e5484d" if cells[0][0] == "^" else ""
        cells = (
            f'<td colspan="{span}" style="text-align:left;padding:0 1em 0 0">{html.escape(cell)}</td>' for cell in cells
        )
        lines.append(f'<tr style="{look}">{"".join(cells)}</tr>')
    return '<table style="font-family:monospace">\n' + "\n".join(lines) + "\n</table>"


def _entries(rows, summary):
    """The lines of the table: cells, or one text for the whole line."""
    yield _HEADINGS
    hidden = 0
    for k, row in enumerate(rows):
        if min(k, len(rows) - 1 - k) >= _SHOWN and not row.made:
            hidden += 1
            continue
        if hidden:
            yield f"... {hidden} rows hidden"
        hidden = 0
        yield _cells(row)
        if row.made:
            yield f"^ {row.step} makes {row.made}: {where(row, row.source)}"
    yield summary


def _cells(row):
    call, work = str(row).partition(" = ")[2], "+".join(map(in_short, row.multiply_adds))
    values = kind(row.primal), value(row.primal), value(row.tangent)
    return row.step, call, *values, work if any(row.multiply_adds) else "", where(row, row.expression)


def _column_widths(table, width):
    """The widths of the columns; a column of width 0 falls out."""
    widths = [max(map(columns, column)) for column in zip(*table, strict=True)]
    for k, least in _GIVE_WAY:
        over = sum(w + 2 for w in widths if w) - 2 - width
        if over > 0:
            left = max(widths[k] - over, min(least, widths[k]))
            widths[k] = left if left >= 8 else 0
    return widths


def _format_row(cells, widths):
    cells = [(cut(cell, width), width) for cell, width in zip(cells, widths, strict=True) if width]
    return "  ".join(cell + " " * (width - columns(cell)) for cell, width in cells).rstrip()
