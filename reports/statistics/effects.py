"""Effects of the edits of a factorial view: contrasts per seed, their intervals and tests, what each is aliased with.

An effect is the mean score of the rows on one side less that of the rows on the other: of an edit, rows with it less
rows without; of a pair of edits, rows where both or none is made less rows where one is, which is half of what one
edit's effect changes by when the other is made. In a fraction of the full design some effects share their sides; then
only their sum (or difference) is estimated, and the name says so: `a - b:c`.

Source: Box, Hunter and Hunter, Statistics for Experimenters, 2nd ed. 2005, chapters 5 and 6.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from archspec.errors import FieldError
from reports.statistics.comparison import DEFAULT, Comparison, Settings, compare

Signs = NDArray[np.int64]
Floats = NDArray[np.float64]
RowScores = Mapping[int, Mapping[int, float]]
"""Row index to seed to score; a score that is missing or not finite stands for a training that failed."""


@final
@dataclass(frozen=True)
class EffectTerm:
    """One of the effects that are estimated together: of an edit, or of a pair; its sign in their sum."""

    sign: int
    factors: tuple[str, ...]

    def __str__(self) -> str:
        return ":".join(self.factors)


@final
@dataclass(frozen=True)
class Effect:
    """The estimate of one contrast of the rows.

    Attributes:
        members: the effects that it cannot tell apart, the simplest first and with sign +1.
        comparison: of the two sides' mean scores, paired by seed: `difference` is the effect in the unit of the
            scores, `n` the number of seeds used, `adjusted` by Holm over all effects of the view. `better` says that
            the edit gains; of a pair, that the two gain more together than each alone adds up to.
        left_out: seeds that were run but did not finish every row; every effect is a contrast of all rows.
    """

    members: tuple[EffectTerm, ...]
    comparison: Comparison
    left_out: tuple[int, ...]

    @property
    def name(self) -> str:
        """All members with their signs, such as `a - b:c`."""
        return _name(self.members)

    @property
    def title(self) -> str:
        """`name` for people, with a minus sign: `a − b:c`."""
        return _name(self.members, "−")

    @property
    def order(self) -> int:
        """1 where a main effect is among the members, 2 where only pairs are."""
        return len(self.members[0].factors)


def effects(
    factors: Sequence[str], rows_edits: Sequence[Sequence[str]], scores: RowScores, settings: Settings = DEFAULT
) -> tuple[Effect, ...]:
    """Every main effect and two-factor interaction, one per alias class, as one family of comparisons.

    Which effects are aliased is read off the rows. An interaction that is the same in all rows (its two edits are
    aliased with one another) has no contrast and is left out.

    Args:
        factors: the edits of the view.
        rows_edits: per row, which of them are made.
        scores: per row, its finished seeds; rows without any may be missing.
        settings: how the sides are compared; they are paired.

    Raises:
        FieldError: settings that do not pair, an edit that is no factor, scores of a row that is not in the view, rows
            that are not a two-level design: a factor not on in half of the rows, or effects aliased in part.
        SpecError: scipy is not installed.
    """
    if not settings.paired:
        raise FieldError("paired", "an effect is a contrast of one seed's scores in all rows, so it needs pairing")
    classes = _classes(tuple(factors), _columns(factors, rows_edits))
    extra = sorted(scores.keys() - set(range(len(rows_edits))))
    if extra:
        raise FieldError("scores", f"there is no row {extra[0]}; the view has {len(rows_edits)} rows")
    values, seeds, left_out = _finished(scores, len(rows_edits))
    sides: dict[str, dict[int, float]] = {}
    for index, (column, _) in enumerate(classes):
        for side, sign in (("+", 1), ("-", -1)):
            sides[f"{index}{side}"] = dict(zip(seeds, values[:, column == sign].mean(axis=1).tolist(), strict=True))
    found = compare(sides, {f"{index}+": f"{index}-" for index in range(len(classes))}, settings)
    return tuple(
        Effect(members, replace(each, row=_name(members), reference="the other rows"), left_out)
        for (_, members), each in zip(classes, found, strict=True)
    )


def _name(members: Sequence[EffectTerm], minus: str = "-") -> str:
    first, *others = members
    return str(first) + "".join(f" {'+' if other.sign > 0 else minus} {other}" for other in others)


def _columns(factors: Sequence[str], rows_edits: Sequence[Sequence[str]]) -> Signs:
    """[rows, factors] of 1 (the edit is made) and -1."""
    for index, edits in enumerate(rows_edits):
        for edit in edits:
            if edit not in factors:
                raise FieldError(f"rows[{index}].edits", f"{edit} is no factor of the view: {', '.join(factors)}")
    signs = [[1 if factor in edits else -1 for factor in factors] for edits in rows_edits]
    columns = np.array(signs, dtype=np.int64).reshape(len(rows_edits), len(factors))
    for factor, total in zip(factors, columns.sum(axis=0).tolist(), strict=True):
        if total or not len(columns):
            on = (len(columns) + total) // 2
            raise FieldError("rows", f"{factor} must be made in half of the {len(columns)} rows, not in {on}")
    return columns


def _classes(factors: tuple[str, ...], columns: Signs) -> list[tuple[Signs, tuple[EffectTerm, ...]]]:
    """The different contrasts [rows], each with the effects that have it up to sign; none for what equals the mean."""
    rows, indices = len(columns), range(len(factors))
    contrasts, members = np.ones((1, rows), np.int64), [[EffectTerm(1, ())]]
    for chosen in [*((i,) for i in indices), *itertools.combinations(indices, 2)]:
        column, names = columns[:, chosen].prod(axis=1), tuple(factors[i] for i in chosen)
        shared: list[int] = (contrasts @ column).tolist()
        for product, (first, *_) in zip(shared, members, strict=True):
            if product not in (0, rows, -rows):
                place = f"{':'.join(names)} and {first if first.factors else 'the mean'}"
                raise FieldError("rows", f"are no two-level design: {place} are neither aliased nor independent")
        alias = next((index for index, product in enumerate(shared) if product), None)
        if alias is None:
            contrasts = np.vstack([contrasts, column])
            members.append([EffectTerm(1, names)])
        else:
            members[alias].append(EffectTerm(1 if shared[alias] > 0 else -1, names))
    return [(column, tuple(found)) for column, found in zip(contrasts[1:], members[1:], strict=True)]


def _finished(scores: RowScores, rows: int) -> tuple[Floats, list[int], tuple[int, ...]]:
    """Scores [seeds, rows] of the seeds that finished every row, these seeds, and the others that any row has."""
    table = {seed: [scores.get(row, {}).get(seed, math.nan) for row in range(rows)] for seed in _seeds(scores)}
    whole = [seed for seed, values in table.items() if all(map(math.isfinite, values))]
    values = np.array([table[seed] for seed in whole], dtype=float).reshape(len(whole), rows)
    return values, whole, tuple(seed for seed in table if seed not in whole)


def _seeds(scores: RowScores) -> list[int]:
    return sorted({seed for row in scores.values() for seed in row})
