"""One thread, and no warnings of numbers: how every run computes."""

import numpy as np


def one_thread():
    """Matrices this small lose by threads, and a run is to have one core. One that diverges says so in its curve."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    np.seterr(all="ignore")
