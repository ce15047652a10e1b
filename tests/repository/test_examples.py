"""The scripts start from the command line and leave what they promise: tables on the screen, figures on disk."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG\r\n\x1a\n"


def run(script, *arguments):
    """What the script prints; a failure shows it."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / script, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_digits_help_names_its_options():
    printed = run("digits.py", "--help")
    for option in ("--epochs", "--seed", "--backend", "--checkpoint", "--output"):
        assert option in printed


def test_digits_prints_its_table_and_saves_its_figure(tmp_path):
    printed = run("digits.py", "--epochs", 1, "--output", tmp_path)
    for word in ("estimator", "updates", "accuracy", "seconds", "cosine", "LowRank"):
        assert word in printed
    figures = list(tmp_path.glob("*.png"))
    assert len(figures) == 1
    assert figures[0].read_bytes().startswith(PNG)
    assert str(figures[0]) in printed


def test_predator_prey_finds_the_rates_and_saves_its_figure(tmp_path):
    pytest.importorskip("scipy")
    printed = run("predator_prey.py", "--output", tmp_path)
    rows = [line.split() for line in printed.splitlines() if "±" in line]
    assert [row[0] for row in rows] == ["a", "b", "c", "d"]
    for _, true, found, _, deviation in rows:
        assert abs(float(found) - float(true)) < 3 * float(deviation)
    assert (tmp_path / "lotka-volterra.png").read_bytes().startswith(PNG)


EXPERIMENTS = {
    "directions.py": ["one direction learns", "LowRank signs learn as dense signs do", "√(2/(π p))"],
    "copy_task.py": ["DODGE, TBPTT(3)", "guessing: 0.693", "64 random directions are better than 8"],
    "image_regression.py": ["DODGE, Reptile", "PSNR", "DODGE is ahead of Reptile"],
    "forward_gradient_limits.py": ["MLP 512", "conv net", "Digits drawn at 32 x 32", "Highest stable rate"],
    "guess_gradient.py": ["√(2/(π p))", "share of the last three doublings", "effective rank", "10 components"],
    "guess_training.py": ["self-sharpening", "downstream 2", "matched", "power 0.1", "each at its best rate"],
    "localmixer.py": ["W^T, local losses", "exact, local losses"],
    "influence_balancing.py": ["DODGE, signs", "right sign: windows of 41 to 199", "TBPTT(100)", "truncated ES(10)"],
    "text_prediction.py": ["NoBackTrack, rank 10", "every character", "context tree weighting", "entropy rate"],
    "leaky_variance.py": ["rescaled", "not rescaled", "Gaussian trick", "theory"],
    "invariant_norms.py": ["Appendix B, to the letter", "averaged and floored", "plain", "aⁿbⁿ"],
    "toy_schedule.py": ["PES", "truncated ES, σ = 1", "Sum of losses: 2487.8", "ES, whole episodes"],
    "pes_variance_lstm.py": ["unrolls", "random", "help"],
    "pes_variance.py": ["last loss alone", "NRES", "theory"],
    "learning_rate_schedule.py": ["RTRL (exact)", "validation error", "truncated ES"],
    "learned_optimizer.py": ["meta-loss", "noise-reuse ES", "truncated ES"],
    "control.py": ["without torque", "ES, whole episodes", "PES"],
    "physics_informed.py": ["Relative error", "Allen-Cahn", "forward gradient, n = 4", "by dg.laplacian"],
    "prompt_tuning.py": ["W^T", "prompt tokens", "last layer alone"],
}


@pytest.mark.parametrize("script", EXPERIMENTS)
def test_an_experiment_prints_its_tables_and_keeps_its_runs_and_figures(script, tmp_path, monkeypatch):
    """Every study of its: a file for each run, and a figure where it draws one."""
    printed = run(script, "--quick", "--seeds", 1, "--output", tmp_path)
    for word in EXPERIMENTS[script]:
        assert word in printed
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    for study in importlib.import_module(script.removesuffix(".py")).STUDIES:
        reports = [json.loads(path.read_text()) for path in (tmp_path / "results" / study.name).iterdir()]
        assert reports, study.name
        for report in reports:
            assert report["study"] == study.name
            assert {len(row) for row in report["curve"]} == {2 + len(study.metric)}
            assert report[study.clock] == report["curve"][-1][0]
        if study.draw:
            assert (tmp_path / f"{study.name}.png").read_bytes().startswith(PNG)


def test_every_experiment_asks_for_a_mode():
    """All in one process: what they import takes longer than what they do."""
    program = """
import contextlib, io, runpy, sys
sys.path.insert(0, "examples")
for script in sys.argv[1:]:
    sys.argv, said, ended = [script], io.StringIO(), None
    with contextlib.redirect_stderr(said):
        try:
            runpy.run_path(f"examples/{script}", run_name="__main__")
        except SystemExit as end:
            ended = end.code
    assert ended == 2 and "--quick" in said.getvalue() and "--full" in said.getvalue(), (script, ended, said.getvalue())
    print(script)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *EXPERIMENTS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == list(EXPERIMENTS), done.stdout + done.stderr


def test_stacked_layers_are_the_forward_laplacian(monkeypatch):
    """Rows of value, tangents and second derivatives, as `dg.second_order` and `dg.jvp` have them; with a right vjp."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    layers = importlib.import_module("stacked_layers")
    points, plain = np.random.default_rng(0).normal(size=(5, 3)), dg.nn.networks.mlp([3, 6, 4, 1], dg.nn.Tanh)
    params = plain.init(rng=0, dtype=float)
    u = lambda x: plain(params, x)[:, 0]  # noqa: E731
    for second in (1, 2, 3):
        net = layers.stacked((3, 6, 4, 1), second)
        value, *slopes, bent = net(params, layers.seeded(points)).T
        np.testing.assert_allclose(value, u(points), rtol=1e-13)
        units = [np.broadcast_to(e, points.shape) for e in np.eye(3)]
        np.testing.assert_allclose(slopes, [dg.jvp(u, (points,), (e,))[1] for e in units], rtol=1e-12)
        np.testing.assert_allclose(bent, dg.second_order(u, points, np.eye(3)[:, :second], axis=-1), rtol=1e-11)
        for layer, width in ((layers.StackedTanh(second), 4), (layers.StackedLinear(4, 2), 4)):
            weights = layer.init(rng=0, dtype=float)
            dg.testing.check_vjp(layer, weights, np.random.default_rng(1).normal(size=(2, 5, width)))


def told():
    """What docs/scale.md states of steps of `Shared` by two processes: bytes at least, of 32, 128, and 8 × 8 slopes."""
    page = (ROOT / "docs" / "scale.md").read_text("utf-8")
    return [int(row.replace(",", "")) for row in re.findall(r"^\| `Shared`, .*? \| ([\d,]+) \|", page, re.MULTILINE)]


def test_the_bytes_that_a_shared_step_tells_are_those_of_the_documentation(monkeypatch):
    """8 a number (n slopes and a loss a unit), 15 of the word around a unit, 63 of that around the units, of which 44
    say where a worker stands: 18 of them, the digest, only at a first step."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "benchmarks"))
    on_ranks = importlib.import_module("on_ranks")
    cases = [{"n": n, "shards": shards, "chunk": 8} for n, shards in ((32, 1), (128, 1), (8, 8))]

    def counted(comm):
        counting = on_ranks.Counted(comm)
        for case in cases:
            step = on_ranks.Step(counting, (16, 32, 16, 4), 8, **case)
            for _ in range(2):
                before = counting.given
                step.whole()
                yield counting.given - before

    first, second = dg.workers.threads(2, lambda comm: list(counted(comm)))
    given = [a + b for a, b in zip(first, second, strict=True)]
    assert given[::2] == told()
    assert [a - b for a, b in zip(given[::2], given[1::2], strict=True)] == [2 * 18] * 3
    for case, given_first in zip(cases, given[::2], strict=True):
        units = case["n"] // case["chunk"] * case["shards"]
        assert given_first == 8 * (case["n"] * case["shards"] + units) + 15 * units + 2 * 63


def test_scaling_prints_its_tables_and_saves_figure_and_results(tmp_path):
    printed = run("benchmarks/scaling.py", "--quick", "--output", tmp_path)
    report = json.loads((tmp_path / "scaling.json").read_text())
    assert (tmp_path / "scaling.png").read_bytes().startswith(PNG)
    for word in ("sum, exact", "Memory of dense directions", "more shards: 8 × N", "dealt, wait for all"):
        assert word in printed
    found = report["found"]
    in_chunks, at_once = (some["most"] for some in found["memory"][-2:])
    assert in_chunks < at_once / 2
    if "left out" in printed:
        assert "efficiency" not in found
        return
    dense, *slopes = found["wire"]["2"]
    assert dense["counted"] == 2 * 4 * found["p"]
    assert [step["counted"] for step in slopes] == told()
    assert {turn["alone"]["total"] > 0 for case in found["efficiency"] for turn in case["turns"]} == {True}


def test_a_cluster_on_paper(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "benchmarks"))
    cluster = importlib.import_module("cluster")
    link, job = cluster.Link("", 0.5, 0.25), cluster.Work(n=32, chunk=8, shards=2, F=3.0, c=0.125)
    assert (job.units, job.numbers) == (8, 72)
    assert job.seconds(1, link) == 8 * 3 + 32 * 0.125
    assert job.seconds(4, link) == 2 * 3 + 32 * 0.125 + 0.5 * 2 + 8 * 72 * 0.25
    assert cluster.until(lambda N: N < 100) == 64

    def times_of(patience, late):
        pool = cluster.Pooled(2, patience, soon=0.0)
        pool.step([1.0, 1.0, late, 1.0, 1.0, 1.0, 1.0, 1.0])  # four units by two workers, and a second time of each
        ends = [pool.now]
        pool.step([1.0] * 8)
        return [*ends, pool.now]

    assert times_of(None, 1.0) == times_of(3.0, 1.0) == [2.0, 4.0]
    assert times_of(None, 9.0) == [10.0, 12.0]
    assert times_of(3.0, 9.0) == [6.0, 10.0]  # nothing from 2 to 5: once more, until 6; one is busy until 10
    pool = cluster.Pooled(2, 3.0, soon=0.0)
    pool.step([9.0, 1.0, 9.0, 1.0, 1.0, 1.0])  # both are busy until 9 and 10: what would begin at 10 is taken back
    assert (pool.now, pool.free) == (10.0, [10.0, 10.0])
    assert cluster.waited(np.array([1.0, 1.0, 9.0, 1.0]), 2) == 10.0


@pytest.mark.gpu
def test_digits_on_a_gpu(tmp_path):
    if not pytest.importorskip("cupy").is_available():
        pytest.skip("CuPy finds no device")
    assert "LowRank" in run("digits.py", "--epochs", 1, "--output", tmp_path, "--backend", "cupy")
