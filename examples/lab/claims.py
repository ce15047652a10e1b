"""What a paper claims, beside what was found: the table in which every page ends."""

from dataclasses import dataclass

from .tables import table
from .verdicts import Verdict, size

COLUMNS = ["claim", "the paper", "here", "size", "seeds", "verdict", "command"]


@dataclass(frozen=True)
class Claim:
    """What is claimed, the paper's figure and ours, and the verdict on the runs that ours are made from."""

    said: str
    paper: str
    ours: str
    verdict: Verdict

    def row(self, command):
        """A line of the table; the size is that of our shortest run relative to the paper's."""
        share, runs = size(self.verdict.runs), self.verdict.runs
        return [
            self.said, self.paper, self.ours, "" if share is None else percent(share), seeds_of(runs) or "",
            str(self.verdict), command,
        ]  # fmt: skip


def seeds_of(runs):
    """How many seeds the least tried of the settings has."""
    groups = {}
    for run in runs:
        groups.setdefault(str(run["settings"]), set()).add(run["seed"])
    return min(map(len, groups.values()), default=0)


def percent(share):
    return f"{float(f'{100 * share:.2g}'):g} %"


def claims_table(title, claims, command):
    """The claims of a study on the screen."""
    return table(title, COLUMNS, [claim.row(command) for claim in claims])
