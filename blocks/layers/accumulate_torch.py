"""Torch module of the accumulation of maps from fine to coarse."""

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn


@final
class Accumulate(nn.Module):
    """y = branch 0, then y = branch i + down_i(y): a list of maps -> a map of the size of the last."""

    def __init__(self, branches: Sequence[nn.Module], downs: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.downs = nn.ModuleList(downs)

    def forward(self, maps: list[Tensor]) -> Tensor:
        branches = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        y = branches[0]
        for down, branch in zip(self.downs, branches[1:], strict=True):
            y = branch + down(y)
        return y
