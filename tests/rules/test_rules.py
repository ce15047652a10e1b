"""Every rule against independent derivatives at orders 1, 2 and 3, and against the laws its kind promises."""

import inspect
import warnings

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import dualgrad as dg
from tests.support.cases import DOMAINS, Draw, name_of
from tests.support.catalogue import CATALOGUE, CONSTANT_CALLS, HIPS, HIPS_COMPOSED
from tests.support.checks import (
    UnsureError,
    check_directions,
    check_fresh,
    check_linear,
    check_value,
    close,
    direction,
    examine_derivatives,
    examine_laws,
    examine_single_precision,
    push,
    subset,
)
from tests.support.of_numpy import KINDS_OF_NUMPY
from tests.support.strict import MissingError, device, host

SUPPORTED = KINDS_OF_NUMPY
SMOOTH = [c for c in CATALOGUE if c.draws]
seeds = st.integers(0, 2**32 - 1)
each_case = pytest.mark.parametrize("case", SMOOTH, ids=str)


def test_every_rule_is_in_the_catalogue():
    listed = {c.function for c in CATALOGUE}
    missing = [name_of(f) for f, kind in SUPPORTED.items() if kind != "constant" and f not in listed]
    assert not missing, f"rules without a sample call: {missing}"


def test_every_function_of_the_catalogue_has_a_rule():
    missing = {name_of(c.function) for c in CATALOGUE if c.function not in SUPPORTED}
    assert not missing, f"no rule: {sorted(missing)}"


def test_all_of_hips_autograd_has_a_rule():
    assert len(HIPS) == 105
    missing = [name_of(f) for f in HIPS + HIPS_COMPOSED if SUPPORTED.get(f, "constant") == "constant"]
    assert not missing, f"functions with a forward rule in HIPS autograd and none here: {missing}"


# ---------------------------------------------------------------------- every call of the catalogue


@each_case
@given(seed=seeds)
def test_derivatives(case, seed):
    """Orders 1, 2 and 3, every argument active or constant at each order by chance."""
    rng = np.random.default_rng(seed)
    try:
        examine_derivatives(case, case.sample(rng), rng)
    except UnsureError:
        reject()


@each_case
@given(seed=seeds, lead=st.integers(1, 3))
def test_laws(case, seed, lead):
    rng = np.random.default_rng(seed)
    examine_laws(case, case.sample(rng), rng, lead)


@each_case
def test_single_precision_stays(case):
    examine_single_precision(case, case.sample(np.random.default_rng(0)))


@each_case
def test_on_a_strict_device(case):
    """The same numbers from arrays that refuse everything CuPy refuses; what CuPy itself lacks is excused."""
    rng = np.random.default_rng(0)
    xs = case.sample(rng)
    on, on_xs = case.on(device), device([np.asarray(x) for x in xs])
    try:
        on(*on_xs)
    except MissingError:
        return
    for lead in ((), (2,)):
        vs = direction(rng, xs, np.ones(len(xs), bool), lead)
        ys, ds = push(case, xs, vs)
        device_ys, device_ds = push(on, on_xs, device(vs))
        for a, b in zip((*ys, *ds), (*device_ys, *device_ds), strict=True):
            close(host(b), a, 1e-12, what="device and host")


# ---------------------------------------------------------------------- every shape, by kind

OF_INTEGERS = (np.frexp, np.ldexp)
UFUNCS = [f for f, kind in SUPPORTED.items() if isinstance(f, np.ufunc) and kind != "constant" and not f.signature]
UFUNCS = [f for f in UFUNCS if f not in OF_INTEGERS]
SIDES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


def domain_of(function):
    """The domain of each operand in the function's first row."""
    first = next(c for c in CATALOGUE if c.function is function)
    domains = [a.domain if isinstance(a, Draw) else "positive" for a in first.args]
    return [lambda rng, shape, d=d: DOMAINS[d](*(rng.uniform(0.1, 0.9, shape) for _ in range(3))) for d in domains]


@pytest.mark.parametrize("function", UFUNCS, ids=name_of)
@given(data=st.data(), seed=seeds, lead=st.integers(1, 3))
def test_shapes_of_entrywise_functions(function, data, seed, lead):
    """Scalars, empty arrays, axes of size 1 and operands of different ndim, with a constant on either side."""
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=function.nin, max_dims=3, min_side=0, max_side=3))
    rng = np.random.default_rng(seed)
    xs = [np.asarray(draw(rng, shape)) for draw, shape in zip(domain_of(function), shapes.input_shapes, strict=True)]
    active = subset(rng, len(xs))
    vs, ws, stacked = direction(rng, xs, active), direction(rng, xs, active), direction(rng, xs, active, (lead,))
    check_value(function, xs, vs)
    check_value(function, xs, stacked, (lead,))
    check_linear(function, xs, vs, ws)
    check_directions(function, xs, stacked, lead)
    check_fresh(function, xs, stacked)


# ---------------------------------------------------------------------- constants

CONSTANTS = [f for f, kind in SUPPORTED.items() if kind == "constant"]


@pytest.mark.parametrize("function", CONSTANTS, ids=name_of)
@pytest.mark.parametrize("lead", [(), (2,)], ids=["one", "K"])
def test_constants_give_the_plain_answer(function, lead):
    """NumPy's own result on the plain values, and its warnings, also two levels deep, and a tangent of zero."""
    x = np.array([[1.5, -0.25, 2.0], [0.75, 2.5, -1.0]])
    v = np.ones(lead + x.shape)
    plain_call = (lambda x: function(x, x * 2)) if getattr(function, "nin", 1) == 2 else function
    call = CONSTANT_CALLS.get(function, plain_call)

    def warned(f, *args):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return f(*args), {(w.category, str(w.message)) for w in caught}

    def program(x):
        inner = dg.jvp(lambda y: (0.0, found.append(call(y))), (x,), (np.ones_like(dg.primal(x)),), has_aux=True)
        found.append(call(x))
        return inner[0]

    found, (expected, said) = [], warned(call, x)
    assert warned(dg.jvp, program, (x,), (v,))[1] == said
    for y in found:
        assert type(y) is type(expected)
        assert repr(y) == repr(expected)


# ---------------------------------------------------------------------- arguments by name


def named_arguments(case):
    """The call with every argument by its name, defaults written out, where NumPy allows it."""
    if case.call or isinstance(case.function, np.ufunc):
        return None
    try:
        bound = inspect.signature(case.function).bind(*case.args, **case.kwargs)
    except ValueError:
        return None
    by_name = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    if not by_name.issuperset(bound.signature.parameters[name].kind for name in bound.arguments):
        return None
    defaults = {name: p.default for name, p in bound.signature.parameters.items() if p.kind in by_name}
    written = {name: d for name, d in defaults.items() if d not in (inspect.Parameter.empty, np._NoValue)}
    written = {name: d for name, d in written.items() if name not in bound.arguments}
    return case._replace(args=(), kwargs={**bound.arguments, **written})


BY_NAME = [(c, named_arguments(c)) for c in SMOOTH if named_arguments(c)]


@pytest.mark.parametrize(("case", "named"), BY_NAME, ids=[str(c) for c, _ in BY_NAME])
def test_arguments_by_name(case, named):
    rng = np.random.default_rng(0)
    xs = case.sample(rng)
    for lead in ((), (2,)):
        vs = direction(rng, xs, np.ones(len(xs), bool), lead)
        for a, b in zip(push(named, xs, vs)[1], push(case, xs, vs)[1], strict=True):
            close(a, b, 1e-15)


# ---------------------------------------------------------------------- precisions that meet

DTYPES = [np.float16, np.float32, np.float64, np.longdouble, np.complex64, np.int64, "float", "np.float64"]
REAL_ONLY = (
    np.logaddexp, np.logaddexp2, np.arctan2, np.hypot, np.remainder, np.maximum, np.minimum, np.fmax, np.fmin,
    np.fmod, np.divmod, np.copysign, np.heaviside,
)  # fmt: skip


def of_dtype(dtype):
    """An operand: an array, or for a string a Python or NumPy number."""
    return {"float": 1.5, "np.float64": np.float64(1.5)}[dtype] if isinstance(dtype, str) else np.array([1, 2], dtype)


@pytest.mark.parametrize("function", [f for f in UFUNCS if f.nin == 2], ids=name_of)
@pytest.mark.parametrize("left", DTYPES, ids=str)
def test_mixed_precisions(function, left):
    """The result has the dtype NumPy gives it, and so has the tangent, whichever operand moves."""
    for right in DTYPES:
        if function not in REAL_ONLY or np.complex64 not in (left, right):
            check_mixed(function, [of_dtype(left), of_dtype(right)])


def check_mixed(function, xs):
    floating = [isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.inexact) for x in xs]
    for active in ((True, False), (False, True), (True, True)):
        if all(f or not a for f, a in zip(floating, active, strict=True)):
            for lead in ((), (2,)):
                vs = [np.ones(lead + x.shape, x.dtype) if a else None for x, a in zip(xs, active, strict=True)]
                check_value(function, xs, vs, lead)
