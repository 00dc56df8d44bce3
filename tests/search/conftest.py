"""A search that costs nothing: an evaluator command that answers from the layout alone."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

SCRIPT = """
import json, pathlib, sys, time
spec, seed, split, seconds = sys.argv[1:]
time.sleep(float(seconds))
text = pathlib.Path(spec).read_text()
if "depth: 3" in text and "depth: 4" in text:
    sys.exit("this layout cannot be trained")
accuracy = (sum(text.encode()) * 2654435761 % 1000) / 1000
record = {"accuracy": accuracy}
if split == "test":
    record["test_accuracy"] = min(1.0, accuracy + int(seed) % 7 / 100)
print("some words")
print(json.dumps(record))
"""

SPACE: dict[str, Any] = {
    "name": "toy",
    "resolution": 32,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [
        {"block": "HR", "depth": {"range": [1, 3]}, "width": {"choice": [8, 12, 16]}, "expansion": 2},
        {
            "block": {"choice": {"CFFN": "CFFN", "T": {"type": "T", "heads": {"choice": [2, 3, 4]}}}},
            "depth": {"range": [1, 3]},
            "width": {"choice": [12, 16, 24]},
            "expansion": {"choice": [2, 4]},
            "downsample": "irds_b",
        },
    ],
    "head": {"type": "classifier", "classes": 10},
}


@pytest.fixture
def study_file(tmp_path: Path):
    """Writes a study file over the toy space; `seconds` is how long one evaluation takes."""
    script = tmp_path / "evaluate.py"
    script.write_text(SCRIPT)

    def write(seconds: float = 0, **changes: Any) -> Path:
        command = [sys.executable, "-S", str(script), "{spec}", "{seed}", "{split}", str(seconds)]
        study = {
            "name": "toy",
            "space": SPACE,
            "evaluator": {"type": "command", "command": command, "resolution": 32},
            "trials": 12,
            "sampler": {"type": "tpe", "startup": 5},
            "final": {"seeds": 0},
            **changes,
        }
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(study))
        return path

    return write
