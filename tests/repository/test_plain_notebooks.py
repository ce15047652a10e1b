"""Downloaded lessons are plain Jupyter: nothing of MyST is left in their words, and their programs are the page's."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.lessons import CELL, COURSE, PAGES, cells

TEXTS = {page: [part for part in CELL.split(page.read_text("utf-8").split("---\n", 2)[2])[::2] if part.strip()]
         for page in PAGES}  # fmt: skip
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.fixture
def plain_notebooks(monkeypatch):
    monkeypatch.syspath_prepend(str(COURSE.parent))
    import plain_notebooks

    yield plain_notebooks
    sys.modules.pop("plain_notebooks")


@by_page
def test_nothing_of_myst_is_left_in_the_words_of_a_lesson(plain_notebooks, page):
    before, after = "".join(TEXTS[page]), "".join(plain_notebooks.plain(TEXTS[page], COURSE))
    assert plain_notebooks.myst_in(before)
    assert not re.search(r"\{eq\}|\{nb-download\}|^(```|:::)\{|^\$\$ \(|\.md\)", after, re.MULTILINE)
    labels = re.findall(r"^\$\$ \(([\w-]+)\)$", before, re.MULTILINE)
    assert re.findall(r"\\tag\{(\d+)\}\n\$\$", after) == [str(k + 1) for k in range(len(labels))]
    for label in re.findall(r"\{eq\}`([\w-]+)`", before):
        assert f"({labels.index(label) + 1})" in after
    programs = r"^```(?:\{code-block\} )?\w*\n(.*?)^```$"
    assert re.findall(programs, after, re.S | re.M) == re.findall(programs, before, re.S | re.M)


@pytest.mark.parametrize(
    "text",
    ["see {doc}`index`", "equation {eq}`of-another-page`", "{term}`dual number`", ":::{admonition} Note\nhear\n:::",
     "```{note}\nhear\n```", "(here)=\n# A", "::::{grid} 2\n::::", "[above](#title)", "[section](index.md#title)",
     "$$ x $$ (x)", "% unseen", "+++"],
)  # fmt: skip
def test_what_is_not_translated_is_refused(plain_notebooks, text):
    with pytest.raises(ValueError, match="which plain Jupyter does not show"):
        plain_notebooks.plain([f"before\n\n{text}\n\nafter"], COURSE)


@pytest.mark.parametrize(
    "text",
    ["$a_{k}$ and `x`", "[here](https://example.org/a.md)", '<details class="solution">', "```text\n{eq}`x`\n```"],
)
def test_what_jupyter_shows_stays(plain_notebooks, text):
    assert plain_notebooks.plain([text], COURSE) == [text]


def test_programs_that_a_page_hides_are_folded(plain_notebooks):
    book = {"cells": [{"cell_type": "code", "source": "", "metadata": {"tags": [tag]}}
                      for tag in ("hide-input", "remove-cell", "other")]}  # fmt: skip
    folded = [cell["metadata"].get("jupyter") for cell in plain_notebooks.rewrite(book, COURSE)["cells"]]
    assert folded == [{"source_hidden": True}] * 2 + [None]


@pytest.mark.skipif("DUALGRAD_PAGES" not in os.environ, reason="looked at by make docs test-pages")
@by_page
def test_what_is_downloaded_is_the_lesson_in_plain_markdown(plain_notebooks, page):
    (path,) = Path(os.environ["DUALGRAD_PAGES"]).glob(f"_downloads/*/{page.stem}.ipynb")
    book = json.loads(path.read_text("utf-8"))["cells"]
    said, programs = (["".join(cell["source"]) for cell in book if cell["cell_type"] == kind]
                      for kind in ("markdown", "code"))  # fmt: skip
    assert not [left for text in said for left in plain_notebooks.myst_in(text)]
    assert "".join("".join(said).split()) == "".join("".join(plain_notebooks.plain(TEXTS[page], COURSE)).split())
    assert [program.split() for program in programs] == [cell.split() for cell in cells(page)]
