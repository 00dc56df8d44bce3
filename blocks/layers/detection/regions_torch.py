"""Torch modules of heads on regions. Boxes are (N, R, 4): centre (x, y), width, height, as fractions of the image."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

STRIDE = 4
"""Of the first map of a pyramid, for which FPN's equation 1 is written."""
FINEST = 112.0
"""Side in pixels from which on a box no longer reads the first map; each further level begins at twice that."""


@final
class RegionSample(nn.Module):
    """[maps (N, C, H_i, W_i)..., boxes (N, R, 4)] -> (N·R, C, size, size), the feature at the centre of each cell."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, inputs: list[Tensor]) -> Tensor:
        *maps, boxes = inputs
        batch, count = boxes.shape[:2]
        channels = maps[0].shape[1]
        places = self._places(boxes.detach(), [(x.shape[2], x.shape[3]) for x in maps])
        tokens = torch.cat([x.flatten(2) for x in maps], 2).transpose(1, 2)
        # Images stand one after the other, and only the index is kept for backward.
        first = torch.arange(batch, device=boxes.device) * tokens.shape[1]
        index = (places + first.reshape(-1, 1, 1, 1)).flatten()
        found = tokens.reshape(-1, channels).index_select(0, index)
        return found.reshape(batch * count, self.size, self.size, channels).permute(0, 3, 1, 2).contiguous()

    def _places(self, boxes: Tensor, sides: list[tuple[int, int]]) -> Tensor:
        """Position of every cell's centre among those of all maps, one map after the other: (N, R, size, size)."""
        columns, rows, widths, heights = boxes.unsqueeze(3).unbind(2)
        side = STRIDE * (widths * heights * (sides[0][0] * sides[0][1])).sqrt()
        level = torch.zeros_like(side, dtype=torch.long)
        for step in range(len(sides) - 1):
            level = level + (side >= FINEST * 2**step).long()
        starts = [sum(height * width for height, width in sides[:number]) for number in range(len(sides))]
        start = boxes.new_tensor(starts, dtype=torch.long)[level]
        bottom, right = (boxes.new_tensor(each)[level] for each in zip(*sides, strict=True))
        cells = (torch.arange(self.size, device=boxes.device) + 0.5) / self.size - 0.5
        row = _clip((rows + cells * heights) * bottom, bottom)
        column = _clip((columns + cells * widths) * right, right)
        return (start + row * right.long()).unsqueeze(3) + column.unsqueeze(2)

    def extra_repr(self) -> str:
        return f"size={self.size}"


@final
class RegionHead(nn.Module):
    """[maps (N, C, H_i, W_i)..., boxes (N, R, 4)] -> list of predictions (N, R, ...)."""

    def __init__(self, sample: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.sample = sample
        self.head = head

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        outs: list[Tensor] = self.head([self.sample(inputs)])
        return [out.reshape(*inputs[-1].shape[:2], *out.shape[1:]) for out in outs]


@final
class TwoStage(nn.Module):
    """A list of levels -> the predictions of `rpn` on each, then those of each head on the cells of a grid."""

    def __init__(self, rpn: nn.Module, heads: Mapping[str, tuple[int, nn.Module]], reads: int) -> None:
        super().__init__()
        self.rpn = rpn
        for name, (_, head) in heads.items():
            self.add_module(name, head)
        self.counts = {name: count for name, (count, _) in heads.items()}
        self.reads = reads

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        outs: list[Tensor] = list(self.rpn(levels))
        for name, count in self.counts.items():
            boxes = grid(count, levels[0])
            outs += self.get_submodule(name)([*levels[: self.reads], boxes])
        return outs

    def extra_repr(self) -> str:
        return f"counts={self.counts}, reads={self.reads}"


def grid(count: int, like: Tensor) -> Tensor:
    """`count` cells of the smallest square grid over the image that has as many, row by row: (N, count, 4)."""
    side = 1
    while side * side < count:
        side += 1
    number = torch.arange(count, device=like.device)
    row = number // side
    centre = torch.stack([number - row * side, row], 1).to(like.dtype) / side + 0.5 / side
    boxes = torch.cat([centre, torch.full_like(centre, 1 / side)], 1)
    return boxes.expand(len(like), -1, -1)


def _clip(position: Tensor, end: Tensor) -> Tensor:
    return torch.minimum(position.floor().clamp(min=0), end - 1).long()
