"""Learn to learn images: DODGE's figure 3, a Reptile direction against Reptile.

A coordinate network (x, y) → (r, g, b) starts from initial parameters that are to be good after a few steps of
gradient descent on any image. Reptile moves them towards where those steps lead; DODGE takes that way for a direction
and follows the slope of the loss *after* the steps, by a jvp through them. Images are patches of scikit-learn's two
photographs, and drawn shapes; the PSNR is that of images not trained on, after the same inner steps. Same optimizer
for both, each at its own best rate, equal updates, and the PSNR at equal time beside it.
"""

import itertools

import numpy as np
from lab import Claim, Row, Study, above, axes, bands, final, grouped, learn, main, shortest, spread, table, together
from lab.derived import averaged, gained

import dualgrad as dg
from dualgrad import nn, optim
from dualgrad.estimators import Dodge, Reptile

RATES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
INNER_RATES, STEPS = (1e-2, 1e-1), (1, 2, 4)  # that of Tancik et al., and one at which this network adapts
TASKS, OMEGA = 3, 30.0
TESTED = 16  # images

METHODS = {
    "Reptile": lambda steps, rate: Reptile(steps, rate),
    "DODGE, Reptile": lambda steps, rate: Dodge(Reptile(steps, rate)),
}


def photographs(size):
    """Patches of both photographs, the small ones at a third of their resolution: the left four fifths train."""
    from sklearn.datasets import load_sample_images

    train, test, by = [], [], max(1, 48 // size)
    for image in load_sample_images().images:
        image = image[: by * (image.shape[0] // by), : by * (image.shape[1] // by)].astype(np.float32) / 255
        image = image.reshape(image.shape[0] // by, by, image.shape[1] // by, by, 3).mean((1, 3))
        edge = 4 * image.shape[1] // 5
        for part, found in ((image[:, :edge], train), (image[:, edge:], test)):
            found += [part[i : i + size, j : j + size] for i in range(0, part.shape[0] - size, size // 4)
                      for j in range(0, part.shape[1] - size, size // 4)]  # fmt: skip
    return np.array(train), np.array(test)


def drawn(size):
    """Discs and rectangles of random colours on a ground of another: 400 to train on, 100 to test on."""
    rng, pixels = np.random.default_rng(0), np.stack(np.mgrid[:size, :size], -1) / (size - 1)
    found = []
    for _ in range(500):
        image = np.broadcast_to(rng.random(3), (size, size, 3)).copy()
        for _ in range(2):
            centre, width, colour = rng.random(2), 0.15 + 0.3 * rng.random(2), rng.random(3)
            offset = np.abs(pixels - centre)
            inside = np.all(offset < width, -1) if rng.random() < 0.5 else np.sum(offset**2, -1) < width[0] ** 2
            image[inside] = colour
        found.append(image)
    return np.split(np.array(found, dtype=np.float32), [400])


SOURCES = {"photographs": photographs, "drawn": drawn}


def training(source, method, steps, inner, size, hidden, layers, updates, rate, seed):
    """One run: its curve of updates, seconds, and the PSNR of test images in dB after the inner steps."""
    train, test = SOURCES[source](size)
    test = test[np.random.default_rng(0).permutation(len(test))[:TESTED]]
    model = nn.networks.siren(2, hidden, layers, 3, omega=OMEGA)
    objective, params = nn.Objective(model, nn.mse), model.init(rng=seed)
    grid = np.stack(np.mgrid[:size, :size], -1).reshape(-1, 2).astype(np.float32) * (2 / (size - 1)) - 1
    choice, rng = dg.Rng(seed).spawn(2)
    adapt = Reptile(steps, inner).adapt

    def task(image):
        return objective.bind(grid, image.reshape(-1, 3))

    def psnr(params):
        """-10 log10 of the mean squared error, averaged over images (Tancik et al. 2021)."""
        errors = [float(t(adapt(t, params))) for t in map(task, test)]
        return [float(np.mean(-10 * np.log10(errors)))]

    batches = ([task(train[k]) for k in choice.integers(0, len(train), (TASKS,))] for _ in itertools.count())
    return learn(METHODS[method](steps, inner), optim.Adam(rate), params, batches, updates, psnr, rng=rng)


# ---------------------------------------------------------------------- what is run


def rows(sources, inners, steps, rates, seeds, updates, size=16, hidden=32, layers=2, slower=1.0, later=False):
    return tuple(
        Row({"source": source, "method": method, "steps": count, "inner": inner, "size": size, "hidden": hidden,
             "layers": layers, "updates": updates}, seeds, rates,
            seconds=1 + updates * slower * 0.45e-3 * (1 + count) * (4 if "DODGE" in method else 1), later=later)
        for source in sources for inner in inners for count in steps for method in METHODS
    )  # fmt: skip


# ---------------------------------------------------------------------- what is found


def pairs(runs):
    """Reptile and DODGE along it, of every kind of images, inner rate and number of inner steps."""
    found = {}
    for (*setting, method), group in grouped(runs, "source", "inner", "steps", "method").items():
        found.setdefault(tuple(setting), dict.fromkeys(METHODS, ()))[method] = group
    return found


def tables(runs):
    lines = []
    for setting, pair in pairs(runs).items():
        fastest = shortest(pair.values())
        lines += [
            [*setting, method, group[0]["rate"], spread(final(group, 2), 2), spread(final(group, 2, fastest), 2),
             f"{np.nanmean(final(group, 1)):.1f}"] for method, group in pair.items() if group
        ]  # fmt: skip
    size, updates = runs[0]["size"], runs[0]["updates"]
    setting = ["images", "inner rate", "inner steps", "method", "rate"]
    title = f"PSNR of test images of {size} x {size} after the inner steps, dB"
    return {f"images-{size}": table(title, [*setting, f"after {updates:,} updates", "at equal time", "seconds"], lines)}


def claims(runs):
    for (source, inner, steps), pair in pairs(runs).items():
        reptile, dodge = pair.values()
        where = "figure 3: most of all here" if steps == 2 else "figure 3"
        setting = f"{source}, {steps} inner step{'s' * (steps > 1)} at {inner:g}"
        for said, at in ((f"DODGE is ahead of Reptile: {setting}", None),
                         ("... at equal time", shortest(pair.values()))):  # fmt: skip
            yield Claim(said, where if at is None else "", decibels(dodge, reptile, at=at),
                        above(dodge, reptile, 2, at=at))  # fmt: skip
        means = [averaged(group, 2) for group in (dodge, reptile)]
        yield Claim("... learns faster: its mean over all updates is higher", "figure 3", decibels(*means),
                    above(*means, 2))  # fmt: skip
    yield from gains(runs)


def gains(runs):
    """That with two inner steps DODGE is further ahead of Reptile than with one or with four."""
    for (source, inner), group in grouped(runs, "source", "inner").items():
        of = grouped(group, "steps", "method")
        ahead = {n: gained(*(of.get((n, name), []) for name in reversed(METHODS)), 2) for n in STEPS}
        yield Claim(f"DODGE gains most with 2 inner steps, of 1, 2 and 4: {source}, at {inner:g}",
                    "figure 3: especially two", decibels(*ahead.values()),
                    together(*(above(ahead[2], ahead[n], 2) for n in STEPS if n != 2)))  # fmt: skip


def decibels(*groups, at=None):
    return ", ".join(f"{np.nanmean(final(group, 2, at)):.2f} dB" if group else "not run" for group in groups)


def draw(runs):
    found = pairs(runs)
    figure, plots = axes(len(found), height=2.6, columns=len({setting[2] for setting in found}))
    for ax, ((source, inner, steps), pair) in zip(plots, found.items(), strict=True):
        shown = {method: group for method, group in pair.items() if group}
        bands(ax, shown, 2, ylabel="PSNR (dB)", title=f"{source}, {steps} inner step{'s' * (steps > 1)} at {inner:g}")
    return figure


STUDIES = [
    Study(name, training, "updates", ("PSNR in dB",), full, quick, tables, draw, claims)
    for name, full, quick in (
        ("image-regression", rows(SOURCES, INNER_RATES, STEPS, RATES, 10, 2000),
         rows(["drawn"], [1e-2], [2], (1e-3,), 1, 10)),
        ("image-regression-64", rows(["photographs"], [1e-2], STEPS, RATES, 3, 15_000, 64, 128, 3, 100.0, later=True),
         rows(["drawn"], [1e-2], [1], (1e-3,), 1, 2, size=64)),
    )
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
