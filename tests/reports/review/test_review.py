"""What a reviewer objects to: every rule raised by data that breaks it, and not by data that keeps it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from archspec.errors import RunError, SpecError
from reports.review.objection import Objection
from reports.review.review import ABLATION, SEARCH, examine

ROOT = Path(__file__).parents[3]
CLEAN: dict[str, Any] = {
    "trials": 12,
    "baseline": 12,
    "startup": 0,
    "noise": 0.001,
    "spread": 3.0,
    "failures": (),
    "duplicates": 0,
    "latency": False,
}
"""Of a synthetic search: little noise, nothing lost."""


def storage(run: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(run / "journal.log")))


def study(run: Path, **fields: Any) -> Path:
    """The study file of a run as the search writes it, as far as a review reads it."""
    final = {"seeds": 3, "members": 50, "anchors": ["tiny"], "changes": {}} | fields.pop("final", {})
    recipe = {"type": "train", "recipe": {"epochs": 3, "lr": 0.004}, "init": "fan_out"}
    asked = {"name": run.name, "space": {"name": "s"}, "evaluator": recipe, "objectives": ["accuracy", "macs"]}
    asked |= {"sampler": {"type": "tpe"}, "budget": {}, "trials": 12, "seed": 0, "baseline": 12}
    (run / "study.yaml").write_text(yaml.safe_dump({**asked, **fields, "final": final}, sort_keys=False))
    return run


def extend(run: Path, name: str, count: int, change: Callable[[dict[str, Any], int], None], **options: Any) -> None:
    """Add `count` trials to the study `name`: copies of its first one, of new layouts, as `change` makes them."""
    target = optuna.load_study(study_name=name, storage=storage(run))
    pattern = target.get_trials(states=(TrialState.COMPLETE,))[0]
    for index in range(count):
        attributes = json.loads(json.dumps(pattern.user_attrs)) | {"digest": f"{name}{index:04}", "repaired": []}
        change(attributes, index)
        values = {"state": TrialState.FAIL} if "failure" in attributes else {"values": pattern.values}
        target.add_trial(create_trial(user_attrs=attributes, **values, **options))


def rules(run: Path) -> dict[str, Objection]:
    found = examine(run).objections
    known = SEARCH | ABLATION
    assert all(objection.rule in known and objection.text and objection.place for objection in found)
    assert [one.severity for one in found] == sorted((one.severity for one in found), reverse=True)
    return {objection.rule: objection for objection in found}


def test_a_search_without_final_trainings(make_run):
    found = rules(study(make_run(final=False, **CLEAN), final={"seeds": 0}))
    assert re.search(r"highest validation accuracy of \d+ layouts", found["untested-best"].text)
    assert found["untested-best"].severity == "serious"
    assert "--set final.seeds=3" in found["untested-best"].command
    assert not {"few-seeds", "order-in-noise", "untested-members"} & found.keys()


def test_final_trainings_that_were_asked_for_are_continued(make_run):
    run = study(make_run(final=False, **CLEAN))
    assert rules(run)["untested-best"].command == f"archspec search {run} --runs {run.parent}"


def test_a_front_without_its_best_is_corrected_for_having_been_chosen(make_run):
    run = study(make_run(**(CLEAN | {"noise": 0.01})))
    extend(run, "search", 1, lambda *_: None)
    target = optuna.load_study(study_name="search", storage=storage(run))
    target.add_trial(create_trial(values=[0.995, 1.0], user_attrs={"digest": "lucky", "metrics": {}, "seed": 0}))
    found = rules(run)
    worth = re.search(r"99.50 %.*it is worth ([\d.]+) %", found["untested-best"].text)
    assert worth
    assert float(worth[1]) < 99.5
    assert "untested-members" not in found  # it beats all the others, so it alone is the front


@pytest.mark.parametrize(("members", "line"), [(2, " --set final.members="), (50, " --runs ")])
def test_members_that_were_not_trained_again(make_run, members, line):
    run = study(make_run(**CLEAN), final={"members": members})
    assert "untested-members" not in rules(run)
    searched = optuna.load_study(study_name="search", storage=storage(run))
    searched.add_trial(create_trial(values=[0.01, 1.0], user_attrs={"digest": "cheap", "metrics": {}, "seed": 0}))
    found = rules(run)
    count = len(examine_members(run))
    assert found["untested-members"].text == f"1 of {count} members of the front have no test accuracy"
    assert found["untested-members"].place == "member 1"
    assert found["untested-members"].command.startswith(f"archspec search {run}{line}")
    assert "untested-best" not in found


def test_few_and_unequal_seeds(make_run):
    found = rules(study(make_run(name="two", seeds=2, **CLEAN), final={"seeds": 2}))
    assert "means of 2 seeds" in found["few-seeds"].text
    assert found["few-seeds"].severity == "serious"
    assert "--set final.seeds=3" in found["few-seeds"].command
    run = study(make_run(name="unequal", seeds=3, **CLEAN))
    extend(run, "final", 1, lambda attributes, _: attributes.update(digest=first(run), seed=99))
    found = rules(run)
    assert (found["few-seeds"].severity, "3 to 4 seeds" in found["few-seeds"].text) == ("minor", True)
    assert "few-seeds" not in rules(study(make_run(name="three", seeds=3, **CLEAN)))


def first(run: Path) -> str:
    return optuna.load_study(study_name="final", storage=storage(run)).trials[0].user_attrs["digest"]


def test_the_test_split_as_objective(make_run):
    run = study(make_run(**CLEAN))
    assert "test-selection" not in rules(run)
    searched = optuna.load_study(study_name="search", storage=storage(run))
    for trial in searched.trials:
        value = trial.user_attrs["metrics"]["accuracy"]
        metrics = trial.user_attrs["metrics"] | {"test_accuracy": value}
        searched.add_trial(
            create_trial(
                values=trial.values, user_attrs=trial.user_attrs | {"metrics": metrics, "digest": f"{trial.number}"}
            )
        )
    found = rules(run)
    assert "equal in all 12 trainings" in found["test-selection"].text
    assert found["test-selection"].place == "study search"


def test_the_order_of_a_noisy_front(make_run):
    noisy = rules(study(make_run(name="noisy", **(CLEAN | {"noise": 0.05, "spread": 0.1}))))["order-in-noise"]
    said = re.search(r"(\d+) of (\d+) pairs? .* widest takes (\d+) seeds", noisy.text)
    assert said
    assert int(said[1]) <= int(said[2])
    assert f"--set final.seeds={max(int(said[3]), 4)}" in noisy.command
    run = study(make_run(name="flat", **CLEAN))
    gaps = rules(run).get("order-in-noise")
    assert gaps is None or int(gaps.text.split()[0]) < len(examine_members(run)) - 1


def examine_members(run: Path) -> tuple[Any, ...]:
    from reports.review.search_run import read_search

    return read_search(run).front.members


def test_anchors_and_front_by_different_recipes(make_run):
    run = study(make_run(**CLEAN))
    final = optuna.load_study(study_name="final", storage=storage(run))
    for trial in final.trials:
        attributes = trial.user_attrs
        folder = run / "artifacts" / attributes["digest"] / f"final-seed{attributes['seed']}"
        folder.mkdir(parents=True, exist_ok=True)
        epochs = 30 if attributes["anchor"] else 10
        (folder / "result.json").write_text(json.dumps({"evaluator": {"recipe": {"epochs": epochs}}}))
    found = rules(run)["anchor-recipe"]
    assert found.place == "anchor tiny"
    assert "recipe.epochs 10, 30" in found.text
    for path in run.glob("artifacts/*/final-seed*/result.json"):
        path.write_text(json.dumps({"evaluator": {"recipe": {"epochs": 10}}}))
    assert "anchor-recipe" not in rules(run)


def test_a_front_reported_under_another_recipe(make_run):
    run = study(make_run(**CLEAN), final={"changes": {"epochs": 30}})
    found = rules(run)["search-recipe"]
    assert "epochs 30" in found.text
    assert "Kendall" in found.text
    assert found.command == (
        f"archspec search {run} --name {run.name}-one-recipe "
        f"--set evaluator.recipe.epochs=30 --set 'final.changes={{}}' --runs {run.parent}"
    )


def test_published_points_beside_ones_own(make_run):
    run = study(make_run(benchmark="imagenet1k", **CLEAN))
    assert "published-beside" not in rules(run)  # an anchor is trained
    trials = optuna.load_study(study_name="final", storage=storage(run)).trials
    optuna.delete_study(study_name="final", storage=storage(run))
    copy = optuna.create_study(study_name="final", storage=storage(run), direction="maximize")
    for trial in trials:
        if not trial.user_attrs["anchor"]:
            copy.add_trial(create_trial(value=trial.value, user_attrs=trial.user_attrs))
    found = rules(run)["published-beside"]
    assert re.match(r"\d+ published points", found.text)
    assert "than 64 px" in found.text


def test_the_baseline(make_run):
    found = rules(study(make_run(name="none", **(CLEAN | {"baseline": 0})), baseline=0))
    assert found["no-baseline"].severity == "serious"
    assert "--set baseline=12" in found["no-baseline"].command
    assert "from 1 run: it has" in found["one-run"].text
    found = rules(study(make_run(name="short", **(CLEAN | {"baseline": 9, "startup": 5})), baseline=9))
    assert "trained 9 layouts, the search 12" in found["short-baseline"].text
    assert found["shared-start-up"].text.startswith("5 of the 9 layouts")
    found = rules(study(make_run(name="full", **CLEAN)))
    assert not {"no-baseline", "short-baseline", "shared-start-up"} & found.keys()
    assert "(random baseline)" in found["one-run"].text


@pytest.mark.parametrize(("accuracy", "macs", "raised"), [(0.999, 1e5, True), (0.001, 1e9, False)])
def test_a_search_that_chance_overtakes(make_run, accuracy, macs, raised):
    run = study(make_run(**(CLEAN | {"baseline": 0})))
    made = optuna.create_study(study_name="baseline", storage=storage(run), directions=["maximize", "minimize"])
    made.set_user_attr("objectives", ["accuracy", "macs"])
    for index in range(12):
        made.add_trial(create_trial(values=[accuracy, macs + index], user_attrs={"digest": str(index), "metrics": {}}))
    assert ("behind-baseline" in rules(run)) == raised


def test_a_search_at_random_needs_no_baseline(make_run):
    sampler = {"sampler": {"type": "random", "startup": 10}}
    run = study(make_run(attributes=sampler, **(CLEAN | {"baseline": 0})), sampler={"type": "random"})
    assert "no-baseline" not in rules(run)


def test_repetitions_and_a_random_search_beside_the_run_count(make_run):
    options = CLEAN | {"startup": 5}
    run = study(make_run(name="a", **options))
    assert {"one-run", "shared-start-up"} <= rules(run).keys()
    study(make_run(name="b", seed=1, **options), seed=10)
    assert "from 2 runs" in rules(run)["one-run"].text
    study(make_run(name="c", seed=2, **options), seed=20)
    study(make_run(name="d", seed=3, **options), seed=30, budget={"macs": "<= 5000000"})
    assert "one-run" not in rules(run)
    study(make_run(name="random", seed=4, **options), seed=10, sampler={"type": "random"}, baseline=0)
    assert "shared-start-up" not in rules(run)


def test_the_reference_of_the_hypervolume(make_run):
    found = rules(study(make_run(name="two", **CLEAN)))["late-reference"]
    assert "macs" in found.text
    assert ("swap" in found.text) == (found.severity == "serious")
    assert "late-reference" not in rules(study(make_run(name="one", **(CLEAN | {"objectives": ("accuracy",)}))))


def test_the_reference_decides_between_a_cheap_arm_and_an_accurate_one(make_run):
    """Far beyond the dearest layout, accuracy counts for more than cost: an arm that has only that overtakes."""
    run = make_run(trials=1, baseline=0, startup=1, final=False, failures=(), duplicates=0, latency=False)
    points = {"search": [(0.3, 1e6), (0.3, 1.1e6)], "baseline": [(0.5, 1e7), (0.5, 1e7)]}
    optuna.delete_study(study_name="search", storage=storage(run))
    for name, values in points.items():
        made = optuna.create_study(study_name=name, storage=storage(run), directions=["maximize", "minimize"])
        made.set_user_attr("objectives", ["accuracy", "macs"])
        for index, pair in enumerate(values):
            made.add_trial(create_trial(values=list(pair), user_attrs={"digest": f"{name}{index}", "metrics": {}}))
    found = rules(run)["late-reference"]
    assert found.severity == "serious"
    assert "behind-baseline" not in rules(run)
    assert "the arms swap places with a reference 200 %" in found.text


def test_latencies_of_a_busy_machine(make_run):
    options = CLEAN | {"objectives": ("accuracy", "latency_ms"), "latency": True}
    run = study(make_run(name="latency", **options))
    assert "noisy-latency" not in rules(run)
    extend(run, "search", 2, lambda attributes, _: attributes["metrics"].update(latency_noisy=1.0))
    assert rules(run)["noisy-latency"].text.startswith("2 of 14 latencies")
    run = study(make_run(name="macs", **CLEAN))
    extend(run, "search", 2, lambda attributes, _: attributes["metrics"].update(latency_noisy=1.0))
    assert "noisy-latency" not in rules(run)  # it decides nothing


@pytest.mark.parametrize(("failed", "raised"), [(1, False), (2, True)])
def test_failed_trials(make_run, failed, raised):
    run = study(make_run(**(CLEAN | {"failures": ("out of memory",) * failed})))
    found = rules(run).get("failed-trials")
    assert (found is not None) == raised  # 1 of 13 is less than a tenth, 2 of 14 are more
    if found:
        assert "2 of 14 trials failed (14 %)" in found.text
        assert "most often (2) of: out of memory." in found.text


def test_repaired_layouts(make_run):
    run = study(make_run(**CLEAN))
    extend(run, "search", 12, lambda attributes, _: attributes.update(repaired=["stages[0].depth"]))
    found = rules(run)["repaired-layouts"]
    assert re.match(r"1\d of 24 layouts", found.text)
    assert "--sampler nsga2" in found.command
    run = study(make_run(name="kept", **CLEAN))
    extend(run, "search", 60, lambda attributes, _: None)
    assert "repaired-layouts" not in rules(run)


def test_trials_that_wait(make_run):
    run = study(make_run(**CLEAN))
    assert "unfinished" not in rules(run)
    optuna.load_study(study_name="search", storage=storage(run)).enqueue_trial({"a": 1})
    assert rules(run)["unfinished"].command.startswith("archspec search ")


def test_what_is_no_run_is_refused(tmp_path, make_run):
    with pytest.raises(SpecError, match=r"journal\.log"):
        examine(tmp_path)
    run = make_run()
    (run / "study.yaml").write_text("a: [")
    with pytest.raises(RunError, match=r"study\.yaml: damaged"):
        examine(run)
    (run / "study.yaml").write_text("- 1")
    assert examine(run).objections
    (run / "journal.log").write_text("nonsense\nnonsense\n")
    with pytest.raises(RunError, match="damaged"):
        examine(run)
    assert not list(tmp_path.glob("journal*"))


def test_the_page_lists_the_rules():
    page = (ROOT / "docs" / "reference" / "review.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert tables == [*SEARCH, *ABLATION]


def test_another_quality_than_accuracy_is_called_by_its_name(make_run):
    metric = {"name": "accuracy", "label": "mIoU", "dataset": "digit_scenes", "benchmark": None}
    named = {"attributes": {"metric": metric}}
    untested = rules(study(make_run("untested", final=False, **CLEAN, **named)))
    few = rules(study(make_run("few", seeds=2, **CLEAN, **named)))
    assert "no test mIoU stands beside it" in untested["untested-best"].text
    assert few["few-seeds"].text == "values of test mIoU are means of 2 seeds: fewer than 3 hardly show noise"
    assert not any("accurac" in one.text for one in (*untested.values(), *few.values()))
