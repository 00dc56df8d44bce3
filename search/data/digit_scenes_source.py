"""Scenes to segment: several handwritten digits on textured ground, and the class of every pixel."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from search.data.digits_source import Digits, in_turn
from search.data.painting import CONTRAST, Floats, axis, expose, ground, paint, uniform

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

CHUNK = 50  # scenes composed at a time, to bound memory
STRETCH = 0.85, 1.15  # width over size, and size over height, of a digit
INKED = 0.4  # least ink, of the most that a pen leaves, of a pixel that belongs to a digit


class SceneLayout(NamedTuple):
    """The look of scenes: image side in pixels, fewest and most digits, digit size over image side."""

    resolution: int
    fewest: int
    most: int
    smallest: float
    largest: float

    @property
    def cells(self) -> int:
        """Cells along each side of the grid: each holds a digit at most, so that digits do not overlap."""
        return math.isqrt(self.most - 1) + 1

    @property
    def limit(self) -> float:
        """The largest size, over the image's side, at which every digit fits into its cell."""
        return STRETCH[0] / self.cells


def compose_scenes(
    sources: Digits, count: int, layout: SceneLayout, rng: "Generator"
) -> "tuple[NDArray[np.uint8], NDArray[np.uint8]]":
    """`count` images (N, 3, resolution, resolution) and masks (N, resolution, resolution): 0 ground, 1 + label a digit.

    Each scene has its own number of digits, uniform from fewest to most, in random cells; sources are used in turn.
    """
    side = layout.resolution
    chosen = in_turn(len(sources.labels), count * layout.most, rng).reshape(count, layout.most)
    images = np.empty((count, 3, side, side), np.uint8)
    masks = np.empty((count, side, side), np.uint8)
    for start in range(0, count, CHUNK):
        part = slice(start, min(start + CHUNK, count))
        ink = _ink(sources.ink[chosen[part]], layout, rng)
        contrast = uniform(rng, *CONTRAST, ink.shape[:2])[..., None, None]
        images[part] = expose(ground(len(ink), side, rng) + (contrast * ink).max(1), rng)
        masks[part] = _mask(ink, sources.labels[chosen[part]])
    return images, masks


def _ink(digits: "Floats", layout: SceneLayout, rng: "Generator") -> "Floats":
    """Ink (N, most, side, side) of the digits (N, most, 8, 8), each in a cell of its own; nothing of those left out."""
    shape, cells = digits.shape[:2], layout.cells
    cell = layout.resolution / cells
    size = uniform(rng, layout.smallest, layout.largest, shape) * layout.resolution
    stretch = uniform(rng, *STRETCH, shape)
    height, width = size / stretch, size * stretch
    slots = rng.permuted(np.tile(np.arange(cells**2), (shape[0], 1)), axis=1)[:, : shape[1]]
    top = slots // cells * cell + uniform(rng, 0, 1, shape) * (cell - height)
    left = slots % cells * cell + uniform(rng, 0, 1, shape) * (cell - width)
    rows = axis(layout.resolution, top.astype(np.float32), height)
    columns = axis(layout.resolution, left.astype(np.float32), width)
    shown = np.arange(shape[1]) < rng.integers(layout.fewest, layout.most + 1, (shape[0], 1))
    return paint(rows, digits, columns) * shown[..., None, None]


def _mask(ink: "Floats", labels: "NDArray[np.int64]") -> "NDArray[np.uint8]":
    """The class of each pixel (N, side, side): that of the digit with the most ink there, if it is enough."""
    nearest = np.take_along_axis(labels[..., None, None], ink.argmax(1)[:, None], 1)[:, 0]
    return np.where(ink.max(1) >= INKED, 1 + nearest, 0).astype(np.uint8)
