"""The metric of one's own that docs/start/training.md shows, trained for a moment on a few images."""

import re
from pathlib import Path

import archspec

PAGE = Path(__file__).parents[3] / "docs" / "start" / "training.md"


def test_accuracy_under_corruptions_is_an_objective(tmp_path):
    (source,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {"__name__": "corruption"}
    exec(source, names)
    names |= {"DATA": {"type": "cluttered_digits", "train": 100, "validation": 100, "test": 100}}
    names |= {"RECIPE": archspec.Recipe(epochs=1), "SEVERITIES": (1,)}
    run = archspec.search(
        "five_stage_tiny",
        names["accuracy"],
        metrics={"corruption_accuracy": {"unit": "%", "direction": "maximize"}},
        objectives=("accuracy", "corruption_accuracy", "macs"),
        runs=tmp_path,
        trials=1,
        quiet=True,
    )
    (member,) = run.front
    assert 0 <= member.metrics["corruption_accuracy"] < 1


def test_each_corruption_changes_images_more_the_more_severe_it_is():
    import torch

    (source,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {"__name__": "corruption"}
    exec(source, names)
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for corrupt in names["CORRUPTIONS"]:
        gaps = [(corrupt(images, severity) - images).abs().mean().item() for severity in names["SEVERITIES"]]
        assert 0 < gaps[0] < gaps[1] < gaps[2]
