"""Trees: taken apart and put together again, and the messages when two of them differ."""

import copy
import pickle
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.tree import _REGISTRY, flatten, leaves, leaves_like, map_leaves, paths, rebuild, register, unflatten

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
    ([None], [{}], r"v\[0\] is a dict; expected None"),
    (1.0, {}, "v is a dict; expected an array"),
    ([1.0], None, "v is a NoneType; expected a sequence"),
]


@pytest.mark.parametrize(("tree", "other", "message"), MISMATCHES)
def test_mismatches_name_the_place(tree, other, message):
    with pytest.raises(dg.StructureError, match=message):
        leaves_like(other, flatten(tree)[1], "v")


def test_too_few_leaves_is_an_error():
    with pytest.raises((StopIteration, RuntimeError, ValueError)):
        unflatten(flatten([1.0, 2.0])[1], [1.0])


# ---------------------------------------------------------------------- containers of one's own


@dataclass
class Line:
    slope: object
    offset: object


@dataclass
class Pair:
    first: object
    second: object
    unit: str = "m"


@dataclass
class Stats:
    w: object
    seen: object = None


class Steeper(Line):
    pass


class Reversed(list):
    pass


@pytest.fixture(autouse=True)
def own_containers():
    before = dict(_REGISTRY)
    register(Line, lambda t: (vars(t), type(t)), lambda kind, fields: kind(**fields))
    register(Pair, lambda t: ([t.first, t.second], t.unit), lambda unit, two: Pair(*two, unit))
    register(Stats, lambda t: ({"w": t.w}, None), lambda _, c, seen: Stats(c["w"], seen), lambda t: t.seen)
    register(Reversed, lambda t: (t[::-1], None), lambda _, children: Reversed(children[::-1]))
    yield
    _REGISTRY.clear()
    _REGISTRY.update(before)


OWN = [
    (Line(np.array([1.0, 2.0]), 3.0), [".slope", ".offset"]),
    (Steeper({"a": np.ones(2)}, [1.0]), [".slope['a']", ".offset[0]"]),
    (Pair(2.0, Line(1.0, None), "s"), [".0", ".1.slope"]),
    (Stats(np.arange(3.0), "seen"), [".w"]),
    (Reversed([1.0, (2.0,)]), ["[0][0]", "[1]"]),
    ([Line(1.0, Line(2.0, 3.0))], ["[0].slope", "[0].offset.slope", "[0].offset.offset"]),
]
own = pytest.mark.parametrize(("tree", "names"), OWN, ids=repr)


def same(a, b):
    return type(a) is type(b) and repr(a) == repr(b)


@own
def test_a_registered_container_is_a_tree(tree, names):
    found, structure = flatten(tree)
    assert paths(structure) == names
    assert leaves(rebuild(structure, found)) == found
    assert same(rebuild(structure, found), tree)
    assert same(map_leaves(lambda x: x, tree), tree)
    assert leaves_like(tree, structure, "v") == found
    for copied in (copy.deepcopy(structure), pickle.loads(pickle.dumps(structure))):
        assert copied == structure
        assert same(rebuild(copied, found), tree)


@own
def test_it_is_differentiated_like_the_list_of_its_leaves(tree, names):
    found = [np.asarray(x) + 0.5 for x in leaves(tree)]
    tree = rebuild(flatten(tree)[1], found)

    def f(t):
        return sum(np.sum(np.sin((k + 1.0) * x)) for k, x in enumerate(leaves(t)))

    y, dy = dg.jvp(f, (tree,), (tree,))
    assert (y, dy) == dg.jvp(f, (found,), (found,))
    every = [np.stack([x, 2 * x]) for x in found]
    assert np.array_equal(dg.jvp(f, (tree,), (rebuild(flatten(tree)[1], every),))[1], [dy, 2 * dy])
    gradient = dg.grad(f)(tree)
    assert type(gradient) is type(tree)
    for a, b in zip(leaves(gradient), dg.grad(f)(found), strict=True):
        assert np.array_equal(a, b)
    out, moved = dg.jvp(lambda t: t, (tree,), (tree,))  # and as what a function returns
    assert same(out, tree)
    assert flatten(moved)[1] == flatten(tree)[1]
    seen = []
    dg.jvp(lambda t: seen.append(dg.primal(t)) or f(t), (tree,), (tree,))
    assert same(seen[0], tree)


def test_buffers_belong_to_the_very_tree():
    found, structure = flatten(Stats(1.0, "seen"))
    assert rebuild(structure, found).seen == "seen"
    assert unflatten(structure, found).seen is None
    assert structure == flatten(Stats(2.0, "others"))[1]
    assert dg.grad(lambda s: s.w**2)(Stats(3.0, "seen")) == Stats(6.0, None)


def test_what_else_makes_a_container_is_part_of_its_structure():
    assert flatten(Pair(1.0, 2.0, "m"))[1] == flatten(Pair(3.0, 4.0, "m"))[1]
    assert flatten(Pair(1.0, 2.0, "m"))[1] != flatten(Pair(1.0, 2.0, "s"))[1]


def test_a_tangent_may_be_made_otherwise_than_its_primal_whose_make_is_kept():
    primal, tangent = Pair(1.0, 2.0, "m"), Pair(np.ones(3), np.arange(3.0), "m of K")
    units = []
    _, slopes = dg.jvp(lambda pair: units.append(pair.unit) or pair, (primal,), (tangent,))
    assert (units, slopes.unit) == (["m"], "m")
    np.testing.assert_array_equal(slopes.second, tangent.second)


def test_a_dict_stands_for_named_children_and_a_list_for_others():
    line = Line(1.0, 2.0)
    assert leaves_like({"offset": 2.0, "slope": 1.0}, flatten(line)[1], "v") == [1.0, 2.0]
    assert leaves_like(line, flatten({"offset": 2.0, "slope": 1.0})[1], "v") == [2.0, 1.0]
    assert leaves_like([1.0, 2.0], flatten(Pair(1.0, 2.0))[1], "v") == [1.0, 2.0]


@pytest.mark.parametrize(
    ("tree", "other", "message"),
    [
        (Line(1.0, 2.0), [1.0, 2.0], "v is a list; expected a mapping like the primal's"),
        (Line(1.0, [2.0]), Line(1.0, 2.0), r"v\.offset is a float; expected a sequence"),
        (Line(1.0, 2.0), {"slope": 1.0}, r"missing \['offset'\], unexpected \[\]"),
        ({"a": Line(1.0, 2.0)}, {"a": Line([1.0], 2.0)}, r"v\['a'\]\.slope is a list; expected an array"),
        (1.0, Line(1.0, 2.0), "v is a Line; expected an array"),
        (Pair(1.0, 2.0), Line(1.0, 2.0), "v is a Line; expected a sequence"),
    ],
)
def test_mismatches_of_registered_containers_name_the_place(tree, other, message):
    with pytest.raises(dg.StructureError, match=message):
        leaves_like(other, flatten(tree)[1], "v")


class Plain:
    pass


class View(np.ndarray):
    pass


@pytest.mark.parametrize(
    ("kind", "functions", "error", "message"),
    [
        (Line(1.0, 2.0), {}, TypeError, "got .*Line.*; expected a class"),
        (Line, {}, ValueError, "Line is registered already"),
        (dg.Params, {}, ValueError, "Params is registered already"),
        *((kind, {}, TypeError, "own classes") for kind in (dict, list, tuple, float, str, object, type(None))),
        *((kind, {}, TypeError, "an array, which is a leaf") for kind in (np.ndarray, View, np.float64, dg.Dual)),
        *((Plain, {name: 3}, TypeError, f"got {name}=3 for Plain") for name in ("flatten", "unflatten", "buffers")),
        (Plain, {"flatten": None}, TypeError, "got flatten=None"),
    ],
)
def test_what_cannot_be_registered_is_refused(kind, functions, error, message):
    before = dict(_REGISTRY)
    with pytest.raises(error, match=message):
        register(kind, **{"flatten": vars, "unflatten": vars} | functions)
    assert dict(_REGISTRY) == before


def test_children_of_no_form_are_refused():
    register(Plain, lambda tree: (iter([1.0]), None), lambda aux, children: Plain())
    with pytest.raises(TypeError, match="flatten of Plain gave children that are a list_iterator"):
        flatten(Plain())
    register(SimpleNamespace, lambda tree: vars(tree), lambda aux, children: SimpleNamespace())
    with pytest.raises(TypeError, match="flatten of SimpleNamespace gave a dict; expected a pair"):
        flatten(SimpleNamespace(a=1.0))


def test_subclasses_of_pythons_own_containers_stay_what_they_were():
    assert map_leaves(lambda x: x, defaultdict(list, a=1.0)) == {"a": 1.0}
    assert same(map_leaves(lambda x: x, Point(1.0, [2.0])), Point(1.0, [2.0]))

    class Own(dg.Params):
        pass

    own = Own({"w": np.ones(2)})
    assert flatten(own)[1] == flatten(dg.Params({"w": np.zeros(2)}))[1]
    assert type(dg.grad(lambda p: np.sum(p["w"]))(own)) is dg.Params
