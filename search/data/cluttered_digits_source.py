"""Scenes: one handwritten digit, or a pair of them, among fragments of others, on textured ground."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from search.data.digits_source import CLASSES, SIDE, Digits, in_turn
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
    return _draw(sources, chosen[None], scene, rng), sources.labels[chosen]


def compose_pairs(
    sources: Digits, count: int, classes: int, scene: Scene, rng: "Generator"
) -> "tuple[NDArray[np.uint8], NDArray[np.int64]]":
    """`count` scenes (N, 3, resolution, resolution) of two digits, and the labels (N,) of their pairs.

    Class c has the digit c % 10 in the left half and (c + c // 10) % 10 in the right one, so that with every ten
    classes each digit occurs once more on either side. Classes are used in turn.
    """
    labels = in_turn(classes, count, rng)
    digits = labels % CLASSES, (labels + labels // CLASSES) % CLASSES
    members = [np.flatnonzero(sources.labels == digit) for digit in range(CLASSES)]
    chosen = np.empty((2, count), np.int64)
    for half, wanted in enumerate(digits):
        for digit, own in enumerate(members):
            places = np.flatnonzero(wanted == digit)
            chosen[half, places] = own[in_turn(len(own), len(places), rng)]
    return _draw(sources, chosen, scene, rng), labels


def _draw(sources: Digits, chosen: "NDArray[np.int64]", scene: Scene, rng: "Generator") -> "NDArray[np.uint8]":
    """Scenes of the chosen sources (digits, N): side by side where there are two, each in a half of its own."""
    images = np.empty((chosen.shape[1], 3, scene.resolution, scene.resolution), np.uint8)
    for start in range(0, chosen.shape[1], CHUNK):
        part = chosen[:, start : start + CHUNK]
        images[start : start + CHUNK] = _draw_chunk([sources.ink[own] for own in part], sources.ink, scene, rng)
    return images


def _draw_chunk(digits: Sequence["Floats"], pool: "Floats", scene: Scene, rng: "Generator") -> "NDArray[np.uint8]":
    count, side = len(digits[0]), scene.resolution
    room = side / len(digits)
    ink, covered = np.zeros((2, count, side, side), np.float32)
    for place, source in enumerate(digits):
        size = uniform(rng, scene.smallest, scene.largest, count) * side
        aspect = uniform(rng, 0.85, 1.15, count)
        height, width = size / aspect, size * aspect
        rows = axis(side, uniform(rng, 0, 1, count) * (side - height), height)
        columns = axis(side, place * room + uniform(rng, 0, 1, count) * (room - width), width)
        ink += paint(rows, source, columns)
        covered += rows.sum(2)[:, :, None] * columns.sum(2)[:, None, :]
    ink = np.maximum(ink, _fragments(pool, count, scene, rng) * (1 - CLEARING * covered))
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
