"""The graph of a trace is that of the program: each row's tangent is what the chain rule makes of its operands."""

import numpy as np
import pytest

import dualgrad as dg

STEPS = {
    "arithmetic": lambda a, b: a * b - 2,
    "list": lambda a, b: np.add([b[2], 1.0, np.sin(a[1])], a),
    "objects": lambda a, b: a + 0.5 * np.array([b[0], -np.sin(a[2]), 3.0]),
    "objects of objects": lambda a, b: np.array([[a[0], b[1]], [1.0, a[2]]]) @ b[:2] @ b[1:] * a,
    "objects twice": lambda a, b: (c := np.array([a[0], b[1], a[0]])) * c,
    "objects, filled": lambda a, b: _filled(a) / (2 + b * b),
    "objects, written": lambda a, b: _written(a) + b,
    "vectorize": lambda a, b: np.vectorize(lambda u, v: u * np.cos(v))(a, b),
    "rows of python": lambda a, b: np.array([u * v for u, v in zip(a, b, strict=True)]),
    "write": lambda a, b: _set(a, slice(None, 2), b[1:]),
    "write through a view": lambda a, b: _through_view(a, slice(None, None, 2), b[:2]),
    "write through two views": lambda a, b: _through_two_views(a, b),
    "write into the other half": lambda a, b: _between_halves(a, b),
    "objects, in place": lambda a, b: _into_objects(a, b),
    "view of a written array": lambda a, b: _view_of_written(a, b),
    "add.at": lambda a, b: _at(a, b),
}


def _filled(a):
    objects = np.empty(3, object)
    for k in range(3):
        objects[k] = a[k] * (k + 1)
    return objects


def _written(a):
    objects = np.array([a[0], a[1], a[2]])
    before = objects * a
    objects[1] = a[0] * 3
    return before * objects


def _into_objects(a, b):
    objects = np.array([a[0], b[1], a[2]])
    objects += b
    objects[1] *= 2
    np.multiply(objects, a, out=objects)
    return objects * objects[0]


def _set(a, index, value):
    y = a * 1
    y[index] = value
    return y


def _through_view(a, index, value):
    y = a * 1
    view = y[index]
    view *= value
    return y


def _through_two_views(a, b):
    y = a * 1
    front, back = y[:2], y[1:]
    front *= 3
    back += b[:2]
    front[0] = b[2]
    return y * front[1]


def _between_halves(a, b):
    y = a * 1
    even, odd = y[::2], y[1::2]
    odd *= b[1]
    return even[0] * y


def _view_of_written(a, b):
    y = a * 1
    view = y[1:]
    y *= b
    return view[0] * y + view[1]


def _at(a, b):
    y = a * 1
    np.add.at(y, [0, 0, 2], b)
    return y


def check_chain_rule(trace, dense=True):
    """Each row's tangent is the sum of its local derivatives times the tangents of their operands; rows of values
    that returned are those values. Dense: every row has its local derivatives."""
    for row in trace.rows:
        found = trace.partials(row.step)
        assert [step for step, _ in found] == list(row.edges), row
        if row.operation == "input" or row.tangent is None or any(slope is None for _, slope in found):
            assert not dense or row.operation == "input" or row.tangent is None, row
            continue
        total = np.zeros(row.shape)
        for step, slope in found:
            operand = trace.row(step)
            moving = np.zeros(operand.shape) if operand.tangent is None else operand.tangent
            total = total + np.tensordot(slope, moving, np.ndim(moving))
        np.testing.assert_allclose(row.tangent, total, rtol=1e-12, atol=1e-12, err_msg=str(row))
    if trace.outputs[0].startswith("v"):
        output = trace.row(trace.outputs[0])
        np.testing.assert_array_equal(output.primal, trace.value)
        np.testing.assert_array_equal(0 if output.tangent is None else output.tangent, trace.tangent)


def program(rng, length):
    """Random steps, each of two of the arrays so far; the parts and what they are of are named."""
    picks = [(str(name), *map(int, rng.integers(0, k + 2, 2))) for k, name in enumerate(rng.choice([*STEPS], length))]

    def f(x, y):
        arrays = [x, y]
        for name, i, j in picks:
            arrays.append(np.tanh(STEPS[name](arrays[i], arrays[j])))
        return arrays[-1]

    f.__name__ = ", ".join(f"{name}({i}, {j})" for name, i, j in picks)
    return f


@pytest.mark.parametrize("name", STEPS)
def test_each_row_is_the_chain_rule(name):
    x, y, v = np.array([0.3, -0.7, 1.1]), np.array([1.2, 0.4, -0.6]), np.array([1.0, -2.0, 0.5])
    trace = dg.trace(STEPS[name], (x, y), (v, v[::-1]))
    check_chain_rule(trace)
    used = {step for row in trace.rows for step in row.edges} | set(trace.outputs)
    loose = [str(row) for row in trace.rows if row.step not in used]
    assert not loose or name == "vectorize", loose  # of which NumPy calls the function once more
    value, tangent = dg.jvp(STEPS[name], (x, y), (v, v[::-1]))
    np.testing.assert_array_equal(trace.value, value)
    np.testing.assert_array_equal(trace.tangent, tangent)


def test_each_row_of_random_programs_is_the_chain_rule():
    rng = np.random.default_rng(0)
    for _ in range(100):
        f = program(rng, int(rng.integers(2, 5)))
        x, y, v = rng.normal(size=(3, 3))
        try:
            check_chain_rule(dg.trace(f, (x, y), (v, v[::-1])))
        except AssertionError as error:
            error.add_note(f.__name__)
            raise


def test_an_array_of_objects_that_is_returned_is_one_row():
    trace = dg.trace(lambda x: np.array([x[1], x[0]]), (np.ones(2),), (np.ones(2),))
    assert [row.operation for row in trace.rows] == ["input", "getitem", "getitem", "array"]
    assert trace.outputs == ("v3",)
    assert trace.rows[-1].source == ""


def test_a_write_through_a_view_gives_what_it_is_a_view_of_a_name_of_its_own():
    def f(x):
        y = x * 1
        view = y[::2]
        view *= 3
        return y

    row = dg.trace(f, (np.arange(3.0),), (np.ones(3),)).rows[-1]
    assert str(row) == "v4 = overwritten(v1, v3)"
    assert list(row.tangent) == [3, 1, 3]


def test_constants_show_the_digits_that_they_have():
    constants = (
        1.0001,
        2.0000001,
        np.pi,
        0.1,
        1e-7,
        -1234567.5,
        np.float32(0.1),
        np.float64(1 / 3),
        1.0001 - 2j,
        5,
        np.inf,
    )
    found = [dg.trace(lambda x, c=c: x * c, (2.0,), (1.0,)).rows[-1].operands[1] for c in constants]
    assert found == "1.0001 2.0000001 3.142 0.1 1e-07 -1.235e+06 0.1 0.3333 1.0001-2j 5 inf".split()


def test_an_unknown_step_is_named():
    trace = dg.trace(np.sin, (1.0,), (1.0,))
    for ask in (trace.row, trace.partials):
        with pytest.raises(KeyError, match=r"got step 'v9': the steps are v0 to v1"):
            ask("v9")


def test_what_has_no_derivative_shows_none():
    table = dg.trace(lambda x: np.where(x > 1, x, 0), (np.arange(3.0),), (np.ones(3),)).table(columns=("step", "local"))
    assert "v1" in table
    assert "∂v2/∂v0" in table
    assert "∂v2/∂v1" not in table


def test_sheets_take_greek_letters_quotes_and_names():
    trace = dg.trace(lambda α: {"a": α * 2}["a"], (1.0,), (1.0,))
    sheet = trace.to_latex(names="numpy")
    assert r"\texttt{\ensuremath{\alpha}}" in sheet
    assert r"\texttt{multiply}(v_{0}, 2)" in sheet
    assert r"\cdot" in trace.to_latex()
    assert not {"α", '"'} & set(sheet)


@pytest.mark.parametrize("f", [np.real, np.imag, np.conjugate, np.absolute, np.angle, np.fft.irfft])
def test_what_is_no_complex_derivative_is_not_shown_as_one(f):
    trace = dg.trace(lambda x: f(np.exp(1j * x)) * 2.0, (np.arange(1.0, 4.0),), (np.ones(3),))
    check_chain_rule(trace, dense=False)
    (row,) = [row for row in trace.rows if row.inputs == ("v2",)]
    assert trace.partials(row.step) == [("v2", None)]
    assert trace.partials("v2")[0][1].dtype.kind == "c"
