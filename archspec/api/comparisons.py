"""Repeated searches compared, as Python users get it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, final

from archspec.api.runs import RecordedSearch

if TYPE_CHECKING:
    import pandas as pd

    from reports.run_comparison.comparison import RunComparison


@final
class ComparedSearches:
    """Arms of repeated searches, compared; the first is what the others are tested against.

    Args:
        found: everything that is said of them.
    """

    def __init__(self, found: RunComparison) -> None:
        self._found = found

    @property
    def arms(self) -> dict[str, list[RecordedSearch]]:
        """The searches of each arm, by their seeds."""
        return {arm.name: [RecordedSearch(run.folder) for run in arm.runs] for arm in self._found.arms}

    def to_frame(self) -> pd.DataFrame:
        """A row per budget and arm: quartiles of hypervolume, the difference from the first arm, its adjusted p."""
        import pandas as pd

        rows: list[dict[str, object]] = []
        for row in self._found.rows:
            low, middle, high = row.quartiles
            tested = row.tested
            numbers = (
                {} if tested is None else {"difference": tested.difference, "p": tested.p, "adjusted": tested.adjusted}
            )
            known = {"runs": len(row.scores), "low_quartile": low, "median": middle, "high_quartile": high}
            rows.append({self._found.by: row.at, "arm": row.arm, **known, **numbers})
        return pd.DataFrame(rows)

    def report(self, out: str | Path = "comparison", *, force: bool = False) -> Path:
        """Write the page, figures and tables, and return the path of its index.html.

        Args:
            out: folder to write.
            force: replace files of these names that no comparison wrote, or that were changed since.

        Raises:
            SpecError: the folder cannot be written, or a file in it would be lost.
        """
        from reports.run_comparison.write import write_comparison

        return write_comparison(self._found, Path(out), force=force)

    def __repr__(self) -> str:
        arms = ", ".join(f"{arm.name} ({len(arm.runs)})" for arm in self._found.arms)
        return f"<{type(self).__name__} {arms}>"


def compare(
    runs: Iterable[str | Path | RecordedSearch],
    *,
    names: Sequence[str] = (),
    by: Literal["trainings", "epochs", "seconds"] = "trainings",
    at: Sequence[float] = (),
) -> ComparedSearches:
    """Compare searches; those of the same settings but for the seed are repetitions of one arm.

    Args:
        runs: searches, or their folders.
        names: of the arms, in the order of their first runs; by what they differ in where empty.
        by: what is spent: whole trainings, epochs, or time.
        at: budgets to compare at; a quarter, half and all of what every run has spent where empty.

    Raises:
        SpecError: searches of different objectives, data or spaces, or a budget that not all reach.
        RunError: a damaged journal, or a run without a finished trial.
    """
    from reports.run_comparison.comparison import compare_runs

    folders = [run.root if isinstance(run, RecordedSearch) else Path(run) for run in runs]
    return ComparedSearches(compare_runs(folders, tuple(names), by, tuple(at)))
