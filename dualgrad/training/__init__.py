"""Training in one call: `fit`, the `History` it returns, when it stops early, and `evaluate`."""

from .early_stopping import EarlyStopping
from .evaluating import evaluate  # noqa: F401 (dg.evaluate)
from .fitting import fit  # noqa: F401 (dg.fit)
from .history import History
from .run import AfterEpoch

__all__ = ["AfterEpoch", "EarlyStopping", "History"]
