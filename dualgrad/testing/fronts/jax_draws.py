"""The one primitive by which a program of JAX draws from a replay: its values come from the host.

``draw(law, shape, dtype, keys, *parameters)`` has the shape of the keys and then ``shape``. It may be jitted, vmapped,
scanned and differentiated; what is drawn does not move with the parameters, as in jax.random.
"""

import contextlib

import jax
import numpy as np
from jax import numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from ..enumeration.source import ReplayError
from .jax_keys import WORDS

draw_p = Primitive("draw")
HOSTS = []  # of the runs that are on; the last one draws


def draw(law, shape, dtype, keys, *parameters):
    """Draws of a law under a key, or under each of an array of keys; parameters have the shape of the keys first."""
    return draw_p.bind(
        keys, *map(jnp.asarray, parameters), law=law, shape=tuple(shape), dtype=jax.dtypes.canonicalize_dtype(dtype)
    )


@contextlib.contextmanager
def drawing_from(host):
    """Draws come from ``host.draw(law, shape, words, *parameters)``, whose exceptions are raised at the end."""
    errors = []
    HOSTS.append((host, errors))
    try:
        yield
    except Exception as error:  # under jit JAX raises one of its own
        raise errors[0] if errors else error from None
    finally:
        HOSTS.pop()


def _from_host(words, *parameters, law, shape, dtype):
    if not HOSTS:
        raise ReplayError("a key of the replay is used after its run: make keys from the one that run is given")
    host, errors = HOSTS[-1]
    try:
        return host.draw(law, shape, np.asarray(words), *map(np.asarray, parameters)).astype(dtype)
    except BaseException as error:
        errors.append(error)
        raise


@draw_p.def_impl
def _drawn_at_once(keys, *parameters, **how):
    return jnp.asarray(_from_host(jax.random.key_data(keys), *parameters, **how))


@draw_p.def_abstract_eval
def _drawn_aval(keys, *parameters, law, shape, dtype):
    return jax.core.ShapedArray((*keys.shape, *shape), dtype)


def _drawn_in_batch(args, dims, **how):
    size = next(a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None)
    args = [
        jnp.broadcast_to(a, (size, *a.shape)) if d is None else jnp.moveaxis(a, d, 0)
        for a, d in zip(args, dims, strict=True)
    ]
    return draw_p.bind(*args, **how), 0


def _drawn_with_tangents(primals, tangents, **how):
    y = draw_p.bind(*primals, **how)
    return y, ad.Zero(jax.typeof(y).to_tangent_aval())


def _host_call(ctx, *args, **how):
    keys, *parameters = ctx.avals_in
    words = jax.core.ShapedArray((*keys.shape, WORDS), np.uint32)
    y, _, _ = mlir.emit_python_callback(
        ctx, lambda *given: (_from_host(*given, **how),), None, list(args), [words, *parameters], ctx.avals_out,
        has_side_effect=False,
    )  # fmt: skip
    return y


batching.primitive_batchers[draw_p] = _drawn_in_batch
ad.primitive_jvps[draw_p] = _drawn_with_tangents
mlir.register_lowering(draw_p, _host_call)
