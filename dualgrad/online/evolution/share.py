"""Share: which particles are one worker's of several, and what all workers tell each other in a step.

Particles are advanced in units whose size does not depend on how many workers there are, for the shape of a batched
product changes the last bits of its rows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...backend import Array
from ...checks import positive_count
from ...errors import DriftError, LayoutError
from ...random import Rng
from ...settings import fingerprint
from ...tree import Tree
from ...workers import Workers, digest
from ...workers.agreement import dealt, odd_ones, require_workers, together

_IN_COMMON = {
    "settings": "settings, systems or numbers of steps", "params": "parameters", "stream": "random streams",
    "data": "inputs or targets",
}  # fmt: skip
_UNITS = 32  # of particles there are by default, at most


class Said(NamedTuple):
    """What a worker tells the others of a step: its losses, and digests of what all must have in common."""

    losses: bytes
    settings: str
    params: str
    stream: str
    data: str


class Share:
    """The particles of one worker of several: units of ``chunk`` of them, consecutive ones, dealt out evenly."""

    def __init__(self, workers: Workers, particles: int, chunk: int | None) -> None:
        self.workers = require_workers("workers", workers)
        expected = "how many particles are advanced at once, a positive number"
        self.chunk = -(-particles // _UNITS) if chunk is None else positive_count("chunk", chunk, expected)
        units = [range(a, min(a + self.chunk, particles)) for a in range(0, particles, self.chunk)]
        self.units = dealt(units, workers)

    def plain(self) -> dict[str, int]:
        """Which share it is, as plain data."""
        return {"rank": int(self.workers.rank), "size": int(self.workers.size), "chunk": self.chunk}

    def said(self, losses: Array, settings: Any, params: Tree, rng: Rng, data: Any) -> Said:
        """What the others are told of a step."""
        losses = losses.astype(np.float64).tobytes()
        if self.workers.size == 1:
            return Said(losses, "", "", "", "")
        of_settings, of_stream, of_data = map(fingerprint, ((settings, self.chunk), rng.place(), data))
        return Said(losses, of_settings, digest(params), of_stream, of_data)

    def losses_of_all(self, step: Callable[[], Said]) -> Array:
        """The losses of the particles of all workers, each of which takes its own step; an error of one is all's.

        Raises
        ------
        DriftError
            Where workers differ in what they must have in common.
        """
        words = together(self.workers, step, "no particle of any worker has moved")
        for name, what in _IN_COMMON.items():
            if others := odd_ones([getattr(word, name) for word in words]):
                raise DriftError(
                    f"workers {others} of {len(words)} have other {what} than the rest, and no particle has moved: "
                    "each must run the same program, from the same seed, on the same data"
                )
        return np.concatenate([np.frombuffer(word.losses) for word in words])


def require_same_share(saved: Any, now: dict[str, int] | None) -> None:
    """Raise where the saved states are those of other particles than one has."""
    if saved != now:
        raise LayoutError(
            f"the saved states are those of {_share_in_words(saved)}; these are those of {_share_in_words(now)}: each "
            "worker saves and loads a file of its own, and as many of them go on as there were, with the same chunk"
        )


def _share_in_words(share):
    if share is None:
        return "all particles, without workers"
    if not isinstance(share, dict) or set(share) != {"rank", "size", "chunk"}:
        return f"{share!r:.80}"
    return f"worker {share['rank']} of {share['size']} (chunk={share['chunk']})"
