"""A tensor times one learnable number."""

from typing import final

import torch
from torch import Tensor, nn


@final
class Scale(nn.Module):
    """weight · x, of any shape; the weight begins at 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        nn.init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight
