"""The phase of a run before its search: what is trained once, and what every evaluation then draws on."""

from __future__ import annotations

from pathlib import Path
from typing import final

from archspec.errors import RunError
from search.evaluator import Pretraining
from search.logger import LoggedTrial
from search.run.phase import Phase, Restarts, describe_order
from search.run.worker import Order, Report


@final
class PretrainingPhase(Phase):
    """One training, by one worker; the others wait. Its folder says whether it has ended.

    Args:
        what: is trained.
        evaluator: name of the configuration that trains it.
        root: folder of the run.
        seed: of the training.

    Raises:
        SpecError: the folder holds something else.
        OSError: it cannot be written.
    """

    def __init__(self, what: Pretraining, evaluator: str, root: Path, seed: int) -> None:
        super().__init__()
        self.title = self.noun = what.name
        self.root = root
        what.write(root / what.name)
        spec = what.spec
        self._order = Order(spec.canonical(), spec.digest, seed, what.name, evaluator, place=what.name)
        self._waiting, self._done, self._restarts = True, False, Restarts()

    @property
    def progress(self) -> tuple[int, int]:
        return int(self._done), 1

    def next_order(self) -> Order | None:
        order = self._order if self._waiting else None
        self._waiting = False
        return order

    def label(self, order: Order) -> str:
        return self.title

    def describe(self, order: Order) -> LoggedTrial:
        return describe_order(order, self.root, self.title, self.title, self.title, None, {})

    def finish(self, order: Order, report: Report) -> str:
        """Note its end.

        Raises:
            RunError: it failed, so that nothing can be evaluated.
        """
        if report.kind == "done" and report.metrics is not None:
            self._done = True
            seconds = report.metrics.get("train_seconds", 0.0)
            return f"{self.title}: trained in {seconds:.0f} s of training time; its largest layout has accuracy " + (
                f"{report.metrics['accuracy']:.4f}"
            )
        self._waiting = self._restarts.allow(self.title, report)
        if self._waiting:
            return f"{self.title} {report.state}: {report.text.removeprefix('interrupted ')}; queued again"
        raise RunError(f"the {self.title} could not be trained, so that no layout is evaluated: {report.text}")
