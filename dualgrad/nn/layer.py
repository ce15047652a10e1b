"""Layer: a function of parameters and an input, with its tangent rule and the transpose of that rule written out."""

import reprlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ..backend import Array
from ..checks import flag
from ..dual import LIVE, Dual, ended, lift
from ..errors import LayoutError, ShapeError
from ..inputs import as_input
from ..params import Params
from ..pushforward import jvp
from ..random import Rng, RngLike, as_rng
from ..rules.declare import aliased, nested_as
from ..settings import text
from ..torch_names import LAYER, without
from ..tree import flatten
from ..zero import ZERO
from .running import gathered, require_finite_buffers, require_writable_buffers, write_buffers
from .summary import Summary, one_row
from .taken import BY_EXAMPLE, extra_arguments
from .types import Input, Parameters, Pulled, Pushed, Shape, Tangent, Tangents
from .user_rules import drop_inherited_rules, is_builtin, tangent_rule

INPUT = object()  # the name under which a layer's input travels beside its parameters


class Layer:
    """What all layers share. A layer holds no arrays; its parameters are a mapping from names to arrays.

    A layer of one's own defines ``forward(p, x)`` and, if it has parameters, ``shapes()`` and
    ``initial(name, shape, rng, dtype)``. Its tangents then come from the engine. What its ``forward`` has beside p and
    x, it takes as keywords: ``forward(p, x, train=False, rng=None)``, ``forward(p, x, key_padding_mask=None)``; names
    of which other layers have a row for each example (``lengths``, masks of padding) have one here too. A layer made of
    others is a `Container`. It may add the two rules by hand:
    ``jvp(p, x, dp, dx) -> y, dy``, for speed; and ``vjp(p, x) -> y, pullback`` with ``pullback(dy) -> dp, dx``, for
    `dualgrad.estimators.Backprop`.

    A jvp is called for one direction at a time, with tangents of the shapes of p and x, or `ZERO` where nothing moves.
    A class that says ``lead = True`` beside its jvp has it called once for all: each tangent is ``(K, *shape)``, or
    ``shape`` for one direction, or `ZERO`, or an `OuterProduct`, and dy is ``(K, *y.shape)``. A class that overrides
    the jvp does not inherit that; and one that overrides ``forward`` inherits neither rule: both are those of another.
    One that says ``particles = True`` beside its forward works in an `online.Network` with ``batched=True``: with rows
    ``(N, B, n)``, matrices ``(N, n, m)`` and vectors ``(N, 1, n)`` as with one particle's.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.Linear(3, 2)
    >>> params = layer.init(rng=0)
    >>> params
    Params(weight: (3, 2), bias: (2,); 8 entries)
    >>> layer(params, np.zeros((5, 3), np.float32)).shape
    (5, 2)
    >>> class Scale(dg.nn.Layer):
    ...     def shapes(self):
    ...         return {"scale": (3,)}
    ...     def initial(self, name, shape, rng, dtype):
    ...         return np.ones(shape, dtype)
    ...     def forward(self, p, x):
    ...         return x * p["scale"]
    >>> model = dg.nn.Sequential(Scale(), layer)
    >>> list(model.init(rng=0))
    ['0.scale', '1.weight', '1.bias']
    """

    forward: Callable[..., Array]
    integers: bool = False  # whether the input is of whole numbers
    takes: frozenset[str] = frozenset()  # the keywords of forward, jvp and vjp: "train", "rng"
    by_example: frozenset[str] = frozenset()  # which of these have a row for each example
    alone: frozenset[str] = frozenset()  # keywords of a call of the layer by itself, which containers do not hand on
    lead: bool = True  # the jvp of this class takes K directions at once
    particles: bool = False  # forward takes rows (N, B, n), matrices (N, n, m) and vectors (N, 1, n) as well
    _of_an_array = False  # whether the input is an array, and no tuple, dict or data frame, which one's own may take

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        drop_inherited_rules(cls, Layer, "forward")
        cls._of_an_array = is_builtin(cls, "forward")
        if "forward" in vars(cls) and "particles" not in vars(cls):
            cls.particles = False  # which a class says beside a forward of its own
        if "forward" in vars(cls) and not cls._of_an_array and "takes" not in vars(cls):
            cls.takes = cls.takes | extra_arguments(cls.forward, 3)
            cls.by_example = cls.by_example | (cls.takes & BY_EXAMPLE)

    if not TYPE_CHECKING:  # which would take any name for an attribute

        def __getattr__(self, name):
            raise AttributeError(without(f"{type(self).__name__!r} object", name, LAYER), name=name, obj=self)

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        public = ", ".join(f"{name}={shown(value)}" for name, value in vars(self).items() if name[0] != "_")
        return f"{type(self).__name__}({public})"

    def shapes(self) -> Mapping[str, Shape]:
        """The names and shapes of the parameters."""
        return {}

    def buffers(self) -> Mapping[str, tuple[Shape, Any]]:
        """What the layer keeps beside its parameters, as it starts: ``{name: (shape, value)}``."""
        return {}

    def init(self, *, rng: RngLike, dtype: DTypeLike = np.float32) -> Params:
        """Fresh parameters. ``rng``: an int, a NumPy Generator or an `Rng`."""
        if np.dtype(dtype).kind not in "fc":
            raise TypeError(f"got dtype={dtype!r}; expected one of floating numbers, as np.float32")
        rng = as_rng(rng)
        arrays = {name: self._started(name, shape, rng, dtype) for name, shape in self.shapes().items()}
        return Params(arrays, {name: np.full(shape, value, dtype) for name, (shape, value) in self.buffers().items()})

    def _started(self, name, shape, rng, dtype):
        """The first value of one parameter, of its shape and dtype."""
        found = np.asarray(self.initial(name, shape, rng, dtype))
        if found.shape != shape:
            told = f"its shapes() says {shape!r}" + _unless_a_tuple(shape)
            raise ShapeError(f"{self!r} starts {name!r} with shape {found.shape}; {told}")
        return found if found.dtype.kind == "c" else found.astype(dtype, copy=False)

    def summary(self, x: Input) -> Summary:
        """The layers of a model at an input like ``x``: a table of output shapes, parameters, and the multiply-adds of
        a forward pass and of a jvp with dense tangents.

        The costs are counted in `forward` by `dualgrad.trace`; the explicit rules share more, so they are an upper
        bound of what a jvp does.
        """
        x = as_input(x, self)
        params = self.init(rng=0, dtype=x.dtype if x.dtype.kind == "f" else np.float32)
        return Summary(self._summarised(with_buffers(params), x, "", set())[0])

    def _summarised(self, p, x, name, seen):
        """The rows of a summary, and the output: one row, but for a chain. A parameter that was ``seen`` counts 0."""
        row, y = one_row(self, p, x, name, seen)
        return [row], y

    def update_buffers(self, p: Parameters, x: Input, **kwargs: Any) -> None:
        """Advance the running statistics in ``params.buffers`` by the batch ``x``, in place; call it once a step.

        Raises
        ------
        NonFiniteError
            When the batch would make one of them NaN or infinite. Then, and after any other error, all are as before.
        """
        p, kwargs = with_buffers(p), self.accepted({"train": True} | kwargs)
        self.require(p)
        buffers = {name: p[name] for name in self.buffers()}
        require_writable_buffers(self, buffers)
        fresh = self.advanced(p, self._array(x), **kwargs)
        require_finite_buffers(self, fresh)
        write_buffers(buffers, fresh)

    def advanced(self, p: Parameters, x: Array, /, **kwargs: Any) -> dict[str, Array]:
        """The buffers as a batch makes them: what the layers `note`, or write themselves in `advance`."""
        fresh = {name: p[name].copy() for name in self.buffers()}
        places = self.aliases().values()
        with gathered(fresh, places) as noted, np.errstate(over="ignore", invalid="ignore"):  # told where it is written
            self.advance({**p, **fresh}, x, **kwargs)
        return fresh | noted

    def advance(self, p: Parameters, x: Array, /, *args: Any, **kwargs: Any) -> Array:
        """The output in training mode; a layer that does not `note` its statistics writes its buffers in ``p`` here."""
        return self.forward(p, x, *args, **kwargs)

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike, /) -> Array:
        """The first value of one parameter."""
        raise NotImplementedError(
            f"{type(self).__name__} has the parameter {name!r} but does not say how it starts: define initial(self, "
            "name, shape, rng, dtype), as return rng.uniform(-0.1, 0.1, shape, dtype=dtype)"
        )

    def __call__(self, p: Parameters, x: Input, **kwargs: Any) -> Array:
        """The layer at ``x``: `forward` on plain arrays, `jvp` where the parameters or the input are Duals.

        Keywords: ``train=True`` for training mode, ``rng=`` where something is drawn (an int, a Generator or an `Rng`).
        Lists, data frames and tensors of other libraries are taken as the array of their numbers; a layer whose
        ``forward`` is one's own is given what is passed.

        Raises
        ------
        TypeError
            For an input that is no array of floating numbers: ``x.astype(np.float32)`` of integers.
        ShapeError
            For an input of a shape that does not fit; a container notes in which layer.
        """
        p, kwargs = with_buffers(p), self.accepted(kwargs)
        p = {name: lift(value) for name, value in p.items()} if p.__class__ is dict else p
        self.require(p)
        x = self._array(x)
        if kwargs and _by_forward(kwargs) or isinstance(x, (tuple, list, dict)) and _moves(x):
            return self.forward(p, x, **kwargs)
        top = max((v for v in (*p.values(), x) if isinstance(v, Dual)), key=lambda v: v.level, default=None)
        if type(top) is not Dual:  # nothing moves, or all of it does as a series, or it is traced
            return self.forward(p, x, **kwargs) if top is None else top.through_layer(self, p, x, kwargs)
        level = top.level
        if level not in LIVE:
            raise ended()
        primals, tangents = {}, {}
        for name, value in p.items():
            primals[name], tangents[name] = at_level(value, level)
        value, dx = at_level(x, level)
        y, dy = self.push(primals, value, tangents, dx, **kwargs)
        if dy is ZERO:
            return y
        dy = nested_as(y, dy)
        return Dual(y, dy, level) if dx is ZERO else aliased(y, dy, x)  # a layer may return its input, or a view of it

    def _array(self, x):
        """The input as an array of the kind that this layer takes."""
        if self._of_an_array:
            return as_input(x, self, kinds="biufc" if self.integers else "fc")
        return lift(x)

    def accepted(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the keywords that this layer takes; a name that no layer knows is an error."""
        known = {"train", "rng"} | self.takes | self.alone
        unknown = kwargs.keys() - known
        if unknown:
            names = ", ".join(sorted(known - {"train", "rng"}))
            more = f"{names}, train or rng" if names else "train or rng"
            raise TypeError(f"{self!r} got the keyword {min(unknown)!r}; expected {more}")
        for name in kwargs.keys() & {"train", "return_state"}:
            flag(name, kwargs[name])
        found = {name: value for name, value in kwargs.items() if name in self.takes or name in self.alone}
        return found | {"rng": as_rng(found["rng"])} if "rng" in found else found

    @property
    def push(self) -> Callable[..., Pushed]:
        """`jvp` ready for K directions: as it is, or direction by direction; see `lead`."""
        return tangent_rule(self)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, /, *args: Any, **kwargs: Any) -> Pushed:
        """``y, dy`` by the engine, from `forward`; a layer whose rule shares work with the value writes its own."""

        def forward(both):
            return self.forward({name: both[name] for name in p}, both[INPUT], *args, **kwargs)

        return by_engine(forward, {**p, INPUT: x}, {**dp, INPUT: dx})

    def vjp(self, p: Parameters, x: Array, /, *args: Any, **kwargs: Any) -> Pulled:
        """The transposed rule, which only Backprop and gradient guessing need."""
        raise NotImplementedError(
            f"{self!r} has no transposed rule: define vjp(p, x) -> y, pullback, where pullback(dy) -> dp, dx"
        )

    def names(self) -> list[str]:
        """The names of parameters and buffers."""
        return [*self.shapes(), *self.buffers()]

    def origins(self) -> Mapping[str, tuple["Layer", str]]:
        """For each name, the layer whose it is and what it is called there; containers look into their children."""
        return {n: (self, n) for n in self.names()}

    def aliases(self) -> Mapping[str, str]:
        """The name of what stands at each place: another one than the place's own where a layer stands twice."""
        return {n: n for n in self.names()}

    def cure(self, p: Parameters) -> str:
        """What may be wrong with parameters of other names."""
        if set(self.shapes()) == set(p):
            return "buffers belong to parameters alone; params.copy() and params.at(vector) keep them"
        if not p:
            return "if a layer of yours holds this one, make it an nn.Container, and call self.apply(name, p, x)"
        return "are they of another model?"

    def require(self, p: Parameters) -> None:
        """Check that ``p`` has this layer's names and shapes."""
        if not isinstance(p, Mapping):
            raise LayoutError(f"{self!r} got a {type(p).__name__} as parameters: call layer(params, x)")
        names = self.names()
        if len(p) != len(names) or any(name not in p for name in names):
            raise LayoutError(f"{self!r} got parameters {sorted(p)}; expected {sorted(names)}: {self.cure(p)}")
        for name, (shape, _) in self.buffers().items():
            if np.shape(p[name]) != tuple(shape):
                raise LayoutError(f"{self!r} got the buffer {name} of shape {np.shape(p[name])}; expected {shape}")
        for name, shape in self.shapes().items():
            found = getattr(p[name], "shape", None)
            if found is None:
                raise LayoutError(f"{self!r} got a {type(p[name]).__name__} as {name}; expected an array")
            if found != shape:
                cure = _unless_a_tuple(shape) or ": is it of another model?"
                raise LayoutError(f"{self!r} got {name} of shape {found}; expected {shape}{cure}")


def _unless_a_tuple(shape):
    """What to write for a shape that is a number or a list."""
    if isinstance(shape, tuple):
        return ""
    return f": shapes() is to give tuples, as {tuple(shape) if isinstance(shape, list) else (shape,)}"


def _by_forward(kwargs):
    """Whether a keyword moves, or asks for more than the output, for which the rules of layers have no place."""
    return bool(kwargs.get("return_state")) or any(map(_moves, kwargs.values()))


def _moves(tree):
    return any(isinstance(leaf, Dual) for leaf in flatten(tree)[0])


def by_engine(f, primals, tangents):
    """A function of a dict, and its tangent along those entries that move; ZERO where none does."""
    moving = {name: d for name, d in tangents.items() if d is not ZERO}
    if not moving:
        return f(primals), ZERO
    return jvp(lambda duals: f(primals | duals), ({name: primals[name] for name in moving},), (moving,))


def shown(value):
    """A value as it stands in a repr: an array by its dtype and shape, a function by its name."""
    if isinstance(ndim := getattr(value, "ndim", 0), int) and ndim:
        return f"{value.dtype}[{', '.join(map(str, value.shape))}]"
    return getattr(value, "__name__", None) or text(value)


def at_level(value, level):
    """The primal and tangent of a value at a level; a constant has the tangent ZERO."""
    return (value.primal, value.tangent) if isinstance(value, Dual) and value.level == level else (value, ZERO)


def with_buffers(p):
    """The parameters and the buffers of a model in one mapping."""
    return dict(p.items()) | p.buffers if isinstance(p, Params) and p.buffers else p
