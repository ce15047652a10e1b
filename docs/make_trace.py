"""The two pages of docs/trace.md that go through a trace step by step, and the picture of one that moves.

``python docs/make_trace.py`` writes them.
"""

import linecache
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

import numpy as np  # noqa: E402

import dualgrad as dg  # noqa: E402

TEXTBOOK = """\
def f(x1, x2):
    a = np.log(x1)
    b = x1 * x2
    c = np.sin(x2)
    return a + b - c
"""
NESTED = """\
def g(y):
    return np.sum(y * np.sin(y))

def f(x):
    slope = dg.grad(g)(x)
    return np.sum(slope * x * x)
"""


def program(name, text):
    """The function f of a text, with its source where a trace looks for it."""
    file, scope = f"<{name}>", {"np": np, "dg": dg}
    linecache.cache[file] = len(text), None, text.splitlines(True), file
    exec(compile(text, file, "exec"), scope)
    return scope["f"]


def moving(svg, steps, seconds=0.9):
    """The image with one box after another coming to light, over and over; whole for readers who want no motion."""
    parts, styles = svg.split("<g>"), []
    for k in range(steps):
        begin = 100 * (k + 0.3) / (steps + 2)
        styles.append(f"@keyframes s{k}{{0%,{begin:.1f}%{{opacity:.12}}{begin + 2:.1f}%,100%{{opacity:1}}}}")
        styles.append(f".s{k}{{animation:s{k} {seconds * (steps + 2):.1f}s linear infinite}}")
    style = "".join(["<style>", *styles, "@media (prefers-reduced-motion:reduce){g{animation:none!important}}</style>"])
    groups = (f'<g class="s{k}">{part}' for k, part in enumerate(parts[1:]))
    return (parts[0] + "".join(groups)).replace("<defs>", f"{style}<defs>", 1)


def pages():
    """The text of each file, by its name."""
    textbook = dg.trace(program("textbook", TEXTBOOK), (2.0, 5.0), (1.0, 0.0))
    nested = dg.trace(program("nested", NESTED), (np.array([1.0, 2.0]),), (np.eye(2),))
    picture = moving(textbook.to_svg(names="mathematical"), len(textbook.rows))
    return {
        "../img/trace-moving.svg": picture,
        "trace-stepper.html": textbook.to_html(title="ln x₁ + x₁ x₂ − sin x₂ at (2, 5), along x₁"),
        "trace-nested.html": nested.to_html(title="A gradient inside f: its ε₂ is a layer"),
    }


if __name__ == "__main__":
    for name, page in pages().items():
        (HERE / "_static" / name).write_text(page, "utf-8")
