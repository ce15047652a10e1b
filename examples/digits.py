"""Train a small network on real digits without a backward pass.

A 64-128-128-10 network learns scikit-learn's 1,797 handwritten digits (8x8 pixels, a fixed split) four times: by
forward gradients along dense random signs, along LowRank signs, along 16 LowRank directions at once, and, as the
yardstick, by the exact gradient. The same start, batches, optimizer and number of updates for all.

    python examples/digits.py
    python examples/digits.py --epochs 80 --seed 3
    python examples/digits.py --checkpoint runs        # a folder; interrupted, the same command goes on
"""

import argparse
import os
import pathlib
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read by NumPy's import; matrices this small lose by threads

import datasets
import numpy as np
from lab import axes_beside_images, show, table

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim
from dualgrad.backend import namespace, to_numpy

NOTE = """
All four are unbiased. A single direction points 0.8/√p of the way to the gradient of p parameters, n of them √n times
that. LowRank signs have the variance of dense ones exactly; which of the two ends higher is the seed's doing.
"""

ESTIMATORS = {
    "dense signs": estimators.ForwardGradient(directions.Rademacher()),
    "LowRank signs": estimators.ForwardGradient(directions.LowRank()),
    "16 directions": estimators.ForwardGradient(directions.LowRank(), n=16),
    "exact gradient": estimators.Backprop(),
}


def main():
    args = arguments()
    try:
        for folder in filter(None, (args.checkpoint, args.output)):
            folder.mkdir(parents=True, exist_ok=True)
        work(args)
    except (dg.DualgradError, OSError, ImportError, ValueError, KeyboardInterrupt) as error:
        sys.exit(f"digits.py: {error}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=400, help="for every estimator, 12 updates each (default 400)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the start, the batches and the directions")
    parser.add_argument("--backend", choices=["numpy", "cupy"], default="numpy")
    parser.add_argument("--checkpoint", metavar="DIR", type=pathlib.Path, help="keep the runs in this folder")
    parser.add_argument("--output", metavar="DIR", type=pathlib.Path, default="output", help="(./output)")
    return parser.parse_args()


def work(args):
    xp = namespace(args.backend)
    train, test = [(xp.asarray(x), xp.asarray(y)) for x, y in datasets.digits()]
    model = nn.Sequential(nn.Flatten(), *nn.networks.mlp([64, 128, 128, 10]).layers)
    objective, start = nn.Objective(model, nn.cross_entropy), model.init(rng=args.seed).to(xp)
    rows, curves, said = [], {}, {}
    for name, estimator in ESTIMATORS.items():
        print(f"{name}:", file=sys.stderr)
        params = start.copy()
        curve = curves[name] = dg.fit(
            objective, params, train, estimator=estimator, optimizer=optim.Adam(2e-3), epochs=args.epochs,
            batch_size=128, validation=test, metrics={"accuracy": nn.accuracy}, rng=args.seed,
            checkpoint=args.checkpoint and args.checkpoint / f"{name.replace(' ', '-')}.npz",
        )  # fmt: skip
        said[name], last = to_numpy(model(params, test[0])).argmax(-1), curve[-1]
        cosine = estimators.diagnose(estimator, objective.bind(*train), start, rng=0, samples=20).cosine
        rows.append([name, last["updates"], f"{last['accuracy']:.3f}", f"{sum(curve['seconds']):.1f}", f"{cosine:.4f}"])
    show(table("Digits", ["estimator", "updates", "test accuracy", "seconds", "cosine to the exact gradient"], rows))
    print(NOTE)
    print(f"figure: {draw(curves, said['16 directions'], *map(to_numpy, test), args.output)}")


def draw(curves, said, x, y, folder):
    """Learning curves, and test images with what the network of 16 directions says of them."""
    plot, cells = axes_beside_images("By 16 directions (red: its first mistakes)", 4, 4)
    for name, curve in curves.items():
        plot.plot(curve["updates"], 100 * np.array(curve["accuracy"]), label=f"{name} ({sum(curve['seconds']):.1f} s)")
    plot.set(xlabel="updates", ylabel="test accuracy (%)", ylim=(0, 101), title="Digits by forward gradients")
    plot.legend(loc="lower right")
    wrong = np.flatnonzero(said != y)[:4]
    for cell, k in zip(cells, [*np.flatnonzero(said == y)[: 16 - len(wrong)], *wrong], strict=False):
        cell.imshow(x[k, ..., 0], cmap="gray_r")
        right = said[k] == y[k]
        cell.set_title(said[k] if right else f"{said[k]}, is {y[k]}", fontsize=9, pad=2, color="k" if right else "red")
    path = (folder / "digits.png").resolve()
    plot.figure.figure.savefig(path, dpi=120)
    return path


if __name__ == "__main__":
    main()
