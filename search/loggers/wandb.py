"""Runs of Weights & Biases: one for each trial, grouped under the name of the study."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from archspec.files.output import write_text
from search.evaluator import Epoch
from search.logger import LoggedMember, LoggedRun, LoggedTrial, Logger, LogSession, RunEnd, TrialEnd


@final
class WandbLogger(Logger):
    """A run of Weights & Biases per trial, all in one group; its files in `wandb` in the run's folder."""

    packages: ClassVar[Mapping[str, str]] = {"wandb": "archspec-vision[wandb]"}

    type: Literal["wandb"] = "wandb"
    project: str = Field(default="archspec", min_length=1, max_length=128, description="that the runs belong to")
    entity: str | None = Field(default=None, max_length=128, description="user or team; null: your default")
    mode: Literal["online", "offline"] | None = Field(
        default=None, description="offline: written here, for `wandb sync`; null: WANDB_MODE, or online"
    )

    def open(self, run: LoggedRun) -> LogSession:
        wandb = import_module("wandb")
        mode = self.mode or os.environ.get("WANDB_MODE") or "online"
        if mode == "online" and not wandb.login(prompt=False):  # asks the server whether the key is right
            raise ValueError("no key is known here: `wandb login` first, or say mode: offline")
        return WandbSession(self, mode, run)


@final
class WandbSession(LogSession):
    """Runs of the trials under way. The last epoch of each is kept in `wandb/logged`, since files that wait to be
    sent cannot be asked.

    Args:
        config: the logger.
        mode: as Weights & Biases has it.
        run: that is logged.
    """

    def __init__(self, config: WandbLogger, mode: Any, run: LoggedRun) -> None:
        self._config, self._mode, self._run = config, mode, run
        self._folder = run.root / "wandb"
        (self._folder / "logged").mkdir(parents=True, exist_ok=True)
        self._token = _token(self._folder / "archspec-id")
        self._open: dict[str, Any] = {}

    def begin_trial(self, trial: LoggedTrial) -> int:
        about = {"digest": trial.digest, "layout": trial.code, "seed": trial.seed, **trial.params}
        run = self._init(trial.name, trial.part, {**about, **trial.costs})
        run.define_metric("*", step_metric="epoch")
        self._open[trial.name] = run
        path = self._cursor(trial.name)
        return int(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else 0

    def log_epoch(self, trial: LoggedTrial, epoch: Epoch) -> None:
        self._open[trial.name].log({**epoch.values, "epoch": epoch.number})
        write_text(self._cursor(trial.name), str(epoch.number))

    def end_trial(self, trial: LoggedTrial, state: TrialEnd, metrics: Mapping[str, float | int]) -> None:
        run = self._open.pop(trial.name)
        run.summary.update({**metrics, "state": state})
        run.finish(exit_code=0 if state == "done" else 1)

    def log_members(self, title: str, members: Sequence[LoggedMember]) -> None:
        run = self._init(title, title, {"config": self._run.config, **self._run.facts})
        for number, one in enumerate(members):
            run.summary.update({f"{number:02d} {one.name}": {**one.values, "layout": one.layout}})
        run.finish()

    def close(self, state: RunEnd) -> None:
        for run in self._open.values():
            run.finish(exit_code=0 if state == "finished" else 1)

    def _init(self, name: str, part: str, config: Mapping[str, Any]) -> Any:
        wandb = import_module("wandb")
        digest = hashlib.sha256(f"{self._token} {name}".encode()).hexdigest()[:12]
        return wandb.init(
            project=self._config.project,
            entity=self._config.entity,
            group=self._run.name,
            name=name,
            id=digest,
            job_type=part,
            config=dict(config),
            dir=str(self._folder),
            mode=self._mode,
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )

    def _cursor(self, name: str) -> Path:
        return self._folder / "logged" / f"{name}.json"


def _token(path: Path) -> str:
    """What tells the trials of this run from those of another one of its name; drawn once."""
    if not path.exists():
        write_text(path, secrets.token_hex(8))
    return path.read_text(encoding="utf-8")
