"""Texts to predict: two generators with known entropy rates, and English: Jane Austen, Python's own help, or a file."""

import ast
import functools
import importlib
import inspect
import math
from collections import Counter
from itertools import accumulate
from pathlib import Path

import numpy as np
from places import Packaged
from r_data import read_rdb

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


AUSTEN = Packaged("Jane Austen's novels", "r-cran-janeaustenr", "janeaustenr")
NOVELS = "sensesensibility", "prideprejudice", "mansfieldpark", "emma", "northangerabbey", "persuasion"  # as published
HELP = "Python's help topics"
NAMES, OTHERS = ("austen", "help"), "a file with a text in UTF-8"


def english(source=None):
    """English with its rare characters, fewer than one in 20,000, made spaces.

    ``source``: "austen" for the six novels of Jane Austen (4 million characters), "help" for Python's help topics
    (about 460,000; other versions of Python have others), a file in UTF-8, or None for `best_source`.
    """
    source = best_source() if source is None else source
    if source == "austen":
        return _novels(AUSTEN.here())
    if source == "help":
        return _help_topics()
    if not Path(source).is_file():
        raise FileNotFoundError(f'there is no file {str(source)!r}: give "austen", "help" or a file with text')
    return _of_common_characters(Path(source).read_text("utf-8", errors="replace"))


def austen(length=None):
    """The first ``length`` characters of the novels of Jane Austen, in the order in which they were published."""
    text = english("austen")
    if length is not None and not 0 <= length <= len(text):
        raise ValueError(f"length={length}: the novels have {len(text)} characters")
    return text[:length]


def best_source():
    """What experiments take unless told otherwise: "austen" where it is installed; else "help", with a word."""
    return AUSTEN.or_else("austen", "help", HELP)


def title(source=None):
    """What figures call a source of `english`."""
    source = best_source() if source is None else source
    if source == "help":
        return HELP if AUSTEN.found() else f"{HELP} ({AUSTEN.title} are not installed)"
    return AUSTEN.title if source == "austen" else Path(source).name


@functools.cache
def _novels(folder):
    """The lines of all novels, from the data of the R package janeaustenr (Silge 2022)."""
    path = folder / "data" / "Rdata.rdb"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no data/Rdata.rdb: remove the folder, and run `make data` again")
    held = read_rdb(path)
    if missing := [name for name in NOVELS if name not in held]:
        raise ValueError(
            f"{path} has no {', '.join(missing)}, only {', '.join(held)}: expected version 1.0 of the package"
        )
    return _of_common_characters("\n".join(line for name in NOVELS for line in held[name]))


@functools.cache
def _help_topics():
    from pydoc_data.topics import topics

    return _of_common_characters("\n".join(topics[name] for name in sorted(topics)))


def _of_common_characters(text):
    rare = [c for c, count in Counter(text).items() if count < len(text) / 20_000]
    return text.translate(dict.fromkeys(map(ord, rare), " "))


MODULES = ["argparse", "ast", "calendar", "cmd", "configparser", "datetime", "difflib", "enum", "fractions", "inspect",
           "ipaddress", "mailbox", "optparse", "pickle", "platform", "shutil", "statistics", "subprocess", "tarfile",
           "tempfile", "textwrap", "threading", "typing", "uuid", "zipfile"]  # fmt: skip


def python_lines(most=60, test=500):
    """Lines of Python's own library, of code (0) and of its docstrings (1), for a model to tell which.

    Train and test sets as `dualgrad.fit` takes them, ``(x, y, {"lengths": lengths})``: the characters' numbers, padded
    with zeros ``(N, most)``, the classes, both as often, and how many characters each line has. Other versions of
    Python have other lines.
    """
    found = {0: set(), 1: set()}
    for name in MODULES:
        source = inspect.getsource(importlib.import_module(name))
        documented = _docstring_lines(ast.parse(source))
        for number, line in enumerate(source.splitlines(), 1):
            text = line.strip()
            if 8 <= len(text) <= most and text.isascii() and text[0] != "#" and '"""' not in text:
                found[int(number in documented)].add(text)
    count, rng = min(map(len, found.values())), np.random.default_rng(0)
    dealt = [(t, c) for c in found for t in rng.permutation(sorted(found[c]))[:count]]
    order = rng.permutation(len(dealt))
    x, y = np.zeros((len(dealt), most), int), np.array([dealt[k][1] for k in order])
    lengths = np.array([len(dealt[k][0]) for k in order])
    for row, k in zip(x, order, strict=True):
        row[: len(dealt[k][0])] = np.frombuffer(dealt[k][0].encode(), np.uint8)
    parts = slice(test, None), slice(test)
    return [(x[part], y[part], {"lengths": lengths[part]}) for part in parts]


def _docstring_lines(tree):
    """The numbers of the lines on which docstrings stand."""
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    first = [node.body[0] for node in ast.walk(tree) if isinstance(node, kinds) and ast.get_docstring(node) is not None]
    return {number for node in first for number in range(node.lineno, node.end_lineno + 1)}
