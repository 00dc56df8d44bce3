"""Proposals inside a budget: from every sampler, from the first trial on, and what is recorded of those moved there."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.spec.schema import ArchSpec
from search.budget.confinement import Confinement
from search.budget.quasi_random import QuasiRandom
from search.run.journal import open_study
from search.run.proposals import SearchPhase
from search.run.worker import Report
from search.space.holes import assignments
from search.space.limits import parse_limits, settle
from search.space.space import load_space, parse_space
from search.study.reading import load_study

BUDGET = {"macs": "400k..600k", "params": "<= 14k"}
SAMPLERS = ["random", "qmc", "nsga2", "nsga3", "tpe", "gp"]


def make_arm(path, tmp_path, storage, *, random=False, name="search"):
    config = load_study(str(path), tmp_path, {})
    study = open_study(storage, name, list(config.objectives), {})
    return SearchPhase(study, storage, config, config.open_space(), tmp_path, trials=config.trials, random=random)


def run(arm, count):
    """Evaluate up to `count` layouts: the accuracy is made up, the macs are true. Returns the specs."""
    specs = []
    while len(specs) < count and (order := arm.next_order()):
        spec = ArchSpec.model_validate(order.spec)
        macs = measure(spec).macs
        arm.finish(order, Report("done", metrics={"accuracy": macs / 1e6, "macs": macs}))
        specs.append(spec)
    return specs


def inside(spec):
    cost = measure(spec)
    return 400_000 <= cost.macs <= 600_000 and cost.params <= 14_000


@pytest.fixture(scope="module")
def tiny():
    return load_space("five_stage_tiny")


def confine(space, *texts):
    return Confinement(space, settle(parse_limits(texts), space.template["resolution"]))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_evaluates_layouts_inside_only_and_says_what_it_repaired(sampler, study_file, tmp_path):
    trials = 6 if sampler == "gp" else 24
    path = study_file(trials=trials, sampler={"type": sampler, "startup": 4, "population": 6}, budget=BUDGET)
    arm = make_arm(path, tmp_path, InMemoryStorage())
    specs = run(arm, trials)
    assert len(specs) == trials
    assert all(inside(spec) for spec in specs)
    confinement = arm.config.confinement
    outside = []
    for trial in arm.study.trials:
        row = confinement.encoding.encode(trial.params)
        if confinement.inside(row[None])[0]:
            assert "repaired" not in trial.user_attrs
            continue
        outside.append(trial)
        assert trial.user_attrs["repaired"]
        because = trial.user_attrs["repaired_because"]
        assert because == "impossible" or because.startswith(("macs ", "params ")), because
        assert trial.user_attrs["arm"] == "model"
        assert confinement.admit(trial.params).spec.at(32).digest == trial.user_attrs["digest"]
    # What the others propose lies inside from the start.
    assert not outside or sampler in ("tpe", "gp")
    assert outside or sampler != "tpe"


def test_the_baseline_is_drawn_inside_too(study_file, tmp_path):
    arm = make_arm(study_file(trials=10, budget=BUDGET), tmp_path, InMemoryStorage(), random=True)
    assert all(inside(spec) for spec in run(arm, 10))
    assert not any("repaired" in trial.user_attrs for trial in arm.study.trials)


def test_a_search_ends_when_the_budget_holds_nothing_new(study_file, tmp_path):
    path = study_file(trials=50, budget={"macs": "<= 300k"}, sampler={"type": "random"})
    arm = make_arm(path, tmp_path, InMemoryStorage())
    specs = run(arm, 50)
    assert len(specs) == arm.config.confinement.count() < 50
    assert len({spec.digest for spec in specs}) == len(specs)


def test_children_that_stay_outside_are_moved_and_that_is_recorded(study_file, tmp_path, monkeypatch):
    monkeypatch.setattr("search.budget.confined_samplers.MAX_CHILDREN", 1)
    budget = {"macs": "500k..520k"}
    path = study_file(trials=30, sampler={"type": "nsga2", "startup": 1, "population": 6}, budget=budget)
    arm = make_arm(path, tmp_path, InMemoryStorage())
    assert all(500_000 <= measure(spec).macs <= 520_000 for spec in run(arm, 30))
    moved = [trial for trial in arm.study.trials if "moved" in trial.user_attrs]
    assert moved
    for trial in moved:
        for change in trial.user_attrs["moved"]:
            path, _, values = change.partition(": ")
            assert values.endswith(f"-> {trial.params[path]}")


def test_an_interrupted_layout_comes_back_as_it_was(study_file, tmp_path):
    storage = InMemoryStorage()
    path = study_file(trials=6, sampler={"type": "tpe", "startup": 2}, budget=BUDGET)
    arm = make_arm(path, tmp_path, storage)
    run(arm, 4)
    order = arm.next_order()
    arm.finish(order, Report("interrupted", "interrupted"))
    assert make_arm(path, tmp_path, storage).next_order().digest == order.digest


def test_a_continued_quasi_random_search_goes_on_where_it_stopped(study_file, tmp_path):
    path = study_file(trials=20, sampler={"type": "qmc", "startup": 1}, budget=BUDGET)
    once = [spec.digest for spec in run(make_arm(path, tmp_path, InMemoryStorage()), 12)]
    storage = InMemoryStorage()
    first = run(make_arm(path, tmp_path, storage), 5)
    rest = run(make_arm(path, tmp_path, storage), 7)
    assert [spec.digest for spec in first + rest] == once


def test_draws_are_uniform_over_what_is_inside():
    """Also over layouts that plain random search reaches more often than others, by repair."""
    text = """
resolution: 32
stem: {type: hr_stem, width: 8}
stages:
  - {block: {choice: {CFFN: CFFN, T: {type: T, heads: {choice: [2, 3, 4]}}}}, width: {choice: [8, 12, 16]}}
head: {type: classifier, classes: 10}
"""
    space = parse_space(parse_document(text, "space.yaml"))
    confinement = confine(space, "params >= 0")
    possible = {str(layout.params) for layout in space.enumerate()}
    assert len(list(assignments(space.holes))) > len(possible)
    rows = confinement.draw(np.random.default_rng(0), 9000)
    counts = Counter(str(confinement.encoding.params(row)) for row in rows)
    assert set(counts) == possible
    expected = 9000 / len(possible)
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 2.5 * len(possible)  # p < 1e-3


def test_a_repair_changes_as_little_as_possible_and_says_what_and_why(tiny):
    confinement = confine(tiny, "<= 2M", "params <= 40k")
    params = tiny.choose(lambda hole: hole.options[-1])
    layout = confinement.admit(params)
    assert measure(layout.spec, 64).macs <= 2_000_000
    assert layout.reason.startswith("macs ")
    assert " is not <= 2M @ 64, params " in layout.reason
    assert layout.repaired == tuple(
        f"{path}: {params.get(path, 'none')} -> {value}"
        for path, value in layout.params.items()
        if params.get(path) != value
    )
    again = confinement.admit(layout.params)
    assert (again.repaired, again.reason, again.params) == ((), "", layout.params)
    assert confinement.admit(params) == layout


def test_an_impossible_layout_is_repaired_and_called_so(tiny):
    confinement = confine(tiny, ">= 0")
    params = tiny.choose(lambda hole: {"stages[3].width": 24}.get(hole.path, hole.options[-1]))
    params["stages[3].block.T.heads"] = 4
    assert confinement.admit(params).reason == ""
    odd = tiny.choose(lambda hole: hole.options[0]) | {"stages[3].block": "T", "stages[3].block.T.heads": 4}
    possible = confinement.admit(odd)
    assert possible.params["stages[3].width"] % 4 == 0


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["<= 1k"], "no layout meets macs <= 1k @ 64: the cheapest has "),
        (["params >= 1T"], "no layout meets params >= 1T @ 64: the dearest has "),
    ],
)
def test_an_empty_budget_is_refused_with_what_can_be_reached(tiny, texts, message):
    with pytest.raises(SpecError) as caught:
        confine(tiny, *texts)
    assert str(caught.value).startswith(message), str(caught.value)


def test_quasi_random_layouts_are_inside_reproducible_and_more_even_than_random_ones(tiny):
    confinement = confine(tiny, "2M..3M", "params <= 150k")
    points = QuasiRandom(confinement, 5)
    rows = np.stack([points.point(index) for index in range(256)])
    assert confinement.inside(rows).all()
    assert (QuasiRandom(confinement, 5).point(200) == rows[200]).all()
    assert (QuasiRandom(confinement, 6).point(0) != rows[0]).any()
    many = confinement.draw(np.random.default_rng(1), 40_000)
    some = [confinement.draw(np.random.default_rng(seed), 256) for seed in range(2, 8)]
    truth = filled(confinement, many)
    assert distance(filled(confinement, rows), truth) < 0.8 * np.mean(
        [distance(filled(confinement, draws), truth) for draws in some]
    )


def filled(confinement, rows):
    """How often each hole is filled how."""
    vectors = confinement.encoding.vectors(rows)
    return [np.bincount(column + 1, minlength=14) / len(rows) for column in vectors.T]


def distance(one, other):
    return float(np.sqrt(np.mean([(a - b) ** 2 for a, b in zip(one, other, strict=True)])))


def test_a_box_too_small_for_its_bins_is_drawn_from_at_random(tiny, monkeypatch):
    monkeypatch.setattr("search.budget.quasi_random.MAX_BLOCKS", 0)
    confinement = confine(tiny, "2M..3M")
    points = QuasiRandom(confinement, 5)
    rows = np.stack([points.point(index) for index in (0, 0, 1, 2)])
    assert confinement.inside(rows).all()
    assert (rows[0] == rows[1]).all()
    assert len({tuple(row) for row in rows}) == 3


def test_quasi_random_points_reach_every_layout_of_a_small_box(tiny):
    text = """
resolution: 32
stem: {type: hr_stem, width: {choice: [4, 8]}}
stages: [{block: HR, depth: {range: [1, 3]}, width: {choice: [8, 12, 16]}}]
"""
    confinement = confine(parse_space(parse_document(text, "space.yaml")), "params <= 6k")
    rows = np.array(list(product(*(range(count) for count in confinement.encoding.options))))
    expected = {tuple(row) for row in rows[confinement.inside(rows)].tolist()}
    assert 3 < len(expected) < len(rows)
    points = QuasiRandom(confinement, 0)
    counts = Counter(tuple(points.point(index).tolist()) for index in range(256))
    assert set(counts) == expected
    assert max(counts.values()) - min(counts.values()) <= 0.25 * 256 / len(expected)


def test_failed_and_duplicate_trials_do_not_stop_a_confined_search(study_file, tmp_path):
    path = study_file(trials=9, sampler={"type": "nsga2", "startup": 2, "population": 4}, budget=BUDGET)
    arm = make_arm(path, tmp_path, InMemoryStorage())
    for index in range(8):
        order = arm.next_order()
        report = Report("failed", "nan") if index % 2 else Report("done", metrics={"accuracy": 0.5, "macs": 1.0})
        arm.finish(order, report)
    assert {trial.state for trial in arm.study.trials} == {TrialState.COMPLETE, TrialState.FAIL}
