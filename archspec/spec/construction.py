"""The keywords of `ArchSpec(...)` as type checkers see them: each field in any of the forms that it is read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, Required, TypedDict, Unpack

from blocks.component import Head, MapsHead, Stem

if TYPE_CHECKING:
    from archspec.spec.schema import InputSpec, StageSpec
    from archspec.spec.schema_parallel import ParallelStage


class SpecFields(TypedDict, total=False):
    """The fields of `ArchSpec`; parts and stages as objects, as mappings of their options, or by their tag."""

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
    """The keyword arguments of `ArchSpec(...)`."""

    def __call__(self, **fields: Unpack[SpecFields]) -> None: ...
