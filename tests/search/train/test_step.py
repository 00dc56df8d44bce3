"""A batch in parts is the batch: the same gradients, however it was mixed, of labels and of masks."""

from pathlib import Path
from typing import Any

import pytest
import torch
from blobs import CPU, RECIPE, Blobs, run
from pydantic import ValidationError
from torch import nn

from search.recipe.recipe import Recipe
from search.tasks.classification import Classification
from search.tasks.ema import Ema
from search.tasks.segmentation import IGNORE, Segmentation
from search.tasks.task import Student, Supervision
from search.train.step import Stepper

IMAGES = Blobs(13, 3).images
LABELS = Blobs(13, 3).labels


def weights(recipe: Recipe, supervision: Supervision, model: nn.Module, labels: torch.Tensor) -> torch.Tensor:
    """All parameters after two steps."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    stepper = Stepper(model, recipe, CPU)
    student = Student(model, Ema(model, 0.9), stepper.autocast, torch.contiguous_format)
    lesson = supervision.lesson(recipe, 5, student)
    for number in range(2):
        stepper.learn(lesson.step(IMAGES, labels, 0, number), 0.01)
    return nn.utils.parameters_to_vector(model.parameters())


@pytest.mark.parametrize("changes", [{}, {"mixup": 0.8, "cutmix": 1.0, "clip_grad": 0.0}, {"erasing": 0.5}])
def test_parts_of_a_batch_give_its_gradients(changes: dict[str, Any]):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(144, 3))
    whole, *parts = (
        weights(Recipe(batch_size=16, accumulate=count, **changes), Classification(), model, LABELS)
        for count in (1, 2, 5, 6)
    )
    assert all(torch.allclose(whole, one, atol=1e-6) for one in parts)
    assert not torch.equal(whole, parts[0])  # rounding: it was computed otherwise


def test_of_masks_of_which_some_say_nothing():
    masks = torch.randint(3, (13, 8, 8), generator=torch.Generator().manual_seed(1))
    masks[3:7] = IGNORE
    masks[9, :5] = IGNORE
    model = nn.Conv2d(3, 3, 3, padding=1)
    whole, *parts = (
        weights(Recipe(batch_size=16, accumulate=count), Segmentation(3), model, masks) for count in (1, 2, 6)
    )
    assert all(torch.allclose(whole, one, atol=1e-6) for one in parts)


def test_a_run_in_parts_says_the_loss_of_the_batch(tmp_path: Path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    start = [parameter.detach().clone() for parameter in model.parameters()]
    whole = run(model, tmp_path / "whole")
    with torch.no_grad():
        for parameter, before in zip(model.parameters(), start, strict=True):
            parameter.copy_(before)
    parts = run(model, tmp_path / "parts", RECIPE.model_copy(update={"accumulate": 4}))
    assert [one.train_loss for one in parts.curve] == pytest.approx([one.train_loss for one in whole.curve], rel=1e-5)


def test_a_part_of_one_image_is_refused():
    assert Recipe(batch_size=16, accumulate=8).accumulate == 8
    with pytest.raises(ValidationError, match=r"two images for each part, .*: batch_size 16 allows 8, not 9"):
        Recipe(batch_size=16, accumulate=9)
