"""timm's `pvt_v2_b0` to `pvt_v2_b5`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archspec.convert.renaming import Rules, find_origin, rename
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = r"(stages\.\d+\.blocks\.\d+)"
_RULES = {
    r"patch_embed\.proj": "stem.conv",
    r"patch_embed\.norm": "stem.norm",
    r"(stages\.\d+\.downsample)\.proj": r"\1.conv",
    r"(stages\.\d+\.downsample)\.norm": r"\1.norm",
    rf"{_BLOCK}\.norm1": r"\1.mha.body.norm",
    rf"{_BLOCK}\.attn\.(q|kv|proj|norm)": r"\1.mha.body.attention.\2",
    rf"{_BLOCK}\.attn\.sr": r"\1.mha.body.attention.reduce",
    rf"{_BLOCK}\.norm2": r"\1.ffn.body.norm",
    rf"{_BLOCK}\.mlp\.(fc1|fc2)": r"\1.ffn.body.ffn.\2",
    rf"{_BLOCK}\.mlp\.dwconv": r"\1.ffn.body.ffn.mix",
    "head": "head.fc",
}


def convert(state: Mapping[str, Tensor], spec: ArchSpec) -> dict[str, Tensor]:
    """The tensors under archspec's names; the norm at the end of each stage is the last of the stage's blocks."""
    return rename(state, _rules(spec))


def original(name: str, spec: ArchSpec) -> str:
    """timm's name of the tensor called `name` here."""
    return find_origin(name, _rules(spec))


def _rules(spec: ArchSpec) -> Rules:
    norms = {
        rf"stages\.{index}\.norm": f"stages.{index}.blocks.{stage.depth - 1}" for index, stage in enumerate(spec.stages)
    }
    return _RULES | norms
