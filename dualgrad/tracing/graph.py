"""The rows as a graph: Graphviz text, and a drawing."""

import html
import itertools
import math
from collections import Counter

from .row import columns, cut, kind, where


def as_dot(rows, view):
    """Graphviz text."""
    quoted = lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'  # noqa: E731
    lines = ["digraph trace {", '  node [shape=box, style=rounded, fontname="monospace"];']
    for row in rows:
        red = ", color=red, fontcolor=red" if row.made else ""
        lines.append(f"  {quoted(row.step)} [label={quoted(chr(10).join(box_label(row, view)))}{red}];")
        lines += [f"  {quoted(step)} -> {quoted(row.step)};" for step in row.edges]
    return "\n".join([*lines, "}", ""])


def box_label(row, view):
    view = view._replace(room=_BOX_ROOM)
    lines = [
        cut(f"{row.step} = {view.call(row)}", 36),
        kind(row.primal),
        _value_and_tangent(view, row.primal, row.tangent),
    ]
    lines += [f"+ {name} ({_value_and_tangent(view, x, dx)})" for name, x, dx in row.layers]
    return [*lines, *([row.trouble] if row.made else [])]


def _value_and_tangent(view, x, dx):
    return f"{view.value(x)} + ε {view.value(dx)}" if dx is not None else view.value(x)


_BOX_ROOM = 20  # for the entries of a vector in a box


def _layers(rows):
    """The steps in layers, by the longest path from an input, and what stands above each of them. A line that passes
    a layer bends there, at a node ``(step, layer)``, so that it keeps clear of the others (Sugiyama et al. 1981)."""
    depth, reach, above = {}, {}, {}
    for row in rows:
        depth[row.step] = 0 if row.operation == "input" else 1 + max((depth[s] for s in row.inputs), default=0)
        reach.update((s, max(reach.get(s, 0), depth[row.step])) for s in row.inputs)
    at = lambda step, d: step if depth[step] == d else (step, d)  # noqa: E731
    layers = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for row in rows:
        for d in range(depth[row.step], max(reach.get(row.step, 0), depth[row.step] + 1)):
            node = at(row.step, d)
            above[node] = [at(s, d - 1) for s in (row.inputs if node == row.step else [row.step])]
            layers[d].append(node)
    return layers, above


def _arrange(layers, above, size, gap=24, sweeps=12):
    """The centre of every node: each layer in turn as close to its neighbours as its order allows; the first sweeps
    order it by where its neighbours are."""
    below = {node: [] for node in above}
    for node, parents in above.items():
        for parent in parents:
            below[parent].append(node)
    x = dict.fromkeys(above, 0.0)
    for sweep in range(sweeps):
        near = below if sweep % 2 else above
        for layer in layers[::-1] if sweep % 2 else layers:
            wish = {node: sum(x[n] for n in near[node]) / len(near[node]) if near[node] else x[node] for node in layer}
            if sweep < sweeps // 2:
                layer.sort(key=wish.get)
            x.update(_apart(layer, wish, size, gap))
    return x


def _apart(layer, wish, size, gap):
    """The least squares fit to the wishes that keeps nodes apart: isotonic regression, by pooling adjacent ones."""
    offsets, pools = [0.0], []
    for left, right in itertools.pairwise(layer):
        offsets.append(offsets[-1] + (size[left] + size[right]) / 2 + gap)
    for node, offset in zip(layer, offsets, strict=True):
        pools.append((wish[node] - offset, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, m), (b, n) = pools.pop(), pools.pop()
            pools.append(((a * m + b * n) / (m + n), m + n))
    means = (mean for mean, count in pools for _ in range(count))
    return {node: mean + offset for node, mean, offset in zip(layer, means, offsets, strict=True)}


_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}" \
font-family="monospace" font-size="12">
<defs><marker id="tip" orient="auto" markerWidth="8" markerHeight="8" refX="7" refY="4"><path d="M0 0L8 4L0 8z" \
fill="#57606a"/></marker></defs>
<path d="M0 0H{0}V{1}H0z" fill="#ffffff"/>
{3}
<text x="16" y="{4}" fill="#57606a">{2}</text>
</svg>
"""


class Placement:
    """Where everything stands: centres, tops, bottoms and widths of the nodes, and the lines between them."""

    def __init__(self, rows, labels, sweeps=12):
        self.layers, self.above = _layers(rows)
        self.width = {n: 20 + 7.3 * max(map(columns, labels[n])) if n in labels else 8 for n in self.above}
        x = _arrange(self.layers, self.above, self.width, sweeps=sweeps)
        left = min((x[node] - self.width[node] / 2 for node in x), default=0) - 16
        self.x, self.top, self.bottom, self.height = {node: centre - left for node, centre in x.items()}, {}, {}, 16
        self.edges = {row.step: Counter(row.edges) for row in rows}
        for layer in self.layers:
            heights = {node: 14 + 16 * len(labels.get(node, "")) for node in layer}
            for node in layer:
                tall = heights[node] if node in labels else max(heights.values())
                self.top[node], self.bottom[node] = self.height, self.height + tall
            self.height += max(heights.values()) + 40
        self.right = max((self.x[node] + self.width[node] / 2 + 16 for node in x), default=0)

    def curve(self, parent, node, shift=0.0):
        """From the bottom of one to the top of the other."""
        a, b, c, d = self.x[parent] + shift, self.bottom[parent], self.x[node] + shift, self.top[node]
        return f"M{a:.1f} {b}C{a:.1f} {(b + d) / 2} {c:.1f} {(b + d) / 2} {c:.1f} {d}"

    def lines(self, node):
        """The lines that come in from above: which node from, and how far to the side."""
        for parent in self.above[node]:
            name = parent if isinstance(parent, str) else parent[0]
            count = self.edges[node][name] if isinstance(node, str) else 1
            yield from ((parent, 12.0 * (k - (count - 1) / 2)) for k in range(count))


def as_svg(rows, outputs, title, view):
    """An SVG image, the inputs at the top."""
    labels = {row.step: box_label(row, view) for row in rows}
    plan, shapes = Placement(rows, labels), []
    for node in plan.above:
        end = '" marker-end="url(#tip)"' if node in labels else f'V{plan.bottom[node]}"'
        for parent, shift in plan.lines(node):
            shapes.append(f'<path fill="none" stroke="#8c959f" d="{plan.curve(parent, node, shift)}{end}/>')
    for row in rows:
        place = plan.x[row.step], plan.top[row.step], plan.width[row.step]
        shapes += _box(row, labels[row.step], *place, row.step in outputs)
    right, y = max(plan.right, 7.3 * columns(title) + 32), plan.height
    return _SVG.format(math.ceil(right), y + 4, html.escape(title), "\n".join(shapes), y - 10)


def _box(row, label, x, y, width, is_output):
    fill, stroke = "#ddf4ff", "#0969da"
    if row.operation == "input" or row.tangent is None:
        fill, stroke = "#ffffff" if row.operation == "input" else "#f6f8fa", "#57606a"
    if row.made:
        fill, stroke = "#ffebe9", "#cf222e"
    place = f'x="{x - width / 2:.1f}" y="{y}" width="{width:.1f}" height="{14 + 16 * len(label)}" rx="6"'
    yield f"<g><title>{html.escape(where(row, row.source))}</title>"
    yield f'<rect {place} fill="{fill}" stroke="{stroke}" stroke-width="{2.5 if is_output else 1}"/>'
    for k, text in enumerate(label):
        colour = "#cf222e" if row.made and k == len(label) - 1 else "#1f2328"
        look = f'fill="{colour}" font-weight="{"normal" if k else "bold"}"'
        yield f'<text x="{x:.1f}" y="{y + 20 + 16 * k}" text-anchor="middle" {look}>{html.escape(text)}</text>'
    yield "</g>"
