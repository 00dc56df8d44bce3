"""Torch modules of necks and towers of detectors; each takes a list of (N, C_i, H_i, W_i)."""

from collections.abc import Mapping, Sequence
from typing import final

from torch import Tensor, nn


@final
class Levels(nn.Module):
    """A feature pyramid and further levels, each of them made of the one before: a list of maps -> a longer list."""

    def __init__(self, pyramid: nn.Module, extra: Sequence[nn.Module], reads_input: bool) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.extra = nn.ModuleList(extra)
        self.reads_input = reads_input

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        outs: list[Tensor] = list(self.pyramid(maps))
        x = maps[-1] if self.reads_input else outs[-1]
        for layer in self.extra:
            x = layer(x)
            outs.append(x)
        return outs

    def extra_repr(self) -> str:
        return f"reads_input={self.reads_input}"


@final
class SharedHead(nn.Module):
    """Towers and predictions on each level: a list of maps -> a list, prediction by prediction, finest level first."""

    def __init__(
        self,
        towers: Mapping[str, nn.Module],
        predictions: Mapping[str, tuple[str, nn.Module]],
        scales: Sequence[nn.Module],
        scaled: str | None,
    ) -> None:
        super().__init__()
        self.towers = nn.ModuleDict(dict(towers))
        self.predictions = nn.ModuleDict({name: module for name, (_, module) in predictions.items()})
        self.scales = nn.ModuleList(scales)
        self.reads = {name: tower for name, (tower, _) in predictions.items()}
        self.scaled = scaled

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        levels = [{name: tower(x) for name, tower in self.towers.items()} for x in maps]
        outs: list[Tensor] = []
        for name, prediction in self.predictions.items():
            found = [prediction(towers[self.reads[name]]) for towers in levels]
            if name == self.scaled:
                found = [scale(x) for scale, x in zip(self.scales, found, strict=True)]
            outs += found
        return outs

    def extra_repr(self) -> str:
        return f"reads={self.reads}, scaled={self.scaled}"
