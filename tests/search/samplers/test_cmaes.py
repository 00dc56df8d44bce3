"""`sampler: cmaes` on a study whose answer is known: it improves on chance, keeps budgets, and goes on where it was."""

from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import TrialState

from archspec.cost.measure import measure
from archspec.spec.schema import ArchSpec
from search.run.journal import open_study
from search.run.proposals import SearchPhase
from search.run.worker import Report
from search.samplers.cmaes import find_ranges
from search.space.space import Space
from search.study.reading import load_study

pytest.importorskip("cmaes")

RANGES: dict[str, Any] = {
    "name": "ranges",
    "resolution": 32,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [
        {"block": {"choice": ["HR", "CFFN"]}, "depth": {"range": [1, 6]}, "width": {"range": [8, 48, 8]}},
        {
            "block": {"choice": {"CFFN": "CFFN", "T": {"type": "T", "heads": {"range": [1, 2]}}}},
            "depth": {"range": [1, 6]},
            "width": {"range": [16, 64, 8]},
            "downsample": "irds_b",
        },
    ],
    "head": {"type": "classifier", "classes": 10},
}
OPEN_ALWAYS = ["stages[0].depth", "stages[0].width", "stages[1].depth", "stages[1].width"]


def accuracy(spec: ArchSpec) -> float:
    """1 for one layout alone, and the less the farther from it."""
    first, second = spec.stages
    far = ((first.depth - 5) / 6) ** 2 + ((second.depth - 2) / 6) ** 2
    far += ((first.width - 40) / 48) ** 2 + ((second.width - 24) / 64) ** 2
    return 1 - far - 0.05 * (type(first.blocks[0]).__name__ != "HR")


def search(study_file, tmp_path, *, parts=(60,), seed=0, tag="cmaes", **changes) -> Study:
    """A search of accuracy alone, interrupted after each of its parts."""
    asked = {"space": RANGES, "objectives": ["accuracy"], "trials": sum(parts), "seed": seed, **changes}
    config = load_study(str(study_file(sampler={"type": tag, "startup": 8}, **asked)), tmp_path, {})
    storage = InMemoryStorage()
    for part in parts:
        study = open_study(storage, "search", list(config.objectives), {})
        phase = SearchPhase(study, storage, config, config.open_space(), tmp_path, trials=config.trials)
        for _ in range(part):
            order = phase.next_order()
            assert order is not None
            spec = ArchSpec.model_validate(order.spec)
            phase.finish(order, Report("done", metrics={"accuracy": accuracy(spec), "macs": measure(spec).macs}))
    return open_study(storage, "search", list(config.objectives), {})


def params(study: Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def test_the_distribution_is_over_the_ranges_that_every_layout_has(study_file, tmp_path):
    config = load_study(str(study_file(space=RANGES)), tmp_path, {})
    space: Space = config.open_space()
    assert list(find_ranges(space)) == OPEN_ALWAYS  # neither the heads of T, nor a choice of kinds


def test_it_finds_better_layouts_than_chance_does(study_file, tmp_path):
    def best(tag: str) -> float:
        return sum(search(study_file, tmp_path, seed=seed, tag=tag).best_value for seed in range(3)) / 3

    assert best("cmaes") > best("random") + 0.01


def test_its_proposals_come_from_generations_and_depend_on_the_seed_alone(study_file, tmp_path):
    one, again = (search(study_file, tmp_path, parts=(40,)) for _ in range(2))
    assert params(one) == params(again)
    assert params(one) != params(search(study_file, tmp_path, parts=(40,), seed=1))
    generations = {trial.system_attrs.get("cmawm:generation") for trial in one.trials}
    assert {None, 0, 1, 2} <= generations


def test_a_continued_search_goes_on_with_its_distribution(study_file, tmp_path):
    study = search(study_file, tmp_path, parts=(30, 20))
    last = study.trials[-1].system_attrs["cmawm:generation"]
    assert last > study.trials[29].system_attrs["cmawm:generation"] > 0


def test_every_proposal_is_inside_the_budget_and_what_was_moved_there_says_so(study_file, tmp_path, monkeypatch):
    monkeypatch.setattr("search.budget.confined_samplers.MAX_CHILDREN", 2)
    study = search(study_file, tmp_path, parts=(50,), budget={"macs": "700k..900k"})
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert all(700_000 <= trial.user_attrs["macs"] <= 900_000 for trial in done)
    assert not any("repaired" in trial.user_attrs for trial in done)
    moved = [trial for trial in done if "moved" in trial.user_attrs]
    assert moved
    for trial in moved:
        for change in trial.user_attrs["moved"]:
            path, _, values = change.partition(": ")
            assert values.endswith(f"-> {trial.params[path]}")
