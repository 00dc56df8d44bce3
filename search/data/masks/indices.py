"""Masks as arrays of class indices: what their values mean, and which of them are refused."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from search.tasks.segmentation import IGNORE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

MODES = ("P", "L", "1", "I", "I;16", "I;16B", "I;16L")
"""Pillow's modes whose pixels are one number: of a palette, its index."""


@final
class MaskError(Exception):
    """A mask that does not belong to its image or to its data set; the message names neither file."""


@final
@dataclass(frozen=True)
class MaskReading:
    """The meaning of masks' values.

    Attributes:
        classes: number of classes; values from 0 to one below are classes, and 255 is none.
        reduce_zero: value 0 is no class, and 1 is the first (ADE20K).
    """

    classes: int
    reduce_zero: bool = False


def check_size(mask: "Image", size: tuple[int, int]) -> None:
    """Refuse a mask by its header: its size, and the kind of its pixels.

    Raises:
        MaskError: it is of another size than its image, or its pixels are colours.
    """
    if mask.size != size:
        of_mask, of_image = ("x".join(map(str, one)) for one in (mask.size, size))
        raise MaskError(f"mask has {of_mask} pixels, and its image {of_image}")
    if mask.mode not in MODES:
        raise MaskError(f"mask must hold class indices (a palette or gray), not {mask.mode} colours")


def read_mask(mask: "Image", size: tuple[int, int], reading: MaskReading) -> "NDArray[np.uint8]":
    """Class indices (H, W), `IGNORE` where there is none.

    Raises:
        MaskError: the mask is of another size than its image, its pixels are colours, or a class is too many.
        OSError, ValueError, SyntaxError: it cannot be decoded.
    """
    import numpy as np

    check_size(mask, size)
    values = np.asarray(mask).astype(np.int64)
    if reading.reduce_zero:
        values = np.where((values == 0) | (values == IGNORE), IGNORE, values - 1)
    beyond = values[(values != IGNORE) & ((values >= reading.classes) | (values < 0))]
    if beyond.size:
        highest = int(beyond.max()) + reading.reduce_zero
        most = reading.classes - 1 + reading.reduce_zero
        first = 1 if reading.reduce_zero else 0
        raise MaskError(f"mask has class {highest}, and num_classes: {reading.classes} is {first} to {most}")
    return values.astype(np.uint8)
