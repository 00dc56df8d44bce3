"""Torch modules of the combinators."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn


@final
class Sum(nn.Module):
    """Sum of branches of one input: (N, C, H, W) -> the first branch's shape; larger maps are cropped to it."""

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        outs = [branch(x) for branch in self.children()]
        total = outs[0]
        for out in outs[1:]:
            total = total + crop(out, total)
        return total


@final
class DropPath(nn.Module):
    """Stochastic depth per image: in training, zero with probability `rate`, otherwise scaled by 1 / (1 - rate)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        mask = torch.empty((x.shape[0], 1, 1, 1), dtype=x.dtype, device=x.device).bernoulli_(keep)
        return x * mask.div_(keep)

    def extra_repr(self) -> str:
        return f"rate={self.rate:.3g}"


@final
class Residual(nn.Module):
    """shortcut(x) + drop_path(scale · body(x)), with an optional learnable scale per channel (LayerScale)."""

    def __init__(
        self, body: nn.Module, drop_path: float, scale: float | None, width: int, shortcut: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.scale_init = scale
        self.scale = None if scale is None else nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the LayerScale factors to their initial value."""
        if self.scale is not None and self.scale_init is not None:
            nn.init.constant_(self.scale, self.scale_init)

    def forward(self, x: Tensor) -> Tensor:
        out = self.body(x)
        if self.scale is not None:
            out = out * self.scale.view(-1, 1, 1)
        return (x if self.shortcut is None else self.shortcut(x)) + self.drop_path(out)


def crop(x: Tensor, like: Tensor) -> Tensor:
    """`x` without what it has beyond the sides of `like`, at the bottom and right."""
    # Slicing only where needed keeps the traced graph free of no-op slices.
    return x if x.shape[2:] == like.shape[2:] else x[:, :, : like.shape[2], : like.shape[3]]
