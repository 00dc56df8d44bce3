"""Image files as RGB pixels, whatever mode they are stored in, and what is said of one that cannot be decoded."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

Unreadable = Literal["refuse", "skip"]
"""What becomes of files that cannot be decoded: an error, or left out and told."""


def to_rgb(image: "Image") -> "Image":
    """The image in RGB: 16-bit gray scaled to 8 bits, a palette looked up, an alpha channel dropped.

    The orientation that a camera wrote beside the pixels (EXIF) does not count, as in timm and torchvision: pixels are
    taken as they are stored.
    """
    import numpy as np
    from PIL.Image import fromarray

    gray = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")  # the latter before 10.3
    if gray:  # Pillow would clip 16-bit gray instead of scaling it
        image = fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def decoding_errors() -> tuple[type[Exception], ...]:
    """The exceptions that Pillow raises where a file is no image, or is damaged."""
    from PIL import Image

    return (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


def is_damage(error: Exception) -> bool:
    """Whether it is the file's content that cannot be decoded, and not the disk or the permission that failed."""
    return getattr(error, "errno", None) is None


def reason_of(error: Exception) -> str:
    """A few words on why a file cannot be decoded."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "no image that Pillow knows"
    if getattr(error, "strerror", None):
        return str(getattr(error, "strerror", ""))
    words = " ".join(str(error).split()).removeprefix("image file is ")
    return words.partition(" (")[0][:100] or type(error).__name__
