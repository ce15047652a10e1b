"""What Forward Gradients Are Not All You Need claims, beside the runs of forward_gradient_limits.py.

The paper's forward gradient has normals for its directions. Figure 2 is made with both; LowRank signs, whose variance
is nearly the same, stand in for them in the rest.
"""

import math

import numpy as np
from lab import Claim, above, alike, below, contrary, derived, diverge, either, ends, final, over, together, under
from lab.derived import gained
from lab.verdicts import OPEN, Verdict
from limits_found import (
    ACCURACY,
    BY_BATCH,
    DEEP,
    DEEP_RATE,
    FLAT,
    LOG_RATE,
    LOSS,
    NETWORKS,
    NORMED,
    OPTIMIZERS,
    RATE,
    RATES,
    TWO,
    WIDTHS,
    Groups,
    common_time,
    lowest,
)  # fmt: skip

COLLAPSED = 2.5  # a training loss beyond that of guessing, log 10
NEAR = 0.02  # of a loss or an accuracy, that is no difference
LITTLE = 0.1  # a fall of backprop's loss in which nothing is learned yet
STEP, KNOWN = 0.5, 0.45  # in log10: from one rate of the grid to the next; what is borne lies below the next
SIGNS = "LowRank signs"


def both_kinds(paper):
    """The two kinds of directions, with what is said of them: normals, which are the paper's, and signs."""
    return ("normals", "", paper), ("forward", f" ({SIGNS})", "")


def collapse(group):
    return diverge(group, LOSS, COLLAPSED)


# ---------------------------------------------------------------------- multilayer networks


def mlp_claims(runs):
    of = Groups(runs)
    yield from rate_claims(lambda rate, method: of("MLP 512", "SGD", rate, method))
    for way in OPTIMIZERS:
        yield from width_claims(way, lambda width, method, way=way: of(width, way, RATE, method))
    adam, plain = (of("MLP 2048", way, RATE, "forward") for way in ("Adam", "SGD"))
    rougher = above(unevenness(plain), unevenness(adam), LOSS)
    yield Claim("Adam makes training by the forward gradient stable at a width of 2048: it does not collapse, and SGD "
                "does, or its loss is more uneven", "figure 3", ends([unevenness(adam), unevenness(plain)], LOSS),
                together(contrary(collapse(adam)), either(collapse(plain), rougher)))  # fmt: skip
    for way in OPTIMIZERS:
        yield from norm_claims(way, *(of(n, way, RATE, m) for m in TWO for n in (NORMED, "MLP 512")))
    normed, adam, plain = (unevenness(of(n, way, RATE, "forward"))
                           for n, way in ((NORMED, "SGD"), (NORMED, "Adam"), ("MLP 512", "SGD")))  # fmt: skip
    yield Claim("with batch norm the loss of the forward gradient is more uneven (SGD)", "figure 4",
                ends([normed, plain], LOSS), above(normed, plain, LOSS))  # fmt: skip
    yield Claim("... and Adam evens it out", "figure 4", ends([adam, normed], LOSS), below(adam, normed, LOSS))


def rate_claims(of):
    for rate in RATES[1:]:
        for method, words, paper in both_kinds("figure 2"):
            pair = of(rate, method), of(rate, "backprop")
            yield Claim(f"at {rate:g} forward gradient and backprop do alike, within a tenth of what the loss of the "
                        f"latter falls by{words}", paper, ends(pair, LOSS), learned_alike(*pair))  # fmt: skip
    best = of(RATES[0], "backprop")
    others = [of(rate, method) for rate in RATES[1:] for method in ("normals", "backprop")]
    yield Claim("backprop at 2e-3 does best", "figure 2", ends([best, *others], LOSS),
                together(*(below(best, group, LOSS) for group in others)))  # fmt: skip
    for method, words, paper in both_kinds("figure 2"):
        group = of(RATES[0], method)
        yield Claim(f"at 2e-3 the forward gradient collapses{words}", paper, ends([group], LOSS), collapse(group))
    for method, words, paper in both_kinds("conclusion"):
        pair = [per_update(of(RATE, m)) for m in (method, "backprop")]
        yield Claim(f"an update by the forward gradient takes less time than by backprop{words}", paper,
                    f"{ends(pair)} ms", below(*pair, 2))  # fmt: skip
    for method, words, paper in both_kinds("conclusion"):
        pair = [best_of([of(rate, m) for rate in RATES]) for m in ("backprop", method)]
        for at, when, source in ((None, "", paper), (common_time(*pair), " in equal time", "")):
            yield Claim(f"backprop is ahead{when}, each at the best of the three rates{words}", source,
                        ends(pair, LOSS, at), below(*pair, LOSS, at=at))  # fmt: skip
    pair = of(RATE, "forward"), of(RATE, "normals")
    yield Claim(f"{SIGNS} and normals do alike, within {NEAR} of the loss", "", ends(pair, LOSS),
                alike(*pair, LOSS, NEAR))  # fmt: skip


def learned_alike(group, exact):
    """The claim that losses fall as far, within a tenth of what the exact gradient's fall by."""
    pair = [derived(runs, lambda curve: curve[0, LOSS] - curve[-1, LOSS]) for runs in (group, exact)]
    fall = float(np.mean(final(pair[1], 2))) if exact else np.nan
    verdict = alike(*pair, 2, fall / 10)
    if fall < LITTLE:
        return Verdict(OPEN, f"backprop's loss has fallen by {fall:.2g} alone", verdict.runs)
    return verdict


def per_update(runs):
    """Milliseconds."""
    return derived(runs, lambda curve: 1e3 * curve[-1, 1] / curve[-1, 0])


def best_of(groups):
    """Of groups at several rates the one whose loss ends lowest; those that diverge come last."""
    return min((group for group in groups if group), default=[],
               key=lambda group: np.nan_to_num(np.mean(final(group, LOSS)), nan=np.inf))  # fmt: skip


def width_claims(way, of):
    exact, guessed = ([of(width, method) for width in WIDTHS] for method in ("backprop", "forward"))
    yield Claim(f"backprop improves with the width ({way})", "figure 3", ends(exact, LOSS),
                below(exact[-1], exact[0], LOSS))  # fmt: skip
    yield Claim(f"the forward gradient does not improve with the width, by more than {NEAR} of the loss ({way})",
                "figure 3", ends(guessed, LOSS),
                either(collapse(guessed[-1]), contrary(below(guessed[-1], guessed[0], LOSS, NEAR))))  # fmt: skip


def norm_claims(way, normed, plain, normed_exact, plain_exact):
    """Forward gradient with and without batch norm, then backprop."""
    yield Claim(f"batch norm makes backprop better ({way})", "figure 4", ends([normed_exact, plain_exact], ACCURACY),
                above(normed_exact, plain_exact, ACCURACY))  # fmt: skip
    for column, statistics in ((ACCURACY, "running"), (BY_BATCH, "batch")):
        yield Claim(f"batch norm makes the forward gradient worse ({way}, {statistics} statistics)", "figure 4",
                    ends([normed, plain], column), below(normed, plain, column))  # fmt: skip
    early = [derived(runs, lambda curve: curve[len(curve) // 4, ACCURACY]) for runs in (normed, plain)]
    yield Claim(f"batch norm speeds up the first part of training: at a quarter of the updates ({way})", "section 4.4",
                ends(early), above(*early, 2))  # fmt: skip
    quarter = common_time(normed, plain) / 4
    yield Claim(f"... and of the time ({way})", "", ends([normed, plain], ACCURACY, quarter),
                above(normed, plain, ACCURACY, at=quarter))  # fmt: skip


def unevenness(runs):
    """Runs whose loss is replaced by how far it bends, on average, between points of the curve's second half, relative
    to how far it has fallen at best, since a loss that falls further bends more."""

    def bends(curve):
        loss = curve[:, LOSS]
        fall = loss[0] - np.min(loss)
        return np.mean(np.abs(np.diff(loss[len(loss) // 2 :], 2))) / fall if fall > 0 else np.nan

    return derived(runs, bends)


# ---------------------------------------------------------------------- deep and large ones


def deep_claims(runs):
    of = Groups(runs)
    conv = [of("conv net", "SGD", rate, "forward") for rate in (2e-4, 2e-5)]
    yield Claim("the conv net collapses at 2e-4", "above about 2e-5", ends(conv[:1], LOSS), collapse(conv[0]))
    yield Claim("... and not at 2e-5", "", ends(conv[1:], LOSS), contrary(collapse(conv[1])))
    for way in OPTIMIZERS:
        for network in DEEP[1:]:
            group, exact = (of(network, way, DEEP_RATE, method) for method in TWO)
            yield Claim(f"at 2e-3 the forward gradient of the {network} is stable ({way})", "figure 5",
                        ends([group], LOSS), contrary(collapse(group)))  # fmt: skip
            paper = "figure 5" if way == "Adam" else ""
            yield Claim(f"... and behind backprop ({network}, {way})", paper, ends([group, exact], ACCURACY),
                        below(group, exact, ACCURACY))  # fmt: skip


def large_claims(runs):
    of = Groups(runs)
    plain, adam, exact = of("MLP 1024", "SGD", RATE, "forward"), *(of("MLP 1024", "Adam", RATE, m) for m in TWO)
    yield Claim("on digits drawn at 32 x 32, in the place of CIFAR-10, at 2e-4: SGD collapses by the forward gradient, "
                "Adam does not, and is behind Adam by backprop", "", ends([plain, adam, exact], LOSS),
                together(collapse(plain), contrary(collapse(adam)), above(adam, exact, LOSS)))  # fmt: skip


# ---------------------------------------------------------------------- highest stable rates


def stable_claims(runs):
    flat, deep = (Groups([run for run in runs if run["network"] in some]) for some in (FLAT, DEEP))
    for way in OPTIMIZERS:
        for of, networks, kind in ((flat, FLAT, "multilayer"), (deep, DEEP, "convolutional and residual")):
            pairs = [[of(network, way, method) for method in ("backprop", "forward")] for network in networks]
            yield Claim(f"backprop bears higher rates than the forward gradient, in every {kind} network ({way})",
                        "section 4.1", "; ".join(f"{lowest(exact)}, {lowest(group)}" for exact, group in pairs),
                        together(*(above(*pair, LOG_RATE, within=KNOWN) for pair in pairs)))  # fmt: skip
    same = Groups([run for run in runs if (run["optimizer"], run["method"]) == ("SGD", "forward")])
    forward = {network: same(network, "SGD", "forward") for network in NETWORKS}
    residual, others = forward["ResNet, batch norm"], [forward[name] for name in NETWORKS if "ResNet" not in name]
    yield Claim("by the forward gradient, the residual network bears the highest rate of any", "2e-3",
                ", ".join(map(lowest, (residual, *others))),
                together(*(above(residual, group, LOG_RATE, within=KNOWN) for group in others)))  # fmt: skip
    yield Claim("... 2e-3 or more", "2e-3", lowest(residual), over(residual, LOG_RATE, math.log10(1.9e-3)))
    conv, plain = forward["conv net"], forward["ResNet"]
    yield Claim("the conv net bears less than 2e-4", "about 2e-5", lowest(conv),
                under(conv, LOG_RATE, math.log10(1.9e-4)))  # fmt: skip
    yield Claim("batch norm does not raise the rate that the residual network bears, by more than √10", "section 4.4",
                f"{lowest(residual)}, {lowest(plain)}",
                contrary(above(residual, plain, LOG_RATE, STEP, within=KNOWN)))  # fmt: skip
    exact, guessed = ([flat(width, "SGD", method) for width in WIDTHS] for method in ("backprop", "forward"))
    yield Claim("wider networks bear less by the forward gradient", "section 3.1: variance grows with n",
                ", ".join(map(lowest, guessed)), below(guessed[-1], guessed[0], LOG_RATE, within=KNOWN))  # fmt: skip
    gaps = [gained(*pair, LOG_RATE) for pair in zip(exact, guessed, strict=True)]
    yield Claim("the wider the network, the further it is behind what backprop bears", "conclusion",
                ", ".join(f"{10 ** np.mean(final(gap, 2)):.2g} times" if gap else "-" for gap in gaps),
                above(gaps[-1], gaps[0], 2, within=2 * KNOWN))  # fmt: skip
