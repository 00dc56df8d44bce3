"""timm's `resnet18` to `resnet152`, wide ones, and those with a deep stem and average-pool shortcuts (`resnet50d`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archspec.convert.renaming import Rules, find_origin, rename, residual_unit
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor

_STEM = {"conv1": "stem.conv", "bn1": "stem.norm"}
_DEEP_STEM = {
    **{rf"conv1\.{3 * index}": f"stem.conv{index + 1}" for index in range(3)},
    **{rf"conv1\.{3 * index + 1}": f"stem.norm{index + 1}" for index in range(2)},
    "bn1": "stem.norm3",
}


def convert(state: Mapping[str, Tensor], spec: ArchSpec) -> dict[str, Tensor]:
    """The tensors under archspec's names.

    The first residual unit of a layer is the transition into the stage; where the stage has none, since nothing
    changes, its first block.
    """
    return rename(state, _rules(spec))


def original(name: str, spec: ArchSpec) -> str:
    """timm's name of the tensor called `name` here."""
    return find_origin(name, _rules(spec))


def _rules(spec: ArchSpec) -> Rules:
    rules = {**(_DEEP_STEM if spec.stem.type == "resnet_deep_stem" else _STEM), "fc": "head.fc"}
    # At stride 1 there is nothing to average, but timm's model has a place for it as in the other stages.
    projection = int(any(getattr(stage.downsample, "shortcut", "") == "pool" for stage in spec.stages))
    for index, stage in enumerate(spec.stages):
        units = [f"blocks.{number}" for number in range(stage.depth)]
        if stage.downsample is not None:
            units.insert(0, "downsample")
        for number, unit in enumerate(units):
            rules |= residual_unit(rf"layer{index + 1}\.{number}", f"stages.{index}.{unit}.unit", projection)
    return rules
