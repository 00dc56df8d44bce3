"""The time that a run still needs, from the epochs and trainings that it has seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import final

from search.evaluator import Epoch

Key = tuple[str, str]
"""Digest and folder name of an evaluation."""
FROM_DISK = 0.5
"""Seconds: an answer without an epoch that took less was a result on disk, and says nothing of the next."""
WORTH_SAYING = 10.0


@final
@dataclass(slots=True)
class RunPart:
    """A part of a run.

    Attributes:
        title: `search`, `random baseline`, `finalists`.
        trainings: that it still needs at most.
        epochs: of each, in the mean where they differ; None where the evaluator has none.
    """

    title: str
    trainings: int
    epochs: float | None = None


@final
@dataclass(slots=True)
class _UnderWay:
    begun: float
    number: int = 0
    total: int = 0
    told: int = 0
    seconds: float = 0.0
    last: float = 0.0


@final
@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    count: int = 0

    def add(self, value: float, count: int = 1) -> None:
        self.total, self.count = self.total + value, self.count + count

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None


@final
@dataclass
class TimeEstimate:
    """The time that is left: trainings left times the seconds of those seen, over the workers.

    Layouts differ in cost, so that early on it is right to within a factor; each training sharpens it.

    Args:
        workers: of the run.
        parts: of the run, in their order, with what each still needs.
        clock: seconds.
    """

    workers: int
    parts: Sequence[RunPart]
    clock: Callable[[], float] = time.monotonic
    device: str = ""
    _running: dict[Key, _UnderWay] = field(default_factory=dict[Key, _UnderWay])
    _epoch: _Mean = field(default_factory=_Mean)
    _beside: _Mean = field(default_factory=_Mean)
    _whole: _Mean = field(default_factory=_Mean)
    _deadline: float | None = None
    _said: bool = False

    def begin_part(self, title: str, trainings: int, timeout: float | None = None) -> None:
        """A part begins, of which so many trainings are left; those before it are over.

        Args:
            title: of the part.
            trainings: left.
            timeout: seconds after which it begins none; None for no limit.
        """
        titles = [part.title for part in self.parts]
        self.parts = self.parts[titles.index(title) :] if title in titles else [RunPart(title, trainings)]
        self.parts[0].trainings = trainings
        self._deadline = None if timeout is None else self.clock() + timeout

    def begin(self, key: Key) -> None:
        """A training has gone to a worker."""
        self._running[key] = _UnderWay(self.clock())

    def note(self, key: Key, epoch: Epoch) -> None:
        """An epoch of it has ended."""
        seconds = epoch.values.get("seconds", 0.0)
        self._epoch.add(seconds)
        self.device = epoch.device or self.device
        own = self._running.setdefault(key, _UnderWay(self.clock() - seconds))
        own.number, own.total, own.last = epoch.number, epoch.total, self.clock()
        own.told, own.seconds = own.told + 1, own.seconds + seconds

    def end(self, key: Key, left: int, *, done: bool) -> None:
        """Its answer has come in; `left` trainings of this part are not done."""
        self.parts[0].trainings = left
        own = self._running.pop(key, None)
        if own is None or not done:
            return
        wall = self.clock() - own.begun
        if own.told and own.told == own.total:
            self._beside.add(max(0.0, wall - own.seconds))
        elif not own.told and wall >= FROM_DISK:
            self._whole.add(wall)

    def left_of(self, key: Key) -> float | None:
        """Seconds that a training under way still needs; None while nothing tells."""
        own = self._running.get(key)
        if own is None:
            return None
        if own.told:
            rest = (own.total - own.number) * own.seconds / own.told - (self.clock() - own.last)
            return max(0.0, rest) + (self._beside.value or 0.0)
        whole = self._duration(self.parts[0]) if self.parts else None
        return None if whole is None else max(0.0, whole - (self.clock() - own.begun))

    def left(self) -> float | None:
        """Seconds that the run still needs; None while nothing tells."""
        total = 0.0
        for index, part in enumerate(self.parts):
            one = self._duration(part)
            if one is None:
                return None
            running = [self.left_of(key) or 0.0 for key in self._running] if index == 0 else []
            queued = max(0, part.trainings - len(running))
            seconds = (sum(running) + queued * one) / max(1, min(self.workers, len(running) + queued))
            seconds = max([seconds, *running])
            if index == 0 and self._deadline is not None:
                seconds = min(seconds, max(0.0, self._deadline - self.clock()) + one)
            total += seconds
        return total

    def first_line(self) -> str:
        """One line, once, as soon as every worker has told an epoch or a training has ended; empty before and after."""
        left = self.left()
        busy = [own for own in self._running.values() if own.told]
        ended = self._beside.count + self._whole.count
        if self._said or left is None or not (ended or len(busy) >= min(self.workers, self.parts[0].trainings)):
            return ""
        self._said = True
        if left < WORTH_SAYING:
            return ""
        each = self._duration(self.parts[0])
        trainings = sum(part.trainings for part in self.parts)
        text = f"time: about {show_seconds(left)} left for {trainings:,} trainings of about {show_seconds(each or 0)}"
        epochs = self._epoch.value
        text += f", {show_seconds(epochs)} an epoch" if epochs is not None else ""
        return text + (f", on {self.device}" if self.device else "")

    def _duration(self, part: RunPart) -> float | None:
        """Seconds of one training of a part."""
        if part.epochs is None or self._epoch.value is None:
            return self._whole.value
        return part.epochs * self._epoch.value + (self._beside.value or 0.0)


def show_seconds(seconds: float) -> str:
    """A time in words, no finer than an estimate is: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60 // 10 * 10} min".removesuffix(" 0 min")
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h".removesuffix(" 0 h")
