"""What the runs of text_prediction.py say: tables, claims and figures, of bits a character over the last quarter."""

import numpy as np
import texts
from lab import (
    Claim,
    above,
    alike,
    axes,
    band,
    below,
    derived,
    diverge,
    either,
    final,
    grouped,
    legend_below,
    over,
    shortest,
    spread,
    table,
    together,
    under,
)  # fmt: skip
from texts import anbn_entropy, music_entropy

WINDOW, SHORT, TENTH = 15, 0.3, 0.5  # the last is a tenth of the paper's length, of English
PLAIN, SMALL = ("plain", 1.0, 1), ("plain", 0.03, 1)
FILTER, OFTEN, SLOW = ("Kalman", 1.0, WINDOW), ("Kalman", 1.0, 1), ("Kalman", 0.1, WINDOW)
WORDS = {PLAIN: "plain, 1/√t", SMALL: "plain, 0.03/√t", FILTER: "filter, once in 15",
         OFTEN: "filter, every character", SLOW: "filter at 0.1/√t, once in 15"}  # fmt: skip
MAIN = ["RTRL", "NoBackTrack", "NoBackTrack, rank 10", "UORO", "KF-RTRL", "BPTT(15)"]
RANKS, LOW, FEW = MAIN[:3], ["NoBackTrack, rank 2"], ["RTRL", "NoBackTrack", "BPTT(15)"]
INVARIANT = "NoBackTrack, norms of App. B"
COMPRESSORS = ["gzip", "context tree weighting"]
EVERYWHERE = [("paper", PLAIN, MAIN, 1), ("paper", FILTER, MAIN, 1), ("paper", OFTEN, RANKS, 1)]
ARMS = {  # text -> (cell, optimizer, learners, share of the length)
    "music": [*EVERYWHERE, ("paper", OFTEN, [INVARIANT], SHORT), ("paper", PLAIN, LOW, 1),
              ("paper", SMALL, RANKS + LOW, 1), ("tanh", FILTER, FEW, SHORT)],
    "anbn": [*EVERYWHERE, ("paper", OFTEN, [INVARIANT], SHORT), ("slow", FILTER, FEW, SHORT),
             ("slow", SLOW, FEW, SHORT)],
    "english": [*EVERYWHERE, ("paper", OFTEN, [INVARIANT], TENTH), ("tanh", FILTER, FEW, SHORT)],
}  # fmt: skip
ENTROPY = {"anbn": {"entropy rate": anbn_entropy(), "independent n": 2 * anbn_entropy()},
           "music": {"entropy rate": music_entropy()}, "english": {}}  # fmt: skip
OURS = [("with the same filter", FILTER), ("without a filter on either side", PLAIN),
        ("with the same filter, slow leaks", FILTER, "slow"),
        ("with the same filter at 0.1/√t, slow leaks", SLOW, "slow")]  # fmt: skip
TITLES = {"music": "Music", "anbn": "aⁿbⁿ"}
NEAR = 0.05  # bits, that learners on par may differ


# ---------------------------------------------------------------------- numbers of runs


def between(curve, begin, end):
    """Bits a character after ``begin`` characters, up to ``end``; where that holds no point, of the first one."""
    inside = (curve[:, 0] > begin) & (curve[:, 0] <= end)
    return np.mean(curve[inside, 2]) if inside.any() else curve[1, 2]


def quarter(curve, characters=np.inf, seconds=np.inf):
    """The mean over the last quarter; of what was read up to so many characters, or in so many seconds, alone."""
    later = (curve[:, 0] > characters) | (curve[:, 1] > seconds)
    end = curve[np.argmax(later) - 1 if later.any() else -1, 0]
    return between(curve, 0.75 * end, end)


def rise(curve):
    """By how much the last quarter is above the third."""
    end = curve[-1, 0]
    return quarter(curve) - between(curve, 0.5 * end, 0.75 * end)


def ends(group, characters=np.inf, seconds=np.inf):
    """The runs that `quarter` is the end of, which are as long as what it looks at."""
    short = [run | {"characters": min(run["characters"], characters)} for run in group]
    return derived(short, lambda curve: quarter(curve, characters, seconds))


def at_equal_time(*groups):
    """The same of groups at the time at which the fastest of them was done."""
    time = shortest(groups) if all(groups) else np.inf
    return [ends(group, seconds=time) for group in groups]


def microseconds(group):
    """What a character took, as far as it got."""
    return derived(group, lambda curve: 1e6 * np.nanmax(curve[:, 1]) / np.max(curve[np.isfinite(curve[:, 1]), 0]))


class Found:
    """Runs by cell, optimizer and learner; of those that are not there, none. And what there is to compare with."""

    def __init__(self, runs):
        self.text = runs[0]["text"]
        self.title = texts.title(runs[0]["data"]) if self.text == "english" else TITLES[self.text]
        self.groups = grouped([run | {"arm": arm_of(run)} for run in runs if run["cell"]], "cell", "arm", "learner")
        self.compressors = {run["learner"]: np.array(run["curve"], float) for run in runs if not run["cell"]}
        self.bounds = ENTROPY[self.text] | {name: quarter(curve) for name, curve in self.compressors.items()}
        self.short = min(run["characters"] for run in runs)

    def __call__(self, learner, arm=FILTER, cell="paper"):
        return self.groups.get((cell, WORDS[arm], learner), [])

    def panels(self):
        """The groups that are compared, by cell, optimizer and length."""
        found = {}
        for (cell, arm, learner), group in self.groups.items():
            found.setdefault((cell, arm, group[0]["characters"]), {})[learner] = group
        return found


def arm_of(run):
    """The optimizer of a run in words; plain BPTT stands among the others, which step 15 times as often."""
    return WORDS[run["optimizer"], run["scale"], 1 if run["optimizer"] == "plain" else run["every"]]


# ---------------------------------------------------------------------- tables


def tables(runs):
    found, lines = Found(runs), []
    for (cell, arm, length), learners in found.panels().items():
        for (learner, group), late in zip(learners.items(), at_equal_time(*learners.values()), strict=True):
            bits = [spread(final(made, 2)) for made in (ends(group, found.short), ends(group), late)]
            cost = f"{np.mean(final(microseconds(group), 2)):.0f}"
            lines.append([cell, arm, learner, f"{length:,}", *bits, len(group), cost])
    columns = ["cell", "optimizer", "learner", "characters", f"bits in the last quarter of {found.short:,}", "of all",
               "at equal time", "seeds", "µs a character"]  # fmt: skip
    return {found.text: table(found.title, columns, lines), f"{found.text}-bounds": bounds(found)}


def bounds(found):
    lines = [[name, f"{bits:.3f}", "", ""] for name, bits in ENTROPY[found.text].items()]
    for name, curve in found.compressors.items():
        bits = between(curve, 0, curve[-1, 0]), quarter(curve, found.short), quarter(curve)
        lines.append([name, *(f"{b:.3f}" for b in bits)])
    columns = ["", "bits a character", f"in the last quarter of {found.short:,}", "of all"]
    return table("To compare with", columns, lines)


# ---------------------------------------------------------------------- claims


def claim(said, paper, verdict, *groups):
    """A claim on runs with one number each."""
    means = [f"{mean(group):.3f}" if np.isfinite(mean(group)) else "none" for group in groups]
    return Claim(said, paper, ", ".join(means), verdict)


def mean(group):
    """Of the runs that did not diverge."""
    values = final(group, 2)
    good = values[np.isfinite(values)]
    return good.mean() if len(good) else np.nan


def ahead(said, paper, one, *others):
    return claim(said, paper, together(*(below(one, other, 2) for other in others)), one, *others)


def on_par(said, paper, one, *others, within=NEAR):
    return claim(said, paper, together(*(alike(one, other, 2, within) for other in others)), one, *others)


def music_claims(found):
    of = ended(found)
    exact = of("RTRL", PLAIN)
    for name in [*RANKS[1:], *LOW]:
        noisy, said = of(name, PLAIN), f"at 1/√t Euclidean {name} diverges, or is behind RTRL by 0.1 bits"
        yield claim(said, "figure 1", either(diverge(noisy), above(noisy, exact, 2, 0.1)), noisy, exact)
    for name in [*RANKS[1:], *LOW]:
        yield on_par(f"at 0.03/√t {name} is on RTRL's curve", "figure 2", of(name, SMALL), of("RTRL", SMALL))
    yield slower(found)
    exact, one, ten = (of(name, OFTEN) for name in RANKS)
    for name, group in (("NoBackTrack", one), ("... and with rank 10", ten)):
        said = f"{name}, with the filter, is on par with RTRL: at most 0.05 bits behind"
        yield claim(said, "figure 3", below(group, exact, 2, -NEAR), group, exact)
    yield claim("... and a higher rank gains nothing", "figure 3", above(ten, one, 2, -NEAR), ten, one)
    yield from ahead_in_both("plain BPTT(15) is ahead of NoBackTrack with its filter", "figure 4",
                             found("BPTT(15)", PLAIN), found("NoBackTrack", OFTEN))  # fmt: skip
    yield on_par("plain RTRL and BPTT(15) are on par", "figure 4", of("RTRL", PLAIN), of("BPTT(15)", PLAIN))
    yield ahead("BPTT(15) is ahead of NoBackTrack, with the same filter", "", of("BPTT(15)"), of("NoBackTrack"))
    yield on_par("RTRL and BPTT(15) are on par, with the same filter", "", of("RTRL"), of("BPTT(15)"))
    yield invariant(found)
    yield behind(found, "figures 3 and 4")


def anbn_claims(found):
    of, (counted, apart) = ended(found), ENTROPY["anbn"].values()
    middle, plain = (counted + apart) / 2, of("BPTT(15)", PLAIN)
    exact, one, ten = (of(name, OFTEN) for name in RANKS)
    yield from ahead_in_both("NoBackTrack with its filter is ahead of plain BPTT(15)", "figure 5",
                             found("NoBackTrack", OFTEN), found("BPTT(15)", PLAIN))  # fmt: skip
    yield ahead(
        "RTRL is ahead of NoBackTrack, rank 1 and 10, and of plain BPTT(15)", "figure 5", exact, one, ten, plain
    )
    said = f"plain BPTT(15) ends nearer {apart:.3f}, where n is not counted, than {counted:.3f}, and below 0.4"
    yield claim(said, "figure 5", together(over(plain, 2, middle), under(plain, 2, 0.4)), plain)
    rises = derived(found("BPTT(15)", PLAIN), rise)
    yield claim("... where its curve goes slightly up in the last quarter", "figure 5", over(rises, 2, 0), rises)
    said = f"NoBackTrack with its filter counts most of them, and ends below {middle:.3f}"
    yield claim(said, "figure 5", under(one, 2, middle), one)
    for where, *kind in OURS:
        said = f"NoBackTrack is ahead of BPTT(15), {where}"
        yield ahead(said, "", of("NoBackTrack", *kind), of("BPTT(15)", *kind))
    yield invariant(found)


def english_claims(found):
    of = ended(found)
    papers = [of(name, PLAIN) for name in ("RTRL", "BPTT(15)")] + [of(name, OFTEN) for name in RANKS[1:]]
    said = "plain RTRL, plain BPTT(15), and NoBackTrack with its filter, rank 1 and 10, are alike, within 0.1 bits"
    yield on_par(said, "figure 6", *papers, within=0.1)
    ours = [of(name) for name in ("RTRL", "BPTT(15)", *RANKS[1:])]
    yield on_par("... and with one filter for all", "", *ours, within=0.1)
    yield invariant(found)
    yield behind(found, "figure 6")


def ended(found):
    return lambda *of: ends(found(*of))


def ahead_in_both(said, paper, one, other):
    """At equal characters, and at equal time."""
    yield ahead(said, paper, ends(one), ends(other))
    yield ahead("... at equal time", paper, *at_equal_time(one, other))


def slower(found):
    slow, fast = (derived(microseconds(found(name, PLAIN)), lambda curve: np.log10(curve[-1, 2])) for name in RANKS[:2])
    times = f"{10 ** (mean(slow) - mean(fast)):.1f} times" if slow and fast else "none"
    said = "RTRL is roughly 20 times slower than NoBackTrack (more than 10)"
    return Claim(said, "figures 1 and 2", times, above(slow, fast, 2, 1.0))


def invariant(found):
    """With the same filter, and of the same length."""
    special, one = found(INVARIANT, OFTEN), found("NoBackTrack", OFTEN)
    length = special[0]["characters"] if special else np.inf
    said = "NoBackTrack is better with the norms of Appendix B than with plain ones"
    return ahead(said, "Algorithm 2", ends(special), ends(one, length))


def behind(found, paper):
    """All that have the paper's cell; what diverged is behind, too."""
    asked = [found(name, arm) for cell, arm, names, _ in ARMS[found.text] if cell == "paper" for name in names]
    trees, verdicts = found.compressors.get(COMPRESSORS[1]), []
    for group in asked:
        made = ends(group) if trees is not None else []
        verdicts.append(either(diverge(made), over(made, 2, quarter(trees, made[0]["characters"]) if made else np.nan)))
    best = min((ends(group) for group in asked), key=lambda made: np.nan_to_num(mean(made), nan=np.inf))
    level = "none" if trees is None else f"{quarter(trees):.3f}"
    said = f"all networks are behind context tree weighting ({level})"
    return claim(said, paper, together(*verdicts), best)


CLAIMS = {"music": music_claims, "anbn": anbn_claims, "english": english_claims}


def claims(runs):
    found = Found(runs)
    return list(CLAIMS[found.text](found))


# ---------------------------------------------------------------------- figures


def draw(runs):
    """For every cell and optimizer, bits against characters and against seconds."""
    found, panels = Found(runs), {}
    for (cell, arm, learner), group in found.groups.items():
        panels.setdefault((cell, arm), {})[learner] = group
    figure, plots = axes(2 * len(panels), height=3.0, columns=2)
    figure.suptitle(found.title)
    for k, ((cell, arm), learners) in enumerate(panels.items()):
        for ax, column in zip(plots[2 * k : 2 * k + 2], (0, 1), strict=True):
            for name, group in learners.items():
                band(ax, group, 2, name, against=column, linewidth=1.0)
            for (name, level), style in zip(found.bounds.items(), ("-", "-.", "--", ":"), strict=False):
                ax.axhline(level, color="gray", linestyle=style, linewidth=1, label=name)
            top = 1.8 * max(found.bounds.values(), default=2.5)
            title = arm if cell == "paper" else f"{arm}, {cell} cell"
            ax.set(ylim=(0, top), xlabel=("characters", "seconds")[column], title=title)
        plots[2 * k].set_ylabel("bits a character")
        legend_below(plots[2 * k], columns=3)
    return figure
