"""Torch modules of object-contextual representations."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn


@final
class SoftGather(nn.Module):
    """[features (N, M, H, W), logits (N, K, H, W)] -> (N, M, K, 1), the features' mean where each class is."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        features, logits = maps
        weights = logits.flatten(2).softmax(2)
        return torch.matmul(weights, features.flatten(2).transpose(1, 2)).transpose(1, 2).unsqueeze(3)


@final
class CrossAttention(nn.Module):
    """[queries (N, R, H, W), keys (N, R, K, 1), values (N, R, K, 1)] -> (N, R, H, W), as in the queries' places."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        queries, keys, values = maps
        scores = torch.matmul(queries.flatten(2).transpose(1, 2), keys.flatten(2)) * queries.shape[1] ** -0.5
        out = torch.matmul(scores.softmax(2), values.flatten(2).transpose(1, 2))
        return out.transpose(1, 2).reshape(queries.shape)


@final
class ObjectContext(nn.Module):
    """A list of maps -> (N, K, H, W); in training the pair of that and the auxiliary logits. See the layer."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.has_dropout = "dropout" in parts

    def forward(self, maps: list[Tensor]) -> Tensor | tuple[Tensor, Tensor]:
        part = self.get_submodule
        x = part("merge")(maps)
        logits, features = part("auxiliary")(x), part("features")(x)
        objects = part("gather")([features, logits])
        context = part("attention")([part("query")(features), part("key")(objects), part("value")(objects)])
        x = part("bottleneck")(part("concat")([part("up")(context), features]))
        if self.has_dropout:
            x = part("dropout")(x)
        out = part("classifier")(x)
        return (out, logits) if self.training else out
