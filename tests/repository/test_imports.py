"""`import dualgrad` needs NumPy and nothing else."""

import importlib
import subprocess
import sys

import pytest

EXTRAS = (
    "cupy",
    "hypothesis",
    "pytest",
    "sklearn",
    "matplotlib",
    "tqdm",
    "scipy",
    "torch",
    "jax",
    "autograd",
    "pandas",
)


def run(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)


def test_importing_dualgrad_imports_no_extra():
    result = run(f"import sys, dualgrad; print(sorted(set({EXTRAS!r}) & sys.modules.keys()))")
    assert result.stdout.strip() == "[]", result.stderr


def test_importing_dualgrad_works_without_the_extras():
    code = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS!r})); import dualgrad as dg"
    assert run(code + "; print(dg.derivative(abs)(-2.0))").stdout.strip() == "-1.0"


def test_warnings_as_errors_at_import():
    assert run("import dualgrad").returncode == 0


def test_the_backend_imports_cupy_on_request_only():
    code = "import dualgrad.backend as b, sys; b.namespace('numpy'); assert 'cupy' not in sys.modules"
    assert run(code).returncode == 0


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("directions", "as_tree as_vector at vector_like"),
        (
            "estimators.guessing",
            "ActivationMixing ActivationPerturbation Downstream MatchedCosine SelfSharpening TransposedWeight",
        ),
        ("nn.recurrent", "Cell Factors GRUCell LSTMCell LeakyRNNCell RNNCell Recurrent GRU LSTM LeakyRNN RNN"),
    ],
)
def test_what_moved_can_still_be_imported_from_where_it_was(module, names):
    """Pickles name these places too."""
    found = importlib.import_module(f"dualgrad.{module}")
    assert not [name for name in names.split() if not hasattr(found, name)]
