"""Torch modules of learned proposals (N, C, R, 1) and boxes (N, R, 4); see `blocks.layers.detection.proposals`."""

from collections.abc import Mapping, Sequence
from math import log
from typing import final

import torch
from torch import Tensor, nn

MAX_GROWTH = log(1000 / 16)
"""Of the logarithm of a box's side in one step."""


@final
class DynamicConv(nn.Module):
    """[proposals (N, F, R, 1), regions (N·R, F, s, s)] -> (N, F, R, 1)."""

    def __init__(self, parts: Mapping[str, nn.Module], inner: int) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.inner = inner

    def forward(self, inputs: list[Tensor]) -> Tensor:
        proposals, regions = inputs
        part = self.get_submodule
        (batch, width, count, _), half = proposals.shape, proposals.shape[1] * self.inner
        weights = part("generate")(proposals).squeeze(3).transpose(1, 2)
        first = weights[:, :, :half].reshape(batch * count, width, self.inner)
        second = weights[:, :, half:].reshape(batch * count, self.inner, width)
        x = _as_map(torch.bmm(_as_tokens(regions), first), regions)
        x = _as_map(torch.bmm(_as_tokens(part("between")(x)), second), regions)
        x = part("project")(_as_tokens(part("after")(x)).flatten(1))
        return x.reshape(batch, count, width).transpose(1, 2).unsqueeze(3)

    def extra_repr(self) -> str:
        return f"inner={self.inner}"


@final
class Refine(nn.Module):
    """[boxes (N, R, 4), offsets (N, 4, R, 1)] -> boxes (N, R, 4)."""

    def forward(self, inputs: list[Tensor]) -> Tensor:
        boxes, offsets = inputs
        offsets = offsets.squeeze(3).transpose(1, 2)
        centre, sides = boxes[:, :, :2], boxes[:, :, 2:]
        growth = offsets[:, :, 2:].clamp(max=MAX_GROWTH).exp()
        return torch.cat([centre + offsets[:, :, :2] * sides, sides * growth], 2)


@final
class ProposalStage(nn.Module):
    """[levels..., boxes (N, R, 4), proposals (N, F, R, 1)] -> [logits (N, K, R, 1), boxes, proposals]."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        *levels, boxes, proposals = inputs
        part = self.get_submodule
        proposals = part("attention")(proposals)
        regions = part("sample")([*levels, boxes])
        proposals = part("norm")(proposals + part("interact")([proposals, regions]))
        proposals = part("ffn")(proposals)
        logits, offsets = part("cls")(proposals), part("box")(proposals)
        return [logits, part("refine")([boxes, offsets]), proposals]


@final
class ProposalStages(nn.Module):
    """A list of levels -> logits (N, R, K) and boxes (N, R, 4) of each stage."""

    def __init__(self, count: int, width: int, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.boxes = nn.Parameter(torch.empty(count, 4))
        self.proposals = nn.Parameter(torch.empty(count, width))
        self.stages = nn.ModuleList(stages)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Boxes begin as the whole image, proposals are drawn from a standard normal distribution."""
        with torch.no_grad():
            self.boxes[:, :2].fill_(0.5)
            self.boxes[:, 2:].fill_(1)
        nn.init.normal_(self.proposals)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        batch = len(levels[0])
        boxes = self.boxes.repeat(batch, 1, 1)
        proposals = self.proposals.repeat(batch, 1, 1).transpose(1, 2).unsqueeze(3)
        outs: list[Tensor] = []
        for stage in self.stages:
            logits, refined, proposals = stage([*levels, boxes, proposals])
            outs += [logits.squeeze(3).transpose(1, 2), refined]
            # A stage learns from its own boxes, not through those that it hands on.
            boxes = refined.detach()
        return outs


def _as_tokens(x: Tensor) -> Tensor:
    """(M, C, s, s) -> (M, s·s, C)."""
    return x.flatten(2).transpose(1, 2)


def _as_map(tokens: Tensor, like: Tensor) -> Tensor:
    """(M, s·s, C) -> (M, C, s, s)."""
    return tokens.transpose(1, 2).unflatten(2, like.shape[2:])
