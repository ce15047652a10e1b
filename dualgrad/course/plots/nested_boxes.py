"""What a nested derivative carries: dual numbers of dual numbers, as boxes in boxes."""

from typing import Any

from ...pushforward import jvp
from ...tree import Function
from .theme import Axes, colours, on_axes

_PRIMES = "", "′", "″", "‴"


def nesting(f: Function, x: float, order: int = 2, *, ax: Axes | None = None) -> Axes:
    """The numbers that the order-th derivative by nesting carries, box in box, level by level.

    A dual number of level 1 is a pair (f, f′). At level 2 both halves are dual numbers of level 1: ((f, f′), (f′, f″)).
    The highest level is the outermost box, left or top its primal, right or bottom its tangent. Order k takes 2ᵏ
    numbers, of which k + 1 differ: `dualgrad.taylor` keeps those alone.

    Parameters
    ----------
    f : function of one real number
    x : float
    order : 1, 2 or 3
    ax : matplotlib Axes, optional

    Returns
    -------
    The axes.

    Raises
    ------
    ValueError
        For another order.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> from dualgrad.course import plots
    >>> ax = plots.nesting(lambda x: x**3, 2.0)
    >>> print(*(text.get_text() for text in ax.texts if "=" in text.get_text()))
    f = 8 f′ = 12 f′ = 12 f″ = 12
    """
    if order not in (1, 2, 3):
        raise ValueError(f"got order={order!r}; expected 1, 2 or 3: more boxes cannot be read")
    ax, c = on_axes(ax, (5.6, 3.4) if order < 3 else (9.6, 4.4)), colours()
    values = [float(value) for value in _leaves(f, order)(float(x))]
    _nested_box(ax, c, values, (0.0, 0.0, 1.0, 1.0), order, 0, "")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.axis("off")
    return ax


def _leaves(f: Function, order: int) -> Any:
    """f, and all that ``order`` passes inside each other make of it: primals first."""
    if order == 0:
        return lambda x: [f(x)]
    inner = _leaves(f, order - 1)

    def outer(x: Any) -> list[Any]:
        values, tangents = jvp(inner, (x,), (1.0,))
        return [*values, *tangents]

    return outer


def _nested_box(
    ax: Any, c: dict[str, str], values: list[float], frame: tuple[float, ...], level: int, primes: int, half_of: str
) -> None:
    """A dual number of a level in its frame, its halves inside; of level 0 a plain number."""
    x, y, width, height = frame
    if level == 0:
        number = f"{values[0]:.4g}".replace("-", "−")
        ax.text(x + width / 2, y + height / 2, f"f{_PRIMES[primes]} = {number}", ha="center", va="bottom",
                color=c["tangent" if primes else "primal"], fontsize=14)  # fmt: skip
        ax.text(x + width / 2, y + 0.46 * height, half_of, ha="center", va="top", color=c["text"], fontsize=10)
        return
    from matplotlib.patches import FancyBboxPatch

    edge = c[("primal", "mean", "other")[level - 1]]
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.02", fc="none", ec=edge, lw=2)
    ax.add_patch(shape)
    label = f"level {level}" + (f": {half_of} of level {level + 1}" if half_of else "")
    ax.text(x + 0.02, y + height - 0.02, label, color=edge, va="top", fontsize=10)
    gap, top, half = 0.018, 0.09, len(values) // 2
    y, height, x, width = y + gap, height - top - gap, x + gap, width - 2 * gap
    if level % 2:  # side by side
        frames = [(x, y, width / 2, height), (x + width / 2, y, width / 2, height)]
        ax.plot([x + width / 2] * 2, [y + 0.02, y + height - 0.01], ls=(0, (1, 2)), lw=1, color=c["line"])
    else:  # one above the other
        frames = [(x, y + (height + gap) / 2, width, (height - gap) / 2), (x, y, width, (height - gap) / 2)]
    for k, inner in enumerate(frames):
        _nested_box(ax, c, values[k * half : (k + 1) * half], inner, level - 1, primes + k, ("primal", "tangent")[k])
