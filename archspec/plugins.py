"""Everything that an evaluator or a data set of a package's own is written with; see docs/python.md.

`from archspec.plugins import Evaluator, Session, Task`.
"""

from typing import TYPE_CHECKING

from archspec.lazy import lazy_names

if TYPE_CHECKING:
    from archspec.cost.metrics import Metric
    from archspec.errors import FieldError, Interrupted, RunError
    from search.data.dataset import Dataset, DatasetSplit, Splits
    from search.data.tensor_split import TensorSplit
    from search.evaluator import Evaluator, Metrics, Session, Task, cost_metrics
    from search.tasks.task import Supervision

__all__ = [
    "Dataset",
    "DatasetSplit",
    "Evaluator",
    "FieldError",
    "Interrupted",
    "Metric",
    "Metrics",
    "RunError",
    "Session",
    "Splits",
    "Supervision",
    "Task",
    "TensorSplit",
    "cost_metrics",
]

_HOMES = {
    "Dataset": "search.data.dataset",
    "DatasetSplit": "search.data.dataset",
    "Evaluator": "search.evaluator",
    "FieldError": "archspec.errors",
    "Interrupted": "archspec.errors",
    "Metric": "archspec.cost.metrics",
    "Metrics": "search.evaluator",
    "RunError": "archspec.errors",
    "Session": "search.evaluator",
    "Splits": "search.data.dataset",
    "Supervision": "search.tasks.task",
    "Task": "search.evaluator",
    "TensorSplit": "search.data.tensor_split",
    "cost_metrics": "search.evaluator",
}

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return list(__all__)
