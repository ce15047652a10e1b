"""`import dualgrad` needs NumPy and nothing else; the rooms come when they are asked for."""

import importlib
import subprocess
import sys

import pytest

import dualgrad as dg

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


# ---------------------------------------------------------------------- what comes later


LATER = ["directions", "estimators", "nn", "online", "optim", "testing", "tracing", "checkpoint"]


def test_the_rooms_are_not_imported_before_they_are_asked_for():
    program = "import sys, numpy; before = set(sys.modules); import dualgrad; print(*(set(sys.modules) - before))"
    new = set(run(program).stdout.split())
    assert not {f"dualgrad.{name}" for name in LATER} & new
    assert not {name for name in new if name.startswith(("numpy.random", "numpy.typing", "numpy.ma"))}
    assert not {"hashlib", "tracemalloc", "dataclasses"} & new


def test_threads_may_ask_for_the_rooms_at_once():
    program = """
        import threading
        failed, together = [], threading.Barrier(8)
        def work(k):
            together.wait()
            try:
                import dualgrad as dg
                names = sorted(dg._LATER)
                for name in names[k:] + names[:k]:
                    getattr(dg, name)
            except BaseException as error:
                failed.append(repr(error))
        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        [t.start() for t in threads], [t.join() for t in threads]
        print(failed)
    """
    text = "\n".join(line[8:] for line in program.splitlines())
    assert {run(text).stdout.strip() for _ in range(3)} == {"[]"}


def test_every_public_name_is_there():
    program = """
        import dualgrad as dg
        names = [name for name in dg.__all__ if not hasattr(dg, name)]
        from dualgrad import *
        print(names, set(dg.__all__) - set(globals()), set(dir(dg)) ^ {*dg.__all__, "__version__"})
    """
    assert run("\n".join(map(str.strip, program.splitlines()))).stdout.strip() == "[] set() set()"


@pytest.mark.parametrize("name", dg.__all__)
def test_a_name_that_came_later_is_the_module_s_own(name):
    home = dg._LATER.get(name, "")
    if home is None:
        assert getattr(dg, name) is sys.modules[f"dualgrad.{name}"]
    elif home:
        assert getattr(dg, name) is getattr(sys.modules[f"dualgrad.{home}"], name)
    else:
        assert name in vars(dg)


def test_a_room_that_is_first_imported_in_a_block_keeps_its_rules():
    program = """
        import numpy as np, dualgrad as dg
        with dg.extend.rules_restored():
            room = dg.nn
        print(round(float(dg.derivative(room.normal.ndtr)(np.array(0.0))), 4), dg.extend._blocks)
    """
    assert run("\n".join(line[8:] for line in program.splitlines())).stdout.strip() == "0.3989 []"
