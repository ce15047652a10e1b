"""The rules for NumPy's own functions: as dualgrad is imported, before a test adds others or imports dualgrad.scipy."""

from dualgrad.tables import KINDS

KINDS_OF_NUMPY = dict(KINDS)
