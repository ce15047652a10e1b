"""Gradient and trace estimators of other packages, unedited: what they claim, what enumeration and sampling find.

``make elsewhere`` installs the packages into an environment of their own, runs this, and writes the tables into
docs/estimators-elsewhere.md. A package that is not installed is named and left out, and the page then stays as it is.
"""

import argparse
import importlib
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from elsewhere import case as catalogue
from elsewhere import enumerated

PAGE = Path(__file__).parents[1] / "docs" / "estimators-elsewhere.md"
MODULES = "torch dice_mc storchastic evotorch evox evosax optax traceax matfree".split()
COLUMNS = ("estimator", "claim", "claimed", "enumerated", "variance", "outcomes", "sampled (standard error)", "z",
           "verdict")  # fmt: skip
KINDS = {  # of verdicts, and what they are called among the findings
    "differs": "Other than claimed",
    "an error": "An error where an estimate is claimed",
    "depends on use": "Dependent on use",
    "narrower": "Narrower claims",
    "biased, as documented": "Biased, as documented",
}


@dataclass(frozen=True)
class Row:
    """A case and what became of it."""

    case: catalogue.Case
    exact: enumerated.Enumerated
    sampled: catalogue.Sampled | str
    verdict: str
    z: str = ""
    unexpected: bool = False

    @property
    def agrees(self):
        """Whether nothing is known against the claim."""
        return self.verdict.startswith("agrees")

    @property
    def cells(self):
        """What the page shows, column by column."""
        case, exact = self.case, self.exact
        known = ["", "", ""]
        if exact.mean is not None:
            known = [numbers(exact.mean), numbers(exact.variance), f"{exact.outcomes:,}"]
        if not exact.certified:
            known[0] = f"({known[0]})" if known[0] else "-"
        sampled = self.sampled if isinstance(self.sampled, str) else measured(self.sampled)
        why = "" if exact.certified or not exact.why or case.raises else f"; not certified: {exact.why}"
        return [f"{case.estimator}; {case.problem}", case.claim, numbers(case.mean), *known, sampled, self.z,
                self.verdict + why]  # fmt: skip


def numbers(values, digits=4):
    """A few numbers, shortly; rounding is 0."""
    values = np.ravel(values)
    rounding = 1e-12 * max(1.0, np.max(np.abs(values), initial=0.0))
    return ", ".join(f"{0.0 if abs(v) < rounding else v:.{digits}g}" for v in values)


def measured(sampled):
    """Means with their standard errors in brackets, both to the digit that the error leaves certain."""
    places = [max(0, 1 - int(np.floor(np.log10(e)))) if e > 1e-9 else 4 for e in sampled.error]
    entries = zip(sampled.mean, sampled.error, places, strict=True)
    return ", ".join(f"{round(m, d) + 0.0:.{d}f} ({e:.{d}f})" for m, e, d in entries)


def run(case, worker, index, seed):
    """Enumerates a case, and samples it meanwhile."""
    worker.ask(index, case.seconds)
    try:
        sampled = catalogue.sample(case, seed)
    except case.raises as error:
        sampled = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return judged(case, worker.answer(), sampled)


def judged(case, exact, sampled):
    """The row of a case, from what enumeration and sampling say of it."""
    if case.raises:
        is_met = isinstance(sampled, str)
        verdict = ("an error" if case.verdict == "differs" else case.verdict) if is_met else "the error is gone"
        return Row(case, exact, sampled if is_met else "", verdict, unexpected=not is_met)
    claim = max(sampled.off(case.mean), 0 if case.variance is None else sampled.variance_off(case.variance))
    z, odd = f"{claim:.1f}", False
    if exact.certified:
        between = max(sampled.off(exact.mean), sampled.variance_off(exact.variance))
        z += f"; {between:.1f}"
        odd = between > catalogue.AGREES or case.found is not None and not enumerated.close(exact.mean, case.found)
    differs = exact.off(case.mean, case.variance) or claim > catalogue.AGREES or sampled.lost
    verdict = case.verdict if differs else "not decided" if case.cause else "agrees"
    if differs and not exact.certified and case.found is not None:
        verdict += f"; by its source {numbers(case.found)} (z = {sampled.off(case.found):.1f})"
    if sampled.lost:
        verdict += f"; not finite in {sampled.lost:.1%} of runs"
    if exact.certified and between > catalogue.AGREES:
        verdict += "; the two columns differ"
    odd |= bool(differs) != bool(case.cause) if case.found is not None else bool(differs) and not case.cause
    return Row(case, exact, sampled, verdict, z.replace("inf", "∞"), odd)


def tables(found):
    """The page's tables, package by package, what differs first."""
    for title, rows in found.items():
        yield f"## {title}"
        lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
        lines += ["| " + " | ".join(escaped(cell) for cell in row.cells) + " |"
                  for row in sorted(rows, key=lambda row: row.agrees)]  # fmt: skip
        yield "\n".join(lines)


def escaped(cell):
    """Text in a cell of a table."""
    return cell.replace("|", "\\|")


def findings(found):
    """Why rows differ, by kind."""
    rows = [(title, row) for title, rows in found.items() for row in rows if not row.agrees and row.case.cause]
    for kind, called in KINDS.items():
        lines = [f"- {title}, **{row.case.estimator}** (`{row.case.where.replace(', ', '`, `')}`): {row.case.cause}."
                 for title, row in rows if row.verdict.partition(";")[0] == kind]  # fmt: skip
        if lines:
            yield f"### {called}\n\n" + "\n".join(lines)
    if open_still := [f"- {title}, **{row.case.estimator}**: {row.case.cause}."
                      for title, row in rows if row.verdict.startswith("not decided")]:  # fmt: skip
        yield "### Expected from the source, not seen here\n\n" + "\n".join(open_still)


def written(page, **parts):
    """The page with the parts between its markers replaced."""
    for name, text in parts.items():
        marked = re.compile(f"(<!-- begin {name} -->\n).*(<!-- end {name} -->)", re.DOTALL)
        page = marked.sub(lambda m, text=text: f"{m[1]}\n{text}\n\n{m[2]}", page)
    return page


def summed(found):
    """The counts of the run."""
    rows = [row for rows in found.values() for row in rows]
    certified = sum(row.exact.certified for row in rows)
    agree = sum(row.agrees for row in rows)
    return (f"{len(rows)} rows: {agree} agree, {len(rows) - agree} do not; {certified} are certified, "
            f"{len(rows) - certified} are not. Run on {time.strftime('%Y-%m-%d')}.")  # fmt: skip


def packages(names):
    """The modules of the catalogue whose packages are installed, and the names of those that are not."""
    there, missing = {}, []
    for name in names:
        module = importlib.import_module(f"elsewhere.{name}")
        try:
            version = catalogue.version(module.PACKAGE)
            there[f"{module.PACKAGE} {version}"] = (module.__name__, list(module.cases()))
        except ImportError:
            missing.append(module.PACKAGE)
    return there, missing


def main():
    """Prints a line a case, and rewrites the page where all packages are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=MODULES, default=MODULES, help="these packages, writing no page")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    args = parser.parse_args()
    catalogue.double_precision()
    there, missing = packages(args.only)
    for name in missing:
        print(f"{name} is not installed: its estimators are left out (make elsewhere installs it)")
    found, started = {}, time.perf_counter()
    total, done = sum(len(cases) for _, cases in there.values()), 0
    for title, (module, cases) in there.items():
        print(f"\n{title}")
        found[title] = []
        with enumerated.Worker(module) as worker:
            for index, case in enumerate(cases):
                found[title].append(row := run(case, worker, index, args.seed))
                done += 1
                *_, exact, _, outcomes, sampled, z, verdict = row.cells
                print(f"[{done}/{total}, {time.perf_counter() - started:.0f} s] {case.estimator}: {verdict}\n"
                      f"    {exact} of {outcomes or 0} outcomes; {sampled}; z = {z}", flush=True)  # fmt: skip
    print(f"\n{summed(found)}")
    surprises = [row.case.estimator for rows in found.values() for row in rows if row.unexpected]
    if surprises:
        print(f"other than the catalogue says: {', '.join(surprises)}", file=sys.stderr)
    if missing or args.only != MODULES:
        print(f"{PAGE.name} is left as it is: only part of the catalogue was run")
    else:
        parts = {"counts": summed(found), "tables": "\n\n".join(tables(found)),
                 "findings": "\n\n".join(findings(found))}  # fmt: skip
        PAGE.write_text(written(PAGE.read_text("utf-8"), **parts), "utf-8")
        print(f"wrote {PAGE.relative_to(PAGE.parents[1])}")
    return bool(surprises)


if __name__ == "__main__":
    sys.exit(main())
