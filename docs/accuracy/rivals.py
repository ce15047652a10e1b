"""What JAX and PyTorch make of the same functions: double precision, orders 1 to 3, in docs/accuracy_rivals.json."""

import json
import math
import warnings
from pathlib import Path

import numpy as np

from . import measure
from .subjects import CURVES, cases, curve, number

STORE = Path(__file__).parent.parent / "accuracy_rivals.json"
NAMES = ("JAX", "PyTorch")


def stored():
    """``versions[library]``, ``worst[library][function]`` at orders 1 to 3, and ``curves[library][function]`` at the
    points of the figure; None for a function that a library has not, or cannot derive."""
    return json.loads(STORE.read_text("utf-8"))


def remake(progress):
    """Measure, and write the store."""
    found = {"versions": {}, "worst": {}, "curves": {}}
    for library in (Jax(), Torch()):
        found["versions"][library.name] = library.version
        worst = found["worst"][library.name] = {}
        for case in progress(cases(), library.name):
            x = measure.domain(case, "float64", full=True)
            errors = library.errors(case, x[(x == 0) | (np.abs(x) > np.finfo(x.dtype).tiny)])  # XLA flushes the others
            if errors is None:
                worst[case.subject.name] = None
            elif worst.setdefault(case.subject.name, [math.nan] * 3):
                each = zip(worst[case.subject.name], (errors.worst(column)[0] for column in (1, 2, 3)), strict=True)
                worst[case.subject.name] = [round_up(np.fmax(*pair)) for pair in each]
        curves = {name: library.errors(*curve(name)) for name in CURVES}
        found["curves"][library.name] = {name: e and [round_up(v) for v in e.error[2]] for name, e in curves.items()}
    STORE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def round_up(error):
    """To two digits, which are enough."""
    return float(f"{error:.1e}")


class Library:
    """Another library: its names for a subject's function, and its derivatives of it."""

    def errors(self, case, x):
        """The `Errors` of a case at x; None where the library has no such function, or cannot derive it."""
        expression = getattr(case.subject, self.field)
        if expression is None:
            return None
        f = eval(expression, self.names)
        program = lambda x: f(*case.subject.arguments(case.label, x, self.still, self.full))  # noqa: E731
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return measure.errors(case, x, self.derivatives(program, x))
            except (AttributeError, NotImplementedError, RuntimeError, TypeError) as error:
                print(f"{self.name} fails at {case.subject.name} [{case.label}]: {str(error).splitlines()[0]}")
                return None


class Jax(Library):
    """JAX by nested jax.jvp."""

    name, field = "JAX", "jax"

    def __init__(self):
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax, self.version = jax, jax.__version__
        self.names = {"jax": jax, "jnp": jax.numpy, "jsp": jax.scipy.special, "np": np, "number": number}

    def still(self, x):
        return self.jax.lax.stop_gradient(x)

    def full(self, x, c):
        return self.jax.numpy.full(x.shape, c, x.dtype)

    def derivatives(self, f, x):
        rows = [f]
        for _ in range(3):
            rows.append(lambda x, g=rows[-1]: self.jax.jvp(g, (x,), (self.jax.numpy.ones_like(x),))[1])
        return [np.asarray(g(self.jax.numpy.asarray(x))) for g in rows]


class Torch(Library):
    """PyTorch by torch.autograd.grad of the sum, with create_graph=True."""

    name, field = "PyTorch", "torch"

    def __init__(self):
        import torch

        self.torch, self.version = torch, torch.__version__.split("+")[0]
        self.names = {"torch": torch, "math": math, "np": np, "number": number}

    def still(self, x):
        return x.detach()

    def full(self, x, c):
        return self.torch.full_like(x.detach(), c)

    def derivatives(self, f, x):
        x = self.torch.tensor(x, requires_grad=True)
        rows = [f(x)]
        for _ in range(3):
            y, slope = rows[-1], None
            if y.requires_grad:
                (slope,) = self.torch.autograd.grad(y.sum(), x, create_graph=True, allow_unused=True)
            rows.append(self.torch.zeros_like(x) if slope is None else slope)
        return [row.numpy(force=True) for row in rows]
