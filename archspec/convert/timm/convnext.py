"""timm's `convnext_tiny` and its sizes with LayerScale and linear layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archspec.convert.renaming import rename
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = r"(stages\.\d+\.blocks\.\d+)"
_RULES = {
    r"stem\.0": "stem.conv",
    r"stem\.1": "stem.norm",
    r"(stages\.\d+\.downsample)\.0": r"\1.norm",
    r"(stages\.\d+\.downsample)\.1": r"\1.conv",
    rf"{_BLOCK}\.conv_dw": r"\1.body.mix",
    rf"{_BLOCK}\.norm": r"\1.body.norm",
    rf"{_BLOCK}\.mlp\.(fc1|fc2)": r"\1.body.ffn.\2",
    r"head\.(norm|fc)": r"head.\1",
}


def convert(state: Mapping[str, Tensor], spec: ArchSpec) -> dict[str, Tensor]:
    """The tensors under archspec's names; `gamma` is the scale of the residual branch."""
    del spec
    renamed = rename(state, _RULES)
    return {f"{name.removesuffix('gamma')}scale" if name.endswith(".gamma") else name: t for name, t in renamed.items()}
