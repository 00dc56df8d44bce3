"""Every possible layout of a chain with its costs, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import Chain, Component
from search.counting.big_integers import Ints

ROWS = 1 << 14
"""Beginnings that are extended together."""


@final
@dataclass(frozen=True, slots=True)
class _Parts:
    """Beginnings or ends of layouts.

    Attributes:
        choices: [parts, components covered].
        costs: [parts, metrics].
        states: [parts], the state a beginning reaches, or an end begins in.
    """

    choices: NDArray[np.int32]
    costs: Ints
    states: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.states)

    def rows(self, start: int, stop: int) -> _Parts:
        """Some of them."""
        return _Parts(self.choices[start:stop], self.costs[start:stop], self.states[start:stop])


def enumerate_layouts(chain: Chain, block: int = 1 << 20) -> Iterator[tuple[NDArray[np.int32], Ints]]:
    """Every possible layout, in the order of its choices.

    Args:
        chain: the tables.
        block: most layouts at a time; more only where a single component has more options.

    Yields:
        Choices [layouts, components] and costs [layouts, metrics].
    """
    tails = _nothing(chain)
    border = len(chain.components)
    while border and len(tails) * chain.components[border - 1].options <= block:
        border -= 1
        tails = _prepend(chain.components[border], tails)
    states = chain.components[border].states if border < len(chain.components) else 1
    sizes = np.bincount(tails.states, minlength=states)
    starts = np.cumsum(sizes) - sizes
    for heads in _beginnings(chain, border):
        ends = sizes[heads.states].cumsum()
        begin = 0
        while begin < len(heads):
            done = int(ends[begin - 1]) if begin else 0
            stop = max(begin + 1, int(np.searchsorted(ends, done + block, side="right")))
            layouts = _pair(heads.rows(begin, stop), tails, starts, sizes)
            if len(layouts):
                yield layouts.choices, layouts.costs
            begin = stop


def _nothing(chain: Chain) -> _Parts:
    return _Parts(np.zeros((1, 0), np.int32), np.zeros((1, len(chain.metrics)), np.int64), np.zeros(1, np.intp))


def _beginnings(chain: Chain, border: int) -> Iterator[_Parts]:
    """All that lead to a border, in blocks."""
    if not border:
        yield _nothing(chain)
        return
    part = chain.components[border - 1]
    for heads in _beginnings(chain, border - 1):
        for start in range(0, len(heads), ROWS):
            yield _append(heads.rows(start, start + ROWS), part)


def _append(heads: _Parts, part: Component) -> _Parts:
    after = part.after[heads.states]
    row, option = np.nonzero(after >= 0)
    choices = np.concatenate([heads.choices[row], option[:, None].astype(np.int32)], axis=1)
    costs = heads.costs[row] + part.costs[heads.states[row], option]
    return _Parts(choices, costs, after[row, option].astype(np.intp))


def _prepend(part: Component, tails: _Parts) -> _Parts:
    """Ends with one more component before them, by state, option and what follows."""
    state, option = np.nonzero(part.after >= 0)
    heads = _Parts(
        option[:, None].astype(np.int32), part.costs[state, option], part.after[state, option].astype(np.intp)
    )
    sizes = np.bincount(tails.states, minlength=int(part.after.max(initial=0)) + 1)
    ends = _pair(heads, tails, np.cumsum(sizes) - sizes, sizes)
    return _Parts(ends.choices, ends.costs, np.repeat(state, sizes[heads.states]))


def _pair(heads: _Parts, tails: _Parts, starts: NDArray[np.intp], sizes: NDArray[np.intp]) -> _Parts:
    """Every beginning with every end that begins where it leads; ends in a state are those from `starts` on."""
    counts = sizes[heads.states]
    head = np.repeat(np.arange(len(heads)), counts)
    shift = starts[heads.states] - (np.cumsum(counts) - counts)
    tail = np.arange(len(head)) + np.repeat(shift, counts)
    choices = np.concatenate([heads.choices.take(head, axis=0), tails.choices.take(tail, axis=0)], axis=1)
    return _Parts(choices, heads.costs.take(head, axis=0) + tails.costs.take(tail, axis=0), heads.states[head])
