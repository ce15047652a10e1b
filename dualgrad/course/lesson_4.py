"""Exercises of lesson 4, the parts of an engine: operators, broadcasting, matrix products, solve, and the whole."""

import numpy as np

import dualgrad as dg

from .exercise import Exercise, Formula, half_steps, one_from, tables
from .lesson_4_engine import ENGINE

# ---------------------------------------------------------------------- 4.1: operators, with constants on both sides

POLYNOMIALS = tuple(
    Formula(text, eval(f"lambda x: {text}"))
    for text in ("x + x", "x * x", "x * 2", "2 * x", "x + 5", "5 + x", "x - 3", "3 - x", "-x", "x - x * x",
                 "(1 - x) * (2 + x)", "(x + 1) * x")
)  # fmt: skip


def _program_on(number, program, x, v):
    y = program(number(x, v))
    return y.primal, y.tangent


def _number_class(rest=0.0, **methods):
    """A class of numbers whose constants move at the rate ``rest``, with some methods of another kind."""

    class Number:
        def __init__(self, primal, tangent):
            self.primal, self.tangent = primal, tangent

        def with_(self, other, primal, tangent):
            other = other if isinstance(other, Number) else Number(other, rest)
            return Number(primal(self.primal, other.primal), tangent(self, other))

        def __add__(self, other):
            return self.with_(other, lambda a, b: a + b, lambda a, b: a.tangent + b.tangent)

        def __mul__(self, other):
            return self.with_(
                other, lambda a, b: a * b, lambda a, b: a.primal * b.tangent + a.tangent * b.primal
            )  # fmt: skip

        def __sub__(self, other):
            return self.with_(other, lambda a, b: a - b, lambda a, b: a.tangent - b.tangent)

        def __rsub__(self, other):
            return self.with_(other, lambda a, b: b - a, lambda a, b: b.tangent - a.tangent)

        def __neg__(self):
            return Number(-self.primal, -self.tangent)

        __radd__, __rmul__ = __add__, __mul__

    for name, method in methods.items():
        if method is None:
            delattr(Number, f"__{name}__")
        else:
            setattr(Number, f"__{name}__", method)
    return Number


def _without_constants(operation):
    return lambda a, b: type(a)(operation(a.primal, b.primal), operation(a.tangent, b.tangent))


def _strict_product(a, b):
    return type(a)(a.primal * b.primal, a.primal * b.tangent + a.tangent * b.primal)


def _added_in_place(self, other):
    self.tangent = self.tangent + (other.tangent if isinstance(other, type(self)) else 0.0)
    self.primal = self.primal + (other.primal if isinstance(other, type(self)) else other)
    return self


OPERATORS = Exercise(
    number="4.1",
    title="Operators, with constants on either side",
    task="Write a class Number(primal, tangent) with +, -, * and unary minus, each also with plain numbers.",
    call="Number(primal, tangent)",
    shown="program, x, v",
    wants="class",
    run=_program_on,
    first=tuple((program, 3.0, 1.0) for program in POLYNOMIALS),
    inputs=lambda st: st.tuples(one_from(st, POLYNOMIALS), half_steps(st), half_steps(st)),
    expected=lambda program, x, v: dg.jvp(program, (x,), (v,)),
    mistakes={
        "A plain number has no primal and no tangent. Make a Number of it first: how fast does a constant move?": (
            _number_class(
                add=_without_constants(lambda a, b: a + b),
                sub=_without_constants(lambda a, b: a - b),
                mul=_strict_product,
                radd=None,
                rmul=None,
                rsub=None,
            )
        ),
        "Python turns 2 * x into x.__rmul__(2) when the left side is a plain number: those methods are missing.": (
            _number_class(radd=None, rmul=None, rsub=None)
        ),
        "The minus in front of -x calls x.__neg__(), which is missing.": _number_class(neg=None),
        "The minus in front of -x calls x.__neg__(), and x - y calls x.__sub__(y): both are missing.": (
            _number_class(neg=None, sub=None, rsub=None)
        ),
        "A sum changes the Number on its left, which is used again later: make a new one.": (
            _number_class(add=_added_in_place)
        ),
        "Subtraction is not the same from both sides: x.__rsub__(3) means 3 - x.": (
            _number_class(rsub=lambda self, other: self - other)
        ),
        "Your constants move: made into a Number, 2 has a tangent that is not 0.": _number_class(rest=1.0),
        "-x has the value right; if x rises, does -x rise as well?": (
            _number_class(neg=lambda self: type(self)(-self.primal, self.tangent))
        ),
        "a - b has the value right, and its tangents are added.": (
            _number_class(
                sub=lambda self, other: self.with_(other, lambda a, b: a - b, lambda a, b: a.tangent + b.tangent)
            )
        ),
        "The product of two Numbers lacks a term: each factor moves while the other stands.": (
            _number_class(
                mul=lambda self, other: self.with_(other, lambda a, b: a * b, lambda a, b: a.tangent * b.primal)
            )
        ),
    },
)

# ---------------------------------------------------------------------- 4.2 to 4.4: rules of arrays


def _row_by_row(value, tangent):
    """A rule as it is defined: the value, and for each of the K directions the tangent by itself."""

    def rule(x, y, dx, dy):
        rates = zip(dx, dy, strict=True)
        return value(x, y), np.stack([tangent(x, y, u, v) for u, v in rates])

    return rule


SHAPES = ((), ()), ((3,), (3,)), ((3,), (2, 3)), ((2, 3), (3,)), ((2, 1), (3,)), ((), (2,)), ((1, 3), (2, 1))


def _pair_of_arrays(st, one, other, k, away=0.0):
    return st.tuples(tables(st, *one, away=away), tables(st, *other), tables(st, k, *one), tables(st, k, *other))


BROADCAST = {
    "x and y have different numbers of axes": lambda x, y, dx, dy: np.ndim(x) != np.ndim(y),
    "x and y have different shapes": lambda x, y, dx, dy: np.shape(x) != np.shape(y),
}

MULTIPLY = Exercise(
    number="4.2",
    title="A product that broadcasts, in K directions",
    task="Write my_multiply(x, y, dx, dy), dx of shape (K, *x.shape) and dy likewise: return x * y and its K tangents.",
    call="my_multiply(x, y, dx, dy)",
    first=(
        (np.array(3.0), np.array(2.0), np.array([1.0, 0.0]), np.array([0.0, 1.0])),
        (np.arange(3.0), np.ones((2, 3)), np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), np.ones((2, 2, 3))),
    ),
    inputs=lambda st: [_pair_of_arrays(st, one, other, k) for one, other in SHAPES for k in (2, 3, 4)],
    draws=40,
    expected=_row_by_row(lambda x, y: x * y, lambda x, y, u, v: u * y + x * v),
    facets=BROADCAST,
    mistakes={
        "The rule is right, the axes are not: where x has fewer axes than y, dx needs axes of 1 behind its K.": (
            lambda x, y, dx, dy: (x * y, dx * y + x * dy)
        ),
        "The axes of 1 are in the wrong place: NumPy adds axes on the left, and so directly behind the K.": (
            lambda x, y, dx, dy: (
                x * y,
                dx.reshape(dx.shape + (1,) * (np.ndim(x * y) - np.ndim(x))) * y
                + x * dy.reshape(dy.shape + (1,) * (np.ndim(x * y) - np.ndim(y))),
            )
        ),
        "Only x moves in yours; y has tangents too.": _row_by_row(
            lambda x, y: x * y, lambda x, y, u, v: u * y + 0 * x * v
        ),
        "Only y moves in yours; x has tangents too.": _row_by_row(
            lambda x, y: x * y, lambda x, y, u, v: x * v + 0 * u * y
        ),
        "A tangent times a tangent is of second order: which two terms of the product rule are left?": (
            _row_by_row(lambda x, y: x * y, lambda x, y, u, v: u * v + 0 * x * y)
        ),
        "Each tangent goes with its own array; the product rule crosses them.": (
            _row_by_row(lambda x, y: x * y, lambda x, y, u, v: u * x + v * y)
        ),
        "The K directions have been summed; each keeps a row of its own.": (
            lambda x, y, dx, dy: (x * y, np.sum(MULTIPLY.expected(x, y, dx, dy)[1], axis=0))
        ),
    },
)

PRODUCTS = ((2, 2), (2, 2)), ((2, 3), (3, 2)), ((3, 2), (2,)), ((2, 2), (2,)), ((3, 3), (3, 3))

MATMUL = Exercise(
    number="4.3",
    title="A matrix product, in K directions",
    task="Write my_matmul(A, B, dA, dB): A is a matrix, B a matrix or a vector; return A @ B and its K tangents.",
    call="my_matmul(A, B, dA, dB)",
    first=((np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]),
            np.array([[[1.0, 0.0], [0.0, 0.0]]]), np.array([[[0.0, 1.0], [0.0, 0.0]]])),),
    inputs=lambda st: [_pair_of_arrays(st, one, other, k) for one, other in PRODUCTS for k in (2, 3, 4)],
    draws=40,
    expected=_row_by_row(lambda A, B: A @ B, lambda A, B, U, V: U @ B + A @ V),
    facets={"B is a vector": lambda A, B, *_: B.ndim == 1, "A is not square": lambda A, *_: len(set(A.shape)) > 1},
    mistakes={
        "Right for matrices. For a vector B, dB is (K, n), which @ takes for one matrix: what is it to be instead?": (
            lambda A, B, dA, dB: (A @ B, dA @ B + A @ dB)
        ),
        "Matrices do not commute: in both terms what belongs to A stands on the left.": (
            lambda A, B, dA, dB: (A @ B, dA @ B + dB @ A)
        ),
        "Those are products entry by entry; the rule has the same @ as the value.": (
            lambda A, B, dA, dB: (A @ B, dA * B + A * dB)
        ),
        "Only A moves in yours; B has tangents too.": _row_by_row(lambda A, B: A @ B, lambda A, B, U, V: U @ B),
        "Only B moves in yours; A has tangents too.": _row_by_row(lambda A, B: A @ B, lambda A, B, U, V: A @ V),
        "A tangent times a tangent is of second order, and dropped.": (
            _row_by_row(lambda A, B: A @ B, lambda A, B, U, V: U @ B + A @ V + U @ V)
        ),
        "Nothing is transposed in the rule for tangents; transposes come when one pulls backwards.": (
            _row_by_row(lambda A, B: A @ B, lambda A, B, U, V: (U.T if A.shape == U.T.shape else U) @ B + A @ V)
        ),
    },
)  # fmt: skip


def _system_with(right_side):
    return _row_by_row(
        np.linalg.solve, lambda A, b, U, v: np.linalg.solve(A, right_side(A, b, U, v, np.linalg.solve(A, b)))
    )


SYSTEMS = ((2, 2), (2,)), ((3, 3), (3,)), ((2, 2), (2,))

SOLVE = Exercise(
    number="4.4",
    title="The solution of a linear system, in K directions",
    task="Write my_solve(A, b, dA, db) for a vector b: return x with A x = b, and its K tangents.",
    call="my_solve(A, b, dA, db)",
    first=((2.0 * np.eye(2), np.array([2.0, 4.0]), np.array([np.zeros((2, 2)), np.eye(2)]),
            np.array([[2.0, 0.0], [0.0, 0.0]])),),
    inputs=lambda st: [_pair_of_arrays(st, *shapes, k, away=7) for shapes in SYSTEMS for k in (2, 3, 4)],
    expected=_system_with(lambda A, b, U, v, x: v - U @ x),
    facets={"A moves": lambda A, b, dA, db: bool(np.any(dA)), "K is not n": lambda A, b, dA, db: len(db) != len(b)},
    mistakes={
        "The rule is right for one direction. For K, is a (K, n) right-hand side one of K columns, or of K rows?": (
            lambda A, b, dA, db: (np.linalg.solve(A, b), np.linalg.solve(A, db - dA @ np.linalg.solve(A, b)))
        ),
        "If A grows, x gets smaller: differentiate A x = b and bring dA x to the other side.": (
            _system_with(lambda A, b, U, v, x: v + U @ x)
        ),
        "A moves as well: from A x = b there are two terms on the left.": _system_with(lambda A, b, U, v, x: v),
        "b moves as well; its tangent belongs to the right side.": _system_with(lambda A, b, U, v, x: -U @ x),
        "In the product rule for A x the tangent of A meets the solution x, not b.": (
            _system_with(lambda A, b, U, v, x: v - U @ b)
        ),
        "That is A dx; there is a system left to solve.": (
            _row_by_row(np.linalg.solve, lambda A, b, U, v: v - U @ np.linalg.solve(A, b))
        ),
        "The second system has the same matrix A, not its transpose: that belongs to pulling backwards.": (
            _row_by_row(np.linalg.solve, lambda A, b, U, v: np.linalg.solve(A.T, v - U @ np.linalg.solve(A, b)))
        ),
    },
)  # fmt: skip

LESSON_4 = OPERATORS, MULTIPLY, MATMUL, SOLVE, ENGINE
