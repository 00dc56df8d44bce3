"""timm's `hrnet_w18`, `hrnet_w32` and `hrnet_w48`, and their kin with the classification head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archspec.convert.renaming import Rules, find_origin, rename, residual_unit
from archspec.errors import SpecError
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor

_ENDS = {
    r"conv([12])": r"stem.conv\1",
    r"bn([12])": r"stem.norm\1",
    r"downsamp_modules\.(\d+)\.0": r"head.accumulate.downs.\1.conv",
    r"downsamp_modules\.(\d+)\.1": r"head.accumulate.downs.\1.norm",
    r"final_layer\.0": "head.conv",
    r"final_layer\.1": "head.norm",
    "classifier": "head.fc",
}
_LEAVES = {"0": "conv", "1": "norm"}


def convert(state: Mapping[str, Tensor], spec: ArchSpec) -> dict[str, Tensor]:
    """The tensors under archspec's names; the first residual unit of `layer1` is the transition into stage 0."""
    return rename(state, _rules(spec))


def original(name: str, spec: ArchSpec) -> str:
    """timm's name of the tensor called `name` here."""
    return find_origin(name, _rules(spec))


def _rules(spec: ArchSpec) -> Rules:
    if not spec.branched:
        raise SpecError("has no parallel branches, which HRNet is made of", field="topology", source=spec.name)
    first = spec.branched[0]
    rules = _ENDS | residual_unit(r"incre_modules\.(\d+)\.0", r"head.accumulate.branches.\1.unit")
    rules |= residual_unit(r"layer1\.0", "stages.0.downsample.0.unit")
    for index in range(first.depth):
        rules |= residual_unit(rf"layer1\.{index + 1}", f"stages.0.units.0.branches.0.{index}.unit")
    for number, stage in enumerate(spec.branched[1:], start=1):
        rules |= _stage(number, len(stage.branches), len(spec.branched[number - 1].branches))
    return rules


def _stage(number: int, branches: int, before: int) -> dict[str, str]:
    """Rules for a stage of several branches, of which so many come in: its transitions, blocks and exchange units."""
    theirs, ours = rf"stage{number + 1}\.(\d+)", rf"stages.{number}.units.\1"
    rules = residual_unit(rf"{theirs}\.branches\.(\d+)\.(\d+)", rf"{ours}.branches.\2.\3.unit")
    for index, leaf in _LEAVES.items():
        for branch in range(branches):
            # A branch that is new has its convolution one level deeper than one that only changes its width.
            deeper = r"\.0" if branch >= before else ""
            into = f"stages.{number}.downsample.{branch}.{leaf}"
            rules[rf"transition{number}\.{branch}{deeper}\.{index}"] = into
        rules[rf"{theirs}\.fuse_layers\.(\d+)\.(\d+)\.{index}"] = rf"{ours}.fuse.\2.\3.{leaf}"
        for step in range(branches - 1):
            path = rf"{theirs}\.fuse_layers\.(\d+)\.(\d+)\.{step}\.{index}"
            rules[path] = rf"{ours}.fuse.\2.\3.step{step + 1}.{leaf}"
    return rules
