"""The rungs of a search in words: what came to each, what stopped there, and what that saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from archspec.documents.wording import plural
from reports.drawing.canvas import write_csv
from reports.records.rungs import RungRecord, read_rungs
from reports.search_page.results import SearchResults
from reports.section import FIGURES, Section, SectionContent


@final
@dataclass(frozen=True)
class RungSummary:
    """The rungs of a search, and whether a random baseline stands beside it, whose layouts are trained to the end."""

    record: RungRecord
    baseline: bool = False

    @property
    def sentences(self) -> tuple[str, ...]:
        """One on each rung, one on the epochs that they saved, and what to mind where there is a baseline."""
        rungs, record = self.record.rungs, self.record
        whole = rungs[-1].epochs
        lines = [
            f"Rung {number} ({rung.epochs} of {whole} epochs): {plural(rung.reached, 'layout')} came to it, "
            f"{rung.promoted} went on, {rung.stopped} stopped."
            for number, rung in enumerate(rungs[:-1], 1)
        ]
        saved = record.whole - record.spent
        lines.append(
            f"{rungs[-1].reached} of {plural(rungs[0].reached, 'layout')} trained to the end: {record.spent:,} of "
            f"{record.whole:,} epochs, which saved {saved:,} ({saved / record.whole:.0%}). The front, the hypervolume "
            "and all tables are of whole trainings alone; what stopped is in rungs.csv."
        )
        if self.baseline:
            each = record.spent / max(1, rungs[-1].reached)
            lines.append(
                f"Where the search stands beside its random baseline layout by layout, one of the search took "
                f"{each:.1f} epochs, with those that stopped, and one of the baseline {whole}."
            )
        return tuple(lines)


def rung_summary(results: SearchResults) -> RungSummary | None:
    """The rungs of the search; None where it has none."""
    record = read_rungs(results.record.study)
    return None if record is None else RungSummary(record, len(results.record.baseline) > 0)


def _write(info: RungSummary, folder: Path) -> SectionContent:
    rows = [[one.trial, one.digest, one.epochs, one.accuracy, ""] for one in info.record.paused]
    rows += [[one.trial, one.digest, one.epochs, one.early, one.full] for one in info.record.pairs]
    write_csv(folder / FIGURES / "rungs.csv", ["trial", "digest", "epochs", "accuracy", "accuracy_whole"], rows)
    return SectionContent("Rungs", notes=info.sentences)


SECTION = Section("rungs", of=SearchResults, order=33, compute=rung_summary, write=_write)
