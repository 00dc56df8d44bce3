"""Difference of each position from the mean of its neighbourhood."""

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class LocalDifference(nn.Module):
    """x - mean of its neighbourhood of `kernel` positions a side, cut off at the border: (N, C, H, W) -> the same."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        return x - F.avg_pool2d(x, self.kernel, stride=1, padding=self.kernel // 2, count_include_pad=False)

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}"
