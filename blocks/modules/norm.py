"""Layer norm over the channels of an NCHW map."""

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class LayerNorm2d(nn.LayerNorm):
    """Layer norm over dimension 1: (N, C, H, W) -> (N, C, H, W), in channels-last memory."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of nn.LayerNorm's argument)
        x = input.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)
