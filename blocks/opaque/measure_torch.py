"""Measurement of a module on one map: built, run and counted, on CPU, in float32."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any, TypeVar, cast, final

import torch
from torch import Tensor, nn

from archspec.errors import FieldError, UncountedError
from blocks.layers.layer import FLOAT_BYTES, Line, Shape
from blocks.opaque.counting_torch import OperatorCounts, kept_storages, per_image, tally
from blocks.opaque.operators import refusal
from blocks.opaque.result import Measured
from blocks.opaque.source_code import digests, resolve, watch

T = TypeVar("T")
Sources = dict[str, str] | None


def measure(factory: str, options: dict[str, Any], shape: Shape, *, training: bool) -> tuple[Measured, Sources]:
    """Build a module and run it on a map of `shape` (C, H, W).

    Returns what it did, and the digests of the files whose code did it (see `blocks.opaque.source_code.digests`). MACs
    and activations are those of the module in training or evaluation; bytes kept for backward always those of a
    training step.

    Raises:
        UncountedError: an operator without a counting rule.
        FieldError: a module that cannot be built, or that refuses the map.
    """
    with _isolated():
        module, built = _build(factory, options)
        name = type(module).__name__
        refuses = f"{name} refuses a map of {'x'.join(map(str, shape))}"
        # Batch norm cannot train on a single position, so training is counted on two images.
        images = torch.zeros(2 if training else 1, *shape)
        module.train(training)
        shapes, ran = _guard(refuses, lambda: watch(lambda: _run(module, images)))
        counted = _guard(f"{name} cannot be counted", lambda: tally(module, images))
        for place, operator in counted.uncounted:
            where = f" in its module {place}" if place else ""
            raise UncountedError("", f"operator {operator} of {name}{where} {refusal(operator)}")
        memory = _guard(refuses, lambda: _memory(module.train(), shape))
    measured = Measured(
        shape=shapes[""],
        lines=tuple(_lines(module, counted, shapes, len(images))),
        elements=memory.output // FLOAT_BYTES,
        in_place=memory.in_place,
        keeps_input=memory.keeps_input,
        keeps_output=memory.keeps_output,
        extra_bytes=memory.extra,
    )
    return measured, digests(built | ran, {type(part) for part in module.modules()})


def _build(factory: str, options: dict[str, Any]) -> tuple[nn.Module, set[CodeType]]:
    """The module, and the functions that made it."""
    make = _guard(f"{factory} cannot be imported", lambda: resolve(factory))
    failed = f"{factory} cannot be built"
    # The first call imports what the factory needs, so that the second runs nothing but its own code.
    _guard(failed, lambda: make(**options))
    made, ran = _guard(failed, lambda: watch(lambda: cast("object", make(**options))))
    if not isinstance(made, nn.Module):
        raise FieldError("", f"{factory} must make a torch module, not {type(made).__name__}")
    return made, ran


@contextmanager
def _isolated() -> Generator[None]:
    """One world for every measurement, whoever asks for it; the caller's random numbers are left as they were."""
    dtype = torch.get_default_dtype()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.device("cpu"))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast("cpu", enabled=False))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        torch.default_generator.manual_seed(0)
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


def _guard(what: str, call: Callable[[], T]) -> T:
    """The result of code that is not ours, whose errors become one line."""
    try:
        return call()
    except FieldError:
        raise
    except Exception as error:
        text = str(error).strip().split("\n")[0]
        raise FieldError("", f"{what}: {type(error).__name__}{f': {text}' if text else ''}") from error


def _run(module: nn.Module, images: Tensor) -> dict[str, Shape]:
    """Output shapes of all submodules that were called, by their dotted names, in the order of the calls."""
    shapes: dict[str, Shape] = {}

    def keep(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(part: nn.Module, inputs: object, output: object) -> None:
            shapes[name] = _shape(output)

        return hook

    handles = [part.register_forward_hook(keep(name)) for name, part in module.named_modules()]
    out = module(images)
    for handle in handles:
        handle.remove()
    if not isinstance(out, Tensor) or out.dtype != torch.float32 or out.shape[:1] != images.shape[:1]:
        found = f"{out.dtype} of shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
        raise TypeError(f"the output must be one float32 tensor with the {len(images)} images first, not {found}")
    return shapes


def _shape(output: object) -> Shape:
    """Shape of the first tensor of an output, without the batch."""
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return tuple(output.shape[1:]) if isinstance(output, Tensor) else ()


def _lines(module: nn.Module, counted: OperatorCounts, shapes: dict[str, Shape], batch: int) -> Iterator[Line]:
    macs, activations = _own(counted.macs, batch), _own(counted.activations, batch)
    params = _params(module, shapes)
    for path, shape in shapes.items():
        left = params[path]
        for operator in sorted(macs[path].keys() | activations[path].keys()):
            yield Line(path, operator, shape, left, macs[path][operator], activations[path][operator], 0)
            left = 0
        if left:
            yield Line(path, "parameters", shape, left, 0, 0, 0)


def _own(counts: dict[str, Counter[str]], batch: int) -> dict[str, Counter[str]]:
    """What each module does beside its submodules, for one image."""
    whole = {name: per_image(values, batch) for name, values in counts.items()}
    own = {name: Counter(values) for name, values in whole.items()}
    for name, values in whole.items():
        if name:
            own[name.rpartition(".")[0]].subtract(values)
    return {name: Counter({key: value for key, value in values.items() if value}) for name, values in own.items()}


def _params(module: nn.Module, called: dict[str, Shape]) -> Counter[str]:
    """Parameters by the module that owns them, or by the one around it that is called."""
    out: Counter[str] = Counter()
    for name, parameter in module.named_parameters():
        owner = name.rpartition(".")[0]
        while owner not in called:
            owner = owner.rpartition(".")[0]
        out[owner] += parameter.numel()
    return out


@final
@dataclass(frozen=True, slots=True)
class _Memory:
    """Where the output of a training step lies and what backward needs, in bytes per image."""

    output: int
    in_place: bool
    keeps_input: bool
    keeps_output: bool
    extra: int


def _memory(module: nn.Module, shape: Shape) -> _Memory:
    try:
        return _memory_of(module, shape, 1)
    except ValueError:
        # Batch norm cannot train on a single position: the step from two images to three is one image's share.
        two, three = _memory_of(module, shape, 2), _memory_of(module, shape, 3)
        return _Memory(two.output // 2, two.in_place, two.keeps_input, two.keeps_output, 2 * two.extra - three.extra)


def _memory_of(module: nn.Module, shape: Shape, batch: int) -> _Memory:
    # A copy of a leaf, since a module may work in place on what is no leaf.
    x = torch.zeros(batch, *shape).requires_grad_().clone()
    out, kept = kept_storages(module, x)
    first, last = x.untyped_storage().data_ptr(), out.untyped_storage().data_ptr()
    extra = sum(storage.nbytes() for address, storage in kept.items() if address not in (first, last))
    return _Memory(out.untyped_storage().nbytes(), first == last, first in kept, last in kept, extra)
