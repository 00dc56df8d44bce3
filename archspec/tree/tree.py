"""The layer tree of a spec, and the walk over it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from archspec.spec.schema import ArchSpec, StageSpec
from archspec.tree.tree_parallel import plant_blocks, plant_branched
from blocks.component import MapsHead
from blocks.layers.basic.resize import Resize
from blocks.layers.combine import Parts, Sequence
from blocks.layers.layer import Layer
from blocks.layers.maps import MapsSequence, Node


@final
@dataclass(frozen=True, slots=True)
class Tree:
    """The layers of a spec.

    `stages[i]` is a sequence of `downsample`, `resize` and `blocks`, as far as declared; of parallel branches one of
    `fuse_before`, `downsample`, `units` and `norm`. `reads` are the numbers of the maps that the head reads,
    or that the network gives where there is no head.
    """

    stem: Layer
    stages: tuple[Sequence, ...] | tuple[MapsSequence, ...]
    head: Node | None
    reads: tuple[int, ...]

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Every layer with the dotted name of its module, outer ones before inner ones."""
        yield from walk("stem", self.stem)
        for index, stage in enumerate(self.stages):
            yield from walk(f"stages.{index}", stage)
        if self.head is not None:
            yield from walk("head", self.head)


def walk(name: str, layer: Node) -> Iterator[tuple[str, Node]]:
    """`layer`, whose module is called `name`, and every layer inside it, with the dotted names of their modules."""
    yield name, layer
    for part_name, part in layer.children():
        yield from walk(f"{name}.{part_name}" if name else part_name, part)


def plant(spec: ArchSpec) -> Tree:
    """The layer tree of `spec` at its own resolution; use `spec.at(resolution)` first for another."""
    head, reads = plant_head(spec)
    if spec.branched:
        stages = plant_branched(spec, reads if isinstance(spec.head, MapsHead) else None)
    else:
        stages = _plant_stages(spec)
    return Tree(spec.stem.layers(spec.channels, spec.stem_width), stages, head, reads)


def plant_head(spec: ArchSpec) -> tuple[Node | None, tuple[int, ...]]:
    """The layers of the head, and the numbers of the maps that it reads; see `Tree`."""
    widths, head = spec.widths, spec.head
    if isinstance(head, MapsHead):
        reads = head.reads(len(widths))
        return head.layers(tuple(widths[number] for number in reads)), reads
    # Without a head the network gives all branches' maps, or a pyramid's last one.
    reads = tuple(range(len(widths))) if spec.branched and head is None else (len(widths) - 1,)
    return (None if head is None else head.layers(widths[-1])), reads


def _plant_stages(spec: ArchSpec) -> tuple[Sequence, ...]:
    width = spec.stem_width
    rates = iter(drop_path_rates(spec))
    stages: list[Sequence] = []
    for stage in spec.stages:
        stages.append(_plant_stage(stage, width, [next(rates) for _ in stage.blocks]))
        width = stage.width
    return tuple(stages)


def drop_path_rates(spec: ArchSpec) -> list[float]:
    """Stochastic depth rate of each block in order: its own, or the linear schedule from 0 to `spec.drop_path`.

    The schedule has a step for each block with a shortcut; the others have the rate 0.
    """
    blocks = [block for stage in spec.stages for block in stage.blocks]
    last = max(sum(block.drops for block in blocks) - 1, 1)
    rates: list[float] = []
    steps = 0
    for block in blocks:
        scheduled = spec.drop_path * steps / last
        steps += block.drops
        rates.append((scheduled if block.drop_path is None else block.drop_path) if block.drops else 0.0)
    return rates


def _plant_stage(stage: StageSpec, width_in: int, rates: list[float]) -> Sequence:
    parts: Parts = ()
    if stage.downsample is not None:
        parts += (("downsample", stage.downsample.layers(width_in, stage.width)),)
    if stage.resize is not None:
        parts += (("resize", Resize(stage.resize)),)
    if stage.blocks:
        parts += (("blocks", plant_blocks(stage, rates)),)
    return Sequence(parts)
