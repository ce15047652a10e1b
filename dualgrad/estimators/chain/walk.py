"""Walk: a pass along a chain."""

import numpy as np

from ...errors import DualgradError, ShapeError
from ...nn.containers import Transposed
from ...nn.layer import with_buffers
from ...nn.linear import Linear
from ...zero import ZERO
from .steps import ADD, SAVE, SWAP, is_norm, is_site


class Walk:
    """A pass along a chain. Values and pullbacks are made as far ahead as they are asked for, and dropped behind.

    Its sites are the layers with parameters that move, all or those of some names.
    """

    def __init__(self, chain, params, x, keywords, moving=None):
        self.steps, self.keywords, self.p, self.end = chain.steps, keywords, with_buffers(params), chain.trunk
        self.values, self.pulls, self.streams, self.stack = [x], [], [], []
        sites = [k for k, step in enumerate(self.steps) if is_site(step)]
        self.sites = [k for k in sites if moving is None or not set(self.steps[k].names.values()).isdisjoint(moving)]
        self.examples, self.kept, self.reached = len(x), {}, {}

    def value(self, k):
        """The input of step k, which is the output of the one before."""
        while len(self.values) <= k:
            self._advance()
        return self.values[k]

    def kind(self, k):
        """The shape of the input of step k, and an array of its kind; without a product where a Linear is before it."""
        step, x = self.steps[k - 1], self.value(k - 1)
        if len(self.values) == k and type(step.layer) is Linear and x.shape[-1] == step.layer.in_features:
            weight = self.p[step.names["weight"]]
            if x.dtype == weight.dtype:
                return (*x.shape[:-1], step.layer.out_features), weight
        return self.value(k).shape, self.value(k)

    def _advance(self):
        step, x = self.steps[len(self.values) - 1], self.values[-1]
        pull = stream = None
        if step.layer is SAVE:
            self.stack.append(x)
        elif step.layer is SWAP:
            x, self.stack[-1] = self.stack[-1], x
        elif step.layer is ADD:
            x = x + self.stack.pop()
        elif hasattr(step.layer, "enter"):
            x, pull = step.layer.enter(x), lambda dy: ({}, step.layer.enter_pullback(dy))
        else:
            self._require(step, x)
            keywords = self._keywords(step)
            stream = keywords["rng"].state_dict() if "rng" in keywords else None
            x, pull = step.layer.vjp(self.own(step), x, **keywords)
        if is_site(step) and (np.ndim(x) < 2 or len(x) != self.examples):
            raise ShapeError(
                f"the output of {step.layer!r} has shape {np.shape(x)}; expected {self.examples} examples along the "
                "first of two axes or more, to give each a slope of its own"
            )
        self.values.append(x)
        self.pulls.append(pull)
        self.streams.append(stream)

    def _require(self, step, x):
        if isinstance(step.layer, Transposed) and np.ndim(x) == 2:
            raise DualgradError(
                f"{step.layer!r} acts across the examples of an input {np.shape(x)}: they have no slopes"
            )

    def _keywords(self, step):
        return {name: v for name, v in self.keywords.items() if name in step.layer.takes}

    def own(self, step):
        """The parameters of a step under the names that its layer knows."""
        return {name: self.p[full] for name, full in step.names.items()}

    def push(self, k, dx, stack):
        """The tangent behind step k, for one (or n, along a leading axis) before it."""
        self.value(k + 1)
        step = self.steps[k]
        if step.layer is SAVE:
            stack.append(dx)
        elif step.layer is SWAP:
            dx, stack[-1:] = (stack[-1] if stack else ZERO), [dx]
        elif step.layer is ADD:
            dx = dx + (stack.pop() if stack else ZERO)
        elif hasattr(step.layer, "enter"):
            dx = dx if dx is ZERO else step.layer.enter_tangent(dx)
        elif dx is not ZERO:
            dx = self._tangent(k, step, dx)
        return dx

    def _tangent(self, k, step, dx):
        if type(step.layer) is Linear:  # the value is known: the tangent is one product
            return np.matmul(dx, self.p[step.names["weight"]])
        keywords = self._keywords(step)
        if self.streams[k] is None:
            return step.layer.push(self.own(step), self.values[k], _still(step), dx, **keywords)[1]
        ahead = keywords["rng"].state_dict()  # the same masks as for the value
        keywords["rng"].load_state_dict(self.streams[k])
        dy = step.layer.push(self.own(step), self.values[k], _still(step), dx, **keywords)[1]
        keywords["rng"].load_state_dict(ahead)
        return dy

    def pull(self, start, end, cotangent):
        """A cotangent of the input of step ``end``, taken back to the input of step ``start``."""
        stack = []
        for k in reversed(range(start, end)):
            layer = self.steps[k].layer
            if layer is ADD:
                stack.append(cotangent)
            elif layer is SWAP:
                other = stack.pop() if stack else ZERO
                stack.append(cotangent)
                cotangent = other
            elif layer is SAVE:
                cotangent = cotangent + (stack.pop() if stack else ZERO)
            elif cotangent is not ZERO:
                cotangent = self._back(k, cotangent)
        return cotangent

    def _back(self, k, cotangent):
        """A cotangent of what leaves step k, at its input."""
        step = self.steps[k]
        if type(step.layer) is Linear:  # without the products that make its parameters' share
            return np.matmul(cotangent, self.p[step.names["weight"]].T)
        self.value(k + 1)
        return self.pulls[k](cotangent)[1]

    def gradient(self, k, cotangent, sums):
        """Add to `Sums` the gradient of a site's own parameters, for a cotangent of its output."""
        step = self.steps[k]
        if type(step.layer) is Linear:  # without the product that goes on to its input
            rows, out = np.reshape(self.values[k], (-1, step.layer.in_features)), step.layer.out_features
            weight, cotangent = step.names["weight"], np.reshape(cotangent, (-1, out))
            sums.add(weight, np.matmul(rows.T, cotangent, out=sums.place(weight)))
            if "bias" in step.names:
                sums.add(step.names["bias"], np.sum(cotangent, axis=0))
            return
        for name, g in self.pulls[k](cotangent)[0].items():
            sums.add(step.names[name], g)

    def pushed(self, start, end, dx):
        """A tangent at the input of step ``start``, pushed to that of step ``end``."""
        self.value(end)
        stack = []
        for k in range(start, end):
            dx = self.push(k, dx, stack)
        return dx

    @property
    def trunk(self):
        """The input of the next chain."""
        return self.values[self.end]

    def downstream(self, k):
        """The layers with weights that what leaves step k reaches, and how many lie on the way: ``[(j, n)]``."""
        if k not in self.reached:
            self.reached[k] = self._reach(k)
        return self.reached[k]

    def _reach(self, k):
        found, count, stack = [], 0, []
        for j in range(k + 1, len(self.steps)):
            step = self.steps[j]
            if step.layer is SAVE:
                stack.append(count)
            elif step.layer is SWAP:
                count, stack[-1:] = (stack[-1] if stack else None), [count]
            elif step.layer is ADD:
                count = max((n for n in (count, stack.pop() if stack else None) if n is not None), default=None)
            elif count is not None and is_site(step) and not is_norm(step):
                found.append((j, count))
                count += 1
        return found

    def leave(self, k):
        """Drop what step k and those before it made."""
        self.values[k] = self.values[k] if k == self.end else None
        self.pulls[k] = None


def _still(step):
    return dict.fromkeys(step.layer.shapes(), ZERO)
