"""Images and classes for the experiments: Fashion-MNIST, scikit-learn's digits, or MNIST and CIFAR-10 from files."""

import functools
import gzip
import math
import pathlib
import zlib

import numpy as np
from places import Packaged

TEST = 360  # of the digits
FASHION = Packaged("Fashion-MNIST", "dataset-fashion-mnist", "fashion-mnist")
DIGITS = "scikit-learn's digits"
NAMES, OTHERS = ("fashion", "digits"), "a folder with MNIST's four IDX files, or with CIFAR-10's binary files"


def images(source=None, size=None):
    """Train and test images ``(B, H, W, C)`` in [0, 1], float32, and their classes.

    ``source``: "digits" or None for scikit-learn's 1,797 digits of 8 x 8 (``size`` draws each pixel larger), "fashion"
    for the 70,000 images of Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), a folder with MNIST's four IDX files
    (gzipped or not), or one with CIFAR-10's binary files (data_batch_1.bin ... test_batch.bin). A process reads files
    once: their arrays are shared, and cannot be written to.
    """
    if source in (None, "digits"):
        return digits(8 if size is None else size)
    return _from_files(FASHION.here() if source == "fashion" else pathlib.Path(source))


def best_source():
    """What experiments take unless told otherwise: "fashion" where it is installed; else "digits", with a word."""
    return FASHION.or_else("fashion", "digits", DIGITS)


def title(source=None):
    """What figures call a source of `images`."""
    if source in (None, "digits"):
        return DIGITS if FASHION.found() else f"{DIGITS} ({FASHION.title} is not installed)"
    if source == "fashion":
        return FASHION.title
    folder = pathlib.Path(source)
    return "CIFAR-10" if _reader(folder) is cifar10 else f"IDX files in {folder.resolve().name}"


def _reader(folder):
    """Which of the two formats the files have."""
    if not folder.is_dir():
        raise FileNotFoundError(f'there is no folder {str(folder)!r}: give "fashion", "digits" or a folder with images')
    if any(folder.glob("**/data_batch_1.bin")):
        return cifar10
    if any(folder.glob("**/train-images*idx3-ubyte*")):
        return mnist
    raise FileNotFoundError(
        f"{folder} has neither MNIST's train-images-idx3-ubyte nor CIFAR-10's data_batch_1.bin: give the folder of one"
    )


@functools.lru_cache(maxsize=2)
def _from_files(folder):
    found = _reader(folder)(folder)
    for array in (array for part in found for array in part):
        array.flags.writeable = False
    return found


def digits(size=8):
    """The digits, always split alike: 1,437 to train on and 360 to test on."""
    if size < 8 or size % 8:
        raise ValueError(f"size={size}: digits are of 8 x 8, expected a multiple of 8")
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x = (x[order] / 16).astype(np.float32).reshape(-1, 8, 8)
    x = np.kron(x, np.ones((1, size // 8, size // 8), np.float32))[..., None]
    return (x[:-TEST], y[order][:-TEST]), (x[-TEST:], y[order][-TEST:])


def mnist(folder):
    """MNIST, or images in its place, from files of the IDX format."""
    return tuple(_idx_part(folder, part) for part in ("train", "t10k"))


def _idx_part(folder, part):
    x, y = _idx(folder, f"{part}-images", 3), _idx(folder, f"{part}-labels", 1)
    if len(x) != len(y):
        raise ValueError(f"{folder}: {part} has {len(x)} images and {len(y)} labels, expected as many: fetch it again")
    return x[..., None] / np.float32(255), y.astype(int)


def _idx(folder, stem, rank):
    """An array from an IDX file: 0, 0, 8 for uint8, the rank, big-endian sizes, then the entries."""
    files = sorted(folder.glob(f"**/{stem}*ubyte*"))
    if not files:
        raise FileNotFoundError(f"{folder} has no {stem}-idx{rank}-ubyte (or .gz): all four IDX files are needed")
    raw = _bytes(files[0])
    if raw[:4] != bytes([0, 0, 8, rank]):
        wanted = f"expected {bytes([0, 0, 8, rank])!r}"
        raise ValueError(f"{files[0]} is no IDX file of bytes with {rank} axes: it begins with {raw[:4]!r}, {wanted}")
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, 4 + 4 * rank, 4)]
    expected = 4 + 4 * rank + math.prod(shape)
    if len(raw) != expected:
        raise ValueError(f"{files[0]} has {len(raw)} bytes, and its header says {expected}, of {shape}: fetch it again")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _bytes(path):
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is no gzip file, or cut short ({error}): fetch it again") from error


def cifar10(folder):
    """CIFAR-10, from its binary version: a byte for the class and 3,072 for the image, channel by channel."""

    def read(pattern):
        files = sorted(folder.glob(f"**/{pattern}"))
        if not files:
            raise FileNotFoundError(f"{folder} has no {pattern}: data_batch_1.bin ... test_batch.bin are needed")
        rows = np.concatenate([_rows(path) for path in files])
        x = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return x / np.float32(255), rows[:, 0].astype(int)

    return read("data_batch_*.bin"), read("test_batch.bin")


def _rows(path):
    raw = np.frombuffer(path.read_bytes(), np.uint8)
    if raw.size % 3073:
        raise ValueError(f"{path} has {raw.size} bytes, expected a multiple of 3,073: fetch it again")
    return raw.reshape(-1, 3073)
