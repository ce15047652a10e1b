"""Writes docs/coverage.md: what dualgrad does with every function that NumPy lets a type override.

Fails, and names them, when a function is neither ruled nor refused. ``--check`` writes nothing and fails also when the
page would change; with another NumPy than the page's, when a function has not the kind that the page says. The list of
functions is NumPy's: the dependency group ``docs`` in pyproject.toml pins which.
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
KINDS = (*RULES, "constant", "refused", "other types")
MEANING = {
    "linear": "the function itself acts on the tangent",
    "elementwise": "partial derivatives, entry by entry",
    "bilinear": "product rule: f(dx, y) + f(x, dy)",
    "composite": "defined by other NumPy functions",
    "explicit": "a rule written out",
    "constant": "zero derivative: the result is a plain array",
    "refused": "cannot carry a tangent; the error says what to write instead",
    "other types": "for bits, integers, strings or dates: there is nothing to differentiate",
}


def functions():
    """{name: function} for ufuncs and for array functions, by their public names where they have one."""
    np.fft, np.linalg  # noqa: B018  (imported, so that their functions are listed)
    ufuncs = {ufunc_name(f): f for f in overrides.get_overridable_numpy_ufuncs()}
    others = {}
    for f in overrides.get_overridable_numpy_array_functions():
        name = public_name(f)  # a few are listed twice, for np.eye(n) and np.eye(n, like=x): the public one counts
        if name not in others or resolve(name) is f:
            others[name] = f
    return ufuncs, others


def public_name(f):
    """``np.linalg.inv``."""
    return f"{getattr(f, '__module__', None) or 'numpy'}.{f.__name__}".replace("numpy.", "np.", 1)


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


def kind_of(function, name, supported, reasons):
    """Its kind of rule, why it has none, or None where dualgrad knows nothing of it."""
    if function in supported:
        return supported[function]
    if name in reasons:
        return "refused"
    if isinstance(function, np.ufunc) and not any(set("efdgFDG") & set(t.split("->")[0]) for t in function.types):
        return "other types"
    return None


def tables():
    """{name: kind} for ufuncs and for array functions, and {name: reason} of the refused."""
    import dualgrad as dg
    from dualgrad.tables import REFUSED

    ufuncs, others = functions()
    # A refusal may be entered under the internal twin of a public function, so it goes by name.
    names = {f: name for group in (ufuncs, others) for name, f in group.items()}
    refused = [(f, why) for f, why in REFUSED.items() if callable(f)]
    refused += [(f, REFUSED[f.__module__]) for f in names if getattr(f, "__module__", None) in REFUSED]
    reasons = {names.get(f, ufunc_name(f) if isinstance(f, np.ufunc) else public_name(f)): why for f, why in refused}
    kinds = [{n: kind_of(f, n, dg.supported(), reasons) for n, f in group.items()} for group in (ufuncs, others)]
    return *kinds, reasons


def render(ufuncs, others, reasons):
    """The page."""
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
                lines.append(f"| {kind} ({len(names)}) | {listed(names)} |")
    lines += ["", "## Refused, and why", "", "| functions | what the error says |", "|---|---|"]
    why = {}
    for name in sorted((n for t in (ufuncs, others) for n, k in t.items() if k == "refused"), key=str.lower):
        why.setdefault(reasons[name], []).append(name)
    lines += [f"| {listed(names)} | {reason} |" for reason, names in why.items()]
    return "\n".join(lines) + "\n"


def listed(names):
    """The names in a cell of a table."""
    strings = [n for n in names if n.startswith("np.strings.")]
    shown = [f"`{n}`" for n in names if n not in strings]
    return ", ".join(shown + ([f"{len(strings)} behind `np.strings`"] if strings else []))


def stated(page):
    """The NumPy version that a page was made with, and {name: kind} of what it lists."""
    rows = re.findall(r"^\| ([a-z ]+) \(\d+\) \| (.*) \|$", page, re.MULTILINE)
    version = re.search(r"with NumPy (\S+)\. ", page)
    return version and version[1], {name: kind for kind, names in rows for name in re.findall("`([^`]+)`", names)}


def differences(page, text, kinds):
    """What a page says otherwise than it should; names that only one of two NumPy versions has do not count."""
    version, listed = stated(page)
    if version == np.__version__:
        return [] if page == text else ["the text"]
    print(f"docs/coverage.md is of NumPy {version}, and here is {np.__version__}: what both have is compared")
    return [f"{n}: {listed[n]} for {k}" for n, k in kinds.items() if listed.get(n, k) != k]


def main():
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the page is out of date; write nothing")
    check = parser.parse_args().check
    ufuncs, others, reasons = tables()
    missing = [name for table in (ufuncs, others) for name, kind in table.items() if kind is None]
    if missing:
        print(f"neither a rule nor a refusal: {', '.join(missing)}", file=sys.stderr)
        return 1
    text = render(ufuncs, others, reasons)
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        print(f"wrote {PAGE.relative_to(HERE.parent)}")
        return 0
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if wrong := differences(page, text, ufuncs | others) if page else ["no page"]:
        print(f"docs/coverage.md is out of date, run `make coverage`: {'; '.join(wrong)}", file=sys.stderr)
        return 1
    print("docs/coverage.md is up to date")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    sys.exit(main())
