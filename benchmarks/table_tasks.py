"""The task of a table of trained layouts: the space that its layouts are of, and the data that they were trained on.

The one place where benchmarks look for it; a table that is trained anew on another task is entered here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
SUPERNET = "five_stage_supernet"
"""Name of the table that `supernet_table.py` writes into this folder."""


@dataclass(frozen=True)
class TableTask:
    """A table with the space and the data set of its layouts.

    Attributes:
        table: name of a shipped one, or a CSV file.
        space: name of a shipped one, or a file.
        data: configuration of the data set.
        listed: whether the table holds some layouts of the space only, to which a search then keeps.
    """

    table: str
    space: str
    data: dict[str, Any] = field(default_factory=lambda: {"type": "cluttered_digits"})
    listed: bool = True

    @property
    def evaluator(self) -> dict[str, Any]:
        """The configuration of the evaluator that answers from the table."""
        return {"type": "table", "table": self.table, "data": self.data} | ({"nearest": True} if self.listed else {})


def read_data(path: Path) -> dict[str, Any]:
    """The configuration of a data set in a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def task_of(table: str, space: str = "", data: str = "") -> TableTask:
    """The task of a table; of a shipped one all of it is known.

    Args:
        table: name of a shipped one or of `SUPERNET`, or a CSV file.
        space: in place of the known one.
        data: a YAML file, in place of the known data set.

    Raises:
        SystemExit: the table is not a known one, and no space is named.
    """
    space_of_curves, data_of_curves = "five_stage_tiny", read_data(FOLDER / "curves.yaml")
    known = {
        "five_stage_grid": TableTask("five_stage_grid", "five_stage_grid", listed=False),
        "five_stage_curves": TableTask("five_stage_curves", space_of_curves, data_of_curves),
        SUPERNET: TableTask(str(FOLDER / f"{SUPERNET}.csv"), space_of_curves, data_of_curves),
    }.get(table)
    if known is None and not space:
        raise SystemExit(f"the space of table {table} is not known: name it by --space, and its data by --data FILE")
    task = known or TableTask(table, space)
    return TableTask(task.table, space or task.space, read_data(Path(data)) if data else task.data, task.listed)
