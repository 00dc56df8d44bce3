"""Importances per objective, their chance level, and reasons where there are none."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from reports.drawing.canvas import style
from reports.records.search import read
from reports.sections.importances import Importance, draw, importances, write

WIDTHS = CategoricalDistribution((8, 16, 32))


def write_study(run: Path, count: int, *, conditional: bool = False) -> Path:
    """A search whose accuracy depends on stages[0].width alone, and whose MACs on stages[10].width alone."""
    run.mkdir()
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(run / "journal.log"))),
        study_name="search",
        directions=["maximize", "minimize"],
    )
    study.set_user_attr("objectives", ["accuracy", "macs"])
    random = np.random.default_rng(0)
    for number in range(count):
        params = {f"stages[{index}].width": int(random.choice((8, 16, 32))) for index in (0, 2, 10)}
        kinds: dict[str, optuna.distributions.BaseDistribution] = dict.fromkeys(params, WIDTHS)
        if conditional and number % 2:
            params["stages[2].heads"], kinds["stages[2].heads"] = 1 + number % 3, IntDistribution(1, 3)
        accuracy = 0.5 + params["stages[0].width"] / 100 + random.normal(0, 0.005)
        attributes = {"digest": f"{number:016d}", "code": f"HR1x{number}"}
        values = [accuracy, 1e6 * params["stages[10].width"] + number]
        study.add_trial(create_trial(params=params, distributions=kinds, values=values, user_attrs=attributes))
    return run


def test_each_objective_finds_its_own_parameter(tmp_path: Path) -> None:
    accuracy, macs = importances(read(write_study(tmp_path / "run", 60)))
    assert (accuracy.objective, macs.objective) == ("accuracy", "macs")
    assert max(accuracy.shares, key=accuracy.shares.__getitem__) == "stages[0].width"
    assert max(macs.shares, key=macs.shares.__getitem__) == "stages[10].width"
    for one, decisive in ((accuracy, "stages[0].width"), (macs, "stages[10].width")):
        assert sum(one.shares.values()) == pytest.approx(1)
        assert list(one.shares) == ["stages[0].width", "stages[2].width", "stages[10].width"]
        above = {name for name, share in one.shares.items() if share > one.chance[name]}
        assert above == {decisive}
        assert (one.trials, one.top) == (60, 12)


def test_the_same_run_gives_the_same_chance(tmp_path: Path) -> None:
    run = write_study(tmp_path / "run", 30)
    assert importances(read(run)) == importances(read(run))


def test_conditional_parameters_are_covered(tmp_path: Path) -> None:
    found = importances(read(write_study(tmp_path / "run", 40, conditional=True)))
    assert all("stages[2].heads" in one.shares for one in found)


def test_few_trials_have_a_reason(make_run: Callable[..., Path], tmp_path: Path) -> None:
    found = importances(read(make_run(trials=12, baseline=0)))
    assert [one.reason for one in found] == ["needs at least 20 distinct trained layouts, has 12"] * 2
    assert draw(found) is None
    assert not write(found, tmp_path / "none")


def test_a_constant_objective_has_a_reason(make_run: Callable[..., Path]) -> None:
    record = read(make_run(baseline=0))
    search = record.search.assign(accuracy=0.5)
    accuracy, macs = importances(type(record)(**{**vars(record), "search": search}))
    assert accuracy.reason == "all layouts have the same accuracy"
    assert not macs.reason
    with style():
        figure = draw((accuracy, macs))
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["MACs"]


def test_a_refusal_of_optuna_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("zero\nvariance")

    monkeypatch.setattr("reports.sections.importances.get_param_importances", refuse)
    found = importances(read(write_study(tmp_path / "run", 25)))
    assert [one.reason for one in found] == ["Optuna cannot tell (RuntimeError: zero variance)"] * 2


def test_figure_shows_at_most_twelve_and_the_csv_all(tmp_path: Path) -> None:
    names = [f"stages[{index}].width" for index in range(20)]
    shares = {name: (index + 1) / 210 for index, name in enumerate(names)}
    info = (Importance("accuracy", 50, 10, shares, dict.fromkeys(names, 0.01)),)
    with style():
        figure = draw(info)
        assert write(info, tmp_path)
    assert figure is not None
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert shown == names[8:]
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top
    with (tmp_path / "importances.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 20
