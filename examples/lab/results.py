"""What an experiment leaves: a figure, and all of its numbers as JSON."""

import json
import pathlib
import sys

import numpy as np

import dualgrad as dg


def save(args, name, figure, tables, runs):
    """The figure, and everything that is in the tables and curves as JSON."""
    folder = pathlib.Path(args.output)
    figure.savefig(folder / f"{name}.png", dpi=120)
    settings = {k: v for k, v in vars(args).items() if k != "output"}
    versions = {"dualgrad": dg.__version__, "numpy": np.__version__, "python": sys.version.split()[0]}
    report = {"experiment": name, "settings": settings, "versions": versions, "tables": tables, "runs": runs}
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1, default=float))
    print(f"\nfigure: {(folder / name).resolve()}.png\nresults: {(folder / name).resolve()}.json")
