"""In the API reference every attribute has an entry of its own, also one that shares a line with others."""

import inspect
import re
import sys

import pytest

from tests.support.lessons import COURSE


@pytest.fixture
def attributes(monkeypatch):
    monkeypatch.syspath_prepend(str(COURSE.parent))
    import attributes

    yield attributes
    sys.modules.pop("attributes")


def test_names_that_share_a_line_are_written_out(attributes):
    text = "One, two : said\n\nAttributes\n----------\n{}\n\nNotes\n-----\nf, g : no attributes"
    before = text.format("a, b : of\n    both\nc : its own, alone\nd, e")
    after = text.format("a : of\n    both\nb : of\n    both\nc : its own, alone\nd\ne")
    assert attributes.one_a_line(before) == after


def test_no_name_of_the_package_keeps_a_shared_line(attributes):
    import public_names

    found = [inspect.getdoc(value) or "" for value in public_names.public_names().values()]
    assert sum(attributes.one_a_line(text) != text for text in found) > 5
    for text in found:
        for section in attributes.SECTION.findall(attributes.one_a_line(text)):
            assert not re.search(r"^\w+, \w+", section, re.MULTILINE), section
