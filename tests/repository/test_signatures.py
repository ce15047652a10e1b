"""What the rooms of estimators, directions, online learning and checks offer says in its signatures what it takes.

No parameter is hidden behind *args or **kwargs, and every one has a type, as has what comes back; methods likewise.
"""

import inspect

import pytest

from dualgrad import directions, estimators, online, testing
from dualgrad.testing import strategies

ROOMS = estimators, directions, online, testing, strategies
PUBLIC = {f"{room.__name__}.{name}": getattr(room, name) for room in ROOMS for name in room.__all__}
SHOWN = {
    name: thing
    for name, thing in PUBLIC.items()
    if inspect.isfunction(thing) or inspect.isclass(thing) and not issubclass(thing, Exception)
}
SEVERAL = {testing.check_vjp: ["kwargs"]}  # they go to the rules of a layer, which may have any


def parameters(thing):
    return inspect.signature(thing).parameters.values()


def methods(kind):
    """The public methods of a class, and of those of the package that it derives from, properties as functions."""
    for base in kind.__mro__:
        for name, member in vars(base).items() if base.__module__.startswith("dualgrad.") else ():
            function = getattr(member, "fget", getattr(member, "__func__", member))
            if inspect.isfunction(function) and (name == "__init__" or not name.startswith("_")):
                yield function


@pytest.mark.parametrize("thing", SHOWN.values(), ids=SHOWN)
def test_a_public_name_hides_no_parameters(thing):
    several = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    assert [p.name for p in parameters(thing) if p.kind in several] == SEVERAL.get(thing, [])


@pytest.mark.parametrize("thing", SHOWN.values(), ids=SHOWN)
def test_all_that_a_public_name_takes_and_returns_has_a_type(thing):
    for function in methods(thing) if inspect.isclass(thing) else [thing]:
        untyped = [p.name for p in parameters(function) if p.annotation is p.empty and p.name not in ("self", "cls")]
        assert untyped == [], function.__qualname__
        assert inspect.signature(function).return_annotation is not inspect.Signature.empty, function.__qualname__
