"""Runs of MLflow: one for the study and, nested in it, one for each trial."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from archspec.files.output import write_text
from search.evaluator import Epoch
from search.logger import LoggedMember, LoggedRun, LoggedTrial, Logger, LogSession, RunEnd, TrialEnd

PARENT, OURS = "mlflow.parentRunId", "archspec.trial"
GROUP, LAST = "training", "training/epoch"
"""Prefix of an epoch's numbers, which have a section of their own on the page, and the last epoch's."""
STATES = {"done": "FINISHED", "finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Of a server that is asked for the first time: an address where none is should be refused soon."""
MOST = 500
"""Characters of a parameter."""


@final
class MlflowLogger(Logger):
    """A run of MLflow per study with a nested one per trial; without an address, in a database in the run's folder."""

    packages: ClassVar[Mapping[str, str]] = {"mlflow": "archspec-vision[mlflow]"}

    type: Literal["mlflow"] = "mlflow"
    uri: str = Field(
        default="",
        max_length=1000,
        description="tracking server or store; empty: MLFLOW_TRACKING_URI, or mlflow.db in the run's folder",
    )
    experiment: str = Field(default="archspec", min_length=1, max_length=200, description="that the run belongs to")

    def open(self, run: LoggedRun) -> LogSession:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is sent but to the address asked for
        mlflow = import_module("mlflow")
        for name in ("mlflow", "alembic"):  # importing it has set their levels
            logging.getLogger(name).setLevel(logging.ERROR)

        root = run.root.resolve()
        uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
        try:
            with _impatient():
                client = mlflow.MlflowClient(tracking_uri=uri)
                found = client.get_experiment_by_name(self.experiment)
        except Exception as error:
            if uri.startswith("http"):
                raise ConnectionError(f"no tracking server answers at {uri}") from error
            raise
        if found is not None and found.lifecycle_stage != "active":
            raise ValueError(f"experiment {self.experiment} is deleted in {uri}: restore it, or name another one")
        place = None if uri.startswith("http") else (root / "mlflow").as_uri()
        experiment = found.experiment_id if found else client.create_experiment(self.experiment, place)
        return MlflowSession(client, experiment, uri, run)


@final
class MlflowSession(LogSession):
    """The run of a study, found again by the file `mlflow.json` beside its journal, and those of its trials.

    Args:
        client: of the store (`mlflow.MlflowClient`).
        experiment: number of the experiment.
        uri: of the store.
        run: that is logged.
    """

    def __init__(self, client: Any, experiment: str, uri: str, run: LoggedRun) -> None:
        self._client, self._experiment, self._run = client, experiment, run
        self._parent = self._open_parent(run.root / "mlflow.json", uri)
        self._children = self._find_children()
        client.update_run(self._parent, "RUNNING")
        client.log_text(self._parent, run.config, "study.yaml" if run.kind == "search" else "plan.yaml")
        for name, text in run.facts.items():
            client.set_tag(self._parent, name, text)

    def begin_trial(self, trial: LoggedTrial) -> int:
        known = self._children.get(trial.name)
        if known is not None:
            self._client.update_run(known, "RUNNING")
            return int(self._client.get_run(known).data.metrics.get(LAST, 0))
        entities = import_module("mlflow.entities")
        tags = {PARENT: self._parent, OURS: trial.name, "part": trial.part, "layout": trial.code}
        child = self._client.create_run(self._experiment, tags=tags, run_name=trial.name).info.run_id
        self._children[trial.name] = child
        about = {"digest": trial.digest, "seed": trial.seed, **trial.params}
        params = [entities.Param(_key(name), str(value)[:MOST]) for name, value in about.items()]
        now = _now()
        costs = [entities.Metric(_key(name), float(value), now, 0) for name, value in trial.costs.items()]
        self._client.log_batch(child, costs, params, [entities.RunTag("title", trial.title)])
        return 0

    def log_epoch(self, trial: LoggedTrial, epoch: Epoch) -> None:
        metric = import_module("mlflow.entities").Metric
        values, now = {**epoch.values, "epoch": epoch.number}, _now()
        named = {_key(f"{GROUP}/{name}"): float(value) for name, value in values.items()}
        metrics = [metric(name, value, now, epoch.number) for name, value in named.items()]
        self._client.log_batch(self._children[trial.name], metrics)

    def end_trial(self, trial: LoggedTrial, state: TrialEnd, metrics: Mapping[str, float | int]) -> None:
        metric = import_module("mlflow.entities").Metric
        child, now = self._children[trial.name], _now()
        new = {name: value for name, value in metrics.items() if name not in trial.costs}
        self._client.log_batch(child, [metric(_key(name), float(value), now, 0) for name, value in new.items()])
        self._client.set_terminated(child, STATES[state])

    def log_members(self, title: str, members: Sequence[LoggedMember]) -> None:
        rows = [{"trial": one.name, **one.values, "layout": one.layout} for one in members]
        self._client.log_dict(self._parent, {title: rows}, f"{title}.json")

    def close(self, state: RunEnd) -> None:
        self._client.set_terminated(self._parent, STATES[state])

    def _open_parent(self, path: Path, uri: str) -> str:
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if known.get("uri") == uri and known.get("experiment") == self._experiment:
            run = str(known["run"])
            if self._client.get_run(run).info.lifecycle_stage == "active":
                return run
        run = self._client.create_run(self._experiment, run_name=self._run.name).info.run_id
        self._client.set_tag(run, "kind", self._run.kind)
        write_text(path, json.dumps({"uri": uri, "experiment": self._experiment, "run": run}))
        return run

    def _find_children(self) -> dict[str, str]:
        found: dict[str, str] = {}
        token: str | None = None
        while True:
            wanted = f"tags.`{PARENT}` = '{self._parent}'"
            page = self._client.search_runs([self._experiment], wanted, max_results=1000, page_token=token)
            found |= {run.data.tags[OURS]: run.info.run_id for run in page if OURS in run.data.tags}
            token = page.token
            if not token:
                return found


@contextmanager
def _impatient() -> Generator[None]:
    """One try of a request and a short time for each, where the environment does not say otherwise."""
    own = {name: value for name, value in PATIENCE.items() if name not in os.environ}
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)


def _key(name: str) -> str:
    """A name as MLflow takes it: `stages[1].width` becomes `stages.1.width`."""
    plain = name.replace("[", ".").replace("]", "")
    return "".join(char if char.isalnum() or char in "_-. /" else "_" for char in plain)[:250]


def _now() -> int:
    return int(1000 * time.time())
