"""The lessons as any Jupyter shows them: what MyST knows and Jupyter does not is written in plain Markdown.

As an extension of Sphinx it rewrites the notebooks that readers download.
"""

import json
import re
from pathlib import Path

LABEL = re.compile(r"^\$\$ \(([\w-]+)\)$", re.MULTILINE)
EQUATION = re.compile(r"\{eq\}`([\w-]+)`")
FENCE = re.compile(r"^```\{code-block\} (\w+)$", re.MULTILINE)
DOWNLOAD = re.compile(r"^.*\{nb-download\}.*\n\n", re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\(([\w./-]+)\.md\)")
PROGRAM = re.compile(r"(^```\w*\n.*?^```$)", re.MULTILINE | re.DOTALL)
MYST = re.compile(
    r"\{[a-z][\w:-]*\}`|^(?:`{3,}|:{3,})\{.*|\$\$ *\([\w-]+\)$|^\([\w-]+\)=|^\+{3}|^% |\]\((?!https?://)[^)\n]*\)",
    re.MULTILINE,
)
FOLDED = {"hide-input", "remove-cell"}


def myst_in(text):
    """What a Markdown text has, outside of programs, that MyST alone understands."""
    return MYST.findall("".join(PROGRAM.split(text)[::2]))


def plain(texts, folder):
    """The Markdown cells of one page, which lies in a folder, in plain Markdown; equations keep their numbers."""
    numbers = {label: str(k) for k, label in enumerate(LABEL.findall("\n".join(texts)), 1)}

    def linked(match):
        page = folder / f"{match[2]}.md"
        title = re.search(r"^# (.*)$", page.read_text("utf-8"), re.MULTILINE)[1]
        number, named = page.stem.partition("-")[0].lstrip("0") if page.parent == folder else "", match[1] in title
        if number:
            return f"{match[1]} (lesson {number if named else title})"
        return f"{match[1]} (" + ("" if named else f"“{title}” ") + "in the documentation)"

    def words(text):
        text = LABEL.sub(lambda match: rf"\tag{{{numbers[match[1]]}}}" + "\n$$", DOWNLOAD.sub("", text))
        text = EQUATION.sub(lambda match: f"({numbers[match[1]]})" if match[1] in numbers else match[0], text)
        return LINK.sub(linked, text)

    def translated(text):
        parts = PROGRAM.split(FENCE.sub(r"```\1", text))
        text = "".join(part if k % 2 else words(part) for k, part in enumerate(parts))
        if left := myst_in(text):
            raise ValueError(
                f"a notebook of {folder.name} has {left}, which plain Jupyter does not show; expected what "
                "docs/plain_notebooks.py translates: translate it there, or write it otherwise"
            )
        return text

    return [translated(text) for text in texts]


def rewrite(book, folder):
    """Translate the Markdown of a notebook in its place, and fold the programs that the page does not show."""
    marked = [cell for cell in book["cells"] if cell["cell_type"] == "markdown"]
    for cell, text in zip(marked, plain([cell["source"] for cell in marked], folder), strict=True):
        cell["source"] = text
    for cell in book["cells"]:
        if FOLDED & set(cell["metadata"].get("tags", [])):
            cell["metadata"]["jupyter"] = {"source_hidden": True}
    return book


def rewrite_download(app, doctree):
    """The same for the notebook that MyST-NB has just written for a page."""
    path = Path(app.env.mystnb_config.output_folder, f"{app.env.docname}.ipynb")
    if app.env.docname.startswith("course/") and path.exists():
        book = json.loads(path.read_text("utf-8"))
        for cell in book["cells"]:
            cell["source"] = "".join(cell["source"])
        rewrite(book, Path(app.srcdir, "course"))
        path.write_text(json.dumps(book, ensure_ascii=False, indent=1) + "\n", "utf-8")


def setup(app):
    """What Sphinx calls."""
    app.connect("doctree-read", rewrite_download)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
