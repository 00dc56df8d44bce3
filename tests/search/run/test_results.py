"""Results that evaluations leave on disk: what is believed when it is read back, and what is refused with its line."""

import json

import pytest

from archspec.cost.measure import measure
from archspec.errors import RunError
from archspec.loader import load
from search.evaluator import parse_evaluator
from search.run.results import checksum, read_result

EVALUATOR = parse_evaluator({"type": "command", "command": ["train"], "metrics": {"top5": {"unit": "%"}}})
ASKED = {"digest": "0" * 16, "seed": 3, "run": "search-seed3", "final": False}
SPEC = load("tiny")
METRICS = {"accuracy": 0.5, "top5": 0.9, "macs": measure(SPEC).macs, "steps": -3}


def write(path, *, seal: bool = False, **changes):
    record = {"metrics": METRICS, "evaluator": EVALUATOR.model_dump(mode="json"), **ASKED, **changes}
    record |= {"crc": checksum(record)} if seal else {}
    path.write_text(json.dumps(record, indent=1))
    return path


def test_a_result_is_read_with_and_without_a_checksum(tmp_path):
    path = tmp_path / "result.json"
    assert read_result(path, EVALUATOR, ASKED, SPEC) is None
    for seal in (False, True):
        assert read_result(write(path, seal=seal), EVALUATOR, ASKED, SPEC) == METRICS
    path.write_text(path.read_text().replace("0.5", "0.6"))
    with pytest.raises(RunError, match=r"result.json:1: damaged: not as it was written \(checksum\)"):
        read_result(path, EVALUATOR, ASKED, SPEC)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"digest": "1" * 16}, "digest must be '0000000000000000', not '1111111111111111'"),
        ({"digest": 5}, "digest must be '0000000000000000', not 5"),
        ({"seed": 4}, "seed must be 3, not 4"),
        ({"seed": "3"}, "seed must be 3, not '3'"),
        ({"final": 0}, "final must be False, not 0"),
        ({"run": "final-seed3"}, "run must be 'search-seed3', not 'final-seed3'"),
        ({"metrics": [0.5]}, "no record of metrics and evaluator"),
        ({"metrics": {}}, "no accuracy among the metrics"),
        (
            {"metrics": METRICS | {"accuracy": "0.5"}},
            "accuracy must be a number from 0 to 1, not '0.5': rem",
        ),
        (
            {"metrics": METRICS | {"accuracy": 71.3}},
            "accuracy must be a number from 0 to 1, not 71.3: 71.",
        ),
        (
            {"metrics": METRICS | {"accuracy": float("nan")}},
            "accuracy must be a number from 0 to 1, not nan: ",
        ),
        ({"metrics": METRICS | {"test_accuracy": -1}}, "test_accuracy must be a number from 0 to 1, not -1"),
        ({"metrics": METRICS | {"top5": 5}}, "top5 must be a number from 0 to 1, not 5"),
        ({"metrics": METRICS | {"macs": -1}}, "macs must be a finite number from 0, not -1"),
        ({"metrics": METRICS | {"macs": 5}}, f"macs of this layout is {METRICS['macs']:,}, not 5"),
        ({"metrics": METRICS | {"steps": None}}, "steps must be a number, not None"),
    ],
)
def test_what_does_not_answer_is_refused_and_kept(tmp_path, changes, rule):
    path = write(tmp_path / "result.json", **changes)
    before = path.read_bytes()
    with pytest.raises(RunError, match=r"result.json:\d+: damaged: ") as caught:
        read_result(path, EVALUATOR, ASKED, SPEC)
    assert f"damaged: {rule}" in str(caught.value)
    assert str(caught.value).endswith("; move it away, and --retry-failed evaluates this layout again")
    number = int(str(caught.value).split(".json:")[1].split(":")[0])
    field = rule.split()[0]
    assert number == 1 or field in path.read_text().splitlines()[number - 1] or field == "no"
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"metrics": {}}', "\x00", "[" * 100_000])
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"result.json:\d+: damaged: "):
        read_result(path, EVALUATOR, ASKED, SPEC)


def test_a_result_of_another_evaluator_is_refused(tmp_path):
    other = EVALUATOR.model_dump(mode="json") | {"resolution": 32}
    with pytest.raises(RunError, match="belongs to another evaluator configuration; give this run another name"):
        read_result(write(tmp_path / "result.json", evaluator=other), EVALUATOR, ASKED, SPEC)
