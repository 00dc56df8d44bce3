"""Reading journals: what comes out, and what a damaged one says."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, create_trial

from archspec.errors import ArchspecError, RunError, SpecError
from reports.records.search import COLUMNS, finished, frame, read
from reports.search_page.summary import summary
from reports.search_page.write import compute


def complete(**attributes: object) -> FrozenTrial:
    known = {"digest": "a" * 16, "code": "HR1x8", "metrics": {"params": 10, "latency_ms": None}}
    return create_trial(values=[0.5, 100.0], user_attrs={**known, **attributes})


def test_record_holds_the_three_studies(demo_run: Path) -> None:
    record = read(demo_run)
    assert record.name == "demo"
    assert record.objectives == ("accuracy", "macs")
    assert (record.metric.label, record.metric.dataset, record.metric.benchmark) == (
        "top-1 accuracy",
        "cluttered_digits",
        None,
    )
    assert tuple(record.search.columns) == COLUMNS
    assert record.search["state"].value_counts().to_dict() == {"COMPLETE": 32, "FAIL": 3}
    assert len(record.baseline) == 24
    assert record.baseline["copied_from"].notna().sum() == 8
    assert set(record.final["role"]) == {"front", "anchor"}
    assert set(record.final["seed"]) == {0, 1, 2}


def test_finished_counts_each_layout_once(demo_run: Path) -> None:
    search = finished(read(demo_run).search)
    assert len(search) == 30
    assert search["digest"].is_unique
    assert search["duplicate_of"].isna().all()


def test_reading_leaves_the_journal_alone(demo_run: Path) -> None:
    before = (demo_run / "journal.log").read_bytes()
    read(demo_run)
    assert (demo_run / "journal.log").read_bytes() == before


def test_values_win_over_metrics_and_missing_is_nan() -> None:
    table = frame([complete(metrics={"accuracy": 0.1, "macs": 7})], ("accuracy", "macs"))
    assert table.loc[0, "accuracy"] == 0.5
    assert table.loc[0, "macs"] == 100
    assert math.isnan(table["latency_ms"][0])


@pytest.mark.parametrize(
    ("trial", "objectives", "says"),
    [
        (complete(), ("accuracy", "macs", "params"), "2 values for 3 objectives"),
        (complete(digest=None), ("accuracy", "macs"), "names no digest"),
        (complete(metrics={"params": "many"}), ("accuracy", "macs"), "'many' where a number belongs"),
        (complete(seed=True), ("accuracy", "macs"), "True where a number belongs"),
        (
            create_trial(values=[0.5, 0.0], user_attrs={"digest": "a"}),
            ("accuracy", "macs"),
            "macs 0: it must be finite, a cost positive",
        ),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(trial: FrozenTrial, objectives: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        frame([trial], objectives)


def test_missing_journal_is_named_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"journal\.log: no such file"):
        read(tmp_path)
    assert not list(tmp_path.iterdir())


def test_journal_without_a_search(tmp_path: Path) -> None:
    (tmp_path / "journal.log").write_text("")
    with pytest.raises(SpecError, match="no study named 'search'"):
        read(tmp_path)


def test_search_without_a_finished_trial(make_run: Callable[..., Path]) -> None:
    run = make_run(trials=0, startup=0, baseline=0, duplicates=0, final=False)
    with pytest.raises(RunError, match="no trial of the search is finished"):
        read(run)


def test_study_without_accuracy(tmp_path: Path) -> None:
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(tmp_path / "journal.log"))),
        study_name="search",
        directions=["minimize"],
    )
    study.set_user_attr("objectives", ["macs"])
    with pytest.raises(RunError, match="the objectives are macs: a report needs accuracy"):
        read(tmp_path)


@pytest.mark.parametrize("objectives", [None, "macs", ["accuracy"], ["accuracy", "speed"]])
def test_objectives_that_do_not_fit(make_run: Callable[..., Path], objectives: object) -> None:
    run = make_run(trials=2, startup=0, baseline=0, final=False, duplicates=0, attributes={"objectives": objectives})
    with pytest.raises(RunError, match=r"journal\.log(:\d+)?: damaged: .*objective"):
        read(run)


def test_half_written_last_line_is_no_damage(make_run: Callable[..., Path]) -> None:
    run = make_run(trials=3, startup=0, baseline=0, final=False, failures=(), duplicates=0)
    with (run / "journal.log").open("a") as file:
        file.write('{"op_code": 4, "worker')
    assert len(read(run).search) == 3


@pytest.mark.parametrize("line", ["garbage", "3", "[]", "{}", '{"op_code": 99}', '{"op_code": 5, "trial_id": 999}'])
def test_damaged_line_is_reported_and_kept(make_run: Callable[..., Path], line: str) -> None:
    run = make_run(trials=3, startup=0, baseline=0, final=False, failures=(), duplicates=0)
    journal = run / "journal.log"
    lines = journal.read_text().splitlines()
    lines.insert(len(lines) // 2, line)
    journal.write_text("\n".join(lines) + "\n")
    before = journal.read_bytes()
    with pytest.raises(RunError, match=r"journal\.log:\d+: damaged") as caught:
        read(run)
    assert "\n" not in str(caught.value)
    assert journal.read_bytes() == before


def test_random_damage_never_ends_in_a_traceback(make_run: Callable[..., Path]) -> None:
    run = make_run(trials=4, startup=2, baseline=3, failures=("killed",), duplicates=1, seeds=1)
    journal = run / "journal.log"
    whole = journal.read_bytes()
    lines = whole.splitlines()
    generator = random.Random(0)
    refusals: list[str] = []
    for _ in range(150):
        damaged = list(lines)
        index = generator.randrange(len(lines))
        match generator.randrange(4):
            case 0:
                del damaged[index]
            case 1:
                damaged[index] = damaged[index][: generator.randrange(len(damaged[index]))]
            case 2:
                entry = json.loads(damaged[index])
                key = generator.choice(list(entry))
                entry[key] = generator.choice([None, 3, "x", [], {}, {"metrics": 3}, {"objectives": 3}])
                damaged[index] = json.dumps(entry).encode()
            case _:
                damaged[index], damaged[0] = damaged[0], damaged[index]
        journal.write_bytes(b"\n".join(damaged) + b"\n")
        try:
            found = compute(run).results
            summary(found.record, found.front)
        except ArchspecError as error:
            refusals.append(str(error))
    assert 10 < len(refusals) < 140
    assert not any("\n" in refusal for refusal in refusals)


def test_a_failure_that_a_later_trial_made_good_counts_no_longer(make_run: Callable[..., Path]) -> None:
    run = make_run(trials=3, startup=0, baseline=0, final=False, duplicates=0, failures=("no memory", "killed"))
    study = optuna.load_study(study_name="search", storage=JournalStorage(JournalFileBackend(str(run / "journal.log"))))
    failed = [trial for trial in study.trials if trial.state.name == "FAIL"]
    # The first was tried again, and failed again; the second was evaluated in the end, if by another trial.
    study.add_trial(
        create_trial(state=failed[0].state, user_attrs=failed[0].user_attrs | {"requeued_from": failed[0].number})
    )
    done = study.trials[0]
    study.add_trial(
        create_trial(values=done.values, user_attrs=done.user_attrs | {"digest": failed[1].user_attrs["digest"]})
    )
    table = read(run).search
    lost = table[(table["state"] == "FAIL") & ~table["requeued"]]
    assert lost["number"].tolist() == [len(study.trials) - 2]
