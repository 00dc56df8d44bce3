"""Builder of networks: from a spec to an `nn.Module`."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from archspec.errors import FieldError, SpecError
from archspec.loader import SpecSource, load
from archspec.model.network import FeatureInfo, Network
from archspec.spec.schema import ArchSpec
from archspec.tree.trace import feature_shapes
from archspec.tree.tree import Tree, plant
from blocks.opaque.opaque import Opaque

Init = Literal["vit", "fan_out", "zeros", "skip"]
PROBE = 16
"""Factor of the image's side with which strides are found."""
WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def build(
    spec: SpecSource,
    resolution: int | None = None,
    *,
    init: Init = "vit",
    zero_init_residual: bool = False,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Network:
    """Build the network that `spec` describes.

    Args:
        spec: the backbone, or what `archspec.load` takes for it.
        resolution: side of the image, which chooses a declared variant; the spec's own when None. The network
            itself takes images of any size.
        init: `vit` draws weights from a normal of deviation 0.02 truncated at 2 deviations and zeroes biases, as
            timm's ViTs do; `fan_out` draws convolutions from a normal of deviation sqrt(2 / fan out), as ResNets
            do, and the rest as `vit`; `zeros` draws none, for counting; `skip` leaves weights as the memory was, to
            be loaded. Opaque modules have initialised themselves, and keep their weights in all of them.
        zero_init_residual: start every residual branch at zero, by zeroing its last layer with weights, unless that is
            inside an opaque module.
        device: where the parameters live; torch's default device when None.
        dtype: of the parameters; torch's default when None.

    Raises:
        SpecError: no such spec, or one that cannot be built at this resolution.
    """
    given = load(spec)
    stated = given.image if isinstance(given.image, int) else given.resolution
    spec = given.at(resolution or stated)
    tree = plant(spec)
    target = torch.device(device) if device is not None else torch.get_default_device()
    with torch.device("meta"):
        network = Network(spec if resolution else given, tree, _feature_info(spec, tree))
    if dtype is not None:
        network = network.to(dtype)
    finished = _materialise(network, tree, target)
    if init != "skip" and target.type != "meta":
        with torch.no_grad():
            network.apply(lambda module: None if module in finished else initialise(module, init))
            if zero_init_residual:
                _zero_residuals(network, tree)
    return network


def initialise(module: nn.Module, init: Init) -> None:
    """Draw the parameters of one module alone, those of its parts apart, as `build` does by `init`."""
    draw = {"vit": _initialise, "fan_out": _initialise_fan_out, "zeros": _initialise_zeros}.get(init)
    if draw is not None:
        draw(module)


def _materialise(network: Network, tree: Tree, target: torch.device) -> set[nn.Module]:
    """Move a network that was built on the meta device to `target`, its weights uninitialised.

    Returns the modules that initialised themselves, whose weights are kept.
    """
    opaque = [network.get_submodule(name) for name, layer in tree.walk() if isinstance(layer, Opaque)]
    finished = {part for module in opaque for part in module.modules()}
    for module in opaque:
        module.to(target)
    if target.type != "meta":
        for module in network.modules():
            if module not in finished:
                _allocate(module, target)
    return finished


def _allocate(module: nn.Module, target: torch.device) -> None:
    """`Module.to_empty` of one module alone, which first spends two seconds on imports for symbolic shapes."""
    for name, parameter in module.named_parameters(recurse=False):
        memory = torch.empty(parameter.shape, dtype=parameter.dtype, device=target)
        module.register_parameter(name, nn.Parameter(memory, requires_grad=parameter.requires_grad))
    for name, buffer in module.named_buffers(recurse=False):
        setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=target))


def _feature_info(spec: ArchSpec, tree: Tree) -> list[FeatureInfo]:
    try:
        shapes = feature_shapes(spec)
    except FieldError as error:
        raise SpecError(error.rule, field=error.field, source=spec.name) from None
    strides = _strides(spec, tree, [shape[1] for _, shape in shapes])
    return [
        {"num_chs": shape[0], "reduction": stride, "module": name}
        for (name, shape), stride in zip(shapes, strides, strict=True)
    ]


def _strides(spec: ArchSpec, tree: Tree, sides: list[int]) -> list[int]:
    """The strides of maps: those on an image so large that none is rounded, unless a layer fixes or hides them."""
    if any(stage.resize for stage in spec.stages) or any(isinstance(layer, Opaque) for _, layer in tree.walk()):
        return [round(spec.resolution / side) for side in sides]
    known = [spec.resolution // side for side in sides]
    if all(
        stride * side == spec.resolution and stride.bit_count() == 1 for stride, side in zip(known, sides, strict=True)
    ):
        return known  # halved without a rest, which spares a second walk
    large = PROBE * spec.resolution
    return [round(large / shape[1]) for _, shape in feature_shapes(spec, (large, large))]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, WEIGHTED):
        nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif callable(reset := getattr(module, "reset_parameters", None)):
        reset()


def _initialise_fan_out(module: nn.Module) -> None:
    _initialise(module)
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)


def _initialise_zeros(module: nn.Module) -> None:
    if isinstance(module, WEIGHTED):
        for parameter in module.parameters(recurse=False):
            nn.init.zeros_(parameter)
    else:
        _initialise(module)


def _zero_residuals(network: Network, tree: Tree) -> None:
    from blocks.layers.combine import Residual

    modules = dict(network.named_modules())
    for name, layer in tree.walk():
        if isinstance(layer, Residual):
            for tail in layer.tails():
                for parameter in modules[f"{name}.{tail}"].parameters():
                    nn.init.zeros_(parameter)
