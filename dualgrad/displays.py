"""How results are shown: arrays in a few words, and tables for notebooks."""

import html
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_ENTRIES_SHOWN = 16  # of a larger array: its dtype and shape


def in_brief(x: Any) -> str:
    """A value as it stands in a line: arrays of up to 16 entries as they are, larger ones by dtype and shape."""
    if isinstance(x, dict):
        return "{" + ", ".join(f"{key!r}: {in_brief(value)}" for key, value in x.items()) + "}"
    if type(x) in (list, tuple):
        left, right = "[]" if type(x) is list else ("(", ",)" if len(x) == 1 else ")")
        return left + ", ".join(map(in_brief, x)) + right
    shape = getattr(x, "shape", ())
    if isinstance(x, Mapping) or not shape or np.prod(shape) <= _ENTRIES_SHOWN:
        return repr(x)
    return f"{x.dtype}[{', '.join(map(str, shape))}]"


def aligned(rows: Iterable[tuple[str, str]]) -> str:
    """Names and what they are, in two columns."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in rows)


def html_table(title: str, rows: Iterable[Iterable[str]]) -> str:
    """A title and a table, for a notebook; the first cell of a row is its name."""
    lines = []
    for first, *others in rows:
        cells = "".join(f'<td style="text-align: left">{html.escape(cell)}</td>' for cell in others)
        lines.append(f'<tr><th style="text-align: left">{html.escape(first)}</th>{cells}</tr>')
    return f"<p><b>{html.escape(title)}</b></p><table>{''.join(lines)}</table>"
