"""check_jvp of an engine of one's own: forty lines of dual numbers, right and with the usual mistakes."""

import math

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.testing import check_jvp

X = np.array([0.7, -1.2])


class Student:
    """A student's dual numbers, with + and *; nested ones give higher orders."""

    __array_ufunc__ = None

    def __init__(self, value, slope):
        self.value, self.slope = value, slope

    def __add__(self, other):
        other = other if isinstance(other, Student) else Student(other, 0 * other)
        return Student(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other):
        other = other if isinstance(other, Student) else Student(other, 0 * other)
        return Student(self.value * other.value, self.slope * other.value + self.value * other.slope)

    __radd__, __rmul__ = __add__, __mul__


class WithoutASecondTerm(Student):
    def __mul__(self, other):
        product = Student(self.value, self.slope) * other
        return type(self)(product.value, self.slope * getattr(other, "value", other))


class OfOneShape(Student):
    def __add__(self, other):
        return type(self)(self.value + other, self.slope)  # where a larger array is added, too small


def sin(x):
    return Student(sin(x.value), cos(x.value) * x.slope) if isinstance(x, Student) else np.sin(x)


def cos(x):
    return Student(cos(x.value), -1 * sin(x.value) * x.slope) if isinstance(x, Student) else np.cos(x)


def sine_of_wrong_sign(x):
    return Student(sin(x.value), -1 * cos(x.value) * x.slope) if isinstance(x, Student) else np.sin(x)


def engine(kind=Student):
    def jvp(f, primals, tangents):
        (x,), (v,) = primals, tangents
        y = f(kind(x, v))
        return y.value, y.slope

    return jvp


def failed(f, x, **options):
    return {c.name: c.note for c in check_jvp(f, (x,), raises=False, **options).failures}


@pytest.mark.parametrize("x", [0.7, X], ids=["number", "array"])
def test_a_right_engine_passes_at_two_orders_and_with_many_directions(x):
    report = check_jvp(lambda x: sin(x) * x + 2 * x * x + 3, (x,), jvp=engine())
    assert report.passed
    assert {"order 1", "order 2", "K directions in one pass", "other points"} <= {c.name for c in report.checks}


@pytest.mark.parametrize(
    ("f", "kind"),
    [
        (lambda x: x * x, WithoutASecondTerm),
        (lambda x: sine_of_wrong_sign(x) + x, Student),
        (lambda x: x + np.ones((3, 2)), OfOneShape),
    ],
    ids=["product rule", "sign", "broadcasting"],
)
def test_the_usual_mistakes_fail(f, kind):
    assert "order 1" in failed(f, X, jvp=engine(kind), orders=(1,), directions=())


def of_one_number(f, primals, tangents):
    """An engine for the sine of one Python number, that does not nest."""
    (x,), (v,) = primals, tangents
    if not isinstance(x, float) or not isinstance(v, float):
        raise TypeError("one number, please")
    return f(x), math.cos(x) * v


def test_what_an_engine_does_not_do_is_a_failed_line_that_can_be_left_out():
    found = failed(math.sin, 0.7, jvp=of_one_number)
    assert set(found) == {"order 2", "K directions in one pass"}
    assert found["K directions in one pass"].startswith("TypeError: one number, please; for an engine that takes one")
    assert found["K directions in one pass"].endswith("directions=()")
    assert found["order 2"] == "for an engine that does not nest: orders=(1,)"
    assert check_jvp(math.sin, (0.7,), jvp=of_one_number, orders=(1,), directions=()).passed


def test_an_engine_that_does_not_run_is_one_line():
    report = check_jvp(np.sin, (X,), jvp=lambda f, primals, tangents: 1 / 0, raises=False)
    assert [(c.name, c.oracle, c.note) for c in report.checks] == [
        ("value", "runs", "ZeroDivisionError: division by zero")
    ]
    assert "not a pair" in failed(np.sin, X, jvp=lambda f, primals, tangents: np.zeros(3))["value"]


def test_what_is_no_engine_is_refused():
    with pytest.raises(TypeError, match=r"got jvp=3; expected an engine jvp\(f, primals, tangents\)"):
        check_jvp(np.sin, (X,), jvp=3)
    with pytest.raises(ValueError, match=r"got directions=\(-1,\)"):
        check_jvp(np.sin, (X,), directions=(-1,))


def test_trees_come_as_leaves():
    def f(tree):
        return {"y": tree["a"] * tree["b"][0]}

    assert check_jvp(f, ({"a": X, "b": [2.0]},), jvp=lambda f, xs, vs: dg.jvp(f, xs, vs)).passed
