"""Finalists: which layouts are re-trained, how often one is tried, and a run that says which are missing."""

import itertools

import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

import archspec
from archspec.errors import RunError
from archspec.loader import load
from search.run.finalists import FinalPhase, choose_members
from search.run.journal import open_study
from search.run.worker import Report
from search.study.reading import load_study

DIED = Report("died", "the worker died with signal 9")
DONE = Report("done", metrics={"accuracy": 0.5, "test_accuracy": 0.4})
GRID = "five_stage_grid"


@pytest.fixture
def make_phase(study_file, tmp_path):
    """Two finalists with one seed each, over one study `final`."""
    storage = InMemoryStorage()
    specs = [load("tiny").at(32), load("tiny").at(64)]

    def make(**options) -> FinalPhase:
        config = load_study(str(study_file(final={"seeds": 1})), tmp_path, {})
        return FinalPhase(open_study(storage, "final", ["accuracy"], {}), config, specs, {}, tmp_path, **options)  # pyright: ignore

    return make


def test_a_finalist_whose_worker_dies_is_tried_again(make_phase):
    phase = make_phase()
    first, second = phase.next_order(), phase.next_order()
    line = phase.finish(first, DIED)
    assert "the worker died with signal 9; tried again (attempt 2 of 3)" in line
    phase.finish(second, DONE)
    assert "1 of 2 finalists not recorded, 1 failed; the last: the worker died with signal 9" in phase.missing()
    again = phase.next_order()
    assert again == first
    assert phase.next_order() is None
    phase.finish(again, DONE)
    assert phase.progress == (2, 2)
    assert phase.missing() == ""


@pytest.mark.parametrize("kind", ["interrupted", "lost"])
def test_a_finalist_that_was_interrupted_or_lost_its_place_is_queued_again_without_limit(make_phase, kind):
    phase = make_phase()
    phase.finish(phase.next_order(), DONE)
    order = phase.next_order()
    for _ in range(5):
        assert phase.finish(order, Report(kind, "the node is gone")).count(f"{kind}: the node is gone; queued again")
        assert phase.next_order() == order
        assert phase.next_order() is None
    phase.finish(order, DONE)
    assert phase.missing() == ""
    assert [trial.state.name for trial in phase.study.trials] == ["COMPLETE", "COMPLETE"]


def test_attempts_count_over_restarts_and_end(make_phase):
    digests = []
    for attempt in range(3):
        phase = make_phase()
        if attempt == 0:
            phase.finish(phase.next_order(), DONE)
        order = phase.next_order()
        assert phase.next_order() is None
        digests.append(order.digest)
        line = phase.finish(order, DIED)
    assert len(set(digests)) == 1
    assert line.endswith("given up after 3 workers  " + phase.study.trials[-1].user_attrs["code"])
    phase = make_phase()
    assert phase.next_order() is None
    assert phase.missing() == "1 of 2 finalists not recorded, 1 failed; the last: the worker died with signal 9"
    requeued = [trial.user_attrs.get("requeued", False) for trial in phase.study.trials]
    assert requeued == [False, True, True, False]


def test_failed_finalists_are_tried_again_where_asked_and_the_new_record_takes_the_place(make_phase):
    phase = make_phase()
    phase.finish(phase.next_order(), Report("failed", "no memory"))
    phase.finish(phase.next_order(), DONE)
    assert make_phase().next_order() is None  # nothing is tried again unasked
    phase = make_phase(retry_failed=True)
    assert phase.retried == 1
    phase.finish(phase.next_order(), DIED)  # three workers more
    phase = make_phase()
    order = phase.next_order()
    phase.finish(order, DONE)
    assert phase.missing() == ""
    assert [trial.user_attrs.get("requeued_from") for trial in phase.study.trials] == [None, None, 0, None]
    assert make_phase(retry_failed=True).next_order() is None


def test_a_finalist_without_a_test_figure_is_recorded_and_said(make_phase):
    phase = make_phase()
    line = phase.finish(phase.next_order(), Report("done", metrics={"accuracy": 0.5}))
    assert "accuracy 0.5000, no test figure" in line
    phase.finish(phase.next_order(), DONE)
    assert phase.closing() == [
        "note: 1 finalist has no test figure (no test_accuracy in the answer): reports show validation alone"
    ]
    assert phase.missing() == ""


def make_front(points, names=("accuracy", "macs", "params")):
    study = open_study(InMemoryStorage(), "search", list(names), {})  # pyright: ignore
    for index, values in enumerate(points):
        study.add_trial(create_trial(values=list(values), user_attrs={"digest": f"{index:016x}"}))
    return study


THREE = [(0.5, 10, 90), (0.6, 20, 80), (0.95, 35, 75), (0.7, 30, 70), (0.8, 60, 60), (0.75, 70, 50), (0.7, 80, 40)]


@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_the_best_of_each_objective_is_always_among_the_members(count):
    for points in itertools.islice(itertools.permutations(THREE), 0, 5040, 97):
        chosen = [tuple(trial.values) for trial in choose_members(make_front(points), count)]
        assert len(chosen) == count
        assert {(0.95, 35, 75), (0.5, 10, 90), (0.7, 80, 40)} <= set(chosen)
        assert chosen == sorted(chosen, key=lambda values: values[::-1])


def test_members_of_two_objectives_are_spread_evenly_with_both_ends():
    front = make_front([(index / 100, index) for index in range(1, 12)], ("accuracy", "macs"))
    assert [trial.number for trial in choose_members(front, 3)] == [0, 5, 10]
    assert [trial.number for trial in choose_members(front, 20)] == list(range(11))


def test_what_was_trained_before_stays_a_member():
    front = make_front([(index / 100, index) for index in range(1, 12)], ("accuracy", "macs"))
    assert [trial.number for trial in choose_members(front, 3, [f"{4:016x}"])] == [0, 4, 10]
    every = [f"{index:016x}" for index in range(11)]
    assert [trial.number for trial in choose_members(front, 3, every)][::2] == [0, 10]


def score(spec, seed):
    return {"accuracy": archspec.measure(spec).params / 1e6, "test_accuracy": 0.5}


def test_a_run_whose_finalists_fail_is_not_finished_and_says_why(tmp_path, capsys):
    broken = True

    def fragile(spec, seed):
        if seed and broken:
            raise ValueError("no GPU")
        return score(spec, seed)

    options = {"trials": 8, "final": {"seeds": 1, "members": 3}, "runs": tmp_path, "name": "toy"}
    with pytest.raises(
        RunError, match=r"toy: not finished: 3 of 3 finalists not recorded, 3 failed; the last: .*no GPU"
    ):
        archspec.search(GRID, fragile, **options)
    assert "not finished after" in capsys.readouterr().err
    with pytest.raises(RunError, match=r"The same call with retry_failed=True tries again what failed$"):
        archspec.search(GRID, fragile, **options)
    with pytest.raises(RunError, match=r"the first 5 finalists all failed; the last one: ValueError: no GPU"):
        archspec.search(GRID, fragile, **options | {"final": {"seeds": 6, "members": 3}})
    broken = False
    run = archspec.open_run(tmp_path / "toy").extend(accuracy=fragile, retry_failed=True)
    assert sum("test_accuracy" in member.metrics for member in run.front) == 3
    assert "finished after" in capsys.readouterr().err.splitlines()[-2]


def test_failed_layouts_are_tried_again_where_asked_beyond_the_trials_there_are(tmp_path, capsys):
    broken, calls = True, []

    def picky(spec, seed):
        calls.append(spec.digest)
        if broken and spec.stages[3].depth == 2:
            raise ValueError("not this one")
        return score(spec, seed)

    options = {"trials": 8, "baseline": 4, "final": {"seeds": 0}, "runs": tmp_path, "sampler": "random", "seed": 1}
    run = archspec.search(GRID, picky, **options)
    failed = run.trials[run.trials["state"] == "FAIL"]
    lost = failed["digest"].nunique()
    assert lost
    archspec.search(GRID, picky, **options)
    assert len(calls) == len(set(calls))
    broken = False
    capsys.readouterr()
    run = archspec.search(GRID, picky, **options, retry_failed=True)
    assert f"search: {lost} failed layout" in capsys.readouterr().err
    done = run.trials[run.trials["state"] == "COMPLETE"]
    assert (
        done[done.get("duplicate_of").isna() if "duplicate_of" in done else slice(None)]["digest"].nunique() == 8 + lost
    )
    archspec.search(GRID, picky, **options, retry_failed=True)
    waiting = [trial for trial in run.study.get_trials() if trial.state == TrialState.WAITING]
    assert not waiting
    assert calls.count(failed["digest"].iloc[0]) == 2
