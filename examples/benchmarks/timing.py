"""Contestants take turns: their best times, and the ratios of neighbouring turns."""

import statistics
import timeit


class Turns(dict):
    """The best time of every contestant in microseconds, by name, and their ratios round by round."""

    def __init__(self, times):
        super().__init__({name: min(turns) for name, turns in times.items()})
        self.times = times

    def ratio(self, name, other):
        return statistics.median(a / b for a, b in zip(self.times[name], self.times[other], strict=True))

    def versus(self, other, bar):
        """A cell: the ratio of dualgrad to another, its bar, and whether it holds."""
        if other not in self:
            return "-"
        ratio = self.ratio("dualgrad", other)
        return f"{ratio:.2f} ({'<=' if ratio <= bar else '>'} {bar})"


def take_turns(contestants, rounds, seconds=0.02):
    """The times of one call of each; all take a turn in every round."""
    number, times = {}, {name: [] for name in contestants}
    for name, call in contestants.items():
        call()
        once = min(timeit.repeat(call, number=1, repeat=3))
        number[name] = max(1, min(20000, int(seconds / max(once, 1e-9))))
    for _ in range(rounds):
        for name, call in contestants.items():
            times[name].append(timeit.timeit(call, number=number[name]) / number[name] * 1e6)
    return Turns(times)


def rivals(*names, smoke=False):
    """The rivals that are installed, imported."""
    found = {}
    for name in names:
        try:
            found[name] = None if smoke else __import__(name)
        except ImportError:
            found[name] = None
    if found.get("torch"):
        found["torch"].set_num_threads(1)
    return [found[name] for name in names]


def show(title, header, rows):
    widths = [max(len(str(row[k])) for row in [header, *rows]) for k in range(len(header))]
    print(title)
    for row in [header, ["-" * w for w in widths], *rows]:
        first, *others = (str(cell) for cell in row)
        print(
            "  " + "  ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))])
        )
    print(flush=True)
