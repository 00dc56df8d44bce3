"""timm's `swin_tiny_patch4_window7_224` and its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archspec.convert.renaming import rename
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = r"layers\.(\d+)\.blocks\.(\d+)"
_HERE = r"stages.\1.blocks.\2"
_RULES = {
    r"patch_embed\.proj": "stem.conv",
    r"patch_embed\.norm": "stem.norm",
    r"layers\.(\d+)\.downsample\.(norm|reduction)": r"stages.\1.downsample.\2",
    rf"{_BLOCK}\.norm1": rf"{_HERE}.mha.body.norm",
    rf"{_BLOCK}\.attn(|\.qkv|\.proj)": rf"{_HERE}.mha.body.attention\3",
    rf"{_BLOCK}\.norm2": rf"{_HERE}.ffn.body.norm",
    rf"{_BLOCK}\.mlp\.(fc1|fc2)": rf"{_HERE}.ffn.body.ffn.\3",
    "norm": "head.norm",
}
_COMPUTED = ("relative_position_index", "attn_mask")
"""Buffers of older checkpoints that follow from the sizes."""


def convert(state: Mapping[str, Tensor], spec: ArchSpec) -> dict[str, Tensor]:
    """The tensors under archspec's names, without the buffers that are computed here."""
    del spec
    renamed = rename(state, _RULES)
    return {name: tensor for name, tensor in renamed.items() if name.rpartition(".")[2] not in _COMPUTED}
