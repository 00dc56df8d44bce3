"""Where the CPU time of a worker's trials goes, by timers around the parts, for `benchmarks/training.py`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from search.evaluator import Task
from search.study.reading import load_study

GOAL = 0.88
LEARNING = "forward, backward and optimiser"
PARTS = (
    ("search.train.step", "Stepper.learn", LEARNING),
    ("search.train.loop", "evaluate", "validation"),
    ("search.tasks.ema", "Ema.update", "average of the weights"),
    ("search.tasks.classification", "ClassificationLesson.step", "augmentation of batches"),
    ("search.train.loop", "save_checkpoint", "checkpoint"),
    ("search.train.loop", "train", "rest of the loop"),
    ("archspec.model.build", "build", "build"),
    ("archspec.model.audit", "audit_trained", "audit"),
)
"""Functions by module and name, and what they are called in the table; each without what the others take of it."""
LATENCY = ("search.train.latency", "search.latency.measurement", "search.latency.session")
"""Where `measure_latency` is."""


class Stopwatch:
    """CPU seconds by part; a part that is called within another does not count for that one."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inner: list[float] = []

    def around(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, timed as `part`."""

        def timed(*args: Any, **options: Any) -> Any:
            self._inner.append(0.0)
            start = time.process_time()
            try:
                return call(*args, **options)
            finally:
                taken = time.process_time() - start
                self.seconds[part] += taken - self._inner.pop()
                if self._inner:
                    self._inner[-1] += taken

        return timed

    def install(self, stack: ExitStack) -> None:
        """Put timers around all parts until `stack` is closed."""
        for module, name, part in PARTS:
            owner: Any = import_module(module)
            *outer, last = name.split(".")
            owner = getattr(owner, outer[0]) if outer else owner
            stack.enter_context(patch.object(owner, last, self.around(part, getattr(owner, last))))
        for module in LATENCY:
            try:
                owner = import_module(module)
            except ImportError:
                continue
            stack.enter_context(patch.object(owner, "measure_latency", self.around("latency", owner.measure_latency)))
        from search.data.tensor_split import TensorSplit

        whole = TensorSplit.batches

        def batches(split: TensorSplit, *args: Any, **options: Any) -> Iterator[Any]:
            following = self.around("data", whole(split, *args, **options).__next__)
            while True:
                try:
                    batch = following()
                except StopIteration:
                    return
                yield batch

        stack.enter_context(patch.object(TensorSplit, "batches", batches))


def profile(study: str, layouts: int, folder: Path) -> bool:
    """Print the shares of a trial, over layouts drawn at random from a study's space; whether the goal is met."""
    config: Any = load_study(study, folder, {})
    start = time.process_time()
    session = config.evaluator.open()
    rng, space = Random(5), config.open_space()
    specs = [config.evaluator.prepare(space.sample(rng).spec) for _ in range(layouts + 1)]

    def trial(number: int) -> None:
        task = Task(specs[number], number, folder / "artifacts" / str(number), folder)
        session.evaluate(task, lambda: False, lambda _: None)

    watch = Stopwatch()
    opened = time.process_time() - start
    trial(0)  # what a process imports, it imports once
    with ExitStack() as stack:
        watch.install(stack)
        for number in range(1, layouts + 1):
            watch.around("rest of the trial", trial)(number)
    total = watch.seconds.total()
    print(f"{layouts} trials of {study}: {total / layouts:.1f} CPU s each; its worker's data {opened:.1f} s, once")
    for part, seconds in watch.seconds.most_common():
        print(f"  {part:32s} {seconds / layouts:7.3f} s {100 * seconds / total:6.1f} %")
    return watch.seconds[LEARNING] >= GOAL * total
