"""How long derivatives take: the same programs by every library, in turns, on one core, warm, the best of many runs."""

import gc
import itertools
import time
import warnings
from typing import NamedTuple

import numpy as np

NETWORK, POINTS = (16, 64, 64, 1), 64
TURN = 0.02  # seconds for which a library runs before the next one does


class Timed(NamedTuple):
    """``way`` says which derivative of ``program`` is taken at x: jvp, jacobian, gradient, hessian or laplacian."""

    about: str
    way: str
    program: str
    torch: str
    x: np.ndarray


def rosenbrock(n):
    """The points at which it is taken."""
    return np.linspace(-1, 1, n)


def rows():
    """The lines of the table."""
    rng = np.random.default_rng(0)
    valley = "lambda x: {0}.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)"
    layer = "lambda x: {0}.tanh(W[: x.shape[0], : x.shape[0]] @ x)"
    network = "lambda x: ({0}.tanh({0}.tanh(x @ A) @ B) @ C)[..., 0]"
    examples = rng.normal(size=(POINTS, NETWORK[0]))
    return [
        _row("a direction of Rosenbrock's function, n = 100", "jvp", valley, rosenbrock(100)),
        _row(f"a direction of a tanh network {'-'.join(map(str, NETWORK))}, {POINTS} points", "jvp", network, examples),
        *(_row(f"the Jacobian of tanh(W x), n = {n}", "jacobian", layer, rng.normal(size=n)) for n in (10, 100, 400)),
        *(
            _row(f"the gradient of Rosenbrock's function, n = {n}", "gradient", valley, rosenbrock(n))
            for n in (10, 100, 1000)
        ),
        *(_row(f"its Hessian, n = {n}", "hessian", valley, rosenbrock(n)) for n in (10, 50)),
        _row("the Laplacian of the network, at each point", "laplacian", network, examples),
    ]


def _row(about, way, program, x):
    return Timed(about, way, program.format("np"), program.format("torch"), x)


def constants(library):
    """The matrices that the programs name, as the library's arrays."""
    rng = np.random.default_rng(1)
    shapes = itertools.pairwise(NETWORK)
    weights = [rng.normal(size=s) / s[0] ** 0.5 for s in shapes]
    named = dict(zip("ABC", weights, strict=True)) | {"W": rng.normal(size=(400, 400)) / 20}
    return {name: library.array(a) for name, a in named.items()}


def runs(library, row):
    """{column: a function of nothing that takes the derivative}."""
    library.names |= constants(library)
    f = library.program(row.torch if library.name == "torch.func" else row.program)
    x = library.array(row.x)
    if row.way == "jvp":
        found = lambda x: library.jvp(f, x, x)  # noqa: E731
    elif row.way == "laplacian":
        found = library.laplacian(f)
    else:
        found = getattr(library, row.way)(f)
    if found is None:
        return {}
    each = {library.name: lambda: library.numpy(found(x))}
    if library.jitted:
        compiled = library.jax.jit(found)
        each[f"{library.name}, jitted"] = lambda: library.numpy(compiled(x))
    return each


def _shortest(run):
    """The shortest of the runs that go into one turn, by which time caches are its own."""
    best, end = np.inf, time.perf_counter() + TURN
    while (start := time.perf_counter()) < end:
        run()
        best = min(best, time.perf_counter() - start)
    return best


def measure(libraries, row, seconds):
    """{column: microseconds}, and None where a library does not get through; all in turns, for so many seconds."""
    ways, best = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn of what they deprecate
        for library in libraries:
            try:
                for column, run in runs(library, row).items():
                    run()
                    ways[column], best[column] = run, np.inf
            except Exception as error:  # of any kind: what is asked is whether it gets through
                print(f"{library.name} fails at {row.about}: {error}")
        until = time.perf_counter() + seconds
        gc.disable()
        try:
            while time.perf_counter() < until:
                for column, run in ways.items():
                    best[column] = min(best[column], _shortest(run))
        finally:
            gc.enable()
    return {column: float(f"{1e6 * t:.2g}") for column, t in best.items()}
