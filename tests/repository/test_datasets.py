"""Data of the experiments are read as they were written, found where they lie, and refused in words where they are not.

Written here: IDX and CIFAR-10 files, and R's serialisation. The Debian packages are read where they are.
"""

import gzip
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import datasets
import places
import texts
from r_data import read_rdb, unserialize

# ---------------------------------------------------------------------- images


def idx(array):
    """The bytes of an IDX file."""
    return b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.astype(np.uint8).tobytes()


def write_idx(folder, zipped=False, classes=(3, 7)):
    """The four files, of two images, and what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 256
    for part in ("train", "t10k"):
        for name, array in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", np.array(classes))):
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    return pixels, classes


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_is_read_from_its_files(tmp_path, zipped):
    pixels, classes = write_idx(tmp_path, zipped)
    (x, y), test = datasets.images(tmp_path)
    assert x.dtype == np.float32
    assert np.array_equal(x[..., 0], (pixels / np.float32(255)).astype(np.float32))
    assert np.array_equal(y, classes)
    assert test[0].shape == (2, 28, 28, 1)
    assert datasets.title(tmp_path) == f"IDX files in {tmp_path.name}"


def test_a_process_reads_files_once_and_nobody_writes_to_them(tmp_path):
    write_idx(tmp_path)
    (x, y), _ = datasets.images(tmp_path)
    assert datasets.images(str(tmp_path))[0][0] is x
    for array in (x, y):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def write_cifar(folder):
    images = np.arange(2 * 3072).reshape(2, 3, 32, 32) % 256
    raw = np.concatenate([[[4], [9]], images.reshape(2, -1)], 1).astype(np.uint8).tobytes()
    for name in ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"):
        (folder / name).write_bytes(raw)
    return images


def test_cifar_is_read_from_its_files(tmp_path):
    images = write_cifar(tmp_path)
    (x, y), _ = datasets.images(tmp_path)
    assert x.shape == (4, 32, 32, 3)
    np.testing.assert_allclose(x[1, 5, 6, 2] * 255, images[1, 2, 5, 6], rtol=1e-6)
    assert np.array_equal(y, [4, 9, 4, 9])
    assert datasets.title(tmp_path) == "CIFAR-10"


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither MNIST's"):
        datasets.images(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no folder .*fashoin.*: give \"fashion\""):
        datasets.images("fashoin")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"not one")
    with pytest.raises(ValueError, match="no IDX file"):
        datasets.images(tmp_path)
    with pytest.raises(ValueError, match="multiple of 8"):
        datasets.images("digits", 12)


@pytest.mark.parametrize("part", ["train", "t10k"])
@pytest.mark.parametrize("stem", ["images-idx3-ubyte", "labels-idx1-ubyte"])
@pytest.mark.parametrize("zipped", [False, True])
def test_an_idx_file_that_is_missing_or_cut_short_is_named(tmp_path, part, stem, zipped):
    write_idx(tmp_path, zipped)
    path = tmp_path / f"{part}-{stem}{'.gz' * zipped}"
    whole = path.read_bytes()
    for count in {*range(0, len(whole), 1 + len(whole) // 20), len(whole) - 1}:
        path.write_bytes(whole[:count])
        with pytest.raises(ValueError, match=path.name):
            datasets.images(tmp_path)
    path.write_bytes(gzip.compress(b"\0\0\x0d" + whole[3:]) if zipped else b"\0\0\x0d" + whole[3:])
    with pytest.raises(ValueError, match="no IDX file of bytes"):
        datasets.images(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"neither MNIST's|all four IDX files"):
        datasets.images(tmp_path)


def test_as_many_labels_as_images(tmp_path):
    write_idx(tmp_path, classes=(3, 7, 1))
    with pytest.raises(ValueError, match="2 images and 3 labels"):
        datasets.images(tmp_path)


def test_cifar_that_is_missing_or_cut_short_is_named(tmp_path):
    write_cifar(tmp_path)
    path = tmp_path / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"test_batch.bin has 6145 bytes, expected a multiple of 3,073"):
        datasets.images(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"has no test_batch.bin"):
        datasets.images(tmp_path)


# ---------------------------------------------------------------------- R's serialisation


class Written:
    """A value in R's serialisation; a dict is a list with names, and its second one refers to the symbol `names`."""

    def __init__(self, value, version=3):
        self.symbols = 0
        encoding = self.ints(5) + b"UTF-8" if version == 3 else b""
        self.raw = b"X\n" + self.ints(version, 0x40201, 0x30500) + encoding + self.item(value)

    @staticmethod
    def ints(*values):
        return struct.pack(f">{len(values)}i", *values)

    def chars(self, text):
        if text is None:
            return self.ints(9, -1)
        if text.isascii():
            return self.ints(9 | 64 << 12, len(text)) + text.encode()
        raw, bit = (text.encode("latin-1"), 4) if max(text) < "\u0100" else (text.encode(), 8)
        return self.ints(9 | bit << 12, len(raw)) + raw

    def item(self, value):
        if isinstance(value, dict):
            body = b"".join(map(self.item, value.values()))
            symbol = self.ints(1) + self.chars("names") if not self.symbols else self.ints(255 | 1 << 8)
            self.symbols = 1
            names = self.ints(2 | 1 << 10) + symbol + self.item(list(value)) + self.ints(254)
            return self.ints(19 | 1 << 9, len(value)) + body + names
        kind = {str: 16, int: 13, float: 14}.get(type(value[0]), 16) if value else 19
        if kind == 16:
            return self.ints(16, len(value)) + b"".join(map(self.chars, value))
        code = {13: "i", 14: "d", 19: "i"}[kind]
        return self.ints(kind, len(value)) + struct.pack(f">{len(value)}{code}", *value)


def drawn(rng, depth):
    """A value at random."""
    size = int(rng.integers(0, 4))
    kind = rng.integers(0, 4 if depth else 3)
    if kind == 0:
        words = ["", "plain", "café", "Ελλάς", "a\nb"]
        return ["one", *(None if rng.random() < 0.2 else words[k] for k in rng.integers(0, len(words), size))]
    if kind == 1:
        return rng.integers(-(2**31), 2**31, size).tolist()
    if kind == 2:
        return rng.normal(size=size).tolist()
    return {f"name {k}": drawn(rng, depth - 1) for k in range(size)}


@pytest.mark.parametrize("version", [2, 3])
def test_what_was_serialised_is_read_and_a_beginning_of_it_is_not(version):
    rng = np.random.default_rng(version)
    for _ in range(60):
        value = {"first": drawn(rng, 2), "second": drawn(rng, 2)}
        raw = Written(value, version).raw
        assert unserialize(raw, "here") == value
        for count in range(0, len(raw), 1 + len(raw) // 50):
            with pytest.raises(ValueError, match="here"):
                unserialize(raw[:count], "here")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"A\n3\n", "not in R's binary serialisation"),
        (b"B\n\3\0\0\0", "not in R's binary serialisation"),
        (Written([1]).raw.replace(b"X\n\0\0\0\3", b"X\n\0\0\0\4"), "version 4"),
        (b"X\n" + Written.ints(2, 0, 0, 3), "type 3:"),  # a closure
        (b"X\n" + Written.ints(2, 0, 0, 238), "type 238:"),  # of ALTREP
    ],
)
def test_another_serialisation_is_refused(raw, words):
    with pytest.raises(ValueError, match=words):
        unserialize(raw, "here")


def write_rdb(folder, values, compressed=1):
    """NAME.rdb and its index, as R's lazy loading has them."""
    (folder / "data").mkdir(parents=True)
    where, streams, at = {}, [], 0
    for name, value in values.items():
        raw = Written(value).raw
        streams.append(struct.pack(">i", len(raw)) + zlib.compress(raw))
        where[name] = [at, len(streams[-1])]
        at += len(streams[-1])
    path = folder / "data" / "Rdata.rdb"
    path.write_bytes(b"".join(streams))
    index = {"variables": where, "references": {}, "compressed": [compressed]}
    path.with_suffix(".rdx").write_bytes(gzip.compress(Written(index).raw))
    return path


def test_an_rdb_file_is_read_and_one_that_is_cut_short_is_named(tmp_path):
    values = {"b": ["two", "lines"], "a": {"n": [1, 2]}, "c": [0.5]}
    path = write_rdb(tmp_path, values)
    assert read_rdb(path) == values
    for file in (path, path.with_suffix(".rdx")):
        whole = file.read_bytes()
        for count in range(0, len(whole), 5):
            file.write_bytes(whole[:count])
            with pytest.raises(ValueError, match=file.name):
                read_rdb(path)
        file.write_bytes(whole)
    path.write_bytes(path.read_bytes()[:3] + b"\0" + path.read_bytes()[4:])
    with pytest.raises(ValueError, match="0 were written"):
        read_rdb(path)


def test_other_files_in_the_place_of_an_rdb_are_refused(tmp_path):
    with pytest.raises(ValueError, match="bzip2 or xz"):
        read_rdb(write_rdb(tmp_path, {"a": [1]}, compressed=2))
    path = tmp_path / "data" / "Rdata.rdb"
    path.with_suffix(".rdx").write_bytes(gzip.compress(Written({"a": [1]}).raw))
    with pytest.raises(ValueError, match="no index"):
        read_rdb(path)


# ---------------------------------------------------------------------- where they lie


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    """Two empty places."""
    monkeypatch.setattr(places, "FETCHED", tmp_path / "fetched")
    monkeypatch.setattr(places, "INSTALLED", (str(tmp_path / "installed"),))
    monkeypatch.delenv("DUALGRAD_DATA", raising=False)
    places._say.cache_clear()
    return tmp_path


SOURCES = [(datasets, "fashion", "digits"), (texts, "austen", "help")]


@pytest.mark.parametrize(("module", "best", "other"), SOURCES, ids=["images", "texts"])
def test_without_data_others_are_taken_with_a_word(module, best, other, nothing_here, capsys):
    assert [module.best_source() for _ in range(3)] == [other] * 3
    said = capsys.readouterr().err
    assert said.count("apt-get install") == said.count("make data") == said.count("\n") == 1
    assert "not installed" in module.title(other)
    with pytest.raises(FileNotFoundError, match="apt-get install"):
        (module.images if module is datasets else module.english)(best)


@pytest.mark.parametrize(("module", "best", "other"), SOURCES, ids=["images", "texts"])
def test_the_first_place_that_has_data_is_taken(module, best, other, nothing_here, monkeypatch, capsys):
    data = datasets.FASHION if module is datasets else texts.AUSTEN
    for place in ("installed", "fetched", "named"):  # the last of these comes first
        folder = nothing_here / place / data.folder
        folder.mkdir(parents=True)
        if place == "named":
            monkeypatch.setenv("DUALGRAD_DATA", str(folder.parent))
        assert data.here() == folder
    assert module.best_source() == best
    assert module.title(best) == data.title
    assert "not installed" not in module.title(other)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("DUALGRAD_DATA", os.devnull)
    with pytest.raises(NotADirectoryError, match="DUALGRAD_DATA is"):
        module.best_source()


def test_named_data_are_read_from_where_they_lie(nothing_here):
    pixels, _ = write_idx(nothing_here / "fetched" / "fashion-mnist")
    novels = {name: [name, "", "line"] for name in sorted(texts.NOVELS)}
    path = write_rdb(nothing_here / "fetched" / "janeaustenr", novels)
    assert len(datasets.images("fashion")[0][0]) == len(pixels)
    assert texts.english() == texts.austen() == "\n".join(f"{name}\n\nline" for name in texts.NOVELS)
    assert texts.austen(7) == "sensese"
    with pytest.raises(ValueError, match=r"length=1000: the novels have \d+"):
        texts.austen(1000)
    texts._novels.cache_clear()
    path.with_suffix(".rdx").write_bytes(gzip.compress(Written({"variables": {}, "compressed": [1]}).raw))
    with pytest.raises(ValueError, match="has no sensesensibility, prideprejudice"):
        texts.austen()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"has no data/Rdata.rdb: remove the folder"):
        texts.austen()


# ---------------------------------------------------------------------- what Debian has


def test_fashion_mnist_of_debian():
    if not datasets.FASHION.found():
        pytest.skip(datasets.FASHION.missing())
    for (x, y), count in zip(datasets.images("fashion"), (60_000, 10_000), strict=True):
        assert x.shape == (count, 28, 28, 1)
        assert x.dtype == np.float32
        assert np.bincount(y).tolist() == [count / 10] * 10
        assert (x.min(), x.max()) == (0, 1)


def test_jane_austen_of_debian():
    if not texts.AUSTEN.found():
        pytest.skip(texts.AUSTEN.missing())
    text = texts.austen()
    assert (len(text), len(set(text))) == (4_025_027, 63)
    assert text.startswith("SENSE AND SENSIBILITY\n\nby Jane Austen\n")
    assert text.endswith("\nFinis")
    begins = [
        text.index(words) for words in ("PRIDE AND PREJ", "MANSFIELD PARK", "EMMA\n", "NORTHANGER ABB", "Persuasion\n")
    ]
    assert begins == sorted(begins)
    assert texts.austen(1_000_000) == text[:1_000_000]
