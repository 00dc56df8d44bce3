"""Neighbouring positions stacked into channels."""

from typing import final

from torch import Tensor, nn

from blocks.layers.basic.windows_torch import pad


@final
class SpaceToDepth(nn.Module):
    """Windows of `size` become positions: (N, C, H, W) -> (N, size²·C, H', W'), in channels-last memory."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        s = self.size
        x = pad(x.permute(0, 2, 3, 1), (s, s))
        _, height, width, channels = x.shape
        grid = x.reshape(-1, height // s, s, width // s, s, channels).permute(0, 1, 3, 4, 2, 5)
        return grid.reshape(-1, height // s, width // s, s * s * channels).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"size={self.size}"
