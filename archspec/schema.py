"""What a spec says: frozen pydantic models in canonical form, with a digest as identity."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, final

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from archspec.errors import FieldError
from archspec.forms import expand
from archspec.paths import patch, suggest
from blocks.catalog import P, find, tag
from blocks.component import Block, Downsample, Head, Stem, Width

Resolution = int | tuple[int, int]
"""Side of a square image, or (height, width)."""

MAX_RESOLUTION = 16384


def _union(kind: type[P]) -> Any:
    """The union of all parts of one kind, chosen by `type` whatever its case."""
    tags = {tag(part).lower(): tag(part) for part in find(kind)}

    def choose(value: Any) -> str | None:
        name = cast("dict[str, Any]", value).get("type") if isinstance(value, dict) else getattr(value, "type", None)
        if isinstance(name, str) and name.lower() in tags:
            return tags[name.lower()]
        if name is None:
            raise PydanticCustomError("part", "must name a {kind} by its type", {"kind": kind.__name__.lower()})
        context = {"kind": kind.__name__.lower(), "name": f"{name!r:.40}", "hint": suggest(str(name), tags.values())}
        raise PydanticCustomError("part", "unknown {kind} {name}{hint}", context)

    members = [Annotated[part, Tag(tag(part))] for part in find(kind)]
    return Annotated[reduce(or_, members), Discriminator(choose)]


if TYPE_CHECKING:
    AnyStem, AnyBlock, AnyDownsample, AnyHead = Stem, Block, Downsample, Head
else:
    AnyStem, AnyBlock, AnyDownsample, AnyHead = map(_union, (Stem, Block, Downsample, Head))


@final
class StageSpec(BaseModel):
    """One stage: a transition, an optional resizing, and blocks on maps of one width."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Width
    downsample: AnyDownsample | None = Field(None, description="transition into the stage; null for none")
    resize: int | None = Field(
        None, gt=0, le=4096, strict=True, description="side to which the map is bilinearly resized before the blocks"
    )
    blocks: tuple[AnyBlock, ...] = Field(min_length=1, max_length=1024, description="blocks in order")

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @model_validator(mode="after")
    def _check_blocks(self) -> StageSpec:
        for block in dict.fromkeys(self.blocks):
            block.check(self.width)
        return self


@final
class ArchSpec(BaseModel):
    """A backbone: stem, stages and head, as pure data.

    Accepts row form, column form and canonical form; holds the canonical one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field("unnamed", max_length=200, description="name for tables and figures; not part of the identity")
    description: str = Field("", max_length=2000, description="one line for people; not part of the identity")
    status: Literal["own", "published", "reconstruction", "unverified"] = Field(
        "own", description="how far the layers are documented by a publication; not part of the identity"
    )
    resolution: int = Field(
        224, gt=0, le=MAX_RESOLUTION, strict=True, description="side of the image in pixels for which costs are stated"
    )
    channels: int = Field(3, gt=0, le=1024, strict=True, description="channels of the image")
    stem: AnyStem
    stages: tuple[StageSpec, ...] = Field(min_length=1, max_length=32, description="stages in order")
    head: AnyHead | None = Field(None, description="head on the last map; null for a bare backbone")
    drop_path: float = Field(0, ge=0, lt=1, description="stochastic depth rate of the last block, linear from 0")
    variants: dict[int, dict[str, Any]] = Field(
        default_factory=dict[int, dict[str, Any]],
        description="changes by dotted path that the architecture makes at given resolutions",
    )

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        try:
            return expand(cast("dict[str, Any]", data))
        except FieldError as error:
            raise PydanticCustomError("field", "{rule}", {"rule": error.rule, "field": error.field}) from None

    @model_validator(mode="after")
    def _check(self) -> ArchSpec:
        widths = [stage.width for stage in self.stages]
        for index, stage in enumerate(self.stages):
            before = widths[max(index - 1, 0)]
            if stage.downsample is None and stage.width != before:
                field = f"stages[{index}].downsample"
                rule = f"null keeps the width {before} of the stage before, not {stage.width}"
                raise PydanticCustomError("field", "{rule}", {"rule": rule, "field": field})
        for resolution in self.variants:
            self._check_variant(resolution)
        return self

    def _check_variant(self, resolution: int) -> None:
        place = f"variants.{resolution}"
        try:
            self.at(resolution)
        except FieldError as error:
            raise PydanticCustomError("field", "{rule}", {"rule": str(error), "field": place}) from None
        except ValueError as error:
            rule = f"gives no valid spec: {str(error).splitlines()[2 if 'validation error' in str(error) else 0]}"
            raise PydanticCustomError("field", "{rule}", {"rule": rule, "field": place}) from None

    def canonical(self) -> dict[str, Any]:
        """Plain data in canonical form, every option explicit."""
        return self.model_dump(mode="json")

    @cached_property
    def digest(self) -> str:
        """Identity: 16 hex digits of the SHA-256 of the canonical JSON without name, description and status."""
        data = self.model_dump(mode="json", exclude={"name", "description", "status"})
        return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]

    def at(self, resolution: int) -> ArchSpec:
        """The spec for images of one resolution: the variant of that resolution where one is declared."""
        changes = self.variants.get(resolution)
        if not changes:
            return self if resolution == self.resolution else self.model_copy(update={"resolution": resolution})
        data = self.canonical() | {"variants": {}, "resolution": resolution}
        return ArchSpec.model_validate(patch(data, changes))
