"""Pareto fronts as Python users get them: specs with their numbers, from a run or from a space itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final, overload

from archspec.documents.html import html_table
from archspec.documents.wording import plural, short
from archspec.errors import RunError
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode

if TYPE_CHECKING:
    import pandas as pd

    from archspec.model.network import Network


@final
@dataclass(frozen=True)
class ParetoMember:
    """A layout of a front.

    Attributes:
        spec: the layout.
        metrics: its numbers by name: fractions for accuracies, integers for exact costs.
        trial: number of the trial that found it; None where no run did.
        folder: what its trainings left; None where nothing was trained.
    """

    spec: ArchSpec
    metrics: Mapping[str, float]
    trial: int | None = None
    folder: Path | None = field(default=None, repr=False)

    def restore(self) -> Network:
        """The network as the search trained it, with its averaged weights, in evaluation mode.

        Raises:
            RunError: nothing was trained, or the training kept no weights.
        """
        from archspec.api.weights import CHECKPOINT, restore

        kept = sorted(self.folder.glob(f"*/{CHECKPOINT}")) if self.folder else []
        if not kept:
            raise RunError(f"{self.folder or encode(self.spec)}: keeps no weights: its evaluator left none")
        searched = [path for path in kept if path.parent.name.startswith("search-")]
        return restore((searched or kept)[0])


@final
class ParetoFront(Sequence[ParetoMember]):
    """The members of a front, cheapest first.

    Args:
        members: in order.
        objectives: names of the metrics of which it is the front.
    """

    def __init__(self, members: Sequence[ParetoMember], objectives: Sequence[str]) -> None:
        self._members = tuple(members)
        self.objectives = tuple(objectives)

    @property
    def specs(self) -> list[ArchSpec]:
        """The layouts alone."""
        return [member.spec for member in self._members]

    def to_frame(self) -> pd.DataFrame:
        """A table with one row per member: code, objectives, then its other metrics."""
        import pandas as pd

        return pd.DataFrame([self._row(member) for member in self._members], columns=self._columns)

    @overload
    def __getitem__(self, index: int) -> ParetoMember: ...
    @overload
    def __getitem__(self, index: slice) -> ParetoFront: ...
    def __getitem__(self, index: int | slice) -> ParetoMember | ParetoFront:
        if isinstance(index, slice):
            return ParetoFront(self._members[index], self.objectives)
        return self._members[index]

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[ParetoMember]:
        return iter(self._members)

    def __repr__(self) -> str:
        lines = [f"front of {' and '.join(self.objectives)}, {plural(len(self), 'layout')}"]
        for member in self._members:
            values = (f"{name} {_text(member.metrics[name])}" for name in self.objectives)
            lines.append(f"  {', '.join(values)}  {encode(member.spec)}")
        return "\n".join(lines)

    def to_html(self) -> str:
        """The same as a table for notebooks."""
        rows = [[row.get(name) for name in self._columns] for row in map(self._row, self._members)]
        caption = f"front of {' and '.join(self.objectives)}, {plural(len(self), 'layout')}"
        return html_table(caption, self._columns, rows)

    def _repr_html_(self) -> str:
        return self.to_html()

    @property
    def _columns(self) -> list[str]:
        others = dict.fromkeys(name for member in self._members for name in member.metrics)
        return ["code", *self.objectives, *(name for name in others if name not in self.objectives)]

    def _row(self, member: ParetoMember) -> dict[str, str | float]:
        return {"code": encode(member.spec), **member.metrics}


def _text(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 and value != int(value) else short(value)
