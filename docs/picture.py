"""The directive `picture`: a figure of docs/figures, for light and for dark paper, that moves where it can.

```{picture} tangent
What the figure shows, in words, for those who do not see it.
```

On paper, and for readers who want no motion, the still stands in the place of what moves.
"""

from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

FOLDER = Path(__file__).parent / "img" / "learn"


class Picture(SphinxDirective):
    """A figure by its name, with a text for those who do not see it."""

    required_arguments = 1
    has_content = True

    def run(self):
        name, alt = self.arguments[0], " ".join(self.content)
        if not alt:
            raise self.error(f"the picture {name} needs a text that says what it shows")
        moves = (FOLDER / f"{name}-moving-light.svg").exists()
        parts = [container("moves", f"{name}-moving", alt)] if moves else []
        return [nodes.container("", *parts, container("stands" if moves else "", name, alt), classes=["picture"])]


def container(kind, name, alt):
    """Both variants of one picture."""
    both = [
        nodes.image(uri=f"/img/learn/{name}-{theme}.svg", alt=alt, classes=[f"only-{theme}"])
        for theme in ("light", "dark")
    ]
    return nodes.container("", *both, classes=[kind] if kind else [])


def setup(app):
    """What Sphinx calls."""
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
