"""Builder of networks: from a spec to an `nn.Module`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict, final

import torch
from torch import Tensor, nn

from archspec.errors import FieldError, SpecError
from archspec.loader import SpecSource, load
from archspec.spec.schema import ArchSpec
from archspec.tree.trace import feature_shapes
from archspec.tree.tree import Tree, plant
from blocks.layers.maps import MapsLayer, MapsReader, MapsSequence
from blocks.opaque.opaque import Opaque

Init = Literal["vit", "fan_out", "zeros", "skip"]
WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


class FeatureInfo(TypedDict):
    """One entry per map of `forward_features`, as timm's `feature_info`."""

    num_chs: int
    reduction: int
    module: str


@final
class Network(nn.Module):
    """A built spec.

    Attributes:
        spec: what was built, at the resolution that it was built for.
        stem, stages, head: the modules; `head` is an identity where the spec has none.
        feature_info: channels, reduction and module name of each map.
        reads: numbers of the maps that the head reads, or that the network gives where there is no head.
    """

    def __init__(self, spec: ArchSpec, tree: Tree, feature_info: list[FeatureInfo]) -> None:
        super().__init__()
        self.spec = spec
        self.stem = tree.stem.module()
        self.stages = nn.Sequential(*(stage.module() for stage in tree.stages))
        self.head = tree.head.module() if tree.head is not None else nn.Identity()
        self.feature_info = feature_info
        self.parallel = any(isinstance(stage, MapsSequence) for stage in tree.stages)
        self.reads = tree.reads
        several = tree.head is None and len(tree.reads) > 1
        self.reads_maps = several or isinstance(tree.head, MapsReader | MapsLayer)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Maps after each stage, or of each branch, finest first: (N, channels, H, W) -> [(N, C_i, H_i, W_i), ...]."""
        x = self.stem(x)
        if self.parallel:
            return self.stages([x])
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...] | list[Tensor]:
        """The head's output; where there is no head the last map, or the list of all maps of parallel branches.

        A head gives one tensor in evaluation; in training, one with auxiliary heads gives a tuple of the output that
        evaluation gives, then the auxiliary ones. A detector's head gives a list of tensors in both modes.
        """
        return self.answer(self.forward_features(x))

    def answer(self, maps: list[Tensor]) -> Tensor | tuple[Tensor, ...] | list[Tensor]:
        """The head's output for all maps of `forward_features`; see `forward`."""
        return self.head([maps[number] for number in self.reads] if self.reads_maps else maps[-1])

    if TYPE_CHECKING:
        # A call is typed as what a network with one output gives, which most are; `forward` states the others.
        def __call__(self, x: Tensor) -> Tensor: ...

    def _repr_html_(self) -> str:
        from archspec.documents.html import html_table

        parameters = sum(parameter.numel() for parameter in self.parameters())
        rows = [(info["module"], info["num_chs"], info["reduction"]) for info in self.feature_info]
        caption = f"{self.spec.name}: {parameters:,} parameters; the maps of forward_features"
        return html_table(caption, ("module", "channels", "reduction"), rows)


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
        network = Network(spec if resolution else given, tree, _feature_info(spec))
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


def _feature_info(spec: ArchSpec) -> list[FeatureInfo]:
    try:
        shapes = feature_shapes(spec)
    except FieldError as error:
        raise SpecError(error.rule, field=error.field, source=spec.name) from None
    return [
        {"num_chs": shape[0], "reduction": round(spec.resolution / shape[1]), "module": name} for name, shape in shapes
    ]


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
