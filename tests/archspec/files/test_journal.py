"""Journals line by line: what is refused, with its line, and what is read as Optuna reads it."""

import json
import random
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from archspec.cost.metrics import METRICS
from archspec.errors import RunError
from archspec.files.journal import open_journal
from archspec.files.journal_entries import NUMBERS


def write_journal(path: Path, storage: JournalStorage) -> Path:
    """A search of three trials, two of them evaluated, one of these a copy."""
    study = optuna.create_study(storage=storage, study_name="search", directions=["maximize", "minimize"])
    study.set_user_attr("objectives", ["accuracy", "macs"])
    for number in range(2):
        trial = study.ask()
        trial.suggest_categorical("stages[0].block", ("HR", "T"))
        trial.suggest_int("stages[0].depth", 1, 3)
        attrs = {"digest": f"{number:016x}", "seed": 0, "accuracy": 0.5, "macs": 100 + number, "curve": []}
        for name, value in attrs.items():
            trial.set_user_attr(name, value)
        study.tell(trial, [0.5, 100 + number])
    study.enqueue_trial({"stages[0].depth": 2}, user_attrs={"requeued_from": 1})
    return path


@pytest.fixture
def earlier(tmp_path):
    """A journal without checksums."""
    path = tmp_path / "journal.log"
    return write_journal(path, JournalStorage(JournalFileBackend(str(path))))


@pytest.fixture
def journal(tmp_path):
    """A journal with checksums."""
    return write_journal(tmp_path / "journal.log", open_journal(tmp_path / "journal.log"))


def trials(path: Path, storage: JournalStorage | None = None):
    study = optuna.load_study(study_name="search", storage=storage or open_journal(path))
    return [(trial.number, trial.state, trial.values, trial.params, trial.user_attrs) for trial in study.get_trials()]


def test_a_journal_reads_as_optuna_reads_it(journal):
    assert trials(journal) == trials(journal, JournalStorage(JournalFileBackend(str(journal))))
    assert [state for _, state, *_ in trials(journal)] == [TrialState.COMPLETE] * 2 + [TrialState.WAITING]


def test_names_of_metrics_are_those_of_the_catalog():
    assert {metric.name for metric in METRICS} <= NUMBERS


def change(path: Path, number: int, **fields) -> None:
    """Replace fields of a line, from 1."""
    lines = path.read_text().splitlines()
    entry = json.loads(lines[number - 1]) | fields
    lines[number - 1] = json.dumps({key: value for key, value in entry.items() if value != "gone"})
    path.write_text("\n".join(lines) + "\n")


def line_of(path: Path, *words: str) -> int:
    """The first line that holds all words."""
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if all(word in line for word in words))


@pytest.mark.parametrize(
    ("words", "fields", "rule"),
    [
        (('"digest"',), {"user_attr": {"digest": 5}}, "trial attribute digest must be text, not 5"),
        (('"digest"',), {"user_attr": 5}, "user_attr must be a mapping, not 5"),
        (('"digest"',), {"user_attr": {}}, "user_attr must hold one attribute, not 0"),
        (('"digest"',), {"trial_id": 7}, "no trial 7 before this line"),
        (('"digest"',), {"trial_id": True}, "trial_id must be an integer from 0, not True"),
        (('"digest"',), {"op_code": 12}, "op_code 12 is no operation of an Optuna journal"),
        (('"digest"',), {"op_code": 2}, "study_id is missing"),
        (('"digest"',), {"worker_id": "gone"}, "worker_id is missing"),
        (('"digest"',), {"worker_ie": "x"}, "unknown field 'worker_ie'"),
        (('"seed"',), {"user_attr": {"seed": "0"}}, "trial attribute seed must be an integer from 0, not '0'"),
        (('"accuracy":0.5',), {"user_attr": {"accuracy": "0.5"}}, "trial attribute accuracy must be a number"),
        (('"curve"',), {"user_attr": {"curve": [3]}}, "trial attribute curve must be a list of epochs"),
        (('"objectives"',), {"user_attr": {"objectives": 3}}, "study attribute objectives must be a list of texts"),
        (('"objectives"',), {"study_id": 1}, "no study 1 before this line"),
        (('"study_name"',), {"directions": [0, 3]}, r"directions must be 1 \(minimize\) or 2 \(maximize\)"),
        (('"datetime_complete"',), {"values": [0.5]}, "trial 0 of search needs 2 finite values, not \\[0.5\\]"),
        (('"datetime_complete"',), {"values": [0.6, 100]}, "trial 0 of search has accuracy 0.6, but recorded 0.5"),
        (('"datetime_complete"',), {"values": [float("nan"), 1]}, "needs 2 finite values"),
        (('"datetime_complete"',), {"state": 9}, "state 9 is none of a trial"),
        (('"datetime_complete"',), {"datetime_complete": "soon"}, "datetime_complete must be a time, not 'soon'"),
        (('.depth"',), {"param_value_internal": 9}, "has the value 9, which is none of its own"),
        (('.depth"',), {"distribution": "{}"}, "is no distribution of parameters"),
        (('"requeued_from"',), {"state": 7}, "state 7 is none of a trial"),
        (('"requeued_from"',), {"user_attrs": {"requeued_from": "1"}}, "requeued_from must be an integer from 0"),
        (('"requeued_from"',), {"user_attrs": {"requeued_from": 9}}, "names trial 9 as requeued_from, which is none"),
    ],
)
def test_a_wrong_field_is_refused_with_its_line(earlier, words, fields, rule):
    number = line_of(earlier, *words)
    change(earlier, number, **fields)
    before = earlier.read_bytes()
    with pytest.raises(RunError, match=rf"journal.log:{number}: damaged: .*{rule}.*; kept as it is$"):
        open_journal(earlier)
    assert earlier.read_bytes() == before


def test_a_finished_trial_has_a_layout_and_finishes_once(earlier):
    lines = earlier.read_text().splitlines()
    digest, done = line_of(earlier, '"digest"'), line_of(earlier, '"datetime_complete"')
    earlier.write_text("\n".join([*lines[: digest - 1], *lines[digest:]]) + "\n")
    with pytest.raises(RunError, match=rf":{done - 1}: damaged: trial 0 of search names no digest"):
        open_journal(earlier)
    earlier.write_text("\n".join([*lines[:done], lines[done - 1], *lines[done:]]) + "\n")
    with pytest.raises(RunError, match=rf":{done + 1}: damaged: trial 0 of search is finished already"):
        open_journal(earlier)


def test_a_line_that_begins_a_trial_twice_is_refused(earlier):
    lines = earlier.read_text().splitlines()
    begun = line_of(earlier, '"op_code":4')
    earlier.write_text("\n".join([*lines, lines[begun - 1]]) + "\n")
    with pytest.raises(RunError, match=rf":{len(lines) + 1}: damaged: repeats the line that began an earlier trial"):
        open_journal(earlier)


def test_any_flipped_bit_is_found(journal):
    whole, rng = journal.read_bytes(), random.Random(3)
    seen = trials(journal)
    for _ in range(150):
        place = rng.randrange(len(whole))
        journal.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :])
        number = whole[:place].count(b"\n") + 1
        if number < whole.count(b"\n"):
            with pytest.raises(RunError, match=rf"journal.log:({number}|{number + 1}): damaged"):
                open_journal(journal)
            continue
        try:
            found = trials(journal)
        except RunError:
            continue
        assert found == seen[: len(found)]  # a last line without its end is that of a process that was killed


@pytest.mark.parametrize("damage", ["delete", "repeat", "swap"])
def test_lines_that_are_missing_repeated_or_displaced_are_found(journal, damage):
    lines = journal.read_text().splitlines()
    for at in range(len(lines) - 1):
        put = {"delete": [lines[at + 1]], "repeat": [lines[at]] * 2 + [lines[at + 1]], "swap": lines[at : at + 2][::-1]}
        journal.write_text("\n".join([*lines[:at], *put[damage], *lines[at + 2 :]]) + "\n")
        with pytest.raises(RunError, match=rf"journal.log:({at + 1}|{at + 2}): damaged"):
            open_journal(journal)


def test_other_tools_may_append(journal):
    other = optuna.load_study(study_name="search", storage=JournalStorage(JournalFileBackend(str(journal))))
    ours = optuna.load_study(study_name="search", storage=open_journal(journal))
    other.set_user_attr("note", "by hand")
    ours.set_user_attr("later", 1)
    read = optuna.load_study(study_name="search", storage=open_journal(journal))
    assert (read.user_attrs["note"], read.user_attrs["later"]) == ("by hand", 1)
    change(journal, len(journal.read_text().splitlines()) - 1, study_id=5)
    with pytest.raises(RunError, match="no study 5"):
        open_journal(journal)


def test_a_journal_of_an_earlier_version_goes_on_with_checksums(earlier):
    study = optuna.load_study(study_name="search", storage=open_journal(earlier))
    study.set_user_attr("later", 1)
    assert '"crc"' in earlier.read_text().splitlines()[-1]
    change(earlier, len(earlier.read_text().splitlines()) - 1, study_id=0)
    with pytest.raises(RunError, match="damaged"):
        open_journal(earlier)


def test_a_line_that_cannot_be_written_whole_leaves_nothing(journal, monkeypatch):
    study = optuna.load_study(study_name="search", storage=open_journal(journal))
    before = journal.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        study.set_user_attr("later", 1)
    assert journal.read_bytes() == before
    monkeypatch.undo()
    study.set_user_attr("later", 1)
    assert optuna.load_study(study_name="search", storage=open_journal(journal)).user_attrs["later"] == 1


def test_a_journal_that_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "journal.log").mkdir()
    with pytest.raises(RunError, match=r"journal.log: cannot be read: Is a directory"):
        open_journal(tmp_path / "journal.log")


def test_a_trial_that_begins_while_entries_are_held_is_one_line_for_optuna_too(tmp_path, monkeypatch):
    path = tmp_path / "journal.log"
    storage = open_journal(path)
    study = optuna.create_study(storage=storage, study_name="search", directions=["maximize", "minimize"])
    study.set_user_attr("objectives", ["accuracy", "macs"])
    before, waits = len(path.read_text().splitlines()), []
    monkeypatch.setattr("os.fsync", waits.append)
    with storage.held():
        first, second = study.ask(), study.ask()
        for trial in (first, second):
            trial.suggest_categorical("stages[0].block", ("HR", "T"))
            trial.suggest_int("stages[0].depth", 1, 3)
            trial.set_user_attr("digest", f"{trial.number:016x}")
        study.tell(second, [0.5, 100])
        held = trials(path, storage)
        assert len(path.read_text().splitlines()) == before
    storage.flush()
    assert (len(path.read_text().splitlines()), len(waits)) == (before + 2, 1)
    assert trials(path) == held == trials(path, JournalStorage(JournalFileBackend(str(path))))
    with storage.held():
        first.set_user_attr("accuracy", 0.25)
        storage.set_trial_intermediate_value(0, 1, 0.2)
        study.tell(first, [0.25, 90])
    storage.flush()
    assert (len(path.read_text().splitlines()), len(waits)) == (before + 5, 2)
    assert trials(path) == trials(path, JournalStorage(JournalFileBackend(str(path))))
    assert storage.get_all_trials(0, states=(TrialState.RUNNING, TrialState.WAITING)) == []


def test_what_is_held_survives_a_full_disk_and_what_others_append(journal, monkeypatch):
    storage = open_journal(journal)
    study = optuna.load_study(study_name="search", storage=storage)

    def full(_):
        raise OSError(28, "No space left on device")

    with storage.held():
        study.ask().set_user_attr("digest", "0123")
    before = journal.read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        storage.flush()
    assert journal.read_bytes() == before
    monkeypatch.undo()
    other = optuna.load_study(study_name="search", storage=JournalStorage(JournalFileBackend(str(journal))))
    other.set_user_attr("note", "by hand")
    storage.flush()
    assert trials(journal) == trials(journal, storage)
    assert study.user_attrs["note"] == "by hand"
    with storage.held():
        study.ask()
    other.enqueue_trial({})
    with pytest.raises(RunError, match=r"journal.log: another program added a trial while this run did: start the run"):
        storage.flush()
