"""The page and the review of searches that a cheap estimate guided."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from guesses import Guess, trained

import archspec
from archspec.errors import RunError
from archspec.files.journal import open_journal
from reports.records.gate import Estimated, GateRecord, read_gates
from reports.records.search import read
from reports.review.estimate_rules import refused_estimate, unchecked_estimate
from reports.review.review import examine
from reports.review.search_run import read_search
from reports.search_page.estimates import estimate_lines, gate_lines
from reports.search_page.write import compute, write_report

STAGE = {"block": "HR", "depth": {"range": [1, 3]}, "width": {"choice": [8, 12, 16]}, "expansion": {"choice": [2, 4]}}
SPACE: dict[str, Any] = {
    "resolution": 64,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [STAGE],
    "head": {"type": "classifier", "classes": 10},
}


def search(root: Path, **options: Any) -> Path:
    asked = {"trials": 6, "final": {"seeds": 2, "members": 3}, "sampler": "random", "quiet": True, **options}
    return archspec.search(SPACE, evaluator=Guess(), runs=root, name="guided", **asked).root


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that a good estimate guided."""
    return search(tmp_path_factory.mktemp("runs"), check={"layouts": 14, "seeds": 2})


@pytest.fixture(scope="module")
def page(guided: Path) -> Path:
    """Its report."""
    return write_report(guided, guided.parent / "page").parent


def noted(run: Path, target: Path, **changes: Any) -> Path:
    """A copy of the run with another gate."""
    shutil.copytree(run, target)
    study = optuna.load_study(study_name="search", storage=open_journal(target / "journal.log"))
    study.set_user_attr("gate", study.user_attrs["gate"] | changes)
    return target


def test_the_first_lines_state_the_rank_correlation_beside_cost(guided: Path, page: Path) -> None:
    text = (page / "index.html").read_text()
    header = text.partition("</header>")[0].partition("<header>")[2]
    first, numbers = estimate_lines(read(guided))
    assert first == "guess (not an accuracy) guided this search: it ranks layouts better than cost alone does."
    assert numbers.startswith("Over 14 layouts drawn at random, trained in full, 2 seeds each: Kendall's tau b with ")
    assert "MACs alone" in numbers
    assert "the partial tau given MACs is" in numbers
    assert "Seed noise leaves a perfect estimate about 0.9" in numbers
    assert first in header
    assert numbers.replace("'", "&#39;") in header
    assert "layouts estimated" in text
    assert "The estimate against full trainings" in text


def test_the_figure_has_a_point_per_layout_of_the_check(guided: Path, page: Path) -> None:
    with (page / "figures" / "estimate.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    for row in rows:
        spec = archspec.load(guided / "artifacts" / row["digest"] / "spec.yaml")
        assert float(row["accuracy"]) == pytest.approx(sum(trained(spec, seed)["accuracy"] for seed in (1, 2)) / 2)
        assert int(row["macs"]) == archspec.measure(spec).macs
    with (page / "figures" / "tradeoff.csv").open() as file:
        kinds = [row["kind"] for row in csv.DictReader(file)]
    assert kinds.count("random") == 14
    assert "search" not in kinds


def test_estimates_stand_in_no_table_as_accuracies(guided: Path, page: Path) -> None:
    record = read(guided)
    assert (record.estimated, record.scored, record.full.word) == (True, True, "accuracy")
    table = (page / "front.md").read_text()
    assert "guess (not an accuracy)" in table
    assert "Validation (%)" not in table
    assert "estimates, nothing trained" in table
    scores = record.search["accuracy"]
    assert f"{100 * scores.max():.1f}" not in table
    assert not any("seen on validation" in line for line in (page / "index.html").read_text().splitlines())


def test_an_estimate_that_passed_is_not_objected_to(guided: Path) -> None:
    rules = {objection.rule for objection in examine(guided).objections}
    assert not rules & {"unchecked-estimate", "refused-estimate"}


def test_an_estimate_that_does_not_beat_cost_is_objected_to_and_said(guided: Path, tmp_path: Path) -> None:
    run = noted(guided, tmp_path / "guided", verdict="covariate")
    (objection,) = [one for one in examine(run).objections if one.rule == "refused-estimate"]
    assert objection.severity == "serious"
    assert (
        "does not rank layouts better than cost alone, though it tells something that cost does not" in objection.text
    )
    assert "--set check.layouts=28" in objection.command
    assert "though it tells something" in estimate_lines(read(run))[0]


def test_a_check_that_was_skipped_or_not_made_is_objected_to_and_said(guided: Path, tmp_path: Path) -> None:
    skipped = search(tmp_path, check={"layouts": 0}, final={"seeds": 0})
    (line,) = estimate_lines(read(skipped))
    assert "no layout was trained to check it (check.layouts: 0)" in line
    assert "tradeoff" not in {one.section.name for one in compute(skipped).sections}  # nothing was trained
    (objection,) = [one for one in examine(skipped).objections if one.rule == "unchecked-estimate"]
    assert objection.severity == "serious"
    assert "--set check.layouts=24" in objection.command
    run = read_search(guided)
    early = replace(run, record=replace(run.record, gates=()))
    (objection,) = unchecked_estimate(early)
    assert objection.command == f"archspec search {guided} --runs {guided.parent}"
    assert "an estimate that is not checked yet" in estimate_lines(early.record)[0]
    assert not list(refused_estimate(early))


@pytest.mark.parametrize(
    "change", [{"verdict": "good"}, {"tau": 3}, {"costs": [1]}, {"layouts": "many"}, {"costs": {"macs": {"tau": {}}}}]
)
def test_a_damaged_gate_is_refused_in_one_line(guided: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(RunError, match=r"journal\.log: damaged: "):
        read(noted(guided, tmp_path / "guided", **change))


def test_rungs_are_judged_by_the_layouts_that_they_promoted() -> None:
    alone = {"macs": (Estimated(0.4, 0.1, 0.6), Estimated(0.2, 0.05, 0.4))}
    tau, partial = Estimated(0.6, 0.3, 0.8), Estimated(0.4, 0.1, 0.6)
    gate = GateRecord("rungs", "accuracy after 3 epochs", "accuracy", False, "front", 20, 1, tau, partial, alone)
    first, numbers = gate_lines(gate)
    assert first.startswith("Accuracy after 3 epochs decided what was trained to the end: it ranks")
    assert "Over 20 layouts that it had promoted itself, which lowers these numbers" in numbers
    assert "0.60 [0.30, 0.80]" in numbers
    assert "the difference is 0.20 [0.05, 0.40] to MACs" in numbers
    few = replace(gate, layouts=4, tau=Estimated(1.0))
    assert "4 layouts trained in full are too few" in gate_lines(few)[0]
    assert read_gates({"rungs_gate": {"estimate": "x", "skipped": True}})[0].kind == "rungs"
