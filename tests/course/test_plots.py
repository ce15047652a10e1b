"""Pictures show what they say: their lines, dots and boxes hold the library's numbers, of functions of one's own."""

import re
import sys

import numpy as np
import pytest

import dualgrad as dg

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

from dualgrad.course import plots  # noqa: E402
from dualgrad.course.notebook import pictures  # noqa: E402
from dualgrad.course.plots import theme  # noqa: E402
from tests.support.pictures import PAPERS, contrast, faults  # noqa: E402

SIGNS = dg.estimators.ForwardGradient(dg.directions.Rademacher())
LEAK = dg.online.System(
    lambda s, x, w: 0.9 * s + w, lambda s, y, w: np.sum(s * s, axis=-1), np.zeros(1), batched=True
)  # fmt: skip


@pytest.fixture(autouse=True)
def closed():
    """No figure is left open."""
    yield
    plt.close("all")


def square(z):
    """The square of a complex number."""
    return np.array([z[0] ** 2 - z[1] ** 2, 2 * z[0] * z[1]])


@pytest.mark.parametrize("v", [1.0, -0.5, 0.0])
def test_the_line_has_the_slope_of_the_function(v):
    ax = plots.tangent(np.sin, 0.7, v, span=(-1, 2))
    curve = ax.lines[0].get_xydata()
    np.testing.assert_allclose(curve[:, 1], np.sin(curve[:, 0]))
    if not v:
        assert len(ax.lines) == 2  # nothing moves
        return
    (x0, y0), (x1, y1) = ax.lines[1].get_xydata()
    np.testing.assert_allclose((y1 - y0) / (x1 - x0), np.cos(0.7))
    x, y, dy = 0.7, np.sin(0.7), v * np.cos(0.7)
    np.testing.assert_allclose(ax.lines[2].get_xydata(), [[x, y], [x + v, y], [x + v, y + dy]])


def test_a_pole_has_a_curve_and_no_arrow():
    with np.errstate(all="ignore"):
        ax = plots.tangent(lambda x: np.sqrt(x), 0.0, span=(-1, 1))
    assert len(ax.lines) == 2
    assert not ax.texts


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_the_grid_is_where_the_map_takes_it(t):
    ax = plots.pushed_grid(square, (0.5, 0.25), t=t, lines=3)
    before = plots.pushed_grid(square, (0.5, 0.25), t=0.0, lines=3)
    for line, old in zip(ax.lines, before.lines, strict=True):
        x, y = old.get_xydata().T
        np.testing.assert_allclose(line.get_xydata().T, (1 - t) * np.array([x, y]) + t * square(np.array([x, y])))
    J = (1 - t) * np.eye(2) + t * dg.jacfwd(square)(np.array([0.5, 0.25]))
    for k, arrow in enumerate(ax.texts):
        np.testing.assert_allclose(np.subtract(arrow.xyann, arrow.xy), -J[:, k] / 2)


def test_the_directions_end_on_the_ellipse():
    figure = plots.ellipse(square, [1.0, 0.5], K=8)
    J = dg.jacfwd(square)(np.array([1.0, 0.5]))
    for arrow, angle in zip(figure.axes[1].texts, 2 * np.pi * np.arange(8) / 8, strict=True):
        tip = np.subtract(arrow.xy, square(np.array([1.0, 0.5])))
        np.testing.assert_allclose(tip, J @ [np.cos(angle), np.sin(angle)], atol=1e-12)
    axes = [line.get_xydata() for line in figure.axes[1].lines[2:]]
    np.testing.assert_allclose(
        [np.linalg.norm(a[1] - a[0]) / 2 for a in axes], np.linalg.svd(J, compute_uv=False), rtol=1e-12
    )


@pytest.mark.parametrize(("order", "derivatives"), [(1, [0, 1]), (2, [0, 1, 1, 2]), (3, [0, 1, 1, 2, 1, 2, 2, 3])])
def test_boxes_hold_the_derivatives(order, derivatives):
    ax = plots.nesting(np.exp, 1.0, order)
    found = [text.get_text() for text in ax.texts if "=" in text.get_text()]
    assert found == [f"f{'′' * k if k < 2 else '″‴'[k - 2]} = 2.718" for k in derivatives]
    assert sum(text.get_text().startswith("level") for text in ax.texts) == 2**order - 1


def test_more_boxes_than_can_be_read_are_refused():
    with pytest.raises(ValueError, match=r"got order=4; expected 1, 2 or 3"):
        plots.nesting(np.exp, 1.0, 4)


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("kind", [dg.directions.Gaussian(), dg.directions.LowRank(), dg.directions.Rademacher()])
def test_the_cloud_has_the_mean_and_the_variance_of_the_estimator(kind, n):
    w = {"W": np.zeros((2, 3)), "b": np.zeros(2)}

    def loss(p):
        return np.sum(np.sin(p["W"])) + 2 * np.sum(p["b"])

    estimator = dg.estimators.ForwardGradient(kind, n=n)
    ax = plots.cloud(loss, w, estimator, samples=2000, entries=(0, 7), rng=1)
    dots = ax.lines[0].get_xydata()
    g, variance = np.array([1.0, 2.0]), estimator.variance(dg.grad(loss)(w))
    variance = np.array([variance["W"][0, 0], variance["b"][1]])
    np.testing.assert_allclose(dots.mean(0), g, atol=5 * np.sqrt(variance.max() / 2000))
    np.testing.assert_allclose(dots.var(0), variance, rtol=0.3)
    arms = [np.ptp(ax.lines[1 + k].get_xydata()[:, k]) / 2 for k in (0, 1)]
    np.testing.assert_allclose(arms, np.sqrt(variance))


def test_along_the_gradient_every_estimate_is_ahead():
    g = dg.Rng(0).normal((5, 4))
    ax = plots.cloud(lambda w: np.sum(w * g), np.zeros((5, 4)), SIGNS, samples=3000)
    dots = ax.lines[0].get_xydata()
    assert np.all(dots[:, 0] >= 0)
    np.testing.assert_allclose(dots.mean(0), [1, 0], atol=0.15)
    assert ax.get_title() == "variance 19 ‖g‖²"


def test_a_gradient_of_one_entry_has_nothing_across_and_a_gradient_of_none_no_cloud():
    dots = plots.cloud(np.sum, np.zeros(1), SIGNS, samples=5).lines[0].get_xydata()
    np.testing.assert_allclose(dots, [[1.0, 0.0]] * 5)
    with pytest.raises(ValueError, match="the gradient at w has the length 0"):
        plots.cloud(lambda w: np.sum(w * w), np.zeros(3), SIGNS)


def test_the_same_seed_gives_the_same_picture():
    pictures = [plots.cloud(np.sum, np.zeros(4), SIGNS, samples=20, rng=rng).lines[0] for rng in (3, 3, 4)]
    one, same, other = (line.get_xydata() for line in pictures)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_descent_takes_its_steps():
    def bowl(w):
        return w[0] ** 2 + 3 * w[1] ** 2

    ax = plots.descent(bowl, [2.0, 1.0], SIGNS, lr=0.1, steps=5, rng=2)
    exact, guessed = (line.get_xydata() for line in ax.lines[:2])
    np.testing.assert_allclose(exact[1], [2.0 - 0.4, 1.0 - 0.6])
    w, rng = np.array([2.0, 1.0]), dg.Rng(2)
    for k in range(5):
        w = w - 0.1 * SIGNS.estimate(bowl, w, rng=rng).gradient
        np.testing.assert_allclose(guessed[k + 1], w)


def test_the_mean_of_products_is_the_influence_and_nothing_beside_it():
    """To within five standard errors of every entry, which the influence of one step exceeds."""
    cell = dg.online.System(lambda s, x, A: np.tanh(A @ s + x), lambda s, y, A: np.sum(s), np.zeros(3))
    A, inputs = 0.5 * dg.Rng(0).normal((3, 3)), list(dg.Rng(1).normal((5, 3)))
    figure = plots.influence_matrix(cell, A, inputs, draws=2000)
    G, one, mean = (np.array(ax.collections[0].get_array()) for ax in figure.axes[:3])

    def state(A):
        s = np.zeros(3)
        for x in inputs:
            s = np.tanh(A @ s + x)
        return s

    np.testing.assert_allclose(G, dg.jacfwd(state)(A).reshape(3, 9), rtol=1e-10)
    assert np.linalg.norm(mean - G) < 0.1 * np.linalg.norm(G) < np.linalg.norm(one - G)
    assert np.linalg.matrix_rank(one) == 1


@pytest.mark.parametrize(("kind", "together"), [(dg.online.TruncatedES, True), (dg.online.PersistentES, False)])
def test_particles_come_together_where_a_strategy_begins_anew(kind, together):
    ax = plots.particles(LEAK, np.ones(1), kind(4, 0.5, window=3), windows=3, rng=1)
    paths = [line.get_xydata() for line in ax.lines if len(line.get_xdata()) == 4]
    assert len(paths) == 12
    for k in range(1, 3):
        starts, ends = (np.array([path[at, 1] for path in paths[4 * j : 4 * j + 4]]) for at, j in ((0, k), (-1, k - 1)))
        assert (np.ptp(starts) == 0) == together
        assert np.array_equal(starts, ends) != together
    assert [line.get_label() for line in ax.lines if line.get_label()[0] != "_"] == ["θ + ε", "θ − ε"]


# ---------------------------------------------------------------------- what moves


def moving(k, gid=None):
    """A point that goes to the right, and a label with it."""
    figure, ax = theme.new_axes(size=(2, 2))
    ax.plot([k], [0], "o", gid=gid)
    ax.text(k, 0, "here")
    ax.set(xlim=(0, 10), ylim=(-1, 1))
    return figure


def test_what_differs_between_frames_moves_and_what_does_not_is_written_once():
    text = plots.animate(moving, 5, seconds=3)
    assert len(re.findall(r"<animate ", text)) == 1  # x of the mark
    assert len(re.findall(r"<animateTransform ", text)) == 1  # the place of the label
    values = re.search(r'attributeName="x"[^>]*values="([^"]*)"', text)[1].split(";")
    np.testing.assert_allclose(np.diff([float(x) for x in values]), np.diff([float(x) for x in values])[0], atol=0.02)
    assert 'dur="3s"' in text
    assert text == plots.animate(moving, 5, seconds=3)


def test_what_is_shown_from_one_frame_to_another():
    text = plots.animate(lambda k: moving(1, gid="shown-1-3"), 4)
    assert 'attributeName="visibility"' in text
    assert 'keyTimes="0;0.25;0.75" values="hidden;visible;hidden"' in re.sub(r"\s+", " ", text)


def test_a_still_that_does_not_change_has_nothing_that_moves():
    assert "<animate" not in plots.animate(lambda k: moving(1), 3)


def test_frames_of_other_parts_are_refused():
    def more(k):
        figure = moving(1)
        figure.axes[0].plot([0, 1], [0, k]) if k else None
        return figure

    with pytest.raises(ValueError, match="not of the same parts"):
        plots.animate(more, 2)
    with pytest.raises(ValueError, match="frames=1"):
        plots.animate(moving, 1)


# ---------------------------------------------------------------------- themes


@pytest.mark.parametrize("name", ["light", "dark"])
def test_colours_are_seen_on_their_paper(name):
    c = theme.COLOURS[name]
    for kind in {*theme.CYCLE, "text"}:
        assert contrast(c["paper"], c[kind]) >= {"text": 7, "line": 3}.get(kind, 4.4), kind


def test_colours_for_both_papers_are_seen_on_either():
    c = theme.COLOURS["both"]
    for kind in {*theme.CYCLE, "text"}:
        assert min(contrast(PAPERS[paper], c[kind]) for paper in PAPERS) >= (4 if kind == "text" else 3), kind


def test_the_lessons_have_the_theme_for_both_papers():
    with plt.rc_context():
        pictures()
        assert theme.colours() is theme.COLOURS["both"]
        assert {name: plt.rcParams[name] for name in theme.appearance("both")} == theme.appearance("both")
        (line,) = plots.tangent(np.sin, 0.7).lines[:1]
        assert line.get_color() == theme.COLOURS["both"]["primal"]


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda ax: ax.plot([0, 1], color="black"), "is black on dark paper"),
        (lambda ax: ax.set_title("x", color="yellow"), "is yellow on light paper"),
        (lambda ax: ax.text(0, 0, "x", fontsize=7), "has 7.0 points"),
        (lambda ax: (ax.plot([0, 1], label="y"), ax.legend(loc="center")), "a legend of '' covers"),
        (lambda ax: ax.set_title("far too long for this little picture"), "is cut"),
        (lambda ax: None, None),
    ],
)
def test_what_cannot_be_read_is_found(draw, said):
    with plots.style("both"):
        figure, ax = theme.new_axes(size=(2, 2))
        draw(ax)
        found = faults(figure, "light", "dark")
    assert [said in fault for fault in found] == [True] * (said is not None)


def test_a_theme_ends_with_its_block():
    before = plt.rcParams["text.color"]
    with plots.style("dark"):
        assert theme.colours() is theme.COLOURS["dark"]
    assert plt.rcParams["text.color"] == before
    assert theme.colours() is theme.COLOURS["light"]
    with pytest.raises(ValueError, match="got theme='blue'"):
        plots.style("blue")


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "dualgrad\[examples\]"'):
        plots.tangent(np.sin, 0.0)
    with pytest.raises(ImportError, match="need matplotlib"):
        plots.style()


SIGNS = dg.estimators.ForwardGradient(dg.directions.Rademacher())


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: plots.ellipse(np.sin, np.ones(3)), r"x has shape \(3,\); expected two numbers"),
        (lambda: plots.ellipse(np.sum, np.ones(2)), r"f\(x\) has shape \(\); expected two numbers"),
        (lambda: plots.ellipse(np.sin, np.ones(2), K=0), "got K=0; expected 1 or more"),
        (lambda: plots.pushed_grid(lambda x: [x[0]] * 3), r"f\(x\) has shape \(3,\); expected two numbers"),
        (lambda: plots.pushed_grid(np.sin, at=1.0), r"at has shape \(\); expected two numbers"),
        (lambda: plots.descent(np.sum, np.ones(3), SIGNS), r"start has shape \(3,\); expected two numbers"),
        (lambda: plots.descent(np.sum, np.ones(2), SIGNS, steps=0), "got steps=0; expected 1 or more"),
        (lambda: plots.cloud(np.sum, np.ones(2), SIGNS, samples=0), "got samples=0; expected 1 or more"),
        (lambda: plots.animate(lambda k: None, 1), "got frames=1; expected 2 or more"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw, said):
    with pytest.raises(ValueError, match=said):
        draw()


def test_lists_are_arrays_and_axes_are_of_a_figure():
    functions = (lambda z: [z[1], z[0] ** 2]), (lambda z: np.array([z[1], z[0] ** 2]))
    lists, arrays = (plots.ellipse(f, [0.5, 1.0]).axes[1].get_title() for f in functions)
    assert lists == arrays

    def frame(k):
        ax = plots.tangent(np.sin, 0.1 * k, span=(-1, 3))
        ax.set(title="", ylim=(-1, 2))
        return ax

    assert "<animate" in plots.animate(frame, 3)
