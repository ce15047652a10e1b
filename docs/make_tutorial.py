"""Writes what docs/verify-your-estimator.md shows of examples/verified: programs, reports, verdicts, outcomes, times.

``--check`` writes nothing and fails when the page would change in more than its times.
"""

import argparse
import re
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE / "verify-your-estimator.md"
MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
TIMES = re.compile(r"^\| (time|NumPy|PyTorch|JAX) \|.*$", re.MULTILINE)


def columns(texts):
    """A text for every front side by side; one below the other where the page is narrow, or read as Markdown."""
    parts = "\n".join(f"<div>\n\n**{title}**\n\n{text}\n\n</div>" for title, text in texts.items())
    return f'<div class="columns">\n{parts}\n</div>'


def code(text):
    """A block that examples/verified runs, not the page: `python3` says so to tests/repository/test_docs.py."""
    return f"```python3\n{text.strip()}\n```"


def first():
    """The shortest program, and what it prints in the precision that its library begins with."""
    import torch

    from examples.verified.catalogue import FRONTS, first, first_source

    torch.set_default_dtype(torch.float32)
    found = columns({FRONTS[front]: f"{code(first_source(front))}\n\n```text\n{first(front)}\n```" for front in FRONTS})
    torch.set_default_dtype(torch.float64)
    return found


def failing():
    """What it says in NumPy when its fault is planted."""
    from examples.verified.catalogue import first

    return f"```text\n{first('numpy', fault=True)}\n```"


def names():
    """What the programs below begin with."""
    from examples.verified.catalogue import FRONTS, beginning

    return columns({title: code(beginning(front)) for front, title in FRONTS.items()})


def catalogue():
    """Every estimator: its claim, the programs, and what came out."""
    from examples.verified.catalogue import ESTIMATORS, FRONTS, source

    return "\n\n".join(
        f"### {e.title}\n\n{e.words}\n\n"
        + columns({title: code(source(front, e.name)) for front, title in FRONTS.items()})
        + f"\n\n{results(e)}"
        for e in ESTIMATORS
    )


def results(estimator):
    """A table of what each front says of an estimator."""
    from examples.verified.catalogue import FRONTS, has_fault, judge, planted, program

    rows = {"": [], "verdict": [], "outcomes": [], "time": [], "report": [], "with the fault": []}
    for front, title in FRONTS.items():
        run = program(front, estimator.name)
        begin = time.process_time()
        verdict, said = judge(run, estimator, front)
        took = time.process_time() - begin
        fault = judge(planted(front, estimator.name), estimator, front)[1] if has_fault(front, estimator.name) else ""
        cells = title, verdict, outcomes(said), seconds(took), reason(said), where(fault)
        for name, cell in zip(rows, cells, strict=True):
            rows[name].append(cell)
    lines = [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items() if any(cells)]
    return "\n".join([lines[0], "|---|---|---|---|", *lines[1:]])


def rates():
    """Outcomes per second of one estimator, where there are many."""
    from dualgrad.testing import exact_moments
    from examples.verified.catalogue import FRONTS, forward_gradients

    lines = ["| | outcomes | time | outcomes per second |", "|---|--:|--:|--:|"]
    for front, signs in {"numpy": 14, "torch": 12, "jax": 18}.items():
        run = forward_gradients(signs)[front]
        begin = time.process_time()
        found = exact_moments(run, draws=front)
        took = time.process_time() - begin
        rate = float(f"{found.outcomes / took:.1g}")
        lines.append(f"| {FRONTS[front]} | {found.outcomes:,} | {seconds(took)} | {rate:,.0f} |")
    return "\n".join(lines)


def outcomes(said):
    """How many outcomes a report speaks of; where there is no certificate, samples."""
    found = re.search(r"all ([\d,]+) outcome|to ([\d,]+) samples", str(said))
    return "" if found is None else found[1] or f"{found[2]} samples"


def reason(said):
    """Why an estimator is not certified: where it is wrong, why there is no certificate, or the error."""
    if isinstance(said, Exception):
        return where(said) or re.split("[,:;(]", str(said))[0].strip()
    return " ".join(str(said).partition("not certified: ")[2].split())


def where(report):
    """What the first failed line of a report says of the fault."""
    found = re.search(r"FAILED +(\w+):.*?\n.*?got (.*?), expected (.*)", str(report))
    return "" if found is None else f"{found[1]}: got {float(found[2]):.6g}, expected {float(found[3]):.6g}"


def seconds(t):
    """A time to one digit, in ms or s."""
    t = float(f"{t:.1g}")
    return f"{t:g} s" if t >= 1 else f"{1e3 * t:g} ms"


def render(page):
    """The page with everything that is made in its place."""
    import torch

    warm_up()
    torch.set_default_dtype(torch.float64)
    return MADE.sub(lambda part: f"{part[1]}\n{globals()[part[2]]()}\n\n{part[3]}", page)


def warm_up():
    """Load the fronts, which takes seconds once."""
    from examples.verified.catalogue import FRONTS, first

    for front in FRONTS:
        first(front)


def main():
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the page is out of date; write nothing")
    check = parser.parse_args().check
    warnings.simplefilter("ignore")
    before = PAGE.read_text("utf-8")
    text = render(before)
    if not check:
        PAGE.write_text(text, "utf-8")
        print(f"wrote {PAGE.relative_to(HERE.parent)}")
    elif TIMES.sub("", before) != TIMES.sub("", text):
        print(f"{PAGE.relative_to(HERE.parent)} is out of date: run `make tutorial`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    sys.exit(main())
