"""What loggers are given: a run and its trials; and an evaluator whose trainings tell their epochs."""

import os
import signal
from pathlib import Path
from typing import Any, Literal, final

import archspec
from archspec.errors import Interrupted
from archspec.plugins import Epoch, Evaluator, Session, cost_metrics
from search.logger import LoggedRun, LoggedTrial
from search.train.curve import EpochRecord, read_curve, write_curve

FEW: dict[str, Any] = {
    "name": "few",
    "resolution": 32,
    "stem": "hr_stem",
    "head": {"type": "classifier", "classes": 10},
    "stages": [{"block": "HR", "depth": {"range": [1, 4]}, "width": {"choice": [8, 12]}}],
}


def logged_run(root: Path) -> LoggedRun:
    params = {"stages[0].depth": (1, 2), "stages[0].block": ("HR", "T")}
    return LoggedRun("toy", "search", root, "name: toy\n", {"space": "few"}, "accuracy", ("accuracy", "macs"), params)


def logged_trial(root: Path, name: str = "search-0000-abc") -> LoggedTrial:
    params = {"stages[0].depth": 2, "stages[0].block": "HR"}
    folder = root / "artifacts" / name
    folder.mkdir(parents=True, exist_ok=True)
    return LoggedTrial(name, "trial 0", "search", 0, "abcd" * 4, "HR2x8", 0, params, {"macs": 1234}, folder)


def epoch_row(number: int) -> EpochRecord:
    return EpochRecord(number, 0.1 / number, 2.0 / number, 1 - 1 / number, 1.5 / number, 0.01)


def epoch(number: int, total: int = 4) -> Epoch:
    return Epoch(number, total, epoch_row(number).values, device="cpu")


@final
class Pretended(Evaluator):
    """Trainings of a few epochs that continue from their curve; `interrupt` ends one of them in its third epoch.

    `tell` says whether epochs are told before the interruption, as those of a process that is killed may not be.
    """

    type: Literal["pretended_in_tests"] = "pretended_in_tests"
    epochs: int = 4
    interrupt: bool = False
    tell: bool = True

    @property
    def gives(self):
        return frozenset({"accuracy", *cost_metrics(archspec.load("tiny"))})

    @property
    def metric(self):
        return {"name": "accuracy", "label": "accuracy", "dataset": "none", "benchmark": None}

    def prepare(self, spec):
        return spec

    def finalist(self, changes):
        return self

    def open(self):
        return PretendedSession(self)


@final
class PretendedSession(Session):
    def __init__(self, config: Pretended) -> None:
        self.config = config

    def evaluate(self, task, stop, progress):
        path = task.folder / "curve.csv"
        curve = read_curve(path)
        while len(curve) < self.config.epochs:
            if self.config.interrupt and len(curve) == 2 and not stop() and not (task.root / "hit").exists():
                (task.root / "hit").touch()
                os.kill(os.getpid(), signal.SIGINT)
            if stop():
                raise Interrupted("saved")
            curve.append(epoch_row(len(curve) + 1))
            write_curve(path, curve)
            if self.config.tell:
                progress(Epoch(len(curve), self.config.epochs, curve[-1].values, "acc 0.5", "cpu"))
        depth = task.spec.stages[0].depth
        return {"accuracy": depth / 10 + task.seed % 7 / 100, "test_accuracy": depth / 10} | cost_metrics(task.spec)
