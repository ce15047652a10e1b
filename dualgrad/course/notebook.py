"""Where a result is seen: a card in a notebook, text elsewhere; and how the pictures of the lessons look."""

import sys
from typing import Any

INK, PALETTE = "#77818c", ("#3b8fd4", "#e08a2c", "#2fa36b", "#c9679f", "#77818c")
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
    """matplotlib for the lessons: vector graphics, with lines and letters that can be read on white and on black."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise ImportError('the pictures of the course need matplotlib: pip install "dualgrad[course]"') from None
    if hasattr(_shell(), "kernel"):
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg")
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
    mpl.rcParams.update(dict.fromkeys(inked, INK))
    clear = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    mpl.rcParams.update(dict.fromkeys(clear, "none"))
    mpl.rcParams.update({"figure.figsize": (6.4, 3.2), "font.size": 11, "axes.titlesize": 11, "lines.linewidth": 2})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False})
    mpl.rcParams["axes.prop_cycle"] = mpl.cycler(color=PALETTE)
    mpl.rcParams["figure.constrained_layout.use"] = True
