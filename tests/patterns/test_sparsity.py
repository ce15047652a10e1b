"""Patterns found by bit sets: none misses an entry, of every function of the catalogue and of random programs, at x and
for all values; the patterns of known functions; what is refused; what it costs."""

import itertools
import time
import tracemalloc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.patterns import (
    bits,
    detection,
    following,
    hessian_pattern,
    linear_maps,
    meetings,
    operation,
    sums_of_products,
)
from dualgrad.testing.programs import STEPS, Program
from tests.support.catalogue import CATALOGUE
from tests.support.checks import outputs
from tests.support.differences import bands, brusselator, heat
from tests.support.layers import LAYERS, LOSSES
from tests.support.strict import device

EVERY = [c for c in CATALOGUE if c.draws and all(np.prod(d.shape) for d in c.draws)]
PARTS = 4
X = np.array([1.0, -2.0, 3.0, 0.5])

# calls of the catalogue warn by themselves, with plain numbers too: of numbers out of range, of what is deprecated
as_numpy_warns = pytest.mark.filterwarnings("ignore")  # of numbers out of range, of what is deprecated


def numbers(case):
    """A call of the catalogue as a function of the list of its inputs: those of its results that can move."""
    return lambda xs: [y for y in outputs(case(*xs)) if not hasattr(y, "dtype") or y.dtype.kind in "fcO"]


def entries_of(f, xs):
    """Where the dense Jacobian of f has entries, along real and imaginary directions."""
    blocks = []
    for k, x in enumerate(xs):
        there = False
        for unit in (1, 1j) if np.iscomplexobj(x) else (1,):
            vs = [np.zeros((x.size, *z.shape), z.dtype) for z in xs]
            vs[k].reshape(x.size, x.size)[range(x.size), range(x.size)] = unit
            d = dg.jvp(f, (xs,), (vs,))[1]
            there = there | (np.concatenate([np.reshape(y, (x.size, -1)) for y in d], axis=1) != 0)
        blocks.append(there.T)
    return np.concatenate(blocks, axis=1)


def faults(cases, at="x"):
    """The calls of which an entry is missed, or that raise; and how many entries there are, and are found."""
    found, count = [], np.zeros(2, int)
    for case in cases:
        xs, f = case.sample(np.random.default_rng(0)), numbers(case)
        try:
            pattern = dg.sparsity(f, xs, at=at).toarray()
        except operation.NeedsValueError:
            assert at is None
            continue
        there = entries_of(f, xs)
        count += there.sum(), pattern.sum()
        if np.any(there & ~pattern):
            found.append(str(case))
    return found, count


@as_numpy_warns
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("at", ["x", None])
def test_no_function_of_the_catalogue_misses_an_entry(part, at):
    found, (there, given) = faults(EVERY[part::PARTS], at)
    assert found == []
    assert given <= (1.15 if at else 1.45) * there  # they are patterns, not walls


@as_numpy_warns
@pytest.mark.parametrize("at", ["x", None])
def test_nor_by_blocks(at, monkeypatch):
    monkeypatch.setattr(detection, "INPUTS_AT_ONCE", 0)
    for size in (1, 64):
        monkeypatch.setattr(detection, "GUESS", size)
        assert faults(EVERY[::4], at)[0] == []


def test_enough_functions_are_followed_for_all_values():
    refused = []
    for case in EVERY:
        try:
            with np.errstate(all="ignore"):
                dg.sparsity(numbers(case), case.sample(np.random.default_rng(0)), at=None)
        except operation.NeedsValueError:
            refused.append(case)
    assert len(refused) < 0.05 * len(EVERY)


# ---------------------------------------------------------------------- a planted fault is seen


def without_last(original):
    """What it gives, with the last set emptied."""

    def faulty(*args, **kwargs):
        sets = original(*args, **kwargs).copy()
        if sets.size and sets.ndim > 1:
            sets[..., -1] = 0
        return sets

    return faulty


@as_numpy_warns
@pytest.mark.parametrize(
    ("module", "name", "fault"),
    [
        (linear_maps, "union", without_last),
        (linear_maps, "union_by_index", without_last),
        (sums_of_products, "_by_letters", without_last),
        (operation.Operation, "spread", without_last),
        (following, "_is_entrywise", lambda original: lambda function: True),
        (linear_maps, "_numbers_of_entries", lambda original: lambda y, level, drawn: np.zeros(np.shape(y), int)),
    ],
)
def test_a_fault_is_noticed(module, name, fault, monkeypatch):
    monkeypatch.setattr(module, name, fault(getattr(module, name)))
    monkeypatch.setattr(linear_maps, "_KNOWN_PLACES", {})
    try:
        found = faults(EVERY[::3])[0]
    except Exception as error:  # some faults make shapes that do not fit
        found = [error]
    assert found


# ---------------------------------------------------------------------- random programs


def programs(count):
    rng, shapes = np.random.default_rng(0), [(3,), (4,), (2, 3), (3, 3), (2, 2), ()]
    for _ in range(count):
        x = rng.normal(size=shapes[rng.integers(len(shapes))])
        picks = rng.integers(len(STEPS), size=rng.integers(1, 9))
        yield Program(x, [(STEPS[k], int(rng.integers(8)), float(rng.uniform(0.2, 1.8))) for k in picks])


@as_numpy_warns
def test_a_thousand_programs_miss_no_entry():
    count = np.zeros((2, 2), int)
    for program in programs(1000):
        x = program.x
        there = dg.jacfwd(program)(x).reshape(-1, x.size) != 0
        for k, at in enumerate(("x", None)):
            pattern = dg.sparsity(program, x, at=at).toarray()
            assert not np.any(there & ~pattern), (program, at)
            count[k] += there.sum(), pattern.sum()
    assert count[0, 1] < 1.1 * count[0, 0]
    assert count[1, 1] < 1.5 * count[1, 0]


@as_numpy_warns
@pytest.mark.parametrize("at_once", [detection.INPUTS_AT_ONCE, 0])
def test_nor_do_their_hessians(at_once, monkeypatch):
    monkeypatch.setattr(detection, "INPUTS_AT_ONCE", at_once)
    there, given = 0, 0
    for program in itertools.islice(programs(400), 0 if at_once else 1, None, 2):
        x = program.x
        weights = np.random.default_rng(1).normal(size=np.shape(program(x)))
        f = lambda x, p=program, w=weights: np.sum(np.real(p(x)) * w)  # noqa: E731
        H = np.abs(dg.hessian(f)(x).reshape(x.size, x.size))
        pattern = hessian_pattern(f, x).toarray()
        assert not np.any((H > 1e-9 * np.max(H, initial=1e-300)) & ~pattern), program
        assert np.array_equal(pattern, pattern.T)
        there, given = there + np.sum(H != 0), given + pattern.sum()
    assert given < 1.3 * there


# ---------------------------------------------------------------------- known patterns


def rows(*lines):
    """A pattern from lines of 0 and 1."""
    return np.array([[int(c) for c in line] for line in lines], bool)


def grid(n):
    """The Brusselator's pattern: five points of a periodic grid for each species, and the other one at the point."""
    ring = bands(n, -1, 0, 1, n - 1, 1 - n)
    here = np.eye(n, dtype=bool)
    field = np.kron(here, ring) | np.kron(ring, here)
    return np.block([[field, np.eye(n * n, dtype=bool)], [np.eye(n * n, dtype=bool), field]])


SPARSE = np.array([[1.0, 0, 2], [0, 0, 3]])
FULL = np.ones((3, 3), bool)
# those of asdex, for all values: its README, its guides and its tests
KNOWN = {
    "squared differences": (lambda x: (x[1:] - x[:-1]) ** 2, 50, bands(50, 0, 1)[:-1]),
    "the Brusselator": (brusselator, 128, grid(8)),
    "the heat equation": (heat, 30, bands(30, -1, 0, 1)),
    "sums and products": (lambda x: np.stack([x[0] + x[1], x[1] * x[2], x[2]]), 3, rows("110", "011", "001")),
    "of parts": (
        lambda x: np.stack([x[0] * x[1] + np.sin(x[2]), x[3], x[0] * x[1] * x[3]]), 4, rows("1110", "0001", "1101"),
    ),
    "entry by entry": (lambda x: x**2, 4, bands(4, 0)),
    "a sum and a product of all": (lambda x: np.stack([np.sum(x), np.prod(x)]), 3, FULL[:2]),
    "ceil and round": (
        lambda x: np.stack([x[0] * x[1], np.ceil(x[0] * x[1]), x[0] * np.round(x[1])]), 2, rows("11", "00", "10"),
    ),
    "floor": (np.floor, 3, ~FULL),
    "sign": (np.sign, 3, ~FULL),
    "comparisons": (lambda x: (x < x[::-1]).astype(float), 3, ~FULL),
    "powers": (lambda x: np.stack([x[0] ** 2.5, np.exp(x[1]), x[2] ** x[2]]), 3, bands(3, 0)),
    "x**0": (lambda x: x**0, 3, ~FULL),
    "between constants": (lambda x: np.clip(x, 0.0, 1.0), 3, bands(3, 0)),
    "between others": (lambda x: np.clip(x[0], x[1], x[2]), 3, FULL[:1]),
    "a scalar product": (lambda x: np.dot(x[:2], x[3:5]), 5, rows("11011")),
    "times 0": (lambda x: np.stack([0 * x[0], x[0] * 0]), 1, np.zeros((2, 1), bool)),
    "minimum and maximum": (
        lambda x: np.stack([np.minimum(x[0], x[1]), np.maximum(x[1], x[2])]), 3, rows("110", "011"),
    ),
    "remainders and angles": (
        lambda x: np.stack([np.arctan2(x[0], x[1]), np.remainder(x[1], x[2])]), 3, rows("110", "011"),
    ),
    "index arithmetic": (
        lambda x: np.stack([x[i + 1] ** 2 - x[i] ** 2 + x[5 - i] ** 2 - x[4 - i] ** 2 for i in range(5)]), 6,
        rows("110011", "011110", "001100", "011110", "110011"),
    ),
    "nothing": (lambda x: x[:0] + x[:0], 3, FULL[:0]),
    "rows times their sums": (
        lambda x: x.reshape(2, 3) * x.reshape(2, 3).sum(axis=1, keepdims=True), 6, np.kron(np.eye(2), FULL) > 0,
    ),
    "an index array": (lambda x: x[np.array([2, 0, 1])], 3, rows("001", "100", "010")),
    "a constant 0 divided": (lambda x: np.array([0.0, 1.0, 0.0]) / x, 3, rows("000", "010", "000")),
    "a mask": (lambda x: x * np.array([1.0, 0.0, 1.0]), 3, rows("100", "000", "001")),
    "a matrix": (lambda x: SPARSE @ x, 3, SPARSE != 0),
    "a matrix on the right": (lambda x: x @ SPARSE, 2, SPARSE.T != 0),
    "a matrix product": (
        lambda x: x.reshape(2, 2) @ x.reshape(2, 2), 4, rows("1110", "1101", "1011", "0111"),
    ),
    "either branch": (lambda x: np.where(x > 0, x, x[::-1]), 4, bands(4, 0) | bands(4, 0)[::-1]),
    "cumulative sums": (np.cumsum, 4, np.tri(4, dtype=bool)),
    "cumulative products": (np.cumprod, 4, np.tri(4, dtype=bool)),
    "sorting": (np.sort, 4, np.ones((4, 4), bool)),
    "the largest of rows": (lambda x: np.max(x.reshape(2, 3), axis=1), 6, rows("111000", "000111")),
    "padding": (lambda x: np.pad(x, 1), 3, rows("000", "100", "010", "001", "000")),
    "tiles": (lambda x: np.tile(x, 2), 2, rows("10", "01", "10", "01")),
    "np.einsum": (
        lambda x: np.einsum("ij,kj->ik", x.reshape(2, 2), np.array([[1.0, 0], [0, 1], [1, 1]])), 4,
        rows("1000", "0100", "1100", "0010", "0001", "0011"),
    ),
    "a convolution": (lambda x: np.convolve(x, [1.0, 0.0, -1.0], "same"), 6, bands(6, -1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_known_patterns_for_all_values(name):
    f, n, pattern = KNOWN[name]
    found = dg.sparsity(f, np.linspace(0.3, 0.9, n), at=None)
    assert np.array_equal(found, pattern)
    local = dg.sparsity(f, np.linspace(0.3, 0.9, n)).toarray()
    assert not np.any(local & ~found.toarray())  # at x there are no others


FORMATS = "csr", "csc", "coo", "bsr", "dia", "lil", "dok"
WITH_SPARSE = [
    lambda a, x: a @ x**2, lambda a, x: x @ a, lambda a, x: a.dot(x), lambda a, x: a.T @ x,
    lambda a, x: x - a, lambda a, x: np.dot(a, x), lambda a, x: np.matmul(x, a) + a @ x,
]  # fmt: skip


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("of", FORMATS)
@pytest.mark.parametrize("at", [X, None])
def test_constant_matrices_of_scipy(of, kind, at):
    """Products and sums with sparse matrices of every format have the patterns of the dense ones."""
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.eye(4, k=1) + np.diag([2.0, 0, 3, 0])
    a = getattr(sparse, f"{of}_{kind}")(dense)
    for f in WITH_SPARSE:
        found = dg.sparsity(lambda x, f=f: f(a, x), X, **({"at": None} if at is None else {}))
        expected = dg.sparsity(lambda x, f=f: f(dense, x), X)
        assert np.array_equal(found.toarray(), expected.toarray())


BENT = {
    "Rosenbrock's function": (
        lambda x: np.sum((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2), 30, bands(30, -1, 0, 1),
    ),
    "a linear function": (lambda x: x[0] + 2 * x[1] + 3 * x[2], 3, ~FULL),
    "a product": (lambda x: x[0] * x[1], 3, rows("010", "100", "000")),
    "squares": (lambda x: x[0] ** 2 + x[1] ** 2, 3, rows("100", "010", "000")),
    "differences": (lambda x: np.sum((x[1:] - x[:-1]) ** 3), 5, bands(5, -1, 0, 1)),
    "a quotient": (lambda x: x[0] / x[1] + x[2] / 1.0 + 1.0 / x[3], 4, rows("0100", "1100", "0000", "0001")),
    "a product of products": (lambda x: (x[0] * x[1]) * (x[2] * x[3]), 4, ~np.eye(4, dtype=bool)),
    "a quadratic form": (
        lambda x: x @ (np.array([[2.0, 1, 0], [1, 2, 0], [0, 0, 1]]) @ x), 3, rows("110", "110", "001"),
    ),
    "one by np.einsum": (lambda x: np.einsum("i,ij,j->", x, np.eye(3), x), 3, bands(3, 0)),
    "sizes": (lambda x: np.sum(np.abs(x)), 3, ~FULL),
    "a power": (lambda x: x[0] ** x[1], 3, rows("110", "110", "000")),
    "an angle": (lambda x: np.arctan2(x[0], x[1]), 3, rows("110", "110", "000")),
    "of a sum": (lambda x: np.log(x[0] + x[1]) * x[2], 4, rows("1110", "1110", "1100", "0000")),
    "the largest": (lambda x: np.max(x) * x[0], 3, rows("001", "000", "100")),
    "x·x": (lambda x: x @ x, 4, bands(4, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", BENT)
def test_known_patterns_of_hessians(name):
    f, n, pattern = BENT[name]
    x = np.linspace(0.3, 0.9, n)
    assert np.array_equal(hessian_pattern(f, x), pattern)
    if name != "the largest":
        assert np.array_equal(hessian_pattern(f, x, at=None), pattern)


def test_what_a_matrix_of_many_sets_meets(monkeypatch):
    f = lambda x: np.sum(np.sin(np.tri(12) @ x))  # noqa: E731
    small = hessian_pattern(f, np.ones(12))
    monkeypatch.setattr(meetings, "MANY_PAIRS", 0)
    assert hessian_pattern(f, np.ones(12)) == small
    monkeypatch.setattr(meetings, "MANY_PAIRS", 2**27)
    monkeypatch.setattr(meetings, "TERMS_A_PAIR", 0)
    monkeypatch.setattr(meetings, "AT_ONCE_PAIRS", 3)
    assert hessian_pattern(f, np.ones(12)) == small


# ---------------------------------------------------------------------- at x, and for all values


def test_sparse_matrices_go_along_what_they_store():
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    for (m, n), form, at in itertools.product([(3, 3), (4, 3), (3, 5), (0, 2)], "csr csc coo lil".split(), ["x", None]):
        dense = rng.normal(size=(m, n)) * (rng.random((m, n)) < 0.4)
        A, B = sparse.csr_array(dense).asformat(form), sparse.csc_array(dense.T).asformat(form)
        for calls, size in {
            ((lambda x, A=A: A @ x), (lambda x, A=dense: A @ x)): n,
            ((lambda x, A=A: A.dot(x)), (lambda x, A=dense: A @ x)): n,
            ((lambda x, B=B: x @ B), (lambda x, A=dense: x @ A.T)): n,
            ((lambda x, A=A: A @ np.stack([x, 0 * x], 1)), (lambda x, A=dense: A @ np.stack([x, 0 * x], 1))): n,
            (
                (lambda x, A=A, n=n: A @ x.reshape(2, n, 2) + np.sin(x[0])),
                (lambda x, A=dense, n=n: A @ x.reshape(2, n, 2) + np.sin(x[0])),
            ): 4 * n,
            ((lambda x, A=A, s=(m, n): A + x.reshape(s)), (lambda x, A=dense, s=(m, n): A + x.reshape(s))): m * n,
        }.items():
            x = rng.normal(size=size) + 3
            found, expected = (dg.sparsity(f, x, at=at) for f in calls)
            assert np.array_equal(found.toarray(), expected.toarray())
            if size != 4 * n:  # SciPy's product of a matrix and plain stacks is none
                cubes = [lambda x, f=f: np.sum(f(x) ** 3) for f in calls]
                np.testing.assert_allclose(
                    dg.hessian(cubes[0], sparsity="auto")(x).toarray(), dg.hessian(cubes[1])(x), atol=1e-9
                )


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("at", ["x", None])
def test_convolutions_go_along_the_nonzeros_of_what_is_constant(mode, at):
    rng = np.random.default_rng(0)
    for n, m in itertools.product(range(1, 8), range(1, 8)):
        kernel, x = rng.normal(size=m) * (rng.random(m) < 0.6), rng.normal(size=n)
        for v in (kernel, kernel + 1j * kernel, kernel.tolist()):
            for f in (lambda x, v=v: np.convolve(x, v, mode), lambda x, v=v: np.convolve(v, x, mode=mode)):
                found = dg.sparsity(f, x, at=at).toarray()
                assert np.array_equal(found, dg.jacfwd(f)(x) != 0), (n, m, v)


def test_a_long_convolution_is_a_band():
    kernel, x = np.array([1.0, 0, -2, 1]), np.ones(50_000)
    assert dg.sparsity(lambda x: np.convolve(x, kernel, "same") ** 2, x).nnz == 3 * 50_000 - 4


def test_a_large_sparse_matrix_is_not_written_out():
    sparse = pytest.importorskip("scipy.sparse")
    n = 50_000
    A = sparse.diags_array([np.ones(n), np.ones(n - 1)], offsets=[0, 1], format="csr")
    assert dg.sparsity(lambda x: (A @ x) ** 2, np.ones(n)).nnz == 2 * n - 1


@pytest.mark.parametrize("at", ["x", None])
def test_a_root_depends_on_all_of_its_parameters(at):
    root = dg.implicit(
        lambda x, p: {"u": x["u"] ** 2 - p["a"], "v": x["v"] - p["b"]}, lambda p: {"u": np.sqrt(p["a"]), "v": p["b"]}
    )
    f = lambda x: np.stack([root({"a": x[:2], "b": x[2]})["u"][0] * x[3], root({"a": x[:2], "b": 1.0})["v"]])  # noqa: E731
    found = dg.sparsity(f, np.linspace(1, 2, 5), at=at)
    assert np.array_equal(found.toarray(), rows("11110", "11000"))
    g = lambda x: np.sum(root({"a": x[:2], "b": x[2]})["u"] * x[3:])  # noqa: E731
    x = np.linspace(1, 2, 5)
    np.testing.assert_allclose(dg.hessian(g, sparsity="auto")(x).toarray(), dg.hessian(g)(x), atol=1e-12)


def test_what_a_root_depends_on_beside_its_parameters_is_not_left_out():
    f = lambda x: dg.implicit(lambda z, a: z - a * x, lambda a: a * dg.primal(x))(2.0)  # noqa: E731
    with pytest.raises(NotImplementedError, match="takes a Dual apart"):
        dg.sparsity(f, np.ones(3))


def test_branches_taken_at_x():
    relu = lambda x: np.maximum(x, 0)  # noqa: E731
    assert np.array_equal(dg.sparsity(relu, X), np.diag(X > 0))
    assert np.array_equal(dg.sparsity(lambda x: x if x[0] > 0 else x[::-1], X), np.eye(4))
    assert np.array_equal(dg.sparsity(np.sort, X).toarray().argmax(1), np.argsort(X))
    assert np.array_equal(dg.sparsity(lambda x: x[x > 0], X), np.eye(4)[X > 0])
    assert np.array_equal(dg.sparsity(np.max, X), [[0, 0, 1, 0]])
    both = np.array(dg.sparsity(lambda x: np.where((x > 0) & ~(x > 2), x, x[::-1]), X, at=None))
    assert np.array_equal(both, np.eye(4) + np.eye(4)[::-1])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x[0] > 0 else -x, lambda x: x[np.argsort(x)], lambda x: x[x > 0], lambda x: x * dg.primal(x),
        lambda x: x[np.flatnonzero(x > 0)], lambda x: np.where(x > 0)[0] * 1.0, lambda x: [x, -x, 2 * x][np.argmax(x)],
        lambda x: np.extract(x > 0, x), lambda x: np.piecewise(x, [x > 0, x <= 0], [np.sin, lambda t: t * x[0]]),
    ],
)  # fmt: skip
def test_what_asks_for_values_has_none_for_all(f):
    with pytest.raises(NotImplementedError, match=r"for all values of x, and here f asks for one.* leave at=None out"):
        dg.sparsity(f, X, at=None)
    dg.sparsity(f, X)


def test_writes_views_and_copies():
    def f(x):
        y = np.zeros_like(x)
        view = y.reshape(2, 2)
        view[0] = x[:2] * x[2:]
        y[3] = x[0]
        doubled = y * 2
        doubled[0] = 0
        y[1:2] += x[3]
        np.add.at(y, [2, 2], x[:2])
        return np.concatenate([y, doubled])

    there = dg.jacfwd(f)(X) != 0
    assert np.array_equal(dg.sparsity(f, X), there)


def _into_a_buffer(make):
    def f(x):
        y = make(x).copy()
        y[1:] = x[:-1] * y[:-1]
        return y

    return f


_MADE = {
    "np.zeros": lambda x: np.zeros(4, like=x) + 1, "np.ones": lambda x: np.ones(4, like=x),
    "np.empty": lambda x: np.empty(4, like=x) + 1, "np.full": lambda x: np.full(4, 2.0, like=x),
    "np.array": lambda x: np.array([1.0, 2, 3, 4], like=x), "np.arange": lambda x: np.arange(4.0, like=x) + 1,
    "np.eye": lambda x: np.eye(4, like=x)[1] + 1,
}  # fmt: skip
WITHOUT_VALUES = {name: _into_a_buffer(make) for name, make in _MADE.items()} | {
    "np.put": lambda x: [y := x.copy(), np.put(y, [3, 0], x[1:3])][0],
    "np.copyto": lambda x: [y := x.copy(), np.copyto(y[1:], x[:-1])][0],
    "np.copyto, where": lambda x: [y := x.copy(), np.copyto(y, x[::-1], where=np.arange(4) > 1)][0],
    "np.putmask": lambda x: [y := x.copy(), np.putmask(y, np.arange(4) > 1, x[::-1])][0],
    "np.place": lambda x: [y := x.copy(), np.place(y, np.arange(4) > 1, x[:1])][0],
    "np.fill_diagonal": lambda x: [y := np.zeros_like(x, shape=(2, 2)), np.fill_diagonal(y, x[1:3])][0],
    "np.put_along_axis": lambda x: [y := x.copy(), np.put_along_axis(y, np.array([1, 0]), x[2:], 0)][0],
}  # fmt: skip


@pytest.mark.parametrize("f", WITHOUT_VALUES.values(), ids=WITHOUT_VALUES)
def test_what_makes_and_fills_arrays_needs_no_values(f):
    x = np.linspace(1, 2, 4)
    assert np.array_equal(dg.sparsity(f, x, at=None).toarray(), np.reshape(dg.jacfwd(f)(x), (-1, 4)) != 0)


def test_derivatives_within_and_without():
    inner = lambda x: dg.jvp(lambda y: y**2 * y[::-1], (x,), (np.array([1.0, 0, 0, 1]),))[1]  # noqa: E731
    assert not np.any((dg.jacfwd(inner)(X) != 0) & ~dg.sparsity(inner, X).toarray())
    seen = []
    dg.jvp(lambda x: seen.append(dg.sparsity(lambda y: y * x, x)) or x, (X,), (X,))
    assert np.array_equal(seen[0], np.eye(4))
    second = dg.taylor(lambda y: y * y[::-1], X, np.ones(4), 2)[1]
    assert second.shape == (4,)
    curved = lambda x: dg.laplacian(lambda y: np.sum(y**3))(x) * x  # noqa: E731
    assert dg.sparsity(curved, X).nnz == 16


def test_rules_of_ones_own_say_where_entries_are():
    @dg.custom_jvp
    def rounded(x):
        return np.round(x)

    @rounded.defjvp
    def rule(primals, tangents):
        return np.round(primals[0]), tangents[0][::-1] * np.where(primals[0] > 0, 2, 0)

    class Reversed(dg.nn.Layer):
        def shapes(self):
            return {}

        def forward(self, p, x):
            return np.round(x)

        def jvp(self, p, x, dp, dx):
            return np.round(x), dx[..., ::-1]

    assert np.array_equal(dg.sparsity(rounded, X), dg.jacfwd(rounded)(X) != 0)
    assert dg.sparsity(rounded, X, at=None).nnz == 16
    layer = lambda x: Reversed()({}, x[None])  # noqa: E731
    assert np.array_equal(dg.sparsity(layer, X), np.eye(4)[::-1])


def test_networks_by_their_layers():
    network = dg.nn.networks.mlp([3, 4, 2], dg.nn.Tanh)
    params = network.init(rng=0, dtype=float)
    assert np.array_equal(
        dg.sparsity(lambda X: network(params, X), np.ones((2, 3))), np.kron(np.eye(2), np.ones((2, 3)))
    )
    of_params = dg.sparsity(lambda p: network(p, np.ones((1, 3))), params).toarray()
    dense = np.concatenate(
        [b.reshape(2, -1) for b in dg.tree.leaves(dg.jacfwd(lambda p: network(p, np.ones((1, 3))))(params))], axis=1
    )
    assert np.array_equal(of_params, dense != 0)


@pytest.mark.parametrize("part", range(2))
def test_no_layer_or_loss_misses_an_entry(part):
    made = {name: (layer, layer.init(rng=0, dtype=float), shape) for name, (layer, shape) in LAYERS.items()}
    calls = {name: (lambda x, f=f, p=p: f(p, x), shape) for name, (f, p, shape) in made.items()}
    calls |= {name: (lambda x, f=f, y=y: f(x, y), shape) for name, (f, shape, y) in LOSSES.items()}
    for name in list(calls)[part::2]:
        f, shape = calls[name]
        x = np.random.default_rng(0).normal(size=shape)
        if x.size:
            there = np.reshape(dg.jacfwd(f)(x) != 0, (-1, x.size))
            pattern = dg.sparsity(f, x).toarray()
            assert not np.any(there & ~pattern), name
            assert pattern.sum() <= (2 if "masked" in name else 1.5) * there.sum(), name  # masks are values


def test_trees_in_the_order_of_their_layout():
    f = lambda p: {"a": p["w"] * p["b"], "c": p["b"]}  # noqa: E731
    tree = {"w": np.ones((2, 2)), "b": np.ones(2)}
    pattern = dg.sparsity(f, tree)
    assert pattern.shape == (6, 6)
    places = dg.Layout.of(tree).slices
    columns = [np.arange(6)[places[name]] for name in ("['w']", "['b']")]
    assert np.array_equal(pattern.toarray()[:4, columns[0]], np.eye(4))
    assert np.array_equal(pattern.toarray()[4:, columns[1]], np.eye(2))
    assert dg.sparsity(lambda x: x**2, 2.0).shape == (1, 1)


@pytest.mark.parametrize(
    ("f", "x", "options", "error", "message"),
    [
        (np.sin, np.arange(3), {}, TypeError, "int64; expected floating"),
        (lambda x: "a", X, {}, TypeError, "returns numbers; f returned a str"),
        (lambda x: float(x[0]), X, {}, dg.TangentLossError, "float"),
        (np.sin, X, {"at": 3}, ValueError, "got at=3; expected 'x'"),
        (3, X, {}, TypeError, "expected a function"),
        (np.sin, device(X), {}, TypeError, "on a device: give it a copy of x on the host"),
    ],
)
def test_bad_input(f, x, options, error, message):
    with pytest.raises(error, match=message):
        dg.sparsity(f, x, **options)


def test_a_function_that_does_another_thing_when_called_again():
    calls = itertools.count()
    f = lambda x: x[::7] if next(calls) else np.roll(x, 250) + x[::-1] + np.roll(x[::-1], 100)  # noqa: E731
    with pytest.raises(ValueError, match="did not do the same when it was called again"):
        dg.sparsity(f, np.ones(500))


# ---------------------------------------------------------------------- bits, memory, time


def test_sets_and_their_members():
    rng = np.random.default_rng(0)
    there = rng.uniform(size=(200, 40)) < 0.1
    sets = np.zeros((bits.words_for(200), 40), bits.WORD)
    for number in range(200):
        sets |= np.where(there[number], bits.one_each(np.full(40, number), len(sets)), bits.NONE)
    which, members = bits.members(sets)
    found = np.zeros_like(there)
    found[members, which] = True
    assert np.array_equal(found, there)
    assert np.all(np.diff(which * 200 + members) > 0)
    union = bits.union_by_index(sets, np.array([1, 0, 1]), np.array([3, 5, 7]), 3)
    assert np.array_equal(union, np.stack([sets[:, 5], sets[:, 3] | sets[:, 7], 0 * sets[:, 0]], 1))
    assert len(bits.distinct(np.concatenate([sets, sets], axis=1)).T) == len(np.unique(there.T, axis=0))


@pytest.mark.parametrize(
    "f", [heat, brusselator, np.cumsum, lambda x: np.sum(x) * x], ids=["heat", "grid", "tri", "full"]
)
@pytest.mark.parametrize("memory", [detection.MEMORY, 1])
def test_blocks_give_what_all_at_once_gives(f, memory, monkeypatch):
    x = np.linspace(0.1, 1, 800)
    monkeypatch.setattr(detection, "MEMORY", memory)
    by_blocks = dg.sparsity(f, x)
    monkeypatch.setattr(detection, "INPUTS_AT_ONCE", 1000)
    assert dg.sparsity(f, x) == by_blocks
    assert np.array_equal(np.array(by_blocks), dg.sparsity(f, x, at=None))


def test_a_hundred_thousand_unknowns_in_a_moment():
    x = np.linspace(0, 1, 100_000)
    tracemalloc.start()
    start = time.perf_counter()
    pattern = dg.sparsity(heat, x)
    assert time.perf_counter() - start < 10
    assert tracemalloc.get_traced_memory()[1] < 2e8
    tracemalloc.stop()
    assert pattern.nnz == 3 * x.size - 2
