"""The public names of torch and their arguments: asked of the torch that is installed, and kept in names.json."""

import inspect
import json
import re
from pathlib import Path

STORE = Path(__file__).parent / "names.json"


def stored() -> dict:
    """``version``, and {name: {argument: its default, as it prints, or ""}} of ``nn``, ``optim`` and ``schedules``."""
    return json.loads(STORE.read_text("utf-8"))


def store() -> None:
    """Write what torch says."""
    lines = re.sub(r"\{\n {3}(.*?)\n {2}\}", lambda found: "{" + found[1].replace("\n   ", " ") + "}",
                   json.dumps(asked(), indent=1), flags=re.DOTALL)  # fmt: skip
    STORE.write_text(lines + "\n", "utf-8")


def asked() -> dict:
    """The same of the torch that is installed."""
    import torch

    nn, schedules = torch.nn, torch.optim.lr_scheduler
    return {
        "version": torch.__version__.partition("+")[0],
        "nn": {name: _arguments(kind) for name, kind in _classes(nn, nn.Module)},
        "optim": {name: _arguments(kind) for name, kind in _classes(torch.optim, torch.optim.Optimizer)},
        "schedules": {name: _arguments(kind) for name, kind in _classes(schedules, schedules.LRScheduler)},
    }


def _classes(module, base):
    for name in sorted(dir(module)):
        kind = getattr(module, name)
        public = name in getattr(module, "__all__", [name]) and not name.startswith("_")
        if public and inspect.isclass(kind) and issubclass(kind, base):
            yield name, kind


def _arguments(kind):
    """By name; of a class that hands all on to a base, those of the base; of containers none."""
    found = inspect.signature(kind).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in found) and "num_layers" in inspect.signature(kind.__base__).parameters:
        own = {"nonlinearity": repr(kind(1, 1).nonlinearity)} if hasattr(kind(1, 1), "nonlinearity") else {}
        base = list(_arguments(kind.__base__).items())[1:]  # without the mode; a nonlinearity stands behind num_layers
        return dict(base[:3]) | own | dict(base[3:])
    kept = [p for p in found if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    return {p.name: "" if p.default is p.empty else _printed(p.default) for p in kept}


def _printed(default):
    return repr(default) if isinstance(default, (bool, int, float, str, tuple, type(None))) else "..."
