"""timm's `resnet50` and its deeper and shallower kin with bottlenecks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archspec.convert.renaming import rename, residual_unit
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor

_ENDS = {"conv1": "stem.conv", "bn1": "stem.norm", "fc": "head.fc"}


def convert(state: Mapping[str, Tensor], spec: ArchSpec) -> dict[str, Tensor]:
    """The tensors under archspec's names; the first residual unit of a layer is the transition into the stage."""
    rules = dict(_ENDS)
    for index, stage in enumerate(spec.stages):
        for unit in range(1 + stage.depth):
            ours = f"stages.{index}.{f'blocks.{unit - 1}' if unit else 'downsample'}.unit"
            rules |= residual_unit(rf"layer{index + 1}\.{unit}", ours)
    return rename(state, rules)
