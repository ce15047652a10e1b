"""The two pages of docs/trace.md that go through a trace step by step: ``python docs/make_trace.py`` writes them."""

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


def pages():
    """The text of each page, by its name."""
    textbook = dg.trace(program("textbook", TEXTBOOK), (2.0, 5.0), (1.0, 0.0))
    nested = dg.trace(program("nested", NESTED), (np.array([1.0, 2.0]),), (np.eye(2),))
    return {
        "trace-stepper.html": textbook.to_html(title="ln x₁ + x₁ x₂ − sin x₂ at (2, 5), along x₁"),
        "trace-nested.html": nested.to_html(title="A gradient inside f: its ε₂ is a layer"),
    }


if __name__ == "__main__":
    for name, page in pages().items():
        (HERE / "_static" / name).write_text(page, "utf-8")
