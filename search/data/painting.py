"""Painting of scenes: textured ground, and source images put in place by two matrices of bilinear weights."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from search.data.digits_source import SIDE

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.floating[Any]]"

TEXTURE = 0.06  # amplitude of the grating and of the blobs in the ground
NOISE = 0.02  # standard deviation of the pixel noise
CONTRAST = 0.65, 0.85  # brightness that full ink adds
TINT = 0.1  # largest relative deviation of a colour channel


def ground(count: int, side: int, rng: "Generator") -> "Floats":
    """Brightness (N, side, side): a level, an oriented grating, soft blobs and pixel noise."""
    position = (np.arange(side, dtype=np.float32) + 0.5) / side
    angle, phase = uniform(rng, 0, np.pi, count), uniform(rng, 0, 2 * np.pi, count)
    waves = 2 * np.pi * uniform(rng, 3, 10, count)
    # sin(a + b) from the sines of rows and columns: N * side evaluations instead of N * side * side
    down = (waves * np.sin(angle))[:, None] * position + phase[:, None]
    along = (waves * np.cos(angle))[:, None] * position
    grating = (
        np.sin(down)[:, :, None] * np.cos(along)[:, None, :] + np.cos(down)[:, :, None] * np.sin(along)[:, None, :]
    )
    full = np.full(count, 1.2 * side, np.float32)
    weights = axis(side, -full / 12, full)
    blobs = paint(weights, rng.standard_normal((count, SIDE, SIDE), np.float32), weights)
    level = uniform(rng, 0.1, 0.35, count)[:, None, None]
    noise = rng.standard_normal((count, side, side), np.float32)
    return level + TEXTURE * (0.6 * grating + 0.6 * blobs) + NOISE * noise


def expose(gray: "Floats", rng: "Generator") -> "NDArray[np.uint8]":
    """Images (N, 3, side, side) of brightness (N, side, side), each slightly tinted."""
    tint = 255 * uniform(rng, 1 - TINT, 1 + TINT, (len(gray), 3, 1, 1))
    return (gray.clip(0, 1)[:, None] * tint).clip(0, 255).astype(np.uint8)


def axis(side: int, origin: "Floats", size: "Floats") -> "Floats":
    """Bilinear weights (..., side, 8) that put eight source pixels on `size` pixels from `origin` on."""
    pixel = np.arange(side, dtype=np.float32) + 0.5
    place = (pixel - origin[..., None]) / size[..., None] * SIDE - 0.5
    return np.maximum(0, 1 - np.abs(place[..., None] - np.arange(SIDE, dtype=np.float32)))


def paint(rows: "Floats", source: "Floats", columns: "Floats") -> "Floats":
    """Sources (..., 8, 8) at the places that weights (..., side, 8) for rows and columns say: (..., side, side)."""
    return np.matmul(np.matmul(rows, source), columns.swapaxes(-1, -2))


def uniform(rng: "Generator", low: float, high: float, shape: int | tuple[int, ...]) -> "Floats":
    """Uniform draws between `low` and `high`, float32."""
    return (low + (high - low) * rng.random(shape)).astype(np.float32)
