"""Synthetic runs of searches that are compared: a journal and what was asked, without any training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

SPACE = {"name": "toy", "stem": {"type": "hr_stem", "width": {"choice": [4, 8]}}}
METRIC = {"name": "accuracy", "label": "top-1 accuracy", "dataset": "toy data", "benchmark": None}
EPOCHS = 3


def write_search(
    folder: Path,
    results: Sequence[tuple[float, float]],
    *,
    seed: int = 0,
    asked: Mapping[str, Any] | None = None,
    attributes: Sequence[Mapping[str, Any]] = (),
    paused: Sequence[int] = (),
) -> Path:
    """A run whose layouts have these accuracies and MACs; those in `paused` stopped after the first epoch.

    Args:
        folder: of the run, to be made.
        results: in order.
        seed: of the study.
        asked: settings over the usual ones.
        attributes: of each trial, over the usual ones.
        paused: indices of layouts that rungs stopped.
    """
    folder.mkdir(parents=True)
    study = {"name": folder.name, "space": SPACE, "evaluator": {"type": "table", "table": "toy"}, "seed": seed}
    study |= {"objectives": ["accuracy", "macs"], "sampler": {"type": "tpe", "startup": 4}, "trials": len(results)}
    (folder / "study.yaml").write_text(yaml.safe_dump({**study, **(asked or {})}))
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    names = list({**study, **(asked or {})}["objectives"])
    directions = ["maximize" if name == "accuracy" else "minimize" for name in names]
    search = optuna.create_study(storage=storage, study_name="search", directions=directions)
    known = {"objectives": names, "metric": METRIC, "resolution": 32, "seed": seed, "archspec": "0.1.0"}
    for key, value in known.items():
        search.set_user_attr(key, value)
    for index, (accuracy, macs) in enumerate(results):
        numbers = {"accuracy": accuracy, "macs": macs, "latency_ms": macs / 100, "train_seconds": 2.0}
        own: dict[str, Any] = {"digest": f"{index:016x}", "code": f"layout {index}", "seed": seed, **numbers}
        values = [numbers[name] for name in names]
        if index in paused:
            own |= {"rung_epochs": 1, "rung_values": values, "rung_metrics": {**numbers, "train_seconds": 0.5}}
            own = {key: value for key, value in own.items() if key not in numbers}
            search.add_trial(create_trial(state=TrialState.PRUNED, user_attrs=own))
            continue
        own |= {"curve": [{"epoch": e + 1, "val_accuracy": accuracy, "train_loss": 1.0} for e in range(EPOCHS)]}
        own |= attributes[index] if attributes else {}
        search.add_trial(create_trial(values=values, user_attrs=own))
    return folder
