"""What the experiments share: their command line, runs side by side, curves, tables, figures, results as JSON."""

from .command_line import arguments, one_thread
from .curves import at_best_rates, curves, final, grouped, shortest, spread
from .figures import axes, axes_beside_images, band
from .learning import learn
from .options import options
from .pools import run, tuned
from .results import save
from .tables import table, verdicts

__all__ = [
    "arguments",
    "at_best_rates",
    "axes",
    "axes_beside_images",
    "band",
    "curves",
    "final",
    "grouped",
    "learn",
    "one_thread",
    "options",
    "run",
    "save",
    "shortest",
    "spread",
    "table",
    "tuned",
    "verdicts",
]
