"""The front of torch's numbers: its samplers are replayed below autograd, so that a program runs as it is."""

import functools
import itertools

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from ..enumeration.source import ReplayError
from .front import Front
from .lazy import LazyUniform
from .torch_lazy import Storages, each_tensor, put_numbers
from .torch_samplers import SAMPLERS, TRANSFORMS, StateDraws

SEED = 0x5DEECE66D1234567  # of the default generators at the beginning of a play; no number that a program would choose
PRECISIONS = {
    torch.float64: np.float64,
    torch.float32: np.float32,
    torch.bfloat16: np.float32,
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
        self.plays, self.has_seeds = itertools.count(), False

    def __enter__(self):
        self.states = [g.get_state() for g in default_generators()]
        return self

    def __exit__(self, kind, error, trace):
        for generator, state in zip(default_generators(), self.states, strict=False):
            generator.set_state(state)
        if isinstance(error, ReplayError) and self.has_seeds:
            error.add_note(
                "Whole numbers from a range of more than 2^20 are taken for seeds, whose values must not matter; if "
                "they are no seeds, draw from a smaller range."
            )

    def arguments(self, source):
        return ()

    def play(self, source):
        for generator in default_generators():
            generator.manual_seed(SEED)
        sampling = Sampling(source, next(self.plays))
        with sampling, MemoryReads(sampling.storages):
            found = self.run()
        self.has_seeds |= "seed" in source.drawn
        return sampling.out(found)


class Sampling(TorchDispatchMode):
    """Samplers take their numbers from a source; tensors of uniform draws are filled when they are used."""

    def __init__(self, source, play):
        super().__init__()
        self.source, self.play, self.storages = source, play, Storages(source)
        self.before, self.decks = {}, {}  # what was drawn, and the decks that were shuffled, by the generator's state

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
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
        state = generator.get_state()
        if func._schema.is_mutable:
            given = {key: x.clone() if isinstance(x, torch.Tensor) else x for key, x in given.items()}
        out = func(*args, **kwargs)
        if torch.equal(state, generator.get_state()):
            return out  # nothing was drawn
        stream = state.numpy().tobytes()
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
    """A leaf of a result."""
    if isinstance(x, torch.Tensor):
        x = x.detach().to("cpu", torch.float32 if x.dtype == torch.bfloat16 else None).resolve_conj().numpy()
    is_floating = isinstance(x, float) or getattr(x, "dtype", np.dtype(object)).kind == "f"
    return np.asarray(x, precision) if is_floating else x


def parameters_of(func, given):
    """The names of arguments that a law depends on: not the tensor that is written to, or whose shape is taken."""
    names = [name for name in given if name in "p low high from to num_samples replacement count prob".split()]
    reads_self = str(func) in ("aten.bernoulli.default", "aten.multinomial.default", "aten.poisson.default")
    return [*names, "self"] if reads_self else names


def as_key(x):
    """An argument as something that can be compared."""
    return (x.dtype, x.detach().cpu().numpy().tobytes()) if isinstance(x, torch.Tensor) else str(x)


class MemoryReads(TorchFunctionMode):
    """Reading a tensor's memory past the dispatcher needs its numbers; ``item`` does not yet."""

    READS = frozenset({
        torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.__array__, torch.Tensor.__repr__, torch.Tensor.data_ptr,
        torch.Tensor.__dlpack__, torch.Tensor.untyped_storage, torch.Tensor.storage,
    })  # fmt: skip

    def __init__(self, storages):
        super().__init__()
        self.storages = storages

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if self.storages.held:
            if func is torch.Tensor.item and self.storages.of(args[0]) and args[0].is_floating_point():
                draws = self.storages.draws(args[0])
                return Item.of_one(draws) if draws.size == 1 else func(*args)
            if func in self.READS:
                self.storages.fill(args[0])
        return func(*args, **(kwargs or {}))


class Item(LazyUniform):
    """What ``item`` makes of a uniform draw: a number that can still be compared; among tensors it is a float."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        args, kwargs = tree_map(lambda x: float(x) if isinstance(x, LazyUniform) else x, (args, kwargs or {}))
        return func(*args, **kwargs)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        found = super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
        return Item.of_one(found) if isinstance(found, LazyUniform) else found

    @classmethod
    def of_one(cls, draws):
        """From draws of which there is one."""
        return cls(draws.cells.reshape(()), *(float(np.ravel(a)[0]) for a in (draws.shift, draws.scale)))


def by_name(func, args, kwargs):
    """The arguments of an operation by name, defaults among them."""
    names, defaults = signature(func)
    return {**defaults, **dict(zip(names, args, strict=False)), **kwargs}


@functools.cache
def signature(func):
    """The names of an operation's arguments, and their defaults."""
    arguments = func._schema.arguments
    return [a.name for a in arguments], {a.name: a.default_value for a in arguments if a.has_default_value()}


def default_generators():
    """The generators that torch draws from unless it is given another."""
    cuda = torch.cuda.default_generators if torch.cuda.is_available() and torch.cuda.is_initialized() else ()
    return (torch.default_generator, *cuda)


def default_generator(given):
    """The generator of the device that an operation draws on."""
    device = given.get("device") or next((x.device for x in each_tensor(given)), torch.device("cpu"))
    if device.type == "cpu":
        return torch.default_generator
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    raise ReplayError(f"the run draws on {device}; expected the CPU or CUDA, whose generators can be followed")
