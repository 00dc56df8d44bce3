"""The contract of parts whose layouts share parameters: a slice of a wider layer's parameters is the narrower layer.

The parameters of a narrow layer are written into the slices of a wide one whose other entries are zero. The wide layer
must then do what the narrow one does, on a map whose further channels are zero. Norms over channels and the softmax of
attention are not indifferent to zeros, and are replaced for this check: a norm by its factors and terms, attention by
the product of queries, keys and values. What a layer reads as which tensor stays as it is, so that a wrong partition
shows: see `blocks.layers.layer.Layer.partitions`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, cast, final

import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archspec.errors import ArchspecError, FieldError
from archspec.model.slices import Slice, slices, take, widest
from archspec.testing.random_specs import random_option, random_options
from archspec.tree.tree import walk
from blocks.catalog import Part, tag
from blocks.component import Block, Downsample, Exchange, Head, MapsHead, Stem
from blocks.layers.layer import Layer, Meter, Value
from blocks.layers.maps import Node
from blocks.opaque.opaque import Opaque

SharingPart = Stem | Block | Downsample | Head | MapsHead
Widths = tuple[int, ...]
MAX_ELEMENTS = 60_000
"""Parameters of a layer that is compared."""
IMAGE_CHANNELS = 3
ATTEMPTS = 400
MAPS_ATTEMPTS = 16
CHANGED = 0.7
"""Share of the options that are sizes of which the two layers of a pair have each their own."""


@final
class SliceError(ArchspecError):
    """A layer of which a slice is not the narrower layer."""


def check_slices(part: type[Part], *, pairs: int = 3, seed: int = 0) -> int:
    """Check, for random pairs of sizes of a part that share parameters, that a slice of the wider one is the narrower.

    Returns:
        How many pairs were compared: none of an exchange unit, which pyramids do not have, of a part with a module of a
        third party inside, which is shared whole, or of one that has no two sizes.

    Raises:
        SliceError: with the options of the part.
    """
    compared = 0
    if issubclass(part, Exchange):
        return 0
    rng = random.Random(seed)
    for _ in range(MAPS_ATTEMPTS if issubclass(part, MapsHead) else ATTEMPTS):
        if compared == pairs:
            break
        drawn = _draw_pair(rng, part)
        if drawn is None:
            continue
        wide, narrow, size, text = drawn
        if any(isinstance(node, Opaque) for _, node in walk("", wide[0])):
            return 0
        try:
            compared += compare_slices(wide, narrow, size, seed=seed)
        except SliceError as error:
            error.add_note(text)
            raise
    return compared


def compare_slices(
    wide: tuple[Node, Widths], narrow: tuple[Node, Widths], size: tuple[int, int], *, seed: int = 0
) -> bool:
    """Check that a slice of a wide layer is the narrow one; whether they differ in size and can be compared.

    Args:
        wide: the layer, and the channels of each map that it reads.
        narrow: the layer that is a slice of it.
        size: height and width of the first map; each further one has half.
        seed: of all draws.

    Raises:
        SliceError: it is not.
    """
    with torch.device("meta"):
        sketches = [layer.module() for layer in (wide[0], narrow[0])]
    cuts = [slices(layer, module) for layer, module in zip((wide[0], narrow[0]), sketches, strict=True)]
    if not _comparable(*cuts):
        return False
    modules = [_allocate(sketch) for sketch in sketches]
    generator = torch.Generator().manual_seed(seed)
    _embed(modules, cuts, generator)
    maps = [
        torch.randn(2, width, max(1, size[0] >> level), max(1, size[1] >> level), generator=generator).double()
        for level, width in enumerate(narrow[1])
    ]
    further = [torch.zeros(2, more - x.shape[1], *x.shape[2:]).double() for more, x in zip(wide[1], maps, strict=True)]
    padded = [torch.cat((x, zeros), 1) for x, zeros in zip(maps, further, strict=True)]
    with torch.no_grad(), NeutralArithmetic():
        outs = [_outputs(_call(layer, module, x)) for layer, module, x in _runs(wide, narrow, modules, (padded, maps))]
    for more, less in zip(*outs, strict=True):
        expected = torch.zeros_like(more)
        expected[:, : less.shape[1]] = less
        # Relative to all of it: what is zero in one may be rounding in the other.
        if not torch.allclose(more, expected, rtol=0, atol=1e-9 * float(expected.abs().max())):
            raise SliceError(
                f"a slice of {type(wide[0]).__name__} is not the narrower layer: outputs differ by "
                f"{float((more - expected).abs().max()):.2g} of {float(expected.abs().max()):.2g}: a layer that fuses "
                "several tensors in one must declare its partitions"
            )
    return True


@final
class NeutralArithmetic(TorchFunctionMode):
    """Arithmetic in which further channels that are zero change nothing; see the module."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        replaced = _NEUTRAL.get(func)
        return (func if replaced is None else replaced)(*args, **(kwargs or {}))


def _affine(
    x: Tensor, shape: object, weight: Tensor | None = None, bias: Tensor | None = None, *_: object, **__: object
) -> Tensor:
    """Layer norm without the norm: over the last dimension."""
    del shape
    scaled = x if weight is None else x * weight
    return scaled if bias is None else scaled + bias


def _affine_groups(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, *_: object, **__: object
) -> Any:
    """Group norm without the norm: over dimension 1."""
    return _affine(x.movedim(1, -1), groups, weight, bias).movedim(-1, 1)


def _attend(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, *_: object, **__: object) -> Tensor:
    """Attention without softmax and scale, which knows how wide a head is."""
    weights = q @ k.transpose(-2, -1)
    return (weights if attn_mask is None else weights + attn_mask) @ v


def _same(x: Tensor, *_: object, **__: object) -> Tensor:
    return x


_NEUTRAL: dict[Callable[..., Any], Callable[..., Any]] = {
    F.layer_norm: _affine,
    F.group_norm: _affine_groups,
    F.scaled_dot_product_attention: _attend,
    F.softmax: _same,
    torch.softmax: _same,
    Tensor.softmax: _same,
}


def _comparable(wide: dict[str, Slice], narrow: dict[str, Slice]) -> bool:
    """Whether two layers have the same parameters, the first all of the second's as slices, and not all alike."""
    if {name: cut.key for name, cut in wide.items()} != {name: cut.key for name, cut in narrow.items()}:
        return False
    try:
        for name, cut in wide.items():
            if widest(cut, narrow[name]).factors != cut.factors:
                return False
    except FieldError:
        return False
    return any(cut.shape != narrow[name].shape for name, cut in wide.items())


def _allocate(sketch: nn.Module) -> nn.Module:
    """A module on the meta device with memory, in float64 and evaluation mode; its weights are written afterwards."""
    for part in sketch.modules():
        for name, parameter in part.named_parameters(recurse=False):
            part.register_parameter(name, nn.Parameter(torch.zeros(parameter.shape, dtype=torch.float64)))
        for name, buffer in part.named_buffers(recurse=False):
            dtype = torch.float64 if buffer.is_floating_point() else buffer.dtype
            setattr(part, name, torch.zeros(buffer.shape, dtype=dtype))
    return sketch.eval()


def _embed(modules: Sequence[nn.Module], cuts: Sequence[dict[str, Slice]], generator: torch.Generator) -> None:
    """Draw the narrow module, and write it into the slices of the wide one, whose other entries become zero."""
    wide, narrow = modules
    with torch.no_grad():
        for name, parameter in narrow.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
            _write(wide.get_parameter(name), parameter, cuts[0][name], cuts[1][name])
        for name, module in narrow.named_modules():
            if not isinstance(module, nn.BatchNorm2d) or module.running_mean is None or module.running_var is None:
                continue
            other = cast("nn.BatchNorm2d", wide.get_submodule(name))
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator))
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
            weight = f"{name}.weight" if name else "weight"
            ours, theirs = cuts[0][weight], cuts[1][weight]
            for buffer, mine in ((other.running_mean, module.running_mean), (other.running_var, module.running_var)):
                assert buffer is not None
                _write(buffer, mine, ours, theirs, rest=float(buffer is other.running_var))


def _write(wide: Tensor, narrow: Tensor, ours: Slice, theirs: Slice, rest: float = 0) -> None:
    """Write a narrow tensor into its slice of a wide one, and `rest` beside it."""
    places = take(torch.arange(wide.numel()).view(wide.shape), ours.factors, theirs.factors)
    wide.fill_(rest)
    wide.view(-1)[places.reshape(-1)] = narrow.reshape(-1)


def _runs(
    wide: tuple[Node, Widths],
    narrow: tuple[Node, Widths],
    modules: Sequence[nn.Module],
    inputs: tuple[list[Tensor], list[Tensor]],
) -> list[tuple[Node, nn.Module, list[Tensor]]]:
    return list(zip((wide[0], narrow[0]), modules, inputs, strict=True))


def _call(layer: Node, module: nn.Module, maps: list[Tensor]) -> object:
    return module(maps[0]) if isinstance(layer, Layer) else module(maps)


def _outputs(answer: object) -> list[Tensor]:
    return [answer] if isinstance(answer, Tensor) else list(cast("Sequence[Tensor]", answer))


Drawn = tuple[tuple[Node, Widths], tuple[Node, Widths], tuple[int, int], str]


def _draw_pair(rng: random.Random, part: type[SharingPart]) -> Drawn | None:
    """A wide and a narrow layer of a part with the same options but for its sizes, a map that they take, and a text."""
    options = random_options(rng, part)
    for name, field in part.model_fields.items():
        # Drawn evenly, hardly any number of heads divides both widths, and a single head has no partition to get wrong.
        if field.annotation is int and name not in part.size_options and rng.random() < CHANGED:
            options[name] = rng.choice((2, 4))
    sizes = sorted(part.size_options & set(part.model_fields) & set(options))
    changed = [name for name in sizes if options[name] is not None and rng.random() < CHANGED]
    other = options | {name: random_option(rng, part, name) for name in changed}
    count = rng.randint(2, 4) if issubclass(part, MapsHead) else 1
    unit = rng.choice((1, 4, 8, 16))
    widths = [tuple(unit * rng.choice(steps) for _ in range(count + 1)) for steps in ((2, 3, 4), (1, 2, 3))]
    size = (rng.choice((8, 12, 16)), rng.choice((8, 12, 16)))
    try:
        drawn = [_plant(part, given, its) for given, its in zip((options, other), widths, strict=True)]
        if any(_params(layer, reads, size) > MAX_ELEMENTS for layer, reads in drawn):
            return None
    except (ValidationError, ValueError):
        return None
    wide, narrow = sorted(drawn, key=lambda one: -sum(one[1]))
    if any(more < less for more, less in zip(wide[1], narrow[1], strict=True)):
        return None
    return wide, narrow, size, f"{tag(part)} with {options} and {other}, maps of {wide[1]} and {narrow[1]} channels"


def _plant(part: type[SharingPart], options: dict[str, Any], widths: Widths) -> tuple[Node, Widths]:
    """The layers of a part, and the channels of the maps that it reads.

    Raises:
        ValidationError, ValueError: the options do not fit.
    """
    made = part.model_validate(options)
    if isinstance(made, Stem):
        return made.layers(IMAGE_CHANNELS, made.channels_out(widths[0])), (IMAGE_CHANNELS,)
    if isinstance(made, Block):
        made.check(widths[0])
        return made.layers(widths[0]), widths[:1]
    if isinstance(made, Downsample):
        return made.layers(*widths[:2]), widths[:1]
    if isinstance(made, Head):
        return made.layers(widths[0]), widths[:1]
    assert isinstance(made, MapsHead)
    reads = made.reads(len(widths) - 1)
    read = tuple(widths[number] for number in reads)
    made.check(read)
    return made.layers(read), read


def _params(layer: Node, widths: Widths, size: tuple[int, int]) -> int:
    """Learnable numbers of a layer on maps of such widths.

    Raises:
        FieldError: it does not take them.
    """
    maps = tuple(
        Value.new((width, max(1, size[0] >> level), max(1, size[1] >> level))) for level, width in enumerate(widths)
    )
    meter = Meter()
    if isinstance(layer, Layer):
        meter.enter("", layer, maps[0])
    else:
        meter.enter_maps("", layer, maps)
    return sum(line.params for line in meter.lines)
