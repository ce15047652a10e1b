"""Writes docs/torch.md: what torch.nn and torch.optim have, and what one writes here, or why it is not here.

The tables are in docs/beside_torch, torch's own names and arguments in docs/beside_torch/names.json. ``--measure`` asks
the torch that is installed for them; ``--check`` writes nothing, and fails where a table says what is not so, or where
the page is old.
"""

import argparse
import itertools
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from beside_torch import activations, habits, layers, layout, losses, names, training  # noqa: E402
from beside_torch.checks import defaults, problems  # noqa: E402
from beside_torch.tests import TESTS  # noqa: E402

PAGE = HERE / "torch.md"
AREAS = layers.TABLES | {"Activations": activations.ACTIVATIONS, "Losses": losses.LOSSES}
OPTIM = {"Optimizers": training.OPTIMIZERS, "Schedules": training.SCHEDULES}
ALONE = layers.ALONE | activations.ALONE | losses.ALONE | training.ALONE
HEADS = (("torch.optim", "optim"), ("torch.optim.lr_scheduler", "schedules"))
COLUMNS = ("here", "differences, or why not", "compared")

HEAD = """\
# Beside torch

All that torch {version} has in `torch.nn`, `torch.optim` and `torch.optim.lr_scheduler`, and what one writes here. Made
by `make torch`; tests compare names, arguments and defaults with torch's, and run every program.

| | names | the same thing here | a program in its place | not here |
|---|--:|--:|--:|--:|
{counts}

**A name** takes torch's arguments by torch's names and with torch's defaults, but where its line says otherwise. By
position it takes them in torch's order, as far as they are torch's; those behind are keywords alone. Not among them is
what says how something is computed: `device`, `dtype` and `inplace` of layers, `foreach`, `fused`, `capturable` and
`differentiable` of optimizers, `optimizer` and `last_epoch` of schedules, which are functions of the step here; nor
what torch itself has given up, `size_average` and `reduce`.

**A program** is NumPy, which the engine differentiates: in a model it is the `forward` of
[a layer of your own](training.md#a-layer-of-your-own), in an objective a function of prediction and target. Its value
and its gradient are compared with torch's. Inputs are x, y and z of shape (4, 6), signals j, images i and volumes v,
whose channels are the last axis: `(B, H, W, C)` where torch has `(B, C, H, W)`. A sequence is `(T, B, n)` in both.

`nn` is `dg.nn`, `optim` is `dg.optim`.
"""
HABITS = """\
## Habits

What one types in torch, and here, where a layer holds no arrays: parameters, random numbers and modes are arguments.
"""
LAYOUT = """\
## Where weights lie

Features are the last axis of inputs, and the columns of weights. `nn.from_torch` and `nn.to_torch` turn one into the
other, with the order of features behind a `Flatten`: [Weights from torch](layers/index.md#weights-from-torch).

| layer | here | torch | |
|---|---|---|---|
{rows}

```python
>>> import numpy as np
>>> import dualgrad as dg
>>> from dualgrad import nn
>>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10))
>>> params = model.init(rng=0)
>>> state = nn.to_torch(params, model)                     # arrays: torch.from_numpy makes tensors of them
>>> params["0.weight"].shape, state["0.weight"].shape
((3, 3, 3, 8), (8, 3, 3, 3))
>>> again = nn.from_torch(state, model)                    # or a module of torch, or its state_dict()
>>> np.array_equal(again.vector, params.vector) and list(again.buffers)
['1.running_mean', '1.running_var']
>>> image = np.zeros((1, 3, 4, 4), np.float32)             # of torch: (B, C, H, W)
>>> model(again, np.moveaxis(image, 1, -1)).shape
(1, 10)
```

With torch beside it:

```text
twin.load_state_dict({{name: torch.from_numpy(a) for name, a in nn.to_torch(params, model).items()}})
params = nn.from_torch(twin, model)                     # settings are compared as well: eps, padding, heads
```
"""
COMPARED = """\
## How it is compared

Tests beside torch are run by `make test-fronts`, and by `make test` where torch is installed. Whatever torch says,
every layer and loss is held to the engine, to its own transpose and to differences by `tests/nn/test_nn.py`: in one
direction and in K, dense and in factors, and in the second order.

| | where | what |
|---|---|---|
"""


def kinds(rows):
    """How many rows are a name, a program, and nothing."""
    named = sum(row.is_name for row in rows)
    return named, sum(bool(row.here) for row in rows) - named, sum(not row.here for row in rows)


def count(title, rows):
    """A line of the table of counts."""
    rows = list(rows)
    return f"| {title} | {len(rows)} | {' | '.join(map(str, kinds(rows)))} |"


def code(program):
    """A program in a cell of a table."""
    return f"`{program}`".replace("|", "\\|")


def differences(row, theirs):
    """The note, and what becomes of torch's arguments and defaults."""
    turned = [f"{code(name)} is {code(ours)}" for name, ours in row.renamed.items()]
    left = [f"no {', '.join(map(code, names))}: {why}" for why, names in inverted(row.without).items()]
    others = [f"{code(f'{name}={own}' if own else name)}, torch's {code(said) if said else 'has to be given'}"
              for name, (own, said) in defaults(row, theirs).items()]  # fmt: skip
    return "; ".join([*([row.note] if row.note else []), *turned, *others, *left])


def inverted(mapping):
    """{value: its keys}."""
    found = {}
    for key, value in mapping.items():
        found.setdefault(value, []).append(key)
    return found


def compared(row):
    """Where a row is compared with torch."""
    return row.test or ("this page" if row.call else "")


def table(head, rows, theirs):
    """The rows as a table; neighbours that say the same are one line."""
    lines = ["", f"| {head} | {' | '.join(COLUMNS)} |", "|---|---|---|---|"]
    cells = lambda row: (row.here, differences(row, theirs.get(row.torch, {})), compared(row), row.call)  # noqa: E731
    for (here, about, where, _), group in itertools.groupby(rows, cells):
        names = ", ".join(code(row.torch) for row in group)
        lines.append(f"| {names} | {code(here) if here else '–'} | {about} | {where} |")
    return lines


def habit_tables():
    """What one types, in groups."""
    for title, rows in habits.HABITS.items():
        yield from ["", f"### {title}", "", "| torch | here | |", "|---|---|---|"]
        for row in rows:
            yield f"| {code(row.torch) if '_' in row.torch or '(' in row.torch else row.torch} | " + (
                f"{code(row.here) if row.here else '–'} | {row.note} |"
            )


def render(stored):
    """The page."""
    everything = {"torch.nn": itertools.chain(*AREAS.values())}
    everything |= {f"torch.optim: {title.lower()}": rows for title, rows in OPTIM.items()}
    counts = "\n".join(count(title, rows) for title, rows in everything.items())
    lines = [HEAD.format(version=stored["version"], counts=counts).rstrip()]
    for title, rows in AREAS.items():
        lines += ["", f"## {title}", *table("torch.nn", rows, stored["nn"])]
    lines += ["", "What `torch.nn.functional` has beside modules:", *table("functional", losses.FUNCTIONS, {})]
    for (title, rows), (head, area) in zip(OPTIM.items(), HEADS, strict=True):
        lines += ["", f"## {title}", *table(head, rows, stored[area])]
    lines += ["", HABITS.rstrip(), *habit_tables()]
    placed = "\n".join(f"| {code(p)} | {ours} | {theirs} | {note} |" for p, ours, theirs, note in layout.rows())
    lines += ["", LAYOUT.format(rows=placed).rstrip(), "", "## Here alone", "", "| | |", "|---|---|"]
    lines += [f"| {code(name)} | {about} |" for name, about in ALONE.items()]
    lines += ["", COMPARED.rstrip()]
    lines += [f"| {name} | `{path}`{f': `{f}`' * bool(f)} | {what} |" for name, (path, f, what) in TESTS.items()]
    return "\n".join(lines) + "\n"


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="ask torch for its names")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page or a table is wrong")
    args = parser.parse_args()
    if args.measure:
        names.store()
    stored = names.stored()
    wrong = list(problems(stored))
    text = render(stored)
    if not args.check:
        PAGE.write_text(text, "utf-8")
    elif PAGE.read_text("utf-8") != text:
        wrong.append("docs/torch.md is out of date: run `make torch`")
    print(*(wrong or ["docs/torch.md is up to date"]), sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
