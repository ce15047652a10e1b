"""Exercises of lesson 7, layers and their rules: push and pull through a linear layer, a loss, a layer as a class."""

import numpy as np

from ..nn.layer import Layer
from ..testing import check_vjp
from .exercise import Exercise, one_from, tables, whole

# ---------------------------------------------------------------------- 7.1 and 7.2: y = x W + b


def _layer_inputs(st, b, n, m):
    return tables(st, b, n), tables(st, n, m), tables(st, m)


def _tangents(st, b, n, m, *lead):
    return tables(st, *lead, b, n), tables(st, *lead, n, m), tables(st, *lead, m)


def _linear_push(x, W, b, dx, dW, db):
    return x @ W + b, dx @ W + x @ dW + (db[..., None, :] if db.ndim > 1 else db)


def _value(x, W, b):
    return x @ W + b


SIZES = ((1, 2, 1), (3, 2, 2), (2, 3, 1))

PUSH = Exercise(
    number="7.1",
    title="Push through a linear layer",
    task="Write linear_jvp(x, W, b, dx, dW, db): y = x W + b and its tangent; tangents may have K directions in front.",
    call="linear_jvp(x, W, b, dx, dW, db)",
    first=(
        (np.array([[2.0, 3.0]]), np.array([[5.0], [7.0]]), np.array([1.0]),
         np.zeros((1, 2)), np.array([[1.0], [0.0]]), np.zeros(1)),
        (np.array([[2.0, 3.0]]), np.array([[5.0], [7.0]]), np.array([1.0]),
         np.array([[1.0, 0.0]]), np.zeros((2, 1)), np.array([10.0])),
    ),
    inputs=lambda st: [
            st.tuples(*_layer_inputs(st, *size), *_tangents(st, *size, *lead))
            for size in SIZES
            for lead in ((), (2,), (4,))
        ],
    expected=_linear_push,
    mistakes={
        "Only the movement of x is in the tangent: W and b may move, too.": (
            lambda x, W, b, dx, dW, db: (_value(x, W, b), dx @ W + 0 * (x @ dW))
        ),
        "Only the movement of W and b is in the tangent: x may move, too.": (
            lambda x, W, b, dx, dW, db: (_value(x, W, b), _linear_push(x, W, b, 0 * dx, dW, db)[1])
        ),
        "The tangents are multiplied with each other; in a product each factor moves while the other stands.": (
            lambda x, W, b, dx, dW, db: (_value(x, W, b), _linear_push(x, W, b, 0 * dx, 0 * dW, db)[1] + dx @ dW),
            lambda x, W, b, dx, dW, db: (_value(x, W, b), dx @ dW + db),
        ),
        "The tangent has b itself in it. If nothing moves, the tangent must be zero.": (
            lambda x, W, b, dx, dW, db: (_value(x, W, b), dx @ W + x @ dW + b)
        ),
        "b's movement is missing in the tangent.": (
            lambda x, W, b, dx, dW, db: (_value(x, W, b), dx @ W + x @ dW)
        ),
        "With K directions db is (K, m), and it is to be added to every example of its direction: give it an axis.": (
            lambda x, W, b, dx, dW, db: (_value(x, W, b), dx @ W + x @ dW + db)
        ),
        "The tangent is right, and the value lacks b.": (
            lambda x, W, b, dx, dW, db: (x @ W, _linear_push(x, W, b, dx, dW, db)[1])
        ),
    },
    facets={
        "there are K directions": lambda x, W, b, dx, dW, db: np.ndim(db) > 1,
        "there is more than one example": lambda x, W, b, dx, dW, db: len(x) > 1,
    },
)  # fmt: skip


def _pulled(x, W, b, dy):
    return dy @ W.T, x.T @ dy, dy.sum(0)


PULL = Exercise(
    number="7.2",
    title="Pull back through a linear layer",
    task="Write linear_vjp(x, W, b, dy): what dy, a weighting of y = x W + b, gives back to x, to W and to b.",
    call="linear_vjp(x, W, b, dy)",
    first=((np.array([[2.0, 3.0]]), np.array([[5.0], [7.0]]), np.array([1.0]), np.array([[1.0]])),),
    inputs=lambda st: [st.tuples(*_layer_inputs(st, b, n, m), tables(st, b, m)) for b, n, m in (*SIZES, (3, 2, 4))],
    expected=_pulled,
    mistakes={
        "x's part goes through W the other way round: transpose it.": (
            lambda x, W, b, dy: (dy @ W, x.T @ dy, dy.sum(0))
        ),
        "b is added to every example, so every example gives something back: sum over them.": (
            lambda x, W, b, dy: (dy @ W.T, x.T @ dy, dy)
        ),
        "b's part is a sum over examples, not a mean: the loss, if it is a mean, has put its 1/B into dy.": (
            lambda x, W, b, dy: (dy @ W.T, x.T @ dy, dy.mean(0))
        ),
        "W's part is a sum over examples, not a mean.": (lambda x, W, b, dy: (dy @ W.T, x.T @ dy / len(x), dy.sum(0))),
        "W's part comes transposed: it must have the shape of W.": (
            lambda x, W, b, dy: (dy @ W.T, dy.T @ x, dy.sum(0))
        ),
        "b's part is a sum over examples; yours sums over the outputs.": (
            lambda x, W, b, dy: (dy @ W.T, x.T @ dy, dy.sum(1))
        ),
        "The three are right, and in another order: x, W, b.": (lambda x, W, b, dy: (x.T @ dy, dy.sum(0), dy @ W.T)),
    },
    facets={"there is more than one example": lambda x, W, b, dy: len(x) > 1},
)

# ---------------------------------------------------------------------- 7.3: a loss


def _softmax(z, axis=-1):
    e = np.exp(z - z.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _one_hot(z, c):
    return np.eye(z.shape[1])[c]


LOSS = Exercise(
    number="7.3",
    title="The pullback of a loss",
    task="Write cross_entropy_vjp(z, c): the derivative of the mean cross-entropy of logits z, with classes c, by z.",
    call="cross_entropy_vjp(z, c)",
    first=((np.array([[0.0, 0.0]]), np.array([0])), (np.array([[1000.0, 0.0], [0.0, 0.0]]), np.array([1, 0]))),
    inputs=lambda st: [
        st.tuples(st.tuples(tables(st, b, m), one_from(st, (1.0, 300.0))).map(lambda p: p[0] * p[1]),
                  whole(st, 100).map(lambda seed, b=b, m=m: np.random.default_rng(seed).integers(0, m, b)))
        for b, m in ((1, 2), (3, 3), (4, 2))
    ],
    expected=lambda z, c: (_softmax(z) - _one_hot(z, c)) / len(z),
    mistakes={
        "The loss is a mean over examples: where is the 1/B?": lambda z, c: _softmax(z) - _one_hot(z, c),
        "The sign is turned: if the logit of the right class grows, the loss falls.": (
            lambda z, c: (_one_hot(z, c) - _softmax(z)) / len(z)
        ),
        "Right for small logits. exp(1000) is infinite: subtract the largest logit of a row before you take exp.": (
            lambda z, c: (np.exp(z) / np.exp(z).sum(1, keepdims=True) - _one_hot(z, c)) / len(z)
        ),
        "Those are the probabilities; the right class's has something subtracted.": (
            lambda z, c: _softmax(z) / len(z),
            lambda z, c: _softmax(z),
        ),
        "The softmax of a row sums to 1; yours is taken over the examples, or over all there is.": (
            lambda z, c: (_softmax(z, 0) - _one_hot(z, c)) / len(z),
            lambda z, c: (_softmax(z, None) - _one_hot(z, c)) / len(z),
        ),
        "z[:, c] are whole columns; of example i you want the entry c[i] alone.": (
            lambda z, c: (_softmax(z) - np.isin(np.arange(z.shape[1]), c)) / len(z)
        ),
        "That is the loss. Asked is its derivative by z, an array like z.": (
            lambda z, c: -np.mean(np.log(_softmax(z)[np.arange(len(z)), c]))
        ),
        "Divided by the number of classes, where the mean is over examples.": (
            lambda z, c: (_softmax(z) - _one_hot(z, c)) / z.shape[1]
        ),
        "Only the right class's logit has a slope in yours; the others have one, too, through the sum below.": (
            lambda z, c: (_softmax(z) - 1) * _one_hot(z, c) / len(z)
        ),
    },
    facets={
        "there is more than one example": lambda z, c: len(z) > 1,
        "logits are large": lambda z, c: np.abs(z).max() > 100,
    },
)  # fmt: skip

# ---------------------------------------------------------------------- 7.4: a layer as a class


def _rules_at_work(layer_class, s, t, x, ds, dt, dx, dy):
    """The three rules at work, and what `check_vjp` says of them."""
    layer, p = layer_class(len(s)), {"scale": s, "shift": t}
    tangent = layer.jvp(p, x, {"scale": ds, "shift": dt}, dx)[1]
    dp, back = layer.vjp(p, x)[1](dy)
    report = check_vjp(layer, p, x, raises=False)
    verdict = report.failures[0].name if report.failures else "check_vjp passes"
    return layer.forward(p, x), tangent, dp["scale"], dp["shift"], back, verdict


def _right(s, t, x, ds, dt, dx, dy):
    rows = tuple(range(x.ndim - 1))
    return s * x + t, ds * x + s * dx + dt, np.sum(x * dy, rows), np.sum(dy, rows), s * dy, "check_vjp passes"


def _scale_layer(both=lambda y, second: (y, second), forward=lambda s, t, x: s * x + t,
           jvp=lambda s, x, ds, dt, dx: ds * x + s * dx + dt,
           vjp=lambda s, x, dy, over: (over(x * dy), over(dy), s * dy)):  # fmt: skip
    """The class, with a rule or two of another kind."""

    class Scale(Layer):
        def __init__(self, n):
            self.n = n

        def shapes(self):
            return {"scale": (self.n,), "shift": (self.n,)}

        def forward(self, p, x):
            return forward(p["scale"], p["shift"], x)

        def jvp(self, p, x, dp, dx):
            return both(self.forward(p, x), jvp(p["scale"], x, dp["scale"], dp["shift"], dx))

        def vjp(self, p, x):
            def pull(dy):
                scale, shift, back = vjp(p["scale"], x, dy, lambda a: np.sum(a, tuple(range(x.ndim - 1))))
                return {"scale": scale, "shift": shift}, back

            return both(self.forward(p, x), pull)

    return Scale


SCALE = Exercise(
    number="7.4",
    title="A layer with its three rules",
    task="Write the layer Scale(n), y = s x + t for n features, with forward, jvp and vjp, of scale and shift.",
    call="Scale(n)",
    shown="scale, shift, x, d scale, d shift, dx, dy",
    wants="class",
    run=_rules_at_work,
    inputs=lambda st: [
        st.tuples(*(tables(st, n) for _ in "st"), tables(st, *rows, n), *(tables(st, n) for _ in "st"),
                  *(tables(st, *rows, n) for _ in "xy"))
        for rows, n in (((1,), 1), ((2,), 3), ((2, 2), 2))
    ],
    draws=6,
    expected=_right,
    mistakes={
        "jvp: x may move, too; the term with dx is missing.": _scale_layer(jvp=lambda s, x, ds, dt, dx: ds * x + dt),
        "jvp: the term in which the scale moves is missing its x.": (
            _scale_layer(jvp=lambda s, x, ds, dt, dx: ds + s * dx + dt)
        ),
        "jvp: the shift is in the tangent itself; it is the shift's movement that belongs there.": (
            _scale_layer(jvp=lambda s, x, ds, dt, dx: ds * x + s * dx)
        ),
        "vjp: the scale serves every row, so every row gives something back: sum over all axes but the last.": (
            _scale_layer(vjp=lambda s, x, dy, over: (x * dy, dy, s * dy))
        ),
        "vjp: the scale serves every row, of whatever axes: sum over all but the last, not over the first alone.": (
            _scale_layer(vjp=lambda s, x, dy, over: (np.sum(x * dy, 0), np.sum(dy, 0), s * dy))
        ),
        "vjp: every feature has a scale and a shift of its own; yours sums over the features, too.": (
            _scale_layer(vjp=lambda s, x, dy, over: (np.sum(x * dy), np.sum(dy), s * dy))
        ),
        "jvp returns two things, the value and the tangent; and vjp the value and the function that pulls back.": (
            _scale_layer(both=lambda y, second: second)
        ),
        "vjp: the scale's part lacks x.": _scale_layer(vjp=lambda s, x, dy, over: (over(dy), over(dy), s * dy)),
        "vjp: what goes on to x has passed the scale.": (
            _scale_layer(vjp=lambda s, x, dy, over: (over(x * dy), over(dy), dy))
        ),
        "forward lacks the shift.": (
            _scale_layer(forward=lambda s, t, x: s * x, jvp=lambda s, x, ds, dt, dx: ds * x + s * dx,
                   vjp=lambda s, x, dy, over: (over(x * dy), 0 * over(dy), s * dy))
        ),
    },
    facets={
        "x has more than one row": lambda s, t, x, *more: x.size > len(s),
        "x has more than two axes": lambda s, t, x, *more: x.ndim > 2,
    },
)  # fmt: skip

LESSON_7 = (PUSH, PULL, LOSS, SCALE)
