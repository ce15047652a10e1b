"""Small things that teach: a forgotten return, names of other libraries, keywords, and what things say they are."""

import copy
import functools
import inspect

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.hints import KEYWORDS, NAMES

X = np.array([0.5, 1.5])
ENTRY = {"w": np.ones(2), "b": 2.0}

# ---------------------------------------------------------------------- a function that returns None


def forgets(x):
    np.sum(x["w"] if isinstance(x, dict) else x * x)


CALLS = {
    "jvp": lambda f: dg.jvp(f, (X,), (X,)),
    "jvp, K": lambda f: dg.jvp(f, (X,), (np.eye(2),)),
    "jvp, a tree": lambda f: dg.jvp(f, (ENTRY,), (ENTRY,)),
    "jvp, aux": lambda f: dg.jvp(lambda x: (f(x), "extra"), (X,), (X,), has_aux=True),
    "derivative": lambda f: dg.derivative(f)(1.0),
    "derivative twice": lambda f: dg.derivative(dg.derivative(f))(1.0),
    "grad": lambda f: dg.grad(f)(X),
    "grad, no leaves": lambda f: dg.grad(lambda x: f(1.0))({}),
    "value_and_grad": lambda f: dg.value_and_grad(f)(X),
    "jacfwd": lambda f: dg.jacfwd(f)(X),
    "jacfwd, no leaves": lambda f: dg.jacfwd(lambda x: f(1.0))({}),
    "jacfwd, no entries": lambda f: dg.jacfwd(f)(np.zeros(0)),
    "jacfwd, complex": lambda f: dg.jacfwd(f)(X + 0j),
    "jacfwd, sparse": lambda f: dg.jacfwd(f, sparsity=np.eye(2, dtype=bool))(X),
    "hessian": lambda f: dg.hessian(f)(X),
    "hvp": lambda f: dg.hvp(f, X, X),
    "taylor": lambda f: dg.taylor(f, X, X),
    "taylor, order 0": lambda f: dg.taylor(f, X, X, 0),
    "trace": lambda f: dg.trace(f, (X,), (X,)),
    "check_jvp": lambda f: dg.testing.check_jvp(f, (X,)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("f", [forgets, lambda x: None], ids=["forgotten", "a constant None"])
def test_none_is_a_forgotten_return(call, f):
    with pytest.raises(TypeError, match=r"the function returned None: did you forget return\?"):
        call(f)


def test_none_inside_a_result_stays_a_tree_without_leaves():
    y, dy = dg.jvp(lambda x: {"y": x * x, "nothing": None}, (3.0,), (1.0,))
    assert (y, dy) == ({"y": 9.0, "nothing": None}, {"y": 6.0, "nothing": None})
    assert dg.jacfwd(lambda x: [None, x])(3.0) == [None, 1.0]
    assert dg.taylor(lambda x: (None, x), 3.0, 1.0, 1) == [(None, 3.0), (None, 1.0)]
    assert dg.jvp(lambda x: (x, None), (3.0,), (1.0,), has_aux=True) == (3.0, 1.0, None)
    assert dg.jvp(lambda x: {}, (3.0,), (1.0,)) == ({}, {})


# ---------------------------------------------------------------------- names and keywords from elsewhere


@pytest.mark.parametrize("name", NAMES)
def test_names_of_other_libraries_are_answered_in_one_line(name):
    vars(dg).pop(name, None)  # dualgrad.scipy, where another test has imported it
    with pytest.raises(AttributeError, match=f"^module 'dualgrad' has no attribute '{name}': ") as caught:
        getattr(dg, name)
    assert "\n" not in str(caught.value)
    for used in [word for word in str(caught.value).replace("(", " ").replace(")", " ").split() if word[:3] == "dg."]:
        thing = dg
        for part in used.rstrip(",.;:").split("[")[0].removeprefix("dg.").removesuffix("'s").split("."):
            thing = getattr(thing, part)  # what a hint names is there


def test_other_names_get_the_usual_error():
    with pytest.raises(AttributeError, match=r"^module 'dualgrad' has no attribute 'gradient'$"):
        _ = dg.gradient
    with pytest.raises(ImportError, match="cannot import name 'vjp' from 'dualgrad'"):
        from dualgrad import vjp  # noqa: F401
    assert not hasattr(dg, "__path_of_nothing__")


def test_dir_lists_the_public_names_alone():
    assert dir(dg) == sorted({*dg.__all__, "__version__"})
    assert all(hasattr(dg, name) for name in dir(dg))


@pytest.mark.parametrize("keyword", KEYWORDS)
@pytest.mark.parametrize("transform", [dg.grad, dg.value_and_grad, dg.jacfwd, dg.hessian], ids=lambda t: t.__name__)
def test_keywords_of_other_libraries_are_answered_in_one_line(transform, keyword):
    with pytest.raises(TypeError, match=f"^dg.{transform.__name__} has no keyword '{keyword}': [^\n]*$"):
        transform(np.sum, **{keyword: 0})
    assert "argnum" in inspect.signature(transform).parameters
    with pytest.raises(TypeError, match="unexpected keyword argument 'unheard_of'"):
        transform(np.sum, unheard_of=0)


@pytest.mark.parametrize("argnum", [(0, 1), [0], -1, 2, "x", None, 0.0])
def test_argnum_is_one_place(argnum):
    with pytest.raises(ValueError, match=r"got argnum=.* and 2 positional arguments; expected one place among them"):
        dg.grad(lambda x, y: x * y, argnum=argnum)(1.0, 2.0)


# ---------------------------------------------------------------------- keywords are constants

OF_ONE = {
    "derivative": dg.derivative,
    "grad": dg.grad,
    "jacfwd": dg.jacfwd,
    "value_and_grad": lambda f: lambda *args, **kw: dg.value_and_grad(f)(*args, **kw)[1],
    "derivative of derivative": lambda f: dg.derivative(dg.derivative(f)),
    "hessian": dg.hessian,
    "jacfwd of grad": lambda f: dg.jacfwd(dg.grad(f)),
}


@pytest.mark.parametrize("transform", OF_ONE.values(), ids=OF_ONE)
def test_keywords_of_the_result_reach_the_function_as_constants(transform):
    f = lambda x, *, power=1, shift=0.0: (x + shift) ** power  # noqa: E731
    fixed = functools.partial(f, power=3, shift=0.5)
    assert transform(f)(2.0, power=3, shift=0.5) == transform(fixed)(2.0)
    # a constant of this derivative may move in the next one out
    outer = dg.derivative(lambda s: transform(f)(2.0, power=3, shift=s))(0.5)
    np.testing.assert_allclose(outer, transform(dg.derivative(fixed))(2.0), rtol=1e-14)


def test_keywords_beside_positions_and_sparsity():
    f = lambda a, x, *, b=1.0: np.sum(a * x**2) * b  # noqa: E731
    np.testing.assert_array_equal(dg.grad(f, argnum=1)(3.0, X, b=2.0), 12 * X)
    g = lambda x, *, b=1.0: b * x**2  # noqa: E731
    sparse = dg.jacfwd(g, sparsity=np.eye(2, dtype=bool))
    np.testing.assert_array_equal(sparse(X, b=2.0), np.diag(4 * X))


@pytest.mark.parametrize("transform", OF_ONE.values(), ids=OF_ONE)
def test_the_differentiated_argument_goes_by_position(transform):
    f = lambda x, power=2: x**power  # noqa: E731
    with pytest.raises(TypeError, match=r"got 0 positional arguments and the keywords power, x; .* by position"):
        transform(f)(x=2.0, power=3)
    with pytest.raises(TypeError, match="multiple values"):
        transform(f)(2.0, x=2.0)


def test_an_objective_without_a_batch_says_so():
    objective = dg.nn.Objective(dg.nn.Linear(2, 1), dg.nn.mse)
    params = objective.model.init(rng=0)
    for call in (lambda: objective(params), lambda: dg.grad(objective)(params), lambda: objective(params, X, X)):
        with pytest.raises(TypeError, match=r"has no batch yet: objective.bind\(x, y\) gives the function of params"):
            call()


# ---------------------------------------------------------------------- what things say they are


def square(x):
    return x * x


@dg.custom_jvp
def ruled(x):
    return x


ruled.defjvp(lambda primals, tangents: (primals[0], tangents[0]))


@dg.custom_jvp
def unruled(x):
    return x


class Scale(dg.nn.Layer):
    def __init__(self, size, *, bias=False, table=None):
        self.size, self.bias, self.table, self._hidden = size, bias, table, 3

    def forward(self, p, x):
        return x


class Bare(dg.nn.Layer):
    def forward(self, p, x):
        return x


class Inside(Scale):
    def __init__(self):
        super().__init__(3)
        self.first = dg.nn.Linear(2, 3)


class Call:
    def __call__(self, x):
        return x

    def __repr__(self):
        return "Call()"


nn = dg.nn
LAYERS = [
    nn.Linear(2, 1), nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.GlobalAvgPool2d(), nn.Reshape(2, -1), nn.Flatten(),
    nn.ReLU(), nn.Identity(), nn.Softmax(), nn.LogSoftmax(), nn.GELU(), nn.LayerNorm(3), nn.GroupNorm(2, 4),
    nn.BatchNorm(3), nn.Dropout(0.5), nn.Embedding(4, 2), nn.Bilinear(1, 2, 3), nn.MultiHeadAttention(4, 2),
    nn.LSTM(2, 3), nn.networks.lstm_copy(6, 4, 3), nn.Sequential(nn.ReLU()), nn.Residual(nn.ReLU()),
]  # fmt: skip
MODEL = dg.nn.Linear(2, 1)
SAYS = [
    (lambda: dg.grad(np.sum), "grad(sum)"),
    (lambda: dg.derivative(np.sin), "derivative(sin)"),
    (lambda: dg.derivative(dg.derivative(square)), "derivative(derivative(square))"),
    (lambda: dg.jacfwd(np.cumsum), "jacfwd(cumsum)"),
    (lambda: dg.hessian(np.prod), "hessian(prod)"),
    (lambda: dg.value_and_grad(square), "value_and_grad(square)"),
    (lambda: dg.grad(eval("lambda x: x")), "grad(<lambda>)"),
    (lambda: dg.grad(functools.partial(pow, 2.0)), "grad(functools.partial(<built-in function pow>, 2.0))"),
    (lambda: dg.grad(Call()), "grad(Call())"),
    (lambda: dg.grad(ruled), "grad(ruled)"),
]


@pytest.mark.parametrize(("make", "says"), SAYS, ids=[says for _, says in SAYS])
def test_results_of_transforms_say_what_they_are(make, says):
    assert repr(make()).startswith(f"<function {says} at ")


@pytest.mark.parametrize("transform", [dg.derivative, dg.grad, dg.value_and_grad, dg.jacfwd, dg.hessian])
def test_a_value_in_place_of_a_function(transform):
    with pytest.raises(TypeError, match=rf"got a float64; expected a function: dg.{transform.__name__}\(f\)\(x\)"):
        transform(np.sum(X))


REPRS = [
    (lambda: dg.Rng(3), "Rng(PCG64)"),
    (lambda: dg.Rng(np.random.Generator(np.random.Philox(1))), "Rng(Philox)"),
    (lambda: dg.nn.Objective(MODEL, dg.nn.mse), "Objective(Linear(2, 1), nn.mse)"),
    (lambda: dg.nn.Objective(MODEL, square), "Objective(Linear(2, 1), square)"),
    (
        lambda: dg.nn.Objective(MODEL, dg.nn.mse).bind(np.zeros((5, 2)), np.zeros((5, 1), np.float32)),
        "Objective(Linear(2, 1), nn.mse).bind(float64[5, 2], float32[5, 1])",
    ),
    (
        lambda: dg.nn.Objective(Bare(), np.dot).bind({"a": np.zeros(2)}, 3, train=True, rng=0),
        "Objective(Bare(), dot).bind(dict, int, train, rng)",
    ),
    (lambda: ruled, "custom_jvp(ruled)"),
    (lambda: unruled, "custom_jvp(unruled), without a rule yet"),
    (lambda: Bare(), "Bare()"),
    (lambda: Scale(3), "Scale(size=3, bias=False, table=None)"),
    (lambda: Scale((2, 3), table=np.ones((4, 2), np.float32)), "Scale(size=(2, 3), bias=False, table=float32[4, 2])"),
    (lambda: Inside(), "Inside(size=3, bias=False, table=None, first=Linear(2, 3))"),
]


@pytest.mark.parametrize(("make", "says"), REPRS, ids=[says for _, says in REPRS])
def test_objects_say_what_they_are(make, says):
    assert repr(make()) == says


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_subclass_of_a_layer_says_its_own_name(layer):
    expected = repr(layer).replace(type(layer).__name__, "Mine", 1)
    mine = copy.copy(layer)
    mine.__class__ = type("Mine", (type(layer),), {})
    assert repr(mine) == expected
    assert expected.startswith("Mine(")


def test_no_public_object_shows_its_address():
    layers = [dg.nn.LSTM(2, 3), dg.nn.Dropout(0.5), dg.nn.Sequential(Scale(2), dg.nn.ReLU()), dg.nn.LayerNorm(3)]
    losses = [dg.nn.mse, dg.nn.cross_entropy.using(label_smoothing=0.1)]
    for thing in (
        *layers,
        *losses,
        dg.ZERO,
        dg.Rng(0),
        dg.optim.SGD(0.1),
        dg.estimators.ForwardGradient(dg.directions.Gaussian()),
    ):
        assert " at 0x" not in repr(thing)
