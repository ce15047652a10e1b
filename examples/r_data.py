"""The data sets of an R package: NAME.rdb, a file of zlib streams, and NAME.rdx, which says where each one begins.

R Internals, section 1.8 (serialisation): a header, then items, of which each begins with four bytes of flags; the last
says the type, and further bits that attributes or a tag come with it. All numbers are big-endian. Of attributes names
are kept.
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

SYMBOL, PAIRS, CHARS, LOGICAL, INTEGER, REAL, STRINGS, LIST, NOTHING, REFERENCE = 1, 2, 9, 10, 13, 14, 16, 19, 254, 255
NUMBERS = {LOGICAL: ">i4", INTEGER: ">i4", REAL: ">f8"}
LATIN1, ATTRIBUTES, TAG = 1 << 14, 1 << 9, 1 << 10  # bits of the flags


def read_rdb(path):
    """The objects in an .rdb file by their names; vectors of strings are lists of str, where None stands for NA."""
    path = Path(path)
    index, raw = path.with_suffix(".rdx"), path.read_bytes()
    listed = unserialize(_unzipped(index.read_bytes(), gzip.decompress, index), index)
    if not isinstance(listed, dict) or not isinstance(listed.get("variables"), dict) or "compressed" not in listed:
        raise ValueError(f"{index} is no index of an .rdb file: it holds no variables with their compression")
    if list(listed["compressed"]) != [1]:
        raise ValueError(f"{path} is compressed by bzip2 or xz, and zlib is read: install the package with gzip's")
    return {name: unserialize(_entry(raw, *where, path), path) for name, where in listed["variables"].items()}


def _entry(raw, offset, length, path):
    """The bytes of one object: how many there are, in four bytes, and a zlib stream of them."""
    if offset + length > len(raw):
        raise ValueError(f"{path} ends after {len(raw)} bytes, and its index names {offset + length}: fetch it again")
    data = _unzipped(raw[offset + 4 : offset + length], zlib.decompress, path)
    (expected,) = struct.unpack_from(">i", raw, offset)
    if len(data) != expected:
        raise ValueError(f"{path} has {len(data)} bytes at {offset}, and {expected} were written: fetch it again")
    return data


def _unzipped(raw, decompress, path):
    try:
        return decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is not R's, or cut short: {error}") from error


def unserialize(data, path):
    """The object that R's `serialize` wrote, in binary (XDR), version 2 or 3; ``path`` is named in errors."""
    if data[:2] != b"X\n":
        raise ValueError(f"{path} is not in R's binary serialisation: it begins with {data[:2]!r}, expected b'X\\n'")
    reader = _Reader(data, path)
    version, _, _ = reader.ints(3)
    if version not in (2, 3):
        raise ValueError(f"{path} is of version {version} of R's serialisation, and 2 and 3 are read")
    if version == 3:
        reader.take(*reader.ints(1))  # the encoding of the session that wrote it
    return reader.item()


class _Reader:
    """Items one after another, and the symbols so far, which later ones refer to."""

    def __init__(self, data, path):
        self.data, self.path, self.at, self.symbols = data, path, 2, []

    def take(self, count):
        self.at += count
        if count < 0 or self.at > len(self.data):
            raise ValueError(f"{self.path}: an object ends after {len(self.data)} bytes, {self.at} expected: cut short")
        return self.data[self.at - count : self.at]

    def ints(self, count):
        return struct.unpack(f">{count}i", self.take(4 * count))

    def item(self):
        (flags,) = self.ints(1)
        kind = flags & 255
        if kind == CHARS:
            (length,) = self.ints(1)
            return None if length == -1 else self.take(length).decode("latin-1" if flags & LATIN1 else "utf-8")
        if kind == NOTHING:
            return None
        if kind == SYMBOL:
            self.symbols.append(self.item())
            return self.symbols[-1]
        if kind == REFERENCE:
            return self.symbols[(flags >> 8 or self.ints(1)[0]) - 1]
        if kind == PAIRS:
            return self.pairs(flags)
        return self.vector(kind, flags)

    def pairs(self, flags):
        """A list of pairs: a tag and a value, and the rest of the list, to a dict."""
        if flags & ATTRIBUTES:
            self.item()
        tag = self.item() if flags & TAG else None
        value = self.item()
        return {tag: value} | (self.item() or {})

    def vector(self, kind, flags):
        if kind not in (STRINGS, LIST, *NUMBERS):
            raise ValueError(f"{self.path} has an object of R's type {kind}: lists, vectors of numbers or str expected")
        (length,) = self.ints(1)
        if kind in NUMBERS:
            values = np.frombuffer(self.take(length * int(NUMBERS[kind][-1])), NUMBERS[kind]).tolist()
        else:
            values = [self.item() for _ in range(length)]
        names = (self.item() if flags & ATTRIBUTES else {}).get("names")
        return values if names is None else dict(zip(names, values, strict=True))
