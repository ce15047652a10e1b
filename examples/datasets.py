"""Images and classes for the experiments: scikit-learn's digits, or MNIST and CIFAR-10 from files."""

import gzip
import pathlib

import numpy as np

TEST = 360  # of the digits


def images(path=None, size=None):
    """Train and test images ``(B, H, W, C)`` in [0, 1], float32, and their classes.

    ``path``: None for scikit-learn's 1,797 digits of 8 x 8 (``size`` draws each pixel larger), a folder with MNIST's
    four IDX files (gzipped or not), or one with CIFAR-10's binary files (data_batch_1.bin ... test_batch.bin).
    """
    if path is None:
        return digits(8 if size is None else size)
    folder = pathlib.Path(path)
    if any(folder.glob("**/data_batch_1.bin")):
        return cifar10(folder)
    if any(folder.glob("**/train-images*idx3-ubyte*")):
        return mnist(folder)
    raise FileNotFoundError(
        f"{folder} has neither MNIST's train-images-idx3-ubyte nor CIFAR-10's data_batch_1.bin: give the folder of one"
    )


def digits(size=8):
    """The digits, always split alike: 1,437 to train on and 360 to test on."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x = (x[order] / 16).astype(np.float32).reshape(-1, 8, 8)
    x = np.kron(x, np.ones((1, size // 8, size // 8), np.float32))[..., None]
    return (x[:-TEST], y[order][:-TEST]), (x[-TEST:], y[order][-TEST:])


def mnist(folder):
    """MNIST, from files of the IDX format."""
    return tuple(
        (_idx(folder, f"{part}-images")[..., None] / np.float32(255), _idx(folder, f"{part}-labels").astype(int))
        for part in ("train", "t10k")
    )


def _idx(folder, stem):
    """An array from an IDX file: 0, 0, a code for uint8, the rank, big-endian sizes, then the entries."""
    (path, *_) = sorted(folder.glob(f"**/{stem}*ubyte*"))
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is no IDX file of bytes: it begins with {raw[:4]!r}")
    shape = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def cifar10(folder):
    """CIFAR-10, from its binary version: a byte for the class and 3,072 for the image, channel by channel."""

    def read(pattern):
        files = sorted(folder.glob(f"**/{pattern}"))
        rows = np.concatenate([np.frombuffer(f.read_bytes(), np.uint8).reshape(-1, 3073) for f in files])
        x = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return x / np.float32(255), rows[:, 0].astype(int)

    return read("data_batch_*.bin"), read("test_batch.bin")
