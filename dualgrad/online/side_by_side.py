"""SideBySide: a `Network` of many particles at once, each with a state and parameters of its own.

The formulas of cells and layers are those of one: with an axis in front of the rows ``(N, B, n)``, of the matrices
``(N, n, m)`` and of the vectors ``(N, 1, n)``, ``x @ W + b`` is that of every particle. Which classes are written so
they say themselves, ``particles = True``; others are refused by name.
"""

from typing import Any

from ..nn.containers import Container
from ..nn.losses import Loss
from ..tree import map_leaves


class SideBySide:
    """What a network that says ``batched=True`` does with a leading axis of particles.

    Raises
    ------
    NotImplementedError
        For a cell, a layer or a loss that is not known to work with one.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        for layer in (*network.cells, network.readout):
            if (one := _without_particles(layer)) is not None:
                raise NotImplementedError(
                    f"got batched=True with {one!r}, which takes no parameters with a leading axis of particles: say "
                    "batched=False, or particles=True in its class where its formulas hold for rows (N, B, n), "
                    "matrices (N, n, m) and vectors (N, 1, n)"
                )
        loss = network.loss_of
        if not isinstance(loss, Loss) or type(loss).forward is not Loss.forward or loss.reduction == "none":
            raise NotImplementedError(
                f"got batched=True with loss={loss!r}; expected a loss of dualgrad.nn or one with an evaluate of its "
                "own, and a mean or a sum: or say batched=False"
            )

    def there(self, p: Any) -> bool:
        """Whether parameters have a leading axis of particles."""
        name, shape = next(iter(self.network.shapes().items()))
        return p[name].ndim > len(shape)

    def step(self, states: tuple[Any, ...], x: Any, p: Any) -> list[Any]:
        """The state of every cell after an input."""
        after = []
        for cell, names, state in zip(self.network.cells, self.network.cell_names, states, strict=True):
            after.append(cell.step(self._own(cell, names, p), self._rows(state), x))
            x = cell.output(after[-1])
        return [self._without_rows(state) for state in after]

    def predict(self, top: Any, p: Any) -> Any:
        """ŷ of every particle, ``(N, B, out)``, from the states of the last cell."""
        network = self.network
        seen = network.cells[-1].output(self._rows(top))
        return network.readout.forward(self._own(network.readout, network.readout_names, p), seen)

    def _own(self, layer, names, p):
        """A layer's parameters, vectors with an axis for the rows."""
        shapes = layer.shapes()
        return {n: p[full][..., None, :] if len(shapes.get(n, ())) == 1 else p[full] for n, full in names.items()}

    def _rows(self, state):
        """A state with its rows; of the only stream there is one."""
        return state if self.network.streams is not None else map_leaves(lambda part: part[..., None, :], state)

    def _without_rows(self, state):
        return state if self.network.streams is not None else map_leaves(lambda part: part[..., 0, :], state)


def _without_particles(layer):
    """The layer, or the first inside it, that takes no axis of particles; None where all do."""
    if not layer.particles:
        return layer
    inside = layer.children.values() if isinstance(layer, Container) else ()
    return next((found for child in inside if (found := _without_particles(child)) is not None), None)
