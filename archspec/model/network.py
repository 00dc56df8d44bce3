"""The module that a built spec is, with the interface that timm gives its models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, cast, final

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from archspec.errors import SpecError
from archspec.spec.schema import ArchSpec
from archspec.tree.tree import Tree
from blocks.layers.maps import MapsLayer, MapsReader, MapsSequence

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class FeatureInfo(TypedDict):
    """One entry per map of `features`, as timm's `feature_info`.

    `reduction` is the stride: 64 also where a side of 7 becomes 4, so that the map of an image of 224 has a side of 4.
    """

    num_chs: int
    reduction: int
    module: str


@final
class Network(nn.Module):
    """A built spec.

    Attributes:
        spec: what was built, at the resolution that it was built for.
        stem, stages, head: the modules; `head` is an identity where the spec has none.
        feature_info: channels, stride and module name of each map.
        reads: numbers of the maps that the head reads, or that the network gives where there is no head.
        num_classes: of the classifier; 0 where there is none.
        default_cfg: facts under timm's names: input, normalisation, classifier; `pretrained_cfg` is another name of it.
        grad_checkpointing: whether blocks are computed again in the backward pass instead of being kept.
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
        self.num_classes = int(getattr(spec.head, "classes", 0))
        self.grad_checkpointing = False
        self.default_cfg = self.pretrained_cfg = default_cfg(self)

    @property
    def num_features(self) -> int:
        """Channels of the last map."""
        return self.feature_info[-1]["num_chs"]

    @property
    def head_hidden_size(self) -> int:
        """Features that the classifier takes; channels of the last map where there is none."""
        classifier = self.get_classifier()
        return classifier.in_features if classifier is not None else self.num_features

    def features(self, x: Tensor) -> list[Tensor]:
        """Maps after each stage, or of each branch, finest first: (N, channels, H, W) -> [(N, C_i, H_i, W_i), ...]."""
        return self._features(x)

    def forward_features(self, x: Tensor) -> Tensor | list[Tensor]:
        """The map that the head reads, as in timm the last one; the list of maps where the head reads several."""
        return self._read(self.features(x))

    def forward_head(self, x: Tensor | list[Tensor], pre_logits: bool = False) -> Tensor:
        """The head's output for what `forward_features` gives, or what its classifier would be given.

        Raises:
            SpecError: `pre_logits` of a head without a linear classifier.
        """
        if not pre_logits:
            return self.head(x)
        name = _classifier(self.head)
        if isinstance(self.head, nn.Identity):
            return cast("Tensor", x)
        if not name:
            raise SpecError("has no linear classifier, which `pre_logits` leaves out", source=self.spec.name)
        for own, part in self.head.named_children():
            if own != name:
                x = part(x)
        return cast("Tensor", x)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...] | list[Tensor]:
        """The head's output; where there is no head the last map, or the list of all maps of parallel branches.

        A head gives one tensor in evaluation; in training, one with auxiliary heads gives a tuple of the output that
        evaluation gives, then the auxiliary ones. A detector's head gives a list of tensors in both modes.
        """
        return self.answer(self.features(x))

    def answer(self, maps: list[Tensor]) -> Tensor | tuple[Tensor, ...] | list[Tensor]:
        """The head's output for all maps of `features`; see `forward`."""
        return self.head(self._read(maps))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor | list[Tensor], list[Tensor]]:
        """The answer of `forward_features`, and chosen maps, under timm's name and arguments.

        Args:
            x: images.
            indices: numbers of the maps, or how many of the last ones; all where None.
            norm: must be False: the norm of the last map is the head's.
            stop_early: leave out the stages after the last chosen map; then that map is what comes first.
            output_fmt: NCHW.
            intermediates_only: give the chosen maps alone.

        Raises:
            SpecError: an argument that this network cannot follow.
        """
        if norm or output_fmt != "NCHW":
            rule = "gives maps as NCHW without a norm, which is the head's"
            raise SpecError(f"{rule}, not norm={norm}, output_fmt={output_fmt}", source=self.spec.name)
        chosen = self._indices(indices)
        early = stop_early and not self.parallel
        maps = self._features(x, max(chosen) + 1 if early else None)
        found = [maps[number] for number in chosen]
        if intermediates_only:
            return found
        return (maps[-1] if early else self._read(maps)), found

    def prune_intermediate_layers(
        self, indices: int | Sequence[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Remove the stages after the last chosen map, and the head; the numbers of the chosen maps."""
        del prune_norm
        chosen = self._indices(indices)
        if not self.parallel:
            self.stages = nn.Sequential(*list(self.stages.children())[: max(chosen) + 1])
            self.feature_info = self.feature_info[: max(chosen) + 1]
        if prune_head or not self.parallel:
            self.head, self.num_classes = nn.Identity(), 0
            self.reads_maps, self.reads = self.parallel, tuple(range(len(self.feature_info)))
        return chosen

    def get_classifier(self) -> nn.Linear | None:
        """The linear layer that ends the head, or None."""
        name = _classifier(self.head)
        return cast("nn.Linear", self.head.get_submodule(name)) if name else None

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put a new linear layer at the end of the head, or none where `num_classes` is 0.

        Raises:
            SpecError: the head has no classifier to replace, or a pooling is asked for.
        """
        name = _classifier(self.head) or _place_of_none(self.head)
        if global_pool is not None:
            raise SpecError(f"has the pooling of its head, not {global_pool!r:.40}", source=self.spec.name)
        if not name:
            if num_classes == 0:
                self.head, self.num_classes = nn.Identity(), 0
                return
            raise SpecError("has no linear classifier to replace", source=self.spec.name)
        width, like = self._classifier_width, next(self.parameters())
        layer: nn.Module = nn.Identity()
        if num_classes:
            layer = nn.Linear(width, num_classes, device=like.device, dtype=like.dtype)
            nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.04, b=0.04)
            nn.init.zeros_(layer.bias)
            self.spec = self.spec.edit({"head.classes": num_classes})
        self.num_classes = num_classes
        setattr(self.head, name, layer)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Patterns that group parameters by depth, under timm's name and in its form."""
        if coarse:
            return {"stem": r"^stem", "blocks": r"^stages\.(\d+)"}
        inner = r"^stages\.(\d+)\.(?:blocks|units)\.(\d+)"
        outer = r"^stages\.(\d+)\.(?:fuse_before|downsample|resize)"
        return {"stem": r"^stem", "blocks": [(outer, (0,)), (inner, None), (r"^stages\.(\d+)\.norm", (99999,))]}

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that their modules declare as not to be decayed."""
        found: set[str] = set()
        for prefix, module in self.named_modules():
            if module is not self:
                declared = getattr(module, "no_weight_decay", ())
                names = cast("Callable[[], Sequence[str]]", declared)() if callable(declared) else declared
                found |= {f"{prefix}.{name}" for name in cast("Sequence[str]", names)}
        return found

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute blocks, or units of parallel branches, again in the backward pass instead of keeping what is in them.

        Statistics of batch norms take a batch twice then, as in timm.
        """
        self.grad_checkpointing = enable

    if TYPE_CHECKING:
        # A call is typed as what a network with one output gives, which most are; `forward` states the others.
        def __call__(self, x: Tensor) -> Tensor: ...

    def _features(self, x: Tensor, count: int | None = None) -> list[Tensor]:
        x = self.stem(x)
        if self.parallel:
            maps = [x]
            for stage in self.stages.children():
                maps = self._run(stage, maps)
            return maps
        found: list[Tensor] = []
        for stage in list(self.stages.children())[:count]:
            x = self._run(stage, x)
            found.append(x)
        return found

    def _run(self, stage: nn.Module, x: Any) -> Any:
        if not (self.grad_checkpointing and self.training):
            return stage(x)
        for name, part in stage.named_children():
            if name in ("blocks", "units"):
                for block in part.children():
                    x = checkpoint(block, x, use_reentrant=False)
            else:
                x = part(x)
        return x

    def _read(self, maps: list[Tensor]) -> Tensor | list[Tensor]:
        return [maps[number] for number in self.reads] if self.reads_maps else maps[-1]

    def _indices(self, indices: int | Sequence[int] | None) -> list[int]:
        count = len(self.feature_info)
        if indices is None:
            return list(range(count))
        given = list(range(count - indices, count)) if isinstance(indices, int) else list(indices)
        found = [number + count if number < 0 and not isinstance(indices, int) else number for number in given]
        if not found or any(not 0 <= number < count for number in found):
            raise SpecError(f"has {count} maps, 0 to {count - 1}, not {indices}", source=self.spec.name)
        return found

    @property
    def _classifier_width(self) -> int:
        """Features in front of the classifier, also where it has been taken away."""
        classifier = self.get_classifier()
        if classifier is not None:
            return classifier.in_features
        assert self.spec.head is not None
        return int(getattr(self.spec.head, "hidden", None) or self.num_features)

    def _repr_html_(self) -> str:
        from archspec.documents.html import html_table

        parameters = sum(parameter.numel() for parameter in self.parameters())
        rows = [(info["module"], info["num_chs"], info["reduction"]) for info in self.feature_info]
        caption = f"{self.spec.name}: {parameters:,} parameters; the maps of features"
        return html_table(caption, ("module", "channels", "reduction"), rows)


def default_cfg(network: Network) -> dict[str, Any]:
    """Facts about a network under timm's names."""
    side, found = network.spec.resolution, _classifier(network.head)
    return {
        "url": "",
        "num_classes": network.num_classes,
        "input_size": (network.spec.channels, side, side),
        "pool_size": None,
        "crop_pct": 0.875,
        "interpolation": "bicubic",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "first_conv": _first_convolution(network),
        "classifier": f"head.{found}" if found else None,
    }


def _classifier(head: nn.Module) -> str:
    """The name in a head of its last layer where that is linear; empty where it is not."""
    name, last = next(reversed(list(head.named_children())), ("", head))
    return name if isinstance(last, nn.Linear) else ""


def _place_of_none(head: nn.Module) -> str:
    """The name in a head of a classifier that was taken away."""
    name, last = next(reversed(list(head.named_children())), ("", head))
    return name if isinstance(last, nn.Identity) else ""


def _first_convolution(network: Network) -> str | None:
    """The name of the first convolution, which takes the image."""
    return next((name for name, one in network.stem.named_modules(prefix="stem") if isinstance(one, nn.Conv2d)), None)
