"""What `check_vjp` is given, as a layer whose rules are functions of parameters and an input alone."""

from ...dual import primal
from ...nn.user_rules import tangent_rule
from ...random import Rng


class HeldLayer:
    """A layer whose buffers stand still and whose draws are the same at every call."""

    lead = True

    def __init__(self, layer, buffers, draws):
        self.layer, self.buffers, self.draws = layer, buffers, draws

    def __repr__(self):
        return repr(self.layer)

    def _given(self, p, x, kwargs):
        kind = primal(x).dtype
        held = {n: b.astype(kind) if kind.kind == "f" else b for n, b in self.buffers.items()}
        return {**p, **held}, kwargs | ({"rng": Rng(0)} if self.draws else {})

    def forward(self, p, x, **kwargs):
        p, kwargs = self._given(p, x, kwargs)
        return self.layer.forward(p, x, **kwargs)

    def jvp(self, p, x, dp, dx, **kwargs):
        p, kwargs = self._given(p, x, kwargs)
        return tangent_rule(self.layer)(p, x, dp, dx, **kwargs)

    def vjp(self, p, x, **kwargs):
        p, kwargs = self._given(p, x, kwargs)
        return self.layer.vjp(p, x, **kwargs)


class LossRules:
    """A loss with the signatures of a layer."""

    lead = True

    def __init__(self, loss):
        self.loss = loss

    def __repr__(self):
        return repr(self.loss)

    def forward(self, p, x, target, **kwargs):
        return self.loss.forward(x, target, **kwargs)

    def jvp(self, p, x, dp, dx, target, **kwargs):
        return self.loss.push(x, target, dx, **kwargs)

    def vjp(self, p, x, target, **kwargs):
        y, pull = self.loss.vjp(x, target, **kwargs)
        return y, lambda dy: ({}, pull(dy))
