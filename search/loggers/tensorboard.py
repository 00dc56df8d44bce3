"""Event files for TensorBoard in the folder `tensorboard` of a run: scalars, hyper-parameters, the front as a table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

from pydantic import Field

from search.evaluator import Epoch
from search.logger import LoggedMember, LoggedRun, LoggedTrial, Logger, LogSession, RunEnd, TrialEnd

if TYPE_CHECKING:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

LAST = "training/epoch"
"""Tag by which a trial's last epoch is found again."""
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
        self._writers: dict[str, EventFileWriter] = {}
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


def _writer(folder: Path) -> EventFileWriter:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    return EventFileWriter(str(folder))


def _read_back(folder: Path) -> tuple[int, bool, bool]:
    """The last epoch in the event files of a trial, whether it was begun there, and whether it has its result."""
    last, begun, ended = 0, False, False
    for event in _events(folder) if folder.is_dir() else ():
        for value in event.summary.value:
            begun = begun or value.tag == "_hparams_/session_start_info"
            ended = ended or value.tag.startswith("result/")
            if value.tag == LAST:
                last = max(last, event.step)
    return last, begun, ended


def _events(folder: Path) -> Iterator[Any]:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    for path in sorted(folder.glob("events.out.tfevents.*")):
        yield from LegacyEventFileLoader(str(path)).Load()


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
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=time.time(), step=step, summary=summary)


def _scalars(values: Mapping[str, float], step: int) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return _event(Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]), step)


def _text(tag: str, markdown: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[markdown.encode()], tensor_shape=shape)
    return _event(Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)]))


def _hyper(content: tuple[str, Any]) -> Any:
    """An event of TensorBoard's plugin for hyper-parameters, from its tag and message."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    tag, message = content
    about = metadata.create_summary_metadata(message)
    return _event(Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)]))


def _experiment(run: LoggedRun) -> tuple[str, Any]:
    """The columns of the table of trials: parameters with their options, and objectives."""
    from google.protobuf.struct_pb2 import ListValue
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    columns: list[Any] = []
    for name, options in {"part": (), **run.params}.items():
        kind = "FLOAT64" if options and all(_is_number(one) for one in options) else "STRING"
        column = api_pb2.HParamInfo(name=name, type=api_pb2.DataType.Value(f"DATA_TYPE_{kind}"))
        if options:
            domain = ListValue()
            domain.extend([one if kind == "FLOAT64" else str(one) for one in options])
            column.domain_discrete.CopyFrom(domain)
        columns.append(column)
    numbers = [
        api_pb2.MetricInfo(name=api_pb2.MetricName(tag=_result(name, run.quality)), display_name=title)
        for name, title in ((name, run.quality if name == "accuracy" else name) for name in run.objectives)
    ]
    experiment = api_pb2.Experiment(hparam_infos=columns, metric_infos=numbers, time_created_secs=time.time())
    return metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=experiment)


def _session_start(trial: LoggedTrial, folder: Path) -> tuple[str, Any]:
    """The row of a trial; rows of the same group are averaged, so that the folder of the run tells it apart."""
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    start = plugin_data_pb2.SessionStartInfo(group_name=f"{trial.name} ({folder})", start_time_secs=time.time())
    for name, value in {"part": trial.part, **trial.params}.items():
        if _is_number(value):
            start.hparams[name].number_value = value
        else:
            start.hparams[name].string_value = str(value)
    return metadata.SESSION_START_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_start_info=start)


def _session_end(state: TrialEnd) -> tuple[str, Any]:
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.Status.Value("STATUS_SUCCESS" if state == "done" else "STATUS_FAILURE")
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    return metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=end)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
