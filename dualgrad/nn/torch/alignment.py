"""A model beside its twin in torch: the names of its parameters there, and the order of their axes and features."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...errors import LayoutError
from ..attention import MultiHeadAttention, TransformerBlock
from ..containers import Container, Parallel, Residual, Sequential, Transposed
from ..cross_attention import CrossAttention
from ..lookup import Bilinear, Embedding
from ..pooling import GlobalAvgPool2d
from ..shape import Flatten, Reshape
from .mismatches import dotted, in_chain, in_settings, label
from .order import Fact, Order
from .twins import TWINS, kind_of

_IN = "in_features", "in_channels", "input_size", "embed_dim"
_OUT = "out_features", "out_channels", "hidden_size", "embedding_dim", "embed_dim"
_ACTS_ON = {GlobalAvgPool2d: 2, MultiHeadAttention: 1, CrossAttention: 1}  # so many axes beside that of features
_ENCODER = {"0.body.0": "norm1", "0.body.1": "self_attn", "1.body.0": "norm2", "1.body.1": "linear1",
          "1.body.2": "activation", "1.body.3": "linear2"}  # fmt: skip


class Features(NamedTuple):
    """What comes out of a layer.

    Attributes
    ----------
    places : the number of axes between the batch and the last one, -1 for some
    first : whether torch has the last one in front of these
    order : the order of the features along it
    lost : the name of a layer of one's own behind which nothing of this is known
    """

    places: Fact
    first: Fact
    order: Order
    lost: str | None = None

    @property
    def flat(self):
        """Whether an example is one row, known to be."""
        return self.places.value == 0


class Counterpart(NamedTuple):
    """One of our arrays: the sum of those of these names in torch, with its axes in this order, and along each (but
    where that is None) the entries at these places. The layer it counts to has the names ``unit``, ours and torch's."""

    theirs: tuple
    ours: str
    shape: tuple
    axes: tuple | None
    permutations: tuple
    unit: tuple


class _FlattenedImage(NamedTuple):
    """A row of features that is made of an image with so many channels ``last``, or ``opens`` into one."""

    first: Fact
    last: Order
    order: Order
    name: str
    layer: object
    opens: bool


class Alignment:
    """The rows of a model's parameters and buffers, and the differences from a module of torch where one is given."""

    def __init__(self, model, names=None, channels=None, permuted=(), module=None):
        self.names = dict(names or {})
        self.channels = dict(channels) if isinstance(channels, Mapping) else {} if channels is None else {"": channels}
        for count in self.channels.values():
            if not isinstance(count, (int, np.integer)) or count < 0:
                raise ValueError(f"got channels={count!r}; expected a whole number from 0 on, or some by name of layer")
        self.permuted = {permuted} if isinstance(permuted, str) else set(permuted)
        self.modules = {} if module is None else dict(module.named_modules(remove_duplicate=False))
        self.rows, self.flats, self.norms, self.differences = [], [], [], []
        self.met, self.used, self.unit = set(), set(), None
        self.visit(model, self._given("", Features(Fact(), Fact(), Order())), "", self.names.get("", ""))
        self._settle()
        unmet = (self.names.keys() - self.met) | ((self.channels.keys() | self.permuted) - self.used)
        if unmet:
            found = ", ".join(map(repr, sorted(self.met)))
            raise LayoutError(
                f"names, channels or permuted mention {min(unmet)!r}, which changes nothing: there is {found}"
            )
        places = model.aliases()  # a layer that stands twice has two rows of one name
        self.rows = [row._replace(ours=places.get(row.ours, row.ours)) for row in self.rows]
        lacking = set(model.names()) - {row.ours for row in self.rows}
        if lacking:
            raise LayoutError(f"torch has nothing for {min(lacking)!r}: set it by hand")

    def visit(self, layer, x, ours, theirs):
        """What comes out of a layer; its rows are noted."""
        self.met.add(ours)
        if ours in self.permuted:
            self.used.add(ours)
            x = x._replace(first=Fact(None if x.first.value is None else not x.first.value))
        kind = kind_of(layer)
        if kind is None or hasattr(layer, "cell") and kind_of(layer.cell) is None:
            return self._own(layer, x, ours)
        self.differences += in_settings(TWINS[kind], layer, ours, self.modules.get(theirs), x)
        inside = {Sequential: self._sequential, Residual: self._residual, Parallel: self._parallel,
                  Transposed: self._transposed, TransformerBlock: self._block, Reshape: self._reshape,
                  Flatten: self._reshape}.get(kind)  # fmt: skip
        if inside is not None:
            return inside(layer, x, ours, theirs)
        return x if TWINS[kind].first is None else self._leaf(kind, layer, x, ours, theirs)

    def _leaf(self, kind, layer, x, ours, theirs):
        """A layer that acts on one axis, or a norm of several."""
        cell = getattr(layer, "cell", layer)
        rows, features = TWINS[kind_of(cell)].rows, getattr(layer, "feature_shape", ())
        size, width = _first_of(cell, _IN), _first_of(cell, _OUT)
        width = width and width * (1 + getattr(layer, "bidirectional", False))
        grouped = getattr(layer, "groups", 1) > 1 or features and 1 < getattr(layer, "num_groups", 1) < features[-1]
        several, shared = len(features) > 1, getattr(layer, "num_parameters", 0) == 1
        self._settle_axis(kind, layer, x, None if several or shared else TWINS[kind].first, ours)
        if rows and not shared:
            self._known(x, layer, ours)
            self._sized(x.order, features[-1] if features else size, layer, ours)
        if grouped or several:
            self._same(x.order, layer, ours)
        if width is None:
            out = x.order
        else:
            out = Order(1 if grouped or not any("o" in held for *_, held in rows) else None, width)
        held = dict(zip("iouv", (x.order, out, *self._halves(layer, x.order, ours)), strict=True))
        shapes = layer.shapes() | {name: shape for name, (shape, _) in layer.buffers().items()}
        for theirs_of, name, axes, roles in _named_rows(rows, layer):
            if name in shapes:
                full = dotted(ours, name)
                parts = self.names.get(full, tuple(dotted(theirs, n) for n in theirs_of))
                parts = (parts,) if isinstance(parts, str) else tuple(parts)
                self.met.add(full)
                if several:
                    self.norms.append((x, len(self.rows), layer, ours))
                orders = (None,) if shared else tuple(map(held.get, roles))
                self.rows.append(
                    Counterpart(parts, full, tuple(shapes[name]), axes, orders, self.unit or (ours, theirs))
                )
        return x._replace(order=out, places=_places(kind, layer, x.places))

    def _settle_axis(self, kind, layer, x, first, ours):
        """Settle which axis of torch's it is that the layer acts on, and how many there are."""
        known = {GlobalAvgPool2d: 2, MultiHeadAttention: 1, CrossAttention: 1}
        count = 1 if hasattr(layer, "cell") else known.get(kind, _axes_of(layer))
        fits = first is None or x.flat or x.first.settle(first)
        if not fits and (count is not None or not x.places.settle(0)):  # one axis alone is the first and the last
            raise self._crossed(layer, ours)
        if count is not None:
            x.places.settle(count)

    def _crossed(self, layer, ours):
        return LayoutError(
            f"{label(ours, layer)} acts on another axis than in torch, where convolutions, pools, BatchNorm and "
            "GroupNorm act on axis 1, all others on the last one. If torch's model permutes the axes in front of it, "
            f"say permuted=[{ours!r}]; at the end of a branch, under the name of an Identity there"
        )

    def _same(self, order, layer, ours):
        if not order.settle(1):
            raise self._conflict(layer, ours)

    def _conflict(self, layer, ours):
        return LayoutError(
            f"at {label(ours, layer)}, features of a flattened image stand in another order than in torch, and no "
            "order of its parameters makes up for that. Where torch's model puts the channels last before it flattens, "
            "say so under the name of that Flatten or Reshape: channels={name: 1}"
        )

    def _known(self, x, layer, ours):
        if x.lost is not None:
            raise LayoutError(
                f"{label(ours, layer)} depends on what {x.lost!r}, a layer that torch does not have, does to the "
                f"order of features: say channels={{{x.lost!r}: C}} if it returns images of C channels, 0 if its axes "
                "stand as in torch; or make it an Activation"
            )

    def _sized(self, order, size, layer, ours):
        if size is not None and order.sized(size) != size:
            raise LayoutError(f"{label(ours, layer)} reads {size} features, but {order.size} come in")

    def _halves(self, layer, order, ours):
        """The orders of the two inputs of a `Bilinear`: of two branches, or torch's."""
        if not isinstance(layer, Bilinear):
            return None, None
        parts, sizes = order.value, [layer.in1_features, layer.in2_features]
        if isinstance(parts, tuple) and [p.sized(n) for p, n in zip(parts, sizes, strict=False)] == sizes:
            return parts
        self._same(order, layer, ours)
        return None, None

    # ------------------------------------------------------------------ layers made of layers

    def _child(self, layer, name, x, ours, theirs):
        ours = dotted(ours, name)
        return self.visit(layer.children[name], x, ours, self.names.get(ours, dotted(theirs, name)))

    def _sequential(self, layer, x, ours, theirs):
        self.differences += in_chain(layer, ours, theirs, self.names, self.modules)
        for name in layer.children:
            x = self._child(layer, name, x, ours, theirs)
        return x

    def _block(self, layer, x, ours, theirs):
        for name, other in _ENCODER.items():
            self.names.setdefault(dotted(ours, name), dotted(theirs, other))
        outer, self.unit = self.unit, self.unit or (ours, theirs)
        x = self._sequential(layer, x, ours, theirs)
        self.unit = outer
        return x

    def _residual(self, layer, x, ours, theirs):
        y, *around = [self._child(layer, name, x, ours, theirs) for name in layer.children]
        x = around[0] if around else x
        if not x.order.join(y.order):
            raise self._conflict(layer, ours)
        return self._alike(layer, ours, [x, y])

    def _parallel(self, layer, x, ours, theirs):
        branches = [self._child(layer, name, x, ours, theirs) for name in layer.children]
        orders = tuple(y.order for y in branches)
        sizes = [order.size for order in orders]
        order = Order(orders, None if None in sizes else sum(sizes)) if len(orders) > 1 else orders[0]
        return self._alike(layer, ours, branches)._replace(order=order)

    def _alike(self, layer, ours, branches):
        """What branches have in common that are added, or stand side by side."""
        y = branches[0]
        for z in branches[1:]:
            y.places.join(z.places)
            if not y.flat and not z.flat and not y.first.join(z.first):
                raise self._crossed(layer, ours)
            y = y._replace(lost=y.lost or z.lost)
        return y

    def _transposed(self, layer, x, ours, theirs):
        y = self._child(layer, "body", Features(x.places, Fact(False), Order(1)), ours, theirs)
        if y.places.value != x.places.value or y.first.value is not False:
            raise LayoutError(f"{label(ours, layer)} changes its axes: bring its body over by itself")
        return x

    def _own(self, layer, x, ours):
        """A layer that torch does not have."""
        if layer.names():
            names = ", ".join(dotted(ours, name) for name in sorted(layer.names()))
            more = ", or bring its layers over one by one" if isinstance(layer, Container) else ""
            raise LayoutError(f"torch has no {type(layer).__name__}: set {names} by hand{more}")
        return self._given(ours, Features(Fact(), Fact(), Order(), lost=ours)) if ours else x

    # ------------------------------------------------------------------ images and rows of features

    def _given(self, name, x):
        """What the user says of the model's input, or of what a layer of one's own returns."""
        count = self.channels.get(name)
        if count is None:
            return x
        self.used.add(name)
        return Features(Fact(-1), Fact(True), Order(size=count)) if count else Features(Fact(), Fact(False), Order())

    def _reshape(self, layer, x, ours, theirs):
        *places, last = layer.shape
        if -1 not in layer.shape and x.order.size == math.prod(layer.shape):
            x.places.settle(0)
        if x.flat and all(n == 1 for n in places) or not x.flat and places and last == x.order.size:
            return x._replace(places=Fact(len(places)), first=Fact() if x.flat else x.first)
        if not x.flat:
            if ours not in self.channels:
                self._known(x, layer, ours)
            self._same(x.order, layer, ours)
            flat = _FlattenedImage(x.first, x.order, Order(), ours, layer, opens=False)
            self.flats.append(flat)
            x = Features(Fact(0), Fact(), flat.order)
        if not places:
            return x
        first = Fact(self._unflattened(layer, ours, theirs))
        flat = _FlattenedImage(first, Order(1, None if last == -1 else last), x.order, ours, layer, opens=True)
        self.flats.append(flat)
        return Features(Fact(len(places)), first, flat.last, x.lost)

    def _unflattened(self, layer, ours, theirs):
        """Whether torch's Unflatten has the channels first, where its shape tells."""
        size, shape = getattr(self.modules.get(theirs), "unflattened_size", None), layer.shape
        if size is None or -1 in (*size, *shape):
            return None
        size, moved = tuple(size), (shape[-1], *shape[:-1])
        if size not in (shape, moved):
            self.differences.append(f"{label(ours, layer)} has the shape {size} in torch")
        return None if shape == moved else size == moved

    def _settle(self):
        """Decide what all layers together tell of each `Flatten`, `Reshape` and norm of several axes."""
        unread, read = (
            [],
            {leaf for row in self.rows for order in row.permutations if order is not None for leaf in order.leaves()},
        )
        for first, last, order, name, layer, opens in self.flats:
            given, size = self.channels.get(name), last.size
            if given is not None:
                self.used.add(name)
                given = max(given, 1)
            told = order.value if given is None else given
            if opens and first.value is None and told is not None:  # what comes in tells how torch reads it
                first.settle(told != 1)
            if given is not None:
                want = given if size in (None, given) else 1
                if given not in (1, want):
                    raise self._conflict(layer, name)
            elif first.value is False or size == 1 or size is not None and size == order.size:
                want = 1
            elif first.value and size is not None:
                want = size
            elif order.value is None and order.root() not in read:
                unread.append((order, layer, name))  # so far, nothing depends on it
                continue
            else:
                raise self._unknown(layer, name, True)
            if not order.settle(want):
                raise self._conflict(layer, name)
        for order, layer, name in unread:
            if order.value is not None and (order.value != 1 or isinstance(layer, Flatten)):
                raise self._unknown(layer, name, True)
        for x, k, layer, name in self.norms:
            n, first = len(layer.feature_shape), x.first.value
            if first is None:
                raise self._unknown(layer, name, False)
            if first and x.places.value not in (None, -1, n - 1):
                raise self._crossed(layer, name)
            self.rows[k] = self.rows[k]._replace(axes=(*range(1, n), 0) if first else None, permutations=(None,) * n)
        self.rows = [row._replace(permutations=self._permutations(row)) for row in self.rows]

    def _permutations(self, row):
        try:
            return tuple(o and o.permutation(n) for o, n in zip(row.permutations, row.shape, strict=True))
        except LayoutError as error:
            error.add_note(f"in {row.ours!r}")
            raise

    def _unknown(self, layer, name, flat):
        own = f"channels={{{name!r}: C}} (1 where the order is the same), or " if flat else ""
        return LayoutError(
            f"torch has the channels of an image first, and whether {label(name, layer)} gets one, of how many "
            f"channels, is not known: say {own}channels=C for the model's input, 0 where its axes stand as in torch"
        )


def _named_rows(rows, layer):
    """The rows of a layer's twin with the names of a tuple of torch's arrays; of a recurrent one, cell by cell."""
    rows = [((parts,) if isinstance(parts, str) else parts, *rest) for parts, *rest in rows]
    if not hasattr(layer, "cell"):
        return rows
    named = []
    for k, run in enumerate(layer.runs()):
        deep, back = divmod(k, 1 + layer.bidirectional)
        end = f"_l{deep}" + "_reverse" * back
        for parts, name, axes, roles in rows:
            roles = roles.replace("i", ".") if deep else roles  # what a layer above reads, torch has in the same order
            named.append((tuple(part + end for part in parts), run.names.get(name), axes, roles))
    return named


def _first_of(layer, names):
    return next((getattr(layer, name) for name in names if hasattr(layer, name)), None)


def _axes_of(layer):
    """The number of spatial axes of a convolution, a pool or a border."""
    return getattr(getattr(layer, "patches", layer), "n", None)


def _places(kind, layer, before):
    """The places behind a layer."""
    if _axes_of(layer) is not None:
        return Fact(_axes_of(layer))
    if hasattr(layer, "cell"):
        return Fact(0 if layer.last_only else 1)
    return {GlobalAvgPool2d: Fact(0), Embedding: Fact()}.get(kind, before)
