"""Writes docs/api/index.md: every public name with what its docstring begins with, in the order of the pages.

What is public is said by ``__all__``, and where it is described by docs/api/*.md; a name that is not described once, or
has no docstring, fails. ``--check`` writes nothing, and fails when the page would change.
"""

import argparse
import inspect
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE / "api" / "index.md"
PAGES = (
    "transforms", "rules", "values", "errors", "nn", "directions", "estimators", "online", "optim", "training",
    "workers", "testing", "course", "plots", "scipy", "typing",
)  # fmt: skip
HEAD = """\
# API reference

```text
import dualgrad as dg
```

Every public name. Made by `make api` from the docstrings.
"""


def beginning(thing):
    """The first paragraph of a docstring, in one line for a cell of a table."""
    first = inspect.cleandoc(thing.__doc__).partition("\n\n")[0]
    return " ".join(first.split()).replace("``", "`").replace("|", "\\|")


def title(text):
    """The heading of a page."""
    return text.partition("\n")[0].removeprefix("# ")


def section(page):
    """A page's heading, and a table of what it describes; of one that describes nothing by name its first words."""
    import public_names

    text, public = (HERE / "api" / f"{page}.md").read_text("utf-8"), public_names.public_names()
    names = public_names.described(text)
    lines = ["", f"## [{title(text)}]({page}.md)", ""]
    if not names:
        return [*lines, text.split("\n\n")[1].partition(". ")[0] + "."]
    lines += ["| name | |", "|---|---|"]
    return lines + [f"| [`{n.removeprefix('dualgrad.')}`](#{n}) | {beginning(public[n])} |" for n in names]


def render():
    """The page."""
    lines = [line for page in PAGES for line in section(page)]
    return "\n".join([HEAD.rstrip(), *lines, "", ":::{toctree}", ":hidden:", "", *PAGES, ":::", ""])


def main():
    """Write the page, or compare it."""
    import public_names

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the page is out of date; write nothing")
    check = parser.parse_args().check
    forgotten = {path.stem for path in PAGE.parent.glob("*.md")} - {*PAGES, PAGE.stem}
    missing = public_names.problems() + [
        f"docs/api/{name}.md stands in no order: name it in PAGES" for name in forgotten
    ]
    if missing:
        raise SystemExit("\n".join(missing))
    text = render()
    if check and PAGE.read_text("utf-8") != text:
        raise SystemExit("docs/api/index.md is out of date: run `make api`")
    if not check:
        PAGE.write_text(text, "utf-8")
    print(f"docs/api/index.md {'is up to date' if check else 'is written'}: {text.count('](#')} names")


if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    main()
