"""StreamBar: how far a learner has followed its stream, on the standard error output."""

from ..training.bars import on_terminal, say
from ..training.history import as_cell


class StreamBar:
    """tqdm's bar on a terminal, where it is installed; else a line a row; or nothing."""

    def __init__(self, run, shown):
        self.run, self.bar, self.lines = run, None, shown
        if not shown or not on_terminal():
            return
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        total = min((n for n in (run.steps, run.stream.length) if n is not None), default=None)
        self.bar, self.lines = tqdm(total=total, initial=run.t, unit="step", dynamic_ncols=True), False

    def step(self):
        """One step is done."""
        if self.bar is not None:
            self.bar.update()

    def row(self, row):
        """A row is done."""
        said = "  ".join(f"{name} {as_cell(row[name])}" for name in ("loss", "episodes") if row[name] is not None)
        if self.bar is not None:
            self.bar.set_postfix_str(said, refresh=False)
        elif self.lines:
            say(f"step {row['step']}  {said}  {row['seconds']:.1f} s")

    def close(self):
        """The run is over."""
        if self.bar is not None:
            self.bar.close()
