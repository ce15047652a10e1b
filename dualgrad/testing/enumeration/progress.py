"""How far a walk is, on a terminal, once it has taken a while: by tqdm where it is installed, else a line a second."""

import sys
import time

PATIENCE = 2.0  # seconds of silence


class Progress:
    """Told of a path now and then, it says which part of all outcomes lies behind it."""

    def __init__(self):
        self.begin, self.told, self.bar = time.perf_counter(), 0.0, None

    def at(self, path, outcomes):
        """Show how far a walk has come."""
        elapsed = time.perf_counter() - self.begin
        if elapsed < max(PATIENCE, self.told + 1.0) or not sys.stderr.isatty():
            return
        self.told, part = elapsed, _part(path)
        if self.bar is None:
            self.bar = _tqdm()
        if self.bar is None:
            print(f"outcomes: {outcomes:,}, {part:.0%} of all, {elapsed:.0f} s", file=sys.stderr)
        else:
            self.bar.update(round(100 * part) - self.bar.n)

    def close(self):
        """The walk is over."""
        if self.bar is not None:
            self.bar.close()


def _part(path):
    """Which part of the tree of outcomes lies before a path: the digits of a number in mixed radices."""
    part, width = 0.0, 1.0
    for choice, radix in zip(path.choices, path.radices, strict=False):
        width /= radix
        part += choice * width
    return part


def _tqdm():
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(
        total=100, desc="outcomes", unit="%", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    )
