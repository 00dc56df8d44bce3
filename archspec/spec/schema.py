"""The schema of a spec: frozen pydantic models in canonical form, with a digest as identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, Required, TypedDict, Unpack, cast, final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_serializer,
    model_validator,
)

from archspec.documents.paths import Place, PlaceError, format_path, parse_path, place_of, suggest
from archspec.documents.safe_text import PlainLine, PlainText
from archspec.documents.wording import show
from archspec.errors import FieldError
from archspec.spec import forms_parallel
from archspec.spec.diagnosis import first_problem
from archspec.spec.forms import NO_BLOCKS, expand
from archspec.spec.parts import (
    MAX_BLOCKS,
    AnyBlock,
    AnyDownsample,
    AnyHead,
    AnyStem,
    broken,
    check_blocks,
    check_maps_head,
    check_total,
)
from archspec.spec.schema_parallel import BranchSpec, ParallelStage, check_parallel
from archspec.spec.variants import change
from blocks.component import Head, MapsHead, Stem, Width

Resolution = int | tuple[int, int]
"""Side of a square image, or (height, width)."""

MAX_RESOLUTION = 16384
Side = Annotated[int, Field(gt=0, le=MAX_RESOLUTION, strict=True)]


@final
class StageSpec(BaseModel):
    """One stage: a transition, an optional resizing, and blocks on maps of one width; the transition may be all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Width
    downsample: AnyDownsample | None = Field(default=None, description="transition into the stage; null for none")
    resize: int | None = Field(
        default=None,
        gt=0,
        le=4096,
        strict=True,
        description="side to which the map is bilinearly resized before the blocks",
    )
    blocks: tuple[AnyBlock, ...] = Field(
        max_length=MAX_BLOCKS, description="blocks in order; none where the stage is only its transition"
    )

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @model_validator(mode="after")
    def _check_blocks(self) -> StageSpec:
        if not self.blocks and self.downsample is None:
            raise broken(("blocks",), NO_BLOCKS)
        check_blocks(self.blocks, self.width)
        return self


@final
class InputSpec(BaseModel):
    """The image that costs are stated for where it is not a square of `resolution`, as in detection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[Side, Side] = Field(description="height and width in pixels")
    scale: int = Field(
        default=1, ge=1, le=16, strict=True, description="how many times that size the backbone is given"
    )

    @property
    def image(self) -> Resolution:
        """(height, width) of what the backbone is given; the side where it is a square."""
        height, width = (self.scale * side for side in self.size)
        return height if height == width else (height, width)

    @model_validator(mode="after")
    def _check_image(self) -> InputSpec:
        largest = self.scale * max(self.size)
        if largest > MAX_RESOLUTION:
            raise broken(("scale",), f"makes a side of {largest}: at most {MAX_RESOLUTION}")
        return self


TOPOLOGIES = ("pyramid", "parallel")
BESIDE: Any = object()
"""Stands for the stages of a spec whose stages are `branched`."""
Stages = Annotated[tuple[StageSpec, ...], Field(min_length=1, max_length=32, description="stages in order")]


def _none_beside_branches(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Empty stages are refused, but for the one tuple that says that there are branches instead."""
    return () if value is BESIDE else validate(value)


class SpecFields(TypedDict, total=False):
    """The keywords of `ArchSpec(...)` for type checkers: parts and stages in any form that they are read from."""

    name: str
    description: str
    status: Literal["own", "published", "reconstruction", "unverified"]
    resolution: int
    input: InputSpec | Mapping[str, Any] | None
    channels: int
    topology: Literal["pyramid", "parallel"]
    stem: Required[Stem | Mapping[str, Any] | str]
    stages: Required[Sequence[StageSpec | ParallelStage | Mapping[str, Any]]]
    head: Head | MapsHead | Mapping[str, Any] | str | None
    drop_path: float
    variants: Mapping[int, Mapping[str, Any]]


class SpecConstructor(Protocol):
    """The signature of `ArchSpec(...)`, for type checkers."""

    def __call__(self, **fields: Unpack[SpecFields]) -> None: ...


@final
class ArchSpec(BaseModel):
    """A backbone: stem, stages and head, as pure data.

    Accepts row form, column form and canonical form; holds the canonical one. The `stages` of a file are the field
    `stages` of a pyramid and `branched` of parallel branches; the other one is empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    if TYPE_CHECKING:
        __init__: ClassVar[SpecConstructor]  # which takes more than the fields hold

    name: PlainLine = Field(
        default="unnamed", max_length=200, description="name for tables and figures; not part of the identity"
    )
    description: PlainText = Field(
        default="", max_length=2000, description="one line for people; not part of the identity"
    )
    status: Literal["own", "published", "reconstruction", "unverified"] = Field(
        default="own", description="how far the layers are documented by a publication; not part of the identity"
    )
    resolution: int = Field(
        default=224,
        gt=0,
        le=MAX_RESOLUTION,
        strict=True,
        description="side of the image in pixels for which costs are stated",
    )
    input: InputSpec | None = Field(
        default=None,
        description="image for which costs are stated where it is not a square of `resolution`; null for that one",
    )
    channels: int = Field(default=3, gt=0, le=1024, strict=True, description="channels of the image")
    topology: Literal["pyramid", "parallel"] = Field(
        default="pyramid", description="one map that shrinks from stage to stage, or branches that exchange maps"
    )
    stem: AnyStem
    stages: Annotated[Stages, WrapValidator(_none_beside_branches)]
    branched: tuple[ParallelStage, ...] = Field(
        default=(), max_length=32, description="stages of parallel branches in order"
    )
    head: AnyHead | None = Field(
        default=None, description="head on the last map, or on all maps; null for a bare backbone"
    )
    drop_path: float = Field(
        default=0,
        ge=0,
        lt=1,
        strict=True,
        description="stochastic depth rate of the last block, rising linearly from 0",
    )
    variants: dict[int, dict[str, Any]] = Field(
        default_factory=dict[int, dict[str, Any]],
        description="changes by dotted path that the architecture makes at given resolutions",
    )

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if "branched" in data:
            raise broken(("branched",), "unknown field: branches stand in the stages")
        written = cast("dict[Any, Any]", data)
        topology = written.get("topology", "pyramid")
        if isinstance(topology, str) and topology not in TOPOLOGIES:  # it decides how everything else is read
            near = suggest(topology, TOPOLOGIES)
            raise broken(("topology",), f"must be 'pyramid' or 'parallel', not {show(topology)}{near}")
        branching = topology == "parallel"
        try:
            expanded = (forms_parallel.expand if branching else expand)(written)
        except FieldError as error:
            stray = None if branching else forms_parallel.stray(written.get("stages"))
            if stray is not None:
                rule = "is a field of parallel branches, which need topology: parallel"
                raise broken(stray, rule) from None
            raise broken(place_of(error), error.rule) from None
        stages = expanded.get("stages")
        if branching and isinstance(stages, list | tuple) and stages:
            expanded |= {"branched": stages, "stages": BESIDE}
        return expanded

    @model_validator(mode="after")
    def _check(self) -> ArchSpec:
        if self.topology == "parallel":
            check_parallel(self.branched, self.stem_width, self.head)
        else:
            self._check_stages()
        for resolution in self.variants:
            self._check_variant(resolution)
        return self

    def _check_stages(self) -> None:
        widths = self.widths
        check_total([stage.depth for stage in self.stages], "depth")
        for index, stage in enumerate(self.stages):
            before = widths[index - 1] if index else self.stem_width
            if stage.downsample is None and stage.width != before:
                where = "stage before" if index else "stem"
                rule = f"null keeps the width {before} of the {where}, which is not {stage.width}"
                raise broken(("stages", index, "downsample"), rule)
        if isinstance(self.head, MapsHead):
            check_maps_head(self.head, widths)
            last, read = len(widths) - 1, self.head.reads(len(widths))
            if last not in read:
                rule = f"must hold the last map, {last}: what comes after map {read[-1]} would be for nothing"
                raise broken(("head", "maps"), rule)

    def _check_variant(self, resolution: int) -> None:
        place = ("variants", resolution)
        if not 0 < resolution <= MAX_RESOLUTION:
            raise broken(place, f"must be a resolution from 1 to {MAX_RESOLUTION}")
        try:
            ArchSpec.model_validate(self._changed(resolution))
        except PlaceError as error:
            raise broken((*place, *error.place), error.rule) from None
        except ValidationError as error:
            problem, rule = first_problem(error)
            paths = list(self.variants[resolution])
            culprit = next((path for path in paths if parse_path(path)[:2] == problem[:2]), paths[0])
            raise broken((*place, culprit), f"gives no possible spec: {format_path(problem)}: {rule}") from None

    def _changed(self, resolution: int) -> dict[str, Any]:
        """The data of the variant at `resolution`.

        Raises:
            PlaceError: a path that cannot be followed.
        """
        data = {**self.canonical(), "variants": {}, "resolution": resolution, "input": None}
        change(data, self.variants[resolution])
        return data

    @model_serializer(mode="wrap")
    def _serialize(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """One key `stages` for both topologies; what was added later is not written where it is the usual."""
        data = write(self)
        if self.input is None:
            data.pop("input", None)
        branched = data.pop("branched", ())
        if self.topology == "pyramid":
            data.pop("topology", None)
        elif "stages" in data:
            data["stages"] = branched
        return data

    def canonical(self) -> dict[str, Any]:
        """Plain data in canonical form, every option explicit."""
        return self.model_dump(mode="json")

    @cached_property
    def digest(self) -> str:
        """Identity: 16 hex digits of the SHA-256 of the canonical JSON without name, description and status."""
        data = self.model_dump(mode="json", exclude={"name", "description", "status"})
        return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]

    def __copy__(self) -> ArchSpec:
        """A copy that computes its own digest: `model_copy` may change it."""
        copy = super().__copy__()
        vars(copy).pop("digest", None)
        return copy

    @property
    def image(self) -> Resolution:
        """The image for which costs are stated: side of a square one, or (height, width)."""
        return self.resolution if self.input is None else self.input.image

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each map that the network gives: after each stage, or of each branch at the end."""
        return self.branched[-1].widths if self.branched else tuple(stage.width for stage in self.stages)

    @property
    def stem_width(self) -> int:
        """Channels of the stem's map."""
        _, first = next(self.lanes())
        return self.stem.channels_out(first.width)

    def lanes(self) -> Iterator[tuple[Place, StageSpec | BranchSpec]]:
        """Each stage of a pyramid, or each branch of each parallel stage, with its place: blocks on maps of a width."""
        for index, stage in enumerate(self.stages):
            yield ("stages", index), stage
        for index, branched in enumerate(self.branched):
            for number, branch in enumerate(branched.branches):
                yield ("stages", index, "branches", number), branch

    def at(self, resolution: int) -> ArchSpec:
        """The spec for square images of one resolution: the variant of that resolution where one is declared."""
        if self.variants.get(resolution):
            return ArchSpec.model_validate(self._changed(resolution))
        if resolution == self.resolution and self.input is None:
            return self
        return self.model_copy(update={"resolution": resolution, "input": None})

    def edit(self, changes: Mapping[str, Any]) -> ArchSpec:
        """A spec with some of its values replaced: `spec.edit({"stages[3].width": 384, "stages[3].heads": 6})`.

        Args:
            changes: values by dotted path in the language of `--set`, made in order; see `archspec.edits.edit`.

        Raises:
            SpecError: a path that does not exist, with the nearest one that does, or a spec that breaks a rule.
        """
        from archspec.edits.edit import edit

        return edit(self, changes)

    def __repr__(self) -> str:
        from archspec.spec.short_code import encode

        return f"<ArchSpec {self.name}: {encode(self)} at {_text(self.image)}, {self.digest}>"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        from archspec.spec.spec_table import spec_table

        return spec_table(self)


def _text(image: Resolution) -> str:
    return str(image) if isinstance(image, int) else "x".join(map(str, image))
