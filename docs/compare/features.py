"""What there is, each shown by a program that runs: a feature that a library has not has none."""

import warnings
from importlib.metadata import version
from typing import NamedTuple

import numpy as np

X = np.array([0.5, 2.0])
LIBRARIES = ("dualgrad", "advect", "dualpy", "autograd", "JAX", "torch.func")


class Feature(NamedTuple):
    """``programs[library]``: an expression, which has to run; or a pair of it and what the table says of it."""

    about: str
    programs: dict


FEATURES = [
    Feature("programs written with NumPy's own functions", {
        "dualgrad": "dg.jvp(lambda x: numpy.sin(x) @ x, (X,), (X,))",
        "advect": "advect.jvp(lambda x: numpy.sin(x) @ x)(X, tangents=X)",
        "dualpy": "dualpy.jvp(lambda x: numpy.sin(x) @ x, (X,), (X,))",
        "autograd": ("autograd.jacobian(np.sin)(X)", "autograd.numpy"),
        "JAX": ("jax.jvp(np.sin, (X,), (X,))", "jax.numpy"),
        "torch.func": ("torch.func.jvp(torch.sin, (T,), (T,))", "torch's own"),
    }),
    Feature("reverse mode", {
        "dualgrad": ("nn.Linear(2, 1).vjp", "of layers and losses"),
        "advect": "advect.grad(lambda x: x @ x)(X)", "autograd": "autograd.grad(lambda x: np.dot(x, x))(X)",
        "JAX": "jax.grad(lambda x: x @ x)(X)", "torch.func": "torch.func.grad(lambda x: x @ x)(T)",
    }),
    Feature("K directions in one pass", {
        "dualgrad": "dg.jvp(np.sin, (X,), (numpy.eye(2),))",
        "JAX": ("jax.vmap(lambda v: jax.jvp(np.sin, (X,), (v,))[1])(np.eye(2))", "vmap"),
        "torch.func": ("torch.func.vmap(lambda v: torch.func.jvp(torch.sin, (T,), (v,))[1])"
                       "(torch.eye(2, dtype=T.dtype))", "vmap"),
    }),
    Feature("tangents without the values being computed again", {
        "dualgrad": "dg.linearize(np.sin, X)[1](X)", "advect": "advect.linearize(numpy.sin, X)",
        "JAX": "jax.linearize(np.sin, X)[1](X)", "torch.func": "torch.func.linearize(torch.sin, T)[1](T)",
    }),
    Feature("the Laplacian in one pass", {
        "dualgrad": "dg.laplacian(lambda x: np.sum(x**4))(X)",
        "dualpy": ("dualpy.laplacian(lambda x: numpy.sum(x**4))(X)", "by the Hessian"),
    }),
    Feature("Taylor series without nesting", {
        "dualgrad": "dg.taylor(np.sin, 0.5, 8)",
        "JAX": ("__import__('jax.experimental.jet').experimental.jet.jet(np.sin, (0.5,), ((1.0, 0.0),))",
                "experimental"),
    }),
    Feature("sparse Jacobians", {
        "dualgrad": 'dg.jacfwd(lambda x: x**2, sparsity="auto")(X)', "JAX": ("installed('asdex')", "by asdex"),
    }),
    Feature("sensitivities of differential equations, forward", {
        "dualgrad": ("dg.jacfwd(lambda y: integrate.solve_ivp(lambda t, y: -y, (0, 1), y).y[:, -1])(X)",
                     "every method of SciPy"),
        "JAX": ("installed('diffrax')", "by diffrax"),
    }),
    Feature("functions that are given by an equation", {
        "dualgrad": "dg.jacfwd(dg.implicit(lambda y, a: y**3 - a, np.cbrt))(X)", "advect": "advect.implicit_root",
        "JAX": "jax.lax.custom_root",
    }),
    Feature("propagation of covariances", {"dualgrad": "dg.propagate(lambda x: x @ x, X, np.eye(2))"}),
    Feature("a linear operator of SciPy", {"dualgrad": "dg.operator(np.sin, X) @ X"}),
    Feature("SciPy's special functions", {
        "dualgrad": "special.gammaln", "advect": "special.gammaln", "autograd": "special.gammaln",
        "JAX": "special.gammaln", "torch.func": ("special.gammaln", "torch's own"),
    }),
    Feature("SciPy's distributions", {
        "dualgrad": "stats.norm.logpdf(0.0)", "autograd": "stats.norm.logpdf(0.0)", "JAX": "stats.norm.logpdf(0.0)",
    }),
    Feature("arrays written into", {
        "dualgrad": "dg.jvp(written, (X,), (X,))", "dualpy": "dualpy.jvp(written, (X,), (X,))",
        "torch.func": "torch.func.jvp(written, (T,), (T,))",
    }),
    Feature("a trace to look at, step by step", {
        "dualgrad": "dg.trace(np.sin, (X,), (X,))", "advect": ("advect.stage", "staged programs"),
        "JAX": ("jax.make_jaxpr(np.sin)(X)", "jaxprs"),
    }),
    Feature("compiled programs", {
        "advect": ("advect.stage", "an interpreter in C++"), "JAX": "jax.jit(np.sin)(X)",
        "torch.func": "torch.compile",
    }),
    Feature("graphics processors", {
        "dualgrad": ("dg", "CuPy"), "JAX": "jax", "torch.func": "torch.cuda",
    }),
    Feature("layers, estimators of gradients, online learning", {
        "dualgrad": "dg.estimators.ForwardGradient(dg.directions.Rademacher())",
    }),
    Feature("proofs of rules and estimators", {
        "dualgrad": "testing.check_jvp(np.sin, (X,))",
        "autograd": ("__import__('autograd.test_util').test_util.check_grads", "differences"),
        "JAX": ("__import__('jax.test_util').test_util.check_grads", "differences"),
        "torch.func": ("torch.autograd.gradcheck", "differences"),
    }),
]  # fmt: skip


def written(x):
    """What writes into an array."""
    y = 0 * x
    y[0] = x[0] * x[1]
    return y


def shown(library, feature):
    """What the table says: "yes", words, or "" where there is none; a program that does not run raises."""
    found = feature.programs.get(library.name, "")
    if not found:
        return ""
    program, says = found if isinstance(found, tuple) else (found, "yes")
    names = library.names | {
        "numpy": np,
        "X": library.array(X),
        "T": library.array(X),
        "written": written,
        "installed": version,
    }
    names |= vars(library)
    if library.name == "dualgrad":
        names |= {"nn": library.dg.nn, "testing": library.dg.testing}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn of what they deprecate
        eval(program, names)
    return says
