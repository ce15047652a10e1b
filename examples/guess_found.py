"""What the runs of guess_gradient.py say: tables, claims and figures."""

import itertools

import numpy as np
from lab import Claim, axes, band, legend_below, table
from lab.curves import curves, ends, final, grouped, spread
from lab.derived import derived, made
from lab.verdicts import above, below, over, together, under

GUESSES = ["directional", "activation", "mixing", "W^T", "downstream"]
FIGURE1 = {"directional": (3e-4, 1e-6), "activation": (0.016, 6.9e-4), "mixing": (0.025, 3.4e-3),
           "W^T": (0.030, 1.7e-3), "downstream": (0.034, 2.7e-3)}  # cosine and effectiveness  # fmt: skip
COSINE, AT_RATES, AT_BEST = "|cosine|", "effectiveness at the paper's rates", "at the best length"
COLUMNS = tuple(f"{measure}, {method}" for measure in (COSINE, AT_RATES, AT_BEST) for method in GUESSES)


def shapes(runs, *keys):
    """The groups of each network by these keys."""
    return {f"{d}x{w}": grouped(found, *keys) for (d, w), found in grouped(runs, "depth", "width").items()}


# ---------------------------------------------------------------------- figure 1


def column_of(method, measure=COSINE):
    return 2 + COLUMNS.index(f"{measure}, {method}")


def along_the_way(curve, method, measure=COSINE):
    """A method's cosine, or its effectiveness, on average over the points behind the start, as the paper's epochs."""
    return curve[1:, column_of(method, measure)].mean()


def of_method(runs, method, measure=COSINE):
    return derived(runs, lambda curve: along_the_way(curve, method, measure))


def cosine_tables(runs):
    lines = []
    for (depth, width), found in grouped(runs, "depth", "width").items():
        random = np.sqrt(2 / np.pi / found[0]["weights"])
        for method in GUESSES:
            cosine, at_rates, at_best = (final(of_method(found, method, m), 2) for m in (COSINE, AT_RATES, AT_BEST))
            lines.append([f"{depth}x{width}", method, spread(cosine, 4), f"{FIGURE1[method][0]:g}",
                          f"{random:.4f}" if method == "directional" else "", f"{at_rates.mean():.1e}",
                          f"{FIGURE1[method][1]:.1e}", f"{at_best.mean():.1e}"])  # fmt: skip
    paper = "paper, 6x1024"
    columns = ["network", "method", "mean abs cosine", paper, "√(2/(π p))", AT_RATES, paper, AT_BEST]
    title = f"Along {runs[0]['updates']:,} updates of backprop, {len(grouped(runs, 'seed'))} seeds"
    return {"guess-cosine": table(title, columns, lines)}


def cosine_claims(runs):
    own = grouped(runs, "depth", "width").get((6, 1024), [])
    first, second, *rest = (of_method(own, method) for method in GUESSES)
    order = together(below(first, second, 2), *(below(second, g, 2) for g in rest))
    paper = ", ".join(f"{cosine:g}" for cosine, _ in FIGURE1.values())
    said = "directional < activation < mixing, W^T, downstream in cosine"
    yield Claim(said, paper, ends([first, second, *rest]), order)
    paper = {m: f"{FIGURE1['W^T'][k] / FIGURE1['directional'][k]:,.0f} times" for k, m in enumerate((COSINE, AT_RATES))}
    for measure, times, said in (
        (COSINE, 50, "W^T's cosine is some 100 times that of directional descent: more than 50"),
        (AT_RATES, 1000, "in one step, at the best of the paper's rates, W^T is more than 1,000 times as effective"),
        (AT_BEST, 1000, "... also where each step is as long as its guess bears"),
    ):
        yield times_as_much(said, paper.get(measure, ""), own, measure, times)
    paper = ", ".join(f"{effect:g}" for _, effect in FIGURE1.values())
    effects = [of_method(own, method, AT_RATES) for method in GUESSES]
    yield Claim("every guess is more effective in one step than directional descent, at the best of the paper's rates",
                paper, ends(effects), together(*(above(g, effects[0], 2) for g in effects[1:])))  # fmt: skip
    part = derived(own, lambda c: np.ptp(c[1:, column_of("directional")]) / along_the_way(c, "directional"))
    yield Claim("directional descent's cosine is nearly constant: within half its mean over the way", "figure 1",
                ends([part]), under(part, 2, 0.5))  # fmt: skip


def times_as_much(said, paper, runs, measure, times):
    """So many times as much by W^T as by directional descent, seed by seed."""

    def both(curve):
        return [along_the_way(curve, method, measure) for method in ("W^T", "directional")]

    more = derived(runs, lambda curve: both(curve)[0] - times * both(curve)[1])
    ratio = derived(runs, lambda curve: both(curve)[0] / both(curve)[1])
    return Claim(said, paper, f"{ends([ratio])} times", over(more, 2, 0.0))


def cosine_figure(runs):
    groups = grouped(runs, "depth", "width")
    figure, plots = axes(2 * len(groups), columns=len(groups))
    for (shape, found), above_it, below_it in zip(groups.items(), plots, plots[len(groups) :], strict=False):
        for k, method in enumerate(GUESSES):
            band(above_it, found, column_of(method), method, color=f"C{k}")
            band(below_it, found, column_of(method, AT_RATES), method, color=f"C{k}")
            band(below_it, found, column_of(method, AT_BEST), None, color=f"C{k}", linestyle="--")
        above_it.set(ylabel="mean |cosine|", yscale="log", title="{}x{} (fig. 1)".format(*shape))
        below_it.set(xlabel="updates of backprop", ylabel="one-step effectiveness", yscale="log")
    legend_below(plots[0])
    plots[len(groups)].set_title("solid: at the paper's rates, dashed: at the best length", fontsize=8)
    return figure


# ---------------------------------------------------------------------- figure 4, left


def growth(runs):
    """How much of the final cosine the last three doublings brought."""
    return derived(runs, lambda curve: 1 - curve[max(-4, -len(curve)), 2] / curve[-1, 2])


def bias_tables(runs):
    lines = [[name, method, spread(final(found, 2)), spread(final(growth(found), 2)), f"{final(found, 1).mean():.0f}"]
             for name, groups in shapes(runs, "method").items() for method, found in groups.items()]  # fmt: skip
    columns = ["network", "method", "cosine of all", "share of the last three doublings", "seconds"]
    title = "Averages of {guesses:,} guesses, a batch of {images}".format(**runs[0])
    return {"guess-bias": table(title, columns, lines)}


def bias_claims(runs):
    networks = list(shapes(runs, "method").values())
    unbiased = [growth(groups.get("activation", [])) for groups in networks]
    biased = [growth(groups.get(method, [])) for method in GUESSES[2:] for groups in networks]
    yield Claim("biased guesses saturate: the last three doublings bring under a tenth", "saturate after some 1,000",
                ends(biased), together(*(under(g, 2, 0.1) for g in biased)))  # fmt: skip
    slower = [below(growth(groups.get(method, [])), free, 2)
              for method in GUESSES[2:] for groups, free in zip(networks, unbiased, strict=True)]  # fmt: skip
    yield Claim("... and rise less by them than activation perturbation", "figure 4", ends([*biased, *unbiased]),
                together(*slower))  # fmt: skip
    yield Claim("activation perturbation goes on rising, by more than a tenth", "improves consistently",
                ends(unbiased), together(*(over(g, 2, 0.1) for g in unbiased)))  # fmt: skip


def bias_figure(runs):
    groups = shapes(runs, "method")
    figure, plots = axes(len(groups))
    for ax, (name, found) in zip(plots, groups.items(), strict=True):
        for method, of in found.items():
            band(ax, of, 2, method)
        ax.set(xscale="log", xlabel="guesses averaged", ylabel="cosine", title=f"Bias at {name} (fig. 4)")
    legend_below(plots[0])
    return figure


# ---------------------------------------------------------------------- figure 7, right


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
    legend_below(ax)
    return figure


# ---------------------------------------------------------------------- figures 2 and 10

TEN, TEN_RANDOM = 0, 2  # among the parts of a layer


def subspace_tables(runs):
    lines = []
    for name, groups in shapes(runs, "updates").items():
        for found in groups.values():
            for row in (0, 1, -1):
                cells = [spread(curves(found, column)[:, row]) for column in range(2, 6)]
                lines.append([name, f"{found[0]['curve'][row][0]:,}", *cells, *("" for _ in (TEN, TEN_RANDOM))])
            highest = [spread(final(highest_of(found, part), 2)) for part in (TEN, TEN_RANDOM)]
            lines[-1][-2:] = highest
    columns = ["network", "updates", "10 components", "100", "10 random", "100", "highest of 10", "of 10 random"]
    return {"guess-subspaces": table("The gradient's part among the activations, mean over layers", columns, lines)}


def highest_of(runs, part):
    """The highest value of any layer at any point."""
    return made(runs, lambda run: max(values[part] for layer in run["parts"].values() for values in layer))


def subspace_claims(runs):
    groups = list(grouped(runs, "depth").values())
    for said, row in (("at the start", 0), ("after training", -1)):
        pairs = [[derived(g, lambda c, k=k, row=row: c[row, k]) for k in (2, 4)] for g in groups]
        yield Claim(f"ten components of the activations hold more of the gradient than random ones, {said}",
                    "0.5 against 0.1", ends([g for pair in pairs for g in pair]),
                    together(*(above(*pair, 2) for pair in pairs)))  # fmt: skip
    highest = [highest_of(g, TEN) for g in groups]
    yield Claim("... in some layer, at some point, a cosine of 0.5", "as high as 0.5", ends(highest),
                together(*(over(g, 2, 0.5) for g in highest)))  # fmt: skip
    random = [highest_of(g, TEN_RANDOM) for g in groups]
    yield Claim("random ones stay under 0.2, in every layer (ten of 1,024 hold some 0.1)", "0.1", ends(random),
                together(*(under(g, 2, 0.2) for g in random)))  # fmt: skip


def subspace_figure(runs):
    groups = grouped(runs, "depth")
    figure, plots = axes(len(groups))
    for ax, (depth, found) in zip(plots, groups.items(), strict=True):
        for name, (inside, random) in found[0]["layers"].items():
            (line,) = ax.plot(inside, label=name)
            ax.plot(random, "--", color=line.get_color(), linewidth=0.8)
        ax.set(xscale="log", xlabel="components", ylabel="cosine of the projection",
               title=f"Depth {depth}, {found[0]['updates']:,} updates (fig. 10)")  # fmt: skip
        legend_below(ax)
    return figure
