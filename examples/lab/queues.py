"""Doing what is outstanding: runs side by side under a progress bar, each kept the moment it is done."""

import sys
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait

from . import results
from .command_line import one_thread
from .studies import key


def accomplish(studies, jobs, folder_of, later=False, title="runs"):
    """Make the outstanding runs of studies, ``jobs`` at a time, seed by seed: what is stopped early has a little of
    everything. Returns those that failed: the study's name, settings, and the error."""
    from tqdm import tqdm

    failed, running = [], {}
    with (
        ProcessPoolExecutor(jobs, initializer=one_thread) as pool,
        tqdm(desc=title, unit="run", file=sys.stderr, smoothing=0, total=0) as bar,
    ):
        asked = set()

        def submit():
            wanted = [
                (study, settings) for study in studies
                for settings in study.outstanding(results.read(folder_of(study)), later)
                if (study.name, key(settings)) not in asked
            ]  # fmt: skip
            for study, settings in sorted(wanted, key=lambda found: found[1]["seed"]):
                asked.add((study.name, key(settings)))
                future = pool.submit(_made, study.run, settings)
                running[future] = study, settings
            bar.total += len(wanted)
            bar.refresh()

        submit()
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                study, settings = running.pop(future)
                bar.update()
                if error := future.exception():
                    failed.append((study.name, settings, error))
                    continue
                results.write(folder_of(study), study, settings, *future.result())
                bar.set_postfix_str(" ".join(str(v) for v in settings.values())[:60])
                if "rate" in settings:
                    submit()
    return failed


def _made(function, settings):
    """What a run leaves, and the CPU seconds it took."""
    started = time.process_time()
    return function(**settings), time.process_time() - started


def outstanding(study, done, later=False):
    """How many runs are missing and the seconds they take, by the times of those that are done or by what rows say."""
    count, seconds = 0, 0.0
    for row in study.rows:
        if row.later == later:
            planned = study.plan(row, done)
            missing = sum(key(run) not in done for run in planned)
            if row.rates and len(planned) == len(row.rates):  # those at the best rate come after
                missing += row.seeds - 1
            timed = [done[key(run)]["seconds"] for run in planned if key(run) in done]
            count += missing
            seconds += missing * (sum(timed) / len(timed) if timed else row.seconds)
    return count, seconds
