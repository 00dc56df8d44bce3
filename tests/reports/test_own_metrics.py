"""A search over metrics that its evaluator states: one to be minimised, one to be maximised, beside accuracy."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from archspec.cost.metrics import Metric
from reports.records.front import front
from reports.records.hypervolume_box import MARGIN, unit_losses
from reports.records.search import Record, finished, read
from reports.search_page.neighbours import Neighbours, legend
from reports.search_page.write import write_report
from reports.sections.hypervolume import progress
from reports.sections.importances import importances
from reports.sections.tradeoff import tradeoff
from reports.statistics.comparison import compare

ENERGY = {"name": "energy_j", "title": "Energy", "unit": "J", "direction": "minimize"}
TOP5 = {"name": "top5", "title": "Top-5 accuracy", "unit": "%", "direction": "maximize"}
SIGNS = {"accuracy": -1, "energy_j": 1, "top5": -1, "params": 1}
Make = Callable[..., Path]


def make(make_run: Make, *objectives: str, **options: Any) -> Path:
    return make_run(objectives=("accuracy", *objectives), own=(ENERGY, TOP5), apart=True, **options)


def beaten(record: Record, row: Any) -> bool:
    """Whether another layout of the search is no worse than `row` in any objective and better in one."""
    losses = {name: SIGNS[name] * finished(record.search)[name] for name in record.objectives}
    no_worse = np.all([values <= SIGNS[name] * row[name] for name, values in losses.items()], axis=0)
    better = np.any([values < SIGNS[name] * row[name] for name, values in losses.items()], axis=0)
    return bool((no_worse & better).any())


@pytest.mark.parametrize("objectives", [("energy_j", "top5"), ("top5",), ("top5", "params")])
def test_the_front_takes_each_objective_in_its_direction(make_run: Make, objectives: tuple[str, ...]) -> None:
    record = read(make(make_run, *objectives, baseline=0))
    found = front(record)
    rows = finished(record.search).to_dict("records")
    assert {member.digest for member in found.members} == {row["digest"] for row in rows if not beaten(record, row)}


def test_members_are_ranked_by_cost_or_else_by_what_is_to_be_maximised(make_run: Make) -> None:
    found = front(read(make(make_run, "top5", "energy_j", baseline=0)))
    assert found.order.name == "energy_j"
    energies = [member.costs["energy_j"] for member in found.members]
    assert energies == sorted(energies)
    found = front(read(make_run("none", objectives=("accuracy", "top5"), own=({**TOP5, "unit": ""},), baseline=0)))
    assert found.order.name == "top5"
    assert [member.costs["top5"] for member in found.members] == sorted(
        (member.costs["top5"] for member in found.members), reverse=True
    )


def test_the_box_of_the_hypervolume(make_run: Make) -> None:
    record = read(make(make_run, "energy_j", "top5"))
    info = progress(record)
    both = np.concatenate([finished(table)["energy_j"] for table in (record.search, record.baseline)])
    low, high = both.min(), both.max()
    assert info.scale.best == (1.0, low, 1.0)
    assert info.scale.reference == (0.0, pytest.approx(low * (high / low) ** (1 + MARGIN)), 0.0)
    assert info.scale.spans == (False, True, False)
    values = unit_losses(finished(record.search), info.scale)
    assert ((values >= 0) & (values <= 1)).all()
    assert values[:, 2] == pytest.approx(1 - finished(record.search)["top5"].to_numpy())
    assert all(0 <= value <= 1 for arm in info.arms for value in arm.values)
    assert info.arms[0].values[-1] > 0


def test_the_figure_has_their_panels_and_fronts(make_run: Make) -> None:
    record = read(make(make_run, "energy_j", baseline=0))
    info = tradeoff(record, front(record))
    assert [panel.cost for panel in info.panels] == ["macs", "params", "latency_ms", "energy_j", "top5"]
    energy, top5 = info.panels[3:]
    assert re.fullmatch(r"Energy \([mµ]J\)", energy.label)
    assert top5.label == "Top-5 accuracy (%)"
    assert max(top5.x) <= 100
    own = [(top5.x[i], top5.points[i].accuracy, i) for i in range(len(top5.x)) if top5.points[i].kind == "search"]
    best = {i for x, y, i in own if not any(a >= x and b >= y and (a, b) != (x, y) for a, b, _ in own)}
    assert set(top5.search_front) == best
    assert info.notes[0].startswith("More is better of top-5 accuracy")


def test_importances_turn_the_sign_of_what_is_to_be_maximised(make_run: Make) -> None:
    # Top-5 accuracy follows accuracy here, so that the same parameters set the best of both apart.
    accuracy, top5 = importances(read(make(make_run, "top5", baseline=0, trials=40)))
    assert (accuracy.title, top5.title) == ("Accuracy", "Top-5 accuracy")
    assert top5.shares == accuracy.shares


def test_the_report_names_them_everywhere(make_run: Make, open_page: Callable[[Path], Any]) -> None:
    run = make(make_run, "energy_j", "top5", trials=20, startup=4)
    page = open_page(write_report(run))
    text = re.sub(r"<[^>]+>|data:image[^\"]+", " ", page.text)
    assert "maximising accuracy and top-5 accuracy, minimising energy" in text
    assert "(by energy)" in text
    assert "other fractions likewise" in text
    assert re.search(
        r"Here: Accuracy 0\.0 to 100\.0 %, Energy [\d.]+ to [\d.]+ [mµ]J, Top-5 accuracy 0\.0 to 100\.0 %", text
    )
    table = (run / "report" / "front.md").read_text().splitlines()[0]
    assert re.search(r"\| Latency \(ms\) \| Energy \([mµ]J\) \| Top-5 accuracy \(%\) \| Validation", table)
    with (run / "report" / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    members = front(read(run)).members
    assert [float(row["energy_j"]) for row in rows[: len(members)]] == [one.costs["energy_j"] for one in members]
    assert all(0 < float(row["top5"]) < 1 for row in rows)


def test_neighbours_without_a_cost_are_those_before() -> None:
    scores = {"a": {1: 0.60, 2: 0.61, 3: 0.62}, "b": {1: 0.70, 2: 0.72, 3: 0.71}}
    found = Neighbours({"b": compare(scores, {"b": "a"})[0]}, Metric("top5", "Top-5 accuracy", "%", "maximize"))
    assert found.title == "Δ to the one before"
    assert "test accuracy less that of the re-trained member before it (by top-5 accuracy), in points" in legend(found)


def test_qualities_of_finalists_on_the_test_split_have_columns_of_their_own(make_run, tmp_path):
    run = make_run(own=(TOP5,), apart=True, trials=8, baseline=0, startup=4, duplicates=0, failures=())
    journal = JournalStorage(JournalFileBackend(str(run / "journal.log")))
    final = optuna.load_study(study_name="final", storage=journal)
    assert front(read(run)).tested == ()
    for trial in final.trials:
        attrs = trial.user_attrs | {"seed": 10 + trial.user_attrs["seed"], "test_top5": 0.9}
        final.add_trial(create_trial(values=trial.values, user_attrs=attrs))
    found = front(read(run))
    assert [(metric.name, metric.title) for metric in found.tested] == [("test_top5", "Test top-5 accuracy")]
    assert all(member.tested["test_top5"].mean == pytest.approx(0.9) for member in found.members)
    write_report(run, tmp_path / "report")
    header, first, *_ = (tmp_path / "report" / "front.csv").read_text().splitlines()
    named = dict(zip(header.split(","), first.split(","), strict=True))
    assert float(named["test_top5_mean"]) == pytest.approx(0.9)
    assert "| Test top-5 accuracy (%) |" in (tmp_path / "report" / "front.md").read_text()
