"""The evaluation trace: what a jvp computes, one operation a line, as in Griewank and Walther (2008, section 2.2) and
Baydin et al. (2018, table 2).
"""

from .evaluation import Trace, trace
from .row import Row

__all__ = ["Row", "Trace", "trace"]
