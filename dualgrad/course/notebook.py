"""Where a result is seen: a card in a notebook, text elsewhere; and pictures of the lessons."""

import sys
from typing import Any

from .plots.theme import appearance, pyplot

_last: list[Any] = [None, None]  # what was shown, and in which cell


def _shell() -> Any:
    """The IPython this runs in, or None."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def show(result: Any) -> None:
    """Print the result; in a notebook show its card."""
    shell = _shell()
    if shell is None:
        print(result)
        return
    from IPython.display import publish_display_data

    _last[:] = result, shell.execution_count
    publish_display_data({"text/html": result._repr_html_(), "text/plain": str(result)})


def show_again(result: Any) -> None:
    """The same for a result that a cell ends with, unless this cell has just shown it."""
    if _last[0] is not result or _last[1] != _shell().execution_count:
        show(result)


def pictures() -> None:
    """matplotlib for the lessons: vector graphics in the theme for both papers."""
    if hasattr(_shell(), "kernel"):
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg")
    in_lessons = {"figure.figsize": (6.4, 3.2), "lines.linewidth": 2, "figure.constrained_layout.use": True}
    pyplot().rcParams.update(appearance("both") | in_lessons)
