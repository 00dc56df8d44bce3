"""Sums of products of counts that may exceed 64 bits, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Counts = NDArray[Any]
"""Non-negative counts: int64 as long as their sum stays below 2**62, else Python integers (dtype object)."""

SAFE = 1 << 62


def total(counts: Counts) -> int:
    """The sum."""
    if counts.dtype != object and len(counts) and int(counts.max()) * len(counts) >= SAFE:
        counts = counts.astype(object)
    return int(counts.sum()) if len(counts) else 0


def settle(counts: Counts) -> Counts:
    """Counts in the narrowest form that is safe."""
    if counts.dtype == object and total(counts) < SAFE:
        return counts.astype(np.int64)
    if counts.dtype != object and total(counts) >= SAFE:
        return counts.astype(object)
    return counts


def times(first: Counts, second: Counts) -> Counts:
    """Elementwise (or broadcast) product."""
    if first.dtype != object and second.dtype != object:
        if not (first.size and second.size) or int(first.max()) * int(second.max()) < SAFE:
            return first * second
        first = first.astype(object)
    return first * second


def dot(first: Counts, second: Counts) -> int:
    """The sum of the products."""
    if not len(first):
        return 0
    if first.dtype != object and second.dtype != object:
        largest = int(first.max()) * int(second.max())
        if largest * len(first) < SAFE:
            return int(first @ second)
        block = SAFE // largest
        if block >= 256:
            starts = range(0, len(first), block)
            return sum(int(first[start : start + block] @ second[start : start + block]) for start in starts)
    return int(first.astype(object) @ second.astype(object))


def limbs(counts: Counts) -> list[tuple[int, Ints]]:
    """Counts as sums of int64 arrays times powers of two, each array's own sum below 2**62: pairs (power, array)."""
    counts = settle(counts)
    if counts.dtype != object:
        return [(0, counts)]
    bits = 62 - len(counts).bit_length()
    parts: list[tuple[int, Ints]] = []
    power = 0
    while counts.any():
        parts.append((power, (counts & ((1 << bits) - 1)).astype(np.int64)))
        counts = counts >> bits
        power += bits
    return parts
