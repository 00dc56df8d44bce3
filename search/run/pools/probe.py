"""The check of an engine: one order that reports where it was answered, and whether it saw the folder of the run."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import final

from archspec.errors import RunError
from search.installation import describe_installation
from search.processes.machine import host_name
from search.run.pools.engine import Engine
from search.run.worker import PROBE, Order

CHECK_FOLDER = ".engine-check"
"""Beginning of the name of the folder in that of all runs which stands for a run, and is removed."""


@final
@dataclass(frozen=True, slots=True)
class EngineCheck:
    """The answer of an engine: facts on the worker, by name, and whether a run can work there."""

    facts: dict[str, str]
    works: bool


def check_engine_works(engine: Engine, runs: Path, patience: float) -> EngineCheck:
    """Have an engine answer an order: where, with which code, and whether it sees the folder of the run.

    Args:
        engine: to check.
        runs: folder of all runs.
        patience: seconds to wait for the answer.

    Raises:
        SpecError: the engine cannot run here.
        RunError: the order was not answered.
        OSError: the folder cannot be written.
    """
    engine.check_ready({})
    root, word = runs / f"{CHECK_FOLDER}-{secrets.token_hex(6)}", secrets.token_hex(8)
    order = Order({}, CHECK_FOLDER, 0, word, PROBE, place=CHECK_FOLDER.lstrip("."))
    order.folder(root).mkdir(parents=True)
    (order.folder(root) / "word").write_text(word, encoding="utf-8")
    try:
        return _ask(engine, root, order, patience)
    finally:
        shutil.rmtree(root, ignore_errors=True)
        if runs.is_dir() and not any(runs.iterdir()):
            runs.rmdir()


def _ask(engine: Engine, root: Path, order: Order, patience: float) -> EngineCheck:
    begun, said = time.monotonic(), "nothing was heard of it"
    with engine.open({}, root, 1) as pool:
        pool.submit(order)
        while pool.busy:
            for _, report in pool.reports(0.2):
                said = report.text or said
                if report.kind == "done":
                    return _read(order, root, report.text, time.monotonic() - begun)
                if report.kind not in ("progress", "note"):
                    raise RunError(f"engine {engine.type} did not answer: {report.text}")
            if time.monotonic() - begun > patience:
                raise RunError(f"engine {engine.type} did not answer within {patience:g} s: {said}")
    raise RunError(f"engine {engine.type} did not answer: {said}")


def _read(order: Order, root: Path, text: str, seconds: float) -> EngineCheck:
    facts: dict[str, str] = json.loads(text)
    shared = facts.pop("word") == order.run and (order.folder(root) / "answer").exists()
    facts["run folder"] = f"{'shared' if shared else 'NOT shared'} with {host_name()} (a file written from each side)"
    own = describe_installation()["archspec"]
    same = facts["archspec"] == own
    facts["archspec"] += ", the same code as here" if same else f", NOT the code here, which is {own}"
    facts["answered"] = f"in {seconds:.1f} s"
    return EngineCheck(facts, shared and same)
