"""Torch modules of heads that read several maps; each takes a list of (N, C_i, H_i, W_i)."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn


@final
class FeaturePyramid(nn.Module):
    """Lateral modules, sums from coarse to fine, output modules: a list of maps -> as many maps; None is identity."""

    def __init__(
        self,
        laterals: Sequence[nn.Module | None],
        outputs: Sequence[nn.Module | None],
        resizes: Sequence[nn.Module],
    ) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Identity() if part is None else part for part in laterals)
        self.outputs = nn.ModuleList(nn.Identity() if part is None else part for part in outputs)
        self.resizes = nn.ModuleList(resizes)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        sums = [lateral(x) for lateral, x in zip(self.laterals, maps, strict=True)]
        for i in reversed(range(len(sums) - 1)):
            sums[i] = sums[i] + self.resizes[i]([sums[i + 1], sums[i]])
        return [output(x) for output, x in zip(self.outputs, sums, strict=True)]


@final
class Merge(nn.Module):
    """A list of maps -> one map of the first one's size: all of them concatenated along the channels, or added."""

    def __init__(self, resizes: Sequence[nn.Module], how: str) -> None:
        super().__init__()
        self.resizes = nn.ModuleList(resizes)
        self.how = how

    def forward(self, maps: list[Tensor]) -> Tensor:
        first, *others = maps
        resized = [resize([x, first]) for resize, x in zip(self.resizes, others, strict=True)]
        if not resized:
            return first
        if self.how == "cat":
            return torch.cat([first, *resized], 1)
        total = first
        for x in resized:
            total = total + x
        return total

    def extra_repr(self) -> str:
        return f"how={self.how}"


@final
class PyramidPool(nn.Module):
    """(N, C, H, W) -> (N, C + sum of the branches' channels, H, W)."""

    def __init__(self, branches: Sequence[nn.Module], resizes: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.resizes = nn.ModuleList(resizes)

    def forward(self, x: Tensor) -> Tensor:
        pooled = [resize([branch(x), x]) for branch, resize in zip(self.branches, self.resizes, strict=True)]
        return torch.cat([x, *pooled], 1)


@final
class OnMap(nn.Module):
    """`layer` of the only map."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, maps: list[Tensor]) -> Tensor:
        return self.layer(maps[0])


@final
class WithAuxiliary(nn.Module):
    """`main` of all maps; in training the pair of that and `auxiliary` of map `index`."""

    def __init__(self, main: nn.Module, auxiliary: nn.Module, index: int) -> None:
        super().__init__()
        self.main = main
        self.auxiliary = auxiliary
        self.index = index

    def forward(self, maps: list[Tensor]) -> Tensor | tuple[Tensor, Tensor]:
        out = self.main(maps)
        return (out, self.auxiliary(maps[self.index])) if self.training else out

    def extra_repr(self) -> str:
        return f"index={self.index}"
