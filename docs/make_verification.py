"""Writes docs/verification.md: what dualgrad and five papers claim, beside the exact values.

Fails when a claim of dualgrad deviates by more than 1e-12, or a planted fault escapes. ``--check`` writes nothing and
fails also when the page would change in more than its deviations, which are rounding.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PAGE = HERE / "verification.md"
ROUNDING = re.compile(r"(?:< )?\b\de[+-]\d\d\b")
LARGEST, SHOWN = 1e-12, 1e-13  # what a claim may be off by, and what the page shows of it: below it varies by machine

HEAD = """\
# Verification

Every claim of a mean or a variance, beside its exact value: the estimator runs, unchanged, under every outcome of its
random draws ([how](verify.md)). Deviations are rounding, shown from 1e-13; `.ci/run` fails when one exceeds 1e-12. Made
by `make verification`.
"""


def numbers(x):
    """A value or a few, to four digits."""
    return ", ".join(f"{float(f'{v:.12g}') + 0.0:.4g}" for v in np.ravel(x))


def deviation(found, claimed):
    """The largest difference, as it stands in the tables."""
    size = np.max(np.abs(np.asarray(found) - np.asarray(claimed)), initial=0)
    if not size <= LARGEST * max(1.0, np.max(np.abs(claimed), initial=0)):
        raise SystemExit(f"a claim fails: {numbers(claimed)} claimed, {numbers(found)} exact")
    return f"{size:.0e}" if size >= SHOWN else f"< {SHOWN:.0e}"


def table(columns, rows):
    """A Markdown table; a column whose name ends in ':' is set flush right."""
    lines = ["| " + " | ".join(c.rstrip(":") for c in columns) + " |"]
    lines.append("|" + "|".join("--:" if c.endswith(":") else "---" for c in columns) + "|")
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def directions():
    """Moments of the distributions, over three parameters in a vector or five in a matrix and a vector."""
    import dualgrad as dg
    from dualgrad.testing import exact_moments

    shape = {"w": np.zeros((2, 2)), "b": np.zeros(1)}
    names = ("Rademacher", "LowRank", "Gaussian", "Uniform", "Sphere", "Coordinate", "Hadamard")
    for d in (getattr(dg.directions, name)() for name in names):
        draw = lambda rng, d=d: [np.array(v) for v in d.sample(shape, rng=rng).values()]  # noqa: E731
        mean, covariance, outcomes, *_ = exact_moments(draw)
        fourth = exact_moments(lambda rng, draw=draw: [v**4 for v in draw(rng)], degree=8).mean
        yield (
            f"`{d!r}`", f"{outcomes:,}", deviation(mean, np.zeros(5)),
            deviation(covariance, d.second_moment * np.eye(5)), f"{d.kurtosis(5):.4g}", f"{np.mean(fourth):.4g}",
            deviation(fourth, np.full(5, d.kurtosis(5))),
        )  # fmt: skip


def estimators():
    """Mean and variance of the gradient estimates of one small function."""
    import dualgrad as dg
    from dualgrad.testing import exact_moments

    x, y = np.array([[1.0, -0.5], [0.25, 2.0]]), np.array([[1.0], [-1.0]])
    loss = dg.nn.Objective(dg.nn.Linear(2, 1), dg.nn.mse).bind(x, y)
    params = dg.Params({"weight": np.array([[0.5], [-1.0]]), "bias": np.array([2.0])})
    g = dg.grad(loss)(params)
    ds = (dg.directions.Rademacher(), dg.directions.LowRank(), dg.directions.Gaussian())
    d, e = dg.directions, dg.estimators
    signs, near = d.Rademacher(), dg.Params.from_vector(params.layout, np.array([-0.5, 1.5, 3.0]))
    size = dg.Params.from_vector(params.layout, np.abs(g.vector))
    every = [
        *(e.ForwardGradient(each, n=n) for each in ds for n in (1, 2)),
        e.ForwardGradient(d.Uniform()), e.ForwardGradient(d.Sphere()), e.ForwardGradient(d.Coordinate(), n=2),
        e.ForwardGradient(d.Blocks(signs), n=2, combine="sum"), e.ForwardGradient(d.Blocks(signs), n=3, combine="sum"),
        e.ForwardGradient(d.Hadamard(), n=2), e.ForwardGradient(d.Hadamard(low_rank=True), n=2),
        e.ForwardGradient(d.Sphere(), combine="project"), e.ForwardGradient(signs, baseline=near),
        e.ForwardGradient(signs, shrink=True), e.ForwardGradient(d.Gaussian(), shrink=True),
        e.ForwardGradient(d.Along(near)), e.ForwardGradient(d.Scaled(signs, size)),
        e.ForwardGradient(d.Scaled(d.Along(near), size)),
        e.Dodge([e.Oracle(), e.ForwardGradient(d.Along(near))]), e.SPSA(0.1), e.SPSA(0.1, n=2), e.MeZO(0.1),
        e.FiniteDifference(0.1), e.ForwardJacobian(), e.Backprop(),
    ]  # fmt: skip
    for estimator in every:
        found = exact_moments(lambda rng, one=estimator: one.estimate(loss, params, rng=rng).gradient)
        claims = [
            np.concatenate([np.ravel(v) for v in claim.values()])
            for claim in (estimator.expectation(g, loss, params), estimator.variance(g, loss, params))
        ]
        yield (
            f"`{estimator!r}`".replace("directions=", ""), f"{found.outcomes:,}", deviation(found.mean, claims[0]),
            numbers(claims[1]), numbers(found.variance), deviation(found.variance, claims[1]),
        )  # fmt: skip


def online():
    """The gradient after three steps of a small recurrent network, against RTRL's."""
    import dualgrad.online as of
    from tests.support.mutations import streamed

    exact = streamed(of.RTRL()).mean
    for estimator in (
        of.RTRL(), of.BPTT(), of.NoBackTrack(), of.NoBackTrack(2), of.NoBackTrack(2, split=True),
        of.NoBackTrack(rescale=False), of.NoBackTrack(noise="gaussian"), of.UORO(), of.KroneckerRTRL(),
    ):  # fmt: skip
        found = streamed(estimator)
        yield f"`{estimator!r}`", found.outcomes, deviation(found.mean, exact), f"{found.variance.sum():.4f}"


def evolution():
    """The gradient summed over an episode of two windows, whose losses are linear: theory in `unrolls`."""
    import dualgrad.online as of
    from dualgrad import testing
    from tests.support.unrolls import coefficients, episode, history, one_perturbation, perturbation_a_window

    g = coefficients(2, 2)
    own, others = (g * part[:, :, None] for part in (np.eye(2), 1 - np.eye(2)))
    whole = g.sum((0, 1))
    for estimator, mean, variance in (
        (of.EvolutionStrategies(2, 0.5), whole, one_perturbation(g)),
        (of.EvolutionStrategies(4, 0.5), whole, one_perturbation(g) / 2),
        (of.TruncatedES(2, 0.5, 1), own.sum((0, 1)), sum(one_perturbation(own[t : t + 1]) for t in range(2))),
        (of.PersistentES(2, 0.5, 1), whole, perturbation_a_window(g)),
        (of.PersistentES(2, 0.5, 1, analytic=True), whole, perturbation_a_window(others)),
        (of.NoiseReuseES(2, 0.5, 1), whole, one_perturbation(g)),
    ):
        found = testing.exact_moments(
            lambda rng, e=estimator: episode(e, history(2, 2), np.ones(2), list(enumerate(g)), rng)
        )
        total = found.variance.sum()
        yield (
            f"`{estimator!r}`", f"{found.outcomes:,}", deviation(found.mean, mean), f"{variance:.4f}", f"{total:.4f}",
            deviation(total, variance),
        )  # fmt: skip


def errata():
    """What the papers print, what is right, and what enumeration finds."""
    from tests.support.errata import errata as entries

    for e in entries():
        d = deviation(e.exact, e.right)
        yield e.number or "–", e.where, e.about, numbers(e.printed), numbers(e.right), numbers(e.exact), d


def not_shown():
    """The errata that enumeration cannot decide."""
    from tests.support.errata import NOT_SHOWN

    yield from NOT_SHOWN.items()


def mutations():
    """How many planted faults of each kind are caught, and how many of their correct twins."""
    from tests.support.mutations import MUTATIONS, caught

    planted, found, twins = Counter(), Counter(), Counter()
    for m in MUTATIONS:
        planted[m.kind] += 1
        found[m.kind] += caught(m, wrong=True)
        twins[m.kind] += caught(m, wrong=False)
    if found != planted or any(twins.values()):
        raise SystemExit(f"escaped: {planted - found}; correct ones accused: {+twins}")
    for kind, count in planted.items():
        yield kind, count, found[kind], twins[kind]
    score = sum(planted.values()), sum(found.values()), sum(twins.values())
    print("mutation score: {1} of {0} planted faults caught, {2} of {0} correct twins accused".format(*score))
    yield "**all**", *score


def render():
    """The page."""
    return (
        "\n\n".join(
            [
                HEAD.rstrip(),
                "## Directions",
                "Five parameters, a 2 x 2 matrix and a vector of one: the claim is E v = 0, E v vᵀ = 1, E v_k⁴ = κ.",
                table(
                    ["direction", "outcomes:", "E v off by:", "E v vᵀ off by:", "κ claimed:", "exact:", "off by:"],
                    directions(),
                ),
                "## Estimators",
                "The gradient of a mean squared error in three parameters. The mean claimed is that gradient, "
                "or what a biased estimator states; variances are claimed entry by entry.",
                table(
                    ["estimator", "outcomes:", "mean off by:", "variance claimed", "exact", "off by:"],
                    estimators(),
                ),
                "## Online estimators",
                "The gradient of the third step of a recurrent network of two units: the claim is RTRL's.",
                table(["estimator", "outcomes:", "mean off by:", "variance:"], online()),
                "## Evolution strategies",
                "The gradient of an episode of two windows, whose losses are linear in two parameters. The mean "
                "claimed is that gradient, of `TruncatedES` what the windows owe to themselves; the variance is the "
                "sum over parameters.",
                table(
                    ["estimator", "outcomes:", "mean off by:", "variance claimed:", "exact:", "off by:"], evolution()
                ),
                "## Errata of the papers",
                "Where a formula in print and enumeration differ; numbers count our list of 22.",
                table(["no.:", "where", "about", "printed", "right", "exact", "off by:"], errata()),
                "The others are no moments:",
                table(["no.:", "why it is not shown this way"], not_shown()),
                "## Planted faults",
                "Each fault has a correct twin. The kit must catch the one and pass the other.",
                table(["kind", "planted:", "caught:", "twins accused:"], mutations()),
            ]
        )
        + "\n"
    )


def main():
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the page is out of date; write nothing")
    check = parser.parse_args().check
    text = render()
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        print(f"wrote {PAGE.relative_to(HERE.parent)}")
        return 0
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if ROUNDING.sub("", before) != ROUNDING.sub("", text):
        print("docs/verification.md is out of date: run `make verification`", file=sys.stderr)
        return 1
    print("docs/verification.md is up to date")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    sys.exit(main())
