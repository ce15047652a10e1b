"""Sparse Jacobians and Hessians: the pattern, the compressed matrix and the dense one, beside a forward pass of f."""

from timing import show, take_turns


def sparse(args):
    """Each in microseconds, and in forward passes of f on plain arrays."""
    rows, found = [], {}
    for name, (f, x) in cases(small=args.smoke).items():
        t = found[name] = parts(f, x, 2 if args.smoke else min(args.rounds, 7))
        rows.append([name, *(f"{t[part]:.0f}" for part in t), f"{t.ratio('pattern', 'f(x)'):.0f}"])
        rows[-1].append(f"{t.ratio('dense', 'known pattern'):.0f}")
    header = ["f", *next(iter(found.values())), "pattern / f(x)", "dense / compressed"]
    show("Sparse derivatives, float64", header, rows)
    return found


def cases(small):
    """Functions and points: two of the Jacobian's, one of the Hessian's."""
    import numpy as np

    side, n = (8, 100) if small else (32, 2000)
    return {
        f"Brusselator, {side} x {side}": (brusselator, np.linspace(0.1, 1, 2 * side * side)),
        f"heat equation, {n}": (heat, np.linspace(0, 1, n)),
        f"Rosenbrock's Hessian, {n // 10}": (rosenbrock, np.linspace(0.1, 1, n // 10)),
    }


def brusselator(y):
    """Two species on a periodic grid, u and v."""
    import numpy as np

    side = round((y.size / 2) ** 0.5)
    u, v = y[: side * side].reshape(side, side), y[side * side :].reshape(side, side)

    def laplacian(w):
        return (np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1) - 4 * w) * side**2

    du = 1.0 + u**2 * v - 4.4 * u + 10 * laplacian(u)
    return np.concatenate([du.ravel(), (3.4 * u - u**2 * v + 10 * laplacian(v)).ravel()])


def heat(u):
    """The right-hand side of a nonlinear heat equation."""
    import numpy as np

    left, right = np.concatenate([u[:1], u[:-1]]), np.concatenate([u[1:], u[-1:]])
    return u**3 + left - 2 * u + right


def rosenbrock(x):
    """A number, whose Hessian has three bands."""
    import numpy as np

    return np.sum((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2)


def parts(f, x, rounds):
    """The times of f, its pattern, and its matrix: by the pattern, found anew, and dense."""
    import numpy as np

    import dualgrad as dg
    from dualgrad.patterns import hessian_pattern

    of_number = np.ndim(f(x)) == 0
    matrix, detect = (dg.hessian, hessian_pattern) if of_number else (dg.jacfwd, dg.sparsity)
    pattern = detect(f, x)
    return take_turns(
        {
            "f(x)": lambda: f(x),
            "jvp": lambda: dg.jvp(f, (x,), (x,)),
            "pattern": lambda: detect(f, x),
            "known pattern": lambda: matrix(f, sparsity=pattern)(x),
            "sparsity='auto'": lambda: matrix(f, sparsity="auto")(x),
            "dense": lambda: matrix(f)(x),
        },
        rounds,
    )


TABLES = {"sparse": sparse}
