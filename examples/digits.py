"""Train a small network on real digits without a backward pass.

A 64-128-128-10 network learns scikit-learn's 1,797 handwritten digits (8x8 pixels, a fixed split) four times: by
forward gradients along dense random signs, along LowRank signs, along 16 LowRank directions at once, and, as the
yardstick, by the exact gradient. The same start, batches, optimizer and number of updates for all.

    python examples/digits.py
    python examples/digits.py --steps 1000 --seed 3
    python examples/digits.py --checkpoint run.npz             # interrupt it, then go on where it stopped:
    python examples/digits.py --checkpoint run.npz --resume
"""

import argparse
import contextlib
import os
import pathlib
import signal
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read by NumPy's import; matrices this small lose by threads

import numpy as np

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim
from dualgrad.backend import namespace, to_numpy

BATCH = 128
RATE = 2e-3
TEST = 360  # images kept apart
POINTS = 40  # on each learning curve

NOTE = """\
All four are unbiased. A single direction points 0.8/√p of the way to the gradient of p parameters, n of them √n times
that. LowRank signs have the variance of dense ones exactly; which of the two ends higher is the seed's doing.
"""

ESTIMATORS = {
    "dense signs": lambda: estimators.ForwardGradient(directions.Rademacher()),
    "LowRank signs": lambda: estimators.ForwardGradient(directions.LowRank()),
    "16 directions": lambda: estimators.ForwardGradient(directions.LowRank(), n=16),
    "exact gradient": lambda: estimators.Backprop(),
}


def main():
    args = arguments()
    try:
        work(args)
    except (dg.DualgradError, OSError, ImportError) as error:
        sys.exit(f"digits.py: {error}")


def work(args):
    xp = namespace(args.backend)
    train, test = digits(xp)
    runs = {name: Run(make(), args.seed, xp) for name, make in ESTIMATORS.items()}
    settings = {"steps": args.steps, "seed": args.seed, "backend": args.backend}
    if args.resume:
        resume(args.checkpoint, settings, runs)
    with asked_to_stop() as asked:
        for name, run in runs.items():
            run.train(name, args, asked, train, test, lambda: save(args.checkpoint, settings, runs))
            if asked:
                sys.exit(f"\nstopped at step {run.step} of {name}; {how_to_go_on(args)}")
    print(table(runs, train))
    print(NOTE)
    print(f"figure: {draw(runs, test, pathlib.Path(args.output))}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5000, help="updates for every estimator (default 5000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the start, the batches and the directions")
    parser.add_argument("--backend", choices=["numpy", "cupy"], default="numpy")
    parser.add_argument("--checkpoint", metavar="PATH", help="save the state here every few seconds and on Ctrl-C")
    parser.add_argument("--resume", action="store_true", help="go on from --checkpoint")
    parser.add_argument("--output", metavar="DIR", default="output", help="where the figure goes (default ./output)")
    args = parser.parse_args()
    if args.steps < 1:
        parser.error(f"--steps {args.steps}: expected at least 1")
    if args.seed < 0:
        parser.error(f"--seed {args.seed}: expected at least 0")
    if args.resume and not args.checkpoint:
        parser.error("--resume needs --checkpoint PATH")
    if args.checkpoint and not args.resume and os.path.exists(args.checkpoint):
        parser.error(f"{args.checkpoint} exists: go on with --resume, or remove it")
    if args.checkpoint and not os.path.isdir(os.path.dirname(os.path.abspath(args.checkpoint))):
        parser.error(f"--checkpoint {args.checkpoint}: there is no such folder")
    pathlib.Path(args.output).mkdir(parents=True, exist_ok=True)
    return args


def digits(xp):
    """The images, scaled to [0, 1], and their classes: 1,437 to train on and 360 to test on, always the same."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16).astype(np.float32), y[order]
    device = xp.asarray
    return (device(x[:-TEST]), device(y[:-TEST])), (device(x[-TEST:]), device(y[-TEST:]))


@contextlib.contextmanager
def asked_to_stop():
    """A list that Ctrl-C fills, so that training stops between two updates and never within one."""
    asked = []
    before = signal.signal(signal.SIGINT, lambda *_: asked.append(True))
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def how_to_go_on(args):
    if not args.checkpoint:
        return "nothing was kept, for want of --checkpoint PATH"
    same = f"--steps {args.steps} --seed {args.seed} --backend {args.backend}"
    return f"go on with {same} --checkpoint {args.checkpoint} --resume"


class Run:
    """One network learning by one estimator; everything that training changes is in ``state``."""

    def __init__(self, estimator, seed, xp):
        layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)]
        self.objective = nn.Objective(nn.Sequential(*layers), nn.cross_entropy)
        self.estimator, self.optimizer, self.xp = estimator, optim.Adam(lr=RATE), xp
        self.start = self.objective.model.init(rng=seed).to(xp)
        self.params = self.start.copy()
        self.batches, self.rng = dg.Rng(seed).spawn(2)
        self.step, self.seconds, self.curve = 0, 0.0, []

    def train(self, name, args, asked, train, test, save):
        from tqdm import tqdm

        every, saved = max(1, args.steps // POINTS), time.monotonic()
        bar = tqdm(total=args.steps, initial=self.step, desc=f"{name:>14}", file=sys.stderr)
        with bar:
            while self.step < args.steps and not asked:
                started = time.perf_counter()
                self.update(*train)
                self.seconds += time.perf_counter() - started
                bar.update()
                if self.step % every == 0 or self.step == args.steps:
                    self.curve.append([self.step, self.accuracy(*test)])
                    bar.set_postfix_str(f"test accuracy {self.curve[-1][1]:.3f}")
                if args.checkpoint and time.monotonic() - saved > 2:
                    save()
                    saved = time.monotonic()
        if args.checkpoint:
            save()

    def update(self, x, y):
        """Draw a batch, estimate the gradient, take a step."""
        rows = self.batches.integers(0, len(x), BATCH, like=x)
        batch = self.objective.bind(x[rows], y[rows])
        estimate = self.estimator.estimate(batch, self.params, rng=self.rng)
        self.optimizer.step(self.params, estimate.gradient)
        self.step += 1

    def accuracy(self, x, y):
        return float(np.mean(self.objective.model(self.params, x).argmax(-1) == y))

    def cosine(self, x, y):
        """The mean cosine between 20 estimates and the exact gradient, on all training images, at the start."""
        batch, rng = self.objective.bind(x, y), dg.Rng(0)
        exact = to_numpy(estimators.Backprop().estimate(batch, self.start).gradient.vector)
        found = [to_numpy(self.estimator.estimate(batch, self.start, rng=rng).gradient.vector) for _ in range(20)]
        return float(np.mean([g @ exact / np.linalg.norm(g) / np.linalg.norm(exact) for g in found]))

    def state_dict(self):
        return {
            "params": self.params, "optimizer": self.optimizer.state_dict(), "batches": self.batches.state_dict(),
            "rng": self.rng.state_dict(), "step": self.step, "seconds": self.seconds, "curve": self.curve,
        }  # fmt: skip

    def load_state_dict(self, state):
        self.params = state["params"].to(self.xp)
        self.optimizer.load_state_dict(state["optimizer"])
        self.batches.load_state_dict(state["batches"])
        self.rng.load_state_dict(state["rng"])
        self.step, self.seconds, self.curve = state["step"], state["seconds"], state["curve"]


def save(path, settings, runs):
    dg.save(path, {"settings": settings, "runs": {name: run.state_dict() for name, run in runs.items()}})


def resume(path, settings, runs):
    state = dg.load(path)
    if state.get("settings") != settings:
        sys.exit(f"{path} was made with {state.get('settings')}; this run has {settings}")
    for name, run in runs.items():
        run.load_state_dict(state["runs"][name])


def table(runs, train):
    header = ["estimator", "steps", "test accuracy", "seconds", "cosine to the exact gradient"]
    rows = [
        [name, run.step, f"{run.curve[-1][1]:.3f}", f"{run.seconds:.1f}", f"{run.cosine(*train):.4f}"]
        for name, run in runs.items()
    ]
    widths = [max(len(str(row[k])) for row in [header, *rows]) for k in range(len(header))]
    lines = [header, ["-" * w for w in widths], *rows]
    text = ["  ".join(str(c).ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n" + "\n".join(text) + "\n"


def draw(runs, test, folder):
    """Learning curves, and test images with what the network of 16 directions says of them."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.5, 1])
    axes = left.subplots()
    for name, run in runs.items():
        steps, accuracy = np.array(run.curve).T
        axes.plot(steps, 100 * accuracy, label=f"{name} ({run.seconds:.1f} s)")
    axes.set(
        xlabel="updates",
        ylabel="test accuracy (%)",
        ylim=(0, 101),
        title="Digits by forward gradients, and by the exact one",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)

    x, y = (to_numpy(a) for a in test)
    run = runs["16 directions"]
    said = to_numpy(run.objective.model(run.params, test[0])).argmax(-1)
    wrong, right_ones = np.flatnonzero(said != y)[:4], np.flatnonzero(said == y)
    shown = [*right_ones[: 16 - len(wrong)], *wrong]
    right.suptitle("By 16 directions (red: its first mistakes)")
    for cell, k in zip(right.subplots(4, 4).flat, shown, strict=True):
        cell.imshow(x[k].reshape(8, 8), cmap="gray_r")
        title, color = (f"{said[k]}", "black") if said[k] == y[k] else (f"{said[k]}, is {y[k]}", "crimson")
        cell.set_title(title, fontsize=9, pad=2, color=color)
        cell.set_axis_off()
    path = (folder / "digits.png").resolve()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


if __name__ == "__main__":
    main()
