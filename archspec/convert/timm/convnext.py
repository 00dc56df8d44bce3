"""timm's `convnext_tiny` and its sizes, down to `convnext_atto`, and those with the norm before the pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archspec.convert.renaming import find_origin, rename
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
_PRE_NORM = {"norm_pre": "head.norm"}
"""The head's norm where it comes before the pool."""


def convert(state: Mapping[str, Tensor], spec: ArchSpec) -> dict[str, Tensor]:
    """The tensors under archspec's names; `gamma` is the scale of the residual branch.

    The small models have 1x1 convolutions as feed-forward: linear layers whose weights have two sides of 1 more.
    """
    del spec
    out: dict[str, Tensor] = {}
    for name, tensor in rename(state, _RULES | _PRE_NORM).items():
        linear = ".body.ffn.fc" in name and tensor.dim() == 4
        out[f"{name.removesuffix('gamma')}scale" if name.endswith(".gamma") else name] = (
            tensor.flatten(1) if linear and tensor.shape[2:] == (1, 1) else tensor
        )
    return out


def original(name: str, spec: ArchSpec) -> str:
    """timm's name of the tensor called `name` here."""
    before = getattr(spec.head, "norm_at", None) == "map"
    found = find_origin(name, _PRE_NORM | _RULES if before else _RULES)
    return f"{found.removesuffix('scale')}gamma" if found.endswith(".scale") else found
