"""Containers: layers made of layers, with dotted parameter names."""

from ..errors import ShapeError
from ..zero import ZERO
from .layer import Layer


class Sequential(Layer):
    """One layer after another; parameter ``name`` of the k-th layer is called ``"k.name"``.

    Examples
    --------
    >>> import dualgrad as dg
    >>> model = dg.nn.Sequential(dg.nn.Linear(4, 8), dg.nn.Tanh(), dg.nn.Linear(8, 2))
    >>> list(model.init(rng=0))
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *layers):
        for k, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layer {k} is {layer!r}; expected a Layer, as in Sequential(Linear(2, 3), Tanh())")
        self.layers = layers
        self._names = [{name: f"{k}.{name}" for name in layer.shapes()} for k, layer in enumerate(layers)]
        self._shapes = {f"{k}.{n}": s for k, layer in enumerate(layers) for n, s in layer.shapes().items()}

    def __repr__(self):
        return f"Sequential({', '.join(map(repr, self.layers))})"

    def shapes(self):
        return self._shapes

    def initial(self, name, shape, rng, dtype):
        child, _, rest = name.partition(".")
        return self.layers[int(child)].initial(rest, shape, rng, dtype)

    def _steps(self, *mappings):
        """Each layer with its share of the mappings, under its own names."""
        for k, (layer, names) in enumerate(zip(self.layers, self._names, strict=True)):
            yield k, layer, *({name: m[full] for name, full in names.items()} for m in mappings)

    def forward(self, p, x):
        for k, layer, q in self._steps(p):
            x = _named(k, layer.forward, q, x)
        return x

    def jvp(self, p, x, dp, dx):
        for k, layer, q, dq in self._steps(p, dp):
            x, dx = _named(k, layer.jvp, q, x, dq, dx)
        return x, dx

    def vjp(self, p, x):
        pullbacks = []
        for k, layer, q in self._steps(p):
            x, pull = _named(k, layer.vjp, q, x)
            pullbacks.append(pull)

        def pullback(dy):
            dp = dict.fromkeys(self._shapes, ZERO)
            for names, pull in zip(self._names[::-1], pullbacks[::-1], strict=True):
                dq, dy = pull(dy)
                dp.update({full: dq[name] for name, full in names.items()})
            return dp, dy

        return x, pullback


def _named(k, rule, *args):
    """Call a layer's rule; a shape error names the layer's place."""
    try:
        return rule(*args)
    except ShapeError as error:
        raise ShapeError(f"layer {k}: {error}") from None
