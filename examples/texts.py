"""Texts to predict: two generators with known entropy rates, and English from Python's own help or a file."""

import math
from itertools import accumulate

import dualgrad as dg

CHORDS = {"C": "ceg", "F": "fac", "G": "gbd", "A": "ace", "D": "dfa"}
FOLLOWS = {  # what a chord goes on to, and how likely
    "C": {"C": 0.1, "F": 0.3, "G": 0.3, "A": 0.3},
    "F": {"C": 0.3, "G": 0.5, "D": 0.2},
    "G": {"C": 0.7, "A": 0.3},
    "A": {"F": 0.5, "D": 0.5},
    "D": {"G": 1.0},
}
RHYTHMS = ["4", "22", "211", "112", "1111"]  # the durations of a bar's notes, which add up to 4


def anbn(length, rng, low=1, high=32):
    """Blocks of n a's, a line break, n b's and a line break, with n uniform on low ... high."""
    text, rng = [], dg.Rng(rng)
    while sum(map(len, text)) < length:
        text += [f"{'a' * n}\n{'b' * n}\n" for n in rng.integers(low, high + 1, (1000,))]
    return "".join(text)[:length]


def anbn_entropy(low=1, high=32):
    """In bits per character: log₂(high - low + 1)/(low + high + 2)."""
    return math.log2(high - low + 1) / (low + high + 2)


def music(length, rng):
    """Bars such as ``C:e2c1g1|``: a chord that follows from the last, a rhythm of four beats, and notes of the chord.

    A substitute for the third example of Ollivier 2015 (Riemannian metrics II), whose grammar is not public.
    """
    rng, chord, bars, written = dg.Rng(rng), "C", [], 0
    while written < length:
        rhythm = RHYTHMS[int(rng.integers(0, len(RHYTHMS)))]
        notes = rng.integers(0, 3, (len(rhythm),))
        u = float(rng.uniform())
        bar = f"{chord}:" + "".join(CHORDS[chord][k] + d for k, d in zip(notes, rhythm, strict=True)) + "|"
        bars.append(bar)
        written += len(bar)
        names, shares = zip(*FOLLOWS[chord].items(), strict=True)
        chord = names[min(sum(u >= s for s in accumulate(shares)), len(names) - 1)]
    return "".join(bars)[:length]


def music_entropy():
    """In bits per character: the choices in a bar over its length, chords and rhythms independent of each other."""
    share = dict.fromkeys(CHORDS, 1 / len(CHORDS))
    for _ in range(500):  # to the stationary distribution
        share = {c: sum(share[b] * FOLLOWS[b].get(c, 0) for b in CHORDS) for c in CHORDS}
    of_chords = -sum(share[b] * p * math.log2(p) for b in CHORDS for p in FOLLOWS[b].values())
    notes = sum(map(len, RHYTHMS)) / len(RHYTHMS)
    return (of_chords + math.log2(len(RHYTHMS)) + notes * math.log2(3)) / (3 + 2 * notes)


def english(path=None):
    """The text of a file, or of Python's help topics (about 460,000 characters); rare characters become spaces."""
    if path is None:
        from pydoc_data.topics import topics

        text = "\n".join(topics[name] for name in sorted(topics))
    else:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    common = {c for c in set(text) if text.count(c) >= len(text) / 20_000}
    return "".join(c if c in common else " " for c in text)
