"""A run on disk, whatever it is of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class RecordedRun(ABC):
    """A run and its folder, which holds everything: what was asked, the journal, what trainings left.

    Attributes:
        root: the folder, `runs/NAME`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def name(self) -> str:
        """Its name, which is that of its folder."""
        return self.root.resolve().name

    @property
    @abstractmethod
    def trials(self) -> pd.DataFrame:
        """The evaluations, one row each."""

    @abstractmethod
    def report(self, out: str | Path | None = None, *, force: bool = False) -> Path:
        """Write the report and return the path of its page."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.root}>"
