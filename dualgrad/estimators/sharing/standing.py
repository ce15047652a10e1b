"""Standing: from where a worker makes a step, which must be from where all others do."""

import json
from typing import Any, NamedTuple

from ...errors import DriftError, DualgradError, LayoutError
from ...random import Rng
from ...settings import difference, settings
from ...workers import Workers, digest
from ...workers.agreement import odd_ones
from ..point import Point
from .plan import Plan


class Standing(NamedTuple):
    """How many steps a worker has made, by which settings, and at which parameters, where that is looked at."""

    made: int
    settings: str
    digest: str | None


def header_of(plan: Plan, at: Point, rng: Rng) -> dict[str, Any]:
    """What the steps of a run belong to, as plain data."""
    state = rng.state_dict()
    seed = state.get("seed") if isinstance(state, dict) else None
    kinds = at.layout.dtypes or (at.vector.dtype,)
    found = {
        "step": type(plan).__name__, "estimator": settings(plan.estimator), "shards": plan.shards, "chunk": plan.chunk,
        "exact": plan.exact, "numbers": plan.numbers, "parameters": list(at.layout.named.items()),
        "dtypes": sorted({str(kind) for kind in kinds}), "buffers": digest_of_buffers(at.params),
        "seed": seed and {name: seed[name] for name in ("entropy", "spawn_key", "pool_size")},
    }  # fmt: skip
    return json.loads(json.dumps(found))


def digest_of_buffers(params: Any) -> str | None:
    """The digest of running statistics; None without any."""
    buffers = getattr(params, "buffers", None)
    return digest(buffers) if buffers else None


def digest_of_state(estimator: Any, params: Any) -> str:
    """The digest of parameters, and of what the estimator has kept of past steps."""
    kept = [vector for name in estimator.vectors if (vector := getattr(estimator, f"_{name}")) is not None]
    return digest((params, kept)) if kept else digest(params)


def require_alike(standings: list[Standing], workers: Workers, header: Any, unchanged: str) -> None:
    """Raise where a worker goes on from elsewhere than the others."""
    size = len(standings)
    if header["seed"] is None:
        raise DualgradError(
            "the stream of random numbers has no seed that workers could share; expected rng=dg.Rng(seed). What "
            "dualgrad.testing enumerates is drawn by one worker alone: check an estimator with workers=None"
        )
    if len({one.settings for one in standings}) > 1:
        headers = workers.allgather(header)
        found = [(rank, difference(own, headers[0])) for rank, own in enumerate(headers) if own != headers[0]]
        rank, words = found[0] if found else (odd_ones([one.settings for one in standings])[0], "other settings")
        raise LayoutError(f"worker {rank} of {size} has, where worker 0 has another: {words}; {unchanged}")
    if odd := odd_ones([one.made for one in standings]):
        made = ", ".join(str(one.made) for one in standings)
        raise DriftError(
            f"{_workers_in_words(odd, size)} made another number of steps: {made}; {unchanged}. Load the same "
            "checkpoint on all, or replay the same journal"
        )
    digests = [one.digest for one in standings if one.digest is not None]
    if len(set(digests)) > 1:
        odd = odd_ones([one.digest for one in standings])
        raise DriftError(
            f"{_workers_in_words(odd, size)} drifted: before step {standings[0].made} the digests of the "
            f"parameters are {', '.join(digests)}; {unchanged}. Begin with the same parameters, and running "
            "statistics, on all; on unlike CPUs take exact=True"
        )


def _workers_in_words(ranks, size):
    if len(ranks) == 1:
        return f"worker {ranks[0]} of {size} has"
    return f"workers {', '.join(map(str, ranks))} of {size} have"
