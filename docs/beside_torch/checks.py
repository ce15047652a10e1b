"""Whether the tables are so, without torch: names, arguments, tests, and that nothing is left out on either side."""

import ast
import inspect
import re
from collections import Counter
from pathlib import Path

import numpy as np

import dualgrad as dg

from . import activations, habits, layers, losses, training
from .rows import Row
from .tests import TESTS

ROOT = Path(__file__).parents[2]
SCOPE = {"np": np, "dg": dg, "nn": dg.nn, "optim": dg.optim}
HOW = {
    "device", "dtype", "inplace", "size_average", "reduce", "params", "foreach", "fused", "capturable",
    "differentiable", "optimizer", "last_epoch",
}  # fmt: skip  # arguments that say how something is computed, or that torch itself has given up
HANDED = {"params", "optimizer"}  # what comes with a step here
SAME = {
    "nn": [*(row for rows in layers.TABLES.values() for row in rows), *activations.ACTIVATIONS, *losses.LOSSES],
    "optim": training.OPTIMIZERS,
    "schedules": training.SCHEDULES,
}
ALONE = layers.ALONE | activations.ALONE | losses.ALONE | training.ALONE


def problems(stored):
    """What is wrong, in words."""
    for area, rows in SAME.items():
        yield from _names(area, rows, stored[area])
        for row in rows:
            yield from _row(row, stored[area].get(row.torch, ()))
    for row in [row for rows in habits.HABITS.values() for row in rows] + losses.FUNCTIONS:
        yield from (f"{row.torch}: there is no {name}" for name in unresolved(row.here))
    yield from _ours()
    for name, (path, function, _) in TESTS.items():
        text = (ROOT / path).read_text("utf-8") if (ROOT / path).is_file() else ""
        if (f"def {function}(" if function else "def test_") not in text:
            yield f"the test {name!r}: there is no {path}: {function}"


def _names(area, rows, theirs):
    """Every name of torch once, and none that torch has not."""
    counted = Counter(row.torch for row in rows)
    yield from (f"torch has {name}, the tables of {area} have not" for name in theirs if name not in counted)
    yield from (f"the tables have {name}, torch's {area} has not" for name in counted if name not in theirs)
    yield from (f"the tables have {name} {n} times" for name, n in counted.items() if n > 1)


def _row(row, theirs):
    """What is wrong with one."""
    missing = unresolved(row.here)
    yield from (f"{row.torch}: there is no {name}" for name in missing)
    if not row.is_name:
        if not row.here and not row.note:
            yield f"{row.torch}: no word of why it is not here"
        if row.here and not row.call:
            yield f"{row.torch}: the program is compared with nothing"
        return
    yield from _test(row)
    if missing or not is_there(row.here):
        return
    for argument in [a for a in theirs if a not in HOW and not a.startswith("_")]:
        there = takes(row.here, row.renamed.get(argument, argument))
        if there and argument in row.without:
            yield f"{row.torch}: {row.here} has {argument}, and the table says that it has not"
        if not there and argument not in row.without:
            yield f"{row.torch}: {row.here} has no {argument}, and the table says nothing of it"
    yield from (f"{row.torch} has no {name}" for name in (row.without | row.renamed) if name not in theirs)
    yield from filter(None, [mistaken(row, theirs)])


def _test(row):
    """A test that names what it compares."""
    path, _, _ = TESTS.get(row.test, ("", "", ""))
    if not path:
        yield f"{row.torch}: there is no test {row.test!r}"
    elif is_there(row.here) and (ROOT / path).is_file():
        text, short = _with_support(ROOT / path), row.here.rpartition(".")[2]
        if row.test != "own" and not (_has(text, short) or _has(text, _function_of(short))):
            yield f"{row.torch}: {path} has no {short}"


def _has(text, name):
    """Whether a program has a name, written out or put together: ``f"MaxPool{n}d"``."""
    made = re.findall(r'f"((?:\w*\{\w+\})+\w*)"', text)
    made = [re.sub(r"\{\w+\}", r"\\w+", pattern) for pattern in made if re.search("[A-Z][a-z]{2}", pattern)]
    return bool(re.search(rf"\b{name}\b(?!\{{)", text)) or any(re.fullmatch(pattern, name) for pattern in made)


def _with_support(path):
    """A test and the catalogues that it runs over."""
    text = path.read_text("utf-8")
    names = re.findall(r"^from (?:tests|\.)\.support\.(\w+) import", text, re.MULTILINE)
    return text + "".join((path.parents[1] / "support" / f"{name}.py").read_text("utf-8") for name in names)


def _function_of(name):
    """``cross_entropy`` for ``CrossEntropy``, whose instance it is."""
    kind = getattr(dg.nn, name, None)
    found = (n for n in dg.nn.__all__ if inspect.isclass(kind) and type(getattr(dg.nn, n)) is kind)
    return next(found, name)


def _ours():
    """Every layer, cell, loss, optimizer and schedule of ours is beside one of torch's, or alone."""
    kinds = {f"nn.{n}" for n in dg.nn.__all__ if _is_kind(getattr(dg.nn, n))}
    ours = kinds | {f"optim.{n}" for n in dg.optim.__all__}
    beside = {row.here for rows in SAME.values() for row in rows if row.is_name}
    used = {name for rows in SAME.values() for row in rows if row.here for name in mentioned(row.here)}
    yield from (f"{name} is beside nothing of torch's, nor alone" for name in sorted(ours - beside - used - set(ALONE)))
    yield from (f"there is no {name}, which the table has alone" for name in sorted(set(ALONE) - ours))
    yield from (f"{name} is alone, and beside something of torch's" for name in sorted(set(ALONE) & beside))


def _is_kind(thing):
    return inspect.isclass(thing) and issubclass(thing, (dg.nn.Layer, dg.nn.Cell, dg.nn.Loss))


# ---------------------------------------------------------------------- what programs name


def mentioned(program: str) -> set:
    """``nn.Linear``, ``nn.LSTM(num_layers)`` for a keyword, ``nn.Objective.batches`` for what an instance has."""
    found = set()
    for node in ast.walk(ast.parse(program)):
        if name := _dotted(node):
            found.add(name)
        if isinstance(node, ast.Call) and (name := _dotted(node.func)):
            found |= {f"{name}({k.arg})" for k in node.keywords if k.arg}
    return {name for name in found if name.partition(".")[0] in SCOPE and "." in name}


def _dotted(node):
    if isinstance(node, ast.Name):
        return node.id
    if not isinstance(node, ast.Attribute):
        return None
    before = _dotted(node.value.func if isinstance(node.value, ast.Call) else node.value)
    return before and f"{before}.{node.attr}"


def unresolved(program: str) -> set:
    """What a program names and dualgrad has not; arguments of NumPy's and of losses are left to the run."""
    return {name for name in mentioned(program) if not is_there(name)}


def is_there(name: str) -> bool:
    """Whether there is such a name, or such an argument."""
    path, _, argument = name.rstrip(")").partition("(")
    thing = SCOPE.get(path.partition(".")[0])
    for part in path.split(".")[1:]:
        if not hasattr(thing, part):
            return not inspect.isclass(thing) and not inspect.ismodule(thing)  # what comes of a call is left to the run
        thing = getattr(thing, part)
    return not argument or path.startswith("np.") or takes(path, argument)


def takes(name: str, argument: str) -> bool:
    """Whether it has an argument of this name."""
    thing = eval(name, SCOPE)
    kind = thing if inspect.isclass(thing) else type(thing)
    own = set(getattr(kind, "settings", ())) if issubclass(kind, dg.nn.Loss) else set()
    found = inspect.signature(thing).parameters
    return argument in own | set(found) or any(p.kind is p.VAR_POSITIONAL for p in found.values())


def defaults(row: Row, theirs: dict) -> dict:
    """{our argument: (our default, torch's)} where they differ; an argument that has to be given has none, ''."""
    if not row.is_name or not is_there(row.here):
        return {}
    own = {name: "" if d is inspect.Parameter.empty else repr(d) for name, d in _defaults(row.here).items()}
    pairs = {row.renamed.get(name, name): d for name, d in theirs.items() if name not in HOW}
    return {n: (own[n], d) for n, d in pairs.items() if n in own and d != "..." and not _alike(own[n], d)}


def mistaken(row: Row, theirs: dict) -> str:
    """What an argument of torch's would be here in a call by position, where it would be another; else nothing."""
    if not row.is_name or not is_there(row.here):
        return ""
    expected = [row.renamed.get(name, name) for name in theirs if name not in HANDED]
    if "optimizer" in theirs and "lr" not in expected:
        expected = ["lr", *expected]  # the rate stands where torch has the optimizer
    for n in range(1, len(expected) + 1):
        try:
            taken = inspect.signature(eval(row.here, SCOPE)).bind_partial(*expected[:n]).arguments
        except TypeError:
            return ""
        wrong = [name for name, given in taken.items() if given not in (name, (name,))]
        if wrong:
            return f"{row.torch}: by position torch's {taken[wrong[0]]} is the {wrong[0]} of {row.here}"
    return ""


def _defaults(name):
    """{argument: default} of a class of ours, the settings of a loss among them."""
    thing = eval(name, SCOPE)
    settings = dict(getattr(thing, "settings", {})) if inspect.isclass(thing) and issubclass(thing, dg.nn.Loss) else {}
    return {p.name: p.default for p in inspect.signature(thing).parameters.values()} | settings


def _alike(one, other):
    return one == other or "" not in (one, other) and ast.literal_eval(one) == ast.literal_eval(other)


def ready(row: Row) -> bool:
    """Whether all that a program names is there."""
    return bool(row.here) and not unresolved(row.here)
