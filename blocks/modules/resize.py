"""Zero padding of a map to a multiple."""

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class PadTo(nn.Module):
    """Zeros at the bottom and right up to a multiple: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self.multiple = multiple

    def forward(self, x: Tensor) -> Tensor:
        bottom, right = -x.shape[2] % self.multiple, -x.shape[3] % self.multiple
        return F.pad(x, (0, right, 0, bottom)) if bottom or right else x

    def extra_repr(self) -> str:
        return f"multiple={self.multiple}"
