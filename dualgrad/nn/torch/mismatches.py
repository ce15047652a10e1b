"""What a layer and its twin in torch differ in: class, settings, and what only one of two chains has."""

from operator import attrgetter

from ..norms import Dropout
from ..shape import Identity
from ..softmax import LogSoftmax, Softmax
from .twins import equal, idle

_PLACES = {f"{norm}{n}d": n for norm, least in (("BatchNorm", 2), ("InstanceNorm", 1)) for n in range(least, 4)}


def dotted(prefix, name):
    """The name of a part of a layer."""
    return f"{prefix}.{name}" if prefix and name else prefix or name


def label(name, layer):
    """A layer in an error: its name and its repr."""
    return f"layer {name!r}, {layer!r}" if name else repr(layer)


def in_settings(kind, layer, name, twin, x):
    """Where a layer's twin is of another class, or has other settings."""
    if twin is None or not kind.torch or isinstance(layer, (Dropout, Identity)) and idle(twin):
        return
    if not {c.__name__ for c in type(twin).__mro__} & set(kind.torch.split()):
        yield f"{label(name, layer)} is a {type(twin).__name__} in torch"
        return
    x.places.settle(_PLACES.get(type(twin).__name__))
    expected = kind.settings(layer) | (kind.training(layer) if twin.training else {})
    if isinstance(layer, (Softmax, LogSoftmax)):
        dims = _dims(layer.dim, x)
        expected = {"dim": twin.dim if twin.dim in dims else dims[-1]}
    for setting, value in expected.items():
        found = attrgetter(setting)(twin)
        found = getattr(found, "__name__", type(found).__name__.lower()) if callable(found) else found
        if not equal(found, value, layer):
            yield f"{label(name, layer)} has {setting}={value!r}, and {setting}={found!r} in torch"


def _dims(dim, x):
    """What torch calls an axis of ours, the likeliest last: with the channels first, all others come one later."""
    if dim == -1:
        return (1, -1) if x.flat else (1,) if x.first.value else (-1,)
    return (dim + 1,) if x.first.value and dim != 0 else (dim,)


def in_chain(layer, ours, theirs, names, modules):
    """What only one of two chains has; ``names`` are the modules' that are called otherwise."""
    twin = modules.get(theirs)
    if type(twin).__name__ != "Sequential":
        return
    children = {names.get(dotted(ours, name), dotted(theirs, name)): name for name in layer.children}
    for name, other in twin.named_children():
        if dotted(theirs, name) not in children and not idle(other) and type(other).__name__ != "Flatten":
            yield f"torch's {dotted(theirs, name)!r}, {other!r}, has no layer here"
    for full, name in children.items():
        if full not in modules and not isinstance(layer.children[name], (Dropout, Identity)):
            yield f"{label(dotted(ours, name), layer.children[name])} is not in torch's chain"
