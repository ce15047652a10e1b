"""save and load: what goes in comes out; damage is refused; a kill in mid-save leaves the old file."""

import codecs
import collections
import contextlib
import copy
import enum
import errno
import functools
import gzip
import io
import json
import os
import pathlib
import re
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import dualgrad as dg
from dualgrad import checkpoint, directions, estimators, nn, optim


def test_a_tree_comes_back_as_it_went_in(tmp_path):
    rng = dg.Rng(3)
    rng.normal(5)
    tree = {
        "params": dg.Params({"weight": np.arange(6.0, dtype=np.float32).reshape(2, 3), "bias": np.ones(3, np.float32)}),
        "rng": rng.state_dict(), "step": 7, "name": "ünï", "rate": 0.1, "flag": True, "nothing": None,
        "list": [1, [2.5, np.arange(3)], (np.float32(1.5),)], "complex": np.array([1 + 2j]), "empty": {},
        "inf": float("inf"),
    }  # fmt: skip
    dg.save(tmp_path / "run.npz", tree)
    back = dg.load(tmp_path / "run.npz")
    assert list(back) == list(tree)
    assert isinstance(back["params"], dg.Params)
    assert back["params"].layout == tree["params"].layout
    assert np.array_equal(back["params"].vector, tree["params"].vector)
    assert back["params"].dtype == np.float32
    for name in ("rng", "step", "name", "rate", "flag", "nothing", "empty", "inf"):
        assert back[name] == tree[name]
    assert isinstance(back["list"][2], tuple)
    assert back["list"][2][0].dtype == np.float32
    assert np.array_equal(back["complex"], tree["complex"])
    other = dg.Rng(9)
    other.load_state_dict(back["rng"])
    assert np.array_equal(other.normal(4), rng.normal(4))
    assert os.listdir(tmp_path) == ["run.npz"]


# ---------------------------------------------------------------------- what comes back

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    *(kind(endianness="?") for kind in (
        hnp.integer_dtypes, hnp.unsigned_integer_dtypes, hnp.floating_dtypes, hnp.complex_number_dtypes,
        hnp.datetime64_dtypes, hnp.timedelta64_dtypes,
    )),
)  # fmt: skip
LAYOUTS = [
    np.array, np.asfortranarray, lambda a: a.T, lambda a: a[..., ::2], lambda a: np.broadcast_to(a, (2, *a.shape)),
]  # fmt: skip


@st.composite
def arrays(draw, dtypes=DTYPES, layouts=LAYOUTS):
    shape = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
    a = draw(hnp.arrays(draw(dtypes), draw(shape), fill=st.nothing()))
    return draw(st.sampled_from(layouts))(a) if a.ndim else a


@st.composite
def some_params(draw):
    dtype, shapes = draw(hnp.floating_dtypes()), st.dictionaries(st.text(max_size=3), hnp.array_shapes(min_side=0))
    made = {name: np.ones(shape, dtype) for name, shape in draw(shapes).items()}
    return dg.Params(made, draw(st.dictionaries(st.text(max_size=3), arrays(), max_size=2)))


NUMBERS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**130), 2**130), st.floats(), st.complex_numbers()
)
LEAVES = st.one_of(
    NUMBERS, st.text(st.characters()), st.binary(), arrays(), arrays(hnp.unicode_string_dtypes()), some_params(),
    arrays(hnp.byte_string_dtypes()), arrays().filter(lambda a: a.size).map(lambda a: a.flat[0]),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda kinds: st.lists(kinds) | st.lists(kinds).map(tuple) | st.dictionaries(st.text(st.characters()), kinds),
    max_leaves=6,
)


def bits(a):
    """Its bytes, or its digits where some bytes are padding."""
    return list(map(str, np.ravel(a))) if a.dtype.char in "gG" else a.tobytes()


def same(one, other):
    """Whether two trees are alike, in kinds, dtypes and bits."""
    if isinstance(one, dg.Params):
        alike = same(one.vector, other.vector) and same(dict(one.buffers), dict(other.buffers))
        return alike and type(other) is dg.Params and one.layout == other.layout
    if isinstance(one, (np.ndarray, np.generic)):
        alike = (one.shape, one.dtype, bits(one)) == (other.shape, other.dtype, bits(other))
        flags = isinstance(one, np.generic) or not one.flags.fnc or other.flags.fnc
        return alike and flags and isinstance(other, np.ndarray) is isinstance(one, np.ndarray)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other if isinstance(one, int) else repr(one) == repr(other)


def through_a_file(tree):
    file = io.BytesIO()
    dg.save(file, tree)
    return dg.load(file)


def nested(depth, kind=list):
    tree = kind()
    for _ in range(depth):
        tree = {"k": tree} if kind is dict else kind([tree])
    return tree


@given(TREES)
@example([float("nan"), float("-inf"), -0.0, complex(-0.0, float("nan")), 10**5000, -(2**1024), "\ud800\0", b"a\0"])
@example([np.longdouble(1) / 3, np.clongdouble(1j) / 3, np.float16(0.1), np.bool_(True), np.longlong(5), np.int8(-1)])
@example(
    [np.array(5), np.zeros((0, 3)), np.datetime64("NaT", "s"), np.timedelta64(3, "D"), np.array("x"), np.array(b"")]
)
@example([np.arange(6).astype(dtype).reshape(2, 3).T for dtype in (">f8", "<i2", "c16", "g", "M8[s]", "U2")])
@example([nested(99), nested(99, tuple), nested(99, dict)])
def test_every_tree_comes_back_in_kind_dtype_and_bits(tree):
    assert same(tree, through_a_file(tree))


def test_the_same_array_twice_comes_back_as_two():
    a = np.ones(3)
    back = through_a_file([a, a])
    assert same(back, [a, a])
    assert not np.shares_memory(*back)


class Pair(collections.namedtuple("Pair", "a b")):
    """A named tuple."""


class Sized(np.ndarray):
    """A subclass of arrays."""


class Colour(enum.IntEnum):
    """A kind of int."""

    RED = 1


def subclass(base, *args):
    return type(f"My{base.__name__}", (base,), {})(*args)


class Line:
    """A container by registration."""

    def __init__(self, slope, offset):
        self.slope, self.offset = slope, offset


dg.tree.register(Line, lambda line: (vars(line), None), lambda aux, children: Line(**children))
REFUSED = [
    (object(), "is a object; a checkpoint holds arrays"),
    ({1, 2}, "is a set;"),
    (range(3), "is a range;"),
    (np.array([None]), "is a ndarray of dtype object; a checkpoint"),
    (Pair(1, 2), r"is a Pair; save its \._asdict\(\)"),
    (np.ma.array([1.0, 2.0], mask=[0, 1]), r"is a MaskedArray of dtype float64; save its \.data and its \.mask"),
    (np.ma.masked, "is a MaskedConstant"),
    (np.eye(2).view(np.matrix), r"is a matrix of dtype float64; save np\.asarray\(\.\.\.\) of it"),
    (np.ones(2).view(Sized), r"is a Sized of dtype float64; save np\.asarray"),
    (np.zeros(2, "i4,f8"), "is a ndarray of dtype .*; save its fields, one by one"),
    (np.zeros(2, "i4,f8")[0], "is a void of dtype .*; save its fields"),
    (np.rec.array([(1, 2.0)]), "is a recarray of dtype .*; save its fields"),
    (np.zeros(2, "V3"), "is a ndarray of dtype"),
    (collections.OrderedDict(a=1), r"is a OrderedDict; save dict\(\.\.\.\) of it"),
    (collections.defaultdict(int), r"is a defaultdict; save dict\("),
    (collections.Counter("ab"), r"is a Counter; save dict\("),
    (types.MappingProxyType({}), r"is a mappingproxy; save dict\("),
    (collections.deque([1]), "is a deque;"),
    (pathlib.Path("a"), "is a PosixPath|WindowsPath"),
    (Line(1.0, np.ones(2)), "is a Line; a checkpoint knows no registered classes: save a dict of its children"),
    (dg.optim.Adam(), r"is a Adam; save its \.state_dict\(\)"),
    (dg.Rng(0), r"is a Rng; save its \.state_dict\(\)"),
    (dg.nn.Linear(2, 1), "is a Linear; save its parameters: the model is code"),
    (Colour.RED, r"is a Colour; save its \.value"),
    *((subclass(base, *args), rf"is a My{base.__name__}.*; save {cure}\(\.\.\.\) of it") for base, args, cure in [
        (int, (3,), "int"), (float, (3,), "float"), (complex, (3,), "complex"), (str, ("a",), "str"),
        (bytes, (b"a",), "bytes"), (list, (), "list"), (tuple, (), "tuple"), (dict, (), "dict"),
        (np.float64, (3,), "float"), (dg.Params, ({"w": np.ones(2)},), "dict"),
    ]),
    (np.str_("a\0"), r"is a str_ of dtype <U2; save str\("),
    (np.bytes_(b"a\0"), r"is a bytes_ of dtype .*; save bytes\("),
    (bytearray(b"a"), "is a bytearray;"),
    ({1: 2}, "keys that are not strings"),
    ({np.str_("k"): 2}, "keys that are not strings"),
    ({None: 2}, "keys that are not strings"),
    (dg.Params({1: np.ones(2)}), "keys that are not strings"),
    (dg.Params({"w": np.ones(2)}, {"mean": np.ma.zeros(2)}), r"\.buffers\['mean'\] is a MaskedArray"),
    (nested(100), "nested more than 100 deep"),
    (nested(3000, tuple), "nested more than 100 deep"),
    (nested(3000, dict), "nested more than 100 deep"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "why"), REFUSED, ids=[why[:20] for _, why in REFUSED])
def test_what_cannot_be_saved_is_named_with_its_place_and_the_old_file_stays(tmp_path, bad, why):
    path = tmp_path / "run.npz"
    dg.save(path, {"step": 1})
    for tree, where in [({"a": bad}, r"tree\['a'\]"), ([0, (bad,)], r"tree\[1\]\[0\]")]:
        with pytest.raises((TypeError, ValueError), match=where + ".*(" + why + ")"):
            dg.save(path, tree)
    assert dg.load(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["run.npz"]


def test_a_tree_that_contains_itself_is_refused():
    tree = {"a": []}
    tree["a"].append(tree)
    with pytest.raises(ValueError, match="contains itself"):
        dg.save(io.BytesIO(), tree)


def test_a_dual_cannot_be_saved(tmp_path):
    with pytest.raises(TypeError, match="is a Dual"):
        dg.derivative(lambda x: dg.save(tmp_path / "x.npz", {"x": x}))(1.0)


def test_damaged_truncated_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    dg.save(path, {"w": np.arange(2000.0), "step": 1})
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(dg.CheckpointError, match="damaged, truncated, or not a checkpoint"):
            dg.load(path)
    for place in range(200, len(whole) - 200, 997):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            back = dg.load(path)
        except dg.CheckpointError:
            continue
        assert np.array_equal(back["w"], np.arange(2000.0))  # the flipped byte was in padding
    np.savez(path, a=np.ones(2))
    with pytest.raises(dg.CheckpointError, match="not a checkpoint of dualgrad"):
        dg.load(path)
    np.save(tmp_path / "plain.npy", np.ones(2))
    with pytest.raises(dg.CheckpointError, match="not a checkpoint of dualgrad"):
        dg.load(tmp_path / "plain.npy")
    np.savez(path, dualgrad=np.array('{"format": "dualgrad-checkpoint-99", "tree": {}}'))
    with pytest.raises(dg.CheckpointError, match="this version reads"):
        dg.load(path)
    np.savez(path, dualgrad=np.array([object()], dtype=object))
    with pytest.raises(dg.CheckpointError, match="pickle"):
        dg.load(path)
    with pytest.raises(FileNotFoundError):
        dg.load(tmp_path / "nowhere.npz")


# ---------------------------------------------------------------------- files made by others


def archive(header, compression=zipfile.ZIP_STORED, **arrays):
    """A checkpoint made by hand: its description, and its arrays or the bytes that stand for them."""
    file = io.BytesIO()
    text = header if isinstance(header, str) else json.dumps(header)
    with zipfile.ZipFile(file, "w", compression) as zipped:
        for name, a in (arrays | {"dualgrad": np.array(text)}).items():
            with zipped.open(f"{name}.npy", "w") as member:
                member.write(a) if isinstance(a, bytes) else np.lib.format.write_array(member, a)
    return file.getvalue()


def packed(tree, compression):
    """A checkpoint that was compressed after it was saved."""
    file = io.BytesIO()
    dg.save(file, tree)
    file.seek(0)
    with np.load(file) as found:
        return archive(str(found["dualgrad"]), compression, **{k: found[k] for k in found.files if k != "dualgrad"})


def promising(shape, dtype="<f8"):
    """An array of which only the header is there."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def header(tree, number=2):
    return {"format": f"dualgrad-checkpoint-{number}", "tree": tree}


ONE = {"array": "a", "scalar": False}


def test_the_first_format_is_read():
    w, mean = np.arange(6.0).reshape(2, 3), np.ones(3, np.float32)
    tree = {"dict": {
        "params": {"params": {"w": [2, 3]}, "vector": {"array": "v", "scalar": False}, "buffers": {"dict": {"m": ONE}}},
        "rest": {"list": [{"tuple": [{"value": None}]}, {"value": 0.5}, {"array": "s", "scalar": True}]},
    }}  # fmt: skip
    raw = archive(header(tree, 1), v=w.ravel(), a=mean, s=np.array(2, np.int8))
    expected = {"params": dg.Params({"w": w}, {"m": mean}), "rest": [(None,), 0.5, np.int8(2)]}
    assert same(expected, dg.load(io.BytesIO(raw)))


def deep(depth, start, end):
    return '{"format": "dualgrad-checkpoint-2", "tree": ' + start * depth + '{"value": 1}' + end * depth + "}"


HOSTILE = [
    archive(header(ONE), a=promising((10**13,))),
    archive(header(ONE), a=promising((2**31, 2**31, 2**31))),
    archive(header(ONE), a=promising((-1, -8))),
    archive(header(ONE), a=promising((0, 10**30)) + b"x"),
    archive(header(ONE), a=promising((2,)) + bytes(15)),
    archive(header(ONE), a=promising((2,)) + bytes(17)),
    archive(header(ONE), a=promising((1,), "|O") + bytes(8)),
    archive(header(ONE), a=b"no array"),
    archive(header(ONE)),
    archive(header({"list": [ONE] * 2}), a=np.ones(3)),
    archive(header({"array": "dualgrad", "scalar": False})),
    archive(header({"unknown": 1})),
    archive(header({"params": {"w": [10**12]}, "vector": ONE}), a=np.ones(3)),
    archive(header({"params": {"w": [-3]}, "vector": ONE}), a=np.ones(3)),
    archive(header(ONE | {"mantissa": 7}), a=np.ones(3, np.longdouble)),
    archive([1]), archive("no JSON"), archive(header(ONE, 99)), archive(deep(3000, '{"list": [', "]}")),
    *(archive(deep(depth, "[", "]")) for depth in (3000, 100_000)),
    archive(header(ONE), a=b"\x93NUMPY\1\0" + struct.pack("<H", 9000) + b"-" * 9000),
    archive(header(ONE), a=np.zeros(10**6), compression=zipfile.ZIP_DEFLATED),
    archive(header(ONE), a=np.zeros(10**6), compression=zipfile.ZIP_BZIP2),
    archive(header(ONE), a=np.zeros(10**6), compression=zipfile.ZIP_LZMA),
]  # fmt: skip


@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
def test_no_file_takes_more_memory_than_it_has_bytes(tmp_path, raw):
    path = tmp_path / "run.npz"
    path.write_bytes(raw)
    tracemalloc.start()
    with pytest.raises(dg.CheckpointError, match=re.escape(str(path))):
        dg.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20 + 30 * len(raw)


def test_what_was_compressed_is_loaded_when_asked(tmp_path):
    path, tree = tmp_path / "run.npz", {"w": np.zeros(10**5), "step": 3}
    path.write_bytes(packed(tree, zipfile.ZIP_DEFLATED))
    with pytest.raises(
        dg.CheckpointError, match=r"dg.save does not compress: .*load\(\.\.\., max_bytes=\d+\)"
    ) as caught:
        dg.load(path)
    enough = int(str(caught.value).split("max_bytes=")[1][:-1])
    assert same(tree, dg.load(path, max_bytes=enough))
    with pytest.raises(dg.CheckpointError, match=f"but max_bytes={enough - 1} was given"):
        dg.load(path, max_bytes=enough - 1)
    dg.save(path, tree)
    with pytest.raises(dg.CheckpointError, match="but max_bytes=1000 was given"):
        dg.load(path, max_bytes=1000)
    for bad in (1e9, "1", True, -1):
        with pytest.raises(ValueError, match="expected a number of bytes"):
            dg.load(path, max_bytes=bad)


def test_memory_that_runs_out_is_a_named_error(monkeypatch):
    file = io.BytesIO()
    dg.save(file, np.ones(3))
    monkeypatch.setattr(checkpoint.archive, "_read_array", lambda *given: np.empty(2**60, np.uint8))
    with pytest.raises(dg.CheckpointError, match="takes more memory than there is"):
        dg.load(file)


# ---------------------------------------------------------------------- places


def fifo(path):
    os.mkfifo(path)


def device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices are made by root")


def bound_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(path))


@pytest.mark.skipif(os.name == "nt", reason="special files are of POSIX")
@pytest.mark.parametrize("through", ["its name", "a link", "a link to a link"])
@pytest.mark.parametrize(("make", "kind"), [(fifo, "FIFO"), (device, "device"), (bound_socket, "socket")])
def test_special_files_are_refused_and_stay(tmp_path, monkeypatch, make, kind, through):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "special"
    make(path)
    for _ in range(through.count("link")):
        link = path.with_name(f"{path.name} link")
        link.symlink_to(path)
        path = link
    before = path.stat(), sorted(os.listdir(tmp_path))
    for act in (lambda: dg.save(path, {"step": 1}), lambda: dg.load(path)):
        with pytest.raises(OSError, match=f"{path} is a {kind}: give the name of a file, or a file object"):
            act()
    assert (path.stat(), sorted(os.listdir(tmp_path))) == before


def test_a_link_that_leads_nowhere_leads_to_the_new_file(tmp_path):
    path, link = tmp_path / "run.npz", tmp_path / "latest.npz"
    link.symlink_to("run.npz")
    dg.save(link, {"step": 1})
    assert link.is_symlink()
    assert not path.is_symlink()
    assert dg.load(path) == dg.load(link) == {"step": 1}


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path])
def test_a_path_is_taken_as_open_takes_it(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder")
    for name in ("run", "folder/run", "~", "./a b.npz", "ünï", ".hidden"):
        dg.save(kind(name), {"name": name})
        with open(name, "rb") as file:
            assert dg.load(kind(name)) == dg.load(file) == {"name": name}
    assert len(os.listdir()) == 6


@contextlib.contextmanager
def without_privileges():
    """As a user who is not root."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path])
def test_errors_name_the_path_that_was_given(monkeypatch, kind):
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.chdir(folder)
        os.chmod(folder, 0o777)
        os.mkdir("closed", 0o555)
        os.symlink("missing/run.npz", "link")
        os.symlink("loop", "loop")
        pathlib.Path("file").write_text("kept")
        for name, error in [
            ("missing/run.npz", FileNotFoundError), ("link", FileNotFoundError), ("new/", IsADirectoryError),
            ("new/.", IsADirectoryError), ("file/run.npz", NotADirectoryError), ("loop", OSError),
            ("closed/run.npz", PermissionError), ("n" * 300, OSError),
        ]:  # fmt: skip
            given = kind(name)
            given = given if os.path.basename(name) not in ("", ".") else name  # a Path drops them
            with without_privileges(), pytest.raises(error) as caught:
                dg.save(given, {"step": 1})
            assert caught.value.filename == os.fspath(given)
            assert "partial" not in str(caught.value)
            if name != "link":
                with pytest.raises(OSError) as caught:  # noqa: PT011
                    dg.load(given)
                assert caught.value.filename == os.fspath(given)
        assert sorted(os.listdir()) == ["closed", "file", "link", "loop"]
        assert os.listdir("closed") == []
        assert pathlib.Path("file").read_text() == "kept"


def test_a_missing_folder_is_named_as_such(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder does not exist, make it first: '.*nowhere/run.npz'"):
        dg.save(tmp_path / "nowhere" / "run.npz", 1)


@pytest.mark.parametrize("path", [3, True, None, 1.5, ["run.npz"]])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(TypeError, match=r"expected str, bytes or os.PathLike object"):
        dg.save(path, 1)
    with pytest.raises(TypeError, match=r"expected str, bytes or os.PathLike object"):
        dg.load(path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES])
def test_a_disk_that_fails_keeps_the_old_file(tmp_path, monkeypatch, call, code):
    path = tmp_path / "run.npz"
    dg.save(path, {"step": 1})

    def fail(*args):
        raise OSError(code, os.strerror(code), *(args if call == "replace" else ()))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=re.escape(f"{os.strerror(code)}: '{path}'")):
        dg.save(path, {"step": 2})
    assert dg.load(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["run.npz"]


# ---------------------------------------------------------------------- file objects


class Slow(io.RawIOBase):
    """Takes seven bytes at a time and cannot seek."""

    def __init__(self):
        self.raw = b""

    def writable(self):
        return True

    def write(self, data):
        self.raw += bytes(data[:7])
        return len(data[:7])


class Silent:
    """An object that has ``write`` or ``read`` and no more."""

    def __init__(self, raw=b""):
        self.raw, self.read = raw, lambda: raw
        self.write = self._write

    def _write(self, data):
        self.raw += data


FILES = [
    io.BytesIO, tempfile.TemporaryFile, tempfile.NamedTemporaryFile, tempfile.SpooledTemporaryFile,
    functools.partial(open, "run.npz", "wb+"), functools.partial(open, "run.npz", "wb+", buffering=0),
]  # fmt: skip
TREE = {"w": np.arange(2000.0), "params": dg.Params({"b": np.ones(2)}), "step": 3}


@pytest.mark.parametrize("make", FILES)
@pytest.mark.parametrize("before", [b"", b"what stood there before"])
def test_file_objects_are_written_and_read(tmp_path, monkeypatch, make, before):
    monkeypatch.chdir(tmp_path)
    with make() as file:
        file.write(before)
        dg.save(file, TREE)
        for place in (None, 0, 5):
            if place is not None:
                file.seek(place)
            assert same(TREE, dg.load(file))
        file.seek(0)
        assert file.read(len(before)) == before


def test_a_file_that_is_packed_by_gzip(tmp_path):
    with gzip.open(tmp_path / "run.npz.gz", "wb") as file:
        dg.save(file, TREE)
    with gzip.open(tmp_path / "run.npz.gz", "rb") as file:
        assert same(TREE, dg.load(file))


@pytest.mark.parametrize("make", [Slow, Silent])
def test_only_write_and_read_are_needed(make):
    file = make()
    dg.save(file, TREE)
    assert same(TREE, dg.load(Silent(file.raw)))


def test_through_a_pipe():
    ends = os.pipe()
    with open(ends[0], "rb") as reader, open(ends[1], "wb", buffering=0) as writer, ThreadPoolExecutor() as pool:
        found = pool.submit(dg.load, reader)
        dg.save(writer, TREE)
        writer.close()
        assert same(TREE, found.result())


def test_a_pipe_that_would_block_is_an_error():
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    with (
        open(ends[0], "rb"),
        open(ends[1], "wb", buffering=0) as writer,
        pytest.raises(BlockingIOError, match="would block"),
    ):
        dg.save(writer, np.ones(10**5))


@pytest.mark.parametrize("act", [lambda file: dg.save(file, TREE), dg.load])
def test_files_of_text_closed_files_and_files_open_for_the_other_are_refused(tmp_path, act):
    path = tmp_path / "run.npz"
    dg.save(path, TREE)
    raw, closed = path.read_bytes(), io.BytesIO()
    closed.close()
    with pytest.raises(ValueError, match=r"BytesIO.* is closed"):
        act(closed)
    coded = codecs.StreamReaderWriter(io.BytesIO(raw), codecs.getreader("utf8"), codecs.getwriter("utf8"))
    with open(path, "r+") as one, tempfile.NamedTemporaryFile("w+") as other:
        for file in (one, other, io.StringIO(), coded):
            with pytest.raises(TypeError, match="is a file of text: open it in binary mode"):
                act(file)
    refused = pytest.raises(ValueError, match=r"run.npz.* is not (readable|writable): open it with mode '[rw]b'")
    with open(path, "ab" if act is dg.load else "rb") as file, refused:
        act(file)
    assert path.read_bytes() == raw


def test_a_refused_tree_writes_nothing_and_a_damaged_file_object_is_named():
    file = io.BytesIO()
    with pytest.raises(TypeError, match="is a object"):
        dg.save(file, {"w": np.ones(3), "a": object()})
    assert file.getvalue() == b""
    with pytest.raises(dg.CheckpointError, match=r"<_io.BytesIO object at .*> is damaged, truncated"):
        dg.load(file)


# ---------------------------------------------------------------------- what a kill leaves


KILLED = """
import sys, numpy as np, dualgrad as dg
path, k = sys.argv[1], 0
dg.save(path, {"k": k, "w": np.full(400_000, k)})
print("first", flush=True)
while True:
    k += 1
    dg.save(path, {"k": k, "w": np.full(400_000, k)})
"""


KILLED_BEFORE_RENAME = """
import os, signal, sys, dualgrad as dg
os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
dg.save(sys.argv[1], {"k": 2})
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize("delay", [0.005, 0.017, 0.031, 0.053])
def test_a_kill_in_mid_save_leaves_a_whole_checkpoint(tmp_path, delay):
    path = tmp_path / "run.npz"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    back = dg.load(path)
    assert np.array_equal(back["w"], np.full(400_000, back["k"]))


def test_a_kill_between_write_and_rename_keeps_the_old_file(tmp_path):
    path = tmp_path / "run.npz"
    dg.save(path, {"k": 1})
    done = subprocess.run([sys.executable, "-c", KILLED_BEFORE_RENAME, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert dg.load(path) == {"k": 1}


def leave(path):
    """What a writer leaves that is killed before the rename."""
    before = set(os.listdir(path.parent))
    done = subprocess.run([sys.executable, "-c", KILLED_BEFORE_RENAME, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = set(os.listdir(path.parent)) - before
    return path.with_name(left)


needs_locks = pytest.mark.skipif(os.name == "nt", reason="flock is of POSIX")


@needs_locks
def test_leftovers_of_the_dead_are_removed_at_the_next_save_and_nothing_else(tmp_path):
    path = tmp_path / "run.npz"
    left = leave(path)
    here, token = left.name[8:16], left.name[16:24]
    others = [
        f"run.npz.{here}{token}.partial.npz", f"run.npz.{here}{token}", "run.npz.partial", f"run.npz.{token}0.partial",
        f"other.npz.{here}{token}.partial", f"a.run.npz.{here}{token}.partial", f"runxnpz.{here}{token}.partial",
        f"run.npz.{here}{token.upper()}G.partial", f"run.npz.{here}-{token}.partial",
    ]  # fmt: skip
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / f"run.npz.{here}00000000.partial").mkdir()
    (tmp_path / f"run.npz.{here}11111111.partial").symlink_to(tmp_path / others[0])
    kept = {*others, f"run.npz.{here}00000000.partial", f"run.npz.{here}11111111.partial"}
    dg.save(tmp_path / "another.npz", {"k": 1})
    assert left.exists()
    with pytest.raises(TypeError):
        dg.save(path, object())
    assert left.exists()
    dg.save(path, {"k": 1})
    assert set(os.listdir(tmp_path)) == kept | {"run.npz", "another.npz"}


@needs_locks
def test_leftovers_of_other_machines_and_versions_are_removed_after_an_hour(tmp_path):
    path = tmp_path / "run.npz"
    names = [tmp_path / "run.npz.0123456789abcdef.partial", tmp_path / "run.npz.01234567.partial"]
    for age, there in [(0, True), (3500, True), (3700, False)]:
        for name in names:
            name.touch()
            os.utime(name, (time.time() - age,) * 2)
        dg.save(path, {"k": 1})
        assert [name.exists() for name in names] == [there] * 2


WAITS_IN_MID_SAVE = """
import os, sys, dualgrad as dg
sync = os.fsync
def wait(file):
    print("writing", flush=True)
    sys.stdin.readline()
    sync(file)
    os.fsync = sync
os.fsync = wait
dg.save(sys.argv[1], {"k": "theirs"})
"""


@needs_locks
def test_a_writer_that_lives_in_another_process_is_left_alone(tmp_path):
    path = tmp_path / "run.npz"
    command = [sys.executable, "-c", WAITS_IN_MID_SAVE, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        (partial,) = tmp_path.iterdir()
        os.utime(partial, (0, 0))
        for k in range(3):
            dg.save(path, {"k": k})
        assert dg.load(path) == {"k": 2}
        assert partial.exists()
        process.communicate(b"go on\n")
    assert process.returncode == 0
    assert dg.load(path) == {"k": "theirs"}
    assert os.listdir(tmp_path) == ["run.npz"]


@needs_locks
@pytest.mark.parametrize("shared", [False, True], ids=["locks of open files", "locks of the process, as over NFS"])
def test_a_writer_that_lives_in_another_thread_is_left_alone(tmp_path, monkeypatch, shared):
    path, sync, writing, go_on = tmp_path / "run.npz", os.fsync, threading.Event(), threading.Event()

    def wait(file):
        if threading.current_thread() is not threading.main_thread():
            writing.set()
            go_on.wait()
        sync(file)

    monkeypatch.setattr(os, "fsync", wait)
    if shared:
        monkeypatch.setattr(checkpoint.atomic.fcntl, "flock", lambda *args: None)
    else:
        monkeypatch.setattr(checkpoint.atomic, "_written", Forgetful())
    with ThreadPoolExecutor() as pool:
        theirs = pool.submit(dg.save, path, {"k": "theirs"})
        writing.wait()
        (partial,) = tmp_path.iterdir()
        dg.save(path, {"k": "ours"})
        stays, ours = partial.exists(), dg.load(path)
        go_on.set()
        theirs.result()
    assert stays
    assert ours == {"k": "ours"}
    assert dg.load(path) == {"k": "theirs"}
    assert os.listdir(tmp_path) == ["run.npz"]


class Forgetful(set):
    """A set that holds nothing."""

    def add(self, name):
        """Not so."""


@needs_locks
def test_a_file_that_is_removed_before_it_is_locked_is_written_again(tmp_path, monkeypatch):
    path, lock = tmp_path / "run.npz", checkpoint.atomic.fcntl.flock

    def late(file, how):
        monkeypatch.setattr(checkpoint.atomic.fcntl, "flock", lock)
        os.unlink(file.name)
        lock(file, how)

    monkeypatch.setattr(checkpoint.atomic.fcntl, "flock", late)
    dg.save(path, {"k": 1})
    assert dg.load(path) == {"k": 1}
    assert os.listdir(tmp_path) == ["run.npz"]


@needs_locks
@pytest.mark.parametrize("system", ["Windows", "a file system without locks"])
def test_without_locks_files_are_saved_and_leftovers_stay(tmp_path, monkeypatch, system):
    path = tmp_path / "run.npz"
    left = leave(path)

    def refuse(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    if system == "Windows":
        monkeypatch.setattr(checkpoint.atomic, "fcntl", None)
    else:
        monkeypatch.setattr(checkpoint.atomic.fcntl, "flock", refuse)
    dg.save(path, {"k": 1})
    assert dg.load(path) == {"k": 1}
    assert left.exists()


@pytest.mark.parametrize("make", [lambda: optim.Adam(1e-2), lambda: optim.SGD(1e-3, momentum=0.9)])
def test_resumed_training_is_bit_identical(tmp_path, make):
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    data = np.random.default_rng(0)
    batch = nn.Objective(model, nn.cross_entropy).bind(
        data.standard_normal((9, 6)).astype(np.float32), np.arange(9) % 3
    )
    estimator = estimators.ForwardGradient(directions.LowRank(), n=2)

    def train(params, optimizer, rng, steps):
        for _ in range(steps):
            optimizer.step(params, estimator.estimate(batch, params, rng=rng).gradient)

    params, optimizer, rng = model.init(rng=0), make(), dg.Rng(1)
    train(params, optimizer, rng, 5)
    dg.save(tmp_path / "run.npz", {"params": params, "optimizer": optimizer.state_dict(), "rng": rng.state_dict()})
    train(params, optimizer, rng, 5)
    state = dg.load(tmp_path / "run.npz")
    resumed, again, stream = state["params"], make(), dg.Rng(0)
    again.load_state_dict(state["optimizer"])
    stream.load_state_dict(state["rng"])
    train(resumed, again, stream, 5)
    assert np.array_equal(resumed.vector, params.vector)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_flipped_bit_is_harmless_or_refused(tmp_path, compression):
    bad = tmp_path / "bad.npz"
    raw, rng = packed({"w": np.arange(4.0), "n": 3}, compression), np.random.default_rng(0)
    for place in range(len(raw)):
        damaged = bytearray(raw)
        damaged[place] ^= 1 << int(rng.integers(8))
        bad.write_bytes(damaged)
        try:
            tree = dg.load(bad, max_bytes=10**6)
        except dg.CheckpointError:
            continue
        assert tree["n"] == 3
        assert np.array_equal(tree["w"], np.arange(4.0))


def test_links_and_permissions_are_kept(tmp_path):
    path, link = tmp_path / "run.npz", tmp_path / "latest.npz"
    dg.save(path, {"step": 1})
    path.chmod(0o600)
    link.symlink_to(path)
    dg.save(link, {"step": 2})
    assert link.is_symlink()
    assert dg.load(path) == {"step": 2}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_directory_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(IsADirectoryError, match="name of a file"):
        dg.save(tmp_path, {"step": 1})
    assert os.listdir(tmp_path) == []


def test_threads_may_save_side_by_side(tmp_path):
    mask = os.umask(0o022)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda k: dg.save(tmp_path / "run.npz", {"step": k}), range(100)))
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(mask)
    assert dg.load(tmp_path / "run.npz")["step"] in range(100)
    assert os.listdir(tmp_path) == ["run.npz"]


def test_buffers_are_kept_beside_the_parameters(tmp_path):
    model = dg.nn.Sequential(dg.nn.Linear(2, 3), dg.nn.BatchNorm(3))
    params, x = model.init(rng=0), np.eye(2, dtype=np.float32)
    model.update_buffers(params, x)
    dg.save(tmp_path / "run.npz", params)
    found = dg.load(tmp_path / "run.npz")
    assert {k: v.tobytes() for k, v in found.buffers.items()} == {k: v.tobytes() for k, v in params.buffers.items()}
    assert np.array_equal(model(found, x), model(params, x))
    again = copy.deepcopy(params)
    model.update_buffers(again, x)
    assert np.array_equal(model(found, x), model(params, x))
