"""What all pictures share: colours that are told apart by everyone, on white and on black, and quiet axes."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure
else:  # matplotlib is imported when something is drawn
    Axes = Figure = object

# After Okabe and Ito; the dark theme's are lighter, and those for both papers lie between. "line" is what carries no
# meaning: axes, grids, construction lines.
COLOURS = {
    "light": {
        "primal": "#0b67a8", "tangent": "#c2500a", "mean": "#00795a", "other": "#a8447f", "line": "#8a929b",
        "faint": "#d5dade", "text": "#24292f", "paper": "#ffffff",
        "violet": "#7a4fc4", "red": "#c81e3a", "ochre": "#8f6b00", "cyan": "#0e8398", "brown": "#6b3a1e",
    },
    "dark": {
        "primal": "#63b7ee", "tangent": "#f2a03d", "mean": "#3fc79c", "other": "#e28cc0", "line": "#858d97",
        "faint": "#3a4149", "text": "#d9dee3", "paper": "#131416",
        "violet": "#b39af0", "red": "#f07080", "ochre": "#d8b844", "cyan": "#5fd0e0", "brown": "#c09878",
    },
    "both": {
        "primal": "#3b8fd4", "tangent": "#cc7320", "mean": "#2a9a63", "other": "#c45f98", "line": "#737d88",
        "faint": "#737d8855", "text": "#737d88", "paper": "none",
        "violet": "#8e6fd6", "red": "#d9506a", "ochre": "#a47c18", "cyan": "#1a90a8", "brown": "#9a6b4d",
    },
}  # fmt: skip
CYCLE = ("primal", "tangent", "mean", "other", "line", "violet", "red", "ochre", "cyan", "brown")  # C0 to C9
Theme = Literal["light", "dark", "both"]


def pyplot() -> Any:
    """matplotlib.pyplot, or an error that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(
            'the pictures need matplotlib, which is not installed: pip install "dualgrad[examples]"'
        ) from None
    return plt


def new_axes(rows: int = 1, columns: int = 1, *, size: tuple[float, float], **more: Any) -> Any:
    """A figure and its axes."""
    return pyplot().subplots(rows, columns, figsize=size, layout="constrained", **more)


def style(theme: Theme = "light") -> AbstractContextManager[None]:
    """A block in which pictures are drawn for light paper, for dark or for both, as those of the documentation are.

    Parameters
    ----------
    theme : "light", "dark" or "both"

    Returns
    -------
    A context manager: matplotlib's settings are what they were after it. The paper itself is transparent.

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    ValueError
        For another theme.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import numpy as np
    >>> from dualgrad.course import plots
    >>> with plots.style("dark"):
    ...     ax = plots.tangent(np.sin, 1.0)
    >>> ax.xaxis.label.get_color()
    '#d9dee3'
    """
    return pyplot().rc_context(appearance(theme))


def appearance(theme: Theme) -> dict[str, Any]:
    """matplotlib's settings of a theme."""
    if theme not in COLOURS:
        raise ValueError(f"got theme={theme!r}; expected 'light', 'dark' or 'both'")
    cycler, c = pyplot().cycler, COLOURS[theme]
    return {
        "text.color": c["text"], "axes.labelcolor": c["text"], "axes.titlecolor": c["text"],
        "xtick.color": c["line"], "ytick.color": c["line"], "xtick.labelcolor": c["text"],
        "ytick.labelcolor": c["text"], "axes.edgecolor": c["line"], "axes.facecolor": "none",
        "axes.prop_cycle": cycler(color=[c[name] for name in CYCLE]),
        "figure.facecolor": c["paper"], "savefig.facecolor": "none", "savefig.transparent": True,
        "font.family": ["DejaVu Sans"], "font.size": 12, "axes.titlesize": 12, "axes.labelsize": 12,
        "mathtext.fontset": "dejavusans", "legend.frameon": False, "legend.fontsize": "medium",
        "axes.spines.top": False,
        "axes.spines.right": False, "svg.fonttype": "path", "path.simplify": False,
    }  # fmt: skip


def colours() -> dict[str, str]:
    """The colours for the paper that is set: light ones where it is dark."""
    from matplotlib.colors import to_hex, to_rgb

    ink = pyplot().rcParams["text.color"]
    if to_hex(ink) == COLOURS["both"]["text"]:
        return COLOURS["both"]
    return COLOURS["dark" if sum(to_rgb(ink)) > 1.5 else "light"]


def on_axes(ax: Axes | None, size: tuple[float, float] = (5.2, 3.9)) -> Axes:
    """The axes that were given, or new ones."""
    return new_axes(size=size)[1] if ax is None else ax


def arrow(ax: Any, start: Any, end: Any, colour: str, width: float = 2.2, **more: Any) -> Any:
    """An arrow from one point to another, that limits of axes take into account; where the two are one, nothing."""
    ax.update_datalim([start, end])
    properties = {"arrowstyle": "-|>,head_width=0.22,head_length=0.45", "shrinkA": 0, "shrinkB": 0, "color": colour}
    return ax.annotate("", end, start, arrowprops={**properties, "lw": width, **more}, annotation_clip=False)


def halo() -> list[Any]:
    """An outline in the paper's colour, that keeps a label readable where it crosses a line."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3.5, foreground=colours()["paper"])]
