"""What runs leave: a file each, written the moment it is done, and read again by its settings."""

import hashlib
import json
import math
import os
import pathlib
import platform
import re
import tempfile

import numpy as np

import dualgrad as dg

from .sources import digest
from .studies import key

HERE = pathlib.Path(__file__).parents[1] / "results"
VERSIONS = {"dualgrad": dg.__version__, "numpy": np.__version__, "python": platform.python_version()}


def path_of(folder, settings):
    """The file of a run: its settings in short, and what tells them apart."""
    said = re.sub(r"[^\w.-]+", "-", "_".join(str(v) for v in settings.values() if v is not None))[:70].strip("-_")
    return pathlib.Path(folder) / f"{said}_{hashlib.sha1(key(settings).encode()).hexdigest()[:8]}.json"


def write(folder, study, settings, outcome, seconds):
    """A run, whole or not at all. ``outcome`` is its curve, or a dict that holds it under "curve"."""
    outcome = outcome if isinstance(outcome, dict) else {"curve": outcome}
    curve = outcome.get("curve")
    if not curve or {len(row) for row in curve} != {2 + len(study.metric)}:
        raise ValueError(
            f"a run of {study.name} returned {curve!r:.80}; expected rows of {2 + len(study.metric)} numbers"
        )
    report = {
        "study": study.name, "settings": {k: v for k, v in settings.items() if k != "seed"}, "seed": settings["seed"],
        study.clock: curve[-1][0], "clock": study.clock, "metric": list(study.metric), "seconds": round(seconds, 2),
        "code": digest(study.run), "versions": VERSIONS, **short(outcome),
    }  # fmt: skip
    put(path_of(folder, settings), report)


def put(path, report):
    """A file, whole or not at all: a line for each of its entries."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in report.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
        try:
            file.write(f"{{\n{lines}\n}}\n")
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def stamp(folder, study):
    """Count all runs of a folder as made by the study's code as it stands."""
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        report = _checked(path)
        if report.get("code") != digest(study.run):
            put(path, report | {"code": digest(study.run)})


def read(folder):
    """All runs of a folder, flat, by their settings and seed."""
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        report = _checked(path)
        settings = report["settings"] | {"seed": report["seed"]}
        if key(settings) in found:
            raise ValueError(f"{path} is a run that another file of its folder has, too: remove one")
        found[key(settings)] = report | settings
    return found


def _checked(path):
    """A report; a file that is none is named."""
    try:
        report = json.loads(path.read_text("utf-8"))
        widths = {len(row) for row in report["curve"]}
        good = isinstance(report["settings"], dict) and widths == {2 + len(report["metric"])}
        good = good and report["study"] == path.parent.name and report[report["clock"]] == report["curve"][-1][0]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"{path} is no result of a run ({error!r:.80}): remove it, and make papers ARGS=--run"
        ) from error
    if not good or not isinstance(report["seconds"], (int, float)):
        raise ValueError(f"{path} is no result of a run of {path.parent.name}: remove it, and make papers ARGS=--run")
    return report


def short(value):
    """Of curves: numbers to seven digits; those that are not finite as None."""
    if isinstance(value, dict):
        return {name: short(v) for name, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [short(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
