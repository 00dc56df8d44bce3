"""Qualities beyond the score: computed by torchmetrics as their definitions say, asked for by name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from extras import need

from archspec.documents.reader import Document
from archspec.errors import FieldError, SpecError
from archspec.loader import load
from search.data.dataset import parse_dataset
from search.evaluator import Task, parse_evaluator
from search.evaluators.train import Train
from search.quality.catalog import QUALITIES, quality_of
from search.quality.tally import QualityTally, write_classes
from search.study.reading import parse_study

CPU = torch.device("cpu")
DATA = {"type": "cluttered_digits", "train": 100, "validation": 100, "test": 100}
SCENES = {"type": "digit_scenes", "train": 50, "validation": 50, "test": 50}


def computed(names, data, batches):
    need("torchmetrics", "metrics")
    tally = QualityTally(names, parse_dataset(data), CPU)
    for answer, target in batches:
        tally.add(answer, target)
    return tally.compute()


@pytest.fixture
def answers():
    """Logits and labels of 3 batches in which class 3 never occurs; all logits of the first lie between 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    sizes, scales = (40, 40, 7), (0.1, 2.0, 5.0)
    logits = [torch.rand(size, 10, generator=generator) * scale for size, scale in zip(sizes, scales, strict=True)]
    labels = [torch.randint(0, 10, (size,), generator=generator) for size in sizes]
    return [(one, torch.where(two == 3, 4, two)) for one, two in zip(logits, labels, strict=True)]


def test_those_of_single_labels_follow_their_definitions(answers):
    values, columns = computed(["top5", "class_accuracy", "calibration_error"], DATA, answers)
    logits, labels = (torch.cat(part).numpy() for part in zip(*answers, strict=True))
    ranks = (logits > logits[np.arange(len(labels)), labels][:, None]).sum(1)
    assert values["top5"] == (ranks < 5).mean()
    right = logits.argmax(1) == labels
    recall = [right[labels == one].mean() for one in range(10) if one != 3]
    assert values["accuracy_mean_class"] == pytest.approx(np.mean(recall))
    assert values["accuracy_min_class"] == min(recall)
    assert columns["accuracy"][:3] == [right[labels == one].mean() for one in range(3)]
    assert np.isnan(columns["accuracy"][3])
    assert columns["count"] == [int((labels == one).sum()) for one in range(10)]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    sure = chances.max(1)
    bins = np.minimum((sure * 15).astype(int), 14)
    gaps = [abs(right[bins == one].mean() - sure[bins == one].mean()) * (bins == one).sum() for one in set(bins)]
    assert values["calibration_error"] == pytest.approx(sum(gaps) / len(labels), abs=1e-6)


def test_those_of_masks_leave_out_pixels_that_do_not_count():
    data = parse_dataset(SCENES)
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, data.classes, 4, 4, generator=generator)
    masks = torch.randint(0, 3, (2, 4, 4), generator=generator)
    masks[0, 0] = 255
    values, columns = computed(["pixel_accuracy", "class_iou", "class_accuracy"], SCENES, [(logits, masks)])
    found, known = logits.argmax(1).numpy(), masks.numpy() != 255
    found, truth = found[known], masks.numpy()[known]
    assert values["pixel_accuracy"] == (found == truth).mean()
    both = [((found == one) & (truth == one)).sum() for one in range(data.classes)]
    either = [((found == one) | (truth == one)).sum() for one in range(data.classes)]
    ious = [a / b for a, b in zip(both, either, strict=True) if b]
    assert values["iou_min_class"] == min(ious)
    assert columns["count"][:3] == [int((truth == one).sum()) for one in range(3)]
    assert values["accuracy_min_class"] == pytest.approx(min(both[one] / (truth == one).sum() for one in range(3)))


def test_a_finalist_has_them_on_both_splits_and_a_file_of_classes(tmp_path):
    need("torchmetrics", "metrics")
    session = Train.model_validate(
        {"data": DATA, "recipe": {"epochs": 1}, "metrics": ["top5", "class_accuracy"], "latency": []}
    ).open()
    said = session.config.gives
    assert {"top5", "accuracy_mean_class", "accuracy_min_class"} <= said
    assert "latency_ms" not in said
    metrics = session.evaluate(Task(load("tiny"), 0, tmp_path, tmp_path, final=True), lambda: False, lambda text: None)
    assert said <= metrics.keys()
    assert metrics["accuracy"] <= metrics["top5"] <= 1
    assert metrics["test_accuracy"] <= metrics["test_top5"] <= 1
    rows = [line.split(",") for line in (tmp_path / "classes.csv").read_text().splitlines()]
    assert rows[0] == ["split", "class", "count", "accuracy"]
    for split, count, accuracy in (("validation", 100, "accuracy"), ("test", 100, "test_accuracy")):
        of_split = [row for row in rows if row[0] == split]
        assert [row[1] for row in of_split] == [str(one) for one in range(10)]
        assert sum(int(row[2]) for row in of_split) == count
        right = sum(int(row[2]) * float(row[3]) for row in of_split if row[3])
        assert right / count == pytest.approx(metrics[accuracy], abs=1e-4)


def test_without_any_no_file_is_written(tmp_path):
    write_classes(tmp_path / "classes.csv", {"test": {}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("metrics", "data", "message"),
    [
        (["top_5"], DATA, r"metrics\[0\]: unknown quality 'top_5' \(did you mean top5\?\): known are top5, class_"),
        (["top5", "top5"], DATA, "metrics: must differ, not top5, top5"),
        ({"top5": "maximize"}, DATA, r"metrics: must be a list of qualities such as \[top5\]"),
        (["class_iou"], DATA, r"metrics\[0\]: class_iou is for segmentation, not for classification"),
        (["class_iou", "top5"], SCENES, r"metrics\[1\]: top5 is for classification, not for segmentation"),
        (
            "top5",
            {"type": "imagefolder", "path": "x", "num_classes": 5},
            r"metrics\[0\]: top5 needs more than 5 classes, not 5",
        ),
    ],
)
def test_refused(metrics, data, message):
    with pytest.raises(FieldError, match=message):
        parse_evaluator({"type": "train", "data": data, "metrics": metrics})


def test_without_torchmetrics_they_are_refused_with_the_extra(monkeypatch):
    monkeypatch.setattr("search.quality.catalog.find_spec", lambda name: None)
    with pytest.raises(FieldError, match=r"metrics: need the package torchmetrics: pip install 'archspec-vision\[metr"):
        parse_evaluator({"type": "train", "data": DATA, "metrics": ["class_accuracy"]})
    assert parse_evaluator({"type": "train", "data": DATA}).own_metrics == ()


def test_an_objective_that_was_not_asked_for_is_refused_with_the_line_to_write():
    study = {"space": "five_stage_tiny", "objectives": ["accuracy", "accuracy_min_class"]}
    with pytest.raises(SpecError) as caught:
        parse_study(Document(study, "study.yaml"))
    assert str(caught.value).endswith(
        "objectives[1]: evaluator train does not give accuracy_min_class; "
        "ask for it under evaluator: `metrics: [class_accuracy]`"
    )


def test_every_number_has_one_quality_behind_it():
    names = [metric.name for one in QUALITIES.values() for metric in one.metrics]
    assert len(set(names)) == len(names)
    assert [quality_of(name) for name in ("top5", "accuracy_min_class", "accuracy")] == ["top5", "class_accuracy", None]


def test_classes_stand_in_the_file_by_their_names_where_they_have_any(tmp_path: Path):
    columns = {"validation": {"images": [3, 1], "accuracy": [0.5, float("nan")]}}
    write_classes(tmp_path / "names.csv", columns, ["ash, old", "\udcff"])
    assert (tmp_path / "names.csv").read_text(encoding="utf-8") == (
        'split,class,images,accuracy\nvalidation,"ash, old",3,0.5\nvalidation,\\udcff,1,\n'
    )
    write_classes(tmp_path / "numbers.csv", columns)
    assert "validation,0,3,0.5" in (tmp_path / "numbers.csv").read_text(encoding="utf-8")
