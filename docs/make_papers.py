"""Writes the tables and figures of docs/papers from the runs in examples/results, and makes the runs that are missing.

Without options every table and figure is made anew. ``--status`` says what is outstanding and how long it takes,
``--run`` makes it (all, or the studies that are named), ``--again`` whether runs by other code end where they did.
``--check`` writes nothing, fails when a page would change, and makes two of the cheapest runs again, which must end
where they did.
"""

import argparse
import hashlib
import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "examples"))

from lab import claims, queues, results, tables, verdicts  # noqa: E402
from lab.command_line import STOPPED  # noqa: E402
from lab.figures import blank, pyplot  # noqa: E402
from lab.sources import digest  # noqa: E402
from lab.studies import key  # noqa: E402
from lab.threads import one_thread  # noqa: E402

SCRIPTS = {  # page -> the scripts of its experiments, or script/study for one study alone, in the order of its claims
    "dodge": ["directions", "copy_task", "image_regression"],
    "nobacktrack": ["influence_balancing/influence", "leaky_variance", "text_prediction", "invariant_norms"],
    "forward-gradient-limits": ["forward_gradient_limits"],
    "persistent-es": ["influence_balancing/influence-es", "pes_variance", "pes_variance_lstm", "toy_schedule",
                      "learning_rate_schedule", "learned_optimizer", "control"],
    "guess-gradient": ["guess_gradient", "guess_training", "localmixer", "prompt_tuning"],
    "../laplacians": ["physics_informed"],  # no paper's
}  # fmt: skip
INDEX, WAITING = "index", "No runs yet."
WORDS = verdicts.HOLDS, verdicts.FAILS, verdicts.OPEN
MADE = re.compile(r"(<!-- made: ([\w-]+) -->\n)((?!<!--).)*?(<!-- end -->)", re.DOTALL)
MARK, END = re.compile(r"<!--\s*made"), re.compile(r"<!--\s*end")
CLOSE = 1e-3  # relative: what another processor's rounding may do to a short run


def studies_of(page):
    """The studies of a page, each with the script that it belongs to."""
    found = {}
    for named in SCRIPTS[page]:
        script, _, one = named.partition("/")
        studies = importlib.import_module(script).STUDIES
        found |= {study: script for study in studies if not one or study.name == one}
    return found


def everything():
    return list(dict.fromkeys(study for page in SCRIPTS for study in studies_of(page)))


def folder(study):
    return results.HERE / study.name


def blocks(page):
    """What a page shows by name: the tables of its studies, and in one table what they claim."""
    if page == INDEX:
        return of_all()
    shown = {name: made for study in studies_of(page) for name, made in shown_by(study).items()}
    return shown | {"claims": claims_of(page)}


def found(study):
    return study.found(results.read(folder(study)))


def shown_by(study):
    runs = found(study)
    return {name: tables.markdown(made) for name, made in study.tables(runs).items()} if runs else {}


def judged(page):
    """The claims of a page, each with the command that makes its runs."""
    for study, script in studies_of(page).items():
        if runs := found(study):
            yield from ((claim, f"`{script}.py --only {study.name}`") for claim in study.claims(runs))


def claims_of(page):
    rows = [claim.row(command) for claim, command in judged(page)]
    return tables.markdown(tables.table("", claims.COLUMNS, rows)).strip()


def in_full(said):
    """Claims with their words; what begins with "..." goes on from the last that does not."""
    begun = ""
    for claim in said:
        begun = begun if claim.said.startswith("...") else claim.said
        yield (begun if claim.said is begun else f"{begun} {claim.said}"), claim


def of_all():
    """The first page: how many claims of every paper hold, and which do not."""
    counts, against = [], []
    for page in (page for page in SCRIPTS if not page.startswith("../")):
        said = [(whole, claim) for whole, claim in in_full(claim for claim, _ in judged(page)) if claim.paper]
        words = [claim.verdict.word for _, claim in said]  # those without a figure of the paper are ours
        title = re.search("^# (.*)$", (HERE / "papers" / f"{page}.md").read_text("utf-8"), re.MULTILINE)[1]
        counts.append([f"[{title}]({page}.md)", *(words.count(word) for word in WORDS)])
        against += [[title, whole, claim.paper, claim.ours] for whole, claim in said if claim.verdict.word == WORDS[1]]
    return {
        "verdicts": tables.markdown(tables.table("", ["paper", *WORDS], counts)).strip(),
        "against": tables.markdown(tables.table("", ["paper", "claim", "the paper", "here"], against)).strip(),
    }


def written(page):
    """The page with its blocks made anew, and its text as it is."""
    path = HERE / "papers" / f"{page}.md"
    text, shown = path.read_text("utf-8"), blocks(page)

    if not len(MADE.findall(text)) == len(MARK.findall(text)) == len(END.findall(text)):
        raise SystemExit(f"{path.name} has a block whose <!-- made: NAME --> or <!-- end --> is missing or misspelt")
    if page != INDEX and not page.startswith("../") and "<!-- made: claims -->" not in text:
        raise SystemExit(f"{path.name} has no <!-- made: claims -->: the page of a paper ends in its claims")
    waiting = page != INDEX and not all(map(found, studies_of(page)))

    def made(match):
        if match[2] not in shown and waiting:
            return f"{match[1]}\n{WAITING}\n\n{match[4]}"
        if match[2] not in shown:
            raise SystemExit(f"{path.name} asks for {match[2]!r}, which no study makes; there are {', '.join(shown)}")
        return f"{match[1]}\n{shown[match[2]]}\n\n{match[4]}"

    return path, text, MADE.sub(made, text)


def drawn():
    """Every study that draws, with its runs; those that are put off come with their first runs."""
    for study in everything():
        if study.draw and ((runs := found(study)) or not all(row.later for row in study.rows)):
            yield study, runs


def figures():
    """The figures of all studies. Each says in its file which runs it shows."""
    for study, runs in drawn():
        figure = study.draw(runs) if runs else blank(WAITING)
        figure.savefig(HERE / "img" / f"{study.name}.png", dpi=110, metadata={"Runs": shown_runs(runs)})
        pyplot().close(figure)


def shown_runs(runs):
    """What tells the runs of a figure from others."""
    said = json.dumps([[run["settings"], run["seed"], run["curve"]] for run in runs], sort_keys=True)
    return hashlib.sha1(said.encode()).hexdigest()


def is_figure_of(path, runs):
    """Whether a figure is there, and of these runs."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.text.get("Runs") == shown_runs(runs)
    except (FileNotFoundError, UnidentifiedImageError, AttributeError):
        return False


def status():
    """What is done: how long beside the paper, by other code than today's, of no row; what is outstanding; what is put
    off."""
    rows, total = [], [0.0, 0.0]
    for page in SCRIPTS:
        for study in studies_of(page):
            done = results.read(folder(study))
            now, later = (queues.outstanding(study, done, put_off) for put_off in (False, True))
            total = [total[0] + now[1], total[1] + later[1]]
            share = verdicts.size([run for run in study.found(done) if run["paper"]])
            aside = [len(stale(study, done)) or "", len(done) - len(study.known(done)) or ""]
            rows.append([page, study.name, len(done), "" if share is None else claims.percent(share), *aside, now[0],
                         hours(now[1]), later[0] or "", hours(later[1])])  # fmt: skip
    rows.append(["", "all", *[""] * 5, hours(total[0]), "", hours(total[1])])
    columns = ["page", "study", "runs done", "of the paper's length", "by other code", "of no row", "outstanding",
               "core-hours", "for later", "core-hours"]  # fmt: skip
    tables.show(tables.table("Runs of docs/papers", columns, rows))


def stale(study, done):
    """The runs that were made by other code than today's."""
    return [run for run in study.known(done) if run.get("code") != digest(study.run)]


def again(names):
    """Of studies with runs by other code, make some again: those that took least among the runs of each setting.

    Where all end where they did, the runs of the study count as made by today's code.
    """
    for study in chosen(names):
        old = sorted(stale(study, results.read(folder(study))), key=lambda run: run["seconds"])
        tried, covered = [], set()
        for run in old:
            parts = {(name, str(value)) for name, value in run["settings"].items()}
            if parts - covered:
                tried, covered = [*tried, run], covered | parts
        if old and all(same(run, study) for run in tried):
            results.stamp(folder(study), study)
        if old:
            left = len(stale(study, results.read(folder(study))))
            ended = "they end elsewhere" if left else "the same"
            print(f"{study.name}: {len(tried)} of {len(old)} made again; {ended}")


def hours(seconds):
    return f"{seconds / 3600:.2f}" if seconds else ""


def chosen(names):
    """The studies of these names, or all."""
    studies = [study for study in everything() if not names or study.name in names]
    if missing := set(names) - {study.name for study in studies}:
        there = ", ".join(study.name for study in everything())
        raise SystemExit(f"no study is called {', '.join(missing)}; there are {there}")
    return studies


def make_runs(names, jobs, later):
    """The outstanding runs of the studies of these names, or of all."""
    try:
        failed = queues.accomplish(chosen(names), jobs, folder, later, "papers")
    except KeyboardInterrupt:
        raise SystemExit(STOPPED) from None
    for name, settings, error in failed:
        print(f"{name} {settings} failed: {error!r}", file=sys.stderr)
    return 1 if failed else 0


def cheapest(count):
    """The runs that took least, of different studies."""
    found = []
    for study in everything():
        runs = list(results.read(folder(study)).values())
        if runs:
            found.append((min(runs, key=lambda run: run["seconds"]), study))
    return sorted(found, key=lambda pair: pair[0]["seconds"])[:count]


def same(run, study):
    """Whether a run goes as it went, in all but its seconds."""
    one_thread()
    again = study.run(**run["settings"], seed=run["seed"])
    curves = results.short(again["curve"] if isinstance(again, dict) else again), run["curve"]
    a, b = (np.delete(np.array(curve, dtype=float), 1, axis=1) for curve in curves)
    near = CLOSE * np.nanmax(np.abs(b), axis=0, initial=0.0)
    return a.shape == b.shape and bool(np.all((np.abs(a - b) <= near) | (np.isnan(a) & np.isnan(b))))


def check():
    """What is wrong, in words."""
    for page in [*SCRIPTS, INDEX]:
        path, before, after = written(page)
        if before != after:
            yield f"{path} is not what its results say: make papers"
    for study, runs in drawn():
        if not is_figure_of(HERE / "img" / f"{study.name}.png", runs):
            yield f"docs/img/{study.name}.png is not there, or of other runs: make papers"
    for study in everything():
        metrics = {(run["clock"], *run["metric"]) for run in found(study)}
        if metrics - {(study.clock, *study.metric)}:
            yield f"{study.name} has results whose columns are {metrics}; expected {(study.clock, *study.metric)}"
    for run, study in cheapest(2):
        print(f"again: {study.name} {key(run['settings'])}, seed {run['seed']}")
        if not same(run, study):
            yield f"{study.name} {run['settings']} ends elsewhere than in its result"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="what is outstanding, and how long it takes")
    made = "make the outstanding runs, of all studies or of these"
    what.add_argument("--run", nargs="*", metavar="STUDY", help=made)
    compared = "whether runs by other code than today's end where they did"
    what.add_argument("--again", nargs="*", metavar="STUDY", help=compared)
    what.add_argument("--check", action="store_true", help="write nothing; fail where pages and results differ")
    parser.add_argument("--later", action="store_true", help="with --run: those that are put off, too")
    parser.add_argument("--jobs", type=int, default=2, help="with --run: runs at a time (default 2)")
    args = parser.parse_args()
    if args.jobs < 1 or (args.later and args.run is None):
        parser.error("--jobs: expected at least 1; --later goes with --run")
    try:
        return asked(args)
    except ValueError as error:  # a file that is no result of a run
        raise SystemExit(str(error)) from error


def asked(args):
    if args.status:
        return status()
    if args.run is not None:
        return make_runs(args.run, args.jobs, args.later)
    if args.again is not None:
        return again(args.again)
    if args.check:
        wrong = list(check())
        print("\n".join(wrong) or "every table of docs/papers is what its results say")
        return 1 if wrong else 0
    for page in [*SCRIPTS, INDEX]:
        path, _, after = written(page)
        path.write_text(after, "utf-8")
    figures()
    return status()


if __name__ == "__main__":
    raise SystemExit(main())
