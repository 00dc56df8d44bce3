"""Linear layer over the channels of an NCHW map."""

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class Linear2d(nn.Linear):
    """Linear layer over dimension 1: (N, C, H, W) -> (N, C', H, W), in channels-last memory."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of nn.Linear's argument)
        return F.linear(input.permute(0, 2, 3, 1), self.weight, self.bias).permute(0, 3, 1, 2)
