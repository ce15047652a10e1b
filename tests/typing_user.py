"""Programs as users write them, for type checkers."""

import dualgrad as dg

rate: float = 0.1
print(dg.__version__, rate)
