"""Scenes: one handwritten digit among fragments of others, on textured ground."""

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from search.sources import SIDE, Digits

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.floating[Any]]"

CHUNK = 250  # images composed at a time, to bound memory
PIECE = 4  # side of a fragment, in source pixels
CLEARING = 0.8  # how far the ink of fragments fades under the digit
TEXTURE = 0.06  # amplitude of the grating and of the blobs in the ground
CONTRAST = 0.65, 0.85  # brightness that full ink adds
NOISE = 0.02  # standard deviation of the pixel noise
TINT = 0.1  # largest relative deviation of a colour channel


class Scene(NamedTuple):
    """What scenes look like: image side in pixels, digit size over image side, number of fragments."""

    resolution: int
    smallest: float
    largest: float
    fragments: int


def compose(
    sources: Digits, count: int, scene: Scene, rng: "Generator"
) -> "tuple[NDArray[np.uint8], NDArray[np.int64]]":
    """`count` scenes (N, 3, resolution, resolution) and the labels (N,) of their digits; sources are used in turn."""
    length = len(sources.labels)
    rounds = [rng.permutation(length) for _ in range(-(-count // length))]
    chosen = np.concatenate(rounds)[:count]
    images = np.empty((count, 3, scene.resolution, scene.resolution), np.uint8)
    for start in range(0, count, CHUNK):
        part = chosen[start : start + CHUNK]
        images[start : start + CHUNK] = _draw(sources.ink[part], sources.ink, scene, rng)
    return images, sources.labels[chosen]


def _draw(digits: "Floats", pool: "Floats", scene: Scene, rng: "Generator") -> "NDArray[np.uint8]":
    count, side = len(digits), scene.resolution
    size = _uniform(rng, scene.smallest, scene.largest, count) * side
    aspect = _uniform(rng, 0.85, 1.15, count)
    height, width = size / aspect, size * aspect
    rows = _axis(side, _uniform(rng, 0, 1, count) * (side - height), height)
    columns = _axis(side, _uniform(rng, 0, 1, count) * (side - width), width)
    digit = _paint(rows, digits, columns)
    covered = rows.sum(2)[:, :, None] * columns.sum(2)[:, None, :]
    ink = np.maximum(digit, _fragments(pool, count, scene, rng) * (1 - CLEARING * covered))
    contrast = _uniform(rng, *CONTRAST, count)[:, None, None]
    gray = _ground(count, side, rng) + contrast * ink
    tint = 255 * _uniform(rng, 1 - TINT, 1 + TINT, (count, 3, 1, 1))
    return (gray.clip(0, 1)[:, None] * tint).clip(0, 255).astype(np.uint8)


def _fragments(pool: "Floats", count: int, scene: Scene, rng: "Generator") -> "Floats":
    """Ink (N, side, side) of pieces of `pool`, as thick as the digits are; pieces may be cut off by the border."""
    shape, side = (count, scene.fragments), scene.resolution
    offset = rng.integers(0, SIDE - PIECE + 1, (2, *shape))
    inside = np.abs(np.arange(SIDE) - offset[..., None] - (PIECE - 1) / 2) < PIECE / 2
    pieces = pool[rng.integers(0, len(pool), shape)] * (inside[0, ..., :, None] & inside[1, ..., None, :])
    size = _uniform(rng, scene.smallest, scene.largest, shape) * side
    origin = _uniform(rng, 0, 1, (2, *shape)) * side - size * (offset.astype(np.float32) + PIECE / 2) / SIDE
    rows, columns = _axis(side, origin[0], size), _axis(side, origin[1], size)
    half = np.matmul(rows, pieces).swapaxes(1, 2).reshape(count, side, -1)
    return np.matmul(half, columns.swapaxes(2, 3).reshape(count, -1, side)).clip(0, 1)


def _ground(count: int, side: int, rng: "Generator") -> "Floats":
    """Brightness (N, side, side): a level, an oriented grating, soft blobs and pixel noise."""
    position = (np.arange(side, dtype=np.float32) + 0.5) / side
    angle, phase = _uniform(rng, 0, np.pi, count), _uniform(rng, 0, 2 * np.pi, count)
    waves = 2 * np.pi * _uniform(rng, 3, 10, count)
    # sin(a + b) from the sines of rows and columns: N * side evaluations instead of N * side * side
    down = (waves * np.sin(angle))[:, None] * position + phase[:, None]
    along = (waves * np.cos(angle))[:, None] * position
    grating = (
        np.sin(down)[:, :, None] * np.cos(along)[:, None, :] + np.cos(down)[:, :, None] * np.sin(along)[:, None, :]
    )
    full = np.full(count, 1.2 * side, np.float32)
    axis = _axis(side, -full / 12, full)
    blobs = _paint(axis, rng.standard_normal((count, SIDE, SIDE), np.float32), axis)
    level = _uniform(rng, 0.1, 0.35, count)[:, None, None]
    noise = rng.standard_normal((count, side, side), np.float32)
    return level + TEXTURE * (0.6 * grating + 0.6 * blobs) + NOISE * noise


def _axis(side: int, origin: "Floats", size: "Floats") -> "Floats":
    """Bilinear weights (..., side, 8) that put eight source pixels on `size` pixels from `origin` on."""
    pixel = np.arange(side, dtype=np.float32) + 0.5
    place = (pixel - origin[..., None]) / size[..., None] * SIDE - 0.5
    return np.maximum(0, 1 - np.abs(place[..., None] - np.arange(SIDE, dtype=np.float32)))


def _paint(rows: "Floats", source: "Floats", columns: "Floats") -> "Floats":
    return np.matmul(np.matmul(rows, source), columns.swapaxes(-1, -2))


def _uniform(rng: "Generator", low: float, high: float, shape: int | tuple[int, ...]) -> "Floats":
    return (low + (high - low) * rng.random(shape)).astype(np.float32)
