"""Writes docs/accuracy.md: the worst error of every function's derivatives, beside high-precision truths.

Measures the whole grid, and fails when a function is over a bar that is not excused below, when an excused one is not
any more, or when a rule has no line. ``--full`` writes nothing, but fails also when the page has other lines;
``--check`` is the same over a part of the grid. ``--only NAME`` measures one function over the whole grid, prints its
errors beside the bars and writes its row. ``--rivals`` measures JAX and PyTorch, for docs/accuracy_rivals.json.
"""

import argparse
import html
import math
import re
import sys
import time
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
PAGE, FIGURE = HERE / "accuracy.md", HERE / "img" / "accuracy.png"

# Function -> why it may be over a bar: at most ten.
EXCUSED = {
    "np.power": "x ** -1e38 and its like, of negative x in float32, in Taylor mode",
    "np.hypot": "of (x, 0) below 1e-150, in Taylor mode: 1 / x² overflows on the way to a coefficient that is 0",
    "np.absolute(x + 1j * y)": "the same",
    "np.angle(x + 1j * y)": "the same",
    "special.dawsn": "from 3 to 6.5 the recurrence F_n+1 = -2 (x F_n + n F_n-1) loses a factor of 2 x² at every order",
    "special.log_ndtr": "the fifth Taylor coefficient has a zero near -0.03, within rounding of its neighbours",
    "special.ive(2, x)": "below 25 by differences of neighbouring orders, which are alike there; beyond, by its series",
    "special.ive(3, x)": "the same",
    "nn.LayerNorm": "where one entry outweighs the others its derivative is a difference of equal terms: right to the "
    "rounding of y / x",
    "nn.RMSNorm": "the same",
}


class Figures:
    """The worst errors of the functions: ``worst[function][dtype][column]`` is (error, x, got, truth, case)."""

    def __init__(self):
        self.worst = defaultdict(lambda: {dtype: [(math.nan,)] * len(measure.COLUMNS) for dtype in measure.DTYPES})
        self.compared = self.lost = 0

    def add(self, case, dtype, errors):
        """Take in the errors of one case."""
        cells = self.worst[case.subject.name][dtype]
        for column in range(len(cells)):
            found = (*errors.worst(column), case.label)
            if not found[0] <= cells[column][0] and not math.isnan(found[0]):
                cells[column] = found
        self.compared += int((errors.error == errors.error).sum())
        self.lost += int(errors.lost.sum())

    def over(self):
        """{function: [(dtype, column, error, x, got, truth, case), ...]} of what is over a bar."""
        own = {s.name for s in SUBJECTS if s.own}
        return {
            name: cells
            for name, dtypes in self.worst.items()
            if (
                cells := [
                    (dtype, measure.COLUMNS[k], *cell)
                    for dtype, row in dtypes.items()
                    for k, cell in enumerate(row)
                    if cell[0] > measure.BARS[dtype][k] and (k or name in own)
                ]
            )
        }


def progress(items, desc):
    """The items, and how far one is: a bar at a terminal, elsewhere a line every ten seconds."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=desc, unit="form", file=sys.stderr)
        return
    said = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - said > 10:
            said = time.monotonic()
            print(f"{desc}: {done} of {len(items)} forms", file=sys.stderr, flush=True)
        yield item


def figures(chosen, full):
    """Measure cases: over the whole grid, or a part of it."""
    found = Figures()
    for case in progress(chosen, "dualgrad"):
        for dtype in measure.DTYPES:
            found.add(case, dtype, measure.errors(case, measure.domain(case, dtype, full)))
    return found


def problems(found, full):
    """What is wrong, in words; that an excuse is needed is seen on the whole grid alone."""
    if rules := subjects.missing():
        yield f"rules without a subject in docs/accuracy/subjects.py: {', '.join(rules)}"
    over = found.over()
    for name in (name for name in over if name not in EXCUSED):
        for dtype, column, error, x, got, truth, case in over[name]:
            order = "Taylor mode" if column == "Taylor" else f"order {column}"
            yield f"{name}({case}) in {dtype}, {order}: {error:.1e} at x = {x!r}, where {got!r} stands for {truth!r}"
    for name in (EXCUSED.keys() & found.worst.keys() if full else set()) - over.keys():
        yield f"{name} is excused, and needs it no more"
    if len(EXCUSED) > 10:
        yield f"{len(EXCUSED)} functions are excused, and ten may be"


# ---------------------------------------------------------------------- the page

HEAD = """\
# Accuracy

The worst relative error of derivatives, of every function that acts entry by entry: orders 0 to 3 by nested `dg.jvp`,
and the coefficients 2 to 6 of `dg.taylor`, against truths in arithmetic of as many digits as it takes. One grid for
all: ±0, subnormal numbers, 1e-300 to 1e300, 1 and its neighbours, where exponentials saturate, ties, ±∞, and random
points between. Made by `make accuracy`; `.ci/run` measures a part of it again.
"""


def shown(error):
    """``2e-16``; a dash where nothing was compared."""
    if math.isnan(error):
        return "–"
    return (
        "NaN" if error == math.inf else "0" if error == 0 else f"{error:.0e}".replace("e-0", "e-").replace("e+0", "e+")
    )


def number(x):
    """``1e-310``, three digits."""
    return repr(x) if len(repr(x)) < 8 else f"{x:.3g}"


def grade(error, bar):
    """The colour's name."""
    if math.isnan(error):
        return "none"
    return "wrong" if error >= 0.5 else "over" if error > bar else "good" if error <= bar / 100 else "fair"


def cell(error, bar):
    return f'<td class="{grade(error, bar)}">{shown(error)}</td>'


def table(found, stored):
    """One line a function."""
    first = (
        "<tr><th></th>"
        + "".join(f'<th colspan="5">{dtype}</th>' for dtype in measure.DTYPES)
        + "".join(f'<th colspan="3">{name}</th>' for name in rivals.NAMES)
        + "</tr>"
    )
    second = "<tr><th></th>" + "".join(f"<th>{c[0]}</th>" for c in 2 * measure.COLUMNS + 2 * ("1", "2", "3")) + "</tr>"
    lines = []
    for group in dict.fromkeys(s.group for s in SUBJECTS):
        lines += [f"## {group}", "", f'<table class="accuracy"><thead>{first}{second}</thead><tbody>']
        lines += [row(found, stored, name) for name in names_in(group)]
        lines += ["</tbody></table>", ""]
    return "\n".join(lines)


def names_in(group):
    """The functions of a group, in the order of the page."""
    return list(dict.fromkeys(s.name for s in SUBJECTS if s.group == group))


def row(found, stored, name):
    """The line of a function."""
    cells = [f"<td><code>{html.escape(name)}</code></td>"]
    for dtype, bars in measure.BARS.items():
        cells += [cell(c[0], bar) for c, bar in zip(found.worst[name][dtype], bars, strict=True)]
    for library in rivals.NAMES:
        errors = stored["worst"][library].get(name) or [math.nan] * 3
        cells += [cell(e, bar) for e, bar in zip(errors, measure.BARS["float64"][1:4], strict=True)]
    return f"<tr>{''.join(cells)}</tr>"


def with_rows(page, found):
    """The page, with the rows of what was measured in their places; its counts are as they were."""
    rows = dict(zip(names_on(page), ROW.findall(page), strict=True))
    rows |= {name: row(found, rivals.stored(), name) for name in found.worst}

    def filled(match):
        """A group's heading, and the rows of its table."""
        return "\n".join([match[1], *(rows[name] for name in names_in(match["group"]) if name in rows), "</tbody>"])

    return TABLE.sub(filled, page)


def summary(found, stored):
    """How many comparisons, the worst, and how the rivals fare."""
    names = list(found.worst)
    over = found.over()
    lines = [
        f"{len(names)} functions in {len(cases())} forms, {found.compared:,} comparisons. "
        f"{len(names) - len(over)} keep every bar: a relative error of 1e-13 at order 1, 1e-11 at orders 2 and 3 and "
        "in Taylor mode; in float32 1e-5 and 1e-4. "
        + (f"{len(over)} fall short, [below](#what-falls-short)." if over else "None falls short."),
        "",
        "| double precision, orders 1 to 3 | functions it has | within the bars | wrong in all digits, or NaN |",
        "|---|--:|--:|--:|",
    ]
    mine = {name: [c[0] for c in found.worst[name]["float64"][1:4]] for name in names}
    for library, worst in [
        ("dualgrad", mine),
        *((f"{n} {stored['versions'][n]}", stored["worst"][n]) for n in rivals.NAMES),
    ]:
        have = {name: errors for name, errors in worst.items() if errors and name in found.worst}
        bars = measure.BARS["float64"][1:4]
        kept = sum(not any(e > bar for e, bar in zip(errors, bars, strict=True)) for errors in have.values())
        wrong = sum(any(e >= 0.5 for e in errors) for errors in have.values())
        lines.append(f"| {library} | {len(have)} | {kept} | {wrong} |")
    return "\n".join(lines)


MEASURE = """\
## How it is measured

- **Truth**: power series whose coefficients are [mpmath](https://mpmath.org)'s, at 50 digits, 100, 200 and so on until
  two results agree to 25; at ±∞ the limit, where there is one. `docs/accuracy/truth.py`.
- **Points**: rounded to the dtype first, and the truth taken there. float32 stays float32, or the error is infinite.
- **Error**: |got - truth| / |truth|, after three things have been taken off the difference: what 4 (k + 1) roundings of
  x do to any formula of order k, 4 ε (k + 1) |x f⁽ᵏ⁺¹⁾(x)| (of logits: max(|x|, 2) for |x|); where several arguments
  move, 4 ε times the largest of the partial derivatives that add up; and the smallest normal number. NaN and infinity
  for a number are errors without bound.
- **Not compared**: truths that overflow; kinks, whose [conventions](conventions.md) are tested elsewhere; logits of
  +∞; series about ±∞; where several arguments move, partial derivatives that overflow, and ±∞; and derivatives where
  the value itself is off by more than its bar, as column 0 shows, or has lost the digits with a subnormal x. Nor are
  cells, normalisations and remainders at ±∞, the gamma functions below -1000, and beta beyond 1e-50 to 1e30.
- **Order 0** has a bar where the value is dualgrad's own, as of layers and losses, not where it is NumPy's or SciPy's.
- **Forms**: of two arguments, each alone and both, at 1, at the same value and at twice it; of logits, two and three of
  them, also equal. A line shows the worst.
- **JAX and PyTorch**: nested `jax.jvp`, and `torch.autograd.grad` of `torch.autograd.grad`; not at subnormal x, which
  XLA takes for 0. Measured by `make accuracy ARGS=--rivals`.
- **Colours**: <span class="good">good</span> a hundredth of the bar or less, <span class="fair">within</span> the bar,
  <span class="over">over</span> it, <span class="wrong">no digit right</span> or NaN. T is Taylor mode.
"""


def short(found):
    """The functions that are over a bar."""
    over = found.over()
    if not over:
        return ""
    lines = ["## What falls short", "", "| function | worst | where | why |", "|---|--:|---|---|"]
    for name, cells in over.items():
        dtype, column, error, x, *_, case = max(cells, key=lambda c: c[2])
        order = "Taylor mode" if column == "Taylor" else f"order {column}"
        lines.append(
            f"| `{name}` | {shown(error)} | `({case})` at {number(x)}, {dtype}, {order} | {EXCUSED.get(name, '')} |"
        )
    return "\n".join(lines) + "\n"


def render(found):
    """The page."""
    stored = rivals.stored()
    figure = (
        "![Relative error of second derivatives against x, of twelve functions by dualgrad, JAX and PyTorch.]"
        "(img/accuracy.png)\n\n"
        "Second derivatives in double precision: the higher, the worse; 1 is no digit right, and NaN is drawn on top. "
        "A library without the function has no points."
    )
    parts = [
        HEAD.rstrip(),
        summary(found, stored),
        figure,
        short(found).rstrip(),
        table(found, stored).rstrip(),
        MEASURE.rstrip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


ROW = re.compile(r"^<tr><td><code>.*$", re.MULTILINE)
TABLE = re.compile(r"^(## (?P<group>.*)\n\n<table .*)\n(?:<tr>.*\n)*</tbody>", re.MULTILINE)


def names_on(page):
    """The functions that a page lists."""
    return [html.unescape(name) for name in re.findall(r"^<tr><td><code>(.*?)</code>", page, re.MULTILINE)]


def named(name):
    """The cases of ``cosm1``, as of ``special.cosm1``; of ``ive``, every order."""
    return [c for c in cases() if name in (c.subject.name, c.subject.name.split("(")[0].rpartition(".")[2])]


def beside_bars(found):
    """The worst errors, and below them the bars; a value that is not dualgrad's own has none."""
    own = {s.name for s in SUBJECTS if s.own}
    for name, dtypes in found.worst.items():
        yield _line(name, measure.COLUMNS)
        for dtype, cells in dtypes.items():
            bars = [shown(bar) for bar in measure.BARS[dtype]]
            yield _line(f"  {dtype}", [shown(error) for error, *_ in cells])
            yield _line("  may have", bars if name in own else ["–", *bars[1:]])


def _line(head, cells):
    return f"{head:24}" + "".join(f"{cell:>8}" for cell in cells)


def draw():
    """The figure: error against x."""
    import matplotlib
    import numpy as np

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"font.size": 8})
    import matplotlib.pyplot as plt

    stored = rivals.stored()["curves"]
    figure, axes = plt.subplots(4, 3, figsize=(9, 8.4), sharex=True, sharey=True, layout="constrained")
    for ax, name in zip(axes.flat, subjects.CURVES, strict=True):
        case, x = subjects.curve(name)
        mine = measure.errors(case, x).error[2]
        ax.axhline(measure.BARS["float64"][2], color="0.8", lw=0.8, zorder=0)
        for label, colour, errors in (
            *((n, c, stored[n][name]) for n, c in zip(rivals.NAMES, ("#d95f02", "#7570b3"), strict=True)),
            ("dualgrad", "#1b9e77", mine),
        ):
            if errors is not None:
                errors = np.clip(np.array(errors, float), 1e-17, 1e3)
                ax.plot(np.abs(x), errors, ".", color=colour, ms=3, label=label)
        arguments = case.label.replace("x", "-x") if x[0] < 0 else case.label
        ax.set_title(f"{name.split('(')[0]}({arguments})")
        ax.set(xscale="log", yscale="log", ylim=(3e-18, 1e4), xticks=10.0 ** np.arange(-9, 10, 3))
        ax.set_yticks([1e-16, 1e-11, 1e-5, 1, 1e3], ["1e-16", "1e-11", "1e-5", "1", "NaN"])
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
    handles = [plt.Line2D([], [], marker="o", ls="", ms=4, color=c, label=n) for n, c in
               (("dualgrad", "#1b9e77"), ("JAX", "#d95f02"), ("PyTorch", "#7570b3"))]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    figure.supxlabel("x")
    figure.supylabel("relative error of the second derivative")
    figure.savefig(FIGURE, dpi=140, metadata={"Software": None})


def main():
    """Write the page, or check the functions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--check", action="store_true", help="check a part of the grid; write nothing")
    which.add_argument("--full", action="store_true", help="check the whole grid; write nothing")
    which.add_argument("--only", metavar="NAME", help="measure one function, as cosm1, and write its row")
    which.add_argument("--rivals", action="store_true", help="measure JAX and PyTorch again")
    args = parser.parse_args()
    if args.rivals:
        rivals.remake(progress)
        print(f"wrote {rivals.STORE.relative_to(HERE.parent)}")
        return 0
    chosen = named(args.only) if args.only else cases()
    if not chosen:
        parser.error(f"no subject of docs/accuracy/subjects.py is called {args.only}")
    found = figures(chosen, not args.check)
    wrong = list(problems(found, full=not args.check))
    page = PAGE.read_text("utf-8") if PAGE.exists() else ""
    if args.only:
        print("\n".join(beside_bars(found)))
        PAGE.write_text(with_rows(page, found), encoding="utf-8")
        print(f"wrote the row in {PAGE.relative_to(HERE.parent)}; its counts are those of the last `make accuracy`")
    elif not (args.check or args.full):
        PAGE.write_text(render(found), encoding="utf-8")
        draw()
        print(f"wrote {PAGE.relative_to(HERE.parent)} and {FIGURE.relative_to(HERE.parent)}")
    elif names_on(page) != list(found.worst):
        wrong.append("docs/accuracy.md lists other functions: run `make accuracy`")
    print("\n".join(wrong) or f"{found.compared:,} derivatives are right", file=sys.stderr if wrong else sys.stdout)
    return bool(wrong)


if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent)]

from accuracy import measure, rivals, subjects  # noqa: E402
from accuracy.subjects import SUBJECTS, cases  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
