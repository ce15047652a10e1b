"""The texts of the online experiments have the entropy they claim, and the compressors beside them are right."""

import gzip
import importlib
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from compressors import ctw_bits, gzip_bits
from texts import AUSTEN, CHORDS, FOLLOWS, RHYTHMS, anbn, anbn_entropy, english, music, music_entropy


def test_blocks_of_anbn():
    text = anbn(20_000, 0)
    blocks = text.split("\n")[:-3]
    for a, b in zip(blocks[::2], blocks[1::2], strict=False):
        assert a == "a" * len(a)
        assert b == "b" * len(a)
        assert 1 <= len(a) <= 32
    assert len(text) == 20_000
    assert anbn_entropy() == 5 / 35


def test_bars_of_music_follow_the_grammar_and_have_its_entropy():
    text = music(400_000, 0)
    bars = text.split("|")[:-1]
    bits = 0.0
    pairs = Counter(zip([b[0] for b in bars], [b[0] for b in bars[1:]], strict=False))
    for bar in bars:
        notes, rhythm = bar[2::2], bar[3::2]
        assert bar[1] == ":"
        assert rhythm in RHYTHMS
        assert sum(map(int, rhythm)) == 4
        assert set(notes) <= set(CHORDS[bar[0]])
        bits += np.log2(len(RHYTHMS)) + len(notes) * np.log2(3)
    for (one, other), count in pairs.items():
        bits -= count * np.log2(FOLLOWS[one][other])
    assert abs(bits / len(text) - music_entropy()) < 0.005


def test_english_is_there_without_a_file(tmp_path):
    assert len(english("help")) > 100_000
    assert english() in (english("help"), *([english("austen")] if AUSTEN.found() else []))
    (tmp_path / "text").write_text("to be or not to be" * 10)
    assert english(tmp_path / "text").startswith("to be or not")
    for count, kept in ((19_999, "é"), (20_000, " ")):  # fewer than one in 20,000
        (tmp_path / "text").write_text("é" + "a" * count, "utf-8")
        assert english(tmp_path / "text") == kept + "a" * count
    with pytest.raises(FileNotFoundError, match=r"no file 'Austin': give \"austen\""):
        english("Austin")


def kt(counts, k):
    """The probability of a sequence with these counts by Krichevsky and Trofimov, 1/k for each symbol."""
    p, total = 1.0, 0
    for count in counts:
        for j in range(count):
            p *= (j + 1 / k) / (total + 1)
            total += 1
    return p


@pytest.mark.parametrize("text", ["abracadabra", "aaaaaaaa", "abababab"])
def test_context_trees_are_weighted_as_defined(text):
    k = len(set(text))
    root = kt(Counter(text).values(), k)
    assert abs(ctw_bits(text, 0) + np.log2(root) / len(text)) < 1e-10
    after = {}
    for before, symbol in zip(["", *text], text, strict=False):
        after.setdefault(before, Counter())[symbol] += 1
    mixed = 0.5 * root + 0.5 * np.prod([kt(counts.values(), k) for counts in after.values()])
    assert abs(ctw_bits(text, 1) + np.log2(mixed) / len(text)) < 1e-10


def test_gzip_is_gzip():
    assert gzip_bits("abc" * 100) == 8 * len(gzip.compress(b"abc" * 100, 9)) / 300


@pytest.mark.parametrize("bits", [gzip_bits, ctw_bits])
def test_the_bits_of_parts_add_up_to_those_of_the_text(bits):
    text = music(600, 0)
    parts = [400 * bits(text[:400]), 200 * bits(text, start=400)]
    assert sum(parts) == pytest.approx(600 * bits(text))
    assert parts[1] / 200 < parts[0] / 400 - 0.3  # as all before has been read


def test_schedules_count_characters_whatever_the_window(prediction):
    """At character t the rate is the same; the filter has kept as much of what it saw before."""
    often, seldom = (prediction.optimizer_of("plain", 0.5, every).lr for every in (1, 15))
    assert seldom(15) == pytest.approx(often(225))
    assert often(225) == pytest.approx(0.5 / 15)
    for scale in (0.1, 1.0):
        often, seldom = (prediction.optimizer_of("Kalman", scale, every).gamma for every in (1, 15))
        for t in (15, 225, 2250, 30_000):
            assert often(t) == pytest.approx(scale / np.sqrt(t))
            assert seldom(t // 15) == pytest.approx(1 - (1 - often(t)) ** 15)
        kept = [
            np.prod([1 - often(t) for t in range(3001, 30_001)]),
            np.prod([1 - seldom(k) for k in range(201, 2001)]),
        ]
        np.testing.assert_allclose(np.log(kept[1]), np.log(kept[0]), rtol=1e-3)
    assert prediction.optimizer_of("Kalman", 5.0, 15).gamma(1) == 1.0


def test_gradients_of_a_window_are_one_step_of_their_sum_in_bits(prediction):
    params, taken = dg.Params({"w": np.zeros(2)}), prediction.InBits(dg.optim.SGD(1.0), 15)
    for k in range(30):
        taken.step(params, dg.Params({"w": np.array([1.0, k // 15])}), 1)
        steps = (k + 1) // 15
        np.testing.assert_allclose(params["w"] * np.log(2), [-15 * steps, -15 * (steps == 2)])
    whole, window = dg.Params({"w": np.zeros(2)}), prediction.InBits(dg.optim.SGD(1.0), 15)
    for k in range(2):
        window.step(whole, dg.Params({"w": np.array([15.0, 15.0 * k])}), 15)
    np.testing.assert_allclose(whole.vector, params.vector)


@pytest.mark.parametrize("learner", ["RTRL", "BPTT(15)"])
def test_a_curve_has_the_bits_of_every_part_of_the_text(learner, prediction):
    """Read by a network that stands still: the mean over all parts is what the text as a whole takes."""
    run = prediction.training("music", "paper", learner, "plain", 0.0, 15, 150, seed=0, apart=30)
    assert [row[0] for row in run["curve"]] == [0, 30, 60, 90, 120, 150]
    text = prediction.source("music", 150, 0)
    symbols = sorted(set(text))
    codes, start = np.searchsorted(symbols, list(text)), dg.Rng(0).spawn(2)[0]
    net, params = prediction.network("music", "paper", len(symbols), start)
    state, losses = net.init_state, []
    for t in range(1, 151):
        state = net.step(state, np.eye(len(symbols))[codes[t - 1]], params)
        losses.append(float(net.loss(state, codes[t % 150], params)) / np.log(2))
    np.testing.assert_allclose([row[2] for row in run["curve"][1:]], np.reshape(losses, (5, 30)).mean(1), rtol=1e-6)


@pytest.mark.parametrize("name", ["gzip", "context tree weighting"])
def test_compressors_have_a_curve_of_the_same_points(name, prediction):
    curve = np.array(prediction.training("music", None, name, None, None, None, 600, seed=0, apart=150))
    assert curve[:, 0].tolist() == [0, 150, 300, 450, 600]
    text = prediction.source("music", 600, 0)
    bits = gzip_bits if name == "gzip" else ctw_bits
    assert curve[1:, 2].mean() == pytest.approx(bits(text))
    assert curve[-1, 2] == pytest.approx(bits(text, start=450))


def test_a_text_that_ends_is_read_again(prediction, tmp_path):
    (tmp_path / "text").write_text("to be or not " * 4)
    assert prediction.source("english", 60, 0, str(tmp_path / "text")) == ("to be or not " * 5)[:60]


@pytest.fixture
def prediction(monkeypatch):
    """The experiment's module."""
    pytest.importorskip("tqdm")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    return importlib.import_module("text_prediction")
