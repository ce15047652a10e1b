"""The public names of dualgrad, and what each still lacks: a docstring, an example, a place in the API reference.

Run as a script it prints what is missing. The Sphinx build and ``tests/repository/test_docs.py`` use it.
"""

import importlib
import re
import sys
import types
from pathlib import Path

HERE = Path(__file__).parent
MODULES = (
    "dualgrad", "dualgrad.course", "dualgrad.course.plots", "dualgrad.directions", "dualgrad.estimators",
    "dualgrad.extend", "dualgrad.nn", "dualgrad.nn.networks", "dualgrad.online", "dualgrad.optim", "dualgrad.testing",
    "dualgrad.testing.strategies", "dualgrad.training", "dualgrad.tree", "dualgrad.workers",
)  # fmt: skip
_ENTRY = re.compile(r"^\.\. auto(?:function|class|exception|data|decorator):: (dualgrad[\w.]+)", re.MULTILINE)


def public_names():
    """Every public name as ``{"dualgrad.nn.Linear": object}``, submodules left out."""
    found = {}
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            thing = getattr(module, name)
            if not isinstance(thing, types.ModuleType):
                found[f"{module.__name__}.{name}"] = thing
    return found


def described(text):
    """The names that a page of the API reference describes, in its order and as often as it does."""
    return _ENTRY.findall(text)


def entries():
    """The names that all pages describe."""
    return [name for page in sorted((HERE / "api").glob("*.md")) for name in described(page.read_text("utf-8"))]


def problems():
    """One line for each thing that is missing."""
    names, entered = public_names(), entries()
    found = []
    for name, thing in names.items():
        # Instances (dg.ZERO) are described by the docstring of their class.
        doc = thing.__doc__ or ""
        if not doc.strip():
            found.append(f"{name} has no docstring")
        elif ">>>" not in doc:
            found.append(f"{name} has no example (>>>) in its docstring")
        if entered.count(name) != 1:
            found.append(f"{name} stands {entered.count(name)} times in docs/api/*.md; expected once")
    found += [f"{name} is in docs/api/*.md but is not public" for name in entered if name not in names]
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    lines = problems()
    print("\n".join(lines) or f"{len(public_names())} public names, all documented")
    sys.exit(bool(lines))
