"""`sampler: exact` on a small study whose answer is additive: it finds the true front, and goes on where it stopped."""

from itertools import product

import numpy as np
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from archspec.cost.tables import MetricAt
from archspec.errors import SpecError
from archspec.spec.schema import ArchSpec
from search.front.dominance import nondominated
from search.run.journal import open_study
from search.run.proposals import SearchPhase
from search.run.worker import Report
from search.space.encoding import Encoding
from search.study.config import StudyConfig
from search.study.reading import load_study

ADDITIVE = {
    "name": "additive",
    "resolution": 32,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [
        {"block": {"choice": ["HR", "CFFN"]}, "depth": {"range": [1, 4]}, "width": {"choice": [8, 12, 16]}},
        {
            "block": {"choice": {"CFFN": "CFFN", "T": {"type": "T", "heads": {"choice": [2, 4]}}}},
            "depth": {"range": [1, 4]},
            "width": {"choice": [16, 24, 32]},
            "downsample": "irds_b",
        },
    ],
    "head": {"type": "classifier", "classes": 10},
}


def accuracy(spec: ArchSpec) -> float:
    """Grows with depth and width, and with neither more than the one of the other stage allows."""
    kinds = {"HR": 0.03, "CFFN": 0.0, "T": 0.06}
    blocks = [stage.blocks[0] for stage in spec.stages]
    gain = sum(kinds[type(block).__name__] for block in blocks)
    return 0.4 + gain + sum(0.02 * stage.depth**0.5 + 0.002 * stage.width for stage in spec.stages)


def make_arm(study_file, tmp_path, storage, **changes) -> SearchPhase:
    changes = {"space": ADDITIVE, "sampler": {"type": "exact", "startup": 10}, **changes}
    config = load_study(str(study_file(**changes)), tmp_path, {})
    study = open_study(storage, "search", list(config.objectives), {})
    return SearchPhase(study, storage, config, config.open_space(), tmp_path, trials=config.trials)


def answer(arm: SearchPhase, count: int) -> list[str]:
    """Evaluate up to `count` orders; their digests."""
    digests: list[str] = []
    while len(digests) < count and (order := arm.next_order()):
        spec = ArchSpec.model_validate(order.spec)
        metrics = {"accuracy": accuracy(spec), **costs(spec)}
        arm.finish(order, Report("done", metrics=metrics))
        digests.append(order.digest)
    return digests


def costs(spec: ArchSpec):
    from search.evaluator import cost_metrics

    return cost_metrics(spec)


def true_front(config: StudyConfig) -> list[tuple[float, float]]:
    encoding = Encoding(config.open_space())
    rows = np.array(list(product(*(range(count) for count in encoding.options))))
    cost = encoding.chain([MetricAt("macs", 32)]).price(rows)[:, 0]
    rows, cost = rows[cost >= 0], cost[cost >= 0]
    scores = np.array([accuracy(encoding.spec(row)) for row in rows])
    kept = nondominated(cost, scores)
    return sorted(zip(scores[kept].tolist(), cost[kept].tolist(), strict=True))


def test_an_additive_front_is_found_in_few_trials(study_file, tmp_path):
    arm = make_arm(study_file, tmp_path, InMemoryStorage(), trials=100)
    wanted = true_front(arm.config)
    answer(arm, 60)  # of 864 layouts
    found = {tuple(trial.values) for trial in arm.study.best_trials}
    assert len(wanted) > 20
    missed = [point for point in wanted if point not in found]
    assert len(missed) <= len(wanted) // 10


def test_each_proposal_records_how_good_the_surrogate_was(study_file, tmp_path):
    arm = make_arm(study_file, tmp_path, InMemoryStorage(), trials=20)
    answer(arm, 20)
    notes = [trial.user_attrs.get("surrogate") for trial in arm.study.trials]
    drawn = [trial.user_attrs["arm"] == "random" for trial in arm.study.trials]
    assert [note is None for note in notes] == drawn
    last = notes[-1]
    assert last is not None
    assert last["trials"] == 19
    assert 0 <= last["loo_rmse"] < 0.05
    assert -1 <= last["kendall"] <= 1


def test_a_study_goes_on_as_if_it_had_not_been_interrupted(study_file, tmp_path):
    storage = InMemoryStorage()
    first = answer(make_arm(study_file, tmp_path, storage, trials=22), 14)
    first += answer(make_arm(study_file, tmp_path, storage, trials=22), 8)
    whole = answer(make_arm(study_file, tmp_path, InMemoryStorage(), trials=22), 22)
    assert first == whole


def test_workers_at_the_same_time_get_different_layouts(study_file, tmp_path):
    arm = make_arm(study_file, tmp_path, InMemoryStorage(), trials=60)
    answer(arm, 12)
    orders = [arm.next_order() for _ in range(16)]
    assert len({order.digest for order in orders if order}) == 16
    assert all(trial.state == TrialState.RUNNING for trial in arm.study.trials[-16:])


def test_a_paused_layout_is_neither_proposed_again_nor_learnt_from(study_file, tmp_path):
    arm = make_arm(study_file, tmp_path, InMemoryStorage(), trials=40)
    answer(arm, 12)
    order = arm.next_order()
    assert order is not None
    arm.study.tell(arm.study.trials[-1].number, state=TrialState.PRUNED)
    arm._flights.clear()
    seen = set(answer(arm, 10))
    assert order.digest not in seen
    assert arm.study.trials[-1].user_attrs["surrogate"]["trials"] == 12 + 9


def test_a_failed_layout_is_not_proposed_again(study_file, tmp_path):
    arm = make_arm(study_file, tmp_path, InMemoryStorage(), trials=40)
    answer(arm, 12)
    seen: set[str] = set()
    for _ in range(6):
        order = arm.next_order()
        assert order is not None
        assert order.digest not in seen
        seen.add(order.digest)
        arm.finish(order, Report("failed", "the loss is nan"))


@pytest.mark.parametrize("budget", [{"macs": "<= 700k", "params": "<= 20k"}, {"macs": "600k..700k"}])
def test_every_proposal_is_inside_the_budget(study_file, tmp_path, budget):
    arm = make_arm(study_file, tmp_path, InMemoryStorage(), trials=30, budget=budget)
    answer(arm, 20)
    done = [trial for trial in arm.study.trials if trial.state == TrialState.COMPLETE]
    assert len(done) >= 20
    assert not any("repaired" in trial.user_attrs for trial in done)
    for trial in done:
        for limit in arm.config.box:
            assert limit.holds(trial.user_attrs[limit.metric.name])


def test_a_whole_space_is_tried_and_then_no_more(study_file, tmp_path):
    small = {**ADDITIVE, "stages": [{"block": {"choice": ["HR", "CFFN"]}, "depth": {"range": [1, 4]}, "width": 8}]}
    arm = make_arm(study_file, tmp_path, InMemoryStorage(), space=small, sampler={"type": "exact", "startup": 3})
    assert len(set(answer(arm, 20))) == 8


@pytest.mark.parametrize(
    "objectives", [["accuracy"], ["accuracy", "macs", "params"], ["macs", "params"], ["accuracy", "latency_ms"]]
)
def test_other_objectives_are_refused_with_the_rule(study_file, tmp_path, objectives):
    with pytest.raises(SpecError) as caught:
        make_arm(study_file, tmp_path, InMemoryStorage(), objectives=objectives)
    assert "such as accuracy and one of params, macs, activations, saved_bytes" in str(caught.value) or (
        "latency_ms" in objectives and "does not give latency_ms" in str(caught.value)
    )
