"""Layouts inside a box, each with exactly the same probability."""

from __future__ import annotations

from typing import final

import numpy as np

from archspec.cost.tables import Chain
from archspec.errors import SpecError
from search.counting.big_integers import Ints
from search.counting.draw_binned import Inside, fit
from search.counting.draw_traced import ExactDraw
from search.counting.explain import explain
from search.counting.lattice import Lattice
from search.space.limits import Box

ENOUGH = 0.005
"""Share inside below which layouts are drawn from the two sides of a meeting in the middle."""
MOST = 1 << 16
"""Layouts that are proposed at a time."""


@final
class BoxSampler:
    """Exactly uniform draws of layouts inside a box.

    Layouts are proposed from a `Grid`: costs are rounded down to bins and the box is widened by what rounding can
    take off, so that the widened box holds every layout of the true one. Each proposal is uniform over the widened
    box: option by option, with integer draws below the exact numbers of ends that get there; no float is part of a
    probability. What is not truly inside is rejected. A uniform draw from a set, given that it lies in a subset, is
    uniform over the subset, so bins decide how many proposals are rejected and nothing else. Where too few would be
    accepted, layouts are drawn by exact counts of the two sides of a meeting in the middle instead (`ExactDraw`).

    Args:
        chain: the tables.
        box: limits on metrics of the chain; none for all possible layouts.

    Raises:
        SpecError: no layout is inside, or the space is too large to find out.
    """

    def __init__(self, chain: Chain, box: Box = ()) -> None:
        lattice = Lattice.of(chain, box)
        self._inside = Inside(lattice)
        proposer = None if lattice.empty else fit(lattice, self._inside)
        if proposer is None:
            raise SpecError(explain(chain, box))
        self._proposer = proposer
        self._tracer = self._trace(lattice) if self._inside.share < ENOUGH else None
        if self._tracer and not self._tracer.total:
            raise SpecError(explain(chain, box))

    def sample(self, size: int, rng: np.random.Generator) -> Ints:
        """Choices [size, components], independent of one another."""
        if self._tracer:
            return self._tracer.draw(size, rng)
        parts: list[Ints] = []
        missing = size
        while missing > 0:
            choices = self._proposer.draw(min(MOST, int(missing / self._inside.share * 1.02) + 8), rng)
            parts.append(choices[self._inside(choices)][:missing])
            missing -= len(parts[-1])
        return np.concatenate(parts) if parts else self._proposer.draw(0, rng)

    def _trace(self, lattice: Lattice) -> ExactDraw | None:
        try:
            return ExactDraw(lattice)
        except SpecError:
            if not self._inside.accepted:
                raise
            return None  # slow, but exact all the same
