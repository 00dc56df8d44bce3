"""The count of qualities over a split, beside that of its score, and the file of what belongs to single classes."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from archspec.documents.safe_text import csv_cell, printable
from archspec.files.output import write_text
from search.quality.catalog import QUALITIES
from search.tasks.segmentation import IGNORE, outputs, resized
from search.tasks.task import Answer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from search.data.dataset import Dataset

Classes = Mapping[str, Sequence[float]]
"""A number per class, by the name of its column."""


@final
class QualityTally:
    """Counters of torchmetrics, one per quality, on the device of the network.

    Args:
        names: of the qualities, as in `QUALITIES`.
        data: the data set, whose classes and labels they are of.
        device: of the network.
    """

    def __init__(self, names: Sequence[str], data: "Dataset", device: "torch.device") -> None:
        self._masks = data.supervision.task == "segmentation"
        ignored = IGNORE if self._masks else None
        self._counters: dict[str, Any] = {
            name: QUALITIES[name].counter(data.classes, ignored).to(device) for name in names
        }

    def add(self, answer: Answer, target: "Tensor") -> None:
        """Count one batch: the network's answer and its labels."""
        predicted = resized(outputs(answer)[0], target).argmax(1) if self._masks else answer.float().softmax(1)
        for counter in self._counters.values():
            counter.update(predicted, target)

    def compute(self) -> tuple[dict[str, float], Classes]:
        """The metrics by name, and the columns of single classes."""
        values: dict[str, float] = {}
        columns: dict[str, Sequence[float]] = {}
        for name, counter in self._counters.items():
            computed = counter.compute()
            values |= QUALITIES[name].values(computed)
            columns |= QUALITIES[name].columns(computed)
        return values, columns


def write_classes(path: Path, splits: Mapping[str, Classes], names: Sequence[str] = ()) -> None:
    """Write a CSV file with a row per split and class; an empty cell for a class that does not occur.

    Args:
        path: of the file, which is not written where no split has columns.
        splits: columns by the name of the split.
        names: of the classes; without them their numbers stand in the file.
    """
    rows: list[list[str]] = []
    for split, columns in splits.items():
        rows = rows or ([["split", "class", *columns]] if columns else [])
        for index, numbers in enumerate(zip(*columns.values(), strict=True)):
            name = csv_cell(printable(names[index])) if names else str(index)
            rows.append([split, str(name), *map(_cell, numbers)])
    if rows:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_text(path, text.getvalue())


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}" if isinstance(value, float) else str(value)
