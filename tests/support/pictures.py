"""What is wrong with a picture of matplotlib, seen without eyes: what cannot be read, or covers something else."""

import numpy as np

PAPERS = {"light": "#ffffff", "dark": "#131416"}
SMALLEST, LEAST_CONTRAST = 8, 2.8  # points; WCAG asks 3 of what is drawn, and for 4.5 of letters


def luminance(colour):
    """As WCAG has it."""
    from matplotlib.colors import to_rgb

    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return np.dot([0.2126, 0.7152, 0.0722], linear)


def contrast(one, other):
    """As WCAG has it, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def letters(figure):
    """The texts of a figure that say something, but for the numbers of axes."""
    texts = [*figure.texts, figure._suptitle]
    for ax in figure.axes:
        texts += [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        texts += ax.get_legend().get_texts() if ax.get_legend() else []
    return [text for text in texts if text and text.get_text().strip()]


def unreadable(figure, papers):
    """Lines and letters that are not told from one of the papers, and letters that are too small."""
    for part in [*(line for ax in figure.axes for line in ax.lines), *letters(figure)]:
        colour = part.get_color()
        for paper in papers:
            if contrast(colour, PAPERS[paper]) < LEAST_CONTRAST:
                yield f"{part} is {colour} on {paper} paper"
    for text in letters(figure):
        if text.get_fontsize() < SMALLEST:
            yield f"{text} has {text.get_fontsize()} points"


def covered(figure):
    """Curves under a legend; the picture must have been drawn."""
    for ax in figure.axes:
        if legend := ax.get_legend():
            box = legend.get_window_extent()
            for line in ax.lines:
                way = line.get_path().interpolated(20).transformed(line.get_transform()).vertices
                inside = np.all((way > [box.x0, box.y0]) & (way < [box.x1, box.y1]), axis=1)
                if np.any(inside):
                    yield f"a legend of {ax.get_title()!r} covers {line}"


def cut(figure):
    """Letters that stand out of the picture; it must have been drawn."""
    for text in letters(figure):
        box, frame = text.get_window_extent(), figure.bbox
        if min(box.x0 - frame.x0, frame.x1 - box.x1, box.y0 - frame.y0, frame.y1 - box.y1) < -1:
            yield f"{text} is cut"


def faults(figure, *papers):
    """All of it."""
    figure.canvas.draw()
    return [*unreadable(figure, papers), *covered(figure), *cut(figure)]
