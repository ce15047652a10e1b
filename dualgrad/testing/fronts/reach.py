"""What a run reaches by name: closures, globals that its code names, defaults, bound objects, classes, attributes."""

import functools
import sys
import types

LIBRARIES = {*sys.stdlib_module_names, "numpy", "scipy", "jax", "jaxlib", "torch", "dualgrad", "pytest", "hypothesis"}
MOST_REACHED = 2000  # values that are looked at


def reach(run):
    """The holders of names, for `holders.exchange`, and the values that they hold; not inside libraries."""
    holders, values, left, seen = [], [], [run], set()
    while left and len(seen) < MOST_REACHED:
        x = left.pop()
        if id(x) not in seen:
            seen.add(id(x))
            values.append(x)
            names, parts = _reached_from(x)
            holders += names
            left += parts
    return list({id(holder): holder for holder in holders}.values()), values


def _reached_from(x):
    """Where x holds names, and what it holds."""
    match x:
        case types.FunctionType():
            return ([], []) if _is_of_library(x) else _of_function(x)
        case types.MethodType():
            return [], [x.__func__, x.__self__]
        case functools.partial():
            return [x], [x.func, *x.args, *x.keywords.values()]
        case staticmethod() | classmethod():
            return [], [x.__func__]
        case property():
            return [], [x.fget]
        case type():
            return ([], []) if _is_of_library(x) else ([x], [*vars(x).values()])
        case types.ModuleType():
            return [], []  # what is named of it is a function's
        case dict():
            return [x], [*x.values()][:MOST_REACHED]
        case list() | tuple() | set():
            return [], [*x][:MOST_REACHED]
    space = getattr(x, "__dict__", None)
    of = [type(x), getattr(x, "__self__", None)]
    return ([space], [*of, *space.values()]) if type(space) is dict else ([], of)


def _is_of_library(x):
    return str(x.__module__).partition(".")[0] in LIBRARIES


def _of_function(f):
    names, cells = _names(f.__code__), f.__closure__ or ()
    parts = _those_named(f.__globals__, names)
    modules = [
        vars(x) for x in parts if isinstance(x, types.ModuleType) and x.__name__.partition(".")[0] not in LIBRARIES
    ]
    for space in modules:
        parts += _those_named(space, names)
    keywords = f.__kwdefaults__ or {}
    parts += [*(f.__defaults__ or ()), *keywords.values(), *vars(f).values()]
    parts += [cell.cell_contents for cell in cells if cell != types.CellType()]
    return [f, f.__globals__, keywords, *modules, *cells], parts


def _those_named(space, names):
    return [space[name] for name in names if name in space]


def _names(code):
    """The names that code uses, and functions written in it."""
    inner = (x for x in code.co_consts if isinstance(x, types.CodeType))
    return {*code.co_names}.union(*map(_names, inner))
