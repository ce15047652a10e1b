"""While a trace runs, the rules in the tables, and the methods of a Dual that do without them, are replaced by ones
that also write down what they did. A level belongs to one jvp alone, so the level of the operands says which trace an
operation belongs to; other threads and other levels pass through. When the last trace ends, everything is put back.
"""

import functools
import math
import threading
from contextlib import contextmanager, nullcontext

import numpy as np

from ..cures import dotted
from ..custom import custom_jvp
from ..dual import LIVE, Dual
from ..rules.operators import BINARY
from ..tables import RULES
from ..tree import flatten
from ..zero import ZERO

_active = {}  # level -> its recorder
_lock = threading.Lock()
_undo = []


@contextmanager
def watching(recorder):
    try:
        with _lock:
            if not _active:
                _install()
            _active[recorder.level] = recorder
        yield
    finally:
        with _lock:
            _active.pop(recorder.level, None)
            while _undo and not _active:
                _undo.pop()()


def _install():
    from ..nn.layer import Layer
    from ..nn.losses import Loss

    for function, rule in list(RULES.items()):
        _replace_rule(function, rule, _watched(rule, _called(_short_name(function), function)))
    for name, ufunc in (*BINARY.items(), ("pow", np.power)):
        _replace(Dual, f"__i{name}__", _called(f"i{name}", ufunc))
    _replace(Dual, "__getitem__", _called("getitem", None))
    _replace(Dual, "__setitem__", _called("setitem", None))
    _replace(Dual, "astype", _called("astype", None))
    _replace(Dual, "__pow__", _called("power", np.power))
    _replace(Dual, "__rpow__", lambda self, other: ("power", np.power, (other, self), {}))
    _replace(Dual, "__array_ufunc__", _ufunc_called)
    _replace(Dual, "__array_function__", lambda self, f, types, args, kwargs: (_short_name(f), f, args, kwargs))
    _replace(custom_jvp, "__call__", lambda self, *args, **kwargs: (self.__name__, None, args, kwargs))
    _replace(Loss, "__call__", lambda self, *args, **kwargs: (repr(self), None, args, kwargs))
    _replace(Layer, "__call__", watched=_watched_layer)
    _replace(Layer, "push", watched=_watched_push)


def _short_name(function):
    return dotted(function).removeprefix("np.")


def _called(name, function):
    return lambda *args, **kwargs: (name, function, args, kwargs)


def _ufunc_called(self, ufunc, method, *args, **kwargs):
    name = _short_name(ufunc) if method == "__call__" else f"{_short_name(ufunc)}.{method}"
    return name, ufunc, args, kwargs


def _replace_rule(function, rule, watched):
    RULES[function] = watched
    _undo.append(lambda: RULES.get(function) is watched and RULES.update({function: rule}))  # f may call defjvp


def _replace(kind, name, describe=None, watched=None):
    original = vars(kind)[name]
    setattr(kind, name, _watched(original, describe) if watched is None else watched(original))
    _undo.append(lambda: setattr(kind, name, original))


def _recorder_of(*operands):
    """The trace of the highest level among the operands, unless it is busy: with an operation that this is part of."""
    recorder = _active.get(max((a.level for a in flatten(operands)[0] if isinstance(a, Dual)), default=0))
    return None if recorder is None or recorder.running.get(threading.get_ident()) else recorder


def _watched(original, describe):
    """The same, written down; ``describe(*args)`` gives operation, function, args and kwargs."""

    def call(*args, **kwargs):
        recorder = _recorder_of(args, kwargs)
        if recorder is None:
            return original(*args, **kwargs)
        return recorder.run(lambda: original(*args, **kwargs), *describe(*args, **kwargs))

    return call


def _watched_layer(original):
    """The call of a layer, whose rule, or the rules of the layers in it, will write the rows."""

    def call(layer, p, x, **kwargs):
        recorder = _recorder_of(p, x)
        if recorder is None:
            return original(layer, p, x, **kwargs)
        with recorder.busy("layer"):
            return original(layer, p, x, **kwargs)

    return call


def _watched_push(original):
    """The rule of a layer, which sees primals and tangents apart; a row, unless layers in it have written theirs."""
    from ..nn.lead import takes_lead

    def call(layer, p, x, dp, dx, **kwargs):
        me, rule = threading.get_ident(), original.fget(layer)
        recorder = next((r for r in list(_active.values()) if r.running.get(me) == "layer"), None)
        if recorder is None:
            return rule(p, x, dp, dx, **kwargs)
        join = lambda v, d: v if d is ZERO else Dual(v, d, recorder.level)  # noqa: E731
        weights, steps = {name: join(v, dp.get(name, ZERO)) for name, v in p.items()}, recorder.steps
        args = [*weights.values(), join(x, dx)]
        operands, inputs = tuple(map(recorder.named, args)), recorder.inputs(args)
        with nullcontext() if takes_lead(layer) else recorder.busy("direction"):
            y, dy = rule(p, x, dp, dx, **kwargs)
        if recorder.steps == steps:
            once = max(y.size, math.prod(y.shape[:-1]) * sum(w.size for w in weights.values()))
            terms = any(map(recorder.is_mine, args[:-1])) + recorder.is_mine(args[-1])
            work = once, once * terms * math.prod(LIVE[recorder.level])
            recorder.write(repr(layer), operands, inputs, join(y, dy), work)
        return y, dy

    return property(lambda layer: functools.partial(call, layer))
