"""The command line of every experiment: do what is outstanding of its studies, then print and draw what was found."""

import argparse
import os
import pathlib
import sys

from . import results
from .claims import claims_table
from .queues import accomplish
from .tables import show
from .threads import one_thread

STOPPED = "\nstopped: what is done is kept, and the same command goes on"


def main(doc, studies, sources=None):
    """``--quick`` shows in seconds that everything runs; ``--full`` makes the runs that examples/results lacks.

    ``sources`` is the module, `datasets` or `texts`, that knows what a setting "data" may be, and what else there is
    where that is not installed: runs on other data than the committed ones are kept apart.
    """
    args = arguments(doc, [study.name for study in studies], sources)
    studies = [study for study in studies if study.name in args.only]
    home, own = results.HERE, pathlib.Path(args.output) / "results"
    if args.quick:
        studies, home = [study.shortened() for study in studies], own
    data = args.data or (sources and args.full and sources.best_source())
    others = [study.altered(data=data) for study in studies] if data else studies
    if [study.rows for study in others] != [study.rows for study in studies]:
        studies, home = others, own
    if args.seeds:
        studies = [study.altered(seeds=args.seeds) for study in studies]
    one_thread()
    try:
        failed = accomplish(studies, args.jobs, lambda study: home / study.name, args.later)
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    for study in studies:
        shown(study, results.read(home / study.name), pathlib.Path(args.output))
    print(f"\nresults: {home.resolve()}")
    for name, settings, error in failed:
        print(f"{name} {settings} failed: {error!r}", file=sys.stderr)
    return 1 if failed else 0


def shown(study, done, folder):
    """The tables, claims and figure of a study, as far as its runs are done."""
    runs = study.found(done)
    if not runs:
        print(f"\n{study.name}: no runs yet")
        return
    for made in study.tables(runs).values():
        show(made)
    if claims := study.claims(runs):
        show(claims_table("Claims", claims, ""))
    if study.draw:
        folder.mkdir(parents=True, exist_ok=True)
        study.draw(runs).savefig(folder / f"{study.name}.png", dpi=120)
        print(f"\nfigure: {(folder / study.name).resolve()}.png")


def arguments(doc, names, sources=None):
    """What is asked for."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--quick", action="store_true", help="seconds: shows that everything runs, and no more")
    mode.add_argument("--full", action="store_true", help="the experiment: what of its runs is not in the results yet")
    parser.add_argument("--later", action="store_true", help="also the runs that are put off, see make papers")
    parser.add_argument("--seeds", type=int, help="how many seeds, instead of those of the study")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default 2)")
    parser.add_argument("--output", metavar="DIR", default="output", help="for the figures (default ./output)")
    parser.add_argument("--only", metavar="STUDY", nargs="+", choices=names, help=f"of {', '.join(names)}")
    parser.set_defaults(only=None, data=None)
    if sources:
        parser.add_argument("--data", metavar="PATH", help=f"{', '.join(sources.NAMES)}, or {sources.OTHERS}")
    args = parser.parse_args()
    args.only = args.only or names
    if args.jobs < 1 or (args.seeds is not None and args.seeds < 1):
        parser.error("--seeds and --jobs: expected at least 1")
    if args.data and args.data not in sources.NAMES and not os.path.exists(args.data):
        parser.error(f"--data {args.data}: there is no such file or folder, and it is not {' or '.join(sources.NAMES)}")
    return args
