"""A planted fault, beside its correct twin."""

import warnings
from typing import NamedTuple

from dualgrad import extend, testing


class Mutation(NamedTuple):
    """A planted fault: of what kind, and the check that must catch it."""

    kind: str
    name: str
    check: object


MUTATIONS = []


def caught(mutation, wrong):
    """Whether the kit objects: to a result, or to something that cannot be checked at all."""
    try:
        with extend.rules_restored(), warnings.catch_warnings():
            warnings.simplefilter("error", testing.UncheckedWarning)
            mutation.check(wrong)
    except (AssertionError, testing.ReplayError, testing.CheckError, testing.UncheckedWarning):
        return True
    return False
