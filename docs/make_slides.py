"""Slides of the lessons, one deck for each, in docs/_build/slides; they need no network.

A deck is made of its lesson, of all in it that is worth a slide: headings, the question, formulas, tables, lists, and
what programs draw and print; sentences are left to the speaker, who reads them as notes (key S). Programs are run.
``make slides`` calls this.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SLIDES = HERE / "_build" / "slides"
CONF = """
import sys
sys.path.insert(0, {docs!r})
from conf import *
extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx-mathjax-offline", "sphinx_revealjs"]
exclude_patterns = []
html_static_path, html_css_files = [], []
nb_mime_priority_overrides = [("revealjs", kind, k) for k, kind in enumerate(
    ("image/svg+xml", "image/png", "text/html", "text/latex", "text/plain"))]
revealjs_static_path = [{static!r}]
revealjs_css_files = ["slides.css"]
revealjs_style_theme = "white"
revealjs_script_conf = {{"slideNumber": True, "hash": True, "transition": "none", "center": False}}
revealjs_script_plugins = [{{"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"}}]
"""


def blocks(text):
    """The blocks of a page: fences whole, formulas whole, else paragraphs."""
    body = text.split("---\n", 2)[2]
    block, closing = [], None
    for line in [*body.splitlines(), ""]:
        opened = re.match(r"(`{3,}|:{3,}|\$\$)", line) if closing is None and not block else None
        if opened and not re.search(r"\$\$( \(.*\))?$", line[2:]):
            closing = r".*\$\$( \(.*\))?$" if opened[1] == "$$" else re.escape(opened[1]) + "$"
            block.append(line)
            continue
        if closing is None and not line.strip():
            if block:
                yield "\n".join(block)
            block = []
            continue
        block.append(line)
        if closing and re.match(closing, line):
            yield "\n".join(block)
            block, closing = [], None


def kind(block):
    """What a block is."""
    for name, start in {"heading": "#", "code": "```{code-cell}", "table": "|", "list": "- ", "formula": "$$",
                        "question": "**The question.**", "solution": "<details"}.items():  # fmt: skip
        if block.startswith(start):
            return name
    return "prose"


def deck(lesson):
    """The page of slides of a lesson: a slide for every heading and every program; sentences are notes."""
    front, slides, heading, exercises = lesson.split("---\n", 2)[1], [], "", False
    for block in blocks(lesson):
        what = kind(block)
        if what == "heading":
            exercises = block.startswith(("## Exercises", "### Exercise"))
            heading = block
        if exercises:
            continue
        if block.startswith("```{code-cell} python\nimport "):
            block = block.replace("python\n", "python\n:tags: [remove-cell]\n", 1)
        if "[remove-cell]" in block:
            slides[-1].append(block)
            continue
        if what == "heading" or what == "code" and "\n".join(slides[-1]) != heading:
            slides.append([heading])
        if what == "prose":
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", block)  # links lead out of the slides
            slides[-1].append(f":::{{revealjs-notes}}\n{words}\n:::")
        elif what in ("question", "formula", "table", "list", "code"):
            slides[-1].append(block.replace("[hide-input]", "[remove-input]"))
    return f"---\n{front}---\n\n" + "\n\n".join("\n\n".join(slide) for slide in slides) + "\n"


STYLE = """
.reveal { font-size: 26px; text-align: left; }
.reveal h1 { font-size: 1.9em; text-transform: none; }
.reveal h2 { font-size: 1.4em; text-transform: none; }
.reveal pre { width: 100%; font-size: 0.75em; box-shadow: none; }
.reveal .eqno { float: right; }
.reveal pre code { max-height: 560px; }
.reveal table { font-size: 0.8em; margin: 0.4em 0; }
.reveal section img, .reveal section svg { max-height: 480px; border: 0; background: white; }
.reveal .output pre { background: #f4f4f4; }
.reveal ul { display: block; }
"""


def main():
    """Build every deck."""
    source = SLIDES.with_name("slides-source")
    for folder in (SLIDES, source):
        shutil.rmtree(folder, ignore_errors=True)
    static = source / "static"
    static.mkdir(parents=True)
    (static / "slides.css").write_text(STYLE, "utf-8")
    (source / "conf.py").write_text(CONF.format(docs=str(HERE), static=str(static)), "utf-8")
    lessons = sorted((HERE / "course").glob("[0-9][0-9]-*.md"))
    for lesson in lessons:
        (source / lesson.name).write_text(deck(lesson.read_text("utf-8")), "utf-8")
    names = "\n".join(lesson.stem for lesson in lessons)
    index = f"# Slides\n\n```{{toctree}}\n{names}\n```\n"
    (source / "index.md").write_text(index, "utf-8")
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "revealjs", str(source), str(SLIDES)],
        check=True,
    )
    print(SLIDES / "index.html")


if __name__ == "__main__":
    main()
