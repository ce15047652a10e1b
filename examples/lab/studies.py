"""A study: a table of runs, what their numbers are, and what they say.

A run is settings and a seed. What it leaves is a file, so that a study goes on where it was stopped, and its tables,
claims and figure are made from files alone.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """Runs that differ in their seed: the keywords of the study's function, and how many seeds.

    With ``rates``, the runs are those at the best rate of this grid, on seed 0. ``paper`` is how long the paper's runs
    are, on the study's clock; ``seconds`` what one of ours takes, until there is one; ``later`` leaves the row out, in
    words, until it is asked for.
    """

    settings: Mapping[str, Any]
    seeds: int = 3
    rates: tuple[float, ...] = ()
    paper: float | None = None
    seconds: float = 60.0
    later: bool = False


@dataclass(frozen=True, eq=False)
class Study:
    """Rows of runs of one function, in whose curves the first column counts ``clock``, the second is CPU seconds, and
    the others are ``metric``.

    ``tables(runs)`` makes tables by name, ``claims_of(runs)`` one `Claim` after another, ``draw(runs)`` a figure.
    ``best`` is the column of a curve by whose last entry rates are chosen, and whether by ``min`` or ``max``.
    """

    name: str
    run: Callable[..., Any]
    clock: str
    metric: tuple[str, ...]
    rows: tuple[Row, ...]
    quick: tuple[Row, ...]
    tables: Callable[[list[dict]], dict[str, dict]]
    draw: Callable[[list[dict]], Any] | None = None
    claims_of: Callable[[list[dict]], Iterable] = field(default=lambda runs: [])
    best: tuple[int, Callable] = (-1, max)

    def claims(self, runs):
        """What is claimed, beside what these runs say."""
        return list(self.claims_of(runs))

    def plan(self, row, done):
        """The runs of a row, as far as they are known: those at the best rate follow its search."""
        if not row.rates:
            return [{**row.settings, "seed": seed} for seed in range(row.seeds)]
        search = self.search(row)
        if any(key(run) not in done for run in search):
            return search
        rate = self.best_rate(row, done)
        return search + [{**row.settings, "rate": rate, "seed": seed} for seed in range(1, row.seeds)]

    def search(self, row):
        """The runs among which the rate of a row is chosen."""
        return [{**row.settings, "rate": rate, "seed": 0} for rate in row.rates]

    def best_rate(self, row, done):
        """The rate at which seed 0 ends best; one at which it diverges is the worst."""
        column, better = self.best
        worst = np.inf if better is min else -np.inf

        def score(run):
            end = done[key(run)]["curve"][-1][column]
            return worst if end is None or np.isnan(end) else end

        return better(self.search(row), key=score)["rate"]

    def outstanding(self, done, later=False):
        """The runs that can be made now and are not done."""
        wanted = [run for row in self.rows if later or not row.later for run in self.plan(row, done)]
        return [run for k, run in {key(run): run for run in wanted}.items() if k not in done]

    def found(self, done):
        """The runs that are done, flat, each with what its row says of it: ``paper``, and ``edge`` where the best rate
        is the least or the greatest of its grid."""
        runs = []
        for row in self.rows:
            if row.rates and any(key(run) not in done for run in self.search(row)):
                continue
            rate = self.best_rate(row, done) if row.rates else None
            for run in self.plan(row, done):
                if key(run) in done and rate in (None, run.get("rate")):
                    said = {"paper": row.paper, "edge": len(row.rates) > 1 and rate in (min(row.rates), max(row.rates))}
                    runs.append(done[key(run)] | said)
        return runs

    def known(self, done):
        """The runs that are done and that some row asks for."""
        wanted = {key(run) for row in self.rows for run in self.plan(row, done)}
        return [run for k, run in done.items() if k in wanted]

    def shortened(self):
        """The same study, of a few seconds."""
        return replace(self, rows=self.quick)

    def altered(self, seeds=None, **settings):
        """The same study with other seeds, or with other values of settings that it has."""
        rows = tuple(
            replace(row, settings={k: settings.get(k, v) for k, v in row.settings.items()}, seeds=seeds or row.seeds)
            for row in self.rows
        )
        return replace(self, rows=rows)


def key(settings):
    """Settings as a text, the same in whatever order they stand."""
    return json.dumps(settings, sort_keys=True)
