"""Containers: layers made of layers, with dotted parameter names."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..backend import Array
from ..errors import ShapeError
from ..random import Rng
from ..zero import ZERO
from .layer import Layer
from .tangents import with_zeros
from .types import Input, Parameters, Pulled, Pushed, Shape, Shapes, Tangent, Tangents
from .user_rules import is_builtin, promised


class Container(Layer):
    """A model of layers that calls them as it likes, as torch's ``nn.Module`` does: children by name.

    The parameters of the child "head" are called ``head.weight`` and so on. A container of one's own names its children
    where it is made, and calls them by `apply` in its ``forward``, which hands on the keywords it is given: training
    mode, streams and masks. Its tangents come from the engine, those of the children from their own rules. The same
    layer in two containers, or twice in one, is one layer.

    Parameters
    ----------
    children : dict of str to Layer

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> class Twice(dg.nn.Container):
    ...     def __init__(self):
    ...         super().__init__({"body": dg.nn.Linear(3, 3), "drop": dg.nn.Dropout(0.5), "head": dg.nn.Linear(3, 2)})
    ...     def forward(self, p, x, **kwargs):
    ...         for _ in range(2):
    ...             x = np.tanh(self.apply("body", p, x))
    ...         return self.apply("head", p, self.apply("drop", p, x, **kwargs))
    >>> model = Twice()
    >>> params = model.init(rng=0)
    >>> list(params)
    ['body.weight', 'body.bias', 'head.weight', 'head.bias']
    >>> model(params, np.zeros((4, 3), np.float32), train=True, rng=0).shape
    (4, 2)
    """

    children: Mapping[str, Layer]

    def __init__(self, children: Mapping[str, Layer]):
        if not isinstance(children, Mapping) or not all(isinstance(k, str) and k and "." not in k for k in children):
            raise TypeError(
                f'got children={children!r:.80}; expected layers by name, without dots, as {{"head": Linear(2, 3)}}'
            )
        for name, layer in children.items():
            if not isinstance(layer, Layer):
                raise TypeError(f"layer {name} is {layer!r}; expected a Layer, as in Sequential(Linear(2, 3), Tanh())")
        self.children = children
        self.integers: bool = any(layer.integers for layer in list(children.values())[:1])
        self._of_an_array &= all(layer._of_an_array for layer in list(children.values())[:1])
        kind, below = type(self), children.values()
        self.takes: frozenset[str] = kind.takes.union(*(layer.takes for layer in below))
        self.by_example: frozenset[str] = kind.by_example.union(*(layer.by_example for layer in below))
        self._shapes: Shapes = {}
        self._buffers: dict[str, tuple[Shape, Any]] = {}
        self._origins: dict[str, tuple[Layer, str]] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._aliases: dict[str, str] = {}  # of every place a parameter stands at: its name
        self._name(children)
        self._params = {k: {n: self._names[k][n] for n in layer.shapes()} for k, layer in children.items()}
        self._shares = len(self._aliases) > len(self._shapes) + len(self._buffers)

    def _name(self, children):
        """Give each parameter and buffer the name of the first place at which its layer stands."""
        first = {}
        for k, layer in children.items():
            shapes, buffers, origins = layer.shapes(), layer.buffers(), layer.origins()
            names = self._names[k] = {}
            for n in layer.names():
                owner, own = origins[n]
                names[n] = full = first.setdefault((id(owner), own), f"{k}.{n}")
                self._origins[full] = owner, own
                (self._shapes if n in shapes else self._buffers)[full] = shapes[n] if n in shapes else buffers[n]
            for place, n in layer.aliases().items():
                self._aliases[f"{k}.{place}"] = names[n]

    def origins(self) -> Mapping[str, tuple[Layer, str]]:
        return {n: self._origins.get(n, (self, n)) for n in self.names()}

    def aliases(self) -> Mapping[str, str]:
        return {n: n for n in self.names()} | self._aliases

    def cure(self, p: Parameters) -> str:
        if self._shares and set(p) == set(self.aliases()):
            twice = next(f"{place!r} is {name!r}" for place, name in self._aliases.items() if place != name)
            return (
                f"a layer that stands at several places has its parameters once, under the first: {twice}. Before, "
                "each place had a copy of its own: build the model of two layers, or leave the copies out"
            )
        return super().cure(p)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.children.values()))})"

    def shapes(self) -> Shapes:
        return self._shapes

    def buffers(self) -> dict[str, tuple[Shape, Any]]:
        return self._buffers

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        child, _, rest = name.partition(".")
        return self.children[child].initial(rest, shape, rng, dtype)

    def apply(self, name: str, p: Parameters, x: Input, **kwargs: Any) -> Any:
        """One child at ``x``, with its share of parameters and those of the keywords that it takes."""
        return self.call("__call__", name, p, x, **kwargs)

    def call(self, rule: str, name: str, p: Parameters, x: Array, *tangents: Any, **kwargs: Any) -> Any:
        """One child's forward, jvp (by `push`), vjp or advance, with its share of parameters, tangents and keywords."""
        layer, own = self.children[name], {}
        call, args = getattr(layer, rule), (own, x)
        for n, full in self._names[name].items():
            own[n] = p[full]
        if tangents:
            (dp, dx), moves = tangents, {}
            for n, full in self._params[name].items():
                moves[n] = dp[full]
            args = own, x, moves, dx
            if not promised(type(layer), rule, getattr(call, "__func__", None)):
                call = layer.push
        accepted = {k: v for k, v in kwargs.items() if k in layer.takes or k in layer.alone} if kwargs else kwargs
        try:
            return call(*args, **accepted)
        except Exception as error:
            _place(error, name, layer)
            raise

    def named(self, name: str, dp: Tangents) -> dict[str, Tangent]:
        """A child's parameter gradients under their full names; `gradients` adds those of several."""
        if self._shares and not is_builtin(type(self), "vjp"):
            raise NotImplementedError(
                f"{self!r} has a layer at several places, whose gradients are to be summed: return "
                "self.gradients({child: dp, ...}) instead of self.named(child, dp)"
            )
        return {full: dp[n] for n, full in self._params[name].items()}

    def gradients(self, found: Mapping[str, Tangents]) -> dict[str, Tangent]:
        """The parameter gradients of children by name, under their full names; of one that stands twice, the sum."""
        dp: dict[str, Tangent] = dict.fromkeys(self._shapes, ZERO)
        for name, dq in found.items():
            for n, full in self._params[name].items():
                dp[full] = dp[full] + dq[n] if self._shares else dq[n]
        return dp


_IN_LAYER = "in layer "


def _place(error, name, layer):
    """Note in an error the dotted name of the layer it came from: one note, which each container outside lengthens."""
    *_, last = getattr(error, "__notes__", None) or [""]
    if last.startswith(_IN_LAYER):
        error.__notes__[-1] = f"{_IN_LAYER}{name}.{last.removeprefix(_IN_LAYER)}"
    else:
        error.add_note(f"{_IN_LAYER}{name}, {layer!r}")


class Sequential(Container):
    """y = fₙ(... f₁(x)) ;  each tangent, and backwards each cotangent, from one layer to the next.

    Parameter ``name`` of the k-th layer is called ``"k.name"``.

    Examples
    --------
    >>> import dualgrad as dg
    >>> model = dg.nn.Sequential(dg.nn.Linear(4, 8), dg.nn.Tanh(), dg.nn.Linear(8, 2))
    >>> list(model.init(rng=0))
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    lead = particles = True

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer):
        super().__init__({str(k): layer for k, layer in enumerate(layers)})
        self.layers = layers

    def forward(self, p: Parameters, x: Array, **kwargs: Any) -> Array:
        for name in self.children:
            x = self.call("forward", name, p, x, **kwargs)
        return x

    def advance(self, p: Parameters, x: Array, **kwargs: Any) -> Array:
        for name in self.children:
            x = self.call("advance", name, p, x, **kwargs)
        return x

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, **kwargs: Any) -> Pushed:
        for name in self.children:
            x, dx = self.call("jvp", name, p, x, dp, dx, **kwargs)
        return x, dx

    def vjp(self, p: Parameters, x: Array, **kwargs: Any) -> Pulled:
        pullbacks = {}
        for name in self.children:
            x, pullbacks[name] = self.call("vjp", name, p, x, **kwargs)

        def pullback(dy):
            found = {}
            for name in reversed(pullbacks):
                found[name], dy = pullbacks[name](dy)
            return self.gradients(found), dy

        return x, pullback

    def _summarised(self, p, x, name, seen):
        if type(self) is not Sequential:  # a class made of a chain is one row
            return super()._summarised(p, x, name, seen)
        rows = []
        for child, layer in self.children.items():
            inside = {n: p[full] for n, full in self._names[child].items()}
            found, x = layer._summarised(inside, x, f"{name}.{child}" if name else child, seen)
            rows += found
        return rows, x


class Residual(Container):
    """y = x + f(x) ;  dy = dx + df ;  dx = ȳ + Jᵀ ȳ.

    Parameters
    ----------
    *layers : the layers of f, one after another, as in `Sequential`
    shortcut : Layer, optional
        Applied to x where the shapes differ: y = shortcut(x) + f(x).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> block = dg.nn.Residual(dg.nn.Linear(2, 2), dg.nn.Tanh())
    >>> list(block.init(rng=0))
    ['body.0.weight', 'body.0.bias']
    """

    lead = particles = True

    def __init__(self, *layers: Layer, shortcut: Layer | None = None):
        super().__init__({"body": Sequential(*layers)} | ({} if shortcut is None else {"shortcut": shortcut}))

    def _both(self, rule, p, x, *tangents, **kwargs):
        body = self.call(rule, "body", p, x, *tangents, **kwargs)
        return body, self.call(rule, "shortcut", p, x, *tangents, **kwargs) if "shortcut" in self.children else None

    def forward(self, p: Parameters, x: Array, **kwargs: Any) -> Array:
        y, around = self._both("forward", p, x, **kwargs)
        return self._sum(y, x if around is None else around)

    def advance(self, p: Parameters, x: Array, **kwargs: Any) -> Array:
        y, around = self._both("advance", p, x, **kwargs)
        return self._sum(y, x if around is None else around)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, **kwargs: Any) -> Pushed:
        (y, dy), around = self._both("jvp", p, x, dp, dx, **kwargs)
        z, dz = (x, dx) if around is None else around
        return self._sum(y, z), dy + dz

    def vjp(self, p: Parameters, x: Array, **kwargs: Any) -> Pulled:
        (y, pull), around = self._both("vjp", p, x, **kwargs)
        z, pull_around = (x, lambda dy: ({}, dy)) if around is None else around

        def pullback(dy):
            (dp, dx), (dq, dz) = pull(dy), pull_around(dy)
            return self.gradients({"body": dp} | ({"shortcut": dq} if around else {})), dx + dz

        return self._sum(y, z), pullback

    def _sum(self, y, z):
        if y.shape != z.shape:
            raise ShapeError(f"{self!r} adds shapes {y.shape} and {z.shape}; give it a shortcut that makes them equal")
        return y + z


class Parallel(Container):
    """y = (f₁(x), ..., fₙ(x)) side by side in the last axis ;  dy likewise ;  dx = Σ_k Jₖᵀ ȳₖ.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> both = dg.nn.Parallel(dg.nn.Linear(3, 2), dg.nn.Tanh())
    >>> both(both.init(rng=0), np.zeros((4, 3), np.float32)).shape
    (4, 5)
    """

    lead = particles = True

    def __init__(self, *layers: Layer):
        if not layers:
            raise ValueError("got no layers; expected at least one, as in Parallel(Linear(2, 3), Tanh())")
        super().__init__({str(k): layer for k, layer in enumerate(layers)})

    def _joined(self, parts):
        shapes = [y.shape[:-1] for y in parts]
        if any(shape != shapes[0] for shape in shapes):
            raise ShapeError(
                f"{self!r} puts shapes {[y.shape for y in parts]} side by side; all but the last axis agree"
            )
        return np.concatenate(parts, axis=-1)

    def forward(self, p: Parameters, x: Array, **kwargs: Any) -> Array:
        return self._joined([self.call("forward", name, p, x, **kwargs) for name in self.children])

    def advance(self, p: Parameters, x: Array, **kwargs: Any) -> Array:
        return self._joined([self.call("advance", name, p, x, **kwargs) for name in self.children])

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, **kwargs: Any) -> Pushed:
        ys, ds = zip(*[self.call("jvp", name, p, x, dp, dx, **kwargs) for name in self.children], strict=True)
        ds = with_zeros(ds, ys)
        return self._joined(ys), ds if ds is ZERO else np.concatenate(ds, axis=-1)

    def vjp(self, p: Parameters, x: Array, **kwargs: Any) -> Pulled:
        ys, pulls = zip(*[self.call("vjp", name, p, x, **kwargs) for name in self.children], strict=True)
        ends = np.cumsum([y.shape[-1] for y in ys])

        def pullback(dy):
            found, total = {}, ZERO
            for name, pull, part in zip(self.children, pulls, np.split(dy, ends[:-1], axis=-1), strict=True):
                found[name], dx = pull(part)
                total = total + dx
            return self.gradients(found), total

        return self._joined(ys), pullback


class Transposed(Container):
    """y = f(xᵀ)ᵀ over the last two axes ;  dy, dx likewise: a layer that acts across tokens instead of channels.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.Transposed(dg.nn.Linear(5, 7))
    >>> layer(layer.init(rng=0), np.zeros((3, 5, 8), np.float32)).shape
    (3, 7, 8)
    """

    lead = True

    def __init__(self, layer: Layer):
        super().__init__({"body": layer})

    def _swapped(self, x):
        if np.ndim(x) < 2:
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected (..., tokens, channels)")
        return np.swapaxes(x, -1, -2)

    def forward(self, p: Parameters, x: Array, **kwargs: Any) -> Array:
        return np.swapaxes(self.call("forward", "body", p, self._swapped(x), **kwargs), -1, -2)

    def advance(self, p: Parameters, x: Array, **kwargs: Any) -> Array:
        return np.swapaxes(self.call("advance", "body", p, self._swapped(x), **kwargs), -1, -2)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, **kwargs: Any) -> Pushed:
        dx = dx if dx is ZERO else np.swapaxes(dx, -1, -2)
        y, dy = self.call("jvp", "body", p, self._swapped(x), dp, dx, **kwargs)
        return np.swapaxes(y, -1, -2), dy if dy is ZERO else np.swapaxes(dy, -1, -2)

    def vjp(self, p: Parameters, x: Array, **kwargs: Any) -> Pulled:
        y, pull = self.call("vjp", "body", p, self._swapped(x), **kwargs)

        def pullback(dy):
            dp, dx = pull(np.swapaxes(dy, -1, -2))
            return self.named("body", dp), np.swapaxes(dx, -1, -2)

        return np.swapaxes(y, -1, -2), pullback
