"""What a reviewer objects to in an ablation, on journals as the engine leaves them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from archspec.errors import RunError
from reports.ablation_page.results import compute
from reports.records.ablation import read_ablation
from reports.review.ablation_rules import AblationRun, family_per_view
from reports.review.objection import Objection, Shell
from reports.review.review import ABLATION, examine
from reports.statistics.power import seeds_for, smallest_effect

EDITS = ("a", "b", "c")


def row(label: str, edits: tuple[str, ...], against: int | None, **fields: Any) -> dict[str, Any]:
    key = "-".join(edits) or "base"
    made = {"label": label, "edits": list(edits), "run": f"{key}-0", "digest": key, "code": f"HR{len(edits)}"}
    costs = {"params": 100_000 * (1 + len(edits)), "macs": 2_000_000 * (1 + len(edits))}
    return made | costs | {"against": against} | fields


def progressive(**changed: Mapping[str, Any]) -> dict[str, Any]:
    """The base, a, a+b, a+b+c; `changed` are fields of rows, by the last edit."""
    rows = [row("base", (), None)]
    rows += [row(f"+ {EDITS[i]}", EDITS[: i + 1], i, **changed.get(EDITS[i], {})) for i in range(3)]
    return {"name": "steps", "type": "progressive", "rows": rows}


def leave_one_out(edits: tuple[str, ...] = EDITS) -> dict[str, Any]:
    rows = [row("all", edits, None)]
    rows += [row(f"without {one}", tuple(e for e in edits if e != one), 0) for one in edits]
    return {"name": "without", "type": "leave_one_out", "rows": rows}


@pytest.fixture
def write(write_journal: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a journal in which each edit adds its gain (of `gains`, else 0.05) to 0.6, with noise of `sd`."""

    def made(
        run: Path,
        views: list[dict[str, Any]],
        gains: Mapping[str, float] | None = None,
        *,
        seeds: int = 5,
        sd: float = 0.004,
        lost: Mapping[tuple[str, int], str] | None = None,
        missing: tuple[tuple[str, int], ...] = (),
        **attributes: Any,
    ) -> Path:
        generator, scores = random.Random(0), dict[str, dict[int, float]]()
        for key, one in {one["run"]: one for view in views for one in view["rows"]}.items():
            mean = 0.6 + sum((gains or {}).get(edit, 0.05) for edit in one["edits"])
            noisy = {seed: mean + generator.gauss(0, sd) for seed in range(seeds)}
            gone = {*(lost or {}), *missing}
            scores[key] = {seed: score for seed, score in noisy.items() if (key, seed) not in gone}
        failures = [(key, seed, {"failure": why}) for (key, seed), why in (lost or {}).items()]
        return write_journal(run, views, scores, failures, seeds=seeds, **attributes)

    return made


def rules(run: Path) -> dict[str, Objection]:
    return {objection.rule: objection for objection in examine(run).objections}


def test_a_sound_plan_gives_no_objection(write, tmp_path):
    run = write(tmp_path / "sound", [progressive(), leave_one_out()])
    found = examine(run)
    assert found.objections == ()
    assert (found.kind, found.checked) == ("ablation", tuple(ABLATION))


def test_seeds_that_are_not_there_yet(write, tmp_path):
    run = write(tmp_path / "part", [progressive(), leave_one_out()], missing=(("a-b-0", 3), ("a-b-0", 4)))
    found = rules(run)["missing-seeds"]
    assert found.place == "steps, + b"
    assert "3 to 5 finished" in found.text
    assert found.command == f"archspec ablate {run} --runs {tmp_path}"


def test_a_row_may_stop_at_a_look_but_not_between(write, tmp_path):
    gone = (("a-b-0", 3), ("a-b-0", 4))
    views = [progressive(), leave_one_out()]
    assert not rules(write(tmp_path / "at", views, missing=gone, looks=[[3, 0.001], [5, 0.04]]))
    assert "missing-seeds" in rules(write(tmp_path / "between", views, missing=gone[:1], looks=[[3, 0.001], [5, 0.04]]))


def test_trainings_that_failed(write, tmp_path):
    run = write(tmp_path / "lost", [progressive(), leave_one_out()], lost={("a-0", 2): "out of memory"})
    found = rules(run)
    assert found["failed-seeds"].text.startswith("1 of 5 trainings failed (seed 2: out of memory)")
    assert (found["failed-seeds"].place, found["failed-seeds"].severity) == ("steps, + a", "serious")
    assert "missing-seeds" not in found
    study = optuna.load_study(
        study_name="ablation", storage=JournalStorage(JournalFileBackend(str(run / "journal.log")))
    )
    (failed,) = study.get_trials(states=(TrialState.FAIL,))
    study.enqueue_trial({}, user_attrs={"run": "a-0", "seed": 2, "requeued_from": failed.number})
    assert "failed-seeds" not in rules(run)  # it waits for its second attempt
    study.add_trial(create_trial(value=0.65, user_attrs={"run": "a-0", "seed": 2, "metrics": {"test_accuracy": 0.65}}))
    assert "failed-seeds" not in rules(run)  # it finished at the second attempt


def test_what_the_seeds_can_show(write, tmp_path):
    gains = dict.fromkeys(EDITS, 0.002)
    found = rules(write(tmp_path / "weak", [progressive(), leave_one_out()], gains, sd=0.02))["few-seeds-to-mark"]
    assert found.severity == "serious"
    said = re.search(
        r"0 of 3 comparisons marked; 5 seeds .* from ([\d.]+) points .* ([\d.]+)\), .*one, ([\d.]+), takes (\S+) seeds",
        found.text,
    )
    assert said
    effect, sd, largest = (float(text) / 100 for text in said.groups()[:3])
    assert effect == pytest.approx(smallest_effect(5, sd, 3), rel=0.01)
    assert largest < effect
    seeds = int(said[4].replace(",", ""))
    assert seeds == pytest.approx(seeds_for(largest, sd, 3), rel=0.02)
    assert f" --seeds {seeds} " in found.command


def test_comparisons_are_those_of_the_table(write, tmp_path):
    """The whole way is one of them, an edit that changes nothing is none, and neither is its repetition."""
    view = progressive()
    view["rows"] += [row("+ nothing", EDITS, 3), row("+ nothing again", EDITS, 2)]
    run = write(tmp_path / "same", [view], dict.fromkeys(EDITS, 0.002), sd=0.02)
    subject = AblationRun(read_ablation(run), Shell(run))
    (table,) = compute(subject.record).views
    found = subject.compared(table.plan)
    assert list(found) == [(1, 0), (2, 1), (3, 2), (5, 0)]
    assert len(found) == table.comparisons == 4
    assert rules(run)["few-seeds-to-mark"].text.startswith("0 of 4 comparisons marked")
    assert rules(run)["few-seeds-to-mark"].place == "steps, + a; + b; + c; last against first"


def test_one_seed_shows_no_noise(write, tmp_path):
    found = rules(write(tmp_path / "one", [progressive()], seeds=1))["few-seeds-to-mark"]
    assert "cannot be tested: 1 paired seed shows no noise" in found.text
    assert "--seeds 5" in found.command


def test_resolution_or_training_changed_with_the_architecture(write, tmp_path):
    training = {"training": {"recipe.distill": 0.5}}
    run = write(tmp_path / "mixed", [progressive(b=training | {"resolution": 96}, c=training)])
    found = {one.place: one.text for one in examine(run).objections if one.rule == "mixed-change"}
    assert [*found][:2] == ["steps, + b", "steps, + c"]  # which goes back to 64 px
    assert "resolution (64 to 96 px), recipe.distill (the plan's to 0.5)" in found["steps, + b"]
    alone = {"training": {"recipe.distill": 0.5}, "code": "HR0", "params": 100_000, "macs": 2_000_000}
    later = {"training": alone["training"]}
    run = write(tmp_path / "alone", [progressive(a=alone, b=later, c=later), leave_one_out()])
    assert "mixed-change" not in rules(run)
    apart = {"name": "apart", "type": "enumerate", "rows": [row("a", ("a",), None), row("b alone", ("a", "b"), 0)]}
    run = write(tmp_path / "apart", [progressive(b=training, c=training), apart])
    assert "mixed-change" not in rules(run)  # a row has one of the two changes alone


@pytest.mark.parametrize(
    ("params", "macs", "raised"),
    [(101_000, 2_500_000, "MACs do not (+25.0 %)"), (150_000, 2_020_000, "params do not (+50.0 %)"),
     (101_000, 2_080_000, ""), (150_000, 2_500_000, "")],
)  # fmt: skip
def test_half_matched_costs(write, tmp_path, params, macs, raised):
    rest = {"params": 900_000, "macs": 9_000_000}
    run = write(
        tmp_path / "matched", [progressive(a={"params": params, "macs": macs}, b=rest, c={**rest, "params": 999_999})]
    )
    texts = [(one.place, one.text, one.command) for one in examine(run).objections if one.rule == "half-matched"]
    texts = [one for one in texts if one[0] == "steps, + a"]
    assert bool(texts) == bool(raised)
    if raised:
        assert raised in texts[0][1]
        wanted = "macs 1960000..2040000" if "MACs do" in raised else "params 98000..102000"
        assert f"artifacts/a/spec.yaml --budget '{wanted} @ 64'" in texts[0][2]


def test_the_order_of_edits(write, tmp_path):
    assert rules(write(tmp_path / "alone", [progressive()]))["untested-order"].place == "steps"
    assert "untested-order" in rules(write(tmp_path / "part", [progressive(), leave_one_out(("a", "b"))]))
    assert "untested-order" not in rules(write(tmp_path / "all", [progressive(), leave_one_out()]))


def test_validation_accuracies(write, tmp_path):
    found = rules(write(tmp_path / "valid", [progressive(), leave_one_out()], score="validation"))["validation-score"]
    assert "30 of 30 trainings also recorded a test accuracy" in found.text


def test_marks_that_one_family_would_lose(write, tmp_path):
    """Two comparisons of a view that marks none are more for the family of both to pay for."""
    run = write(tmp_path / "two", [progressive(), leave_one_out()], {"a": 0.3, "b": 0.0, "c": 0.0}, sd=0.01)
    known = read_ablation(run)
    lost: dict[int, Objection] = {}
    for gain in range(0, 500, 2):
        scores = {
            key: {seed: score + gain / 100 * ("b" in key.split("-")) for seed, score in seeds.items()}
            for key, seeds in known.scores.items()
        }
        subject = AblationRun(replace(known, scores=scores), Shell(run))
        marked = sum(one.decided for view in known.views for one in subject.compared(view).values())
        for objection in family_per_view(subject):
            lost[gain] = objection
            assert marked > 2  # those of edit a are too large to lose
    assert 0 < len(lost) < 125  # with no gain there is nothing to lose, with a large one nothing is lost
    for objection in lost.values():
        assert "over all 6 comparisons of 2 views together, 1 of 4 marks would go" in objection.text
        assert objection.place in ("steps, + b", "without, without b")
        seeds = re.search(r"--seeds (\d+)", objection.command)
        assert seeds
        assert int(seeds[1]) > 5


def test_a_damaged_journal(write, tmp_path):
    view = progressive()
    view["rows"][1]["against"] = 9
    with pytest.raises(RunError, match=r"damaged: plan.views\[0\].rows\[1\].against: no other row 9"):
        examine(write(tmp_path / "against", [view]))
    with pytest.raises(RunError, match="damaged"):
        examine(write(tmp_path / "plan", [progressive()], plan={"views": [{"name": "x"}]}))
    with pytest.raises(RunError, match="damaged"):
        examine(write(tmp_path / "seeds", [progressive()], **{"score": "test", "looks": 3}))
