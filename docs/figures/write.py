"""Writes the figures of the pages into docs/img/learn, each for light and for dark paper: `make figures`.

A script beside this one has ``draw()``, which returns a figure; one that moves also has ``frame(k)`` for its FRAMES,
which take SECONDS. ``--check`` writes nothing, and fails when a figure would change: in its parts, or in a number by
more than what another processor or another NumPy may round. ``python docs/figures/write.py tangent`` writes one.
"""

import argparse
import importlib.util
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
OUT = HERE.parent / "img" / "learn"
MADE_WITH = OUT / "matplotlib.txt"  # which version drew them: the next may draw letters otherwise
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
CLOSE = 0.06  # of a point


def scripts():
    """The names of the figures."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem != "write")


def script(name):
    """The module of a figure."""
    found = importlib.util.spec_from_file_location(f"figure_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def texts(name, themes=("light", "dark")):
    """The files of a figure, as ``{"tangent-light.svg": text}``."""
    from matplotlib import pyplot as plt

    from dualgrad.course import plots
    from dualgrad.course.plots.moving_pictures import svg

    module, found = script(name), {}
    for theme in themes:
        with plots.style(theme):
            figure = module.draw()
            found[f"{name}-{theme}.svg"] = svg(figure)
            plt.close(figure)
            if hasattr(module, "frame"):
                moving = plots.animate(module.frame, module.FRAMES, seconds=module.SECONDS)
                found[f"{name}-moving-{theme}.svg"] = moving
    return found


def unnamed(text):
    """A picture without the names of its parts, which stand for what the parts look like."""
    return re.sub(r"(?<=[#\"])[a-z]+[0-9a-f]{8,}", "ID", text)


def differs(old, new):
    """Whether two pictures are of other parts, or have numbers that are not close."""
    if old == new:
        return False
    old, new = unnamed(old), unnamed(new)
    if NUMBER.sub("", old) != NUMBER.sub("", new):
        return True
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    return any(abs(float(a) - float(b)) > CLOSE for a, b in pairs)


def outdated(found):
    """The files that are missing or differ."""
    return [n for n, t in found.items() if not (OUT / n).exists() or differs((OUT / n).read_text("utf-8"), t)]


def main():
    """Write the figures, or compare them."""
    import matplotlib

    matplotlib.use("Agg")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*scripts(), []], help="all by default")
    parser.add_argument("--check", action="store_true", help="fail if a figure is out of date; write nothing")
    args = parser.parse_args()
    for name in args.names or scripts():
        found = texts(name)
        late = outdated(found)
        if args.check and late:
            raise SystemExit(f"out of date: {', '.join(late)}; run `make figures`")
        for file in [] if args.check else late:
            (OUT / file).write_text(found[file], "utf-8")
        print(f"{name}: {', '.join(late) or 'up to date'}")
    if not args.check:
        MADE_WITH.write_text(matplotlib.__version__ + "\n", "utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[1]))
    main()
