"""The page that goes through a trace step by step: what it shows, as data, put into stepper.html."""

import html
import json
import linecache
import os
from importlib import resources

from .graph import Placement
from .row import cut, kind, where

_PAGE = 290_000  # bytes, at most; if need be with fewer
_ROOMS = (1200, 16_000), (1200, 4_000), (600, 4_000), (200, 4_000), (50, 500)  # rows, and numbers of all arrays
_EACH = 2_000  # numbers of one array
_LINES_AROUND = 1  # lines of source before and after
_APART = 12  # lines without a step in between, from which on they are left out
_BOXES = 600  # of the graph: a larger one is not drawn
_DRAWN = 4_000  # nodes and bends, likewise


def as_page(trace, view, title):
    """The page, for an outcome of `dualgrad.trace`; as much of a long trace as there is room for."""
    template = resources.files(__package__).joinpath("stepper.html").read_text("utf-8")
    for most, numbers in _ROOMS:
        page = template.replace("{{title}}", html.escape(title))
        page = page.replace("{{data}}", _data(trace, view, title, most, numbers))
        if len(page.encode()) < _PAGE:
            break
    return page


def _data(trace, view, title, most, numbers):
    """What the page shows, as JSON that may stand in HTML."""
    rows, places, brief = trace.rows, {}, view._replace(digits=min(view.digits, 4))
    left = max(0, len(rows) - most)
    rows = [*rows[: most // 2], *rows[len(rows) - most // 2 :]] if left else rows
    data = {
        "title": title + (f" (without {left} steps in the middle)" if left else ""),
        "summary": trace.summary(),
        "outputs": list(trace.outputs),
        "source": _source(rows),
        "rows": list(_rows_shown(rows, trace, view, brief, places, numbers)),
        "places": list(places),
        "graph": None if left else _graph(rows, trace, brief),
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return text.encode("utf-8", "backslashreplace").decode()  # lone surrogates, of which a file cannot be made


def _rows_shown(rows, trace, view, brief, places, numbers):
    """The rows with all that the page says of them; numbers are text, for JSON has no NaN. Fields that are empty are
    left out, and a place in the source is told once: pages of a thousand steps stay small."""
    arrays = sum(2 + 2 * len(row.layers) for row in rows)
    most = max(2, min(_EACH, numbers // max(arrays, 1)))
    for row in rows:
        parts = [("", row.primal, row.tangent), *row.layers]
        place = row.file, row.line, row.column, row.expression, where(row, row.source)
        told = {
            "step": row.step,
            "call": view.call(row),
            "kind": kind(row.primal),
            "edges": row.edges,
            "depth": row.depth if row.depth > 1 else 0,
            "made": row.trouble,
            "place": 1 + places.setdefault(place, len(places)) if row.line else 0,
            "input": row.operation == "input",
            "parts": [[name, _as_data(x, view, most), _as_data(dx, view, most)] for name, x, dx in parts],
            "short": [[brief.value(x), brief.value(dx)] for _, x, dx in parts],
            "local": [f"∂{row.step}/∂{step} {text}" for step, text in view.local(row, trace)],
            "lead": 0 if row.tangent is None or row.tangent.ndim == row.primal.ndim else row.tangent.shape[0],
        }
        yield {name: value for name, value in told.items() if value}


def _as_data(x, view, most):
    """An array in full, or as many entries as there is room for; a number as its text."""
    if x is None or not x.ndim:
        return x if x is None else view.number(x[()])
    numbers = " ".join(view.number(a) for a in x.reshape(-1)[:most])
    left = max(0, x.size - most)
    return {"shape": x.shape, "numbers": numbers, **({"left": left, "norm": view.value(x)} if left else {})}


def _source(rows):
    """The lines of source that made rows, and those around them, file by file."""
    asked = {}
    for row in rows:
        if row.line:
            asked.setdefault(row.file, {})[row.line] = row.source
    return [part for file, lines in asked.items() for part in _of_file(file, lines)]


def _of_file(file, lines):
    text = {k: line.rstrip() for k, line in enumerate(linecache.getlines(file), 1)}
    text = text if all(" ".join(text.get(k, "").split()) == line for k, line in lines.items()) else {}
    groups = []
    for k in sorted(lines):
        if groups and k - groups[-1][-1] <= _APART:
            groups[-1].append(k)
        else:
            groups.append([k])
    for group in groups:
        shown = range(max(1, group[0] - _LINES_AROUND), group[-1] + 1 + _LINES_AROUND) if text else group
        found = [(k, text.get(k, lines.get(k))) for k in shown]
        name = os.path.basename(file) if os.path.exists(file) else ""
        yield {"file": file, "name": name, "lines": [[k, line] for k, line in found if line is not None]}


def _graph(rows, trace, view):
    """The nodes and lines of the graph, placed; None for one too large to be read."""
    labels = {}
    for row in rows:
        short = [view.value(x) for x in (row.primal, row.tangent)]
        value = short[0] if row.tangent is None else f"{short[0]} + ε {short[1]}"
        labels[row.step] = [cut(f"{row.step} = {view.call(row)}", 32), value]
    number = {row.step: k for k, row in enumerate(rows)}
    reach = {step: k for k, row in enumerate(rows) for step in row.inputs}
    far = sum(k - number[step] for step, k in reach.items())
    if len(rows) > _BOXES or far > 25 * _DRAWN:
        return None
    plan, lines = Placement(rows, labels, sweeps=12 if len(rows) < 300 else 4), []
    if len(plan.above) > _DRAWN:
        return None
    for row in rows:
        slopes = _slopes(row, view, trace)
        incoming = list(plan.lines(row.step))
        for k, (start, shift) in enumerate(incoming):
            parent, path = start, plan.curve(start, row.step, shift)
            middle = (plan.x[start] + plan.x[row.step]) / 2 + shift, (plan.bottom[start] + plan.top[row.step]) / 2
            while not isinstance(parent, str):
                (above,) = plan.above[parent]
                path = f"{plan.curve(above, parent)}V{plan.bottom[parent]}{path.replace('M', 'L', 1)}"
                parent = above
            said = slopes.get(parent, [""]).pop(0) if slopes.get(parent) else ""
            if len(incoming) > 1 and max(map(len, sum(slopes.values(), [said]))) > 10:
                middle = middle[0], middle[1] + (8 if k % 2 else -8)  # long ones stand clear of each other
            lines.append([number[parent], number[row.step], path, said, *map(round, middle)])
    boxes = [
        [
            round(plan.x[row.step], 1),
            plan.top[row.step],
            round(plan.width[row.step], 1),
            14 + 16 * len(labels[row.step]),
        ]
        for row in rows
    ]
    return {"width": round(plan.right), "height": plan.height, "boxes": boxes, "lines": lines}


def _slopes(row, view, trace):
    """By the steps of the operands: what stands on their lines."""
    found = {}
    for step, slope in trace.partials(row.step):
        said = "" if slope is None else view.slope(slope)
        found.setdefault(step, []).append(f"× {said}" if said and len(said) <= 22 else "")
    return found
