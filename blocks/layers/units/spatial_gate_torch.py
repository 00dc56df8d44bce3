"""A gate per position that splits a map in two."""

from typing import final

from torch import Tensor, nn


@final
class GatedSplit(nn.Module):
    """first(g·x) + second(x - g·x) with g = gate(x) of shape (N, 1, H, W): (N, C, H, W) -> what `first` gives."""

    def __init__(self, gate: nn.Module, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.gate = gate
        self.first = first
        self.second = second

    def forward(self, x: Tensor) -> Tensor:
        share = self.gate(x) * x
        return self.first(share) + self.second(x - share)
