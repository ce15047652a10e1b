"""Rules of one's own: each declarer on functions of one's own, of NumPy and ufuncs, in every way a rule is used."""

import ast
import functools
import math
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy import special

import dualgrad as dg
from dualgrad import extend, tables
from dualgrad.curvature.curved import Curved
from dualgrad.dual import Dual
from dualgrad.extend import bilinear, composite, constant, dispatched, elementwise, explicit, linear, rules_restored
from dualgrad.series import Series
from dualgrad.series.fan import Fan
from dualgrad.tracing.traced import Traced

PACKAGE = Path(dg.__file__).parent


def opaque(function):
    """A function of one's own that stands nothing but plain numbers."""

    @dispatched
    @functools.wraps(function)
    def of_plain(*args, **kwargs):
        assert all(isinstance(a, np.ndarray | np.generic | float | int) for a in args), args
        assert not any(a.dtype.hasobject for a in args if isinstance(a, np.ndarray))
        return function(*args, **kwargs)

    return of_plain


# ---------------------------------------------------------------------- the rows: six kinds, three sorts of function


def second_difference(x):
    return x[..., 2:] - 2 * x[..., 1:-1] + x[..., :-2]


def cubic(x):
    return x**3 + x


def root(x):
    return np.sqrt(x)


def mixed(x, y):
    return x * y**2


def of_three(x, y, z):
    return x * y + z / x


def bracket(a, b):
    return a @ b - b @ a


def energy(x, w):
    return np.sum(w * x * x)


def both(x):
    return np.sum(x * x), x[::-1] * 2


def centred(x, axis=-1):
    return x - np.mean(x, axis, keepdims=True)


def sine(x):
    return np.sin(x)


def floor(x):
    return np.floor(np.real(x))


def centred_rule(x, dx, lead, axis):
    assert np.shape(dx) == lead + np.shape(x)
    return centred(x, axis), dx - np.mean(dx, axis if axis < 0 else axis + len(lead), keepdims=True)


class Row(NamedTuple):
    """A function, how it is declared, what it is by functions that have rules, and the shapes of its operands."""

    kind: str
    function: object
    declare: object
    definition: object
    shapes: tuple
    complex: bool = True
    objects: bool = True

    def __str__(self):
        sort = "ufunc" if isinstance(self.function, np.ufunc) else "own" if self.function in OWN else "numpy"
        return f"{self.kind}-{self.function.__name__}-{sort}"


OWN = [
    opaque(f) for f in
    (second_difference, cubic, root, mixed, of_three, bracket, energy, both, centred, sine, floor)
]  # fmt: skip
own = {f.__name__: f for f in OWN}
ROWS = [
    Row("linear", own["second_difference"], linear, second_difference, ((5,),)),
    Row("linear", own["second_difference"], functools.partial(linear, alone=True), second_difference, ((2, 5),)),
    Row("linear", np.flip, functools.partial(linear, lead=lambda dx, n: np.flip(dx, tuple(range(1, n + 1)))), np.flip,
        ((2, 3),)),
    Row("linear", np.degrees, linear, lambda x: x * (180 / math.pi), ((3,),), complex=False),
    Row("elementwise", own["cubic"], lambda f: elementwise(f, lambda y, x: 3 * x * x + 1), cubic, ((3,),)),
    Row("elementwise", own["root"], lambda f: elementwise(f, over=lambda y, x: 2 * y), root, ((2, 3),)),
    Row("elementwise", own["mixed"], lambda f: elementwise(f, lambda u, x, y: y * y, lambda u, x, y: 2 * x * y), mixed,
        ((3,), (2, 1))),
    Row("elementwise", own["of_three"],
        lambda f: elementwise(f, lambda u, x, y, z: y - z / x**2, lambda u, x, y, z: x, lambda u, x, y, z: 1 / x),
        of_three, ((3,), (), (2, 1))),
    Row("elementwise", np.sinc, lambda f: elementwise(f, lambda y, x: (np.cos(math.pi * x) - y) / x),
        lambda x: np.sin(math.pi * x) / (math.pi * x), ((3,),)),
    Row("elementwise", special.cosm1, lambda f: elementwise(f, lambda y, x: -np.sin(x), finite=True),
        lambda x: np.cos(x) - 1, ((3,),), complex=False, objects=False),
    Row("elementwise", np.hypot, lambda f: elementwise(f, lambda u, x, y: x / u, lambda u, x, y: y / u),
        lambda x, y: np.sqrt(x * x + y * y), ((3,), (2, 3)), complex=False),
    Row("bilinear", own["bracket"], bilinear, bracket, ((2, 2), (2, 2))),
    Row("bilinear", np.kron, bilinear, lambda a, b: np.ravel(a[:, None] * b), ((2,), (3,))),
    Row("bilinear", np.vecdot, bilinear, lambda a, b: np.sum(a * b, -1), ((2, 3), (2, 3)), complex=False,
        objects=False),
    Row("composite", own["energy"], lambda f: composite(f, energy), energy, ((3,), (3,))),
    Row("composite", own["both"], lambda f: composite(f, both), both, ((3,),)),
    Row("composite", np.ptp, lambda f: composite(f, lambda a: np.max(a) - np.min(a)),
        lambda a: np.max(a) - np.min(a), ((3,),), complex=False),
    Row("composite", np.float_power, lambda f: composite(f, lambda x, n: np.exp(n * np.log(x))), lambda x, n: x**n,
        ((3,), (3,)), objects=False),
    Row("explicit", own["centred"], lambda f: explicit(f)(centred_rule), centred, ((3,),)),
    Row("explicit", own["sine"], lambda f: explicit(f)(lambda x, dx, lead: (own["sine"](x), np.cos(x) * dx)), sine,
        ((2, 3),)),
    Row("explicit", np.fft.fft, lambda f: explicit(f)(lambda x, dx, lead: (f(x), f(dx))), np.fft.fft, ((3,),),
        objects=False),
    Row("explicit", np.expm1, lambda f: explicit(f)(lambda x, dx, lead: (f(x), np.exp(x) * dx)),
        lambda x: np.exp(x) - 1, ((3,),)),
    Row("constant", own["floor"], constant, lambda x: 0 * x + np.floor(np.real(dg.primal(x))), ((3,),)),
    Row("constant", np.argsort, constant, lambda x: np.argsort(x), ((3,),)),
    Row("constant", np.rint, constant, lambda x: 0 * x + np.rint(dg.primal(x)), ((3,),), objects=False),
]  # fmt: skip
each = pytest.mark.parametrize("row", ROWS, ids=str)


def each_with(fit):
    return pytest.mark.parametrize("row", list(filter(fit, ROWS)), ids=str)


def operands(row, kind="real", dtype=None):
    """Operands and tangents: positive numbers, no two alike."""
    rng = np.random.default_rng(7)

    def draw(shape):
        x = np.asarray(rng.uniform(0.5, 2.5, shape))
        return x + 1j * rng.uniform(0.2, 0.7, shape) if kind == "complex" else x if dtype is None else x.astype(dtype)

    return [draw(s) for s in row.shapes], [draw(s) for s in row.shapes]


def outputs(y):
    return y if isinstance(y, tuple) else (y,)


def agree(found, expected, rtol=1e-11):
    for a, b in zip(outputs(found), outputs(expected), strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol, rtol)


def in_every_way(call, row):
    """What the call makes of the function by its own rule, and of its definition by the rules of others."""
    expected = call(row.definition)
    with rules_restored():
        row.declare(row.function)
        found = call(row.function)
        assert tables.KINDS[row.function] == row.kind
    return found, expected


def test_every_declarer_has_a_row_of_every_sort():
    sorts = {(row.kind, str(row).rpartition("-")[2]) for row in ROWS}
    assert sorts == {
        (kind, sort) for kind in ("linear", "elementwise", "bilinear", "composite", "explicit", "constant")
        for sort in ("own", "ufunc", "numpy")
    }  # fmt: skip


@each
def test_the_value_is_that_of_the_function(row):
    xs, vs = operands(row)
    expected = outputs(row.function(*xs))
    with rules_restored():
        row.declare(row.function)
        found = outputs(dg.jvp(row.function, tuple(xs), tuple(vs))[0])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


@pytest.mark.parametrize(
    ("row", "kind"), [(row, kind) for row in ROWS for kind in ("real", "complex")[: 1 + row.complex]], ids=str
)
def test_one_direction_and_several(row, kind):
    xs, vs = operands(row, kind)
    many = [np.stack([v, -2 * v, 0 * v + k]) for k, v in enumerate(vs)]
    for tangents in (vs, many):
        agree(*in_every_way(lambda f, tangents=tangents: dg.jvp(f, tuple(xs), tuple(tangents))[1], row))
    for k in range(len(xs)):  # the others constant
        alone = lambda f, k=k: dg.jvp(lambda x: f(*xs[:k], x, *xs[k + 1 :]), (xs[k],), (many[k],))[1]  # noqa: E731
        agree(*in_every_way(alone, row))


@each
def test_orders_two_and_three_of_k_directions(row):
    xs, vs = operands(row)
    many = tuple(np.stack([v, 2 * v]) for v in vs)

    def nested(f):
        def first(*xs):
            return dg.jvp(lambda *ys: f(*(y + y * y for y in ys)), xs, tuple(vs))[1]

        second = lambda *xs: dg.jvp(first, xs, many)[1]  # noqa: E731
        third = lambda *xs: dg.jvp(lambda *ys: dg.jvp(first, ys, tuple(vs))[1], xs, many)[1]  # noqa: E731
        return *outputs(second(*xs)), *outputs(third(*xs))

    agree(*in_every_way(nested, row), rtol=1e-10)


@each
def test_taylor(row):
    xs, vs = operands(row)
    line = lambda f: lambda t: f(*(x + v * t + v * t * t for x, v in zip(xs, vs, strict=True)))  # noqa: E731
    coefficients = lambda f: dg.taylor(line(f), 0.0, 1.0, order=4)  # noqa: E731
    for found, expected in zip(*in_every_way(coefficients, row), strict=True):
        agree(found, expected, rtol=1e-10)


@each_with(lambda row: row.objects and all(len(shape) == 1 for shape in row.shapes))
def test_object_arrays_and_lists_of_duals(row):
    xs, vs = operands(row)
    for made in (np.array, list) if row.function in OWN else (np.array,):
        entries = lambda x, made=made: made([x[k] for k in range(len(x))])  # noqa: E731
        _, expected = in_every_way(lambda f: dg.jvp(f, tuple(xs), tuple(vs))[1], row)
        with rules_restored():
            row.declare(row.function)
            found = dg.jvp(lambda *xs: row.function(*map(entries, xs)), tuple(xs), tuple(vs))[1]  # noqa: B023
        agree(found, expected)


@each
def test_single_precision_stays(row):
    xs, vs = operands(row, dtype=np.float32)
    value = row.function(*xs)
    found, expected = in_every_way(lambda f: dg.jvp(f, tuple(xs), tuple(vs)), row)
    for y, dy, plain in zip(outputs(found[0]), outputs(found[1]), outputs(value), strict=True):
        assert y.dtype == plain.dtype
        assert dy.dtype == (y.dtype if y.dtype.kind in "fc" else np.float64)
    agree(found[1], expected[1], rtol=1e-4)


@each_with(lambda row: len(row.shapes[0]) == 2)
def test_a_low_rank_tangent_is_its_dense_one(row):
    xs, vs = operands(row)
    v = dg.OuterProduct(np.arange(1.0, 1 + xs[0].shape[0]), np.arange(2.0, 2 + xs[0].shape[1]))
    with rules_restored():
        row.declare(row.function)
        found, dense = (dg.jvp(row.function, tuple(xs), (d, *vs[1:]))[1] for d in (v, v.dense()))
    agree(found, dense)


@each
def test_a_trace_has_a_row_of_it(row):
    xs, vs = operands(row)
    with rules_restored():
        row.declare(row.function)
        rows = dg.trace(lambda *xs: row.function(*xs), tuple(xs), tuple(vs)).rows
    assert any(row.function.__name__ in str(r) for r in rows[len(xs) :]) or row.kind == "constant"


@each_with(lambda row: row.kind not in ("constant", "linear"))  # a plain array; a view of both parts, or of neither
def test_what_is_written_into_the_result_stays_there(row):
    def program(*xs):
        ys = outputs(row.function(*(x * 1 for x in xs)))
        zs = [x * 1 for x in xs]
        for y in filter(np.ndim, outputs(row.function(*zs))):
            y[...] = 0
        return *ys, *zs

    xs, vs = operands(row)
    with rules_restored():
        row.declare(row.function)
        _, tangents = dg.jvp(program, tuple(xs), tuple(vs))
    for found, v in zip(tangents[-len(vs) :], vs, strict=True):
        np.testing.assert_array_equal(found, v)


def test_a_rule_that_hands_on_its_operand_shares_no_memory(tables):
    identity = dispatched(lambda x: x)
    explicit(identity)(lambda x, dx, lead: (x, dx))

    def program(x):
        y = x * 1
        identity(y)[0] = 5.0
        identity(x)[0] = 5.0
        return y, x * 1

    value, tangent = dg.jvp(program, (np.ones(2),), (np.full(2, 3.0),))
    np.testing.assert_array_equal((*value, *tangent), [[1, 1]] * 2 + [[3, 3]] * 2)


def test_zero_goes_through_what_is_linear(tables):
    f, g, h = (dispatched(lambda x, *rest: 1 // 0) for _ in range(3))
    linear(f)
    bilinear(g)
    constant(h)
    assert f(dg.ZERO) is dg.ZERO
    assert g(dg.ZERO, np.ones(2)) is dg.ZERO
    with pytest.raises(NotImplementedError, match="not known to be zero"):
        h(dg.ZERO)


def test_arguments_by_name_and_defaults_reach_the_rule_by_position(tables):
    @dispatched
    def scaled(x, factor=2.0, *, shift=0.0):
        return factor * x + shift

    seen = []

    @explicit(scaled)
    def rule(x, dx, lead, factor, shift):
        seen.append((factor, shift))
        return scaled(x, factor, shift=shift), factor * dx

    assert dg.derivative(lambda x: scaled(x))(1.0) == 2
    assert dg.derivative(lambda x: scaled(factor=3.0, x=x, shift=1.0))(1.0) == 3
    assert seen == [(2.0, 0.0), (3.0, 1.0)]
    with pytest.raises(TypeError, match="too many positional"):
        scaled(1.0, 2.0, 3.0)
    with pytest.raises(NotImplementedError, match=r"test_extend\.scaled has no rule for a Dual as factor:"):
        dg.derivative(lambda t: scaled(t, t))(1.0)


def test_numbers_of_python_take_the_precision_of_the_arguments(tables):
    gamma = dispatched(math.gamma)
    elementwise(gamma, lambda y, x: y * special.digamma(x))
    for dtype in (np.float32, np.float64):
        y, dy = dg.jvp(gamma, (dtype(2.5),), (dtype(1.0),))
        assert y.dtype == dy.dtype == dtype
    assert type(gamma(2.5)) is float


def test_infinite_slopes_count_nothing_where_nothing_moves(tables):
    elementwise(own["root"], over=lambda y, x: 2 * y)
    x, v = np.array([0.0, 4.0]), np.array([0.0, 1.0])
    np.testing.assert_array_equal(dg.jvp(own["root"], (x,), (v,))[1], [0, 0.25])
    np.testing.assert_array_equal(dg.taylor(own["root"], x, v, 2)[1], [0, 0.25])


def test_a_rule_put_in_place_of_the_houses_is_that_of_taylor_too(tables):
    elementwise(np.sqrt, lambda y, x: 1.0 + 0 * x)
    np.testing.assert_array_equal(dg.taylor(np.sqrt, 4.0, 1.0, 2), [2, 1, 0])


# ---------------------------------------------------------------------- operands in trees, and results that are trees


class Two(NamedTuple):
    a: object
    b: object


class Both:
    """A container of one's own."""

    def __init__(self, a, b):
        self.a, self.b = a, b


dg.tree.register(Both, lambda both: (vars(both), None), lambda aux, children: Both(**children))
PARAMS = dg.Params({"a": np.ones(2), "b": np.ones(2)})
TREES = {
    "dict": (lambda a, b: {"a": a, "b": b}, lambda t: (t["a"], t["b"])),
    "list": (lambda a, b: [a, b], tuple),
    "tuple": (lambda a, b: (a, b), tuple),
    "NamedTuple": (Two, tuple),
    "Params": (lambda a, b: dg.tree.rebuild(dg.tree.flatten(PARAMS)[1], [a, b]), lambda t: (t["a"], t["b"])),
    "registered": (Both, lambda t: (t.a, t.b)),
    "nested": (lambda a, b: {"k": [Two(a, None), (Both(b, 3),)]}, lambda t: (t["k"][0].a, t["k"][1][0].a)),
}
trees = pytest.mark.parametrize("name", TREES)
A, V = np.array([0.3, 1.7]), np.array([2.0, -1.0])


def product_of(name, plain=False):
    """Σ a² b of a tree; ``plain`` asserts that there are no Duals in it."""
    take = TREES[name][1]

    def of(tree):
        a, b = take(tree)
        assert not plain or type(a) is type(b) is np.ndarray and type(tree) is type(TREES[name][0](a, b))
        return np.sum(a * a * b)

    return of


WAYS = {
    "one": lambda f: dg.jvp(f, (A, V), (V, A))[1],
    "several": lambda f: dg.jvp(f, (A, V), (np.stack([V, A, 0 * A]), np.ones((3, 2))))[1],
    "one leaf": lambda f: dg.jvp(lambda a: f(a, V), (A,), (V,))[1],
    "two levels": lambda f: dg.jvp(lambda a: dg.jvp(lambda b: f(a, b), (V,), (A,))[1], (A,), (V,))[1],
    "hessian": lambda f: dg.hessian(lambda a: f(a, a))(A),
    "taylor": lambda f: dg.taylor(lambda t: f(A + t * V, V * t), 0.5, 1.0, order=3),
    "objects": lambda f: dg.jvp(lambda a: f(np.array([a[0], a[1]]), V), (A,), (V,))[1],
}


@trees
@pytest.mark.parametrize("way", WAYS)
def test_duals_anywhere_in_a_tree_reach_the_rule(name, way, tables):
    make, f = TREES[name][0], dispatched(product_of(name, plain=True))
    composite(f, product_of(name))
    agree(WAYS[way](lambda a, b: f(make(a, b))), WAYS[way](lambda a, b: np.sum(a * a * b)))


@trees
def test_a_trace_has_a_row_of_a_tree(name, tables):
    make, f = TREES[name][0], dispatched(product_of(name, plain=True))
    composite(f, product_of(name))
    assert "of" in str(dg.trace(lambda a: f(make(a, a)), (A,), (V,)).rows[-1])


@trees
@pytest.mark.parametrize("way", WAYS)
def test_what_is_constant_is_so_of_a_tree(name, way, tables):
    make, f = TREES[name][0], dispatched(product_of(name, plain=True))
    constant(f)
    found = WAYS[way](lambda a, b: f(make(a, b)) * np.sum(a * b))
    held = lambda a, b: np.sum(dg.primal(a) ** 2 * dg.primal(b))  # noqa: E731
    agree(found, WAYS[way](lambda a, b: held(a, b) * np.sum(a * b)))


OF_ARRAYS = {
    "linear": linear,
    "elementwise": lambda f: elementwise(f, lambda y, x, *rest: 1.0, *[lambda y, x, o: 0.0] * (f is PLAIN[1])),
    "bilinear": bilinear,
    "explicit": lambda f: explicit(f)(lambda x, dx, lead, *rest: (f(x, *rest), dx)),
}
PLAIN = dispatched(lambda x: x), dispatched(lambda x, o: x)


@trees
@pytest.mark.parametrize("kind", OF_ARRAYS)
def test_a_tree_of_duals_as_an_operand_of_arrays_is_refused(name, kind, tables):
    make, f = TREES[name][0], PLAIN[kind == "bilinear"]
    OF_ARRAYS[kind](f)
    for given in [lambda x: (make(x, A),), lambda x: (make(A, x),)]:
        rest = (A,) * (kind == "bilinear")
        with pytest.raises(TypeError, match="with Duals as an operand; .*kind " + kind + ".*: declare it composite"):
            dg.jvp(lambda x: f(*given(x), *rest), (A,), (V,))  # noqa: B023


@trees
@pytest.mark.parametrize("kind", ["linear", "explicit", "bilinear"])
def test_a_tree_of_duals_as_a_setting_is_refused(name, kind, tables):
    make = TREES[name][0]
    f = dispatched(lambda x, *rest: x) if kind == "bilinear" else dispatched(lambda x, o: x)
    OF_ARRAYS[kind](f)
    with pytest.raises(NotImplementedError, match=r"<lambda> has no rule for a Dual as (o|a setting): pass"):
        dg.jvp(lambda x: f(*[x] * (1 + (kind == "bilinear")), make(A, x)), (A,), (V,))


RESULTS = {  # of a number x > 0, by a program that knows only numbers; and by functions that have rules
    "float": (lambda x: math.sin(x), lambda x: np.sin(x)),
    "int": (lambda x: 0, lambda x: 0 * x),
    "tuple": (lambda x: (math.sin(x), 0), lambda x: (np.sin(x), 0 * x)),
    "list": (lambda x: [math.sin(x), 1], lambda x: [np.sin(x), 1 + 0 * x]),
    "NamedTuple": (lambda x: Two(math.sin(x), 0), lambda x: Two(np.sin(x), 0 * x)),
    "dict": (lambda x: {"s": math.sin(x), "z": 0}, lambda x: {"s": np.sin(x), "z": 0 * x}),
    "nested": (lambda x: {"s": [Two(0, (math.sin(x),))]}, lambda x: {"s": [Two(0 * x, (np.sin(x),))]}),
    "registered": (lambda x: Both(math.sin(x), 0), lambda x: Both(np.sin(x), 0 * x)),
}
LEADS = pytest.mark.parametrize("lead", [(), (1,), (3,), (0,)], ids=str)


def same_trees(found, expected, dtype=None):
    (a, b), (c, d) = dg.tree.flatten(found), dg.tree.flatten(expected)
    assert b == d
    for x, y in zip(a, c, strict=True):
        assert isinstance(x, np.ndarray | np.generic)
        assert np.shape(x) == np.shape(y)
        assert dtype is None or x.dtype == dtype
        np.testing.assert_allclose(x, y, 1e-6 if dtype == np.float32 else 1e-12)


def rule_of_one(rule):
    """A custom_jvp whose rule knows only numbers."""
    f = dg.custom_jvp(rule)

    @f.defjvp
    def _(primals, tangents):
        x, dx = float(primals[0]), float(tangents[0])
        d = dg.tree.map_leaves(lambda y: 0 if y in (0, 1) else math.cos(x) * dx, rule(x))
        return rule(x), d

    return f


@LEADS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", RESULTS)
def test_numbers_of_python_and_trees_of_them_are_results(name, dtype, lead, tables):
    of_numbers, definition = RESULTS[name]
    f = dispatched(of_numbers)
    composite(f, definition)
    x, v = dtype(0.5), np.ones(lead, dtype)[()]
    for expected, call in ((definition, f), (definition, rule_of_one(of_numbers))):
        for found, exact in zip(dg.jvp(call, (x,), (v,)), dg.jvp(expected, (x,), (v,)), strict=True):
            same_trees(found, exact, dtype)
    if not lead and dtype is np.float64:
        second = lambda f: dg.jvp(lambda x: dg.jvp(f, (x,), (1.0,))[1], (0.5,), (1.0,))[1]  # noqa: E731
        same_trees(second(f), second(definition))


@LEADS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("nothing", [0, False, 0.0], ids=repr)
@pytest.mark.parametrize("kind", ["linear", "elementwise", "bilinear", "explicit", "composite"])
def test_an_int_that_depends_on_the_data_is_a_value_like_others(kind, nothing, dtype, lead, tables):
    of_one, of_two = lambda x: nothing if x < 0 else x * 2.5, lambda x, y: nothing if x < 0 else x * 2.5
    relu = dispatched(of_two if kind == "bilinear" else of_one)
    steep = lambda x: 2.5 * (x >= 0)  # noqa: E731
    {
        "linear": linear,
        "elementwise": lambda f: elementwise(f, lambda y, x: steep(x)),
        "bilinear": bilinear,
        "explicit": lambda f: explicit(f)(lambda x, dx, lead: (f(x), dx * steep(x))),
        "composite": lambda f: composite(f, lambda x: np.maximum(x, 0) * 2.5),
    }[kind](relu)
    call = (lambda x: relu(x, dtype(1))) if kind == "bilinear" else relu
    for x in (-1.0, 1.0):
        y, dy = dg.jvp(call, (dtype(x),), (np.zeros(lead, dtype)[()],))
        assert y == 2.5 * max(x, 0)
        assert y.dtype == dy.dtype == dtype
        assert dy.shape == lead
        assert not dy.any()


@LEADS
@pytest.mark.parametrize("name", ["tuple", "list", "NamedTuple", "dict", "registered"])
def test_a_linear_function_of_several_results_keeps_their_tree(name, lead, tables):
    make = TREES[name][0]
    f = dispatched(lambda x: make(x[::-1], 2 * x))
    linear(f)
    v = np.ones((*lead, 2)) * V
    y, dy = dg.jvp(f, (A,), (v,))
    same_trees(y, make(A[::-1], 2 * A))
    same_trees(dy, make(v[..., ::-1], 2 * v))


def test_what_numpy_returns_as_a_tuple_with_names_keeps_them(tables):
    def by_powers(a, UPLO="L"):
        w = np.trace(a) / 2 + np.array([-1, 1]) * np.sqrt(np.trace(a) ** 2 / 4 - a[0, 0] * a[1, 1] + a[0, 1] * a[1, 0])
        return w, 0 * a

    a, v = np.array([[2.0, 1.0], [1.0, 5.0]]), np.array([[1.0, 0.5], [0.5, 2.0]])
    composite(np.linalg.eigh, by_powers)
    y, dy = dg.jvp(np.linalg.eigh, (a,), (v,))
    assert type(y) is type(dy) is type(np.linalg.eigh(a))
    agree(dy.eigenvalues, dg.jvp(np.linalg.eigvalsh, (a,), (v,))[1])


def test_results_that_are_constant_are_what_the_function_returns(tables):
    for result in (3, True, 2.5, "text", None, (1, 2.0), {"k": [1, None]}, Two(1, "x")):
        f = dispatched(lambda x, result=result: result)
        constant(f)
        assert dg.jvp(lambda x: (x, f(x)), (1.0,), (1.0,), has_aux=True)[2] == result  # noqa: B023
    index = dispatched(lambda x: (int(np.argmax(x)), np.max(x)))
    composite(index, lambda x: (0, np.max(x)))
    np.testing.assert_array_equal(dg.grad(lambda x: x[index(x)[0]] * 2)(np.array([1.0, 3.0])), [0, 2])
    same = dispatched(lambda x: x)
    constant(same)
    x = np.ones(3)
    assert not np.may_share_memory(dg.jvp(same, (x,), (x,))[0], x)
    tree = dispatched(lambda t: {"k": [t["x"][1:]]})
    constant(tree)
    assert not np.may_share_memory(dg.jvp(lambda x: tree({"x": x})["k"][0], (x,), (x,))[0], x)


def test_a_declarer_decorates(tables):
    for declare in (linear, linear(alone=True), bilinear, bilinear(), constant):
        f = dispatched(lambda x, y=1.0: x * y)
        assert declare(f) is f
        assert f in dg.supported()
    f, g = dispatched(lambda x: x), dispatched(lambda x: 2 * x)
    assert linear(f, g) == (f, g)


def test_a_function_is_called_by_its_name_in_messages():
    class Thing:
        def __call__(self, x):
            return x

    for given, name in ((functools.partial(half, 1.0), "half"), (Thing(), "Thing"), (none, "none")):
        f = dispatched(given)
        assert f.__name__ == name
        with pytest.raises(NotImplementedError, match=rf"test_extend\.{name} has no tangent rule"):
            dg.derivative(f)(1.0)


# ---------------------------------------------------------------------- refused


def none(x):
    return x


def half(x, y):
    return x


one, two, by_name = dispatched(none), dispatched(half), dispatched(lambda x, *, n=2: x)
slope = lambda y, *x: 1.0  # noqa: E731
REFUSED = {
    "no function": (lambda: linear(3), TypeError, "got a int as the function; expected a ufunc"),
    "one that does not dispatch": (lambda: elementwise(none, slope), TypeError, "none does not dispatch.*extend.disp"),
    "one with a rule": (lambda: elementwise(np.tanh, slope), ValueError, r"np\.tanh has a rule, of the kind element"),
    "no slopes": (lambda: elementwise(one), TypeError, "expected slopes"),
    "slopes and over": (lambda: elementwise(one, slope, over=slope), TypeError, "expected slopes"),
    "a slope too few": (lambda: elementwise(two, slope), TypeError, "has 2 arguments; expected 1, a slope for each"),
    "a slope too many": (lambda: elementwise(one, slope, slope), TypeError, "has 1 arguments; expected 2"),
    "slopes of a ufunc": (lambda: elementwise(special.pdtr, slope), TypeError, "2 operands and 1 results; expected 1"),
    "two results": (lambda: elementwise(special.ellipj, slope, slope), TypeError, "2 operands and 4 results"),
    "a slope that is a number": (lambda: elementwise(one, 2.0), TypeError, "got a slope of type float"),
    "over that is a number": (lambda: elementwise(one, over=2.0), TypeError, "got over of type float"),
    "finite of two": (lambda: elementwise(two, slope, slope, finite=True), TypeError, "functions of one argument"),
    "a linear ufunc of two": (lambda: linear(special.pdtr), TypeError, "2 operands and 1 results; expected 1 and 1"),
    "a bilinear function of one": (lambda: bilinear(one), TypeError, "has 1 arguments; expected 2"),
    "lead that is a number": (lambda: linear(one, lead=3), TypeError, "got lead of type int"),
    "lead and alone": (lambda: linear(one, lead=none, alone=True), ValueError, "expected one of them"),
    "no definition": (lambda: composite(one, None), TypeError, "got the definition of type NoneType"),
    "no rule": (lambda: explicit(one)(None), TypeError, "got the rule of type NoneType"),
    "explicit without a function": (lambda: explicit(none), TypeError, "does not dispatch"),
    "of Python objects": (lambda: constant(np.frompyfunc(none, 1, 1)), TypeError, "over Python objects"),
    "no signature": (lambda: dispatched(3), TypeError, "got 3, which has no signature"),
    "the second of two": (lambda: linear(one, np.tanh), ValueError, "np.tanh has a rule"),
    "a slope without y": (lambda: elementwise(one, lambda x: 2 * x), TypeError, r"a slope of .*none is .* \(y, x\)"),
    "a slope of too many": (
        lambda: elementwise(two, lambda y, *x: y, lambda y, a, b, c: 1), TypeError, r"with \(y, x, y\).*argument: 'c'"),
    "a slope that writes into x": (lambda: elementwise(one, np.cos), TypeError, r"\(y, x\).*it has 1 operands"),
    "over without y": (lambda: elementwise(one, over=lambda x: x), TypeError, r"over of .*none is .* \(y, x\)"),
    "a rule without lead": (lambda: explicit(one)(lambda x, dx: (x, dx)), TypeError, r"called with \(x, dx, lead\)"),
    "a rule without a setting": (
        lambda: explicit(two)(lambda x, dx, lead: (x, dx)), TypeError, r"called with \(x, dx, lead, y\)"),
    "a rule without a keyword": (
        lambda: explicit(by_name)(lambda x, dx, lead: (x, dx)), TypeError, r"called with \(x, dx, lead, n=\)"),
    "a definition of fewer": (lambda: composite(two, none), TypeError, r"the definition of .*half is .* \(x, y\)"),
    "a definition of more": (lambda: composite(np.i0, half), TypeError, r"the definition of np\.i0 is .* \(x\)"),
    "a lead without ndim": (lambda: linear(one, lead=none), TypeError, r"lead of .*none is called with \(dx, ndim\)"),
    "a lead without which": (lambda: bilinear(two, lead=half), TypeError, r"lead of .*half .*\(f, a, b, which\)"),
    "a setting of a function by entries": (
        lambda: elementwise(by_name, slope), TypeError, "settings are for composite and explicit"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_declarations_are_named_and_change_nothing(case):
    call, error, text = REFUSED[case]
    before = [table.copy() for table in extend._TABLES]
    with pytest.raises(error, match=text):
        call()
    assert before == extend._TABLES


WRONG = {
    "slopes of another shape": (
        lambda: elementwise(one, lambda y, x: np.ones((3, 1, 2))), dg.ShapeError, r"\(3, 1, 2\); expected \(2,\)"),
    "complex slopes": (lambda: elementwise(one, lambda y, x: 1j), dg.TangentLossError, "imaginary"),
    "lead of another shape": (
        lambda: linear(one, lead=lambda dx, n: dx[:, :1]), dg.ShapeError, r"shape \(3, 1\); expected \(3, 2\)"),
    "no pair": (lambda: explicit(one)(lambda x, dx, lead: x), TypeError, "returned a .*; expected a pair"),
    "no arrays": (lambda: explicit(one)(lambda x, dx, lead: (x, 0)), TypeError, "expected a pair of arrays"),
    "a tangent of another shape": (
        lambda: explicit(one)(lambda x, dx, lead: (x, dx[..., :1])), dg.ShapeError, "rule of .*none made a tangent"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_results_of_a_rule_are_named(case, tables):
    declare, error, text = WRONG[case]
    declare()
    with pytest.raises(error, match=text):
        dg.jvp(one, (np.ones(2),), (np.ones((3, 2)),))


KS = [(), (1,), (3,)]


@pytest.mark.parametrize("lead", KS, ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (3, 1), (1, 3), (3, 3), (2,), (1, 1)], ids=str)
def test_a_slope_never_goes_over_the_directions(shape, lead, tables):
    f, g, h = dispatched(lambda x: 2 * x), dispatched(lambda x: 2 * x), dispatched(lambda a, b: 2 * a)
    wrong = lambda y, *x: np.full(shape, 2.0)  # noqa: E731
    elementwise(f, wrong)
    elementwise(g, over=lambda y, x: np.full(shape, 0.5))
    elementwise(h, wrong, lambda y, a, b: 0 * a)
    x, v = np.ones(3), np.ones((*lead, 3))
    for call in (f, g, lambda x: h(x, np.ones(3))):
        if shape in ((), (1,), (3,)):
            np.testing.assert_array_equal(dg.jvp(call, (x,), (v,))[1], 2 * v)
        else:
            with pytest.raises(dg.ShapeError, match=r"a slope of .*<lambda> has shape .*; expected \(3,\)"):
                dg.jvp(call, (x,), (v,))


@pytest.mark.parametrize("lead", KS[1:], ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 1), (2, 3), (3, 3, 1)], ids=str)
def test_a_term_of_a_bilinear_rule_never_broadcasts(shape, lead, tables):
    f = dispatched(lambda a, b: a * b)
    bilinear(f, lead=lambda f, a, b, which: f(a, b) if which else np.ones(shape))
    x, v = np.ones(3), np.ones((*lead, 3))
    for call in (f, lambda a, b: f(a, np.ones(3))):
        with pytest.raises(dg.ShapeError, match="expected"):
            dg.jvp(call, (x, x), (v, v))


def test_a_function_without_its_rule_says_so():
    with pytest.raises(NotImplementedError, match=r"none has no tangent rule"):
        dg.derivative(one)(1.0)


@pytest.mark.parametrize("kind", ["linear", "elementwise", "bilinear", "explicit"])
@pytest.mark.parametrize("dtype", [bool, np.int32])
def test_arrays_that_have_no_room_for_a_tangent_are_refused(kind, dtype, tables):
    f = dispatched((lambda x, y: np.asarray(x, dtype)) if kind == "bilinear" else lambda x: np.asarray(x, dtype))
    OF_ARRAYS[kind](f)
    with pytest.raises(dg.TangentLossError, match=r"dg\.primal\(x\)"):
        dg.jvp(lambda x: f(x, A) if kind == "bilinear" else f(x), (A,), (V,))


# ---------------------------------------------------------------------- taken back


def everything():
    return {name: table.copy() for name, table in vars(tables).items() if name.isupper()}


def declare_much():
    with rules_restored():
        for row in ROWS:
            row.declare(row.function)
        assert np.ptp in dg.supported()
    with rules_restored():
        ROWS[0].declare(ROWS[0].function)
        before = everything()
        with rules_restored():
            for row in ROWS:
                row.declare(row.function)
            dg.defjvp(np.i0, lambda primals, tangents: (np.i0(*primals), tangents[0]))
        assert everything() == before
        for name, table in vars(tables).items():
            if isinstance(table, dict) and name.isupper():
                table[none] = none
                del table[next(iter(table))]
            elif isinstance(table, set):
                table.add(none)
                table.remove(next(iter(table - {none})))
        raise ZeroDivisionError


def test_declarations_are_taken_back_also_after_an_error():
    before = everything()
    with pytest.raises(ZeroDivisionError):
        declare_much()
    assert everything() == before
    assert len(before) == len(extend._TABLES) == 7
    with pytest.raises(ValueError, match="has a rule"):
        linear(np.flip)  # no block is open


def test_defjvp_is_taken_back(tables):
    with rules_restored():
        dg.defjvp(np.i0, lambda primals, tangents: (np.i0(*primals), tangents[0]))
        assert dg.derivative(np.i0)(1.0) == 1
    with pytest.raises(NotImplementedError, match=r"np\.i0"):
        dg.derivative(np.i0)(1.0)
    dg.defjvp(one, lambda primals, tangents: (primals[0] * 1, tangents[0] * 7))
    assert dg.derivative(one)(1.0) == 7


def fresh(code):
    return subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True)


def test_the_rules_of_scipy_stay_wherever_they_are_imported():
    code = """
import dualgrad as dg
with dg.extend.rules_restored():
    with dg.extend.rules_restored():
        import dualgrad.scipy
    from scipy import special
    dg.extend.constant(special.bei)
assert dg.derivative(special.erf)(0.5) > 0 and special.bei not in dg.supported()
"""
    assert fresh(code).stderr == ""


ERF = """
import dualgrad as dg
from contextlib import nullcontext
from dualgrad.extend import constant, elementwise, rules_restored
from scipy import special
slope = lambda: float(dg.derivative(special.erf)(0.0)) if special.erf in dg.supported() else None
def declare(number):
    elementwise(special.erf, lambda y, x: number + 0 * x)
blocks = {blocks}
seen = []
with rules_restored() if blocks > 0 else nullcontext():
    {outer}
    with rules_restored() if blocks > 1 else nullcontext():
        {inner}
        import dualgrad.scipy
        seen.append(slope())
    seen.append(slope())
seen.append(slope())
assert dg.supported()[special.erf] == "elementwise" and special.gamma in dg.supported()
print([s and round(s, 2) for s in seen])
"""


@pytest.mark.parametrize(
    ("blocks", "outer", "inner", "seen"),
    [
        (0, "pass", "declare(7)", [7, 7, 7]),
        (1, "pass", "declare(7)", [7, 7, 1.13]),
        (2, "pass", "declare(7)", [7, 1.13, 1.13]),
        (2, "declare(5)", "declare(7)", [7, 5, 1.13]),
        (2, "declare(5)", "pass", [5, 5, 1.13]),
        (2, "pass", "pass", [1.13] * 3),
        (2, "constant(special.erf)", "declare(7)", [7, 0, 1.13]),
    ],
)
def test_the_rules_of_scipy_stay_behind_those_that_were_there_before(blocks, outer, inner, seen):
    found = fresh(ERF.format(blocks=blocks, outer=outer, inner=inner))
    assert found.stderr == ""
    assert [s and float(s) for s in ast.literal_eval(found.stdout)] == seen


# ---------------------------------------------------------------------- the house itself

ONCE = """
import importlib.util, sys
class Once(dict):
    def __setitem__(self, key, value):
        assert key not in self, f"{key} is entered twice"
        super().__setitem__(key, value)
    def update(self, other):
        for key in other: self[key] = other[key]
spec = importlib.util.spec_from_file_location("dualgrad.tables", "dualgrad/tables.py")
tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tables)
for name, table in list(vars(tables).items()):
    if name.isupper() and isinstance(table, dict): setattr(tables, name, Once(table))
sys.modules["dualgrad.tables"] = tables
import dualgrad, dualgrad.scipy
assert dualgrad.custom.RULES is tables.RULES and type(tables.RULES) is Once and len(tables.RULES) > 300
"""


def test_no_line_of_a_table_is_changed_after_it_is_declared():
    assert fresh(ONCE).stderr == ""


def test_a_line_that_is_changed_is_found():
    wrapped = ONCE + "import numpy as np\ntables.RULES[np.sum] = lambda *args: 0\n"
    assert "is entered twice" in fresh(wrapped).stderr


OPERATORS = (
    *(f"__{r}{name}__" for r in ("", "r", "i") for name in
      ("add", "sub", "mul", "truediv", "matmul", "mod", "floordiv", "pow")),
    "__divmod__", "__rdivmod__", "__neg__", "__pos__", "__abs__", "__round__",
    *(f"__{name}__" for name in ("lt", "le", "gt", "ge", "eq", "ne")),
    *"all any argmax argmin argpartition argsort astype clip compress conj conjugate copy cumprod cumsum diagonal dot "
     "flatten imag max mean min mT nonzero prod put ravel real repeat reshape round searchsorted squeeze std sum "
     "swapaxes T take trace transpose var".split(),
)  # fmt: skip


def names_in_class(source, name):
    """What the body of a class defines, one name for each line."""
    (body,) = (n.body for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ClassDef) and n.name == name)
    named = [(n.name, n) for n in body if isinstance(n, ast.FunctionDef)]
    named += [(t.id, n) for n in body if isinstance(n, ast.Assign) for t in n.targets]
    return {name: (n.lineno, n.end_lineno) for name, n in named}


def set_on_dual(source):
    """What is set on Dual from outside of its class."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign):
            attributes = (t for t in node.targets if isinstance(t, ast.Attribute))
            yield from (t for t in attributes if getattr(t.value, "id", "") == "Dual")
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setattr":
            yield from (a for a in node.args[:1] if getattr(a, "id", "") == "Dual")


def test_operators_and_methods_are_written_in_the_class_one_a_line():
    lines = names_in_class((PACKAGE / "operators.py").read_text("utf-8"), "Operators")
    assert set(OPERATORS) <= lines.keys()
    assert all(lines[name][0] == lines[name][1] for name in OPERATORS)
    assert len({lines[name] for name in OPERATORS}) == len(OPERATORS)
    for kind in (Dual, Series, Fan, Curved, Traced):
        first = next(base for base in kind.__mro__ if "__add__" in vars(base))
        assert first.__name__ == "Operators"


def test_nothing_is_set_on_dual_from_outside():
    sources = {path: path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    assert [path for path, source in sources.items() if list(set_on_dual(source))] == []
    assert len(list(set_on_dual("Dual.astype = f\nsetattr(Dual, 'x', f)\nx.y = 3"))) == 2


@pytest.mark.parametrize("kind", [Series, Traced])
def test_python_asks_the_right_operand_first_where_it_is_of_a_subclass(kind):
    """It does where the reflected method is not the one that the subclass inherits."""
    for name in OPERATORS:
        if name.startswith("__r") and name != "__round__":
            assert getattr(kind, name) is not getattr(Dual, name)
