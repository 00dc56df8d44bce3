"""The kinds of parts that a spec is made of; every part is one file in this package.

A part is a frozen pydantic model: its fields are its options in YAML, and `layers` returns its layer tree. The
literal `type` is its YAML tag and, in lower case, the name of its file.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from archspec.errors import FieldError
from blocks.layers.layer import Layer
from blocks.layers.maps import MapsLayer, MapsReader

PART_CONFIG = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)
"""Strict: YAML's `"4"` and `true` are no numbers. An option that is a tuple needs `Field(strict=False)`."""

MapNumber = Annotated[int, Field(ge=0, le=63, strict=True)]
MapNumbers = Annotated[tuple[MapNumber, ...], Field(min_length=1, max_length=32, strict=False)]

SIZE_OPTIONS = frozenset({"width", "width_out", "hidden", "expansion", "reduction"})
"""Options that, by their usual meaning, only say how large tensors are."""

Width = Annotated[int, Field(gt=0, le=65536, description="number of channels", strict=True)]


def without_added(part: BaseModel, data: dict[str, Any], added: frozenset[str]) -> dict[str, Any]:
    """The data of a part without those of its options that were `added` later and stand at their default.

    So a spec that says nothing of them keeps the digest that it had before they existed.
    """
    usual = {name for name in added if getattr(part, name) == type(part).model_fields[name].get_default()}
    return {name: value for name, value in data.items() if name not in usual}


class Stem(BaseModel, ABC):
    """A stem: from the image to the first stage's map.

    Attributes:
        size_options: options that only say how large tensors are: layouts that differ in them share parameters.
    """

    model_config = PART_CONFIG
    size_options: ClassVar[frozenset[str]] = SIZE_OPTIONS
    type: Any

    @abstractmethod
    def layers(self, width_in: int, width_out: int) -> Layer:
        """Layers from an image of `width_in` channels to a map of `width_out` channels."""

    def channels_out(self, width: int) -> int:
        """Channels of the stem's map, where the first stage has `width`; a stem with a width of its own overrides."""
        return width


class Block(BaseModel, ABC):
    """A block of a stage: a map to a map of the same shape.

    Attributes:
        drops: whether stochastic depth applies; a block without a shortcut has no step on the schedule.
        added: options that came later; see `without_added`.
        size_options: options that only say how large tensors are: layouts that differ in them share parameters.
    """

    model_config = PART_CONFIG
    size_options: ClassVar[frozenset[str]] = SIZE_OPTIONS
    drops: ClassVar[bool] = True
    added: ClassVar[frozenset[str]] = frozenset()
    type: Any
    drop_path: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        strict=True,
        description="stochastic depth rate of this block; null follows the spec's linear schedule",
    )

    @abstractmethod
    def layers(self, width: int) -> Layer:
        """Layers on a map of `width` channels."""

    def check(self, width: int) -> None:
        """Raise FieldError, which names the option, or ValueError where the options do not fit `width` channels."""
        del width

    @model_serializer(mode="wrap")
    def _serialize(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_added(self, write(self), self.added)


class Downsample(BaseModel, ABC):
    """The transition into a stage: fewer positions, other channels.

    Attributes:
        added: options that came later; see `without_added`.
        size_options: options that only say how large tensors are: layouts that differ in them share parameters.
    """

    model_config = PART_CONFIG
    size_options: ClassVar[frozenset[str]] = SIZE_OPTIONS
    added: ClassVar[frozenset[str]] = frozenset()
    type: Any

    @abstractmethod
    def layers(self, width_in: int, width_out: int) -> Layer:
        """Layers from `width_in` to `width_out` channels."""

    @model_serializer(mode="wrap")
    def _serialize(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_added(self, write(self), self.added)


class Exchange(BaseModel, ABC):
    """An exchange unit between parallel branches: maps of several resolutions to as many maps, or more."""

    model_config = PART_CONFIG
    type: Any

    @abstractmethod
    def layers(self, widths_in: tuple[int, ...], widths_out: tuple[int, ...]) -> MapsLayer:
        """Layers from maps of `widths_in` channels to maps of `widths_out` channels, finest first.

        Where `widths_out` is longer, each further map is born at half the resolution of the one before.
        """

    def reads(self, arriving: int, leaving: int) -> tuple[tuple[int, ...], ...]:
        """Numbers of the maps that each output is made of, where so many maps arrive and leave: of all of them.

        Raises:
            FieldError: the options name a branch that does not exist, or leave one without a map.
        """
        return (tuple(range(arriving)),) * leaving

    @classmethod
    def normalize(cls, options: dict[str, Any], arriving: int, leaving: int) -> dict[str, Any]:
        """The options in the one way of several that canonical form uses; what is malformed passes unchanged.

        Args:
            options: plain data of a spec, before it is checked.
            arriving: number of maps that come in.
            leaving: number of maps that go out.
        """
        del arriving, leaving
        return options


class Head(BaseModel, ABC):
    """A head: from the last stage's map to the output.

    Attributes:
        size_options: options that only say how large tensors are: layouts that differ in them share parameters.
    """

    model_config = PART_CONFIG
    size_options: ClassVar[frozenset[str]] = SIZE_OPTIONS
    type: Any

    @abstractmethod
    def layers(self, width: int) -> Layer:
        """Layers on a map of `width` channels."""


class MapsHead(BaseModel, ABC):
    """A head on the maps of all stages, or of all parallel branches: to one value, or several (a detector's).

    Attributes:
        size_options: options that only say how large tensors are: none, since such heads concatenate what they size.
    """

    model_config = PART_CONFIG
    size_options: ClassVar[frozenset[str]] = frozenset()
    type: Any
    maps: MapNumbers | None = Field(
        default=None,
        description="numbers of the maps that it reads, finest first: of stages or branches from 0; null for all",
    )

    @abstractmethod
    def layers(self, widths: tuple[int, ...]) -> MapsReader | MapsLayer:
        """Layers on maps of `widths` channels, finest first: those that the head reads."""

    def check(self, widths: tuple[int, ...]) -> None:
        """Raise FieldError, which names the option, or ValueError where the head does not fit the maps it reads."""
        del widths

    def reads(self, count: int) -> tuple[int, ...]:
        """Numbers of the maps that the head reads, of `count` that there are.

        Raises:
            FieldError: one that does not exist, or not in rising order.
        """
        if self.maps is None:
            return tuple(range(count))
        given = list(self.maps)
        missing = [number for number in given if number >= count]
        if missing:
            there = f"{count} maps, 0 to {count - 1}" if count > 1 else "1 map, 0"
            raise FieldError("maps", f"map {missing[0]} does not exist: the backbone gives {there}")
        if given != sorted(set(given)):
            raise FieldError("maps", f"must rise from map to map, finest first, unlike {given}")
        return self.maps
