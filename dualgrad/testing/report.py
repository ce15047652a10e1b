"""Report: what was checked, by which oracle, and where it is worst."""

import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from ..backend import to_numpy
from ..displays import html_table
from ..tree import flatten, paths

Status: TypeAlias = Literal["passed", "failed", "unchecked"]


class UncheckedWarning(UserWarning):
    """No oracle could tell: the check neither passed nor failed.

    Examples
    --------
    >>> import warnings, numpy as np
    >>> from dualgrad import testing
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     report = testing.check_jvp(np.abs, (np.array([0.0]),), orders=(1,))
    >>> report.status, caught[0].category.__name__
    ('unchecked', 'UncheckedWarning')
    """


@dataclass(frozen=True)
class Check:
    """One comparison: of what, with which oracle, and how it came out.

    Attributes
    ----------
    name : what was checked, such as "order 1"
    oracle : what it was checked against
    status : "passed", "failed" or "unchecked"
    where : the worst element, as one would index it
    found, expected : its two values
    error, budget : their difference, and what was allowed
    certified, total : how many elements the oracle could judge, and how many there are
    note : why elements are unchecked, and other things to know

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad import testing
    >>> testing.check_jvp(np.sin, (np.ones(2),)).checks[0].status
    'passed'
    """

    name: str
    oracle: str
    status: Status
    where: str = ""
    found: Any = None
    expected: Any = None
    error: float = 0.0
    budget: float = 0.0
    certified: int = 0
    total: int = 0
    note: str = ""
    mask: Any = field(default=True, repr=False, compare=False)

    def lines(self, width: int) -> Iterator[str]:
        """The lines of a report that are about this check."""
        status = self.status.upper() if self.status == "failed" else self.status
        line = f"{status:<11}{f'{self.name}: {self.oracle}':<{width}}"
        if self.status != "unchecked" and self.total:
            line += f"   error {self.error:.1e}, budget {self.budget:.1e}"
            if self.certified < self.total:
                line += f", {self.certified} of {self.total} entries"
        where, indent = self.where or "the result", " " * 13
        if self.status == "failed" and self.total:
            yield line
            yield f"{indent}at {where}: got {_number_in_words(self.found)}, expected {_number_in_words(self.expected)}"
        else:
            yield line.rstrip()
        if self.note:
            yield from textwrap.wrap(self.note, 100, initial_indent=indent, subsequent_indent=indent)


def _number_in_words(x):
    return f"{x:.10g}" if np.ndim(x) == 0 else str(x)


@dataclass(frozen=True)
class Report:
    """What a check of this kit returns: a list of `Check`, to print and to ask.

    ``status`` is "failed" when any check failed, "unchecked" when something was judged by no oracle at all, else
    "passed"; ``failures`` lists the failed checks. It shows itself in lines, in a notebook as a table.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad import testing
    >>> report = testing.check_jvp(np.sin, (np.ones(2),), orders=(1,))
    >>> report.status, report.passed
    ('passed', True)
    >>> report
    check_jvp of sin: PASSED
      passed     ...
    """

    title: str
    checks: tuple[Check, ...]

    @property
    def failures(self) -> list[Check]:
        return [c for c in self.checks if c.status == "failed"]

    @property
    def status(self) -> Status:
        if self.failures:
            return "failed"
        judged = {}
        for check in self.checks:
            judged[check.name] = judged.get(check.name, False) | np.asarray(check.mask)
        return "passed" if all(np.all(mask) for mask in judged.values()) else "unchecked"

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    def __str__(self) -> str:
        width = max((len(f"{c.name}: {c.oracle}") for c in self.checks), default=0)
        return "\n".join(
            [f"{self.title}: {self.status.upper()}", *("  " + line for c in self.checks for line in c.lines(width))]
        )

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = []
        for check in self.checks:
            line, *more = check.lines(0)
            rows.append((check.status, line[11:], " ".join(" ".join(more).split())))
        return html_table(f"{self.title}: {self.status.upper()}", rows)


class Elements:
    """The entries of a tree in a row, and what each is called."""

    def __init__(self, tree):
        leaves, self.structure = flatten(tree)
        self.names = paths(self.structure)
        self.shapes = [np.shape(leaf) for leaf in leaves]
        self.ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])

    def label(self, k):
        """The name of entry k, as one would index it."""
        leaf = int(np.searchsorted(self.ends, k, side="right"))
        index = np.unravel_index(k - (self.ends[leaf - 1] if leaf else 0), self.shapes[leaf])
        return self.names[leaf] + (f"[{', '.join(map(str, index))}]" if index else "")


def row(tree):
    """All entries of a tree as one vector, leaf by leaf (a dict in its own order), each in C order."""
    leaves = [np.ravel(np.asarray(to_numpy(leaf))) for leaf in flatten(tree)[0]]
    found = np.concatenate(leaves) if leaves else np.zeros(0)
    if found.dtype.kind not in "biufc":
        kinds = {type(leaf).__name__ for leaf in flatten(tree)[0]}
        raise TypeError(f"expected numbers, or arrays or trees of them; got {', '.join(sorted(kinds))}")
    return found


def compare(name, oracle, elements, found, expected, budget, certified=True, note=""):
    """The `Check` of two vectors: entry by entry |found - expected| <= budget, where the oracle is certain."""
    if found.shape != expected.shape:
        return Check(name, oracle, "failed", note=f"{found.size} entries for {expected.size}")
    certified = np.broadcast_to(certified, found.shape)
    with np.errstate(all="ignore"):
        agree = (found == expected) | (np.isnan(found) & np.isnan(expected))
        error = np.where(agree, 0.0, np.abs(found - expected))
        excess = np.where(agree, 0.0, error / np.maximum(budget, np.finfo(float).tiny))
    excess = np.where(certified, np.where(np.isnan(excess), np.inf, excess), -1.0)
    count = int(np.sum(certified))
    if not count and found.size:
        return Check(name, oracle, "unchecked", total=found.size, note=note, mask=certified)
    if not found.size:
        return Check(name, oracle, "passed", note=note or "the result has no entries")
    k = int(np.argmax(excess))
    status = "failed" if excess[k] > 1 else "passed"
    budget = float(np.broadcast_to(budget, found.shape)[k])
    where, found, expected, error = elements.label(k), found[k], expected[k], float(error[k])
    return Check(name, oracle, status, where, found, expected, error, budget, count, excess.size, note, certified)


def verdict(report, raises):
    """The report; an AssertionError when it failed, and a warning when it could not be told."""
    if not raises:
        return report
    if report.failures:
        raise AssertionError(str(report))
    if not report.passed:
        warnings.warn(str(report), UncheckedWarning, stacklevel=3)
    return report
