"""check_jvp: verdicts at generic points, kinks, jumps and the edge of domains; errors for what is no function."""

import warnings

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import testing
from dualgrad.testing import CheckError, UncheckedWarning, check_jvp
from dualgrad.testing.derivatives.oracles import richardson, slope_at_0
from tests.support.catalogue import CATALOGUE

X = np.array([0.7, -1.2, 1.9])
SMOOTH = [case for case in CATALOGUE if case.draws]
OF_A_KIND = {(case.function, *(draw.domain for draw in case.draws)): case for case in SMOOTH}
EVERY_DAY = set(map(id, OF_A_KIND.values()))


def check_of(report, name, oracle):
    return next(c for c in report.checks if c.name == name and c.oracle.startswith(oracle))


def day_or_full(case):
    return pytest.param(case, marks=() if id(case) in EVERY_DAY else pytest.mark.slow)


@pytest.mark.parametrize("case", [day_or_full(case) for case in SMOOTH], ids=str)
def test_every_rule_of_dualgrad_passes(case):
    """One call of a function on a domain, and every one with --full; tests/rules asks all of them by other oracles."""
    xs = case.sample(np.random.default_rng(3))
    assert check_jvp(lambda *args: case(*args), tuple(xs)).passed


@pytest.fixture
def wrong():
    """The cube with the derivative of the square."""
    f = dg.custom_jvp(lambda x: x**3)
    f.defjvp(lambda primals, tangents: (primals[0] ** 3, 2 * primals[0] * tangents[0]))
    return f


def test_both_oracles_certify_an_analytic_function():
    report = check_jvp(np.tanh, (X,), orders=(1, 2, 3))
    assert report.passed
    assert report.status == "passed"
    assert [c.status for c in report.checks if c.oracle == "complex step"] == ["passed"] * 3
    assert all(c.error <= 1e-9 for c in report.checks if c.name.startswith("order"))


def test_a_failure_names_the_worst_element_and_both_values(wrong):
    with pytest.raises(AssertionError) as caught:
        check_jvp(wrong, (X,))
    text = str(caught.value)
    assert text.startswith("check_jvp of <lambda>: FAILED")
    report = check_jvp(wrong, (X,), raises=False)
    first = check_of(report, "order 1", "central")
    assert first.status == "failed"
    assert f"at {first.where}: got {first.found:.10g}, expected {first.expected:.10g}" in text
    ratio = abs((3 * X**2 - 2 * X) / (3 * X**2))
    assert first.where == f"[{int(np.argmax(ratio))}]"
    np.testing.assert_allclose(first.error, abs(first.found - first.expected))
    assert first.error > 1e3 * first.budget


def test_elements_of_trees_are_named_as_one_would_index_them():
    @dg.custom_jvp
    def f(tree):
        return {"a": tree["w"] * 2, "b": [tree["w"][0] ** 2]}

    @f.defjvp
    def rule(primals, tangents):
        (p,), (t,) = primals, tangents
        return f(p), {"a": t["w"] * 2, "b": [2 * p["w"][0] * t["w"][0] + np.array([0.0, 1e-3])]}

    report = check_jvp(f, ({"w": np.ones((3, 2))},), raises=False)
    assert check_of(report, "order 1", "central").where == "['b'][0][1]"


def test_parameters_and_networks():
    model = dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.Tanh(), dg.nn.Linear(4, 2))
    batch = dg.nn.Objective(model, dg.nn.cross_entropy).bind(np.eye(3), np.array([0, 1, 0]))
    assert check_jvp(batch, (model.init(rng=0, dtype=np.float64),)).passed


def test_a_direction_of_ones_own():
    report = check_jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
    assert check_of(report, "order 1", "complex").expected == 3.0


# ---------------------------------------------------------------------- where no oracle can tell


@pytest.mark.parametrize(
    ("f", "x", "why"),
    [
        (np.abs, 0.0, "a kink at the result: slopes"),
        (lambda x: np.maximum(x, 0.0), 0.0, "a kink at the result: slopes"),
        (np.max, np.array([1.0, 1.0, 0.0]), "a kink"),
        (lambda x: np.where(x >= 0, x + 1, x), 0.0, "do not settle"),
        (np.sqrt, 0.0, "do not settle"),
        (lambda x: x * np.sin(1 / (x + 1e-9)), 0.0, "do not settle|a kink"),
    ],
)
def test_kinks_jumps_and_edges_are_unchecked(f, x, why):
    with pytest.warns(UncheckedWarning, match=why):
        report = check_jvp(f, (x,), orders=(1,))
    assert report.status == "unchecked"
    assert not report.passed
    assert not report.failures


def test_the_other_elements_are_still_checked(wrong):
    x = np.array([0.0, 1.0, 2.0])
    with pytest.warns(UncheckedWarning, match=r"2 of 3 entries\n *a kink at \[0\]: slopes -0.\d+ and 0.\d+ on its two"):
        check_jvp(lambda x: np.abs(x), (x,), orders=(1,))
    with pytest.raises(AssertionError, match=r"at \[2\]"):
        check_jvp(lambda x: np.abs(x) + wrong(x), (x,), orders=(1,))


def test_a_kink_of_the_derivative_is_found_at_order_2():
    report = check_jvp(lambda x: x * np.abs(x), (0.0,), raises=False)
    assert "a kink" in check_of(report, "order 2", "central").note


@pytest.mark.parametrize("x", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_steps_fit_the_scale_of_the_function(x):
    """log has its singularity at 0, and a derivative of 1/x."""
    assert check_jvp(np.log, (x,), orders=(1,)).passed


def test_a_kink_nearby_is_not_one_here():
    assert check_jvp(np.abs, (1e-6,), orders=(1,)).passed


LARGE = np.array([1, 1.37, 0.61])


@pytest.mark.parametrize(
    ("f", "x"),
    [
        *((np.sin, size) for size in (3.3e4, 1e5, 1e6, 1e8, 1e16)),
        (lambda x: np.sin(x) * x, np.array([1e4, 1.0])),
        (lambda x: np.sin(x[0]) * x[1:], np.array([1e6, 1.0, 2.0])),
        (lambda x: np.sum(np.sin(x)), 1e6 * LARGE),
        (np.sinc, 1e4 * LARGE),
        (lambda x: np.cos(x) / x, 1e6 * LARGE),
        (lambda x: x % 7.0, 1e6 * LARGE),
        (lambda x: x - np.floor(x), 1e16),
    ],
)
def test_the_last_bits_of_large_arguments_accuse_nothing(f, x):
    """Next to x = 1e16 are 2 less and 2 more."""
    assert check_jvp(f, (x,), raises=False).status == ("unchecked" if np.max(x) == 1e16 else "passed")


@pytest.mark.parametrize("size", [1e4, 1e6])
def test_faults_at_large_arguments_are_caught(size):
    """By both oracles: a relative 1e-4."""
    f = dg.custom_jvp(lambda x: np.sin(x))
    f.defjvp(lambda primals, tangents: (np.sin(primals[0]), (1 + 1e-4) * np.cos(primals[0]) * tangents[0]))
    report = check_jvp(f, (size * LARGE,), raises=False)
    assert {check_of(report, "order 1", oracle).status for oracle in ("central", "complex")} == {"failed"}


@pytest.mark.parametrize(
    ("f", "x", "status"),
    [
        (np.linalg.det, np.ones((3, 3)), "unchecked"),
        (np.linalg.det, np.outer([1.0, 2, 3], [1.0, 1, 2]), "unchecked or passed"),  # as the last bits of NumPy fall
        (lambda x: np.sin(x) * x, np.array([1e-300]), "unchecked"),
        (lambda x: x - np.floor(x), np.array([100.0, 137.0, 61.0]), "unchecked"),
        (np.linalg.eigvalsh, np.diag([1, 1 + 1e-7, 2]), "passed"),
        (np.sin, np.array([np.inf, 1.0]), "unchecked"),
        (lambda x: np.sort(x) * x[::-1], 1e-8 * LARGE, "unchecked"),
    ],
    ids=["det of ones", "an outer product", "underflow", "on a jump", "a tie in float32", "infinity", "kinks nearby"],
)
def test_degenerate_points_are_not_accused(f, x, status):
    assert check_jvp(f, (x,), raises=False).status in status.split(" or ")


def test_float32_is_checked_in_its_own_precision():
    report = check_jvp(np.tanh, (X.astype(np.float32),))
    assert report.passed
    assert {c.oracle for c in report.checks if c.name == "precision"} == {"dtype of the value", "double precision"}


def test_a_function_that_rounds_to_float32_is_not_accused():
    report = check_jvp(lambda x: x.astype(np.float32) * 2, (X,), orders=(1,))
    assert report.passed
    assert check_of(report, "order 1", "central").budget > 1e-5  # a tenth of a per mille, not 1e-8


def test_nan_is_unchecked():
    with pytest.warns(UncheckedWarning):
        check_jvp(np.sin, (np.array([np.nan, 1.0]),))


def test_complex_primals_take_differences_alone():
    report = check_jvp(lambda z: np.abs(z) ** 2 * z, (X + 1j,))
    assert report.passed
    assert "complex already" in check_of(report, "order 1", "complex").note


def test_empty_arrays_and_no_outputs():
    assert check_jvp(np.sin, (np.zeros(0),)).passed
    assert check_jvp(lambda x: [], (X,)).passed


# ---------------------------------------------------------------------- what is no function


class Foreign:
    """An array of another library, whose dtype NumPy does not know."""

    dtype, shape = type("dtype", (), {"__repr__": lambda self: "float64"})(), (3,)


def test_what_cannot_be_checked_is_named():
    with pytest.raises(TypeError, match="expected a function of the primals"):
        check_jvp(3, (X,))
    with pytest.raises(TypeError, match="takes a tuple of primals"):
        check_jvp(np.sin, X)
    with pytest.raises(TypeError, match="no primals"):
        check_jvp(np.sin, ())
    with pytest.raises(TypeError, match=r"primals\[0\] has dtype int64"):
        check_jvp(np.sin, (np.arange(3),))
    with pytest.raises(TypeError, match=r"returns int64 at \['k'\]"):
        check_jvp(lambda x: {"k": np.argmax(x)}, (X,))
    with pytest.raises(TypeError, match=r"returns a .*Foreign of float64 at its result; .*: return a NumPy array"):
        check_jvp(lambda x: Foreign(), (X,))
    with pytest.raises(ValueError, match=r"got orders=\(0,\)"):
        check_jvp(np.sin, (X,), orders=(0,))
    with pytest.raises(dg.ShapeError, match="draws K itself"):
        check_jvp(np.sin, (X,), (np.ones((2, 3)),))


def test_a_rule_of_first_derivatives_alone_is_told_how_it_is_checked():
    def foreign(x):
        return float(x)  # a table, say: it stands for all code that Duals cannot go through

    cube = dg.custom_jvp(lambda x: foreign(x) ** 3)
    cube.defjvp(lambda primals, tangents: (foreign(primals[0]) ** 3, 3 * foreign(primals[0]) ** 2 * tangents[0]))
    with pytest.raises(dg.TangentLossError) as refused:
        check_jvp(cube, (0.7,))
    assert refused.value.__notes__[-1].endswith("is checked by orders=(1,)")
    assert check_jvp(cube, (0.7,), orders=(1,)).passed


def test_side_effects_on_the_input():
    def f(x):
        x[0] = 0
        return np.sum(x)

    x = X.copy()
    with pytest.raises(CheckError, match=r"f writes to its input primals\[0\]"):
        check_jvp(f, (x,))
    assert np.array_equal(x, X)


def test_functions_that_are_not_deterministic():
    calls = []
    with pytest.raises(CheckError, match="not deterministic"):
        check_jvp(lambda x: x + np.random.default_rng().random(), (X,))
    with pytest.raises(CheckError, match="not deterministic"):
        check_jvp(lambda x: calls.append(0) or x * len(calls), (X,))
    with pytest.raises(CheckError, match="not deterministic"):
        check_jvp(lambda x: calls.append(0) or np.ones(len(calls)) * x[0], (X,))


def test_a_last_bit_that_depends_on_alignment_is_forgiven():
    flips = []

    def f(x):
        flips.append(0)
        return x * (1 + len(flips) % 2 * 2.0**-52)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UncheckedWarning)
        assert not check_jvp(f, (X,), orders=(1,)).failures


def test_the_same_seed_gives_the_same_report():
    assert str(check_jvp(np.tan, (X,))) == str(check_jvp(np.tan, (X,)))
    assert str(check_jvp(np.tan, (X,), rng=1)) != str(check_jvp(np.tan, (X,), rng=2))


# ---------------------------------------------------------------------- the oracles themselves


def test_richardson_is_exact_to_its_estimate():
    for f, exact in ((np.exp, 1.0), (np.sin, 1.0), (lambda t: 1 / (1 + t), -1.0), (lambda t: t**7, 0.0)):
        value, error = richardson(f)
        assert abs(value - exact) <= 10 * error + 1e-16
        assert error < 1e-10


def test_slopes_on_both_sides():
    found = slope_at_0(lambda t: np.array([abs(t), max(t, 0.0), t]), rows=14)
    np.testing.assert_allclose(found.left, [-1, 0, 1], atol=1e-9)
    np.testing.assert_allclose(found.right, [1, 1, 1], atol=1e-9)
    assert found.kink.tolist() == [True, True, False]


def test_the_kit_is_reached_from_the_package():
    assert dg.testing is testing
