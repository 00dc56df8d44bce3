"""Options that the data sets of stored images share: their types, and the framing that they make."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, BeforeValidator, Field

from archspec.errors import FieldError
from search.data.decoding.pixels import Unreadable
from search.data.images.framing import Framing

LARGEST_SHARE = 0.45


def _check_part(raw: Any) -> Any:
    """A share of the training images, a name, or several."""
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        if not 0 < raw <= LARGEST_SHARE:
            raise FieldError("", f"a share must be above 0 and at most {LARGEST_SHARE}, not {raw:g}")
        return float(raw)
    return _check_names(raw)


def _check_names(raw: Any) -> Any:
    names: Any = (raw,) if isinstance(raw, str) else tuple(raw) if isinstance(raw, (list, tuple)) else ()
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise FieldError("", f"must be a name that is not empty, not {raw!r:.40}")
    return raw if isinstance(raw, str) else names


def _check_aspect(aspect: tuple[float, float]) -> tuple[float, float]:
    low, high = aspect
    if not 0.1 <= low <= high <= 10:
        raise FieldError("", f"must be two numbers from 0.1 to 10, the smaller one first, not {low:g}, {high:g}")
    return aspect


Side = Annotated[int, Field(ge=8, le=4096, strict=True, description="image side in pixels")]
Crop = Annotated[
    float, Field(ge=0.1, le=1, strict=True, description="part of the shorter side that is scored, around the centre")
]
SmallestArea = Annotated[
    float, Field(gt=0, le=1, strict=True, description="smallest part of an image's area to train on")
]
Flip = Annotated[bool, Field(description="mirror half of the training images")]
ClassCount = Annotated[
    int | None,
    Field(ge=2, le=1_000_000, strict=True, description="number of classes, to check specs where the images are not"),
]
PublishedAs = Annotated[
    str | None,
    Field(max_length=60, description="published benchmark whose images and splits these are: imagenet1k"),
]
Damaged = Annotated[Unreadable, Field(description="images that cannot be decoded: refuse before training, or skip")]
Draft = Annotated[bool, Field(description="decode large JPEGs at a half, quarter or eighth where that suffices")]
Ratio = Annotated[float, Field(strict=True)]
Aspect = Annotated[
    tuple[Ratio, Ratio],
    AfterValidator(_check_aspect),
    Field(description="width over height of the parts of images to train on, from and to"),
]
Interpolation = Annotated[
    Literal["bilinear", "bicubic", "random"],
    Field(description="filter of training images, which are resized and moved with it"),
]
TestInterpolation = Annotated[Literal["bilinear", "bicubic"], Field(description="filter of images that are scored")]
VerticalFlip = Annotated[bool, Field(description="turn half of the training images upside down")]
Column = Annotated[str | None, Field(min_length=1)]
SplitName = Annotated[str, BeforeValidator(_check_names)]
SplitPart = Annotated[float | str, BeforeValidator(_check_part)]
"""The name of a split, or the share of the training images that is carved out where there is none."""
Files = Annotated[str | tuple[str, ...], BeforeValidator(_check_names)]
"""Paths with braces (`{0000..0009}`) and wildcards."""
FilesPart = Annotated[float | str | tuple[str, ...], BeforeValidator(_check_part)]
"""As `Files`, or the share of the training images that is carved out."""


class Framed(Protocol):
    """A data set whose images are framed as those of folders are."""

    @property
    def resolution(self) -> int: ...
    @property
    def crop(self) -> float: ...
    @property
    def smallest_area(self) -> float: ...
    @property
    def flip(self) -> bool: ...
    @property
    def aspect(self) -> tuple[float, float]: ...
    @property
    def interpolation(self) -> str: ...
    @property
    def test_interpolation(self) -> str: ...
    @property
    def vertical_flip(self) -> bool: ...
    @property
    def draft(self) -> bool: ...


def frame(data: Framed) -> Framing:
    """The square that is cut from each image of a data set."""
    return Framing(
        resolution=data.resolution,
        crop=data.crop,
        smallest_area=data.smallest_area,
        flip=data.flip,
        aspect=data.aspect,
        interpolation=data.interpolation,
        test_interpolation=data.test_interpolation,
        vertical_flip=data.vertical_flip,
        draft=data.draft,
    )
