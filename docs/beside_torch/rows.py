"""A row of a table: a name of torch, and ours; or a program in its place; or why there is none."""

import re
from typing import NamedTuple


class Row(NamedTuple):
    """``torch``: the name there. Of ``here`` there are three kinds.

    A name, ``nn.Linear``: the same thing. Every argument of torch's is one of ours, or ``renamed``, or says in
    ``without`` why it is not here. ``test`` is where the two are compared, by its name in ``TESTS``.

    A program, of the inputs in ``probes.py``: it gives what ``call`` gives in torch, value and gradient.

    Nothing: ``note`` says why.
    """

    torch: str
    here: str = ""
    note: str = ""
    test: str = ""
    call: str = ""
    renamed: dict = {}  # noqa: RUF012  (read alone)
    without: dict = {}  # noqa: RUF012

    @property
    def is_name(self):
        """Whether what is here is one thing, not a program."""
        return bool(re.fullmatch(r"[\w.]+", self.here))


def same(names, here, note="", test="", **settings):
    """The rows of several names of torch that are one thing here."""
    return [Row(name, here, note, test, **settings) for name in names.split()]


def absent(names, note):
    """The rows of what is not here, for one reason."""
    return [Row(name, note=note) for name in names.split()]
