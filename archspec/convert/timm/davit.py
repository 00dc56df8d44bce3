"""timm's `davit_tiny`, `davit_small` and `davit_base`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from archspec.convert.renaming import find_origin, rename
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor

_PAIR = re.compile(r"(stages\.\d+\.blocks)\.(\d+)\.([01])\.")
_SINGLE = re.compile(r"(stages\.\d+\.blocks)\.(\d+)\.")
_BLOCK = r"(stages\.\d+\.blocks\.\d+)"
_RULES = {
    rf"{_BLOCK}\.cpe([12])\.proj": r"\1.position\2.body",
    rf"{_BLOCK}\.norm1": r"\1.mha.body.norm",
    rf"{_BLOCK}\.attn\.(qkv|proj)": r"\1.mha.body.attention.\2",
    rf"{_BLOCK}\.norm2": r"\1.ffn.body.norm",
    rf"{_BLOCK}\.mlp\.(fc1|fc2)": r"\1.ffn.body.ffn.\2",
}


def convert(state: Mapping[str, Tensor], spec: ArchSpec) -> dict[str, Tensor]:
    """The tensors under archspec's names; a pair of a spatial and a channel block becomes two blocks in a row."""
    del spec
    return rename({_PAIR.sub(_single, name): tensor for name, tensor in state.items()}, _RULES)


def original(name: str, spec: ArchSpec) -> str:
    """timm's name of the tensor called `name` here."""
    del spec
    return _SINGLE.sub(lambda block: f"{block[1]}.{int(block[2]) // 2}.{int(block[2]) % 2}.", find_origin(name, _RULES))


def _single(pair: re.Match[str]) -> str:
    return f"{pair[1]}.{2 * int(pair[2]) + int(pair[3])}."
