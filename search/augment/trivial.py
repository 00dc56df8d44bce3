"""TrivialAugment Wide: one operation at one strength, both uniformly drawn (Müller and Hutter 2021, arXiv 2103.10158).

Operations are Pillow's; their strengths are those of the wide space, with the numbers of torchvision's
`TrivialAugmentWide`: 31 levels, from none to 135 degrees of rotation, a shear of 0.99, a translation by 32 pixels,
factors of 1 +- 0.99, two bits, and a threshold of 0.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, final

if TYPE_CHECKING:
    from random import Random

    from PIL.Image import Image, Resampling

Operation: TypeAlias = "Callable[[Image, float, Canvas], Image]"
"""An image, a share of the largest strength from -1 to 1, and what comes into view, to an image of the same size."""
LEVELS = 31
SHEAR = 0.99
PIXELS = 32.0
DEGREES = 135.0
FACTOR = 0.99


@final
class Canvas:
    """The colour around an image that is moved, and the interpolation that it is read with."""

    def __init__(self, fill: tuple[int, int, int], resampling: "Resampling") -> None:
        self.fill = fill
        self.resampling = resampling

    def affine(self, image: "Image", *matrix: float) -> "Image":
        """The image through a map from output to input, row by row."""
        from PIL.Image import Transform

        return image.transform(image.size, Transform.AFFINE, matrix, resample=self.resampling, fillcolor=self.fill)


def trivial_augment(image: "Image", rng: "Random", canvas: Canvas) -> "Image":
    """An RGB image after one operation of `OPERATIONS`."""
    operation = OPERATIONS[rng.choice(tuple(OPERATIONS))]
    share = rng.randrange(LEVELS) / (LEVELS - 1)
    return operation(image, share if rng.random() < 0.5 else -share, canvas)


def identity(image: "Image", share: float, canvas: Canvas) -> "Image":
    """The image itself."""
    del share, canvas
    return image


def shear_x(image: "Image", share: float, canvas: Canvas) -> "Image":
    """Rows move by up to `SHEAR` of their height in the image."""
    return canvas.affine(image, 1, SHEAR * share, 0, 0, 1, 0)


def shear_y(image: "Image", share: float, canvas: Canvas) -> "Image":
    """Columns move by up to `SHEAR` of their distance from the left."""
    return canvas.affine(image, 1, 0, 0, SHEAR * share, 1, 0)


def translate_x(image: "Image", share: float, canvas: Canvas) -> "Image":
    """Whole pixels to the side, as many in images of every size."""
    return canvas.affine(image, 1, 0, int(PIXELS * share), 0, 1, 0)


def translate_y(image: "Image", share: float, canvas: Canvas) -> "Image":
    """Whole pixels up or down."""
    return canvas.affine(image, 1, 0, 0, 0, 1, int(PIXELS * share))


def rotate(image: "Image", share: float, canvas: Canvas) -> "Image":
    """A turn around the centre."""
    return image.rotate(DEGREES * share, canvas.resampling, fillcolor=canvas.fill)


def enhance(name: str, image: "Image", share: float, canvas: Canvas) -> "Image":
    """More or less of what the enhancer of Pillow with this name is for."""
    from PIL import ImageEnhance

    del canvas
    return getattr(ImageEnhance, name)(image).enhance(1 + FACTOR * share)


def posterize(image: "Image", share: float, canvas: Canvas) -> "Image":
    """The highest bits of each value, from all eight down to two."""
    from PIL import ImageOps

    del canvas
    return ImageOps.posterize(image, 8 - round(6 * abs(share)))


def solarize(image: "Image", share: float, canvas: Canvas) -> "Image":
    """Values from a threshold on are inverted: none but the brightest, down to all."""
    from PIL import ImageOps

    del canvas
    return ImageOps.solarize(image, 255 * (1 - abs(share)))  # pyright: ignore[reportArgumentType]  (compared only)


def plain(name: str, image: "Image", share: float, canvas: Canvas) -> "Image":
    """The function of Pillow's `ImageOps` with this name, which has no strength."""
    from PIL import ImageOps

    del share, canvas
    operation: Callable[[Any], Any] = getattr(ImageOps, name)
    return operation(image)


OPERATIONS: dict[str, Operation] = {
    "Identity": identity,
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": translate_x,
    "TranslateY": translate_y,
    "Rotate": rotate,
    "Brightness": partial(enhance, "Brightness"),
    "Color": partial(enhance, "Color"),
    "Contrast": partial(enhance, "Contrast"),
    "Sharpness": partial(enhance, "Sharpness"),
    "Posterize": posterize,
    "Solarize": solarize,
    "AutoContrast": partial(plain, "autocontrast"),
    "Equalize": partial(plain, "equalize"),
}
"""The operations by the names that torchvision gives them."""
