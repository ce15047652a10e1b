"""The rules for NumPy's own functions: as dualgrad is imported, before a test adds others or imports dualgrad.scipy."""

from dualgrad.tables import KINDS, OWN

KINDS_OF_NUMPY = {function: kind for function, kind in KINDS.items() if function not in OWN}
