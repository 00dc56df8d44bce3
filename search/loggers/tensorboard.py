"""Event files for TensorBoard in the folder `tensorboard` of a run: scalars, hyper-parameters, the front as a table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from search.evaluator import Epoch
from search.logger import LoggedMember, LoggedRun, LoggedTrial, Logger, LogSession, RunEnd, TrialEnd

LAST = "training/epoch"
"""Tag by which a trial's last epoch is found again."""
EXPERIMENT, START, END = (f"_hparams_/{name}" for name in ("experiment", "session_start_info", "session_end_info"))
"""Tags of TensorBoard's plugin for hyper-parameters."""
NO_BREAK = "\N{NO-BREAK SPACE}"


@final
class TensorBoardLogger(Logger):
    """Event files: `tensorboard --logdir runs` shows them; a trial is a run of its own there, by its name."""

    packages: ClassVar[Mapping[str, str]] = {"tensorboard": "archspec-vision[tensorboard]"}

    type: Literal["tensorboard"] = "tensorboard"
    folder: str = Field(
        default="", max_length=1000, description="of all runs' event files; empty: tensorboard in the run's own folder"
    )

    def open(self, run: LoggedRun) -> LogSession:
        root = Path(self.folder).expanduser() / run.name if self.folder else run.root / "tensorboard"
        return TensorBoardSession(root, run)


@final
class TensorBoardSession(LogSession):
    """Writers of the trials under way, one folder each; written without torch.

    Args:
        root: folder of the event files.
        run: that is logged.
    """

    def __init__(self, root: Path, run: LoggedRun) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root, self._run = root, run
        self._writers: dict[str, Any] = {}
        self._ended: set[str] = set()
        for old in root.glob("events.out.tfevents.*"):  # the run's own text, written anew at every start
            old.unlink()
        self._main = _writer(root)
        facts = "\n".join(f"| {name} | {text} |" for name, text in run.facts.items())
        config = "\n".join(f"    {line}" for line in run.config.splitlines())
        self._main.add_event(_text("run", f"| {run.kind} | {run.name} |\n|---|---|\n{facts}\n\n{config}"))
        self._main.add_event(_hyper(_experiment(run)))
        self._main.flush()

    def begin_trial(self, trial: LoggedTrial) -> int:
        folder = self._root / trial.name
        last, begun, ended = _read_back(folder)
        if ended:
            self._ended.add(trial.name)
        writer = self._writers[trial.name] = _writer(folder)
        if not begun:
            about = {"layout": trial.code, "digest": trial.digest, "seed": trial.seed, **trial.costs}
            rows = "\n".join(f"| {name} | {_number(value)} |" for name, value in about.items())
            writer.add_event(_text("trial", f"| | {trial.title} |\n|---|---|\n{rows}"))
            writer.add_event(_hyper(_session_start(trial, self._run.root)))
        writer.flush()
        return last

    def log_epoch(self, trial: LoggedTrial, epoch: Epoch) -> None:
        values = {_tag(name, self._run.quality): value for name, value in epoch.values.items()}
        writer = self._writers[trial.name]
        writer.add_event(_scalars(values | {LAST: epoch.number}, epoch.number))  # one event: all of it, or nothing
        writer.flush()

    def end_trial(self, trial: LoggedTrial, state: TrialEnd, metrics: Mapping[str, float | int]) -> None:
        writer = self._writers.pop(trial.name)
        if state != "interrupted" and trial.name not in self._ended:
            numbers = {_result(name, self._run.quality): value for name, value in {**trial.costs, **metrics}.items()}
            writer.add_event(_scalars(numbers if state == "done" else {}, 0))
            writer.add_event(_hyper(_session_end(state)))
        writer.close()

    def log_members(self, title: str, members: Sequence[LoggedMember]) -> None:
        names = list(members[0].values) if members else []
        head = f"| trial | {' | '.join(names)} | layout |\n|---|{'---|' * len(names)}---|"
        rows = [
            f"| {one.name.replace(' ', NO_BREAK)} | {' | '.join(map(_number, one.values.values()))} | {one.layout} |"
            for one in members
        ]
        self._main.add_event(_text(title, "\n".join([head, *rows])))
        self._main.flush()

    def close(self, state: RunEnd) -> None:
        del state
        for writer in (*self._writers.values(), self._main):
            writer.close()


def _module(name: str) -> Any:
    """A module of TensorBoard, which need not be installed."""
    return import_module(f"tensorboard.{name}")


def _writer(folder: Path) -> Any:
    return _module("summary.writer.event_file_writer").EventFileWriter(str(folder))


def _read_back(folder: Path) -> tuple[int, bool, bool]:
    """The last epoch in the event files of a trial, whether it was begun there, and whether it has its result."""
    last, begun, ended = 0, False, False
    for event in _events(folder) if folder.is_dir() else ():
        for value in event.summary.value:
            begun = begun or value.tag == START
            ended = ended or value.tag.startswith("result/")
            if value.tag == LAST:
                last = max(last, event.step)
    return last, begun, ended


def _events(folder: Path) -> Iterator[Any]:
    loader = _module("backend.event_processing.event_file_loader").LegacyEventFileLoader
    for path in sorted(folder.glob("events.out.tfevents.*")):
        yield from loader(str(path)).Load()


def _tag(name: str, quality: str) -> str:
    """The tag of an epoch's number; what stands before the slash is a group of charts."""
    known = {"train_loss": "loss/train", "val_loss": "loss/validation", "val_accuracy": f"{quality}/validation"}
    return known.get(name, f"training/{name}")


def _result(name: str, quality: str) -> str:
    known = {"accuracy": f"result/{quality}", "test_accuracy": f"result/test_{quality}"}
    return known.get(name, f"result/{name}")


def _number(value: Any) -> str:
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    return f"{int(value):,}" if isinstance(value, int | float) else str(value)


def _event(summary: Any, step: int = 0) -> Any:
    return _module("compat.proto.event_pb2").Event(wall_time=time.time(), step=step, summary=summary)


def _scalars(values: Mapping[str, float], step: int) -> Any:
    proto = _module("compat.proto.summary_pb2").Summary
    return _event(proto(value=[proto.Value(tag=tag, simple_value=value) for tag, value in values.items()]), step)


def _text(tag: str, markdown: str) -> Any:
    proto = _module("compat.proto.summary_pb2")
    shapes = _module("compat.proto.tensor_shape_pb2").TensorShapeProto
    metadata = proto.SummaryMetadata(plugin_data=proto.SummaryMetadata.PluginData(plugin_name="text"))
    shape = shapes(dim=[shapes.Dim(size=1)])
    tensor = _module("compat.proto.tensor_pb2").TensorProto(
        dtype="DT_STRING", string_val=[markdown.encode()], tensor_shape=shape
    )
    return _event(proto.Summary(value=[proto.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)]))


def _hyper(content: tuple[str, Any]) -> Any:
    """An event of TensorBoard's plugin for hyper-parameters, from its tag and message."""
    proto, metadata = _module("compat.proto.summary_pb2").Summary, _module("plugins.hparams.metadata")
    tag, message = content
    about = metadata.create_summary_metadata(message)
    return _event(proto(value=[proto.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)]))


def _experiment(run: LoggedRun) -> tuple[str, Any]:
    """The columns of the table of trials: parameters with their options, and objectives."""
    api = _module("plugins.hparams.api_pb2")
    values = import_module("google.protobuf.struct_pb2").ListValue
    columns: list[Any] = []
    for name, options in {"part": (), **run.params}.items():
        kind = "FLOAT64" if options and all(_is_number(one) for one in options) else "STRING"
        column = api.HParamInfo(name=name, type=api.DataType.Value(f"DATA_TYPE_{kind}"))
        if options:
            domain = values()
            domain.extend([one if kind == "FLOAT64" else str(one) for one in options])
            column.domain_discrete.CopyFrom(domain)
        columns.append(column)
    numbers = [
        api.MetricInfo(name=api.MetricName(tag=_result(name, run.quality)), display_name=title)
        for name, title in ((name, run.quality if name == "accuracy" else name) for name in run.objectives)
    ]
    experiment = api.Experiment(hparam_infos=columns, metric_infos=numbers, time_created_secs=time.time())
    data = _module("plugins.hparams.plugin_data_pb2")
    return EXPERIMENT, data.HParamsPluginData(experiment=experiment)


def _session_start(trial: LoggedTrial, folder: Path) -> tuple[str, Any]:
    """The row of a trial; rows of the same group are averaged, so that the folder of the run tells it apart."""
    data = _module("plugins.hparams.plugin_data_pb2")
    start = data.SessionStartInfo(group_name=f"{trial.name} ({folder})", start_time_secs=time.time())
    for name, value in {"part": trial.part, **trial.params}.items():
        if _is_number(value):
            start.hparams[name].number_value = value
        else:
            start.hparams[name].string_value = str(value)
    return START, data.HParamsPluginData(session_start_info=start)


def _session_end(state: TrialEnd) -> tuple[str, Any]:
    api, data = _module("plugins.hparams.api_pb2"), _module("plugins.hparams.plugin_data_pb2")
    status = api.Status.Value("STATUS_SUCCESS" if state == "done" else "STATUS_FAILURE")
    end = data.SessionEndInfo(status=status, end_time_secs=time.time())
    return END, data.HParamsPluginData(session_end_info=end)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
