"""The schema of parallel branches: stages of branches of falling resolution that exchange maps.

A stage is, in order: `fuse_before`, an exchange unit on the incoming maps that may bear new branches; `downsample` of
each branch, its transition, where a new branch reads the last map; `modules` times the blocks of every branch followed
by `fuse`, an exchange unit; and `final_norm` of each branch.
"""

from __future__ import annotations

from typing import final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from archspec.documents.paths import Place, place_of
from archspec.documents.wording import plural
from archspec.errors import FieldError
from archspec.spec.parts import (
    MAX_BLOCKS,
    AnyBlock,
    AnyDownsample,
    AnyExchange,
    AnyHead,
    broken,
    check_blocks,
    check_maps_head,
    check_total,
)
from blocks.catalog import tag
from blocks.component import MapsHead, Width
from blocks.layers.basic.norm import NormKind

MAX_BRANCHES = 8
MAX_MODULES = 64


@final
class BranchSpec(BaseModel):
    """One branch of a stage: a transition, blocks on maps of one width, and a norm at the end of the stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Width
    downsample: AnyDownsample | None = Field(
        default=None, description="transition into the stage; null passes the map on"
    )
    blocks: tuple[AnyBlock, ...] = Field(min_length=1, max_length=MAX_BLOCKS, description="blocks of one module")
    final_norm: NormKind | None = Field(default=None, description="norm at the end of the stage; null for none")

    @property
    def depth(self) -> int:
        """Number of blocks in one module."""
        return len(self.blocks)

    @model_validator(mode="after")
    def _check_blocks(self) -> BranchSpec:
        check_blocks(self.blocks, self.width)
        return self


@final
class ParallelStage(BaseModel):
    """Branches side by side, finest first, in modules that end in an exchange."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fuse_before: AnyExchange | None = Field(
        default=None, description="exchange unit before the transitions, in which new branches are born; null for none"
    )
    branches: tuple[BranchSpec, ...] = Field(
        min_length=1, max_length=MAX_BRANCHES, description="branches, finest first"
    )
    modules: int = Field(
        default=1, ge=1, le=MAX_MODULES, strict=True, description="how often blocks and fuse are repeated"
    )
    fuse: AnyExchange | None = Field(
        default=None, description="exchange unit after the blocks of each module; null for none"
    )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each branch."""
        return tuple(branch.width for branch in self.branches)

    @property
    def depth(self) -> int:
        """Blocks of the deepest branch, in all modules: the stage's part of the stochastic depth schedule."""
        return self.modules * max(branch.depth for branch in self.branches)

    def entered(self, before: tuple[int, ...]) -> tuple[int, ...]:
        """Channels of the maps that reach the transitions, where those of `before` enter the stage."""
        return before if self.fuse_before is None else (*before, *self.widths[len(before) :])


def check_parallel(stages: tuple[ParallelStage, ...], stem_width: int, head: AnyHead | None) -> None:
    """Check what must fit between stages, of which the first reads a map of `stem_width` channels.

    Raises:
        PydanticCustomError: a rule is broken; see `broken`.
    """
    widths = (stem_width,)
    for index, stage in enumerate(stages):
        _check_stage(stage, index, widths)
        widths = stage.widths
    check_total([stage.modules * sum(branch.depth for branch in stage.branches) for stage in stages])
    if isinstance(head, MapsHead):
        check_maps_head(head, widths)
        _check_unread(stages[-1], len(stages) - 1, head.reads(len(widths)))
    elif head is not None and len(widths) > 1:
        rule = f"{tag(type(head))} reads one map, but the last stage has {len(widths)} branches: take hr_classifier"
        raise broken(("head",), rule)


def _check_unread(stage: ParallelStage, index: int, reads: tuple[int, ...]) -> None:
    """A branch whose map no head reads must reach one that is read: through the last exchange, and end there."""
    for number, branch in enumerate(stage.branches):
        if number not in reads and (stage.fuse is None or branch.final_norm is not None):
            given = "no fuse at its end" if stage.fuse is None else f"a final_norm on branch {number}"
            rule = f"must hold map {number}: stages[{index}] has {given}, so that what leads there would be for nothing"
            raise broken(("head", "maps"), rule)
    if stage.fuse is None:
        return
    made_of = stage.fuse.reads(len(stage.widths), len(stage.widths))
    used = {*reads, *(source for number in reads for source in made_of[number])}
    unused = next((number for number in range(len(stage.widths)) if number not in used), None)
    if unused is not None:
        read = f"map{'' if len(reads) == 1 else 's'} {', '.join(map(str, reads))}"
        rule = (
            f"no path leads from branch {unused} to what the head reads, {read}: its last blocks would be for nothing"
        )
        raise broken(("stages", index, "fuse", "paths"), rule)


def _check_exchange(unit: AnyExchange | None, place: Place, arriving: int, leaving: int) -> None:
    if unit is None:
        return
    try:
        unit.reads(arriving, leaving)
    except FieldError as error:
        raise broken((*place, *place_of(error)), error.rule) from None


def _check_stage(stage: ParallelStage, index: int, before: tuple[int, ...]) -> None:
    place = ("stages", index)
    if len(stage.widths) < len(before):
        rule = f"must be at least as many as in the stage before: {len(stage.widths)} stand here, {len(before)} there"
        raise broken((*place, "branches"), rule)
    if stage.fuse is not None and len(stage.widths) == 1:
        raise broken((*place, "fuse"), "exchanges maps between branches, but the stage has only 1")
    _check_exchange(stage.fuse_before, (*place, "fuse_before"), len(before), len(stage.widths))
    _check_exchange(stage.fuse, (*place, "fuse"), len(stage.widths), len(stage.widths))
    entered = stage.entered(before)
    for number, branch in enumerate(stage.branches):
        if branch.downsample is not None:
            continue
        here = (*place, "branches", number)
        if number >= len(entered):
            rule = f"branch {number} is new ({plural(len(before), 'map')} arrive): it needs a transition or fuse_before"
            raise broken((*here, "downsample"), rule)
        if entered[number] != branch.width:
            rule = f"without a transition it must be {entered[number]}, the width that branch {number} arrives with"
            raise broken((*here, "width"), rule)
