"""Attributes in docstrings, written out for napoleon, which misreads several on a line, and the colon of a property."""

import re

SECTION = re.compile(r"^Attributes\n-+(?:\n.+)+", re.MULTILINE)
SHARED = re.compile(r"^(\w+(?:, \w+)+)( :.*)?$((?:\n +.*)*)", re.MULTILINE)


def one_a_line(docstring):
    """The docstring, with an entry of their own for attributes that share one."""

    def apart(entry):
        return "\n".join(f"{name}{entry[2] or ''}{entry[3]}" for name in entry[1].split(", "))

    return SECTION.sub(lambda section: SHARED.sub(apart, section[0]), docstring)


def mend(app, what, name, obj, options, lines):
    """What autodoc calls before napoleon reads a docstring."""
    lines[:] = ["", *lines] if what == "property" else one_a_line("\n".join(lines)).split("\n")


def setup(app):
    """What Sphinx calls."""
    app.connect("autodoc-process-docstring", mend, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
