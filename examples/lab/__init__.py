"""What the experiments share: their command line, the loops in which they compare, runs side by side, curves, tables,
figures, results as JSON."""

from .command_line import arguments, one_thread
from .curves import at_best_rates, beyond, curves, final, grouped, shortest, spread
from .figures import axes, axes_beside_images, band, bands, heat, ways
from .learning import epochs, follow, follow_episodes, learn
from .options import options
from .pools import run, tuned
from .results import save
from .tables import table, verdicts
from .timing import in_turns

__all__ = [
    "arguments",
    "at_best_rates",
    "axes",
    "axes_beside_images",
    "band",
    "bands",
    "beyond",
    "curves",
    "epochs",
    "final",
    "follow",
    "follow_episodes",
    "grouped",
    "heat",
    "in_turns",
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
    "ways",
]
