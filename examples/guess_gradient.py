"""How to guess a gradient (Singhal et al. 2023): what guesses are worth, along the way of backpropagation.

Cosine and one-step effectiveness (figure 1), bias (figure 4, left), spectra of Jacobians (figure 7, right), and the
gradient's part among the activations (figures 2 and 10). Networks of so many ReLU layers of a width, at He's initial
values. What comes of training by guesses is in guess_training.py.
"""

import itertools
import time
from functools import lru_cache

import datasets
import numpy as np
from lab import Claim, Row, Study, axes, band, epochs, learn, main, table
from lab.curves import curves, final, grouped, spread
from lab.derived import derived
from lab.verdicts import above, below, contrary, over, together, under

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim
from dualgrad.estimators import ActivationMixing, ActivationPerturbation, Downstream, SelfSharpening, TransposedWeight

BATCH, RATE = 512, 1e-4
METHODS = {
    "directional": lambda: estimators.ForwardGradient(directions.Gaussian()),
    "activation": lambda: ActivationPerturbation(store=True),
    "mixing": lambda: ActivationMixing(store=True),
    "W^T": lambda: TransposedWeight(store=True),
    "downstream": lambda: Downstream(store=True),
    "downstream 2": lambda: Downstream(layers=2, store=True),
    "self-sharpening": lambda: SelfSharpening(store=True),
    "power 0.1": lambda: TransposedWeight(power=0.1, store=True),
    "power 4": lambda: TransposedWeight(power=4, store=True),
    "backprop": lambda: estimators.Backprop(),
}
GUESSES = ["directional", "activation", "mixing", "W^T", "downstream"]
FIGURE1 = {"directional": (3e-4, 1e-6), "activation": (0.016, 6.9e-4), "mixing": (0.025, 3.4e-3),
           "W^T": (0.030, 1.7e-3), "downstream": (0.034, 2.7e-3)}  # cosine and effectiveness  # fmt: skip


@lru_cache
def task(data, depth, width):
    """An MLP with ``depth`` hidden layers, its objective, and images to train and to test on."""
    train, test = datasets.images(data)
    model = nn.Sequential(nn.Flatten(), *nn.networks.mlp([train[0][0].size, *[width] * depth, 10]).layers)
    return model, nn.Objective(model, nn.cross_entropy), train, test


def started(model, seed):
    return nn.initialise(model.init(rng=seed), "he_normal", rng=seed)


def exact(batch, params):
    return estimators.Backprop().estimate(batch, params).gradient.vector


def cosine_to(g, v):
    return float(g @ v / (np.linalg.norm(g) * np.linalg.norm(v) or 1.0))


def ends(groups, column=2):
    """Means of the ends of groups, one beside the other; nan where there are none."""
    return ", ".join(f"{np.nanmean(final(g, column)):.3g}" if g else "nan" for g in groups)


# ---------------------------------------------------------------------- figure 1


def along_backprop(data, depth, width, samples, updates, seed):
    """At points along backprop's way: cosines and one-step effectiveness of every method's estimates."""
    model, objective, train, _ = task(data, depth, width)
    source, others, rng = dg.Rng(seed).spawn(3)
    batches, probed = (epochs(objective, train, BATCH, stream) for stream in (source, others))
    params = started(model, seed)
    curve = learn(
        estimators.Backprop(), optim.AdamW(RATE), params, batches, updates,
        lambda params: probe(next(probed), params, samples, rng), points=10,
    )  # fmt: skip
    return {"curve": curve, "weights": params.size}


def probe(batch, params, samples, rng):
    """Mean |cos| of each method, then their best loss decrease over five lengths of a step, relative to backprop's."""
    g, value = exact(batch, params), float(batch(params))
    cosines, effects = [], []

    def decrease(v):
        moved = [params.vector - np.float32(10.0**-k / np.linalg.norm(v)) * v for k in range(1, 6)]
        return max(value - float(batch(dg.Params.from_vector(params.layout, w))) for w in moved)

    best = decrease(g)
    for method in GUESSES:
        found = [METHODS[method]().estimate(batch, params, rng=rng).gradient.vector for _ in range(samples)]
        cosines.append(float(np.mean([abs(cosine_to(g, v)) for v in found])))
        effects.append(float(np.mean([decrease(v) for v in found[: max(1, samples // 2)]])) / best)
    return [*cosines, *effects]


def of_method(runs, method, effect=False):
    """Its cosine, or its effectiveness, on average over the way."""
    column = 2 + GUESSES.index(method) + effect * len(GUESSES)
    return derived(runs, lambda curve: curve[:, column].mean())


def cosine_tables(runs):
    lines = []
    for (depth, width), found in grouped(runs, "depth", "width").items():
        random = np.sqrt(2 / np.pi / found[0]["weights"])
        for method in GUESSES:
            cosine, effect = (final(of_method(found, method, k), 2) for k in (False, True))
            lines.append([f"{depth}x{width}", method, spread(cosine, 4), f"{FIGURE1[method][0]:g}",
                          f"{effect.mean():.1e}", f"{FIGURE1[method][1]:.1e}",
                          f"{random:.4f}" if method == "directional" else ""])  # fmt: skip
    columns = ["network", "method", "mean abs cosine", "paper, 6x1024", "effectiveness", "paper", "√(2/(π p))"]
    title = f"Along {runs[0]['updates']:,} updates of backprop, {len(grouped(runs, 'seed'))} seeds"
    return {"guess-cosine": table(title, columns, lines)}


def cosine_claims(runs):
    widest = list(grouped(runs, "depth", "width").values())[-1]
    first, second, *rest = (of_method(widest, method) for method in GUESSES)
    order = together(below(first, second, 2), *(below(second, g, 2) for g in rest))
    paper = ", ".join(f"{cosine:g}" for cosine, _ in FIGURE1.values())
    said = "directional < activation < mixing, W^T, downstream in cosine"
    yield Claim(said, paper, ends([first, second, *rest]), order)
    for effect, times, said in ((False, 50, "W^T's cosine is some 100 times that of directional descent: more than 50"),
                                (True, 1000, "in one step W^T is more than 1,000 times as effective")):  # fmt: skip
        low, high = (2 + GUESSES.index(m) + effect * len(GUESSES) for m in ("directional", "W^T"))
        more = derived(widest, lambda c, a=high, b=low, n=times: c[:, a].mean() - n * c[:, b].mean())
        ours = np.divide(*(final(of_method(widest, m, effect), 2).mean() for m in ("W^T", "directional")))
        paper = FIGURE1["W^T"][effect] / FIGURE1["directional"][effect]
        yield Claim(said, f"{paper:,.0f} times", f"{ours:,.0f} times", over(more, 2, 0.0))


def cosine_figure(runs):
    groups = grouped(runs, "depth", "width")
    figure, plots = axes(len(groups))
    for ax, ((depth, width), found) in zip(plots, groups.items(), strict=True):
        for k, method in enumerate(GUESSES):
            band(ax, found, 2 + k, method)
        ax.set(xlabel="updates of backprop", ylabel="mean |cosine|", yscale="log", title=f"{depth}x{width} (fig. 1)")
    plots[0].legend(frameon=False, fontsize=7)
    return figure


# ---------------------------------------------------------------------- figure 4, left


def averaging(data, method, depth, width, before, guesses, seed):
    """Cosine of the average of 1, 2, 4 ... guesses, at a network trained a little. A batch of 8: mixing needs some."""
    model, objective, train, _ = task(data, depth, width)
    params, rng = started(model, seed), dg.Rng(seed + 1)
    learn(estimators.Backprop(), optim.AdamW(RATE), params, epochs(objective, train, BATCH, dg.Rng(seed)), before)
    batch, begun = objective.bind(train[0][:8], train[1][:8]), time.process_time()
    g, total, curve = exact(batch, params), 0.0, []
    for k in range(1, guesses + 1):
        total = total + METHODS[method]().estimate(batch, params, rng=rng).gradient.vector
        if k & (k - 1) == 0:
            curve.append([k, time.process_time() - begun, cosine_to(g, total)])
    return curve


def growth(runs):
    """How much of the final cosine the last three doublings brought."""
    return derived(runs, lambda curve: 1 - curve[max(-4, -len(curve)), 2] / curve[-1, 2])


def bias_tables(runs):
    lines = [[f"{depth}x{width}", method, spread(final(found, 2)), spread(final(growth(found), 2)),
              f"{final(found, 1).mean():.0f}"]
             for (depth, width, method), found in grouped(runs, "depth", "width", "method").items()]  # fmt: skip
    columns = ["network", "method", "cosine of all", "share of the last three doublings", "seconds"]
    title = f"Averages of {runs[0]['guesses']:,} guesses, a batch of 8"
    return {"guess-bias": table(title, columns, lines)}


def bias_claims(runs):
    groups, widths = grouped(runs, "method", "width"), list(grouped(runs, "width"))
    unbiased = [growth(groups.get(("activation", w), [])) for w in widths]
    biased = [growth(groups.get((method, w), [])) for method in GUESSES[2:] for w in widths]
    yield Claim("biased guesses saturate: the last three doublings bring under a tenth", "saturate after some 1,000",
                ends(biased), together(*(under(g, 2, 0.1) for g in biased)))  # fmt: skip
    yield Claim("activation perturbation goes on rising, by more than a tenth", "improves consistently",
                ends(unbiased), together(*(over(g, 2, 0.1) for g in unbiased)))  # fmt: skip


def bias_figure(runs):
    groups = grouped(runs, "depth", "width")
    figure, plots = axes(len(groups))
    for ax, ((depth, width), found) in zip(plots, groups.items(), strict=True):
        for method, of in grouped(found, "method").items():
            band(ax, of, 2, method)
        ax.set(xscale="log", xlabel="guesses averaged", ylabel="cosine", title=f"Bias at {depth}x{width} (fig. 4)")
    plots[0].legend(frameon=False, fontsize=8)
    return figure


# ---------------------------------------------------------------------- figure 7, right


def jacobians(data, depth, width, images, seed):
    """Effective rank of the derivative of 1, 2 ... ReLU layers after the first, on average over images; the spectra."""
    model, _, (x, _), _ = task(data, depth, width)
    params, begun, spectra = started(model, seed), time.process_time(), []
    for example in x[:images]:
        h = np.maximum(example.reshape(1, -1) @ params["1.weight"] + params["1.bias"], 0)
        spectra.append(list(spectra_behind(h, [params[f"{2 * k + 1}.weight"] for k in range(1, depth - 1)])))
    ranks = [[float(estimators.effective_rank(s)) for s in found] for found in spectra]
    seconds = time.process_time() - begun
    return {"curve": [[images, seconds, *np.mean(ranks, axis=0)]], "spectra": np.mean(spectra, axis=0)}


def spectra_behind(h, weights):
    """Singular values of the derivative of ReLU layers at h, relative to the largest, after every layer."""
    jacobian = np.eye(h.shape[1])
    for w in weights:
        h = h @ w
        jacobian = jacobian @ w * (h > 0)
        h = np.maximum(h, 0)
        s = np.linalg.svd(jacobian, compute_uv=False)
        yield s / s[0]


def of_layers(runs, count):
    return derived(runs, lambda curve: curve[-1, 1 + count])


def layers_of(runs):
    return range(1, len(runs[0]["spectra"]) + 1)


def jacobian_tables(runs):
    lines = [[str(k), spread(final(of_layers(runs, k), 2), 1)] for k in layers_of(runs)]
    title = "Jacobians of {depth}x{width}, {images} images".format(**runs[0])
    return {"guess-layers": table(title, ["layers", "effective rank"], lines)}


def jacobian_claims(runs):
    found = [of_layers(runs, k) for k in layers_of(runs)]
    falls = [below(more, fewer, 2) for fewer, more in itertools.pairwise(found)]
    yield Claim("each further layer lowers the effective rank of the Jacobian", "faster decay with every layer, 1 to 4",
                ends(found), together(*falls))  # fmt: skip


def jacobian_figure(runs):
    figure, (ax,) = axes(1)
    for k, spectrum in enumerate(np.mean([r["spectra"] for r in runs], axis=0), 1):
        ax.plot(np.arange(1, len(spectrum) + 1), spectrum, label=f"{k} layers")
    ax.set(xscale="log", yscale="log", ylim=(1e-6, 2), xlabel="index", ylabel="singular value over the largest",
           title="Jacobians (fig. 7)")  # fmt: skip
    ax.legend(frameon=False, fontsize=8)
    return figure


# ---------------------------------------------------------------------- figures 2 and 10


def among_activations(data, depth, width, updates, seed):
    """Along backprop: the cosine of the gradient and its projection on 10 and 100 components of the activations, and
    of random ones; means over the layers behind the first. At the end, all of it."""
    model, objective, train, _ = task(data, depth, width)
    few, last = (train[0][:BATCH], train[1][:BATCH]), []

    def evaluate(params):
        last[:] = estimators.subspace(model, params, *few, rng=seed)
        at = [min(count, len(last[0].activations)) - 1 for count in (10, 100)]
        kinds = [[layer.activations for layer in last], [layer.random for layer in last]]
        return [float(np.mean(kind, axis=0)[k]) for kind in kinds for k in at]

    batches = epochs(objective, train, BATCH, dg.Rng(seed))
    curve = learn(estimators.Backprop(), optim.AdamW(RATE), started(model, seed), batches, updates, evaluate, points=10)
    return {"curve": curve, "layers": {layer.name: [layer.activations, layer.random] for layer in last},
            "ranks": {layer.name: layer.effective_rank for layer in last}}  # fmt: skip


def subspace_tables(runs):
    lines = []
    for depth, found in grouped(runs, "depth").items():
        for row in (0, 1, -1):
            cells = [spread(curves(found, column)[:, row]) for column in range(2, 6)]
            lines.append([f"{depth}x{found[0]['width']}", f"{found[0]['curve'][row][0]:,}", *cells])
    columns = ["network", "updates", "10 components", "100", "10 random", "100"]
    return {"guess-subspaces": table("The gradient's part among the activations, mean over layers", columns, lines)}


def subspace_claims(runs):
    groups = list(grouped(runs, "depth").values())
    for said, row in (("at the start", 0), ("after training", -1)):
        pairs = [[derived(g, lambda c, k=k, row=row: c[row, k]) for k in (2, 4)] for g in groups]
        yield Claim(f"ten components of the activations hold more of the gradient than random ones, {said}",
                    "0.5 against 0.1", ends([g for pair in pairs for g in pair]),
                    together(*(above(*pair, 2) for pair in pairs)))  # fmt: skip
    yield Claim("... and as much as a cosine of 0.5, after training", "as high as 0.5", ends(groups),
                together(*(over(g, 2, 0.5) for g in groups)))  # fmt: skip
    yield Claim("random ones do not come to 0.2", "0.1", ends(groups, 4),
                together(*(contrary(over(g, 4, 0.2)) for g in groups)))  # fmt: skip


def subspace_figure(runs):
    groups = grouped(runs, "depth")
    figure, plots = axes(len(groups))
    for ax, (depth, found) in zip(plots, groups.items(), strict=True):
        for name, (inside, random) in found[0]["layers"].items():
            (line,) = ax.plot(inside, label=name)
            ax.plot(random, "--", color=line.get_color(), linewidth=0.8)
        ax.set(xscale="log", xlabel="components", ylabel="cosine of the projection",
               title=f"Depth {depth}, {found[0]['updates']:,} updates (fig. 10)")  # fmt: skip
        ax.legend(frameon=False, fontsize=7)
    return figure


# ---------------------------------------------------------------------- what is run

EPOCH = 97  # updates of CIFAR-10's 50,000 images, in batches of 512


def network(data, depth, width, **settings):
    return {"data": data, "depth": depth, "width": width, **settings}


STUDIES = [
    Study("guess-cosine", along_backprop, "updates",
          (*(f"|cosine|, {m}" for m in GUESSES), *(f"effectiveness, {m}" for m in GUESSES)),
          tuple(Row(network("fashion", *shape, samples=6, updates=1_000), seeds, paper=50 * EPOCH, seconds=seconds)
                for shape, seeds, seconds in (((3, 128), 3, 20), ((6, 128), 3, 30), ((6, 1024), 2, 400))),
          (Row(network("digits", 3, 32, samples=2, updates=5), 2, paper=50 * EPOCH),),
          cosine_tables, cosine_figure, cosine_claims),
    Study("guess-bias", averaging, "guesses", ("cosine",),
          tuple(Row(network("fashion", 6, 128, method=m, before=EPOCH, guesses=8192), 3, paper=8192, seconds=20)
                for m in GUESSES)
          + tuple(Row(network("fashion", 6, 1024, method=m, before=EPOCH, guesses=8192), 2, paper=8192,
                      seconds=700 if m == "directional" else 170, later=True) for m in GUESSES),
          tuple(Row(network("digits", 3, 16, method=m, before=2, guesses=16), 2, paper=8192) for m in GUESSES),
          bias_tables, bias_figure, bias_claims),
    Study("guess-layers", jacobians, "images", tuple(f"effective rank, {k} layers" for k in range(1, 5)),
          (Row(network("fashion", 6, 256, images=20), seconds=10),), (Row(network("digits", 6, 16, images=2), 2),),
          jacobian_tables, jacobian_figure, jacobian_claims),
    Study("guess-subspaces", among_activations, "updates",
          ("10 components", "100 components", "10 random", "100 random"),
          (Row(network("fashion", 3, 1024, updates=500), 3, paper=20 * EPOCH, seconds=70),),
          (Row(network("digits", 3, 16, updates=10), 2, paper=20 * EPOCH),),
          subspace_tables, subspace_figure, subspace_claims),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES, datasets))
