"""Networks that were trained too short to be compared: raised by curves that still rise, not by flat ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from reports.records.curves import last_rise
from reports.review.objection import Objection
from reports.review.review import examine

CLEAN: dict[str, Any] = {"trials": 1, "baseline": 0, "startup": 0, "failures": (), "duplicates": 0, "latency": False}
RECIPE = {"type": "train", "recipe": {"epochs": 9}}
FLAT = [0.3, 0.5, 0.6, 0.65, 0.66, 0.66, 0.661, 0.66, 0.66]
RISING = [0.1, 0.15, 0.2, 0.26, 0.33, 0.4, 0.47, 0.54, 0.61]


def raised(run: Path, rule: str = "undertrained") -> Objection | None:
    return next((one for one in examine(run).objections if one.rule == rule), None)


@pytest.mark.parametrize(
    ("curve", "rise"), [(RISING, 0.14), (FLAT, -0.001), ([0.1, 0.2, 0.5], 0.3), ([0.1, 0.2], math.nan)]
)
def test_the_rise_of_the_last_third(curve, rise):
    assert last_rise(curve) == pytest.approx(rise, abs=2e-3, nan_ok=True)


@pytest.mark.parametrize(("curve", "wanted"), [(RISING, True), (FLAT, False), (RISING[:2], False)])
def test_trials_whose_accuracy_still_rises(make_run, curve, wanted):
    run = make_run(**CLEAN)
    (run / "study.yaml").write_text(yaml.safe_dump({"name": "demo", "evaluator": RECIPE}))
    study = optuna.load_study(study_name="search", storage=JournalStorage(JournalFileBackend(str(run / "journal.log"))))
    first = study.trials[0]
    rows = [{"epoch": index, "val_accuracy": value, "train_loss": 1.0} for index, value in enumerate(curve, 1)]
    for index in range(5):
        values = [0.5 + index / 100, first.values[1] + index]
        attrs = first.user_attrs | {"digest": f"{index:016x}", "curve": rows}
        attrs["metrics"] = attrs["metrics"] | dict(zip(study.user_attrs["objectives"], values, strict=True))
        study.add_trial(create_trial(values=values, user_attrs=attrs))
    found = raised(run)
    assert (found is not None) == wanted
    if found:
        assert (
            "still rises when training ends: by 14.00 points over the last third of the epochs (median of 5)"
            in found.text
        )
        assert f"archspec search {run} --name demo-longer --set evaluator.recipe.epochs=18" in found.command


@pytest.mark.parametrize(("curve", "wanted"), [(RISING, True), (FLAT, False)])
def test_members_whose_accuracy_still_rises_when_their_retraining_ends(make_run, curve, wanted):
    run = make_run(**CLEAN | {"trials": 6}, noise=0.002)
    study = {"name": "demo", "evaluator": RECIPE, "final": {"changes": {"epochs": 12}}}
    (run / "study.yaml").write_text(yaml.safe_dump(study))
    final = optuna.load_study(study_name="final", storage=JournalStorage(JournalFileBackend(str(run / "journal.log"))))
    rows = [{"epoch": index, "val_accuracy": value, "train_loss": 1.0} for index, value in enumerate(curve, 1)]
    for trial in final.trials:
        attrs = trial.user_attrs | {"curve": rows, "seed": 10 + trial.user_attrs["seed"]}
        final.add_trial(create_trial(values=trial.values, user_attrs=attrs))
    found = raised(run, "undertrained-front")
    assert (found is not None) == wanted
    assert raised(run) is None
    if found:
        assert "still rises when training ends: by 14.00 points" in found.text
        assert f"archspec search {run} --name demo-longer --set final.changes.epochs=24" in found.command


@pytest.mark.parametrize(("curve", "wanted"), [(RISING, True), (FLAT, False)])
def test_rows_whose_accuracy_still_rises(make_ablation, curve, wanted):
    run = make_ablation({"base": [84.1, 83.6, 84.4, 83.9], "+ a": [85.3, 84.9, 85.6, 85.2]}, seeds=4)
    (run / "plan.yaml").write_text(yaml.safe_dump({"name": "steps", "evaluator": RECIPE}))
    for seed in range(2):
        folder = run / "artifacts" / f"{0:016x}" / f"seed{seed}"
        folder.mkdir(parents=True)
        lines = [f"{epoch},0.1,1.0,{value},1.0,1.0" for epoch, value in enumerate(curve, 1)]
        (folder / "curve.csv").write_text("\n".join(["epoch,lr,train_loss,val_accuracy,val_loss,seconds", *lines]))
    found = raised(run)
    assert (found is not None) == wanted
    if found:
        assert "--name steps-longer --set evaluator.recipe.epochs=18" in found.command
