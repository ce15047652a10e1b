"""What the experiments share: studies whose runs are kept, loops, verdicts, tables, figures."""

from .claims import Claim
from .command_line import main
from .curves import curves, ends, final, grouped, longest, shortest, spread
from .derived import averaged, derived, gained
from .figures import axes, axes_beside_images, band, bands, heat, legend_below, ways
from .learning import epochs, follow, follow_episodes, learn
from .options import options
from .studies import Row, Study
from .tables import show, table
from .threads import one_thread
from .timing import in_turns
from .verdicts import above, alike, below, contrary, diverge, either, known, over, steadier, together, under

__all__ = [
    "Claim",
    "Row",
    "Study",
    "above",
    "alike",
    "averaged",
    "axes",
    "axes_beside_images",
    "band",
    "bands",
    "below",
    "contrary",
    "curves",
    "derived",
    "diverge",
    "either",
    "ends",
    "epochs",
    "final",
    "follow",
    "follow_episodes",
    "gained",
    "grouped",
    "heat",
    "in_turns",
    "known",
    "learn",
    "legend_below",
    "longest",
    "main",
    "one_thread",
    "options",
    "over",
    "shortest",
    "show",
    "spread",
    "steadier",
    "table",
    "together",
    "under",
    "ways",
]
