"""The loggers of a run at work: each in a thread of its own, so that a slow one delays no training."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import final

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.evaluator import Epoch
from search.logger import LoggedMember, LoggedRun, LoggedTrial, Logger, LogSession, RunEnd, TrialEnd
from search.train.curve import read_curve

CLOSE_SECONDS = 60.0
"""Time that a logger has at the end for what it has not written yet."""
REFUSE_SECONDS = 2.0
"""The same, of a run that does not begin or that was ended at once."""
SHOWN = 200


@final
class RunLog:
    """The loggers that a run was asked for; a context, at whose end they are closed.

    One that fails is told once, by `take_lines`, and gets nothing more. Epochs that were told to nobody, such as those
    that a killed process trained, are taken from the training's `curve.csv`; none is logged twice.

    Args:
        loggers: in the order asked for.
        run: that is logged.

    Raises:
        SpecError: one cannot start; all are closed then.
    """

    def __init__(self, loggers: Sequence[Logger], run: LoggedRun) -> None:
        self._state: RunEnd = "failed"
        self._lines = SimpleQueue[str]()
        self._threads = [_LoggerThread(logger, run, self._lines.put) for logger in loggers]
        faults = [(one.tag, fault) for one in self._threads if (fault := one.wait_open())]
        if faults:
            self._close(REFUSE_SECONDS)
            tag, fault = faults[0]
            raise SpecError(f"{tag} cannot start: {fault}", field="log")

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._close(CLOSE_SECONDS if kind is None or issubclass(kind, Exception) else REFUSE_SECONDS)

    def __bool__(self) -> bool:
        return bool(self._threads)

    def begin(self, trial: LoggedTrial) -> None:
        """A trial has gone to a worker."""
        for one in self._threads:
            one.put(lambda own=one: own.begin(trial))

    def note(self, trial: LoggedTrial, epoch: Epoch) -> None:
        """An epoch of it has ended."""
        for one in self._threads:
            one.put(lambda own=one: own.log(trial, epoch))

    def end(self, trial: LoggedTrial, state: TrialEnd, metrics: Mapping[str, float | int]) -> None:
        """Its answer has come in."""
        for one in self._threads:
            one.put(lambda own=one: own.end(trial, state, metrics))

    def close(self, state: RunEnd, title: str = "", members: Sequence[LoggedMember] = ()) -> None:
        """Say how this start of the run ended, and with which front; the context's end waits for all to be written."""
        self._state = state
        for one in self._threads if members else ():
            one.put(lambda own=one: own.session.log_members(title, members))

    def take_lines(self) -> list[str]:
        """Lines for people since this was asked last: loggers that failed."""
        lines: list[str] = []
        while True:
            try:
                lines.append(self._lines.get_nowait())
            except Empty:
                return lines

    def _close(self, seconds: float) -> None:
        for one in self._threads:
            one.put(lambda own=one: own.session.close(self._state))
            one.put(None)
        for one in self._threads:
            one.join(seconds)


@final
class _LoggerThread:
    """One logger: its calls in order, and what it has logged of each trial."""

    def __init__(self, logger: Logger, run: LoggedRun, say: Callable[[str], None]) -> None:
        self.tag = str(logger.type)
        self._logger, self._run, self._say = logger, run, say
        self._queue = SimpleQueue[Callable[[], None] | None]()
        self._opened = threading.Event()
        self._fault = ""
        self._last: dict[str, int] = {}
        self._thread = threading.Thread(target=self._work, name=f"archspec-log-{self.tag}", daemon=True)
        self._thread.start()

    def wait_open(self) -> str:
        """The reason why it cannot start; empty where it has."""
        self._opened.wait()
        return self._fault

    def put(self, call: Callable[[], None] | None) -> None:
        """Have something done after all that was asked before; None ends the thread."""
        self._queue.put(call)

    def join(self, seconds: float) -> None:
        """Wait for the end of what was asked, as long as a person would."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._say(f"{self.tag}: not everything is logged: it did not answer within {seconds:g} s")

    def begin(self, trial: LoggedTrial) -> None:
        """Open a trial, and log what earlier starts of the run trained of it and did not log."""
        self._last[trial.name] = self.session.begin_trial(trial)
        self._catch_up(trial)

    def log(self, trial: LoggedTrial, epoch: Epoch) -> None:
        """Log an epoch, unless it is."""
        last = self._last[trial.name]
        if epoch.number > last + 1:
            self._catch_up(trial, epoch.number - 1)
        if epoch.number > last:
            self.session.log_epoch(trial, epoch)
            self._last[trial.name] = epoch.number

    def end(self, trial: LoggedTrial, state: TrialEnd, metrics: Mapping[str, float | int]) -> None:
        """Log the epochs that nobody told, and close the trial."""
        self._catch_up(trial)
        self.session.end_trial(trial, state, metrics)

    def _catch_up(self, trial: LoggedTrial, until: int | None = None) -> None:
        rows = read_curve(trial.folder / "curve.csv")
        for row in rows if until is None else rows[:until]:
            if row.epoch > self._last[trial.name]:
                self.session.log_epoch(trial, Epoch(row.epoch, len(rows), row.values))
                self._last[trial.name] = row.epoch

    def _work(self) -> None:
        try:
            self.session: LogSession = self._logger.open(self._run)
        except Exception as error:  # whatever a package of somebody else's raises
            self._fault = explain_failure(error)
        finally:
            self._opened.set()
        failed = bool(self._fault)
        while (call := self._queue.get()) is not None:
            if failed:
                continue
            try:
                call()
            except Exception as error:
                failed = True
                self._say(f"{self.tag} failed and is left out from here on: {explain_failure(error)}; the run goes on")


def explain_failure(error: Exception) -> str:
    """The first line of an error of somebody else's package, with its kind where it says little."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    kind = "" if isinstance(error, ValueError | OSError) and first else f"{type(error).__name__}: "
    return printable(f"{kind}{first}"[:SHOWN]).removesuffix(": ").rstrip(".")


def trial_folder_name(*words: object) -> str:
    """A name fit for a folder from words: letters, digits, `-`, `_` and `.`."""
    text = "-".join(str(word) for word in words)
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "-" for char in text)
    return "-".join(filter(None, plain.split("-")))[:120]
