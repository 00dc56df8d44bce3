"""Chains cut down to a size that brute force can enumerate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archspec.cost.tables import Chain, Component


def restrict(chain: Chain, options: Sequence[Sequence[int] | None]) -> Chain:
    """The chain with the given options of each component only; None keeps all."""
    parts = zip(chain.components, options, strict=True)
    return Chain(chain.metrics, tuple(part if keep is None else _keep(part, list(keep)) for part, keep in parts))


def _keep(part: Component, rows: list[int]) -> Component:
    return Component(part.name, np.ascontiguousarray(part.costs[:, rows]), np.ascontiguousarray(part.after[:, rows]))
