"""Features of a layout for an additive surrogate: numbers for each component alone, from the holes that it fills."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from search.space.encoding import Encoding
from search.space.holes import Params, Scalar

Floats = NDArray[np.float64]

PAIR = 0.5
"""Size of an effect of two holes together, relative to one of a hole alone, before anything is known."""


@final
class Features:
    """The features of every option of every component of a space.

    A hole of numbers (depth, width, expansion, heads) has a feature per step from one of its options to the next,
    which is on from there upwards: neighbouring options get similar effects, and a nondecreasing effect is one of
    steps that are not negative. Any other hole has a feature per option. Each option of the latter kind (a block, say)
    has in addition steps of its own for each hole of numbers beside it in the component. A closed hole has none on.

    Attributes:
        tables: per component [options, features].
        rising: [features of all components], which are steps of a depth or a width.
    """

    def __init__(self, encoding: Encoding) -> None:
        self.tables: list[Floats] = []
        rising: list[bool] = []
        order = {slot.path: slot.options for slot in encoding.slots}
        for component, count in enumerate(encoding.options):
            filled = [encoding.assignment(component, option) for option in range(count)]
            columns = list(_columns(filled, order))
            self.tables.append(np.stack([column for column, _ in columns], 1) if columns else np.zeros((count, 0)))
            rising += [grows for _, grows in columns]
        self.rising = np.array(rising, bool)

    def rows(self, choices: NDArray[np.integer]) -> Floats:
        """[layouts, features] of layouts [layouts, components]."""
        return np.concatenate([table[choices[:, index]] for index, table in enumerate(self.tables)], axis=1)

    def split(self, values: Floats) -> list[Floats]:
        """[features, ...] of all components as one array per component."""
        return np.split(values, np.cumsum([table.shape[1] for table in self.tables])[:-1])


def _columns(filled: Sequence[Params], order: dict[str, tuple[Scalar, ...]]) -> Iterator[tuple[Floats, bool]]:
    """The features [options] of one component, and whether each is a step of a depth or a width."""
    paths = [path for path in order if any(path in params for params in filled)]
    steps = {path: _steps(filled, path, order[path]) for path in paths if _is_numeric(order[path])}
    labels = {path: _labels(filled, path, order[path]) for path in paths if not _is_numeric(order[path])}
    rising = {path: re.search(r"\b(depth|width)s?(\[\d+\])*$", path) is not None for path in steps}
    for path, columns in steps.items():
        yield from ((column, rising[path]) for column in columns)
    for columns in labels.values():
        yield from ((column, False) for column in columns)
    for label, flags in labels.items():
        for path, columns in steps.items():
            if not path.startswith(f"{label}."):  # else the hole is open under one label only
                yield from ((PAIR * flag * column, rising[path]) for flag in flags for column in columns)


def _is_numeric(options: tuple[Scalar, ...]) -> bool:
    return all(isinstance(option, int | float) and not isinstance(option, bool) for option in options)


def _steps(filled: Sequence[Params], path: str, options: tuple[Scalar, ...]) -> list[Floats]:
    values = sorted(float(option) for option in options if isinstance(option, int | float))
    own = np.array([float(params[path]) if path in params else -np.inf for params in filled])  # pyright: ignore[reportArgumentType]
    # Steps are independent, so an effect spreads with their number; divided by its root, holes are alike.
    return [(own >= value) / np.sqrt(len(values) - 1) for value in values[1:]]


def _labels(filled: Sequence[Params], path: str, options: tuple[Scalar, ...]) -> list[Floats]:
    if len(options) < 2:
        return []
    return [np.array([float(path in params and params[path] == option) for params in filled]) for option in options]
