"""The evaluator `command`: what the last line of its output must hold."""

import json
import sys

import pytest

from archspec.documents.reader import parse_document
from archspec.errors import RunError, SpecError
from archspec.loader import load
from search.ablation.plan import parse_plan
from search.evaluator import Metrics, Task, parse_evaluator
from search.evaluators.command import named_files
from search.study.reading import load_study, parse_study

METRICS = {"energy_j": {"title": "Energy", "unit": "J"}, "top5": {"unit": "%", "direction": "maximize"}}

STUDY = """space:
  resolution: 64
  stem: hr_stem
  stages:
    - {{block: HR, width: {{choice: [8, 16]}}}}
  head: {{type: classifier, classes: 10}}
evaluator: {{type: command, command: [train]{}}}
"""


def answer(tmp_path, printed: str, *, final: bool = False, **options) -> Metrics:
    """What the evaluator gives where the command prints that line."""
    command = [sys.executable, "-S", "-c", f"print({printed!r})"]
    config = parse_evaluator({"type": "command", "command": command, "resolution": 64, **options})
    task = Task(load("tiny"), 0, tmp_path, tmp_path, final)
    return config.open().evaluate(task, lambda: False, lambda text: None)


def test_metrics_of_its_own_are_given_beside_exact_costs_which_win(tmp_path):
    printed = json.dumps({"accuracy": 0.5, "energy_j": 3, "top5": 0.9, "macs": 1, "train_seconds": 7})
    found = answer(tmp_path, printed, metrics=METRICS)
    assert (found["energy_j"], found["top5"], found["macs"], found["train_seconds"]) == (3, 0.9, 5_346_464, 7)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"energy_j": 3}, "no `top5` in the record (it has accuracy, energy_j) (see "),
        (
            {"energy_j": 3, "top5": 83.2},
            "top5 must be a number from 0 to 1, not 83.2: 83.2 looks like per cent: divide by 100 (see ",
        ),
        ({"top5": 0.9}, "no `energy_j` in the record (it has accuracy, top5) (see "),
        ({"top5": 0.9, "energy_j": "3 J"}, "energy_j must be a finite number, not '3 J' (see "),
        ({"top5": 0.9, "energy_j": float("inf")}, "energy_j must be a finite number, not inf (see "),
        (
            {"top5": 0.9, "energy_j": 3, "accuracy": 55},
            "accuracy must be a number from 0 to 1, not 55: 55 looks like per cent: divide by 100 (see ",
        ),
    ],
)
def test_a_metric_that_is_missing_or_no_number_fails_the_layout_with_its_name_and_the_output(tmp_path, record, message):
    with pytest.raises(RunError) as caught:
        answer(tmp_path, json.dumps({"accuracy": 0.5, **record}), metrics=METRICS)
    assert str(caught.value) == f"{message}{tmp_path / 'output.txt'})"


def test_a_finalist_may_go_without_a_test_figure_and_the_catalogs_latency_is_needed_where_asked_for(tmp_path):
    assert "test_accuracy" not in answer(tmp_path, '{"accuracy": 0.5}', final=True)
    with pytest.raises(RunError, match="test_accuracy must be a number from 0 to 1, not 55"):
        answer(tmp_path, '{"accuracy": 0.5, "test_accuracy": 55}', final=True)
    with pytest.raises(RunError, match="no `latency_ms` in the record"):
        answer(tmp_path, '{"accuracy": 0.5}', metrics={"latency_ms": "minimize"})
    assert answer(tmp_path, '{"accuracy": 0.5, "latency_ms": 1.5}', metrics={"latency_ms": {}})["latency_ms"] == 1.5


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ('{"acc": 0.8, "loss": 1}', "no `accuracy` in the record (it has acc, loss) (see "),
        ("{}", "no `accuracy` in the record (it has nothing) (see "),
        ('{"accuracy": 81.72}', "accuracy must be a number from 0 to 1, not 81.72: 81.72 looks like per cent: divide"),
        (
            '{"accuracy": -0.3}',
            "accuracy must be a number from 0 to 1, not -0.3: a score on another scale is a metric of its own, such as "
            "`metrics: {score: maximize}` (see ",
        ),
        ('{"accuracy": NaN}', "accuracy must be a number from 0 to 1, not nan: did the training diverge? (see "),
        ('{"accuracy": "0.8"}', "accuracy must be a number from 0 to 1, not '0.8': remove the quotes (see "),
        ('{"accuracy": "good"}', "accuracy must be a number from 0 to 1, not 'good' (see "),
        (
            "epoch 10\x1b[31m done",
            'the command\'s last line must be a JSON object such as {"accuracy": 0.8172}, not: epoch 10\\x1b[31m done',
        ),
        (
            "{'accuracy': 0.8}",
            'the command\'s last line must be a JSON object such as {"accuracy": 0.8172}; JSON wants double quotes: '
            "print(json.dumps(record)), not: {'accuracy': 0.8} (see ",
        ),
        ("", "the command printed nothing; its last line must be a JSON object such as"),
    ],
)
def test_an_answer_that_is_no_accuracy_says_what_it_is_and_the_likely_slip(tmp_path, printed, message):
    with pytest.raises(RunError) as caught:
        answer(tmp_path, printed)
    assert str(caught.value).startswith(message)


class TestResolution:
    def test_the_spaces_own_resolution_is_counted_and_given_to_the_command(self, tmp_path):
        config = parse_study(parse_document(STUDY.format(""), "study.yaml"))
        assert config.evaluator.model_dump()["resolution"] == 64
        layout = config.open_space().fill(lambda hole: hole.options[0]).spec
        assert config.evaluator.prepare(layout).resolution == 64
        program = "import json, sys; print(json.dumps({'accuracy': 0.5, 'side': int(sys.argv[1])}))"
        command = [sys.executable, "-S", "-c", program, "{resolution}"]
        session = parse_evaluator({"type": "command", "command": command}).open()
        found = session.evaluate(Task(load("tiny"), 0, tmp_path, tmp_path), lambda: False, lambda text: None)
        assert (found["side"], found["macs"]) == (64, 5_346_464)

    def test_one_that_chooses_it_has_it_layout_by_layout(self):
        text = STUDY.format("").replace("resolution: 64", "resolution: {choice: [64, 96]}")
        config = parse_study(parse_document(text, "study.yaml"))
        sides = {config.evaluator.prepare(layout.spec).resolution for layout in config.open_space().enumerate()}
        assert sides == {64, 96}

    def test_two_that_are_stated_and_differ_are_refused_with_both_places(self):
        with pytest.raises(SpecError) as caught:
            parse_study(parse_document(STUDY.format(", resolution: 224"), "study.yaml"))
        assert str(caught.value) == (
            "study.yaml:7: evaluator.resolution: 224 would replace what the space says, resolution 64 "
            "(study.yaml:2); leave one of them out"
        )
        parse_study(parse_document(STUDY.format(", resolution: 64"), "study.yaml"))

    def test_a_run_of_an_earlier_version_goes_on_as_it_began(self, tmp_path):
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "study.yaml").write_text(STUDY.format(", resolution: 224"))
        config = load_study("old", tmp_path, {})
        assert config.evaluator.model_dump()["resolution"] == 224
        assert config.notes == ("the space says resolution 64, and its layouts are evaluated at 224",)

    def test_a_plan_keeps_its_bases_resolution_and_refuses_another(self):
        text = "base: tiny\nevaluator: {{type: command, command: [x]{}}}\nedits: {{}}\nviews: [{{type: factorial}}]\n"
        plan = parse_plan(parse_document(text.format(""), "plan.yaml"))
        assert plan.config.evaluator is not None
        assert plan.config.evaluator.prepare(plan.base).resolution == 64
        told = parse_plan(
            parse_document(text.format(", resolution: 96"), "plan.yaml")
        )  # tiny is shipped: no edit of it
        assert told.notes == ("the base says resolution 64, and its layouts are evaluated at 96",)


class TestNamedFiles:
    def test_scripts_configurations_and_modules_are_found_wherever_they_stand(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "pack").mkdir()
        for name in ("train.py", "c.yaml", "run.sh", "pack/fit.py"):
            (tmp_path / name).write_text("x")
        command = ["python", "train.py", "--config=c.yaml", "{spec}", "pack"]
        assert [str(path) for path in named_files(command)] == ["train.py", "c.yaml"]
        assert [str(path) for path in named_files(["bash", "-c", "./run.sh {spec} --x 'y"])] == []
        assert [str(path) for path in named_files(["bash", "-c", "sh run.sh {spec}"])] == ["run.sh"]
        assert [str(path) for path in named_files(["python", "-m", "pack.fit"])] == ["pack/fit.py"]
