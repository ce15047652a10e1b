"""What cannot carry a tangent, and what to write instead: the text of the error."""

import numpy as np

from ..tables import REFUSED

REASONS = {
    "it makes an array of plain numbers, which cannot come from a Dual: use dg.primal(x) for a size or a bound":
    "fromfunction fromiter",
    "leave it out, x is an array already": "require",
    "it reads or writes plain numbers: use dg.primal(x)":
    "save savez savez_compressed savetxt loadtxt genfromtxt fromfile frombuffer fromstring",
    "its length depends on the values: np.sort keeps the tangents, and dg.primal(x) leaves them":
    "unique unique_all unique_counts unique_inverse unique_values union1d intersect1d setdiff1d setxor1d trim_zeros",
    "counts do not change with the sample: use dg.primal(x), and np.bincount(places, weights) for weights that move":
    "histogram histogram2d histogramdd histogram_bin_edges",
    "neighbouring floating-point numbers have no derivative: use dg.primal(x)": "nextafter",
    "its derivative is the Bessel function I1, which NumPy lacks: import dualgrad.scipy and use scipy.special.i0":
    "i0",
    "it is for bits, dates or strings, in which there is nothing to differentiate":
    "packbits unpackbits busday_count busday_offset is_busday datetime_as_string",
}  # fmt: skip

for reason, names in REASONS.items():
    REFUSED.update({getattr(np, name): reason for name in names.split() if hasattr(np, name)})
REFUSED["numpy.lib.recfunctions"] = "it is for structured arrays, whose fields carry no tangent: keep fields in a dict"
