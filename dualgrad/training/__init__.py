"""Training in one call: `fit`, the `History` it returns, and when it stops early."""

from .early_stopping import EarlyStopping
from .fit import fit  # noqa: F401 (dg.fit)
from .history import History
from .run import AfterEpoch

__all__ = ["AfterEpoch", "EarlyStopping", "History"]
