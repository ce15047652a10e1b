"""The front of torch's numbers: its samplers are replayed below autograd, so that a program runs as it is."""

import itertools

import numpy as np
import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..enumeration.source import ReplayError
from .front import Front
from .lazy import LazyUniform
from .torch_lazy import Storages, put_numbers
from .torch_operations import DispatchMode, by_name, each_tensor
from .torch_reading import MemoryReads
from .torch_samplers import SAMPLERS, TRANSFORMS, StateDraws
from .torch_states import Generators
from .torch_threads import Threads

PRECISIONS = {
    torch.float64: np.float64,
    torch.float32: np.float32,
    torch.bfloat16: np.float16,  # the closest of NumPy's
    torch.float16: np.float16,
}


class Torch(Front):
    """``run()`` that draws by torch's samplers.

    What is drawn is known by the state of the generator: the same state, the same numbers, so that ``manual_seed``,
    ``set_state``, ``fork_rng`` and checkpoints are modelled.
    """

    name = "torch"

    def __init__(self, run):
        super().__init__(run)
        self.plays, self.threads = itertools.count(), Threads()

    def __enter__(self):
        self.threads.__enter__()
        return self

    def __exit__(self, kind, error, trace):
        self.threads.__exit__(kind, error, trace)

    def arguments(self, source):
        return ()

    def play(self, source):
        with Generators(source) as generators:
            sampling = Sampling(source, next(self.plays), generators)
            with sampling, MemoryReads(sampling.storages), self.threads.watched(sampling.storages):
                found = self.run()
        return sampling.out(found)


class Sampling(DispatchMode):
    """Samplers take their numbers from a source; tensors of uniform draws are filled when they are used."""

    def __init__(self, source, play, generators):
        super().__init__()
        self.source, self.play, self.storages, self.generators = source, play, Storages(source), generators
        self.before, self.decks = {}, {}  # what was drawn, and the decks that were shuffled, by the generator's state

    def dispatch(self, func, args, kwargs):
        if torch.Tag.nondeterministic_seeded in func.tags:
            return self.draw(func, args, kwargs)
        if func is torch.ops.aten._local_scalar_dense.default:
            self.storages.used.add(args[0].dtype)
        return self.storages.run(func, args, kwargs) if self.storages.held else func(*args, **kwargs)

    def draw(self, func, args, kwargs):
        """Let torch draw, which moves its generator on and makes a tensor, and write over what it drew."""
        if self.storages.held:
            for x in each_tensor([*args, *kwargs.values()]):
                self.storages.fill(x)
        name, given = func.overloadpacket.__name__, by_name(func, args, kwargs)
        generator = given.get("generator") or default_generator(given)
        stream = self.generators.look(generator)
        if func._schema.is_mutable:
            given = {key: x.clone() if isinstance(x, torch.Tensor) else x for key, x in given.items()}
        out = func(*args, **kwargs)
        if self.generators.leave(generator) == stream:
            return out  # nothing was drawn
        if name == "native_dropout":
            return self.dropout(stream, given, out)
        if name not in SAMPLERS or out.is_complex():
            name += " of complex numbers" if name in SAMPLERS else ""
            raise ReplayError(
                f"the run draws by torch's {name}, which cannot be replayed; known are {', '.join(sorted(SAMPLERS))}"
            )
        self.require_same(stream, func, SAMPLERS[name], given, out)
        self.put(out, SAMPLERS[name], stream, given)
        return out

    def put(self, out, sampler, stream, given):
        found = sampler(StateDraws(self.source, stream, self.play, self.decks), given, out)
        self.storages.forget(out)
        if isinstance(found, LazyUniform):
            self.storages.hold(out, found)
        else:
            put_numbers(out, found)
            if found.dtype.kind == "f":
                self.storages.used.add(out.dtype)

    def dropout(self, stream, given, out):
        """(y, mask) of aten's native_dropout."""
        y, mask = out
        if given["train"] is not False and given["p"] not in (0, 1):
            self.require_same(stream, torch.ops.aten.native_dropout.default, SAMPLERS["bernoulli"], given, mask)
            self.put(mask, SAMPLERS["bernoulli"], stream, {"p": 1 - given["p"]})
            y.data.copy_(given["input"] * mask / (1 - given["p"]))
        return y, mask

    def require_same(self, stream, func, sampler, given, out):
        """From one state torch's numbers depend on each other in a way of their own if shapes or laws differ."""
        layout = "" if out.is_contiguous() else f" of strides {out.stride()}"
        drawn = f"{out.numel()} numbers{layout} by {sampler.__name__.removeprefix('aten_')} ({out.dtype})"
        read = () if sampler in TRANSFORMS else parameters_of(func, given)
        parameters = [str(func) if read else "", *(as_key(given[name]) for name in read)]
        before, same = self.before.setdefault(stream, (drawn, parameters))
        if before != drawn or same != parameters:
            other = " with other parameters" if before == drawn else ""
            raise ReplayError(
                f"from one state of a generator, or after the same seed, torch draws {before}, and then "
                f"{drawn}{other}: how these depend on each other is not modelled"
            )

    def out(self, result):
        """The result in NumPy's arrays, in the lowest precision of what it was computed from."""
        leaves, spec = tree_flatten(result)
        for x in leaves:
            if isinstance(x, torch.Tensor):
                self.storages.fill(x)
        types = self.storages.used | {x.dtype for x in leaves if isinstance(x, torch.Tensor)}
        precisions = [PRECISIONS[t] for t in types if t in PRECISIONS]
        precision = min(precisions, key=lambda t: np.dtype(t).itemsize, default=np.float64)
        return tree_unflatten([as_numpy_leaf(x, precision) for x in leaves], spec)


def as_numpy_leaf(x, precision):
    """A leaf of a result, floating numbers in a precision, complex ones of two such or single ones."""
    if isinstance(x, torch.Tensor):
        x = x.detach().to("cpu", torch.float32 if x.dtype == torch.bfloat16 else None).resolve_conj().numpy()
    kind = np.asarray(x).dtype.kind if isinstance(x, (float, complex, np.generic, np.ndarray)) else ""
    if kind == "c":
        return np.asarray(x, np.result_type(precision, np.complex64))
    return within_range(x, precision) if kind == "f" else x


def within_range(x, precision):
    """Floating numbers in a precision; in single precision where they are beyond the range of half precision."""
    is_beyond = precision is np.float16 and np.any(np.abs(x) > np.finfo(np.float16).max)
    return np.asarray(x, np.float32 if is_beyond else precision)


def parameters_of(func, given):
    """The names of arguments that a law depends on: not the tensor that is written to, or whose shape is taken."""
    names = [name for name in given if name in "p low high from to num_samples replacement count prob".split()]
    reads_self = str(func) in ("aten.bernoulli.default", "aten.multinomial.default", "aten.poisson.default")
    return [*names, "self"] if reads_self else names


def as_key(x):
    """An argument as something that can be compared."""
    return (x.dtype, x.detach().cpu().numpy().tobytes()) if isinstance(x, torch.Tensor) else str(x)


def default_generator(given):
    """The generator of the device that an operation draws on."""
    device = given.get("device") or next((x.device for x in each_tensor(given)), torch.device("cpu"))
    if device.type == "cpu":
        return torch.default_generator
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    raise ReplayError(f"the run draws on {device}; expected the CPU or CUDA, whose generators can be followed")
