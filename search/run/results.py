"""The result that an evaluation leaves on disk, read back only where it answers what is asked."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from archspec.cost.metrics import find_metric
from archspec.errors import RunError
from archspec.spec.schema import ArchSpec
from search.evaluator import Evaluator, Metrics, cost_metrics, renew
from search.own_metrics import check_value

ACCURACIES = ("accuracy", "test_accuracy")


def read_result(path: Path, evaluator: Evaluator, asked: Mapping[str, Any], spec: ArchSpec) -> Metrics | None:
    """The metrics in the result at `path`; None where there is none.

    Args:
        path: of `result.json`.
        evaluator: whose result it must be.
        asked: what it must say of the evaluation beside: digest, seed and so on; earlier versions left some out.
        spec: the layout, whose exact costs the metrics must agree with where they hold them.

    Raises:
        RunError: a result that is damaged, or of another evaluation; it is kept.
    """
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _refuse(path, getattr(error, "lineno", 1), f"not JSON ({' '.join(str(error).split())[:100]})") from None
    if not isinstance(record, dict) or not isinstance(record.get("metrics"), dict) or "evaluator" not in record:
        raise _refuse(path, 1, "no record of metrics and evaluator")
    if record.pop("crc", checksum(record)) != checksum(record):
        raise _refuse(path, 1, "not as it was written (checksum)")
    if renew(record["evaluator"]) != evaluator.record():
        raise RunError(f"{path}: belongs to another evaluator configuration; give this run another name")
    for name, value in asked.items():
        found = record.get(name, value)
        if found != value or type(found) is not type(value):
            raise _refuse(path, _line(path, name), f"{name} must be {value!r}, not {found!r:.60}")
    for name, value in record["metrics"].items():
        wrong = find_fault(name, value, evaluator)
        if wrong:
            raise _refuse(path, _line(path, name), wrong)
    metrics = cast("Metrics", record["metrics"])
    lacking = [name for name in ("accuracy",) if name in evaluator.gives and name not in metrics]
    if lacking:
        raise _refuse(path, _line(path, "metrics"), f"no {lacking[0]} among the metrics")
    for name, value in cost_metrics(spec).items():
        if metrics.get(name, value) != value:
            raise _refuse(path, _line(path, name), f"{name} of this layout is {value:,}, not {metrics[name]!r:.40}")
    return metrics


def checksum(record: Mapping[str, Any]) -> str:
    """CRC-32 of a result's data, which its field `crc` keeps; results of earlier versions have none."""
    data = {name: value for name, value in record.items() if name != "crc"}
    return f"{zlib.crc32(json.dumps(data, sort_keys=True).encode()):08x}"


def find_fault(name: str, value: object, evaluator: Evaluator) -> str:
    """The rule that a metric breaks; empty where it breaks none.

    Args:
        name: of the metric.
        value: what is recorded of it.
        evaluator: which states metrics of its own.
    """
    if name in ACCURACIES:
        return check_value(find_metric("accuracy", evaluator.own_metrics), value).replace("accuracy", name, 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{name} must be a number, not {value!r:.40}"
    known = any(metric.name == name for metric in evaluator.own_metrics)
    return check_value(find_metric(name, evaluator.own_metrics), value) if known else _sign(name, value)


def _sign(name: str, value: float) -> str:
    """Costs and durations are not negative."""
    counted = name in ("params", "macs", "activations", "saved_bytes", "latency_ms", "train_seconds")
    return f"{name} must be a finite number from 0, not {value!r}" if counted and not 0 <= value < math.inf else ""


def _refuse(path: Path, line: int, rule: str) -> RunError:
    return RunError(f"{path}:{line}: damaged: {rule}; move it away, and --retry-failed evaluates this layout again")


def _line(path: Path, name: str) -> int:
    """The line on which a field stands, as results are written."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, text in enumerate(lines, 1) if text.strip().startswith(json.dumps(name) + ":")), 1)
