"""Torch modules of class queries that attend to a map; see the layers."""

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn


@final
class ClassQueries(nn.Module):
    """Any map (N, ...) -> (N, D, K, 1), the same learned vectors for every image."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the queries as weights are drawn: from a normal of deviation 0.02, truncated at 2 deviations."""
        nn.init.trunc_normal_(self.weight, std=0.02, a=-0.04, b=0.04)

    def forward(self, x: Tensor) -> Tensor:
        # Copied, since counters of modules do not take a view of a parameter for an output.
        return self.weight.t()[None, :, :, None].repeat(x.shape[0], 1, 1, 1)

    def extra_repr(self) -> str:
        return f"classes={self.weight.shape[0]}, width={self.weight.shape[1]}"


@final
class Similarity(nn.Module):
    """[queries (N, D, K, 1), keys (N, D, H, W)] -> (N, K, H, W), scaled by D^-0.5."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        queries, keys = maps
        scores = torch.matmul(queries.flatten(2).transpose(1, 2), keys.flatten(2)) * keys.shape[1] ** -0.5
        return scores.reshape(keys.shape[0], queries.shape[2], keys.shape[2], keys.shape[3])


@final
class MaskLogits(nn.Module):
    """[queries (N, D, K, 1), features (N, D, H, W)] -> (N, K, H, W)."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, maps: list[Tensor]) -> Tensor:
        queries, features = maps
        part = self.get_submodule
        return part("similarity")([part("query")(queries), part("key")(features)])


@final
class ClassAttention(nn.Module):
    """[queries (N, D, K, 1), features (N, D, H, W)] -> [queries (N, D, K, 1), logits (N, K, H, W)]."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        queries, features = maps
        part = self.get_submodule
        logits = part("masks")(maps)
        queries = queries + part("proj")(part("gather")([part("value")(features), logits]))
        return [part("ffn")(queries), logits]


@final
class ClassMasks(nn.Module):
    """A list of maps -> (N, K, H, W); in training a tuple of that and the auxiliary logits, as far as there are any."""

    def __init__(self, parts: Mapping[str, nn.Module], attend: Sequence[nn.Module], supervise: bool) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.attend = nn.ModuleList(attend)
        self.supervise = supervise
        self.has_auxiliary = "auxiliary" in parts

    def forward(self, maps: list[Tensor]) -> Tensor | tuple[Tensor, ...]:
        part = self.get_submodule
        x = part("fuse")(part("merge")(maps))
        queries = part("queries")(x)
        beside: list[Tensor] = []
        for attend in self.attend:
            queries, similarities = attend([queries, x])
            beside += [similarities] if self.supervise else []
        logits = part("masks")([queries, x])
        if not self.training:
            return logits
        if self.has_auxiliary:
            beside.append(part("auxiliary")(maps[0]))
        return (logits, *beside) if beside else logits

    def extra_repr(self) -> str:
        return f"supervise={self.supervise}"
