"""The curves of the front: whose trainings are shown, and what their ends say."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from reports.drawing.canvas import style
from reports.records.curves import TrainingCurve, mean_curve, read_curve, read_curves
from reports.search_page.results import read_results
from reports.search_page.write import write_report
from reports.sections.curves import draw, front_curves, write

FLAT = (0.3, 0.5, 0.6, 0.65, 0.66, 0.66, 0.661, 0.66, 0.66)
RISING = (0.1, 0.15, 0.2, 0.26, 0.33, 0.4, 0.47, 0.54, 0.61)
TRIALS = {"trials": 8, "baseline": 0, "startup": 4, "duplicates": 0, "failures": ()}


def rows(values: tuple[float, ...]) -> list[dict[str, float]]:
    return [{"epoch": epoch, "val_accuracy": value, "train_loss": 1 / epoch} for epoch, value in enumerate(values, 1)]


def add_curves(run: Path, name: str, values: tuple[float, ...]) -> None:
    """Give every trial of a study a curve: the storage keeps no attributes of trials that are finished."""
    storage = JournalStorage(JournalFileBackend(str(run / "journal.log")))
    study = optuna.load_study(study_name=name, storage=storage)
    trials, directions, attrs = study.trials, study.directions, study.user_attrs
    optuna.delete_study(study_name=name, storage=storage)
    again = optuna.create_study(study_name=name, storage=storage, directions=directions)
    for key, value in attrs.items():
        again.set_user_attr(key, value)
    for trial in trials:
        own = tuple(value + 0.001 * (trial.user_attrs.get("seed") or 0) for value in values)
        again.add_trial(
            create_trial(
                params=trial.params,
                distributions=trial.distributions,
                values=trial.values,
                user_attrs=trial.user_attrs | {"curve": rows(own)},
            )
        )


def test_without_curves_there_is_no_section(make_run) -> None:
    assert front_curves(read_results(make_run(**TRIALS))) is None


def test_curves_of_the_search_where_nothing_was_retrained(make_run) -> None:
    run = make_run(**TRIALS, final=False)
    add_curves(run, "search", RISING)
    info = front_curves(read_results(run))
    assert info is not None
    assert {one.seeds for one in info.members} == {0}
    assert all(one.mean.accuracies == RISING for one in info.members)
    assert info.note == (
        "Over the last third of the epochs accuracy moved by +14.00 to +14.00 points. No layout was trained with two "
        "seeds, so what of it is noise is not known."
    )


@pytest.mark.parametrize(("values", "rising"), [(FLAT, False), (RISING, True)])
def test_the_means_of_the_finalists_and_their_ends(values, rising, make_run, tmp_path) -> None:
    run = make_run(**TRIALS, noise=0.005)
    add_curves(run, "search", FLAT)
    add_curves(run, "final", values)
    info = front_curves(read_results(run))
    assert info is not None
    assert {one.seeds for one in info.members} == {3}
    assert info.members[0].mean.accuracies == pytest.approx([value + 0.001 for value in values])
    assert (len(info.rising) == len(info.members)) == rising
    assert ("still rose at the end: by up to 14.00 points" in info.note) == rising
    with style():
        assert len(draw(info).axes[0].lines) == len(info.members)
        write(info, tmp_path)
    with (tmp_path / "curves.csv").open() as file:
        found = list(csv.DictReader(file))
    assert len(found) == 3 * 9 * len(info.members)
    assert {row["study"] for row in found} == {"final"}


def test_the_page_has_them(make_run, open_page, tmp_path) -> None:
    run = make_run(**TRIALS)
    add_curves(run, "final", RISING)
    write_report(run, tmp_path / "report")
    page = open_page(tmp_path / "report" / "index.html")
    assert "Trainings" in page.headings
    assert "re-trained: means of 3 seeds" in page.text


@pytest.mark.parametrize("damaged", [None, "x", [], [1], [{"epoch": "1", "val_accuracy": 0.5}], [{"epoch": 1}]])
def test_what_is_no_curve(damaged) -> None:
    assert read_curve({"curve": damaged}) is None


def test_a_mean_is_over_the_epochs_that_all_have() -> None:
    one, two = TrainingCurve((1, 2, 3), (0.1, 0.2, 0.3), (3, 2, 1)), TrainingCurve((2, 3), (0.4, 0.5), (math.nan, 3))
    mean = mean_curve([one, two])
    assert mean.epochs == (2, 3)
    assert mean.accuracies == pytest.approx([0.3, 0.4])
    assert mean.losses == pytest.approx([math.nan, 2], nan_ok=True)


def test_a_layout_that_was_answered_from_the_record_counts_once() -> None:
    study = optuna.create_study()
    for seed, more in ((0, {}), (0, {"duplicate_of": 0}), (1, {})):
        attrs = {"digest": "a", "seed": seed, "curve": rows(FLAT), **more}
        study.add_trial(create_trial(value=0.5, user_attrs=attrs))
    assert len(read_curves(study)["a"]) == 2
    assert read_curves(None) == {}
