"""Layouts: trees as vectors and back, whatever the tree."""

import copy
import gc
import pickle
import weakref
from collections import namedtuple

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import tree as tree_module
from dualgrad.layout import Layout, ravel
from dualgrad.tree import flatten
from tests.support.strict import device

Pair = namedtuple("Pair", "first second")
RNG = np.random.default_rng(0)


def made(kind, *shape):
    return RNG.normal(size=shape).astype(kind)


TREES = {
    "Params": dg.Params({"0.weight": made("f4", 3, 2), "0.bias": made("f4", 2)}),
    "Params with buffers": dg.Params({"w": made("f8", 2)}, {"mean": np.ones(3)}),
    "Params without entries": dg.Params({}),
    "an array": made("f8", 2, 3),
    "a number": np.float64(3.0),
    "0-d": np.array(3.0),
    "no entries": made("f8", 0, 3),
    "a dict": {"w": made("f4", 2, 2), "b": made("f4", 2)},
    "dtypes": {"a": made("f2", 2), "b": [made("f4", 2, 1), made("f8", 3)]},
    "complex among real": (made("f8", 2), made("f8", 2) + 1j * made("f8", 2)),
    "nested": [
        Pair(made("f8", 2), None),
        {"net": dg.Params({"w": made("f8", 2, 2)}, {"seen": np.ones(1)}), "s": np.float32(2)},
    ],
    "not contiguous": made("f8", 4, 6)[::2, ::3],
}
every = pytest.mark.parametrize("tree", TREES.values(), ids=TREES)


def same(a, b):
    (found, one), (expected, other) = flatten(a), flatten(b)
    kinds = all(type(x) is type(y) and x.dtype == y.dtype for x, y in zip(found, expected, strict=True))
    return type(a) is type(b) and one == other and kinds and all(map(np.array_equal, found, expected))


@every
def test_there_and_back(tree):
    layout = Layout.of(tree)
    vector = layout.vector(tree)
    assert vector.shape == (layout.size,)
    assert same(layout.tree(vector), tree)
    found = flatten(tree)[0]
    assert [layout.shapes[n] for n in layout.shapes] == [np.shape(x) for x in found]
    for name, leaf in zip(layout.shapes, found, strict=True):
        assert np.array_equal(vector[layout.slices[name]], np.ravel(leaf))
    assert len(layout.paths) == len(found)


@every
def test_rows_of_trees(tree):
    layout = Layout.of(tree)
    rows = np.stack([layout.vector(tree), 2 * layout.vector(tree), 0 * layout.vector(tree)])
    several = layout.tree(rows)
    for leaf, one in zip(flatten(several)[0], flatten(tree)[0], strict=True):
        assert np.shape(leaf) == (3, *np.shape(one))
        assert leaf.dtype == one.dtype
        assert np.array_equal(leaf[1], leaf.dtype.type(2) * one)
    if layout.shapes:
        assert np.array_equal(layout.rows(several, 3), rows)


@every
def test_layouts_are_values(tree):
    layout, other = Layout.of(tree), Layout.of(copy.deepcopy(tree))
    assert layout == other
    assert hash(layout) == hash(other)
    assert {layout: 1}[other] == 1
    for copied in (copy.deepcopy(layout), pickle.loads(pickle.dumps(layout))):
        assert copied == layout
        assert same(copied.tree(layout.vector(tree)), tree)
    for name, another in TREES.items():
        assert (Layout.of(another) == layout) == (another is tree), name
    with pytest.raises(AttributeError, match="a Layout cannot be changed; got size = 3"):
        layout.size = 3
    for change in (lambda: layout.shapes.update(a=(1,)), lambda: layout.slices.__setitem__("a", slice(1))):
        with pytest.raises(TypeError, match="cannot be changed"):
            change()


def test_it_holds_nothing_of_a_model():
    params = TREES["Params with buffers"]
    nested = Layout.of({"net": params})
    assert not nested.tree(np.ones(2))["net"].buffers
    assert "ones" not in repr(pickle.dumps(nested))
    assert b"mean" not in pickle.dumps(nested)


def test_a_vector_of_params_is_theirs_and_views_are_views():
    params = TREES["Params"]
    vector, layout = ravel(params)
    assert vector is params.vector
    assert layout is params.layout
    vector = np.zeros(layout.size, np.float32)
    for tree in (layout.tree(vector), Layout.of(dict(params)).tree(vector)):
        assert all(np.shares_memory(leaf, vector) for leaf in tree.values())


def test_a_dict_stands_for_params_in_any_order():
    params = TREES["Params"]
    back = dict(reversed(params.items()))
    assert np.array_equal(params.layout.vector(back), params.vector)


def test_rounding_is_that_of_each_leaf():
    layout = Layout.of({"a": np.zeros(2, np.float32), "b": np.zeros(1)})
    v = np.array([1 + 1e-12, 1.0, 1 + 1e-12])
    assert layout.rounded(v).tolist() == [1.0, 1.0, 1 + 1e-12]
    assert TREES["Params"].layout.rounded(v) is v
    assert [str(d) for d in layout.dtype_of_entries(v)] == ["float32", "float32", "float64"]


def test_entries_are_named_as_one_would_index_them():
    layout = Layout.of({"w": [np.zeros((2, 3)), np.float64(1.0)]})
    assert [layout.entry(k) for k in (0, 4, 6)] == ["['w'][0][0, 0]", "['w'][0][1, 1]", "['w'][1]"]
    assert Layout.of(np.zeros(3)).entry(2) == "[2]"
    assert TREES["Params"].layout.entry(7) == "['0.bias'][1]"
    with pytest.raises(IndexError, match="got the entry 7 of 7"):
        layout.entry(7)


@pytest.mark.parametrize(
    ("tree", "error", "message"),
    [
        ({"w": np.ones((2, 2))}, dg.StructureError, r"v does not match .* missing \['b'\]"),
        (
            {"w": np.ones((2, 3)), "b": np.ones(2)},
            dg.ShapeError,
            r"v has a leaf of shape \(2, 3\) at \['w'\]; expected \(2, 2\)",
        ),
        (np.ones(6), dg.StructureError, "v is a ndarray; expected a mapping"),
        ([np.ones((2, 2)), np.ones(2)], dg.StructureError, "v is a list; expected a mapping"),
    ],
)
def test_other_trees_are_refused(tree, error, message):
    with pytest.raises(error, match=message):
        Layout.of(TREES["a dict"]).vector(tree, "v")
    params = dg.Params(TREES["a dict"])
    with pytest.raises(error, match=message):
        params.layout.vector(tree, "v")


@every
@pytest.mark.parametrize("more", [-1, 1])
def test_vectors_of_another_length_are_refused(tree, more):
    layout = Layout.of(tree)
    if layout.size + more >= 0:
        for make in (layout.tree, layout.views):
            with pytest.raises(dg.LayoutError, match=f"{layout.size} *(entries)?"):
                make(np.zeros(layout.size + more))


def test_double_precision_is_of_real_numbers():
    layout = Layout.of(TREES["dtypes"])
    assert layout.double(TREES["dtypes"]).dtype == np.float64
    with pytest.raises(TypeError, match="got complex128 numbers; expected real ones"):
        Layout.of(np.ones(2, complex)).double(np.ones(2, complex))


def test_vectors_stay_on_their_device():
    tree = {"w": device(np.ones((2, 2))), "b": device(np.ones(2))}
    layout = Layout.of(tree)
    vector = layout.vector(tree)
    assert type(vector) is type(tree["w"])
    assert type(layout.tree(np.zeros(6), like=vector)["w"]) is type(vector)


class Scale:
    """A container with something else that makes it."""

    def __init__(self, w, aux):
        self.w, self.aux = w, aux


@pytest.fixture
def scales():
    before = dict(tree_module._REGISTRY)
    tree_module.register(Scale, lambda t: ({"w": t.w}, t.aux), lambda aux, children: Scale(children["w"], aux))
    yield Scale
    tree_module._REGISTRY.clear()
    tree_module._REGISTRY.update(before)


def test_what_makes_a_container_is_its_own(scales):
    for aux in (np.arange(3), [1], object()):
        one, other = Scale(np.ones(2), copy.copy(aux)), Scale(np.ones(2), copy.copy(aux))
        for tree in (one, other):
            layout = Layout.of(tree)
            assert layout.tree(layout.vector(tree)).aux is tree.aux
    one, other = Layout.of(Scale(np.ones(2), True)), Layout.of(Scale(np.ones(2), 1))
    assert (one.tree(np.ones(2)).aux, other.tree(np.ones(2)).aux) == (True, 1)
    assert type(other.tree(np.ones(2)).aux) is int
    aux = type("Aux", (), {})()
    seen, kept = Scale(np.ones(2), aux), weakref.ref(aux)
    Layout.of(seen)
    del aux, seen
    gc.collect()
    assert kept() is None


def test_keys_that_are_equal_stay_what_they_are():
    for key in (1, True, 1.0, "1"):
        (found,) = Layout.of({key: np.ones(2)}).tree(np.ones(2))
        assert type(found) is type(key)


def test_a_layout_keeps_its_attributes():
    with pytest.raises(AttributeError, match="cannot be changed; got del size"):
        del Layout.of(np.ones(3)).size
