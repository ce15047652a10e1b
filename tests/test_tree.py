"""Trees: taken apart and put together again, and the messages when two of them differ."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.tree import flatten, leaves, leaves_like, map_leaves, paths, unflatten

Point = namedtuple("Point", "x y")
PARAMS = dg.Params({"w": np.ones((2, 2)), "b": np.zeros(2)})
TREES = [
    1.0, np.ones(2), None, {}, [], (), {"a": 1.0}, [1.0, [2.0, (3.0,)]], (1.0, None), Point(1.0, {"k": [2.0]}),
    {"z": 1.0, "a": 2.0}, {"a": None, "b": [None, 1.0]}, {1: 2.0, (3, 4): 5.0},
]  # fmt: skip


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_flatten_and_unflatten_are_inverse(tree):
    found, structure = flatten(tree)
    again = unflatten(structure, found)
    assert type(again) is type(tree)
    assert repr(again) == repr(tree)
    assert leaves(tree) == found
    assert len(paths(structure)) == len(found) if tree is not None else True
    assert flatten(again)[1] == structure
    assert repr(map_leaves(lambda x: x, tree)) == repr(tree)


def test_params_are_a_container():
    found, structure = flatten({"p": PARAMS, "x": 1.0})
    assert len(found) == 3
    again = unflatten(structure, found)
    assert isinstance(again["p"], dg.Params)
    assert again["p"]["w"].base is not None


def test_an_ordered_dict_comes_back_as_a_dict():
    assert map_leaves(lambda x: x, OrderedDict(a=1.0)) == {"a": 1.0}


def test_leaves_like_matches_by_key():
    _, structure = flatten({"a": 1.0, "b": [2.0, None]})
    assert leaves_like({"b": [20.0, None], "a": 10.0}, structure, "v") == [10.0, 20.0]
    _, structure = flatten(PARAMS)
    assert len(leaves_like({"b": 0.0, "w": 1.0}, structure, "v")) == 2


def test_paths_name_every_leaf():
    _, structure = flatten({"a": [1.0, None], "b": Point(1.0, (2.0,))})
    assert paths(structure) == ["['a'][0]", "['b'][0]", "['b'][1][0]"]


MISMATCHES = [
    ({"a": 1.0}, {"b": 1.0}, r"v does not match the primal's structure: missing \['a'\], unexpected \['b'\]"),
    ({"a": [1.0]}, {"a": [1.0, 2.0]}, r"v\['a'\] .* unexpected \['1'\]"),
    ({"a": [1.0]}, {"a": {0: 1.0}}, r"v\['a'\] is a dict; expected a sequence"),
    ({"a": 1.0}, [1.0], "v is a list; expected a mapping"),
    (1.0, [1.0], "v is a list; expected an array"),
    (1.0, PARAMS, "v is a Params; expected an array"),
    ([None], [1.0], r"v\[0\] is a float; expected None"),
    ([1.0], None, "v is a NoneType; expected a sequence"),
]


@pytest.mark.parametrize(("tree", "other", "message"), MISMATCHES)
def test_mismatches_name_the_place(tree, other, message):
    with pytest.raises(dg.StructureError, match=message):
        leaves_like(other, flatten(tree)[1], "v")


def test_too_few_leaves_is_an_error():
    with pytest.raises((StopIteration, RuntimeError, ValueError)):
        unflatten(flatten([1.0, 2.0])[1], [1.0])
