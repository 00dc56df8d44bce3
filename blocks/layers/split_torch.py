"""Torch module that sends groups of channels through layers of their own."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn


@final
class Split(nn.Module):
    """Channels in groups, each through its own branch, concatenated: (N, C, H, W) -> (N, C', H, W)."""

    def __init__(self, branches: Mapping[str, nn.Module], widths: tuple[int, ...]) -> None:
        super().__init__()
        self.widths = widths
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        groups = zip(self.children(), x.split(self.widths, 1), strict=True)
        return torch.cat([branch(group) for branch, group in groups], 1)

    def extra_repr(self) -> str:
        return f"widths={self.widths}"
