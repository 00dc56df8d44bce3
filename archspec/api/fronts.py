"""Pareto fronts as Python users get them: specs with their numbers, from a run or from a space itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final, overload

from archspec.documents.html import html_table
from archspec.documents.wording import plural, short, unlike_devices
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
        devices: models of the devices on which its inference times were measured, by the names of these.
    """

    spec: ArchSpec
    metrics: Mapping[str, float]
    trial: int | None = None
    folder: Path | None = field(default=None, repr=False)
    devices: Mapping[str, str] = field(default_factory=dict[str, str])

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
        """A table with one row per member: code, objectives, then its other metrics, and the devices of those timed."""
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
        return "\n".join([*lines, *self.device_lines])

    @property
    def device_lines(self) -> list[str]:
        """Lines on the devices of those objectives that are inference times, as far as its members say."""
        lines: list[str] = []
        for name in self.objectives:
            counts = Counter(member.devices[name] for member in self._members if name in member.devices)
            if len(counts) > 1:
                lines.append(f"{name} was measured {unlike_devices(dict(counts.most_common()), 'member')}")
            elif counts:
                lines.append(f"{name} was measured on {next(iter(counts))}")
        return lines

    def to_html(self) -> str:
        """The same as a table for notebooks."""
        rows = [[row.get(name) for name in self._columns] for row in map(self._row, self._members)]
        caption = f"front of {' and '.join(self.objectives)}, {plural(len(self), 'layout')}"
        caption = ". ".join([caption, *self.device_lines])
        return html_table(caption, self._columns, rows)

    def _repr_html_(self) -> str:
        return self.to_html()

    @property
    def _columns(self) -> list[str]:
        others = dict.fromkeys(name for member in self._members for name in member.metrics)
        timed = dict.fromkeys(f"{name}_device" for member in self._members for name in member.devices)
        return ["code", *self.objectives, *(name for name in others if name not in self.objectives), *timed]

    def _row(self, member: ParetoMember) -> dict[str, str | float]:
        timed = {f"{name}_device": model for name, model in member.devices.items()}
        return {"code": encode(member.spec), **member.metrics, **timed}


def _text(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 and value != int(value) else short(value)
