"""The search arm alone: what becomes of proposals and answers."""

from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from archspec.cost.measure import measure
from archspec.spec.schema import ArchSpec
from search.run.finalists import FinalPhase, front_specs
from search.run.journal import open_study
from search.run.proposals import SearchPhase
from search.run.worker import Order, Report
from search.study.reading import load_study


def make_arm(study_file, tmp_path, storage, **changes):
    config = load_study(str(study_file(**changes)), tmp_path, {})
    study = open_study(storage, "search", list(config.objectives), {})
    return SearchPhase(study, storage, config, config.open_space(), tmp_path, trials=config.trials)


def orders(arm: SearchPhase) -> list[Order]:
    out: list[Order] = []
    while order := arm.next_order():
        out.append(order)
    return out


SMALL = {
    "resolution": 32,
    "stem": "hr_stem",
    "head": {"type": "classifier", "classes": 10},
    "stages": [{"block": "HR", "depth": {"range": [1, 4]}, "width": 8}],
}


def test_an_interrupted_layout_is_proposed_again_whatever_else_proposed_it(study_file, tmp_path):
    storage = InMemoryStorage()
    arm = make_arm(study_file, tmp_path, storage, space=SMALL, trials=9)
    first = orders(arm)
    assert len({order.digest for order in first}) == len(first) == 4
    twins = [trial for trial in arm.study.trials if trial.state == TrialState.RUNNING]
    assert len(twins) > 4  # some layouts were proposed twice while they were under way
    for order in first:
        arm.finish(order, Report("interrupted", "interrupted"))
    again = make_arm(study_file, tmp_path, storage, space=SMALL, trials=9)
    assert {order.digest for order in orders(again)} == {order.digest for order in first}


def test_a_failed_layout_is_not_tried_again(study_file, tmp_path):
    storage = InMemoryStorage()
    arm = make_arm(study_file, tmp_path, storage, space=SMALL, trials=9)
    for order in orders(arm):
        arm.finish(order, Report("failed", "the loss is nan"))
    assert orders(make_arm(study_file, tmp_path, storage, space=SMALL, trials=9)) == []
    reasons = {trial.user_attrs["failure"] for trial in arm.study.trials}
    assert reasons == {"the loss is nan"}


def test_a_layout_that_kills_its_worker_is_given_up_after_three_attempts(study_file, tmp_path):
    storage = InMemoryStorage()
    arm = make_arm(study_file, tmp_path, storage, space=SMALL, trials=1)
    seen: list[str] = []
    for _ in range(3):
        (order,) = orders(arm)
        seen.append(order.digest)
        arm.finish(order, Report("died", "the worker died with signal 9"))
    assert len(set(seen)) == 1
    assert orders(arm)[0].digest != seen[0]


def test_metrics_that_are_no_numbers_are_a_failure(study_file, tmp_path):
    arm = make_arm(study_file, tmp_path, InMemoryStorage(), space=SMALL, trials=2)
    order = arm.next_order()
    line = arm.finish(order, Report("done", metrics={"accuracy": float("nan"), "macs": 1}))
    assert "failed: objectives are not finite: accuracy nan" in line
    assert arm.progress == (0, 2)


def test_lines_name_the_quality_that_the_evaluator_gives(study_file, tmp_path):
    evaluator = {"type": "command", "command": ["train"], "resolution": 32, "label": "mIoU"}
    arm = make_arm(
        study_file, tmp_path, InMemoryStorage(), space=SMALL, trials=1, evaluator=evaluator, final={"seeds": 1}
    )
    order = arm.next_order()
    line = arm.finish(order, Report("done", metrics={"accuracy": 0.5, "macs": 1000}))
    assert "mIoU 0.5000, macs 1,000" in line
    assert "accuracy" not in line
    assert arm.config.titles == ("mIoU", "macs")
    study = open_study(InMemoryStorage(), "final", ["accuracy"], {})
    final = FinalPhase(study, arm.config, [ArchSpec.model_validate(order.spec)], {}, tmp_path)
    assert "test mIoU 0.4000" in final.finish(
        final.next_order(), Report("done", metrics={"accuracy": 0.5, "test_accuracy": 0.4})
    )


def test_finalists_are_the_layouts_that_were_evaluated_not_the_proposals_outside_the_budget(study_file, tmp_path):
    stage = {"block": "HR", "depth": {"range": [1, 4]}, "width": {"choice": [8, 16, 24]}}
    space = {**SMALL, "stages": [{**stage, "expansion": {"choice": [2, 4, 6]}}]}
    budget = {"macs": "<= 1.73M"}  # 7 of the 36 layouts
    sampler = {"type": "tpe", "startup": 2}
    arm = make_arm(study_file, tmp_path, InMemoryStorage(), space=space, budget=budget, sampler=sampler, trials=6)
    evaluated: set[str] = set()
    for count in range(6):
        order = arm.next_order()
        assert order is not None
        evaluated.add(order.digest)
        macs = measure(ArchSpec.model_validate(order.spec)).macs
        arm.finish(order, Report("done", metrics={"accuracy": count / 10, "macs": macs}))
    assert any("repaired" in trial.user_attrs for trial in arm.study.best_trials)
    assert {spec.digest for spec in front_specs(arm.study, arm.config, arm.space)} <= evaluated
