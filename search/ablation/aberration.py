"""Generators of two-level fractions: of the greatest resolution, and of minimum aberration among those."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache

# The defining relation in bits: the base factors of a word (a mask) and how many generated factors it has.
Words = Sequence[tuple[int, int]]


@cache
def minimum_aberration(base: int, fraction: int) -> tuple[int, ...]:
    """`fraction` generators over `base` factors (bit i: base factor i); empty where no fraction has resolution III.

    Exhaustive up to what cannot matter: the order of the generators and the names of base factors that all generators
    so far treat alike. Words are only ever added to a defining relation, so a partial choice whose word length pattern
    is not below the best one known is left. Resolution is where the pattern begins: the least pattern, compared from
    the shortest words on, has the greatest resolution and, among its equals, minimum aberration.

    Source: Fries and Hunter 1980, Minimum aberration 2^(k-p) designs, Technometrics 22, 601-608.
    """
    best: tuple[int, ...] = ()
    least = [2**fraction] * (base + fraction + 1)  # above every pattern: there are 2^fraction - 1 words

    def extend(chosen: tuple[int, ...], words: Words, pattern: list[int], rest: Sequence[int] | None) -> None:
        nonlocal best, least
        if len(chosen) == fraction:
            best, least = chosen, pattern
            return
        # Generators are taken in order of size. Once no two base factors are alike, no names are left to exchange, and
        # the generators still to be chosen are a set: of those after the last one (`rest`).
        size = chosen[-1].bit_count() if chosen else 0
        options = _options(base, chosen, size) if rest is None else rest
        settled = rest is not None or len(_cells(base, chosen)) == base
        for index, mask in enumerate(options):
            added = [(word ^ mask, generated + 1) for word, generated in words]
            longer = pattern.copy()
            for word, generated in added:
                longer[word.bit_count() + generated] += 1
            if any(longer[:3]) or longer >= least:
                continue
            extend((*chosen, mask), (*words, *added), longer, options[index + 1 :] if settled else None)

    extend((), [(0, 0)], [0] * (base + fraction + 1), None)
    return best


def _cells(base: int, chosen: Sequence[int]) -> list[list[int]]:
    """The base factors, those together that every chosen generator has or lacks alike."""
    cells: dict[tuple[int, ...], list[int]] = {}
    for bit in range(base):
        cells.setdefault(tuple(mask >> bit & 1 for mask in chosen), []).append(bit)
    return list(cells.values())


def _options(base: int, chosen: Sequence[int], size: int) -> list[int]:
    """Masks of at least `size` factors, one for each way to take a number of them from every cell, small ones first."""
    cells = _cells(base, chosen)
    ways = itertools.product(*(range(len(cell) + 1) for cell in cells))
    masks = [
        sum(1 << bit for cell, count in zip(cells, counts, strict=True) for bit in cell[:count])
        for counts in ways
        if sum(counts) >= size
    ]
    return sorted(masks, key=lambda mask: (mask.bit_count(), mask))
