"""The strategies give what they say, and a failing program shrinks to the one faulty rule."""

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

import dualgrad as dg
from dualgrad.rules.declare import elementwise, explicit
from dualgrad.testing import check_jvp, check_vjp, strategies
from dualgrad.testing.programs import STEPS, Program

POINTS = [np.array(0.7), np.array([0.3, -0.9, 0.6]), np.array([[0.3, -0.9], [0.6, 1.1]])]


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.source)
def test_every_step_fits_somewhere_and_its_rule_is_right(step):
    programs = [Program(x, [(step, 0, 0.5)]) for x in POINTS]
    programs = [p for p in programs if p.lines]
    assert programs
    for p in programs:
        assert check_jvp(p, (p.x,), orders=(1, 2, 3)).passed


@given(program=strategies.programs())
@settings(max_examples=60)
def test_random_programs_pass(program):
    assert check_jvp(program, (program.x,)).passed
    namespace = {"np": np}
    exec(program.source, namespace)
    assert np.array_equal(namespace["program"](program.x), program(program.x))


def smallest_failure(orders, function):
    """Among the programs that call the function: the others have nothing to fail by, as `test_random_programs_pass`."""

    def fails(program):
        return function in program.source and check_jvp(program, (program.x,), orders=orders, raises=False).failures

    return find(
        strategies.programs(), fails,
        settings=settings(max_examples=2000, deadline=None, derandomize=True, database=None,
                          suppress_health_check=list(HealthCheck)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("plant", "orders", "line"),
    [
        (lambda: elementwise(np.arctan, lambda y, x: 1 / (1 + dg.primal(x) ** 2)), (2,), "np.arctan(x)"),
        pytest.param(
            lambda: explicit(np.cumsum)(lambda x, d, lead, axis: (np.cumsum(x, axis), d + 0)),
            (1,),
            "np.cumsum(x, axis=-1)",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            lambda: explicit(np.linalg.det)(lambda x, d, lead: (np.linalg.det(x), np.trace(d, 0, -2, -1))),
            (1,),
            "np.linalg.det(x @ x.T + np.eye(x.shape[0]))",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_failing_program_shrinks_to_the_faulty_rule(plant, orders, line, tables):
    plant()
    program = smallest_failure(orders, line.partition("(")[0])
    assert program.lines == [line]
    assert program.x.size <= 4


@given(x=strategies.arrays(), z=strategies.arrays(np.complex128, (2, 2), magnitude=3.0))
def test_arrays_away_from_kinks(x, z):
    assert x.dtype == np.float64
    sizes = np.sort(np.abs(x.ravel()))
    assert np.all(sizes > 0)
    assert np.all(np.diff(sizes) > 0)
    assert np.all(sizes <= 1)
    assert z.shape == (2, 2)
    assert z.dtype == np.complex128
    assert np.max(np.abs(z.real)) <= 3


@given(x=strategies.arrays(np.float32, (3,), magnitude=2.0, kinks="on"), data=st.data())
def test_arrays_on_kinks(x, data):
    assert x.dtype == np.float32
    assert set(np.abs(x)) <= {0, 2}
    y = data.draw(strategies.arrays(shape=strategies.shapes(1)))
    assert y.ndim <= 1


def test_kinks_are_away_or_on():
    with pytest.raises(ValueError, match="expected 'away' or 'on'"):
        find(strategies.arrays(kinks="near"), lambda x: True)


@given(data=st.data())
def test_tangents_fit_their_primals(data):
    primals = {"a": np.zeros((2, 3), np.float32), "b": [1.5, np.zeros(2, complex)]}
    v = data.draw(strategies.tangents(primals))
    dg.jvp(lambda p: p["a"] * p["b"][0] + np.sum(np.real(p["b"][1])), (primals,), (v,))
    many = data.draw(strategies.tangents(primals, lead=(4,)))
    assert np.shape(many["a"]) == (4, 2, 3)
    assert v["a"].dtype == np.float32


@given(network=strategies.networks())
def test_networks_run_and_their_rules_agree(network):
    layer, params, x = network
    report = check_vjp(layer, params, x, raises=False)
    assert not report.failures
    assert np.all(np.isfinite(layer(params, x)))


@given(dynamics=strategies.systems())
def test_systems_forget(dynamics):
    system, params = dynamics.system, dynamics.params
    assert check_jvp(dynamics.total_loss, (params,), orders=(1,)).passed
    near, far = system.init_state, system.init_state + 1
    for _ in range(60):
        x = dynamics.xs[0]
        near, far = system.step(near, x, params), system.step(far, x, params)
    assert np.max(np.abs(near - far)) < 1e-4
