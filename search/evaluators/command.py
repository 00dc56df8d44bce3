"""Accuracy from a command of the user's own: any training code in any framework."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal, cast, final

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from archspec.cost.metrics import Metric
from archspec.documents.safe_text import PlainLine, printable
from archspec.errors import FieldError, Interrupted, RunError
from archspec.spec.schema import ArchSpec
from search.evaluator import Evaluator, Metrics, Session, Task, at_resolution, cost_metrics, cost_names
from search.inputs import Input, digest_file
from search.own_metrics import MetricSpec, OwnMetrics, check_answer, own_metrics
from search.plugins import parse_config
from search.processes.folder_lock import has_locks, lock_output
from search.processes.supervised import SupervisedCommand

POLL_SECONDS = 0.1
PROGRAMS = (b"\x7fELF", b"MZ\x90\x00", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""How the files of compiled programs begin: of Linux, Windows and macOS."""
WANTED = 'a JSON object such as {"accuracy": 0.8172}'
SHOWN = 120
"""Characters of a last line that are shown where it is not what it should be."""


@final
class Command(Evaluator):
    """A command run for each layout; the last line that it prints is a JSON object with at least `accuracy` (0 to 1).

    In the arguments `{spec}` becomes the path of the layout's YAML file, `{folder}` the folder for its files,
    `{seed}` the seed, `{resolution}` the side of the image and `{split}` `validation` or, for finalists, `test`:
    then the object must hold `test_accuracy` too, and always what `metrics` names. `{epochs}` becomes the epochs that
    the training is to have in all, if `epochs` says how many a whole one has, and `{checkpoint}` a folder that is there
    again when the training goes on to the next rung of a study: what it needs for that, the command saves there. Other
    numbers in the object are recorded beside, but for names that a trial gives to other things (`seed`, `digest`, ...).
    """

    pauses: ClassVar[bool] = True

    type: Literal["command"] = "command"
    command: tuple[str, ...] = Field(min_length=1, description="program and arguments")
    resolution: int | None = Field(
        default=None,
        gt=0,
        le=16384,
        strict=True,
        description="side of the image for which costs are stated; null for the space's own",
    )
    timeout: float = Field(
        default=86_400,
        gt=0,
        strict=True,
        description="seconds after which the command is ended and the layout has failed",
    )
    label: PlainLine = Field(default="accuracy", max_length=60, description="name of the accuracy in reports")
    benchmark: str | None = Field(
        default=None, description="published benchmark that it is comparable with: imagenet1k"
    )
    epochs: int | None = Field(
        default=None, ge=1, le=10_000, strict=True, description="of a whole training, for {epochs} in the arguments"
    )
    metrics: OwnMetrics = Field(
        default_factory=dict[str, MetricSpec],
        description="further numbers that it prints, for objectives: {energy_j: {unit: J}, top5: maximize}",
    )

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        record = handler(self)
        if not self.metrics:  # as runs of earlier versions recorded it, which are compared with this when continued
            record.pop("metrics", None)
        if self.epochs is None:
            record.pop("epochs", None)
        return record

    @property
    def gives(self) -> frozenset[str]:
        return cost_names() | {"accuracy", *self.metrics}

    @property
    def own_metrics(self) -> tuple[Metric, ...]:
        return own_metrics(self.metrics)

    @property
    def metric(self) -> dict[str, str | None]:
        return {"name": "accuracy", "label": self.label, "dataset": "command", "benchmark": self.benchmark}

    @property
    def whole_epochs(self) -> int | None:
        return self.epochs

    def with_epochs(self, epochs: int) -> Evaluator:
        return self if self.epochs is not None else self.model_copy(update={"epochs": epochs})

    def check_pauses(self) -> None:
        for name, holds in (("epochs", "how long to train"), ("checkpoint", "the folder to go on from")):
            if not any(f"{{{name}}}" in argument for argument in self.command):
                raise FieldError("", f"need {{{name}}} among the arguments of evaluator.command: {holds}")

    def prepare(self, spec: ArchSpec) -> ArchSpec:
        return at_resolution(spec, self.resolution)

    def settled(self, resolution: int) -> Evaluator:
        return self if self.resolution is not None else self.model_copy(update={"resolution": resolution})

    def inputs(self) -> tuple[Input, ...]:
        files = {str(path): digest_file(path) for path in named_files(self.command)}
        return (Input("code", "files of the command", "file", files),) if files else ()

    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        return parse_config({**self.model_dump(), **changes}, "evaluator", lambda tag: Command)

    def open(self) -> Session:
        return CommandSession(self)


@final
class CommandSession(Session):
    """A session that runs one command at a time."""

    def __init__(self, config: Command) -> None:
        self.config = config

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Callable[[str], None]) -> Metrics:
        progress("command")
        output = task.folder / "output.txt"
        start = time.monotonic()
        if not has_locks():  # what a node that was given up still prints goes to the file that it has open
            output.unlink(missing_ok=True)
        with output.open("ab") as file:
            lock_output(file, output, stop)  # what a killed run left of this command has it as its output
            file.truncate(0)
            try:
                command = SupervisedCommand(self._arguments(task), file)
                code = self._wait(command, stop, start + self.config.timeout)
            except ChildProcessError as error:  # the layout is not to blame
                raise Interrupted(str(error)) from None
            except OSError as error:
                raise RunError(f"command cannot be run: {error}") from None
        if code:
            said = _last_words(output.read_text(encoding="utf-8", errors="replace"))
            raise RunError(f"command ended with exit code {code}{said} (see {output})")
        record = _last_line(output.read_text(encoding="utf-8", errors="replace"), f"{output}")
        check_answer(record, self.config.metrics, final=task.final, place=f"see {output}")
        metrics = _numbers(record)
        metrics.setdefault("train_seconds", time.monotonic() - start)
        return metrics | cost_metrics(task.spec)

    def _wait(self, command: SupervisedCommand, stop: Callable[[], bool], deadline: float) -> int:
        """The exit code of the command, of which nothing is alive when this returns or raises."""
        try:
            while (code := command.wait(POLL_SECONDS)) is None:
                if stop():
                    raise Interrupted("interrupted while the command ran")
                if time.monotonic() > deadline:
                    raise RunError(f"command took longer than {self.config.timeout:g} s")
        except BaseException:
            command.end()
            raise
        if code < 0 or code > 128:  # a signal: a batch system may have sent it to all processes of the run
            time.sleep(POLL_SECONDS)
            if stop():
                raise Interrupted("interrupted while the command ran")
        return code

    def _arguments(self, task: Task) -> list[str]:
        checkpoint = task.folder / "checkpoint"
        epochs = task.epochs or self.config.epochs
        if any("{checkpoint}" in argument for argument in self.config.command):
            checkpoint.mkdir(exist_ok=True)
        values = {
            "spec": str(task.folder.parent / "spec.yaml"),
            "folder": str(task.folder),
            "seed": str(task.seed),
            "resolution": _side(task.spec),
            "split": "test" if task.final else "validation",
            "checkpoint": str(checkpoint),
            **({"epochs": str(epochs)} if epochs is not None else {}),
        }
        pattern = re.compile(r"\{(" + "|".join(values) + r")\}")
        return [pattern.sub(lambda match: values[match[1]], argument) for argument in self.config.command]


def _side(spec: ArchSpec) -> str:
    """The side of the image, or `HEIGHTxWIDTH` of one that is no square."""
    return str(spec.image) if isinstance(spec.image, int) else "x".join(map(str, spec.image))


def named_files(command: Sequence[str]) -> list[Path]:
    """The files that a command names, as far as they are there: a script, a configuration, the module behind `-m`.

    Words of an argument that is itself a command line (`bash -c "python train.py"`) and what stands behind `=` are
    looked at, too; compiled programs and folders are not.
    """
    words = [word for argument in command for word in (argument, *_words(argument))]
    names = [name for word in words for name in (word, word.partition("=")[2])]
    modules = [word.replace(".", "/") for before, word in pairwise(words) if before == "-m"]
    names += [name for module in modules for name in (f"{module}.py", f"{module}/__main__.py")]
    return [path for name in dict.fromkeys(names) if name and "{" not in name and _holds_code(path := Path(name))]


def _holds_code(path: Path) -> bool:
    """Whether there is a file that people write, and not a program such as the interpreter."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) not in PROGRAMS
    except OSError:  # may be run, and not read
        return False


def _words(argument: str) -> list[str]:
    try:
        return shlex.split(argument) if " " in argument else []
    except ValueError:  # a quote that is not closed
        return []


def _last_words(text: str) -> str:
    """The last line of an output, as what is said of a failure; empty where there is none."""
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
    return f": {printable(last[:SHOWN])}" if last else ""


def _last_line(text: str, place: str) -> dict[str, Any]:
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
    if not last:
        raise RunError(f"the command printed nothing; its last line must be {WANTED} (see {place})")
    try:
        record = json.loads(last)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        shown = printable(last if len(last) <= SHOWN else f"{last[:SHOWN]}...")
        quotes = "; JSON wants double quotes: print(json.dumps(record))" if last.startswith("{'") else ""
        raise RunError(f"the command's last line must be {WANTED}{quotes}, not: {shown} (see {place})")
    return cast("dict[str, Any]", record)


def _numbers(record: dict[str, Any]) -> Metrics:
    return {
        key: value for key, value in record.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
