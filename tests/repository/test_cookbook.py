"""The cookbook: thirty programs and more, each short, each with a check, all in the table that leads to them."""

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "cookbook").glob("*.md"))
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(?:python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = [(page.stem, title, text) for page in PAGES for title, text in SECTION.findall(page.read_text("utf-8"))]


def lines_of(block):
    """How many lines of program a block has, without what it prints."""
    if ">>> " not in block:
        return len([line for line in block.splitlines() if line.strip()])
    return sum(example.source.count("\n") for example in doctest.DocTestParser().get_examples(block))


def test_there_are_thirty_programs_and_the_table_has_them_all():
    assert len(PROGRAMS) >= 30
    index = (DOCS / "cookbook.md").read_text("utf-8")
    missing = [title for page, title, _ in PROGRAMS if f"| [{title}](cookbook/{page}.md#" not in index]
    assert not missing
    assert index.count("](cookbook/") == len(PROGRAMS) + len(PAGES)


@pytest.mark.parametrize(("page", "title", "text"), PROGRAMS, ids=[title for _, title, _ in PROGRAMS])
def test_a_program_is_short_prints_and_asks_a_question(page, title, text):
    blocks = BLOCK.findall(text)
    assert max(map(lines_of, blocks)) <= 25, title
    assert text.lstrip().startswith("*"), "a program begins with its question, in italics"
    examples = [e for block in blocks for e in doctest.DocTestParser().get_examples(block)]
    assert any(example.want for example in examples), "a program shows what it prints"
