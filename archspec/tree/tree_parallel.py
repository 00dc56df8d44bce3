"""The layer tree of stages of parallel branches, and the field of the spec behind a layer's name."""

from __future__ import annotations

from archspec.documents.paths import Place
from archspec.spec.schema import ArchSpec, StageSpec
from archspec.spec.schema_parallel import BranchSpec, ParallelStage
from blocks.component import Block
from blocks.layers.basic.norm import batch_norm, layer_norm
from blocks.layers.combine import Sequence
from blocks.layers.layer import Layer
from blocks.layers.maps import Branches, FusedMap, Gather, MapsLayer, MapsSequence

Rates = list[list[float]]
"""A stochastic depth rate per block of each branch, in all modules."""


def plant_branched(spec: ArchSpec, reads: tuple[int, ...] | None = None) -> tuple[MapsSequence, ...]:
    """The layers of each stage: `fuse_before`, `downsample`, `units` and `norm`, as far as declared.

    Where a head `reads` only some maps, the last exchange unit makes no others, as HRNet's for pose estimation: there
    the branches end as they enter it.
    """
    widths = (spec.stem_width,)
    stages: list[MapsSequence] = []
    for stage, rates in zip(spec.branched, branch_rates(spec), strict=True):
        stages.append(_plant_stage(stage, widths, rates))
        widths = stage.widths
    return tuple(stages) if reads is None else (*stages[:-1], _end(stages[-1], reads))


def _end(stage: MapsSequence, reads: tuple[int, ...]) -> MapsSequence:
    """A stage whose last exchange unit makes only the maps that are read; the others pass it as they are."""
    units = dict(stage.parts)["units"]
    assert isinstance(units, MapsSequence)
    *before, (name, last) = units.parts
    assert isinstance(last, MapsSequence)
    pruned = tuple((part, _only(layer, reads) if part == "fuse" else layer) for part, layer in last.parts)
    done = MapsSequence((*before, (name, MapsSequence(pruned))))
    return MapsSequence(tuple((part, done if part == "units" else layer) for part, layer in stage.parts))


def _only(fuse: MapsLayer, reads: tuple[int, ...]) -> MapsLayer:
    if not isinstance(fuse, Gather):
        return fuse
    outputs = tuple(out if number in reads else FusedMap(((number, None),)) for number, out in enumerate(fuse.outputs))
    return Gather(outputs)


def branch_rates(spec: ArchSpec) -> list[Rates]:
    """Stochastic depth rates: per stage, branch and block, a branch's blocks of all modules in a row.

    The linear schedule runs from 0 to `spec.drop_path` over the blocks in a row: a stage adds as many as its deepest
    branch has in all modules, and the blocks beside one another share a rate. Blocks with a rate of their own have
    that; a stage of nothing but such blocks has no part in the schedule.
    """
    starts: list[int] = []
    total = 0
    for stage in spec.branched:
        starts.append(total)
        total += stage.depth if _follows(stage) else 0
    last = max(total - 1, 1)
    return [
        [
            [_rate(block, spec.drop_path * (start + module * _span(stage) + index) / last)
             for module in range(stage.modules) for index, block in enumerate(branch.blocks)]
            for branch in stage.branches
        ]
        for stage, start in zip(spec.branched, starts, strict=True)
    ]  # fmt: skip


def _rate(block: Block, scheduled: float) -> float:
    return scheduled if block.drop_path is None else block.drop_path


def _span(stage: ParallelStage) -> int:
    return stage.depth // stage.modules


def _follows(stage: ParallelStage) -> bool:
    """Whether any block of the stage follows the linear schedule."""
    return any(block.drop_path is None for branch in stage.branches for block in branch.blocks)


def _plant_stage(stage: ParallelStage, before: tuple[int, ...], rates: Rates) -> MapsSequence:
    parts: list[tuple[str, MapsLayer]] = []
    entered = stage.entered(before)
    if stage.fuse_before is not None:
        parts.append(("fuse_before", stage.fuse_before.layers(before, entered)))
    if len(stage.branches) > len(entered) or any(branch.downsample for branch in stage.branches):
        parts.append(("downsample", _transitions(stage, entered)))
    modules = [(str(index), _module(stage, rates, index)) for index in range(stage.modules)]
    parts.append(("units", MapsSequence(tuple(modules))))
    if any(branch.final_norm for branch in stage.branches):
        parts.append(("norm", Branches(tuple(_final_norm(branch) for branch in stage.branches))))
    return MapsSequence(tuple(parts))


def _final_norm(branch: BranchSpec) -> Layer | None:
    if branch.final_norm is None:
        return None
    # HRViT's, whose norms have PyTorch's usual epsilon.
    return layer_norm(branch.width, 1e-5) if branch.final_norm == "ln" else batch_norm(branch.width)


def _transitions(stage: ParallelStage, entered: tuple[int, ...]) -> Branches:
    sources = tuple(min(number, len(entered) - 1) for number in range(len(stage.branches)))
    layers = tuple(
        None if branch.downsample is None else branch.downsample.layers(entered[source], branch.width)
        for branch, source in zip(stage.branches, sources, strict=True)
    )
    return Branches(layers, sources)


def _module(stage: ParallelStage, rates: Rates, index: int) -> MapsSequence:
    branches = tuple(
        plant_blocks(branch, own[index * branch.depth : (index + 1) * branch.depth])
        for branch, own in zip(stage.branches, rates, strict=True)
    )
    parts: tuple[tuple[str, MapsLayer], ...] = (("branches", Branches(branches)),)
    if stage.fuse is not None:
        parts = (*parts, ("fuse", stage.fuse.layers(stage.widths, stage.widths)))
    return MapsSequence(parts)


def plant_blocks(lane: StageSpec | BranchSpec, rates: list[float]) -> Sequence:
    """The blocks of a stage or branch in a row, each with its stochastic depth rate."""
    blocks = tuple(
        (str(index), block.model_copy(update={"drop_path": rate}).layers(lane.width))
        for index, (block, rate) in enumerate(zip(lane.blocks, rates, strict=True))
    )
    return Sequence(blocks, keeps_shape=True)


def branch_module(stage: ParallelStage, number: int) -> str:
    """Name of the module inside a stage that gives the map of a branch."""
    if stage.branches[number].final_norm is not None:
        return f"norm.{number}"
    return f"units.{stage.modules - 1}.{'branches' if stage.fuse is None else 'fuse'}.{number}"


def place_in_stage(steps: list[str]) -> tuple[Place, list[str]]:
    """The place below a stage of parallel branches that a module's name below it belongs to, and the layer inside."""
    match steps:
        case ["units", _, "branches", branch, block, *rest]:
            return ("branches", int(branch), "blocks", int(block)), rest
        case ["units", _, "fuse", *rest]:
            return ("fuse",), rest
        case ["downsample", branch, *rest]:
            return ("branches", int(branch), "downsample"), rest
        case ["norm", branch, *rest]:
            return ("branches", int(branch), "final_norm"), rest
        case ["fuse_before", *rest]:
            return ("fuse_before",), rest
        case _:
            return (), steps
