"""Learn to learn images: DODGE's figure 3, a Reptile direction against Reptile.

A coordinate network (x, y) → (r, g, b) starts from initial parameters that are to be good after a few steps of
gradient descent on any image. Reptile moves them towards where those steps lead; DODGE takes that way for a direction
and follows the slope of the loss *after* the steps, by a jvp through them. Images are patches of scikit-learn's two
photographs, and drawn shapes; the PSNR is that of images not trained on, after the same inner steps. Same optimizer
for both, each at its own best rate, equal updates, and the PSNR at equal time beside it.

    python examples/image_regression.py --quick
    python examples/image_regression.py --full
"""

import numpy as np
from lab import arguments, axes, bands, beyond, final, grouped, learn, save, shortest, spread, table, tuned

import dualgrad as dg
from dualgrad import nn, optim
from dualgrad.estimators import Dodge, Reptile

RATES = [1e-3, 3e-4, 1e-4]
INNER_RATES = {"quick": [1e-2], "full": [1e-2, 1e-1]}  # that of Tancik et al., and one at which this network adapts
STEPS = {"quick": [2], "full": [1, 2, 4]}
SIZE, TASKS, HIDDEN, LAYERS, OMEGA = 16, 3, 32, 2, 30.0
TESTED = 16  # images

METHODS = {
    "Reptile": lambda steps, rate: Reptile(steps, rate),
    "DODGE, Reptile": lambda steps, rate: Dodge(Reptile(steps, rate)),
}


def photographs():
    """Patches of both photographs, at a third of their resolution: the left four fifths train, the rest tests."""
    from sklearn.datasets import load_sample_images

    train, test = [], []
    for image in load_sample_images().images:
        image = image[: 3 * (image.shape[0] // 3), : 3 * (image.shape[1] // 3)].astype(np.float32) / 255
        image = image.reshape(image.shape[0] // 3, 3, image.shape[1] // 3, 3, 3).mean((1, 3))
        edge = 4 * image.shape[1] // 5
        for part, found in ((image[:, :edge], train), (image[:, edge:], test)):
            found += [part[i : i + SIZE, j : j + SIZE] for i in range(0, part.shape[0] - SIZE, 4)
                      for j in range(0, part.shape[1] - SIZE, 4)]  # fmt: skip
    return np.array(train), np.array(test)


def drawn():
    """Discs and rectangles of random colours on a ground of another: 400 to train on, 100 to test on."""
    rng, pixels = np.random.default_rng(0), np.stack(np.mgrid[:SIZE, :SIZE], -1) / (SIZE - 1)
    found = []
    for _ in range(500):
        image = np.broadcast_to(rng.random(3), (SIZE, SIZE, 3)).copy()
        for _ in range(2):
            centre, width, colour = rng.random(2), 0.15 + 0.3 * rng.random(2), rng.random(3)
            offset = np.abs(pixels - centre)
            inside = np.all(offset < width, -1) if rng.random() < 0.5 else np.sum(offset**2, -1) < width[0] ** 2
            image[inside] = colour
        found.append(image)
    return np.split(np.array(found, dtype=np.float32), [400])


SOURCES = {"photographs": photographs, "drawn": drawn}


def training(source, method, steps, inner, updates, rate, seed):
    """One run: its curve of updates, seconds, and the PSNR of test images in dB after the inner steps."""
    train, test = SOURCES[source]()
    test = test[np.random.default_rng(0).permutation(len(test))[:TESTED]]
    model = nn.networks.siren(2, HIDDEN, LAYERS, 3, omega=OMEGA)
    objective, params = nn.Objective(model, nn.mse), model.init(rng=seed)
    grid = np.stack(np.mgrid[:SIZE, :SIZE], -1).reshape(-1, 2).astype(np.float32) * (2 / (SIZE - 1)) - 1
    choice, rng = dg.Rng(seed).spawn(2)
    adapt = Reptile(steps, inner).adapt

    def task(image):
        return objective.bind(grid, image.reshape(-1, 3))

    def psnr(params):
        """-10 log10 of the mean squared error, averaged over images (Tancik et al. 2021)."""
        errors = [float(t(adapt(t, params))) for t in map(task, test)]
        return [float(np.mean(-10 * np.log10(errors)))]

    batches = ([task(train[k]) for k in choice.integers(0, len(train), (TASKS,))] for _ in range(updates))
    return learn(METHODS[method](steps, inner), optim.Adam(rate), params, batches, updates, psnr, rng=rng)


def main():
    args = arguments(__doc__, "about 10 minutes", updates=2000)
    mode = "full" if args.full else "quick"
    updates = args.updates if args.full else min(args.updates, 10)
    rates = RATES if args.full else RATES[:1]
    tasks = [
        {"source": source, "method": method, "steps": steps, "inner": inner, "updates": updates}
        for source in SOURCES for inner in INNER_RATES[mode] for steps in STEPS[mode] for method in METHODS
    ]  # fmt: skip
    runs, search = tuned(training, tasks, rates, args.seeds, args.jobs, "images")
    groups = grouped(runs, "source", "inner", "steps", "method")
    save(args, "image_regression", draw(groups), report(groups, updates), runs + search)


def report(groups, updates):
    rows, claims = [], []
    for key in settings(groups):
        pair = {method: groups[*key, method] for method in METHODS}
        fastest = shortest(pair.values())
        for method, found in pair.items():
            rows.append([*key, method, found[0]["rate"], spread(final(found, 2), 2),
                         spread(final(found, 2, fastest), 2), f"{np.nanmean(final(found, 1)):.0f}"])  # fmt: skip
        reptile, dodge = (final(pair[method], 2) for method in METHODS)
        gain = dodge.mean() - reptile.mean()
        late = np.subtract(*(final(pair[method], 2, fastest).mean() for method in reversed(METHODS)))
        claims.append([*key, beyond(dodge, reptile), f"{gain:+.2f} dB", f"{late:+.2f} dB"])
    setting = ["images", "inner rate", "inner steps"]
    result = [f"PSNR after {updates} updates", "at equal time", "seconds"]
    return [
        table("PSNR of test images after the inner steps, dB", [*setting, "method", "rate", *result], rows),
        table("DODGE learns faster than Reptile (figure 3)", [*setting, "here", "equal updates", "equal time"], claims),
    ]


def settings(groups):
    """The images, inner rates and numbers of inner steps."""
    return list(dict.fromkeys(key[:3] for key in groups))


def draw(groups):
    columns = len({key[2] for key in groups})
    figure, plots = axes(len(settings(groups)), height=2.6, columns=columns)
    for ax, (source, inner, steps) in zip(plots, settings(groups), strict=True):
        pair = {method: groups[source, inner, steps, method] for method in METHODS}
        bands(ax, pair, 2, ylabel="PSNR (dB)", title=f"{source}, {steps} inner steps at {inner:g}")
    return figure


if __name__ == "__main__":
    main()
