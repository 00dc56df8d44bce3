"""What a run says, line by line: every trial once, duplicates and the baseline as such, the summary last."""

import re
import sys

import pytest
from journals import trials_of

import archspec
from archspec.errors import Interrupted, RunError
from search.run.run import conduct
from search.study.reading import load_study

GRID = "five_stage_grid"
ONE = {
    "name": "one",
    "resolution": 32,
    "stem": "hr_stem",
    "head": {"type": "classifier", "classes": 10},
    "stages": [{"block": "HR", "depth": 1, "width": {"choice": [8]}}],
}
FEW = {**ONE, "stages": [{"block": "HR", "depth": {"range": [1, 4]}, "width": 8}]}


def score(spec, seed):
    return {"accuracy": archspec.measure(spec).params / 1e6, "test_accuracy": 0.5}


def test_every_trial_has_a_line_and_the_summary_is_last(tmp_path, capsys):
    options = {"trials": 4, "baseline": 4, "final": {"seeds": 2, "members": 2}, "sampler": "random", "name": "few"}
    run = archspec.search(FEW, score, runs=tmp_path, **options)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(
        f"search few in {tmp_path}/few: 4 trials; evaluator function, sampler random, 1 worker; "
    )
    trials = run.study.get_trials()
    for trial in trials:
        (line,) = [line for line in lines if re.match(rf"(\[\d/\d\] )?trial {trial.number}[: ]", line)]
        original = trial.user_attrs.get("duplicate_of")
        assert ("duplicate of" in line) is (original is not None)
        if original is not None:
            assert line.startswith(f"trial {trial.number}: duplicate of trial {original}: accuracy 0.0")
    assert any("duplicate_of" in trial.user_attrs for trial in trials)
    assert [line for line in lines if "random baseline trial" in line] == [
        line for line in lines if re.match(r"(\[\d/4\] )?random baseline trial \d+: ", line)
    ]
    assert sum(line.strip() == "front" for line in lines) == 1
    duplicates = sum("duplicate_of" in trial.user_attrs for trial in trials)
    noun = "duplicate" if duplicates == 1 else "duplicates"
    assert re.fullmatch(
        rf"finished after 0:00:\d\d: 4 layouts evaluated, {duplicates} {noun}, finalists 4 of 4", lines[-2]
    )
    assert lines[-1] == f"next: archspec report {tmp_path}/few"


def test_quiet_says_nothing(tmp_path, capsys):
    run = archspec.search(FEW, score, runs=tmp_path, trials=2, name="few", quiet=True)
    run.extend(trials=3, quiet=True)
    assert capsys.readouterr() == ("", "")


def test_an_exhausted_space_is_said_and_what_it_means_for_the_baseline(tmp_path, capsys):
    archspec.search(ONE, score, runs=tmp_path, trials=6, baseline=5)
    lines = capsys.readouterr().err.splitlines()
    assert "[1/1] trial 0: accuracy 0.0234, macs 1,699,280  hr_stem-HR1x8e4-classifier:classes=10@32" in lines
    said, end = "the space is exhausted (1 of 1 layout evaluated), before the", "says nothing of the sampler"
    search = "The random baseline can draw no others, so that comparing with it"
    baseline = "Search and baseline saw the same layouts: comparing them"
    assert f"search: {said} 6 trials asked for. {search} {end}" in lines
    assert f"random baseline: {said} 5 trials asked for. {baseline} {end}" in lines


def test_failed_layouts_count_where_a_space_is_exhausted(tmp_path, capsys):
    def picky(spec, seed):
        if spec.stages[0].depth == 2:
            raise ValueError("not this one")
        return 0.5

    archspec.search(FEW, picky, runs=tmp_path, trials=6)
    assert "the space is exhausted (3 of 4 layouts evaluated, 1 failed), before the 6 trials" in capsys.readouterr().err


def test_a_search_without_a_single_answer_is_not_finished(tmp_path, capsys):
    def broken(spec, seed):
        raise ValueError("no GPU")

    with pytest.raises(RunError, match=r"not finished: no layout could be evaluated, 4 failed; the last: ValueError"):
        archspec.search(FEW, broken, runs=tmp_path, trials=4)
    assert "archspec report" not in capsys.readouterr().err


def test_a_search_that_ends_in_time_speaks_of_no_exhaustion(tmp_path, capsys):
    archspec.search(FEW, score, runs=tmp_path, trials=3)
    assert "exhausted" not in capsys.readouterr().err


@pytest.mark.parametrize(("seeds", "said"), [(1, 1), (0, 0)])
def test_a_command_without_a_test_figure_is_told_at_its_first_answer_and_recorded(
    study_file, tmp_path, capsys, seeds, said
):
    evaluator = {"type": "command", "command": [sys.executable, "-c", "print('{\"accuracy\": 0.5}')"], "resolution": 32}
    config = load_study(str(study_file(evaluator=evaluator, trials=3, final={"seeds": seeds})), tmp_path, {})
    assert conduct(config, tmp_path / "runs")
    lines = capsys.readouterr().err.splitlines()
    notes = [number for number, line in enumerate(lines) if line.startswith("note: this answer holds no test_accuracy")]
    assert len(notes) == said
    if said:
        assert "trial 0: " in lines[notes[0] - 1]
        assert any(re.search(r"finalist, seed 1: accuracy 0.5000, no test figure", line) for line in lines)
        assert "finalists 1 of 1" in lines[-2]


def test_a_journal_that_was_moved_away_begins_anew_from_the_results(tmp_path):
    calls = []

    def counted(spec, seed):
        calls.append((spec.digest, seed))
        return score(spec, seed)

    options = {"trials": 8, "baseline": 4, "final": {"seeds": 2, "members": 2}, "runs": tmp_path, "name": "toy"}
    first = archspec.search(GRID, counted, **options).front
    journal = tmp_path / "toy" / "journal.log"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([*lines[:20], *lines[21:]]))
    with pytest.raises(
        RunError, match=r"journal.log:21: damaged: .*kept as it is \(moved away, the same command begins"
    ):
        archspec.search(GRID, counted, **options)
    journal.rename(tmp_path / "toy" / "journal.damaged")
    before = len(calls)
    again = archspec.search(GRID, counted, **options)
    assert len(calls) == before
    assert [member.metrics for member in again.front] == [member.metrics for member in first]


def test_an_answer_that_lacks_an_objective_is_a_failure_and_no_traceback(tmp_path):
    from typing import Literal, final

    from archspec.plugins import Evaluator, Session

    @final
    class Lacking(Evaluator):
        type: Literal["lacking_of_a_test"] = "lacking_of_a_test"

        @property
        def gives(self):
            return frozenset({"accuracy", "macs"})

        @property
        def metric(self):
            return {"name": "accuracy", "label": "accuracy", "dataset": "none", "benchmark": None}

        def prepare(self, spec):
            return spec

        def finalist(self, changes):
            return self

        def open(self):
            return LackingSession()

    @final
    class LackingSession(Session):
        def evaluate(self, task, stop, progress):
            return {"accuracy": 0.5}

    with pytest.raises(
        RunError,
        match="the first 5 layouts all failed; the last one: the answer lacks macs, which evaluator lacking_of_a_test",
    ):
        archspec.search(GRID, evaluator=Lacking(), trials=6, runs=tmp_path)


def test_a_trial_that_was_interrupted_and_queued_again_may_be_shared_with_the_baseline(tmp_path):
    calls: list[str] = []

    def once(spec, seed):
        calls.append(spec.digest)
        if len(calls) == 2:
            raise Interrupted("saved")
        return score(spec, seed)

    options = {"trials": 4, "baseline": 4, "final": {"seeds": 0}, "sampler": {"type": "tpe", "startup": 3}}
    run = archspec.search(FEW, once, runs=tmp_path, name="few", quiet=True, **options)
    again = archspec.open_run(run.root)
    assert (again.trials["state"] == "COMPLETE").sum() >= 4
    shared = [trial for trial in trials_of(run.root, "baseline") if "copied_from" in trial.user_attrs]
    assert len(shared) == 3
    assert not any("requeued_from" in trial.user_attrs for trial in shared)
