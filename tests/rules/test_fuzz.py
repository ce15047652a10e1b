"""Random calls of every supported function: NumPy's own value and warnings, and the tangent by other means."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dualgrad as dg
from dualgrad.dual import RULES, Dual
from dualgrad.testing.derivatives.oracles import along, richardson
from tests.support.cases import name_of
from tests.support.checks import same
from tests.support.draws import (
    ROWS,
    SUPPORTED,
    choice,
    draw_call,
    draw_tangent,
    examples,
    keyword_calls,
    outputs,
    program,
    recorded,
)

NUMBERS = (np.ndarray, np.generic, int, float, complex)
seeds = st.integers(0, 2**32 - 1)

# What dualgrad refuses although NumPy answers, each with its reason in the message.
REFUSED = {
    "*": ["would drop the imaginary", "does not fit in it"],
    "insert": ["would drop the tangent"],
    "linalg.cond": ["Singular matrix"],
    "linalg.eig": ["do not exist here"],
    "linalg.eigvals": ["do not exist here"],
    "linalg.qr": ["has no rule: use mode=", "rank-deficient"],
    "linalg.slogdet": ["Singular matrix"],
    "meshgrid": ["would share its memory"],
    "nan_to_num": ["writes into a Dual"],
    "polydiv": ["begins with a coefficient 0", "one polynomial by one"],
    "polymul": ["begins with a coefficient 0"],
    "put_along_axis": ["out of bounds for array with size 0"],  # which NumPy 2.0 took for nothing to do
    "ravel": ["made by broadcasting"],
}

# What dualgrad answers although NumPy refuses, by an accident of its implementation.
ANSWERED = {"put_along_axis": "read-only|broadcast together|same number of dimensions"}

# Whose results come in any order, of any phase, or (logarithms of small integers) in half precision.
UNORDERED = {
    np.lib.scimath.logn,
    np.linalg.eig,
    np.linalg.eigvals,
    np.linalg.eigh,
    np.linalg.svd,
    np.roots,
    np.partition,
}

# Where NumPy's own result depends on the memory layout: the loop reads what it has just written.
OVERLAPPING = {np.arctan2, np.power}


def refused(name, error):
    """Whether the refusal is one of the table."""
    return any(re.search(p, str(error)) for p in (*REFUSED.get(name, ()), *REFUSED["*"]))


def examine(name, call, rng):
    """One call, one direction and K: value, warnings, tangents; or a refusal."""
    primals = [
        np.asarray(x)[()] if v is not None and not isinstance(x, np.ndarray) else x
        for x, v in zip(call.xs, call.vs, strict=True)
    ]
    f, _ = recorded(program, call.case, primals)
    if isinstance(f, Exception):
        return
    expected, expected_warnings = recorded(f, *primals)
    if not isinstance(expected, Exception) and not all(isinstance(y, NUMBERS) for y in outputs(expected)):
        return
    found, found_warnings = recorded(push, f, call.xs, call.vs)
    if isinstance(expected, Exception):
        if "out" in call.case.kwargs:  # NumPy wants more of a buffer than that the result fits in
            return
        accident = name in ANSWERED and re.search(ANSWERED[name], str(expected))
        assert isinstance(found, Exception) or accident, f"NumPy raises {expected!r} and dualgrad answers {found[0]}"
        return
    if isinstance(found, Exception):
        if refused(name, found):
            return
        raise AssertionError(f"NumPy answers and dualgrad raises {found!r}") from found
    if "fft" in name and not all(np.size(x) for x in call.xs):
        return  # a transform of nothing is what happened to be in memory
    if name in ("linalg.cond", "linalg.eigh", "linalg.svd") and repeated(call):
        return  # the direction picks the vectors of equal values; infinity or rounding of it
    ys, ds = found
    for y, d, value in zip(ys, ds, outputs(expected), strict=True):
        value = np.asarray(value)[()] if not isinstance(value, np.ndarray) else value
        overlapping = call.case.function in OVERLAPPING and call.case.call is not None
        if overlapping:
            continue
        if "out" in call.case.kwargs and np.asarray(y).dtype.kind in "fc":  # NumPy sums in another order
            near(y, value, 2 * precision(call), "the value")
        else:
            same(np.asarray(y), np.asarray(value), "the value")
        if np.asarray(y).dtype.kind in "fc":
            assert np.asarray(d).dtype == np.asarray(y).dtype, f"a tangent of {np.asarray(d).dtype}"
        assert np.shape(d) == np.shape(y), f"a tangent of shape {np.shape(d)} for a value of shape {np.shape(y)}"
    if "out" in call.case.kwargs:  # NumPy words the same warning of an array and of a number in two ways
        found_warnings, expected_warnings = (
            [(c, m.replace("scalar ", "")) for c, m in w] for w in (found_warnings, expected_warnings)
        )
    assert set(found_warnings) == set(expected_warnings), f"warnings {found_warnings}; NumPy's {expected_warnings}"
    if SUPPORTED[call.case.function] == "constant":
        return
    check_normalised(call, ds)
    check_k(name, f, call, choice(rng, [0, 1, 2, 3]), rng)
    check_nested(name, call, rng)
    check_differences(call, ds)


def push(f, xs, vs):
    active = [k for k, v in enumerate(vs) if v is not None]

    def g(*some):
        args = list(xs)
        for k, a in zip(active, some, strict=True):
            args[k] = a
        ys = outputs(f(*args))
        for y in ys:  # what can be written can be written in both parts
            if isinstance(y, Dual) and isinstance(y.primal, np.ndarray):
                assert isinstance(y.tangent, np.ndarray), "an array with a number for its tangent"
        return ys

    return dg.jvp(g, tuple(xs[k] for k in active), tuple(vs[k] for k in active))


def repeated(call):
    """Whether an array repeats an entry over and over, so that a matrix is singular."""
    return any(0 in np.asarray(x).strides for x in call.xs)


def precision(call):
    """The largest rounding unit among the arrays and the dtype asked for."""
    kinds = [a.dtype for a in (np.asarray(x) for x in call.xs) if a.dtype.kind in "fc"]
    kinds += [np.dtype(np.float32)] if "f" in (call.case.kwargs.get("signature") or "") else []
    kinds += [np.dtype(call.case.kwargs["dtype"])] if call.case.kwargs.get("dtype") else []
    return max([np.finfo(np.float64).eps, *(np.finfo(k).eps for k in kinds if k.kind in "fc")])


def tolerance(call):
    return min(500 * precision(call), 0.03)


def doubled(x):
    """The same numbers in double precision, laid out afresh; a list or a Python number as an array."""
    x = np.asarray(x)
    return np.array(x, np.complex128 if x.dtype.kind == "c" else np.float64, order="C")


def normalised(call):
    """The call with every array in double precision and C order, no ``dtype=``; None where the layout matters."""
    kwargs = {k: v for k, v in call.case.kwargs.items() if k not in ("dtype", "casting", "order", "signature")}
    function, order = call.case.function, call.case.kwargs.get("order")
    by_method = function in OVERLAPPING and call.case.call is not None
    singular = ("linalg" in name_of(function) or function is np.polyfit) and repeated(call)
    wrapped = function is np.trapezoid and any(np.asarray(x).dtype.kind in "bu" for x in call.xs)  # in the value, too
    chosen = call.case.kwargs.get("mode") == "complete"  # columns of Q that are NumPy's free choice
    if order in ("A", "K") or function in UNORDERED or by_method or singular or wrapped or chosen:
        return None
    if "order" in call.case.kwargs:
        kwargs["order"] = call.case.kwargs["order"]
    xs = [doubled(x) for x in call.xs]
    vs = [None if v is None else doubled(v) for v in call.vs]
    return call._replace(case=call.case._replace(kwargs=kwargs), xs=xs, vs=vs)


def check_normalised(call, ds):
    """Neither the layout of an array nor the dtype of a constant changes a tangent."""
    other = normalised(call)
    if other is None:
        return
    expected, _ = recorded(push, program(other.case, other.xs), other.xs, other.vs)
    if isinstance(expected, Exception):
        return
    for d, e in zip(ds, expected[1], strict=True):
        if call.case.function is np.polydiv and np.shape(d) != np.shape(e):
            return  # rounding decides whether the remainder begins with a zero
        near(d, e, tolerance(call), "the tangent, and that of the same numbers in double precision")


def near(d, e, rtol, what):
    d, e = np.asarray(d), np.asarray(e)
    assert d.shape == e.shape, f"{what}: {d.shape} and {e.shape}"
    if not np.iscomplexobj(d):
        e = np.real(e)
    with np.errstate(all="ignore"):
        bound = rtol * max(1, np.max(np.abs(e[np.isfinite(e)]), initial=0))
        fine = (np.abs(d - e) <= bound) | (d == e) | (np.isnan(d) & np.isnan(e))
        fine |= ~np.isfinite(d.astype(complex)) & (rtol > 1e-9)  # low precision overflows
    assert np.all(fine), f"{what}:\n{d}\n{e}"


def check_k(name, f, call, lead, rng):
    """K directions in one pass are K single ones."""
    stacked = [None if v is None else draw_tangent(rng, x, (lead,)) for x, v in zip(call.xs, call.vs, strict=True)]
    found, _ = recorded(push, f, call.xs, stacked)
    if isinstance(found, Exception):
        if refused(name, found):
            return
        raise AssertionError(f"{lead} directions raise {found!r}") from found
    for d, y in zip(found[1], found[0], strict=True):
        assert np.shape(d) == (lead, *np.shape(y)), f"{lead} directions: shape {np.shape(d)} for {np.shape(y)}"
    for k in range(lead):
        single, _ = recorded(push, f, call.xs, [None if v is None else v[k] for v in stacked])
        for d, s in zip(found[1], single[1], strict=True):
            near(d[k], s, tolerance(call), f"direction {k} of {lead}")


def check_nested(name, call, rng):
    """The second derivative along two directions does not depend on which is the inner one, and K outer ones on K."""
    other = normalised(call)
    if other is None:
        return
    f, xs = program(other.case, other.xs), other.xs
    us, vs = (
        [None if v is None else doubled(draw_tangent(rng, x, lead)) for x, v in zip(xs, other.vs, strict=True)]
        for lead in ((), (2,))
    )
    second = lambda a, b: push(lambda *xs: push(f, xs, a)[1], xs, b)[1]  # noqa: E731
    stacked, _ = recorded(second, us, vs)
    if isinstance(stacked, Exception):
        if refused(name, stacked):
            return
        raise AssertionError(f"the second derivative raises {stacked!r}") from stacked
    for k in range(2):
        single, _ = recorded(second, [None if v is None else v[k] for v in vs], us)
        for d, e in zip(stacked, single, strict=True):
            near(d[k], e, 1e-7, "the second derivative, and with the directions exchanged")


def check_differences(call, ds):
    """Differences of the call in double precision, where they settle."""
    other = normalised(call)
    tied = any(isinstance(x, np.ndarray) and 0 in x.strides and x.size > 1 for x in call.xs)
    if other is None or tied or call.case.function is np.polydiv:
        return
    f = program(other.case, other.xs)
    g = lambda *xs: np.concatenate([np.ravel(y) for y in outputs(f(*xs))])  # noqa: E731
    result, _ = recorded(lambda: richardson(along(g, other.xs, other.vs), 0.01))
    if isinstance(result, Exception):
        return
    slope, error = result
    d = np.concatenate([np.ravel(np.asarray(d)) for d in ds]) if ds else slope
    if not np.iscomplexobj(d):
        slope = np.real(slope)
    with np.errstate(all="ignore"):
        settled = (error <= 1e-6 * np.maximum(1, np.abs(slope))) & np.isfinite(d.astype(complex))
        off = np.abs(d - slope) > 10 * error + tolerance(call) * max(1, np.max(np.abs(slope), initial=0)) + 1e-7
    assert not np.any(settled & off), f"the tangent, and differences:\n{d}\n{slope}"


def checked(name, call, rng):
    """The call examined; a failure shows it."""
    try:
        examine(name, call, rng)
    except AssertionError as error:
        raise AssertionError(f"{error}\nin the call {call}") from error.__cause__


@pytest.mark.parametrize("name", ROWS)
@settings(max_examples=examples(2))
@given(seed=seeds)
def test_calls(name, seed):
    rng = np.random.default_rng(seed)
    checked(name, draw_call(rng, ROWS[name]), rng)


@pytest.mark.parametrize("name", ROWS)
def test_every_keyword(name):
    rng = np.random.default_rng(0)
    for call in keyword_calls(rng, ROWS[name]):
        checked(name, call, rng)


# ---------------------------------------------------------------------- the fuzzer itself


def in_place_of(function, wrong):
    """A rule put wrong: ``wrong(y, x)`` instead of its result y."""
    right = RULES[function]
    RULES[function] = lambda x, *args, **kwargs: wrong(right(x, *args, **kwargs), x)


def contiguous(x):
    return not isinstance(x.primal, np.ndarray) or x.primal.flags.c_contiguous


FAULTS = {
    "an axis that counts the directions": (
        np.swapaxes, lambda y, x: Dual(y.primal, np.reshape(y.tangent, y.tangent.shape[::-1]), y.level)),
    "a tangent that depends on the layout": (np.exp, lambda y, x: y if contiguous(x) else y + 0 * x.primal + x),
    "a value off by its last bit": (np.hypot, lambda y, x: Dual(np.nextafter(y.primal, 9), y.tangent, y.level)),
    "a warning of its own": (np.median, lambda y, x: warnings.warn("mine", stacklevel=1) or y),
    "another dtype": (np.tanh, lambda y, x: Dual(y.primal, y.tangent.astype(np.float64), y.level)),
    "a tangent that is lost": (np.cumsum, lambda y, x: y.primal),
    "a number beside an array": (np.copy, lambda y, x: Dual(y.primal, y.tangent[()], y.level)),
}  # fmt: skip


def many_calls(name):
    for seed in range(300):
        rng = np.random.default_rng(seed)
        checked(name, draw_call(rng, ROWS[name]), rng)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault, tables):
    function, wrong = FAULTS[fault]
    in_place_of(function, wrong)
    with pytest.raises(AssertionError):
        many_calls(name_of(function))
