"""Orders and reports as lines of JSON, in which they travel between a run and its jobs through files."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from search.evaluator import Epoch
from search.run.worker import Order, Report


def encode_order(order: Order) -> str:
    """An order as one line of JSON."""
    return json.dumps(asdict(order))


def decode_order(text: str) -> Order:
    """An order from its line.

    Raises:
        ValueError, TypeError: it is none.
    """
    data: dict[str, Any] = json.loads(text)
    data["wanted"] = tuple(data["wanted"])
    return Order(**data)


def encode_report(report: Report) -> str:
    """A report as one line of JSON; numbers come back as they were, NaN among them."""
    return json.dumps(asdict(report))


def decode_report(text: str) -> Report:
    """A report from its line.

    Raises:
        ValueError, TypeError: it is none.
    """
    data: dict[str, Any] = json.loads(text)
    if data["epoch"] is not None:
        data["epoch"] = Epoch(**data["epoch"])
    return Report(**data)
