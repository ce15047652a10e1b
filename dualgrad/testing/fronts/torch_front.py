"""The front of torch's numbers: its samplers are replayed below autograd, so that a program runs as it is."""

import itertools

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from ..enumeration.source import ReplayError
from .front import Front
from .lazy import LazyUniform
from .torch_lazy import Storages, each_tensor, write
from .torch_samplers import SAMPLERS, Draws

SEED = 0x5DEECE66D1234567  # of the default generators at the beginning of a play; no number that a program would choose


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
        with sampling, Reading(sampling.storages):
            found = self.run()
        self.has_seeds |= "seed" in source.drawn
        return sampling.out(found)


class Sampling(TorchDispatchMode):
    """Samplers take their numbers from a source; tensors of uniform draws are filled when they are used."""

    def __init__(self, source, play):
        super().__init__()
        self.source, self.play, self.storages = source, play, Storages(source)
        self.shapes, self.decks = {}, {}  # what was drawn, and the decks that were shuffled, by the generator's state
        self.precision = np.float64  # of the numbers that go into the result

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags:
            return self.draw(func, args, kwargs)
        if func is torch.ops.aten._local_scalar_dense.default:
            self.narrow(args[0].dtype)
        return self.storages.run(func, args, kwargs) if self.storages.held else func(*args, **kwargs)

    def draw(self, func, args, kwargs):
        """Let torch draw, which moves its generator on and makes a tensor, and write over what it drew."""
        if self.storages.held:
            for x in each_tensor((args, kwargs)):
                self.storages.fill(x)
        name, given = func.overloadpacket.__name__, by_name(func, args, kwargs)
        generator = given.get("generator") or default_generator(given)
        state = generator.get_state()
        if func._schema.is_mutable:
            given = {key: x.clone() if isinstance(x, torch.Tensor) else x for key, x in given.items()}
        out = func(*args, **kwargs)
        stream = state.numpy().tobytes()
        if name == "native_dropout":
            return self.dropout(stream, given, out)
        if name not in SAMPLERS:
            if torch.equal(state, generator.get_state()):
                return out
            raise ReplayError(
                f"the run draws by torch's {name}, which cannot be replayed; known are {', '.join(sorted(SAMPLERS))}"
            )
        self.put(out, SAMPLERS[name], stream, given)
        return out

    def put(self, out, sampler, stream, given):
        self.require_same(stream, sampler, out)
        found = sampler(Draws(self.source, stream, self.play, self.decks), given, out)
        self.storages.forget(out)
        if isinstance(found, LazyUniform):
            self.storages.hold(out, found)
        else:
            write(out, found)
        if found.dtype.kind == "f" and out.is_floating_point():
            self.narrow(out.dtype)

    def dropout(self, stream, given, out):
        """(y, mask) of aten's native_dropout."""
        y, mask = out
        if given["train"] is not False and given["p"] not in (0, 1):
            self.put(mask, SAMPLERS["bernoulli"], stream, {"p": 1 - given["p"]})
            y.data.copy_(given["input"] * mask / (1 - given["p"]))
        return y, mask

    def require_same(self, stream, sampler, out):
        """From one state torch's numbers overlap in a way of their own if shapes or laws differ."""
        drawn = f"{out.numel()} numbers by {sampler.__name__} ({out.dtype})"
        before = self.shapes.setdefault(stream, drawn)
        if before != drawn:
            raise ReplayError(
                f"from one state of a generator, or after the same seed, torch draws {before}, and then {drawn}: how "
                "these depend on each other is not modelled"
            )

    def narrow(self, dtype):
        """Note that numbers of this precision were used."""
        if dtype.is_floating_point and dtype.itemsize < np.dtype(self.precision).itemsize:
            self.precision = np.float32 if dtype.itemsize == 4 or dtype == torch.bfloat16 else np.float16

    def out(self, result):
        """The result in NumPy's arrays, in the lowest precision of what it was computed from."""
        return tree_map(self.leaf, result)

    def leaf(self, x):
        if isinstance(x, torch.Tensor):
            self.storages.fill(x)
            self.narrow(x.dtype)
            x = x.detach().to("cpu", torch.float32 if x.dtype == torch.bfloat16 else None).resolve_conj().numpy()
        is_floating = isinstance(x, float) or getattr(x, "dtype", np.dtype(object)).kind == "f"
        return np.asarray(x, self.precision) if is_floating else x


class Reading(TorchFunctionMode):
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

    @classmethod
    def of_one(cls, draws):
        """From draws of which there is one."""
        return cls(draws.cells.reshape(()), *(float(np.ravel(a)[0]) for a in (draws.shift, draws.scale)))


def by_name(func, args, kwargs):
    """The arguments of an operation by name, defaults among them."""
    found = {}
    for k, argument in enumerate(func._schema.arguments):
        if k < len(args):
            found[argument.name] = args[k]
        elif argument.name in kwargs:
            found[argument.name] = kwargs[argument.name]
        elif argument.has_default_value():
            found[argument.name] = argument.default_value
    return found


def default_generators():
    """The generators that torch draws from unless it is given another."""
    cuda = torch.cuda.default_generators if torch.cuda.is_available() and torch.cuda.is_initialized() else ()
    return (torch.default_generator, *cuda)


def default_generator(given):
    """The generator of the device that an operation draws on."""
    device = given.get("device") or next((x.device for x in each_tensor(list(given.values()))), torch.device("cpu"))
    if device.type == "cpu":
        return torch.default_generator
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    raise ReplayError(f"the run draws on {device}; expected the CPU or CUDA, whose generators can be followed")
