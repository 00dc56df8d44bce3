"""A map to which taps of other maps are added, whatever their sizes."""

from collections.abc import Mapping
from typing import final

from torch import Tensor, nn


@final
class Tapped(nn.Module):
    """A list of maps -> map `own` plus, per index of another map, what its tap and then its resizing make of it."""

    def __init__(self, own: int, taps: Mapping[int, tuple[nn.Module, nn.Module]]) -> None:
        super().__init__()
        self.own = own
        self.taps = nn.ModuleDict({str(index): tap for index, (tap, _) in taps.items()})
        self.resizes = nn.ModuleDict({str(index): resize for index, (_, resize) in taps.items()})

    def forward(self, maps: list[Tensor]) -> Tensor:
        own = total = maps[self.own]
        for index, tap in self.taps.items():
            total = total + self.resizes[index]([tap(maps[int(index)]), own])
        return total

    def extra_repr(self) -> str:
        return f"own={self.own}"
