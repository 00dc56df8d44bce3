"""A linear map of the channels that is a Kronecker product of two small ones, with an activation in between."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn


@final
class Kronecker(nn.Module):
    """Each position's channels as a matrix, mapped row by row, then column by column: (N, C, H, W) -> (N, C, H, W).

    Submodules `rows`, `act` and `columns`.
    """

    def __init__(self, parts: Mapping[str, nn.Module], rows: int, columns: int) -> None:
        super().__init__()
        self.shape = (rows, columns)
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        rows, columns = self.shape
        # A copy, whatever the memory order of x, so that what autograd keeps does not depend on it.
        tokens = x.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
        out = self.get_submodule("rows")(tokens.view(batch, -1, columns))
        out = self.get_submodule("act")(out).view(batch, -1, rows, columns).transpose(2, 3)
        out = self.get_submodule("columns")(out.reshape(batch, -1, rows))
        out = out.view(batch, -1, columns, rows).transpose(2, 3).reshape(batch, height, width, channels)
        return out.permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"{self.shape[0]}x{self.shape[1]}"
