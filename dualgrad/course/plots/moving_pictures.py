"""Pictures that move: frames of one figure, as a single SVG that needs no program to play."""

import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from .planes import at_least
from .theme import Axes, Figure, pyplot

_SVG_NAMESPACE = "http://www.w3.org/2000/svg"
_LONG = re.compile(r"scale\([^)]*\)|-?\d+\.\d{3,}")  # and what scales letters, which is left as it is
_SHIFT = re.compile(r"translate\(([^)]*)\)\s*(.*)$")
_SHOWN_FROM = re.compile(r"shown-(\d+)(?:-(\d+))?(?:_.*)?$")


def animate(draw: Callable[[int], Figure | Axes], frames: int, *, seconds: float = 6.0) -> str:
    """An SVG that goes through frames of a figure, over and over, by itself: in a page, from a file, in a slide.

    The frames are drawn, and what differs between them is made to move, from each straight to the next; what is the
    same is written once. They must therefore be of the same parts: the same lines, of as many points. A part whose
    ``gid`` is ``shown-i`` is there from frame i on, with ``shown-i-j`` from i to before j.

    Parameters
    ----------
    draw : function of the number of a frame, from 0, to a figure, or axes of one
    frames : int
    seconds : float
        How long one round takes.

    Returns
    -------
    The SVG, as text. The same frames give the same text.

    Raises
    ------
    ValueError
        For frames that are not of the same parts, or fewer than two.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import numpy as np
    >>> from dualgrad.course import plots
    >>> def draw(k):
    ...     ax = plots.tangent(np.sin, 0.1 * k, span=(-1, 3))
    ...     ax.set_title("")
    ...     return ax.set_ylim(-1, 2) and ax.figure
    >>> text = plots.animate(draw, frames=20)
    >>> text[:4], "<animate" in text, len(text) < 100_000
    ('<svg', True, True)
    """
    at_least(2, frames=frames)
    plt = pyplot()
    roots = []
    for k in range(frames):
        figure = draw(k).figure
        roots.append(ElementTree.fromstring(svg(figure)))
        plt.close(figure)
    parts = [list(root.iter()) for root in roots]
    if len({tuple(part.tag for part in all_of) for all_of in parts}) > 1:
        raise ValueError("the frames are not of the same parts: give every frame as many lines, points and letters")
    for same in zip(*parts, strict=True):
        _set_in_motion(same, seconds)
    ElementTree.register_namespace("", _SVG_NAMESPACE)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    return ElementTree.tostring(roots[0], encoding="unicode") + "\n"


def svg(figure: Any) -> str:
    """A figure as an SVG of its own, the same for the same figure, to hundredths of a point."""
    written = io.StringIO()
    with pyplot().rc_context({"svg.hashsalt": "dualgrad", "path.simplify": False}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    return re.sub(r"[ \t]*\n[ \t\n]*", "\n", _LONG.sub(_shorter, text))


def _shorter(found: re.Match[str]) -> str:
    """A number to hundredths."""
    return found[0] if found[0].startswith("scale") else f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


def _set_in_motion(same: Any, seconds: float) -> None:
    """Give the first of some elements, one of each frame, what makes it be like each of the others in turn."""
    first, frames = same[0], len(same)
    for name in first.attrib:
        values = [element.get(name) for element in same]
        if name in ("d", "x", "y", "width", "height", "opacity") and len(set(values)) > 1:
            _animate(first, name, [k / (frames - 1) for k in range(frames)], values, seconds)
    _set_in_place([element.get("transform", "") for element in same], first, seconds)
    found = _SHOWN_FROM.match(first.get("id", ""))
    if found:
        start, end = int(found[1]), frames if found[2] is None else int(found[2])
        times = {0.0: "hidden", start / frames: "visible"} | ({end / frames: "hidden"} if end < frames else {})
        _animate(first, "visibility", list(times), list(times.values()), seconds, "discrete")


def _set_in_place(transforms: list[str], element: Any, seconds: float) -> None:
    """Let letters go where they stand in each frame: what is shifted goes, what is scaled afterwards moves inside."""
    if len(set(transforms)) == 1:
        return
    shifts = [_SHIFT.match(transform) for transform in transforms]
    if not all(shifts) or len({shift[2] for shift in shifts if shift}) > 1:
        raise ValueError(f"a part turns or grows between the frames: {sorted(set(transforms))[:2]}")
    places, rest = [shift[1] for shift in shifts if shift], shifts[0][2] if shifts[0] else ""
    inside = ElementTree.Element(f"{{{_SVG_NAMESPACE}}}g", {"transform": rest} if rest else {})
    inside.extend(list(element))
    element[:] = [inside]
    element.set("transform", f"translate({places[0]})")
    times = [k / (len(places) - 1) for k in range(len(places))]
    _animate(element, "transform", times, places, seconds, kind="translate")


def _animate(
    element: Any, name: str, times: list[float], values: Any, seconds: float, mode: str = "linear", kind: str = ""
) -> None:
    """An <animate> inside an element; what lies between two equal values is left out."""
    keep = [0, *(k for k in range(1, len(values) - 1) if not values[k - 1] == values[k] == values[k + 1])]
    keep += [len(values) - 1] if len(values) > 1 else []
    name_of = {"attributeName": name} | ({"type": kind} if kind else {})
    ElementTree.SubElement(element, f"{{{_SVG_NAMESPACE}}}animate{'Transform' if kind else ''}", name_of | {
        "dur": f"{seconds:g}s", "repeatCount": "indefinite", "calcMode": mode,
        "keyTimes": ";".join(f"{times[k]:.4f}".rstrip("0").rstrip(".") for k in keep),
        "values": ";".join(values[k] for k in keep),
    })  # fmt: skip
