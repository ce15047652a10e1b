"""Writes docs/coverage.md: what dualgrad does with every function that NumPy lets a type override.

``--check`` writes nothing and fails if the page would change. The list of functions is NumPy's, so the page says
which NumPy it was made with, and a check under another one passes with a remark.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
from numpy.testing import overrides

HERE = Path(__file__).parent
PAGE = HERE / "coverage.md"
RULES = ("linear", "elementwise", "bilinear", "composite", "explicit")
KINDS = (*RULES, "constant", "refused", "other types", "not yet")
MEANING = {
    "linear": "the function itself acts on the tangent",
    "elementwise": "partial derivatives, entry by entry",
    "bilinear": "product rule: f(dx, y) + f(x, dy)",
    "composite": "defined by other NumPy functions",
    "explicit": "a rule written out",
    "constant": "zero derivative: the result is a plain array",
    "refused": "cannot carry a tangent; the error says what to write instead",
    "other types": "for bits, integers, strings or dates: there is nothing to differentiate",
    "not yet": "raises `NotImplementedError`; `dg.defjvp` adds a rule",
}


def functions():
    """{name: function} for ufuncs and for array functions, by their public names where they have one."""
    np.fft, np.linalg  # noqa: B018  (imported, so that their functions are listed)
    ufuncs = {ufunc_name(f): f for f in overrides.get_overridable_numpy_ufuncs()}
    others = {}
    for f in overrides.get_overridable_numpy_array_functions():
        module = getattr(f, "__module__", None) or "numpy"
        # A few names are listed twice, for np.eye(n) and np.eye(n, like=x): the public one counts.
        name = f"{module}.{f.__name__}".replace("numpy.", "np.", 1)
        if name not in others or resolve(name) is f:
            others[name] = f
    return ufuncs, others


def ufunc_name(f):
    """``np.sin`` for a public ufunc, ``np.strings._center`` for the ufuncs behind the string functions."""
    if getattr(np, f.__name__, None) is f:
        return f"np.{f.__name__}"
    if f.__name__ == "clip":
        return "np.clip (ufunc)"
    if f.__name__ == "_ones_like":
        return "np.ones_like (ufunc)"
    return f"np.strings.{f.__name__}"


def resolve(name):
    """The object that a dotted public name stands for, or None."""
    thing = np
    for part in name.split(".")[1:]:
        thing = getattr(thing, part, None)
    return thing


def kind_of(function, supported, refused):
    """Its kind of rule, or why it has none."""
    if function in supported:
        return supported[function]
    if function in refused:
        return "refused"
    if isinstance(function, np.ufunc) and not any(set("efdgFDG") & set(t.split("->")[0]) for t in function.types):
        return "other types"
    return "not yet"


def page():
    """The text of docs/coverage.md."""
    import dualgrad as dg

    supported, refused = dg.supported(), dg.dual.REFUSED
    ufuncs, others = functions()
    # A refusal may be entered under the internal twin of a public function, so names count as well.
    named = {f"np.{f.__name__}" for f in refused}
    tables = []
    for group in (ufuncs, others):
        kinds = {name: kind_of(f, supported, refused) for name, f in group.items()}
        tables.append({n: "refused" if k == "not yet" and n in named else k for n, k in kinds.items()})
    return render(*tables)


def render(ufuncs, others):
    """The page for two tables {name: kind}."""
    count = lambda table, *kinds: sum(kind in kinds for kind in table.values())  # noqa: E731
    lines = [
        "# Coverage",
        "",
        "Every function that NumPy lets a type override (`numpy.testing.overrides`), and what happens when it is given "
        "a Dual. Nothing is left open: a function has a rule, or it has no derivative, or it raises.",
        "",
        f"Of {len(ufuncs)} ufuncs, {count(ufuncs, *RULES)} have a tangent rule and {count(ufuncs, 'constant')} a zero "
        f"derivative. Of {len(others)} array functions, {count(others, *RULES)} have a tangent rule and "
        f"{count(others, 'constant')} a zero derivative.",
        "",
        "| kind | what it means | ufuncs | functions |",
        "|---|---|--:|--:|",
        *(f"| {k} | {MEANING[k]} | {count(ufuncs, k)} | {count(others, k)} |" for k in KINDS),
        f"| all | | {len(ufuncs)} | {len(others)} |",
        "",
        f"Made by `make coverage` with NumPy {np.__version__}. `dg.supported()` answers the same from Python. "
        "The few functions that NumPy lists twice, such as `np.eye`, are counted once.",
    ]
    for title, table in (("Ufuncs", ufuncs), ("Functions", others)):
        lines += ["", f"## {title}", "", "| kind | functions |", "|---|---|"]
        for kind in KINDS:
            names = sorted((n for n, k in table.items() if k == kind), key=lambda n: (n.count("."), n))
            if names:
                strings = [n for n in names if n.startswith("np.strings.")]
                shown = [f"`{n}`" for n in names if n not in strings]
                shown += [f"{len(strings)} behind `np.strings`"] if strings else []
                lines.append(f"| {kind} ({len(names)}) | {', '.join(shown)} |")
    return "\n".join(lines) + "\n"


def main():
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the page is out of date; write nothing")
    check = parser.parse_args().check
    text = page()
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        print(f"wrote {PAGE.relative_to(HERE.parent)}")
        return 0
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    made_with = re.search(r"with NumPy (\S+)\. ", old)
    if made_with and made_with[1] != np.__version__:
        print(f"docs/coverage.md was made with NumPy {made_with[1]}, this is {np.__version__}: not compared")
        return 0
    if old != text:
        print("docs/coverage.md is out of date: run `make coverage`", file=sys.stderr)
        return 1
    print("docs/coverage.md is up to date")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    sys.exit(main())
