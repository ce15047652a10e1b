"""What the experiments share: two modes, runs side by side under a progress bar, tables, figures, results as JSON."""

import argparse
import json
import os
import pathlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

import numpy as np

import dualgrad as dg


def arguments(doc, full, data=None, parts=(), **numbers):
    """The command line of every experiment; ``full`` says how long that takes, ``data`` what --data may be, ``parts``
    what --only can choose from; numbers are options of their own, with what they are by default."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--quick", action="store_true", help="seconds: shows that everything runs, and no more")
    mode.add_argument("--full", action="store_true", help=f"the experiment: {full} on two cores")
    parser.add_argument("--seeds", type=int, help="how many seeds (default 3, with --quick 2)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default 2)")
    if parts:
        named = f"only these parts of the experiment: {', '.join(parts)}"
        parser.add_argument("--only", metavar="PART", nargs="+", choices=list(parts), default=list(parts), help=named)
    parser.add_argument("--output", metavar="DIR", default="output", help="for figure and JSON (default ./output)")
    if data:
        parser.add_argument("--data", metavar="PATH", help=data)
    for name, number in numbers.items():
        parser.add_argument(f"--{name}", type=type(number), default=number, help=f"default {number}")
    args = parser.parse_args()
    args.seeds = args.seeds if args.seeds is not None else 3 if args.full else 2
    if args.seeds < 1 or args.jobs < 1:
        parser.error("--seeds and --jobs: expected at least 1")
    if data and args.data and not os.path.exists(args.data):
        parser.error(f"--data {args.data}: there is no such file or folder")
    pathlib.Path(args.output).mkdir(parents=True, exist_ok=True)
    one_thread()
    return args


def one_thread():
    """Matrices this small lose by threads, and a run is to have one core. One that diverges says so in its curve."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    np.seterr(all="ignore")


def learn(estimator, optimizer, params, batches, updates, evaluate, *, rng, after=None, points=20):
    """Train in place; the curve is of rows [updates, seconds of training, *evaluate(params)].

    It has ``points`` of them, of a short run one for every five updates. A loss or gradient that is not finite ends the
    run: what is left of the curve is None.
    """
    curve, seconds, points = [[0, 0.0, *evaluate(params)]], 0.0, min(points, max(1, updates // 5))
    marks = {round(k * updates / points) for k in range(1, points + 1)}
    for step in range(1, updates + 1):
        batch, started = batches(), time.perf_counter()
        try:
            estimate = estimator.estimate(batch, params, rng=rng)
            optimizer.step(params, estimate.gradient)
            if after is not None:
                after(params, batch)
            seconds += time.perf_counter() - started
            if step in marks:
                curve.append([step, seconds, *evaluate(params)])
        except dg.NonFiniteError:
            return curve + [[mark, None, *[None] * (len(curve[0]) - 2)] for mark in sorted(marks) if mark >= step]
    return curve


def run(function, tasks, jobs, title):
    """``function(**task)`` for every task, ``jobs`` at a time; each task comes back with its result under "curve"."""
    from tqdm import tqdm

    done = [None] * len(tasks)
    with (
        ProcessPoolExecutor(jobs, initializer=one_thread) as pool,
        tqdm(total=len(tasks), desc=title, unit="run", file=sys.stderr, smoothing=0) as bar,
    ):
        futures = {pool.submit(function, **task): k for k, task in enumerate(tasks)}
        for future in as_completed(futures):
            k = futures[future]
            done[k] = tasks[k] | {"curve": future.result()}
            bar.update()
            bar.set_postfix_str(" ".join(str(v) for v in tasks[k].values())[:60])
    return done


def tuned(function, tasks, rates, seeds, jobs, title, better=max, column=-1):
    """Each task at its own best rate (by a column at the end of its curve, seed 0), then at that rate for all seeds.

    Returns the runs at the best rates, and those of the search.
    """
    search = run(function, [t | {"rate": r, "seed": 0} for t in tasks for r in rates], jobs, f"{title}: rates")
    best = []
    for k in range(len(tasks)):
        tried = search[k * len(rates) : (k + 1) * len(rates)]
        best.append(better(tried, key=lambda found: _score(found, better, column)))
    more = [t | {"rate": b["rate"], "seed": s} for t, b in zip(tasks, best, strict=True) for s in range(1, seeds)]
    return best + run(function, more, jobs, f"{title}: seeds"), search


def _score(found, better, column):
    last = found["curve"][-1][column]
    worst = -np.inf if better is max else np.inf
    return worst if last is None or not np.isfinite(last) else last


def curves(runs, column):
    """The curves of runs that differ only in their seed: ``(points,)`` and ``(runs, points)``, None as NaN."""
    table = np.array([r["curve"] for r in runs], dtype=float)
    return table[0, :, 0], table[:, :, column]


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


def table(title, columns, rows):
    """A table on the screen, and its Markdown for the report."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in [columns, *rows]) for k in range(len(columns))]
    lines = [columns, ["-" * w for w in widths], *rows]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    print(f"\n{title}\n" + "\n".join(text))
    return {"title": title, "columns": columns, "rows": rows}


def verdicts(title, claims):
    """A table of claims, pairs of what is said and whether it holds."""
    return table(title, ["claim", "here"], [[said, "holds" if holds else "does not hold"] for said, holds in claims])


def grouped(runs, *keys):
    """Runs by what some of their settings are."""
    found = {}
    for r in runs:
        found.setdefault(tuple(r[k] for k in keys), []).append(r)
    return found


def at_best_rates(runs, column, *keys):
    """Runs by what some of their settings are, at the rate with the lowest mean over seeds at the end of a column."""
    best = {}
    for (*source, _), group in grouped(runs, *keys, "rate").items():
        score, source = np.nan_to_num(final(group, column).mean(), nan=np.inf), tuple(source)
        if source not in best or score < best[source][0]:
            best[source] = score, group
    return {source: group for source, (_, group) in best.items()}


def axes(count, height=3.4, columns=None):
    """A figure of ``count`` plots."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = columns or count
    rows = -(-count // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(4.4 * columns, height * rows), layout="constrained", squeeze=False
    )
    for ax in grid.flat[count:]:
        ax.set_axis_off()
    for ax in grid.flat[:count]:
        ax.grid(alpha=0.3)
    return figure, list(grid.flat[:count])


def band(ax, runs, column, label, **style):
    """The mean over seeds, and their range around it."""
    x, y = curves(runs, column)
    (line,) = ax.plot(x, y.mean(0), label=label, **style)
    ax.fill_between(x, y.min(0), y.max(0), color=line.get_color(), alpha=0.15, linewidth=0)


def save(args, name, figure, tables, runs):
    """The figure, and everything that is in the tables and curves as JSON."""
    folder = pathlib.Path(args.output)
    figure.savefig(folder / f"{name}.png", dpi=120)
    settings = {k: v for k, v in vars(args).items() if k != "output"}
    versions = {"dualgrad": dg.__version__, "numpy": np.__version__, "python": sys.version.split()[0]}
    report = {"experiment": name, "settings": settings, "versions": versions, "tables": tables, "runs": runs}
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1, default=float))
    print(f"\nfigure: {(folder / name).resolve()}.png\nresults: {(folder / name).resolve()}.json")
