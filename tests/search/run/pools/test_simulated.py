"""Virtual workers: the order of answers, virtual time on record, going on after an interruption, refusals."""

import heapq
from itertools import pairwise

import pytest
from curve_tables import write_curves
from journals import trained, trials_of

from archspec.documents.reader import Document
from archspec.errors import SpecError
from search.data.trained_layouts import load_table
from search.run.conductor import Conductor
from search.run.run import conduct
from search.study.reading import parse_study


def study(table, workers, trials=12, sampler="random", **changes):
    evaluator = {"type": "table", "table": str(table), "virtual_workers": workers, "nearest": True}
    data = {
        "name": "s",
        "space": "five_stage_grid",
        "evaluator": evaluator,
        "trials": trials,
        "final": {"seeds": 0},
    } | changes
    return parse_study(Document({**data, "sampler": {"type": sampler, "startup": 4}}, "study.yaml"))


def ends(trials):
    return [(trial.user_attrs["digest"], trial.user_attrs["virtual_seconds"]) for trial in trials]


@pytest.mark.parametrize("workers", [1, 3])
def test_answers_come_in_the_order_in_which_virtual_workers_end(tmp_path, workers):
    table = write_curves(tmp_path / "curves.csv")
    assert conduct(study(table, workers), tmp_path, quiet=True)
    trials = trained(trials_of(tmp_path / "s"))
    assert len(trials) == 12
    rows = load_table(str(table)).rows
    free = [0.0] * workers  # in the order of proposals, each on the worker that is free first
    expected = {}
    for trial in trials:
        digest = trial.user_attrs["digest"]
        expected[digest] = heapq.heappop(free) + sum(rows[digest][0].curve.seconds)
        heapq.heappush(free, expected[digest])
    assert dict(ends(trials)) == pytest.approx(expected, abs=1e-5)
    answered = sorted(trials, key=lambda trial: trial.datetime_complete)
    times = [trial.user_attrs["virtual_seconds"] for trial in answered]
    assert all(one <= two for one, two in pairwise(times))
    assert workers == 1 or [trial.number for trial in answered] != sorted(trial.number for trial in trials)


def test_a_simulated_run_is_the_same_whenever_it_is_made(tmp_path):
    table = write_curves(tmp_path / "curves.csv")
    for folder in ("one", "two"):
        assert conduct(study(table, 3, trials=8, sampler="tpe"), tmp_path / folder, quiet=True)
    one, two = (trials_of(tmp_path / folder / "s") for folder in ("one", "two"))
    assert [trial.params for trial in one] == [trial.params for trial in two]
    assert ends(trained(one)) == ends(trained(two))


def test_an_interrupted_simulation_goes_on_from_its_last_answer(tmp_path, monkeypatch):
    config = study(write_curves(tmp_path / "curves.csv"), 3)
    note, heard = Conductor._note, []

    def interrupt(self, arm, order, report):
        note(self, arm, order, report)
        heard.append(report.kind)
        if report.kind == "done" and heard.count("done") == 5:
            self._interrupt(2, None)

    with monkeypatch.context() as patched:
        patched.setattr(Conductor, "_note", interrupt)
        assert not conduct(config, tmp_path, quiet=True)
    before = dict(ends(trained(trials_of(tmp_path / "s"))))
    assert len(before) == 5
    assert conduct(config, tmp_path, quiet=True)
    after = dict(ends(trained(trials_of(tmp_path / "s"))))
    assert len(after) == 12
    assert before.items() <= after.items()
    assert min(after[digest] for digest in after.keys() - before.keys()) > max(before.values())


def test_virtual_workers_pause_at_rungs_and_take_only_the_seconds_that_are_left(tmp_path):
    table = write_curves(tmp_path / "curves.csv")
    assert conduct(study(table, 2, trials=6, rungs={"epochs": ["1/3", 1], "keep": "1/3"}), tmp_path, quiet=True)
    trials = [one for one in trials_of(tmp_path / "s") if "rung" in one.user_attrs]
    assert sorted(one.user_attrs["rung_epochs"] for one in trials) == [1] * 6 + [3] * 2
    rows = load_table(str(table)).rows
    spent = sum(
        sum(
            rows[one.user_attrs["digest"]][0].curve.seconds[slice(0, 1) if one.user_attrs["rung"] == 1 else slice(1, 3)]
        )
        for one in trials
    )
    ends = [one.user_attrs.get("rung_metrics", one.user_attrs)["virtual_seconds"] for one in trials]
    assert spent / 2 <= max(ends) < spent


def test_real_workers_beside_virtual_ones_are_refused(tmp_path):
    config = study(write_curves(tmp_path / "curves.csv"), 3)
    rule = "evaluator.virtual_workers: 3 virtual workers work in one process: leave out the 2 workers of the command"
    with pytest.raises(SpecError, match=rule):
        conduct(config, tmp_path, workers=2, quiet=True)
    assert not (tmp_path / "s").exists()
