"""Torch modules of the layers on several maps; each takes a list of (N, C_i, H_i, W_i)."""

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from blocks.layers.combine_torch import crop


@final
class Branches(nn.Module):
    """A module per output, named by its number, on the map that it reads; None passes the map on."""

    def __init__(self, branches: Sequence[nn.Module | None], sources: Sequence[int]) -> None:
        super().__init__()
        self.sources = tuple(sources)
        for index, branch in enumerate(branches):
            if branch is not None:
                self.add_module(str(index), branch)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        branches = self._modules
        outs = [maps[source] for source in self.sources]
        return [branches[str(i)](x) if str(i) in branches else x for i, x in enumerate(outs)]  # pyright: ignore[reportOptionalCall]

    def extra_repr(self) -> str:
        return f"sources={self.sources}"


@final
class FusedMap(nn.Module):
    """act(sum of paths): a list of maps -> one map of the first path's shape, to which the others are cropped."""

    def __init__(self, paths: Sequence[tuple[int, nn.Module | None]], act: nn.Module | None) -> None:
        super().__init__()
        self.reads = tuple(index for index, _ in paths)
        for index, path in paths:
            if path is not None:
                self.add_module(str(index), path)
        self.act = act

    def forward(self, maps: list[Tensor]) -> Tensor:
        paths = self._modules
        total: Tensor | None = None
        for index in self.reads:
            path = paths.get(str(index))
            out = maps[index] if path is None else path(maps[index])
            total = out if total is None else total + crop(out, total)
        assert total is not None
        return total if self.act is None else self.act(total)

    def extra_repr(self) -> str:
        return f"reads={self.reads}"


@final
class Gather(nn.Module):
    """Outputs, named by their number, that each read all maps."""

    def __init__(self, outputs: Sequence[nn.Module]) -> None:
        super().__init__()
        for index, output in enumerate(outputs):
            self.add_module(str(index), output)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        return [output(maps) for output in self.children()]
