"""The invariant norms of NoBackTrack (Appendix B), to the letter: whether the estimate runs away.

They measure w by the inverse of the filter's matrix, and v by Diag(G̃ J⁻¹ G̃ᵀ)⁻¹ of the estimate G̃ itself, of which v̄
is a part (eqs. 62 to 64). ``metric=`` averages that diagonal over time and keeps it from zero; plain norms are beside.
With the networks of `text_prediction` and its filter, at every character.
"""

import numpy as np
from lab import Claim, Row, Study, alike, axes, band, derived, final, grouped, legend_below, main, spread, table
from lab.learning import Curve
from text_prediction import InBits, network, optimizer_of, source

import dualgrad as dg
from dualgrad import online
from dualgrad.online.rank_one import balance, row_norms

TINY = 1e-200  # "small regularization terms" in every division


class LiteralNorms(online.NoBackTrack):
    """NoBackTrack with the norms of Appendix B as they stand there."""

    def _spread(self, memory, T):
        """Diag(G̃ J⁻¹ G̃ᵀ) of this step (eq. 62), with G̃ = v̄ w̄ᵀ + Σ e_i D_i."""
        v, w = memory["v"], memory["w"]
        estimate = v.T @ w / self.rank
        estimate[T.rows] += self._own_rows(T, w)[:, : w.shape[1]]
        return {"spread": np.square(self.metric.norms(self._padded(estimate), self.params))}

    def _invariant_scales(self, memory, T):
        """ρ̄ and ρ_i (eqs. 63, 64)."""
        v, w, deviation = memory["v"], memory["w"], np.sqrt(memory["spread"] + TINY)
        return (
            balance(row_norms(v / deviation), self.metric.norms(self._padded(w), self.params)),
            balance(1 / deviation[T.rows], self.metric.norms(self._own_rows(T, w), self.params)),
        )


NORMS = {
    "Appendix B, to the letter": lambda kalman: LiteralNorms(metric=kalman),
    "Appendix B, averaged and floored": lambda kalman: online.NoBackTrack(metric=kalman),
    "plain": lambda kalman: online.NoBackTrack(),
}
LITERAL, KEPT, PLAIN = NORMS


def training(text, norms, characters, seed, points=40):
    """One pass. Its curve: characters, seconds, and of the time since the last point the logarithms of the largest
    entries of v̄ and w̄, and of the largest ‖v̄‖ ‖w̄‖, which is the size of the estimate."""
    read = source(text, characters, seed)
    symbols = sorted(set(read))
    codes, inputs = np.searchsorted(symbols, list(read)), np.eye(len(symbols))
    start, draws = dg.Rng(seed).spawn(2)
    net, params = network(text, "paper", len(symbols), start)
    kalman = optimizer_of("Kalman", 1.0, 1)
    reader, steps = NORMS[norms](kalman).start(net, params, rng=draws), InBits(kalman, 1)
    largest = np.ones(3)

    def evaluate():
        seen = np.log10(largest).tolist()
        largest[:] = 0
        return seen

    curve = Curve(characters, min(points, characters // 2), evaluate)
    try:
        curve.start()
        for t in range(1, characters + 1):
            steps.step(params, reader.step(inputs[codes[t - 1]], codes[t % characters]).gradient, 1)
            v, w = reader.memory["v"], reader.memory["w"]
            sizes = np.max(np.abs(v)), np.max(np.abs(w)), np.linalg.norm(v) * np.linalg.norm(w)
            np.maximum(largest, sizes, out=largest)
            curve.stop(t)
            curve.start()
    except dg.NonFiniteError:
        pass
    return curve.ended()


# ---------------------------------------------------------------------- what is found

TEXTS = {"music": "music", "anbn": "aⁿbⁿ"}
NEAR = 1.0  # powers of ten
METRIC = "log10 of the largest entry of v̄", "of w̄", "of the largest ‖v̄‖ ‖w̄‖"


def peaks(runs, column):
    """Runs that hold the largest of a column in the place of their curve, also where they end early."""
    return derived(runs, lambda curve: np.nanmax(curve[:, column]))


def tables(runs):
    lines = []
    for (text, norms), group in grouped(runs, "text", "norms").items():
        lost = np.count_nonzero(~np.isfinite(final(group, 4)))
        powers = [spread(final(peaks(group, column), 2), 1) for column in (2, 3, 4)]
        lines.append([TEXTS[text], norms, *powers, lost or "none", len(group)])
    columns = ["text", "norms", "largest entry of v̄", "of w̄", "largest ‖v̄‖ ‖w̄‖", "not finite in the end", "seeds"]
    return {"literal-norms": table(f"Powers of ten over {runs[0]['characters']:,} characters", columns, lines)}


def claims(runs):
    """Ours: the paper says nothing of the size of the estimate."""
    groups, found = grouped(peaks(runs, 4), "text", "norms"), []
    for text, name in TEXTS.items():
        plain = groups.get((text, PLAIN), [])
        for norms in (LITERAL, KEPT):
            group = groups.get((text, norms), [])
            ours = ", ".join(f"10^{final(g, 2).mean():.1f}" if g else "none" for g in (group, plain))
            said = f"the norms of {norms}, keep the estimate within a power of ten of plain norms ({name})"
            found.append(Claim(said, "", ours, alike(group, plain, 2, NEAR)))
    return found


def draw(runs):
    figure, plots = axes(2 * len(TEXTS), height=3.2, columns=2)
    groups = grouped(runs, "text", "norms")
    for k, (text, name) in enumerate(TEXTS.items()):
        for ax, column, what in zip(plots[2 * k :], (2, 4), ("largest entry of v̄", "‖v̄‖ ‖w̄‖"), strict=False):
            for norms in NORMS:
                if group := groups.get((text, norms)):
                    band(ax, group, column, norms)
            ax.set(xlabel="characters", ylabel="power of ten", title=f"{name}: {what}")
        legend_below(plots[2 * k], columns=1)
    return figure


def rows(characters, seeds):
    cost = {LITERAL: 2e-3, KEPT: 2e-3, PLAIN: 5e-4}
    return tuple(Row({"text": text, "norms": norms, "characters": characters}, seeds, seconds=cost[norms] * characters)
                 for text in TEXTS for norms in NORMS)  # fmt: skip


STUDIES = [
    Study("literal-norms", training, "characters", METRIC, rows(5_000, 10), rows(20, 1), tables, draw, claims),
]

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
