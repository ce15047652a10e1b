"""A signature shows what there is to set: no public class or function hides its parameters behind *args or **kwargs."""

import inspect

import pytest

from dualgrad import nn, optim
from dualgrad.nn import networks

PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name) for module in (nn, networks, optim) for name in module.__all__
}
SHOWN = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing) or inspect.isfunction(thing)}
SEVERAL = {
    nn.Sequential: ["layers"], nn.Residual: ["layers"], nn.Parallel: ["layers"], nn.Reshape: ["shape"],
    nn.Loss: ["settings"], nn.initialise: ["settings"],
}  # fmt: skip
LOSSES = [
    kind for kind in PUBLIC.values() if inspect.isclass(kind) and issubclass(kind, nn.Loss) and kind is not nn.Loss
]


def several(thing):
    """The parameters of a signature that take any number of arguments."""
    kinds = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [p.name for p in inspect.signature(thing).parameters.values() if p.kind in kinds]


@pytest.mark.parametrize("thing", SHOWN.values(), ids=SHOWN)
def test_no_public_name_hides_its_parameters(thing):
    assert several(thing) == SEVERAL.get(thing, [])


@pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
def test_a_loss_shows_its_settings_with_their_defaults(kind):
    shown = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    assert shown == {"reduction": "mean", **kind.settings}
    assert kind(**shown).given == {}


@pytest.mark.parametrize("kind", [nn.RNN, nn.LeakyRNN, nn.GRU, nn.LSTM], ids=lambda kind: kind.__name__)
def test_a_recurrent_layer_shows_what_its_cell_takes(kind):
    own, cells = (inspect.signature(of).parameters for of in (kind, kind.cell_class))
    of_layers = {"num_layers", "batch_first", "dropout", "bidirectional", "last_only"}
    assert {name: p.default for name, p in own.items() if name not in of_layers} == {
        name: p.default for name, p in cells.items()
    }
