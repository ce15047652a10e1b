"""Doing what is outstanding: runs side by side under a progress bar, each kept the moment it is done."""

import os
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, ProcessPoolExecutor, wait

from . import results
from .studies import key
from .threads import one_thread


def accomplish(studies, jobs, folder_of, later=False, title="runs"):
    """Make the outstanding runs of studies, ``jobs`` at a time, seed by seed: what is stopped early has a little of
    everything. Returns those that failed: the study's name, settings, and the error.

    Stopped by Ctrl-C it ends at once: what is done is kept, and the next call goes on.
    """
    from tqdm import tqdm

    failed, asked, waiting, running = [], set(), [], {}
    total = sum(outstanding(study, results.read(folder_of(study)), later)[0] for study in studies)
    pool = _Pool(jobs)

    def find(study):
        """The runs of a study that can be made by now."""
        for settings in study.outstanding(results.read(folder_of(study)), later):
            if (study.name, key(settings)) not in asked:
                asked.add((study.name, key(settings)))
                waiting.append((study, settings))
        waiting.sort(key=lambda found: found[1]["seed"])

    with tqdm(desc=title, unit="run", file=sys.stderr, smoothing=0, total=total) as bar, pool:
        for study in studies:
            find(study)
        while waiting or running:
            while waiting and len(running) < jobs:
                study, settings = waiting.pop(0)
                running[pool.submit(study.run, settings)] = study, settings
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                study, settings = running.pop(future)
                try:
                    results.write(folder_of(study), study, settings, *future.result())
                except Exception as error:  # of a run, of what it returned, or of its file: the others go on
                    failed.append((study.name, settings, error))
                    if isinstance(error, BrokenExecutor):
                        pool.renew()
                bar.update()
                bar.set_postfix_str(" ".join(str(v) for v in settings.values())[:60])
                if "rate" in settings:
                    find(study)
    return failed


class _Pool:
    """Processes of one thread, which end with this one, however it ends."""

    def __init__(self, jobs):
        self.jobs = jobs
        self.renew()

    def renew(self):
        """New processes, where one has died."""
        self.executor = ProcessPoolExecutor(self.jobs, initializer=_begin, initargs=(os.getpid(),))

    def submit(self, function, settings):
        return self.executor.submit(_made, function, settings)

    def __enter__(self):
        return self

    def __exit__(self, kind, *error):
        processes = list((self.executor._processes or {}).values())
        self.executor.shutdown(wait=kind is None, cancel_futures=True)
        for process in processes if kind else ():
            process.kill()


def _begin(parent):
    """A process of one thread, which looks every second whether the one that began it is still there."""

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    one_thread()
    threading.Thread(target=watch, daemon=True).start()


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
