"""The evaluation trace: the textbook's rows, plain data, where a NaN came from, and tables that are left alone."""

import inspect
import math
import pickle
import re
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.custom import custom_jvp
from dualgrad.dual import Dual
from dualgrad.tables import RULES
from dualgrad.tracing import Row
from dualgrad.tree import leaves
from tests.support.strict import device

SVG = "{http://www.w3.org/2000/svg}"


def textbook(x1, x2):
    v1 = np.log(x1)
    v2 = x1 * x2
    v3 = np.sin(x2)
    v4 = v1 + v2
    return v4 - v3


def mlp(p, x):
    h = np.tanh(x @ p["w1"] + p["b1"])
    return np.mean((h @ p["w2"] + p["b2"] - 1.0) ** 2)


def weights(rng):
    shapes = {"w1": (4, 8), "b1": (8,), "w2": (8, 2), "b2": (2,)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def mlp_trace():
    rng = np.random.default_rng(0)
    return dg.trace(lambda p: mlp(p, np.ones((5, 4))), (weights(rng),), (weights(rng),))


def chain(x):
    for _ in range(30):
        x = np.sin(x) * 2
    return x


def wide(x):
    parts = [np.sin(x[i]) * x[5 * i % 9] for i in range(9)]
    return sum(parts, x[0])


def traces():
    x = np.arange(1.0, 10.0)
    with np.errstate(all="ignore"):
        return [
            dg.trace(textbook, (2.0, 5.0), (1.0, 0.0)),
            mlp_trace(),
            dg.trace(chain, (1.0,), (1.0,)),
            dg.trace(wide, (x,), (x,)),
            dg.trace(lambda x: np.sum(np.log(x - 2) * (x > 2)), (x,), (np.ones((3, 9)),)),
            dg.trace(lambda: 1.0, (), ()),
        ]


def last(f, *args, tangents=None):
    """The last row of a trace."""
    return dg.trace(f, args, args if tangents is None else tangents).rows[-1]


# ---------------------------------------------------------------------- rows


def test_the_textbook_table():
    """Baydin et al. (2018), table 2: ln x1 + x1 x2 - sin x2 at (2, 5) along (1, 0)."""
    trace = dg.trace(textbook, (2.0, 5.0), (1.0, 0.0))
    found = [(row.step, row.operation, row.operands, round(row.primal, 3), row.tangent) for row in trace.rows]
    assert found == [
        ("v-1", "input", ("x1",), 2, 1),
        ("v0", "input", ("x2",), 5, 0),
        ("v1", "log", ("v-1",), 0.693, 0.5),
        ("v2", "multiply", ("v-1", "v0"), 10, 5),
        ("v3", "sin", ("v0",), -0.959, 0),
        ("v4", "add", ("v1", "v2"), 10.693, 5.5),
        ("v5", "subtract", ("v4", "v3"), 11.652, 5.5),
    ]
    assert trace.outputs == ("v5",)
    assert (round(trace.value, 3), trace.tangent) == (11.652, 5.5)


@pytest.mark.parametrize("f", [chain, np.sin, dg.derivative(chain), lambda x: x, lambda x: 1.0])
def test_value_and_tangent_are_those_of_jvp(f):
    trace = dg.trace(f, (0.3,), (1.0,))
    assert (trace.value, trace.tangent) == dg.jvp(f, (0.3,), (1.0,))
    assert len(trace.outputs) == 1


def test_a_network_of_numpy():
    trace = mlp_trace()
    assert [row.operands[0] for row in trace.rows[:4]] == ["p['w1']", "p['b1']", "p['w2']", "p['b2']"]
    steps = [(row.operation, row.operands) for row in trace.rows[4:]]
    assert steps == [
        ("matmul", ("float64[5, 4]", "v-3")),
        ("add", ("v1", "v-2")),
        ("tanh", ("v2",)),
        ("matmul", ("v3", "v-1")),
        ("add", ("v4", "v0")),
        ("subtract", ("v5", "1")),
        ("power", ("v6", "2")),
        ("mean", ("v7",)),
    ]
    assert trace.rows[4].inputs == ("v-3",)
    assert trace.rows[4].shape == (5, 8)


@pytest.mark.parametrize("lead", [None, 3])
def test_a_network_of_layers_has_one_row_a_layer(lead):
    model = dg.nn.Sequential(dg.nn.Linear(4, 8), dg.nn.Tanh(), dg.nn.Sequential(dg.nn.Linear(8, 2)))
    objective = dg.nn.Objective(model, dg.nn.mse).bind(np.ones((5, 4), np.float32), np.zeros((5, 2), np.float32))
    params = model.init(rng=0)
    v = dg.directions.LowRank().sample(params, rng=1, n=lead)
    trace = dg.trace(objective, (params,), (v,))
    assert [row.operation for row in trace.rows[4:]] == ["Linear(4, 8)", "Tanh()", "Linear(8, 2)", "nn.mse"]
    assert [row.inputs for row in trace.rows[4:]] == [("v-3", "v-2"), ("v1",), ("v-1", "v0", "v2"), ("v3",)]
    k = lead or 1
    assert [row.multiply_adds for row in trace.rows[4:6]] == [(5 * 40, 5 * 40 * k), (40, 40 * k)]
    value, tangent = dg.jvp(objective, (params,), (v,))
    assert trace.value == value
    np.testing.assert_array_equal(trace.tangent, tangent)
    np.testing.assert_array_equal(trace.rows[-1].tangent, tangent)


def test_a_layer_of_ones_own_is_one_row():
    class Scale(dg.nn.Layer):
        def shapes(self):
            return {"scale": (3,)}

        def forward(self, p, x):
            return np.sin(x * p["scale"])

        def __repr__(self):
            return "Scale"

    trace = dg.trace(lambda s: np.sum(Scale()({"scale": s}, np.ones((2, 3)))), (np.ones(3),), (np.ones(3),))
    assert [(row.operation, row.inputs) for row in trace.rows[1:]] == [("Scale", ("v0",)), ("sum", ("v1",))]


def test_a_layer_made_of_others_has_their_rows():
    class Twice(dg.nn.Layer):
        def __init__(self):
            self.layers = [dg.nn.Linear(3, 3), dg.nn.Tanh()]

        def shapes(self):
            return self.layers[0].shapes()

        def forward(self, p, x):
            linear, tanh = self.layers
            return tanh({}, linear(p, x))

        def __repr__(self):
            return "Twice"

    params = dg.nn.Linear(3, 3).init(rng=0)
    trace = dg.trace(lambda p: Twice()(p, np.ones((2, 3), np.float32)), (params,), (params,))
    assert [row.operation for row in trace.rows[2:]] == ["Linear(3, 3)", "Tanh()"]
    assert trace.outputs == ("v2",)


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_a_step_of_a_cell_is_one_row_a_part(name):
    cell = getattr(dg.nn, name)(3, 2)
    params = cell.init(rng=0, dtype=float)
    x = np.ones((4, 3))

    def f(p):
        return np.sum(cell.output(cell(p, cell.start(x), x)))

    trace = dg.trace(f, (params,), (params,))
    assert {row.operation.partition("[")[0] for row in trace.rows[len(params) :]} <= {repr(cell), "sum", "getitem"}
    assert trace.rows[-1].inputs
    assert (trace.value, trace.tangent) == dg.jvp(f, (params,), (params,))


def test_rows_are_plain_data_and_copies():
    def f(x):
        y = x * 2
        y[0] = 7.0
        return y

    x = np.ones(3)
    trace = dg.trace(f, (x,), (x,))
    x[:] = 0
    trace.value[:] = 0
    assert all(isinstance(row, Row) and isinstance(row, tuple) for row in trace.rows)
    assert all(type(part) is np.ndarray for row in trace.rows for part in (row.primal, row.tangent))
    assert [list(row.primal) for row in trace.rows] == [[1, 1, 1], [2, 2, 2], [7, 2, 2]]
    assert not any(isinstance(entry, Dual) for row in trace.rows for entry in leaves(tuple(row)))
    row = trace.rows[-1]
    assert (row.shape, row.dtype, row.tangent_norm) == ((3,), np.float64, math.sqrt(8))
    assert str(pickle.loads(pickle.dumps(trace))) == str(trace)


def test_every_way_to_ask_for_an_operation_is_the_same_row():
    ways = [lambda x: np.sum(x), lambda x: x.sum(), lambda x: np.add.reduce(x)]
    assert [last(f, np.ones(2)).operation for f in ways] == ["sum", "sum", "add.reduce"]
    ways = [lambda x: x * 3, lambda x: 3 * x, lambda x: np.multiply(x, 3)]
    assert [last(f, np.ones(2)).operands for f in ways] == [("v0", "3"), ("3", "v0"), ("v0", "3")]
    assert last(lambda x: x.T, np.ones((2, 3))).operation == "transpose"
    assert last(lambda x: x.astype(np.float32), 1.0).dtype == np.float32
    assert [last(f, 1.5).operands for f in (lambda x: x**2.5, lambda x: 2.5**x)] == [("v0", "2.5"), ("2.5", "v0")]
    assert last(lambda x: x[1:, None, ...], np.ones(2)).operands == ("v0", "(1:, None, ...)")


def test_powers_have_the_value_that_python_gives():
    for x in np.random.default_rng(0).uniform(0.5, 3, 50):
        trace = dg.trace(lambda x: (x**3.7, 2.9**x), (x,), (1.0,))
        assert tuple(row.primal for row in trace.rows[1:]) == trace.value == (x**3.7, 2.9**x)


def test_a_composite_is_one_row():
    for f in (np.var, np.std, np.prod, lambda x: np.linalg.norm(x), lambda x: np.diff(x), lambda x: np.clip(x, 0, 2)):
        assert len(dg.trace(f, (np.arange(1.0, 5.0),), (np.ones(4),)).rows) == 2


def test_several_results_are_several_rows():
    trace = dg.trace(lambda x: np.split(x * 1, 3), (np.arange(6.0),), (np.ones(6),))
    assert [row.operation for row in trace.rows[2:]] == ["split[0]", "split[1]", "split[2]"]
    assert trace.outputs == ("v2", "v3", "v4")


def test_constants_are_rows_without_a_tangent():
    def f(x):
        return np.where(x > 1, x, 0) - np.floor(x)

    trace = dg.trace(f, (np.array([0.5, 1.5]),), (np.ones(2),))
    greater, where, floor, subtract = trace.rows[1:]
    assert (greater.operation, greater.dtype, greater.tangent) == ("greater", bool, None)
    assert where.inputs == ("v1", "v0")
    assert (floor.tangent, floor.tangent_norm, floor.multiply_adds[1]) == (None, 0.0, 0)
    assert subtract.operands == ("v2", "v3")


def test_facts_about_arrays_are_not_rows():
    assert len(dg.trace(lambda x: x * (np.shape(x)[0] + np.ndim(x)), (np.ones(2),), (np.ones(2),)).rows) == 2


def test_custom_rules_are_one_row():
    @dg.custom_jvp
    def twice(x):
        return np.sin(x) + np.sin(x)

    twice.defjvp(lambda primals, tangents: (twice(*primals), 2 * np.cos(primals[0]) * tangents[0]))
    trace = dg.trace(lambda x: twice(x * 2), (np.ones(2),), (np.ones((3, 2)),))
    assert [(row.operation, row.operands) for row in trace.rows[2:]] == [("twice", ("v1",))]


def test_k_directions():
    x = np.array([3.0, 4.0])
    row = last(np.square, x, tangents=(np.eye(2),))
    assert row.tangent.shape == (2, 2)
    assert row.tangent_norm == 10
    assert row.multiply_adds == (2, 4)


def test_norms_do_not_overflow():
    row = last(lambda x: x * 1, np.array([3e200, 4e200]))
    assert row.primal_norm == pytest.approx(5e200)
    assert last(lambda x: x * 1, np.zeros((0, 2))).primal_norm == 0
    assert last(lambda x: x * 1, np.array(3 + 4j)).primal_norm == 5


def test_inputs_are_named_as_the_parameters():
    assert [row.operands for row in dg.trace(lambda *xs: xs[0] * xs[1], (1.0, 2.0), (1.0, 1.0)).rows[:2]] == [
        ("x1",),
        ("x2",),
    ]
    trace = dg.trace(lambda a, b: a[0] * b["c"], ((1.0, 2.0), {"c": 3.0}), ((1.0, 1.0), {"c": 1.0}))
    assert [(row.step, *row.operands) for row in trace.rows[:3]] == [("v-2", "a[0]"), ("v-1", "a[1]"), ("v0", "b['c']")]
    assert dg.trace(np.sin, (1.0,), (1.0,)).rows[0].operation == "input"


def test_source_lines():
    trace = dg.trace(textbook, (2.0, 5.0), (1.0, 0.0))
    lines, start = inspect.getsourcelines(textbook)
    for k, row in enumerate(trace.rows[2:], 1):
        assert (row.file, row.line, row.source) == (__file__, start + k, lines[k].strip())
    assert [row.expression for row in trace.rows[2:]] == ["np.log(x1)", "x1 * x2", "np.sin(x2)", "v1 + v2", "v4 - v3"]
    f = lambda x: np.sum(  # noqa: E731
        np.sin(x) * 2
    )
    rows = dg.trace(f, (np.ones(2),), (np.ones(2),)).rows
    assert rows[1].expression == "np.sin(x)"
    assert rows[3].expression == rows[3].source == "f = lambda x: np.sum( # noqa: E731"


def test_the_source_line_is_the_users_own():
    layer = dg.nn.Linear(2, 1)
    params = layer.init(rng=0, dtype=float)
    row = last(lambda p: layer(p, np.ones((3, 2))), params)
    assert row.file == __file__
    assert row.expression == "layer(p, np.ones((3, 2)))"
    assert eval("dg.trace(np.sin, (1.0,), (1.0,))").rows[-1].source == ""


# ---------------------------------------------------------------------- writes


def test_writes_are_rows():
    def f(x):
        out = np.zeros_like(x, shape=3)
        out[0] = x[0] * x[1]
        out[1:] += x
        out *= 2
        np.add(out, 1, out=out)
        return out

    trace = dg.trace(f, (np.array([2.0, 3.0]),), (np.array([1.0, 0.0]),))
    assert list(map(str, trace.rows[1:])) == [
        "v1 = zeros_like(v0, shape=3)",
        "v2 = getitem(v0, 0)",
        "v3 = getitem(v0, 1)",
        "v4 = multiply(v2, v3)",
        "v5 = setitem(v1, 0, v4)",
        "v6 = getitem(v5, 1:)",
        "v7 = iadd(v6, v0)",
        "v8 = setitem(v5, 1:, v7)",
        "v9 = imul(v8, 2)",
        "v10 = add(v9, 1, out=(v9,))",
    ]
    assert trace.outputs == ("v10",)
    assert [list(trace.rows[k].primal) for k in (5, 8, 9, 10)] == [[6, 0, 0], [6, 2, 3], [12, 4, 6], [13, 5, 7]]
    np.testing.assert_array_equal(trace.rows[-1].tangent, trace.tangent)


def test_functions_that_return_nothing_have_written(tables):
    RULES[np.copyto] = lambda dst, src: dst.__setitem__(..., src)

    def f(x):
        y = x.copy()
        np.copyto(y, x * 2)
        return y * 1

    rows = dg.trace(f, (np.ones(2),), (np.ones(2),)).rows
    assert list(map(str, rows[3:])) == ["v3 = copyto(v1, v2)", "v4 = multiply(v3, 1)"]
    assert list(rows[3].primal) == [2, 2]


def test_a_write_through_a_view_renames_what_it_is_a_view_of():
    def f(x):
        y = x.copy()
        row, other = y[0], x * 1
        row[...] = 1.0
        return y * other

    rows = dg.trace(f, (np.ones((2, 2)),), (np.ones((2, 2)),)).rows
    assert list(map(str, rows[-3:])) == [
        "v4 = setitem(v2, ..., 1)",
        "v5 = overwritten(v1, v4)",
        "v6 = multiply(v5, v3)",
    ]


def test_scalars_are_replaced_and_not_written():
    def f(x):
        y = x * 1
        z = y
        z += 1
        return y * z

    assert last(f, 2.0).operands == ("v1", "v2")


# ---------------------------------------------------------------------- NaN and infinity


@pytest.mark.parametrize(
    ("f", "at", "step", "made"),
    [
        (lambda x: np.exp(np.log(x - 3) * 2), 2.0, "v2", "NaN in primal"),
        (lambda x: np.sqrt(x - 2) + 1, 2.0, "v2", "inf in tangent"),
        (lambda x: np.log(x - 2), 2.0, "v2", "inf in primal"),
        (lambda x: x * np.nan, 2.0, "v1", "NaN in primal"),
        (lambda x: x / (x - x), 0.0, "v2", "NaN in primal"),
        (lambda x: x[0] * 2, [np.inf, np.nan], "v0", "NaN in primal"),
        (np.sin, 2.0, None, None),
    ],
)
def test_the_first_nonfinite_row(f, at, step, made):
    with np.errstate(all="ignore"):
        trace = dg.trace(f, (np.array(at),), (np.ones_like(at),))
    row = trace.first_nonfinite
    assert (row and row.step, row and row.made) == (step, made)
    verb = "has" if step == "v0" else "makes"
    marks = f"^ {step} {verb} {made}", f"{verb} {made}", f"{verb} {made}", "color=red"
    views = str(trace), trace._repr_html_(), trace.to_svg(), trace.to_dot()
    assert all((mark in view) == (row is not None) for mark, view in zip(marks, views, strict=True))


def test_arbitrary_contents_are_nobodys_nan():
    for _ in range(20):
        assert last(lambda x: np.empty_like(x, shape=99), np.full(99, np.nan)).made == ""


def test_a_nan_made_of_infinities_is_marked_too():
    def f(x):
        y = x / 0.0
        return y - y, y * 2

    with np.errstate(all="ignore"):
        trace = dg.trace(f, (1.0,), (1.0,))
    assert [row.made for row in trace.rows] == ["", "inf in primal", "NaN in primal", ""]


def test_one_direction_of_many():
    v = np.array([[1.0, 0.0], [0.0, 1.0]])
    with np.errstate(all="ignore"):
        trace = dg.trace(lambda x: np.sqrt(x) * 2, (np.array([1.0, 0.0]),), (v,))
    assert [row.made for row in trace.rows] == ["", "inf in tangent", ""]


# ---------------------------------------------------------------------- multiply-adds


@pytest.mark.parametrize(
    ("f", "shapes", "primal", "tangent"),
    [
        (np.matmul, [(3, 4), (4, 5)], 60, 120),
        (np.matmul, [(7, 3, 4), (4, 5)], 420, 840),
        (np.dot, [(3, 4), (4,)], 12, 24),
        (np.dot, [(), (4,)], 4, 8),
        (np.inner, [(4,), (4,)], 4, 8),
        (np.tensordot, [(2, 3, 4), (3, 4, 5)], 120, 240),
        (lambda a, b: np.einsum("ij,jk->ik", a, b), [(3, 4), (4, 5)], 60, 120),
        (lambda a, b: np.einsum("...ij,...jk", a, b), [(1, 3, 4), (2, 4, 5)], 120, 240),
        (lambda a, b: np.einsum(a, [0, 1], b, [1, 2]), [(3, 4), (4, 5)], 60, 120),
        (lambda a: np.einsum("ii", a), [(3, 3)], 3, 3),
        (lambda a: a @ np.ones((4, 5)), [(3, 4)], 60, 60),
        (np.add, [(3, 4), (4,)], 12, 12),
        (np.multiply, [(3, 1), (4,)], 12, 24),
        (np.tanh, [(3, 4)], 12, 12),
        (np.sum, [(3, 4)], 12, 12),
        (np.sign, [(3, 4)], 12, 0),
        (np.transpose, [(3, 4)], 0, 0),
        (np.linalg.svd, [(3, 3)], 27, 27),
    ],
)
@pytest.mark.parametrize("lead", [(), (6,)])
def test_multiply_adds(f, shapes, primal, tangent, lead):
    if f is np.tensordot:
        f = lambda a, b: np.tensordot(a, b, 2)  # noqa: E731
    if f is np.linalg.svd:
        f = lambda a: np.linalg.svd(a, compute_uv=False)  # noqa: E731
    rng = np.random.default_rng(0)
    xs = tuple(rng.normal(size=shape) for shape in shapes)
    vs = tuple(rng.normal(size=lead + shape) for shape in shapes)
    trace = dg.trace(f, xs, vs)
    assert trace.rows[len(shapes)].multiply_adds == (primal, tangent * math.prod(lead))
    assert trace.multiply_adds == (primal, tangent * math.prod(lead))


# ---------------------------------------------------------------------- levels


def test_an_inner_jvp_is_a_layer():
    trace = dg.trace(dg.derivative(np.sin), (1.0,), (1.0,))
    assert [str(row) for row in trace.rows[1:]] == ["v1 = v0 + ε₂", "v2 = sin(v1)", "v3 = ∂v2/∂ε₂"]
    (layer,) = trace.rows[2].layers
    assert layer == ("ε₂", np.cos(1.0), -np.sin(1.0))
    assert [row.depth for row in trace.rows] == [1, 2, 2, 1]
    assert (trace.value, trace.tangent) == (np.cos(1.0), -np.sin(1.0))
    assert trace.rows[-1].step == trace.outputs[0]
    rows = {row.step: row for row in trace.rows}
    reached, front = set(), [trace.outputs[0]]
    while front:
        step = front.pop()
        reached.add(step)
        front += rows[step].inputs
    assert "v0" in reached


def test_a_trace_inside_a_jvp_shows_plain_values():
    kept = []

    def f(x):
        kept.append(dg.trace(np.exp, (x,), (x,)))
        return kept[0].tangent

    y, dy = dg.jvp(f, (2.0,), (1.0,))
    assert (y, dy) == (2 * np.exp(2.0), 3 * np.exp(2.0))
    assert [(row.operation, type(row.primal)) for row in kept[0].rows] == [("input", np.float64), ("exp", np.float64)]
    assert kept[0].rows[1].tangent == y


def test_a_trace_inside_a_trace():
    kept = []

    def f(x):
        kept.append(dg.trace(lambda y: x * y * y, (x,), (1.0,)))
        return kept[0].tangent

    before = state()
    outer = dg.trace(f, (3.0,), (1.0,))
    assert (outer.value, outer.tangent) == (18, 12)
    assert [row.operation for row in kept[0].rows] == ["input", "multiply", "multiply"]
    assert all(isinstance(x, (np.generic, np.ndarray)) for row in kept[0].rows for x in (row.primal, row.tangent))
    assert state() == before


def test_taylor_inside_a_trace():
    trace = dg.trace(lambda x: dg.taylor(np.exp, x, 1.0, order=2)[2], (2.0,), (1.0,))
    assert trace.tangent == pytest.approx(np.exp(2.0) / 2)


def test_on_a_device():
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(3, 3)), rng.normal(size=3)

    def f(a, x):
        y = a @ x
        y[0] = x[1]
        return np.sum(np.tanh(y))

    trace = dg.trace(f, (device(a), device(x)), (device(a), device(x)))
    on_host = dg.trace(f, (a, x), (a, x))
    assert list(map(str, trace.rows)) == list(map(str, on_host.rows))
    for row, other in zip(trace.rows, on_host.rows, strict=True):
        assert type(row.primal) is type(other.primal)
        np.testing.assert_allclose(row.tangent, other.tangent)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: dg.grad(lambda y: np.sum(np.sin(y) * y * x))(x),
        lambda x: dg.hessian(lambda y: np.sum(y**3 * x))(x) @ x,
        lambda x: dg.jacfwd(lambda y: y * y[0] + x)(x),
        lambda x: dg.hvp(lambda y: np.sum(y**3), x, x),
        lambda x: dg.jvp(lambda y: y * x[0] * y, (3.0,), (1.0,))[1] * x,
        lambda x: dg.jvp(lambda y, z: y * z * np.sin(x), (x, 2.0), (np.ones(2), 1.0)),
        lambda x: dg.jvp(lambda y: (y * 2, y[0]), (x,), (x,)),
        lambda x: dg.value_and_grad(lambda p: np.sum(p["a"] * p["b"] ** 2))({"a": x, "b": x * 2}),
        lambda x: dg.laplacian(lambda y: np.sum(y**4))(x) * x,
        lambda x: dg.linearize(lambda y: np.sin(y) * x, x)[1](x),
        lambda x: dg.derivative(lambda t: np.stack([t * x, x]).sum(0))(1.0) * x,
        lambda x: dg.jvp(lambda y: dg.nn.Tanh()({}, y * x), (x,), (x,))[1],
    ],
)
@pytest.mark.parametrize("v", [np.array([1.0, -2.0]), np.eye(2)])
def test_derivatives_inside_have_the_value_and_tangent_of_jvp(f, v):
    x = np.array([1.0, 2.0])
    trace, (value, tangent) = dg.trace(f, (x,), (v,)), dg.jvp(f, (x,), (v,))
    for got, expected in zip(leaves((trace.value, trace.tangent)), leaves((value, tangent)), strict=True):
        np.testing.assert_allclose(got, expected)
    pages = str(trace), trace.to_svg(), trace.to_dot(), trace.to_html(), trace.to_latex(), trace.to_markdown()
    assert all(pages)
    assert all(set(row.inputs) <= {earlier.step for earlier in trace.rows} for row in trace.rows)


def test_the_mechanics_of_an_inner_derivative_are_no_rows():
    trace = dg.trace(lambda x: dg.derivative(lambda y: y * np.sin(y))(x) * 2, (2.0,), (1.0,))
    calls = [str(row).partition(" = ")[2] for row in trace.rows]
    assert calls == ["x", "v0 + ε₂", "sin(v1)", "multiply(v1, v2)", "∂v3/∂ε₂", "multiply(v4, 2)"]
    hessian = dg.trace(dg.hessian(lambda y: np.sum(y * y * y)), (np.ones(2),), (np.ones(2),))
    names = [name for name, _, _ in hessian.row("v4").layers]
    assert (names, hessian.row("v4").depth) == (["ε₂", "ε₃", "ε₂ε₃"], 3)
    assert not {"moveaxis", "reshape", "getitem"} & {row.operation for row in hessian.rows}


# ---------------------------------------------------------------------- options, and local derivatives


def test_local_derivatives():
    trace = dg.trace(lambda x, y: np.sin(x * x) / y, (2.0, 4.0), (1.0, 0.0))
    assert trace.partials("v1") == [("v-1", 2.0), ("v-1", 2.0)]
    assert trace.row("v1").edges == ("v-1", "v-1")
    assert trace.partials("v3") == [("v2", 0.25), ("v0", -np.sin(4.0) / 16)]
    assert trace.partials("v0") == []
    for row in trace.rows[2:]:  # the chain rule
        slopes = [slope * trace.row(operand).tangent for operand, slope in trace.partials(row.step)]
        assert sum(slopes) == pytest.approx(row.tangent)


def test_local_derivatives_of_arrays_writes_and_several_results():
    a, x = np.arange(6.0).reshape(2, 3), np.arange(3.0)

    def f(a, x):
        y = a @ x
        y[0] = x[1] * 3
        first, second = np.split(y, 2)
        return first * second

    trace = dg.trace(f, (a, x), (a, x))
    found = {row.step: trace.partials(row.step) for row in trace.rows}
    assert [slope.shape for _, slope in found["v1"]] == [(2, 2, 3), (2, 3)]
    np.testing.assert_array_equal(found["v1"][1][1], a)
    write = next(row for row in trace.rows if row.operation == "setitem")
    np.testing.assert_array_equal(found[write.step][0][1], np.diag([0.0, 1.0]))
    halves = [row.step for row in trace.rows if row.operation.startswith("split")]
    np.testing.assert_array_equal([found[step][0][1][0] for step in halves], np.eye(2))
    again = pickle.loads(pickle.dumps(trace))
    np.testing.assert_array_equal(again.partials("v1")[1][1], a)
    large = dg.trace(np.sin, (np.ones(99),), (np.ones(99),))
    assert large.partials("v1") == [("v0", None)]
    assert "∂v1/∂v0 : 99 by 99" in large.table(columns=("step", "local"))


def test_mathematical_names():
    def f(x, y):
        u = np.log(x) * -2.0 + x / y - x**2 + y**-1.5
        return (x @ x, x[0], np.sqrt(x), -u, np.sum(y), abs(x), u > 1, np.maximum(x, y))

    x = np.array([1.0, 2.0])
    table = dg.trace(f, (x, x), (x, x)).table(names="mathematical", columns="operation")
    calls = (
        "ln v-1|v1 · (-2)|v-1 / v0|v2 + v3|v-1²|v4 − v5|v0^(-1.5)|v6 + v7|v-1 @ v-1|v-1[0]|√v-1|−v8|Σ v0|"
        "|v-1||v8 > 1|maximum(v-1, v0)"
    )
    assert "|".join(table.splitlines()[3:-1]) == calls


def test_options():
    trace = dg.trace(lambda x: np.outer(x, x) / 3, (np.array([1.0, 2.0]),), (np.ones(2),))
    assert "[[0.33, 0.67], [0.67, 1.3]]" in trace.table(digits=2, full=True)
    assert trace.table(columns=("tangent", "step")).splitlines()[0].split() == ["tangent", "step"]
    assert "0.3333333" in trace.to_markdown(digits=7, full=True)
    for wrong in ({"digits": 0}, {"digits": 2.5}, {"columns": ("steps",)}, {"columns": ()}, {"names": "greek"}):
        with pytest.raises(ValueError, match="expected"):
            trace.table(**wrong)


def test_short_vectors_print_their_entries():
    text = str(dg.trace(np.sin, (np.array([1.0, 2.0]),), (np.ones(2),)))
    assert "[0.8415, 0.9093]" in text
    assert "‖" not in text


# ---------------------------------------------------------------------- the tables


def state():
    """Everything that a trace might replace: it replaces nothing."""
    kinds = [Dual, custom_jvp, dg.nn.Loss, dg.nn.Layer, dg.nn.Linear, dg.nn.Sequential]
    return dict(RULES), list(RULES), [dict(vars(kind)) for kind in kinds]


def test_nothing_is_left_behind():
    before = state()
    dg.trace(textbook, (2.0, 5.0), (1.0, 0.0))
    assert state() == before
    with pytest.raises(ZeroDivisionError):
        dg.trace(lambda x: x * (1 // 0), (2.0,), (1.0,))
    assert state() == before
    with pytest.raises(NotImplementedError):
        dg.trace(np.i0, (2.0,), (1.0,))
    assert state() == before
    with pytest.raises(dg.ShapeError):
        dg.trace(np.sin, (2.0,), (np.ones((2, 2)),))
    assert state() == before
    assert all(RULES[f] is rule for f, rule in before[0].items())


def test_nothing_is_patched_while_a_trace_runs():
    before = state()

    def f(x):
        assert state() == before
        return np.sin(x) * x[0]

    assert len(dg.trace(f, (np.ones(2),), (np.ones(2),)).rows) == 4


def test_rows_are_linear_in_the_steps(monkeypatch):
    """Which arrays a write renames is asked of those that are used again, and of the last writes."""
    asked, real = [], np.may_share_memory
    monkeypatch.setattr(np, "may_share_memory", lambda a, b: asked.append(0) or real(a, b))

    def f(x):
        out, other = np.zeros_like(x), x * 1
        for k in range(300):
            out[k % 3] = x[0] * k
            out[:2] += other[:2]
        return out

    rows = dg.trace(f, (np.ones(3),), (np.ones(3),)).rows
    assert len(rows) == 3 + 7 * 300
    assert len(asked) < 3 * len(rows)


def test_a_trace_asks_nothing_of_others(monkeypatch):
    """What is not traced does not come near the mechanism."""
    monkeypatch.setattr(dg.tracing.traced, "_apply", lambda *args: 1 // 0)
    model = dg.nn.Sequential(dg.nn.Linear(2, 2), dg.nn.Tanh())
    params = model.init(rng=0)

    def f(p):
        return dg.nn.mse(model(p, np.ones((3, 2), np.float32)), np.zeros((3, 2), np.float32))

    with pytest.raises(ZeroDivisionError):
        dg.trace(f, (params,), (params,))
    dg.jvp(f, (params,), (params,))
    dg.taylor(f, params, params)


def test_the_power_of_a_series():
    trace = dg.trace(lambda x: dg.taylor(lambda z: x**z, 2.0, 1.0, order=2)[1], (3.0,), (1.0,))
    assert trace.value == pytest.approx(9 * np.log(3))
    assert trace.tangent == pytest.approx(6 * np.log(3) + 3)


def test_a_rule_declared_in_the_meantime_stays(tables):
    def f(x):
        dg.defjvp(np.i0, lambda primals, tangents: (np.i0(primals[0]), tangents[0] * 0))
        return np.i0(x)

    assert dg.trace(f, (1.0,), (1.0,)).tangent == 0
    assert dg.jvp(np.i0, (1.0,), (1.0,))[1] == 0


def test_an_exception_names_the_last_step():
    def f(x):
        y = np.exp(x)
        return np.matmul(y, np.ones(7))

    with pytest.raises(ValueError, match="matmul") as caught:
        dg.trace(f, (np.ones(2),), (np.ones(2),))
    (note,) = caught.value.__notes__
    assert re.fullmatch(
        r"dg\.trace: the last step was v1 = exp\(v0\)  test_tracing\.py:\d+  y = np\.exp\(x\), "
        r"then matmul\(v1, float64\[7\]\) failed",
        note,
    )


def test_a_failure_that_f_handles_goes_unmentioned():
    def f(x):
        try:
            np.matmul(x, np.ones(7))
        except ValueError:
            x = x * 2
        return x + {}["missing"]

    with pytest.raises(KeyError) as caught:
        dg.trace(f, (np.ones(2),), (np.ones(2),))
    assert "failed" not in caught.value.__notes__[0]


def test_errors_are_those_of_jvp():
    with pytest.raises(TypeError, match="jvp takes a tuple"):
        dg.trace(np.sin, 1.0, 1.0)
    with pytest.raises(dg.StructureError, match="one tangent a primal"):
        dg.trace(np.sin, (1.0,), ())


def test_threads():
    """Traces in several threads, and jvps beside them, do not see each other."""
    barrier, before = threading.Barrier(6), state()

    def run(k):
        barrier.wait()
        found = []
        for _ in range(20):
            if k % 3 == 2:
                found.append(dg.jvp(chain, (0.1 * k,), (1.0,)))
                continue
            trace = dg.trace(chain, (0.1 * k,), (1.0,))
            assert [row.operation for row in trace.rows[1:]] == ["sin", "multiply"] * 30
            found.append((trace.value, trace.tangent))
        return found

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(run, range(6)))
    for k, found in enumerate(results):
        assert found == [dg.jvp(chain, (0.1 * k,), (1.0,))] * 20
    assert state() == before


def test_a_thread_inside_f_belongs_to_the_trace():
    def f(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: np.var(x)).result()

    assert [row.operation for row in dg.trace(f, (np.ones(3),), (np.ones(3),)).rows] == ["input", "var"]


# ---------------------------------------------------------------------- as text


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@pytest.mark.parametrize("width", [20, 60, 80, 100, 200])
def test_the_table_fits_the_terminal(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    for trace in traces():
        lines = str(trace).splitlines()
        assert max(map(columns, lines)) <= max(width, 60)
        assert repr(trace) == str(trace)
        assert lines[-1].startswith("y = ")
        assert lines[0].split()[:5] == ["step", "operation", "shape", "primal", "tangent"]


def test_wide_characters_and_long_values_fit(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    值 = {"漢字漢字漢字漢字漢字漢字": np.array([-1.23456e-300, 1.0, 3e100])}
    trace = dg.trace(lambda 値: 値["漢字漢字漢字漢字漢字漢字"] * 1.0e-5j, (值,), (值,))
    assert max(map(columns, str(trace).splitlines())) <= 70


def test_the_middle_of_a_long_trace_is_hidden_but_not_a_nan():
    def f(x):
        for k in range(100):
            x = np.log(x - x - 1.0) if k == 60 else x + 1.0
        return x

    with np.errstate(all="ignore"):
        trace = dg.trace(f, (1.0,), (1.0,))
    text, page = str(trace), trace._repr_html_()
    assert len(text.splitlines()) == 1 + 20 + 1 + 1 + 1 + 1 + 20 + 1
    hidden = list(map(int, re.findall(r"^\.\.\. (\d+) rows hidden$", text, re.MULTILINE)))
    assert sum(hidden) + 41 == len(trace.rows) == 103
    assert "makes NaN in primal" in text
    assert "makes NaN in primal" in page
    assert f"... {hidden[0]} rows hidden" in page


def test_html_is_escaped_and_well_formed():
    trace = dg.trace(lambda x: np.where(x < 2, x, len("<b>&")), (1.0,), (1.0,))
    page = trace._repr_html_()
    assert "<b>" not in page
    assert "np.where(x &lt; 2, x, len(&quot;&lt;b&gt;&amp;&quot;))" in page
    for trace in traces():
        table = ElementTree.fromstring(trace._repr_html_())
        assert len(table) == len(str(trace).splitlines())


def test_dot_is_well_formed():
    for trace in traces():
        first, _, *body, end = trace.to_dot().splitlines()
        assert (first, end) == ("digraph trace {", "}")
        string = r'"(?:[^"\\]|\\.)*"'
        nodes = [line for line in body if re.fullmatch(rf"  {string} \[label={string}(, \w+=\w+)*\];", line)]
        edges = [line for line in body if re.fullmatch(rf"  {string} -> {string};", line)]
        assert len(nodes) == len(trace.rows)
        assert len(edges) == sum(len(row.edges) for row in trace.rows)
        assert len(nodes) + len(edges) == len(body)
    trace = dg.trace(lambda p: p['a"\\'], ({'a"\\': 1.0},), ({'a"\\': 1.0},))
    assert r"\"" in trace.to_dot()


def test_svg_nodes_do_not_overlap():
    for trace in traces():
        image = ElementTree.fromstring(trace.to_svg())
        width, height = float(image.get("width")), float(image.get("height"))
        rects = [[float(r.get(k)) for k in ("x", "y", "width", "height")] for r in image.iter(f"{SVG}rect")]
        assert len(rects) == len(trace.rows)
        for x, y, w, h in rects:
            assert x >= 0
            assert y >= 0
            assert x + w <= width
            assert y + h <= height
        for (x, y, w, h), (s, t, u, v) in combinations(rects, 2):
            assert x + w < s or s + u < x or y + h < t or t + v < y
        for group in image.iter(f"{SVG}g"):
            room = float(group.find(f"{SVG}rect").get("width"))
            assert all(7.2 * columns(text.text) <= room for text in group.iter(f"{SVG}text"))


def test_svg_has_a_line_for_every_operand_clear_of_the_nodes():
    for trace in traces():
        image = ElementTree.fromstring(trace.to_svg())
        lines = [p for p in image.iter(f"{SVG}path") if p.get("marker-end")]
        assert len(lines) == sum(len(row.edges) for row in trace.rows)
        rects = [[float(r.get(k)) for k in ("x", "y", "width", "height")] for r in image.iter(f"{SVG}rect")]
        for path in image.iter(f"{SVG}path"):
            numbers = [float(n) for n in re.findall(r"-?[\d.]+", path.get("d"))]
            if path.get("fill") == "none" and len(numbers) == 9:  # a bend: down to the end of its layer at x
                bend, top, bottom = numbers[6:]
                assert not any(x <= bend <= x + w and y < bottom and y + h > top for x, y, w, h in rects)


def test_svg_marks_the_maker_of_a_nan_and_the_output():
    with np.errstate(all="ignore"):
        trace = dg.trace(lambda x: np.log(-x) * 2, (1.0,), (1.0,))
    image = ElementTree.fromstring(trace.to_svg())
    looks = [(r.get("fill"), r.get("stroke-width")) for r in image.iter(f"{SVG}rect")]
    assert looks == [("#ffffff", "1"), ("#ddf4ff", "1"), ("#ffebe9", "1"), ("#ddf4ff", "2.5")]


def test_the_figures_of_the_page_are_up_to_date():
    def entropy(z):
        p = np.exp(z)
        q = np.log(p)
        return -(p * q)

    with np.errstate(all="ignore"):
        underflow = dg.trace(entropy, (-800.0,), (1.0,))
    figures = Path(__file__).parents[2] / "docs" / "img"
    for name, trace in ("trace.svg", traces()[0]), ("trace-nan.svg", underflow):
        assert (figures / name).read_text("utf-8") == re.sub("<title>.*?</title>\n", "", trace.to_svg())
