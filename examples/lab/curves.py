"""What curves say: their ends, at equal updates or equal time, their spread over seeds, and the best rates."""

import numpy as np


def curves(runs, column):
    """A column of the curves of runs that differ only in their seed, ``(runs, points)``, None as NaN."""
    return np.array([r["curve"] for r in runs], dtype=float)[:, :, column]


def final(runs, column, seconds=None):
    """The last entries of a column; with ``seconds``, those at an equal time of training instead."""
    values = []
    for r in runs:
        rows = np.array(r["curve"], dtype=float)
        if seconds is None:
            values.append(rows[-1, column])
        else:
            rows = rows[~np.isnan(rows[:, 1])]
            values.append(np.interp(seconds, rows[:, 1], rows[:, column]))
    return np.array(values)


def shortest(groups):
    """The time that even the fastest of the finished groups trained: all curves reach it."""
    ends = [np.array(r["curve"], dtype=float)[-1, 1] for runs in groups for r in runs]
    return float(np.nanmin(ends))


def spread(values, digits=3):
    """Mean ± standard deviation over seeds; runs that diverged are counted."""
    good = values[np.isfinite(values)]
    if not len(good):
        return "diverged"
    lost = f" ({len(values) - len(good)} of {len(values)} diverged)" if len(good) < len(values) else ""
    form = f".{digits}f" if np.max(np.abs(good)) < 1e4 else ".0e"
    return f"{good.mean():{form}} ± {good.std(ddof=min(1, len(good) - 1)):{form}}{lost}"


def beyond(high, low):
    """Whether values lie above others, over seeds, in words; not said where the difference is within their spread."""
    gain, noise = np.nanmean(high) - np.nanmean(low), np.hypot(np.std(high), np.std(low))
    return "within the spread" if abs(gain) <= noise else "holds" if gain > 0 else "does not hold"


def grouped(runs, *keys):
    """Runs by what one of their settings is, or by what several are, a tuple."""
    found = {}
    for r in runs:
        found.setdefault(tuple(r[k] for k in keys) if len(keys) > 1 else r[keys[0]], []).append(r)
    return found


def at_best_rates(runs, column, *keys):
    """Runs by what some of their settings are, at the rate with the lowest mean over seeds at the end of a column."""
    best = {}
    for (*source, _), group in grouped(runs, *keys, "rate").items():
        score, source = np.nan_to_num(final(group, column).mean(), nan=np.inf), tuple(source)
        if source not in best or score < best[source][0]:
            best[source] = score, group
    return {source: group for source, (_, group) in best.items()}
