"""Scenes: one handwritten digit among fragments of others, on textured ground."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from search.data.digits_source import SIDE, Digits, in_turn
from search.data.painting import CONTRAST, Floats, axis, expose, ground, paint, uniform

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

CHUNK = 250  # images composed at a time, to bound memory
PIECE = 4  # side of a fragment, in source pixels
CLEARING = 0.8  # how far the ink of fragments fades under the digit


class Scene(NamedTuple):
    """The look of scenes: image side in pixels, digit size over image side, number of fragments."""

    resolution: int
    smallest: float
    largest: float
    fragments: int


def compose(
    sources: Digits, count: int, scene: Scene, rng: "Generator"
) -> "tuple[NDArray[np.uint8], NDArray[np.int64]]":
    """`count` scenes (N, 3, resolution, resolution) and the labels (N,) of their digits; sources are used in turn."""
    chosen = in_turn(len(sources.labels), count, rng)
    images = np.empty((count, 3, scene.resolution, scene.resolution), np.uint8)
    for start in range(0, count, CHUNK):
        part = chosen[start : start + CHUNK]
        images[start : start + CHUNK] = _draw(sources.ink[part], sources.ink, scene, rng)
    return images, sources.labels[chosen]


def _draw(digits: "Floats", pool: "Floats", scene: Scene, rng: "Generator") -> "NDArray[np.uint8]":
    count, side = len(digits), scene.resolution
    size = uniform(rng, scene.smallest, scene.largest, count) * side
    aspect = uniform(rng, 0.85, 1.15, count)
    height, width = size / aspect, size * aspect
    rows = axis(side, uniform(rng, 0, 1, count) * (side - height), height)
    columns = axis(side, uniform(rng, 0, 1, count) * (side - width), width)
    digit = paint(rows, digits, columns)
    covered = rows.sum(2)[:, :, None] * columns.sum(2)[:, None, :]
    ink = np.maximum(digit, _fragments(pool, count, scene, rng) * (1 - CLEARING * covered))
    contrast = uniform(rng, *CONTRAST, count)[:, None, None]
    return expose(ground(count, side, rng) + contrast * ink, rng)


def _fragments(pool: "Floats", count: int, scene: Scene, rng: "Generator") -> "Floats":
    """Ink (N, side, side) of pieces of `pool`, as thick as the digits are; pieces may be cut off by the border."""
    shape, side = (count, scene.fragments), scene.resolution
    offset = rng.integers(0, SIDE - PIECE + 1, (2, *shape))
    inside = np.abs(np.arange(SIDE) - offset[..., None] - (PIECE - 1) / 2) < PIECE / 2
    pieces = pool[rng.integers(0, len(pool), shape)] * (inside[0, ..., :, None] & inside[1, ..., None, :])
    size = uniform(rng, scene.smallest, scene.largest, shape) * side
    origin = uniform(rng, 0, 1, (2, *shape)) * side - size * (offset.astype(np.float32) + PIECE / 2) / SIDE
    rows, columns = axis(side, origin[0], size), axis(side, origin[1], size)
    half = np.matmul(rows, pieces).swapaxes(1, 2).reshape(count, side, -1)
    return np.matmul(half, columns.swapaxes(2, 3).reshape(count, -1, side)).clip(0, 1)
