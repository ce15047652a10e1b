"""Who holds an object: modules, closures, defaults, partial functions, classes and other objects; exchanged in all."""

import functools
import gc
import types


def holders_of(objects):
    """What refers to any of the objects by a name, and can be made to refer to others."""
    found, tuples, spaces = [], [], []
    for holder in gc.get_referrers(*objects):
        if isinstance(holder, dict):
            (spaces if "__module__" in holder else found).append(holder)
        elif isinstance(holder, tuple):
            tuples.append(holder)
        elif isinstance(holder, (types.CellType, functools.partial)) or type(getattr(holder, "__dict__", 0)) is dict:
            found.append(holder)
    if tuples:
        having = (types.FunctionType, functools.partial)
        found += [holder for holder in gc.get_referrers(*tuples) if isinstance(holder, having)]
    if spaces:
        found += [holder for holder in gc.get_referrers(*spaces) if isinstance(holder, type)]
    return found


def exchange(holders, pairs):
    """Where one of a pair is held, hold the other."""
    other = {id(one): other for one, other in pairs}
    for holder in holders:
        _exchange(holder, other)


def _exchange(holder, other):
    swap = lambda x: other.get(id(x), x)  # noqa: E731
    match holder:
        case types.CellType():
            holder.cell_contents = swap(holder.cell_contents)
        case functools.partial():
            holder.__setstate__((swap(holder.func), tuple(map(swap, holder.args)), holder.keywords, vars(holder)))
        case types.FunctionType():
            holder.__defaults__ = holder.__defaults__ and tuple(map(swap, holder.__defaults__))
        case type():
            for name, value in [*vars(holder).items()]:
                if id(value) in other:
                    setattr(holder, name, swap(value))
        case dict():
            holder.update({name: swap(value) for name, value in holder.items() if id(value) in other})
        case _ if isinstance(getattr(holder, "__dict__", None), dict):
            _exchange(vars(holder), other)
