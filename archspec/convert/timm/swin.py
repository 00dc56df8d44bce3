"""timm's `swin_tiny_patch4_window7_224` and its sizes, by the names of its older versions and of the authors too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from archspec.convert.renaming import find_origin, rename
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
_OLD_MERGING = re.compile(r"layers\.(\d+)\.(downsample\..*)")
"""Before timm 0.9, as in the authors' files, a patch merging ended a layer; now it begins the next one."""
_COMPUTED = ("relative_position_index", "attn_mask")
"""Buffers of older checkpoints that follow from the sizes."""


def convert(state: Mapping[str, Tensor], spec: ArchSpec) -> dict[str, Tensor]:
    """The tensors under archspec's names, without the buffers that are computed here."""
    del spec
    old = any(name.startswith("layers.0.downsample.") for name in state)
    named = {_new_name(name) if old else name: tensor for name, tensor in state.items()}
    renamed = rename(named, {**_RULES, "head": "head.fc"})
    return {name: tensor for name, tensor in renamed.items() if name.rpartition(".")[2] not in _COMPUTED}


def original(name: str, spec: ArchSpec) -> str:
    """timm's name of the tensor called `name` here."""
    del spec
    return find_origin(name, _RULES)


def _new_name(name: str) -> str:
    found = _OLD_MERGING.fullmatch(name)
    return name if found is None else f"layers.{int(found[1]) + 1}.{found[2]}"
