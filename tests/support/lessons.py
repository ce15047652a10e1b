"""The pages of the course as programs: their cells, the exercises they set, and the solutions they fold away."""

import contextlib
import io
import re
from pathlib import Path

COURSE = Path(__file__).parents[2] / "docs" / "course"
PAGES = sorted(COURSE.glob("[0-9][0-9]-*.md"))
CELL = re.compile(r"^```\{code-cell\} python\n(.*?)^```$", re.S | re.M)
SOLUTION = re.compile(r'<details class="solution">\n<summary>Solution</summary>\n(.*?)</details>', re.S)
CODE = re.compile(r"^```\{code-block\} python\n(.*?)^```$", re.S | re.M)
CHECK = re.compile(r'check\("(\d+\.\d+)", (\w+)\)')


def cells(page):
    """The programs of a page, without their options."""
    return [re.sub(r"^:tags:.*\n", "", cell) for cell in CELL.findall(page.read_text("utf-8"))]


def run(page):
    """All cells one after the other; the names they leave, and what they print."""
    names, said = {"__name__": "__main__"}, io.StringIO()
    with contextlib.redirect_stdout(said):
        for k, cell in enumerate(cells(page)):
            exec(compile(cell, f"{page.name}, cell {k + 1}", "exec"), names)
    return names, said.getvalue()


def set_on(page):
    """{number: name of the answer} of the exercises that the cells of a page check."""
    return {number: name for cell in cells(page) for number, name in CHECK.findall(cell)}


def solutions(page):
    """{number: program}: the code that is folded behind each exercise."""
    parts = re.split(r"^### Exercise (\d+\.\d+): .*$", page.read_text("utf-8"), flags=re.M)
    found = {}
    for number, text in zip(parts[1::2], parts[2::2], strict=True):
        folded = SOLUTION.findall(text)
        found[number] = "\n".join(CODE.findall(folded[0])) if len(folded) == 1 else None
    return found
