"""Slides are made of what a lesson shows, headings, question, formulas, tables, programs; its sentences are notes."""

import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
LESSONS = sorted((DOCS / "course").glob("[0-9][0-9]-*.md"))


@pytest.fixture
def make_slides(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import make_slides

    yield make_slides
    sys.modules.pop("make_slides")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_blocks_are_whole_and_nothing_is_lost(make_slides, lesson):
    text = lesson.read_text("utf-8")
    found = list(make_slides.blocks(text))
    assert "".join("".join(found).split()) == "".join(text.split("---\n", 2)[2].split())
    formulas = [block for block in found if make_slides.kind(block) == "formula"]
    assert len(formulas) >= 2
    assert all(block.count("$$") == 2 for block in formulas)
    programs = [block for block in found if make_slides.kind(block) == "code"]
    assert all(block.startswith("```{code-cell} python\n") and block.endswith("\n```") for block in programs)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_deck_has_every_program_but_those_of_exercises(make_slides, lesson):
    deck = make_slides.deck(lesson.read_text("utf-8"))
    assert "check(" not in deck.replace("check_", "")
    assert deck.count("```{code-cell} python") > 5
    assert "**The question.**" in deck
    for slide in deck.split("\n## ")[1:]:
        shown = [block for block in slide.split("```{code-cell} python")[1:] if "remove-cell" not in block]
        assert len(shown) <= 1
