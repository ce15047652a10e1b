"""Writes docs/compare.md: what dualgrad and other libraries have, where derivatives go wrong, and how long they take.

Without arguments it renders what docs/compare_rivals.json holds. ``--measure`` asks every library that is installed and
writes both; ``--check`` asks dualgrad alone, and fails where it says otherwise than the page, or where the page is old.
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from compare import features, probes, rivals, speeds  # noqa: E402

PAGE, STORE = HERE / "compare.md", HERE / "compare_rivals.json"
SECONDS = 3.0  # for all libraries together, of each line of the table of times

HEAD = """\
# Beside other libraries

Made by `make compare`, which asks every library that is installed: {versions}.

## What there is

Each entry is a program that ran. "–": the library has none of its own.
"""
WRONG = """\
## Where derivatives go wrong

{count} questions with a known answer (closed forms, or 40 digits), in double precision, a relative error of 1e-8
being right. They were gathered from public bug reports and from the edges of the number line, so they are where
derivatives go wrong, not a sample of all programs. Where a library has no forward rule, its reverse mode answered. An
error is an honest answer: nothing was said that is not so.
"""
SPEED = """\
## How long it takes

Microseconds, the best of many runs that took turns on one core; JAX and torch with one thread, JAX in double precision.
Gradients are by reverse mode where there is one: for many parameters that is the better algorithm, and the table shows
it. A compiled program has paid for its compilation before.
"""
LIMITS = """\
## What the others do better

- **Reverse mode.** A gradient of a million parameters is one backward pass; forward mode has a pass for each chunk of
  directions. dualgrad has pullbacks for its layers and losses alone, and says so.
- **Compilation.** `jax.jit` fuses what NumPy does one operation at a time: small programs, and chains of elementwise
  operations, are several times faster compiled.
- **Devices.** JAX and torch place, shard and overlap work on several accelerators. dualgrad runs on one by CuPy.

The accuracy of single functions, beside JAX and PyTorch, is on the page [Accuracy](accuracy.md).
"""


def ask(libraries, seconds):
    """What all of them say: ``versions``, ``features``, ``answers`` and ``speeds``, by line, then by library."""
    lines = [
        (features.FEATURES, lambda row: _each(libraries, lambda library: features.shown(library, row)), "features"),
        (probes.PROBES, lambda row: _each(libraries, lambda library: probes.answer(library, row)), "answers"),
        (speeds.rows(), lambda row: speeds.measure(libraries, row, seconds), "speeds"),
    ]
    found = {"versions": {library.name: library.version for library in libraries}}
    for rows, answer, kind in lines:
        found[kind] = {}
        for row in rows:
            print(row.about, file=sys.stderr, flush=True)
            found[kind][row.about] = answer(row)
    return found


def _each(libraries, answer):
    return {library.name: answer(library) for library in libraries}


# ---------------------------------------------------------------------- the page


def render(found):
    """The page."""
    names = list(found["versions"])
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items() if name != "dualgrad")
    parts = [
        HEAD.format(versions=versions),
        _table(
            ["", *names], [[about, *(row.get(n) or "–" for n in names)] for about, row in found["features"].items()]
        ),
        WRONG.format(count=len(found["answers"])),
        _summary(found["answers"], names),
        _answers(found["answers"], names),
        SPEED,
        _speeds(found["speeds"]),
        LIMITS.rstrip(),
    ]
    return "\n".join(parts) + "\n"


def _table(head, rows, right=False):
    lines = [head, ["---", *["--:" if right else "---"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _summary(answers, names):
    kinds = (probes.RIGHT, probes.WRONG, probes.ERROR, probes.NONE)
    count = {n: [sum(row[n][0] == kind for row in answers.values()) for kind in kinds] for n in names}
    rows = [[name, *map(str, counts)] for name, counts in count.items()]
    return _table(["", "right", "wrong, without a word", "an error", "no such function"], rows, right=True)


SIGNS = {probes.RIGHT: "✓", probes.ERROR: "error", probes.NONE: "–"}


def _answers(answers, names):
    rows = []
    for probe in probes.PROBES:
        row = answers[probe.about]
        cells = [f"**{_short(row[n][1])}**" if row[n][0] == probes.WRONG else SIGNS[row[n][0]] for n in names]
        rows.append([f"{probe.about}<br>`{probe.program.split(': ', 1)[1]}`", *cells])
    return _table(["d/dx, d²/dx² where it says twice", *names], rows)


def _short(text):
    """A wrong answer, as far as a cell has room."""
    text = " ".join(text.split()).strip("[]").strip()
    return text if len(text) <= 24 else text[:22] + " …"


def _speeds(rows):
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = []
    for about, row in rows.items():
        best = min(row.values())
        shown = {name: f"{t:,.0f}" for name, t in row.items()}
        lines.append([about, *(f"**{shown[c]}**" if row.get(c) == best else shown.get(c, "–") for c in columns)])
    return _table(["", *columns], lines, right=True)


# ---------------------------------------------------------------------- whether it is so


def problems(stored, page):
    """What is wrong with the store and the page, in words; dualgrad is asked again, but for the times."""
    rows = {"features": features.FEATURES, "answers": probes.PROBES, "speeds": speeds.rows()}
    others = [kind for kind, each in rows.items() if list(stored[kind]) != [row.about for row in each]]
    yield from (f"docs/compare_rivals.json has other {kind}: make compare ARGS=--measure" for kind in others)
    if others:
        return
    if page != render(stored):
        yield "docs/compare.md is not what docs/compare_rivals.json says: make compare"
    library = rivals.Library()
    for feature in features.FEATURES:
        if features.shown(library, feature) != stored["features"].get(feature.about, {}).get("dualgrad"):
            yield f"dualgrad now has, or has not: {feature.about}"
    for probe in probes.PROBES:
        kind, found = probes.answer(library, probe)
        if kind != stored["answers"].get(probe.about, {}).get("dualgrad", [None])[0]:
            yield f"dualgrad's answer to {probe.about!r} is now {kind}: {found}"
        elif kind != probes.RIGHT and not (kind == probes.ERROR and probe.refusable):
            yield f"dualgrad's answer to {probe.about!r} is {kind}: {found}"


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="ask the libraries that are installed")
    parser.add_argument("--check", action="store_true", help="write nothing; ask dualgrad alone")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each line of times")
    args = parser.parse_args()
    if args.measure:
        found = ask(rivals.installed(), args.seconds)
        STORE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    stored = json.loads(STORE.read_text("utf-8"))
    if not args.check:
        PAGE.write_text(render(stored), "utf-8")
    found = list(problems(stored, PAGE.read_text("utf-8")))
    print(*found, sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
