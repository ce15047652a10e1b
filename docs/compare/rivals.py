"""Other libraries, each by its own names: arrays, derivatives along a direction, Jacobians, Hessians, gradients."""

import importlib.metadata
import os
import warnings

import numpy as np


class Library:
    """dualgrad, and what the others have in common with it: functions of NumPy that take its arrays.

    ``jvp(f, x, v)`` is ∂f(x) v; it nests.
    """

    name, package, jitted = "dualgrad", "dualgrad", False

    def __init__(self):
        import dualgrad as dg
        from dualgrad.scipy import integrate, special, stats

        self.dg = dg
        self.names = {"np": np, "np_": np, "special": special, "stats": stats, "integrate": integrate}

    @property
    def version(self):
        """As it is installed, or lies here."""
        return self.dg.__version__ if type(self) is Library else importlib.metadata.version(self.package)

    def array(self, x):
        """A plain array as one of the library's."""
        return np.asarray(x)

    def numpy(self, y):
        """A result as a plain array."""
        return np.asarray(y)

    def jvp(self, f, x, v):
        """∂f(x) v."""
        return self.dg.jvp(f, (x,), (v,))[1]

    def jacobian(self, f):
        """The matrix."""
        return self.dg.jacfwd(f)

    def gradient(self, f):
        """That of a number."""
        return self.dg.grad(f)

    def hessian(self, f):
        """That of a number."""
        return self.dg.hessian(f)

    def laplacian(self, f):
        """Σ ∂²f/∂xᵢ² at each of many points, in the rows of x."""
        return self.dg.laplacian(f, axis=-1)

    def program(self, text):
        """A lambda of a probe, in the library's names."""
        return eval(text, dict(self.names))


class Advect(Library):
    """advect: a tape, in NumPy, with a compiled core."""

    name = package = "advect"

    def __init__(self):
        import advect

        self.advect, self.names = advect, {"np": np, "np_": np}
        try:
            import advect.scipy.special as special

            self.names["special"] = special
        except ImportError:
            pass

    def jvp(self, f, x, v):
        """∂f(x) v."""
        return self.advect.jvp(f)(x, tangents=v)[1]

    def jacobian(self, f):
        """The matrix."""
        return self.advect.jacobian(f)

    def gradient(self, f):
        """By reverse mode."""
        return self.advect.grad(f)

    def hessian(self, f):
        """That of a number."""
        return self.advect.hessian(f)

    def laplacian(self, f):
        """None: it has no way for many points."""
        return None


class Dualpy(Library):
    """dualpy: forward mode by NumPy's protocols."""

    name = package = "dualpy"

    def __init__(self):
        import dualpy

        self.dualpy, self.names = dualpy, {"np": np, "np_": np}

    def jvp(self, f, x, v):
        """∂f(x) v."""
        return self.dualpy.jvp(f, (x,), (v,))[1]

    def jacobian(self, f):
        """The matrix."""
        return self.dualpy.jacobian(f)

    def gradient(self, f):
        """By forward mode."""
        return self.dualpy.gradient(f)

    def hessian(self, f):
        """That of a number."""
        return self.dualpy.hessian(f)

    def laplacian(self, f):
        """None: it has no way for many points."""
        return None


class Autograd(Library):
    """HIPS autograd: forward mode along a direction, or reverse mode where it has no forward rule; and reverse mode."""

    name = package = "autograd"

    def __init__(self):
        import autograd
        import autograd.numpy as anp
        from autograd.scipy import special, stats

        self.autograd, self.names = autograd, {"np": anp, "np_": np, "special": special, "stats": stats}

    def jvp(self, f, x, v):
        """∂f(x) v."""
        try:
            return self.autograd.differential_operators.make_jvp(f)(x)(v)[1]
        except NotImplementedError:  # of functions that have a rule for reverse mode alone
            return self.names["np"].tensordot(self.autograd.jacobian(f)(x), v, np.ndim(v))

    def jacobian(self, f):
        """The matrix."""
        return self.autograd.jacobian(f)

    def gradient(self, f):
        """By reverse mode."""
        return self.autograd.grad(f)

    def hessian(self, f):
        """That of a number."""
        return self.autograd.hessian(f)

    def laplacian(self, f):
        """None: it has no way for many points."""
        return None


class Jax(Library):
    """JAX in double precision: jax.jvp, jacfwd, and grad by reverse mode."""

    name, package, jitted = "JAX", "jax", True

    def __init__(self):
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
        import jax
        from jax.scipy import special, stats

        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_platforms", "cpu")
        self.jax, self.names = jax, {"np": jax.numpy, "np_": np, "special": special, "stats": stats, "jax": jax}

    def array(self, x):
        """A plain array as one of the library's."""
        return self.jax.numpy.asarray(x)

    def jvp(self, f, x, v):
        """∂f(x) v."""
        return self.jax.jvp(f, (x,), (v,))[1]

    def jacobian(self, f):
        """The matrix."""
        return self.jax.jacfwd(f)

    def gradient(self, f):
        """By reverse mode."""
        return self.jax.grad(f)

    def hessian(self, f):
        """That of a number."""
        return self.jax.hessian(f)

    def laplacian(self, f):
        """A jvp of a jvp along each coordinate, under vmap."""
        along = lambda x: self.jax.vmap(lambda e: _twice(self, f, x, e))  # noqa: E731
        return self.jax.vmap(lambda x: along(x)(self.jax.numpy.eye(x.size)).sum())


class Torch(Library):
    """PyTorch by torch.func: jvp, or jacrev where it has no forward rule."""

    name, package = "torch.func", "torch"

    def __init__(self):
        import torch

        torch.set_num_threads(1)
        self.torch, self.names = torch, {"torch": torch, "np_": np, "special": torch.special}

    def array(self, x):
        """A plain array as one of the library's."""
        return self.torch.as_tensor(np.asarray(x))

    def numpy(self, y):
        """A result as a plain array."""
        return y.numpy(force=True)

    def jvp(self, f, x, v):
        """∂f(x) v."""
        try:
            return self.torch.func.jvp(f, (x,), (v,))[1]
        except NotImplementedError:  # of functions that have a rule for reverse mode alone
            return self.torch.tensordot(self.torch.func.jacrev(f)(x), v, v.ndim)

    def jacobian(self, f):
        """The matrix."""
        return self.torch.func.jacfwd(f)

    def gradient(self, f):
        """By reverse mode."""
        return self.torch.func.grad(f)

    def hessian(self, f):
        """That of a number."""
        return self.torch.func.hessian(f)

    def laplacian(self, f):
        """A jvp of a jvp along each coordinate, under vmap."""

        def one(x):
            along = lambda e: _twice(self, f, x, e)  # noqa: E731
            return self.torch.func.vmap(along)(self.torch.eye(x.numel(), dtype=x.dtype)).sum()

        return self.torch.func.vmap(one)


def _twice(library, f, x, e):
    return library.jvp(lambda x: library.jvp(f, x, e), x, e)


LIBRARIES = (Library, Advect, Dualpy, Autograd, Jax, Torch)


def installed():
    """The libraries that are here, in the order of the page; dualgrad is the first."""
    found = []
    for kind in LIBRARIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what their imports deprecate
            try:
                found.append(kind())
            except ImportError as error:
                print(f"{kind.name} is not installed: {error}")
    return found
