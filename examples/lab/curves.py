"""What curves say: their ends, at equal updates or equal time, and their spread over seeds."""

import numpy as np


def curves(runs, column):
    """A column of the curves of runs that differ only in their seed, ``(runs, points)``, None as NaN."""
    return np.array([r["curve"] for r in runs], dtype=float)[:, :, column]


def final(runs, column, seconds=None):
    """The last entries of a column; with ``seconds``, those at an equal time of training instead.

    A run that has diverged has none: NaN, also at a time at which it had not; and none has one after its end.
    """
    values = []
    for r in runs:
        rows = np.array(r["curve"], dtype=float)
        at_end = seconds is None or np.isnan(rows[-1, 1])
        values.append(rows[-1, column] if at_end else np.interp(seconds, rows[:, 1], rows[:, column], right=np.nan))
    return np.array(values)


def longest(runs, *keys):
    """The runs of one length: that of which there are most cases, values of these settings, and of two such lengths
    the longer; so that what is half done is not compared with what is done."""

    def cases(length):
        return len({tuple(run.get(key) for key in keys) for run in lengths[length]})

    lengths = grouped(runs, "updates")
    return lengths[max(lengths, key=lambda length: (cases(length), length))]


def shortest(groups):
    """The time that even the fastest of the finished groups trained: all curves reach it."""
    ends = [np.array(r["curve"], dtype=float)[-1, 1] for runs in groups for r in runs]
    return float(np.nanmin(ends))


def spread(values, digits=3):
    """The mean with its 95 % interval over seeds (Student); runs that diverged are counted."""
    good = values[np.isfinite(values)]
    if not len(good):
        return "diverged"
    lost = f" ({len(values) - len(good)} of {len(values)} diverged)" if len(good) < len(values) else ""
    form = f".{digits}f" if np.max(np.abs(good)) < 1e4 else ".0e"
    half = f" ± {interval(good):{form}}" if len(good) > 1 else ""
    return f"{good.mean():{form}}{half}{lost}"


def ends(groups, column=2, seconds=None):
    """Means of the ends of groups, one beside the other; nan where there are none."""
    found = [final(group, column, seconds) if group else np.array([]) for group in groups]
    good = [values[np.isfinite(values)] for values in found]
    return ", ".join(f"{values.mean():.3g}" if len(values) else "nan" for values in good)


def interval(values):
    """Half the 95 % interval of the mean of a few values."""
    from scipy.stats import t

    return t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))


def grouped(runs, *keys):
    """Runs by what one of their settings is, or by what several are, a tuple."""
    found = {}
    for r in runs:
        found.setdefault(tuple(r[k] for k in keys) if len(keys) > 1 else r[keys[0]], []).append(r)
    return found
