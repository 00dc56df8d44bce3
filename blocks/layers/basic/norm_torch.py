"""Norms of an NCHW map that torch does not have."""

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class LayerNorm2d(nn.LayerNorm):
    """Layer norm over dimension 1: (N, C, H, W) -> (N, C, H, W), in channels-last memory; or (N, C) -> (N, C)."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__(width, eps=eps)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of nn.LayerNorm's argument)
        if input.dim() == 2:
            return super().forward(input)
        x = input.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


@final
class ZeroBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose weight and bias begin at zero."""

    def reset_parameters(self) -> None:
        """Zero weight and bias, and reset the running statistics."""
        super().reset_parameters()
        nn.init.zeros_(self.weight)
