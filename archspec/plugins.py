"""Everything that an evaluator, a sampler, a logger, a data set or an engine of one's own is written with.

`from archspec.plugins import Evaluator, Session, Task`; docs/python.md and docs/start/plugins.md show how.
"""

from typing import TYPE_CHECKING

from archspec.lazy import lazy_names

if TYPE_CHECKING:
    from archspec.cost.metrics import Metric
    from archspec.errors import FieldError, Interrupted, RunError
    from search.data.dataset import Dataset, DatasetSplit, Splits
    from search.data.tensor_split import TensorSplit
    from search.evaluator import Epoch, Evaluator, Metrics, Progress, Session, Task, cost_metrics
    from search.inputs import Input
    from search.logger import LoggedMember, LoggedRun, LoggedTrial, Logger, LogSession
    from search.run.pools.engine import Engine
    from search.run.pools.pool import Pool
    from search.run.worker import Order, Report
    from search.sampler import Problem, Sampler, SamplerSession
    from search.tasks.task import Supervision

__all__ = [
    "Dataset",
    "DatasetSplit",
    "Engine",
    "Epoch",
    "Evaluator",
    "FieldError",
    "Input",
    "Interrupted",
    "LogSession",
    "LoggedMember",
    "LoggedRun",
    "LoggedTrial",
    "Logger",
    "Metric",
    "Metrics",
    "Order",
    "Pool",
    "Problem",
    "Progress",
    "Report",
    "RunError",
    "Sampler",
    "SamplerSession",
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
    "Engine": "search.run.pools.engine",
    "Epoch": "search.evaluator",
    "Evaluator": "search.evaluator",
    "FieldError": "archspec.errors",
    "Input": "search.inputs",
    "Interrupted": "archspec.errors",
    "LogSession": "search.logger",
    "LoggedMember": "search.logger",
    "LoggedRun": "search.logger",
    "LoggedTrial": "search.logger",
    "Logger": "search.logger",
    "Metric": "archspec.cost.metrics",
    "Metrics": "search.evaluator",
    "Order": "search.run.worker",
    "Pool": "search.run.pools.pool",
    "Problem": "search.sampler",
    "Progress": "search.evaluator",
    "Report": "search.run.worker",
    "RunError": "archspec.errors",
    "Sampler": "search.sampler",
    "SamplerSession": "search.sampler",
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
