"""The command line of every experiment: two modes, seeds, jobs, and where figure and results go."""

import argparse
import os
import pathlib

import numpy as np


def arguments(doc, full, data=None, parts=(), **numbers):
    """The command line of every experiment; ``full`` says how long that takes, ``data`` what --data may be, ``parts``
    what --only can choose from; numbers are options of their own, with what they are by default."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--quick", action="store_true", help="seconds: shows that everything runs, and no more")
    mode.add_argument("--full", action="store_true", help=f"the experiment: {full} on two cores")
    parser.add_argument("--seeds", type=int, help="how many seeds (default 3, with --quick 2)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default 2)")
    if parts:
        named = f"only these parts of the experiment: {', '.join(parts)}"
        parser.add_argument("--only", metavar="PART", nargs="+", choices=list(parts), default=list(parts), help=named)
    parser.add_argument("--output", metavar="DIR", default="output", help="for figure and JSON (default ./output)")
    if data:
        parser.add_argument("--data", metavar="PATH", help=data)
    for name, number in numbers.items():
        parser.add_argument(f"--{name}", type=type(number), default=number, help=f"default {number}")
    args = parser.parse_args()
    args.seeds = args.seeds if args.seeds is not None else 3 if args.full else 2
    if args.seeds < 1 or args.jobs < 1:
        parser.error("--seeds and --jobs: expected at least 1")
    if data and args.data and not os.path.exists(args.data):
        parser.error(f"--data {args.data}: there is no such file or folder")
    pathlib.Path(args.output).mkdir(parents=True, exist_ok=True)
    one_thread()
    return args


def one_thread():
    """Matrices this small lose by threads, and a run is to have one core. One that diverges says so in its curve."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    np.seterr(all="ignore")
