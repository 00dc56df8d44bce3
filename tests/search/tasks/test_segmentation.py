"""Masks as labels: the score, the loss, what a recipe does to masks, and the one training loop on them."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.documents.reader import Document
from archspec.errors import FieldError, Interrupted
from archspec.loader import load, parse
from archspec.spec.schema import ArchSpec
from search.augment.mixing import Mixing
from search.data.dataset import Batch, DatasetSplit, Splits, batch_indices, parse_dataset
from search.data.tensor_split import TensorSplit
from search.evaluator import Epoch, Task, parse_evaluator
from search.evaluators.train import Train
from search.recipe.recipe import Recipe
from search.seeding import seed_everything
from search.tasks.classification import Classification
from search.tasks.segmentation import (
    AUXILIARY,
    IGNORE,
    ConfusionTally,
    Segmentation,
    SegmentationLesson,
    mean_iou,
    mixed_masks,
)
from search.tasks.task import Student
from search.train.arithmetic import memory_format
from search.train.loop import TrainResult, evaluate, train

CPU = torch.device("cpu")
WHOLE = slice(None)
SMALL = {"type": "digit_scenes", "resolution": 64, "train": 50, "validation": 50, "test": 50}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Maps this small train faster on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@final
class Channels(DatasetSplit):
    """Noisy images; the class of a pixel is the brightest of its 4x4 patch's three channels."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.randint(3, (count, 4, 4), generator=generator)
        self.masks = coarse.repeat_interleave(4, 1).repeat_interleave(4, 2)
        self.images = 0.3 * torch.randn(count, 3, 16, 16, generator=generator)
        self.images += F.one_hot(self.masks, 3).permute(0, 3, 1, 2)

    @property
    def supervision(self) -> Segmentation:
        return Segmentation(3)

    def __len__(self) -> int:
        return len(self.images)

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        for index in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle):
            yield self.images[index], self.masks[index]


@final
class TwoOutputs(nn.Module):
    """Logits at a quarter of the size; in training an auxiliary output beside them; dropout draws."""

    def __init__(self) -> None:
        super().__init__()
        seed_everything(3)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8), nn.GELU(), nn.Dropout(0.1))
        self.main, self.auxiliary = nn.Conv2d(8, 3, 1), nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.body(x)
        return (self.main(x), self.auxiliary(x)) if self.training else self.main(x)


def run(model: nn.Module, folder: Path, recipe: Recipe, **changes: Any) -> TrainResult:
    options: dict[str, Any] = {"seed": 0, "fingerprint": "f", "stop": lambda: False}
    data = Splits(Channels(48, 0), Channels(24, 1), Channels(24, 2))
    return train(model, data, recipe, folder=folder, progress=lambda _: None, **(options | changes))


def step(recipe: Recipe, images: Tensor, masks: Tensor, classes: int = 3):
    model = nn.Identity()
    student = Student(model, None, torch.autocast("cpu", enabled=False), memory_format(CPU))  # pyright: ignore
    return Segmentation(classes).lesson(recipe, 5, student).step(images, masks, 0, 0)


def dense_spec(classes: int = 11) -> ArchSpec:
    data = {
        "resolution": 64,
        "stem": {"type": "patch_stem"},
        "stages": [{"block": "CFFN", "depth": 1, "width": 8, "expansion": 2}],
        "head": {"type": "segformer", "classes": classes, "width": 8},
    }
    return parse(Document(data, "test"))


class TestScore:
    def test_mean_iou_by_hand(self):
        matrix = torch.tensor([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
        assert mean_iou(matrix) == pytest.approx((6 / 9 + 3 / 6) / 2)  # the class that never occurs does not count
        matrix[2, 0] = 4
        assert mean_iou(matrix) == pytest.approx((6 / 13 + 3 / 6 + 0) / 3)
        assert mean_iou(torch.zeros(3, 3)) == 0

    @given(st.integers(0, 2**32), st.integers(2, 5), st.integers(1, 4))
    @settings(max_examples=25, deadline=None)
    def test_tally_is_the_definition_pixel_by_pixel_however_batched(self, seed: int, classes: int, size: int):
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(4, classes, 6, 5, generator=generator)
        masks = torch.randint(classes, (4, 6, 5), generator=generator)
        masks[torch.rand(masks.shape, generator=generator) < 0.2] = IGNORE
        tally = ConfusionTally(classes, CPU)
        for part in range(0, 4, size):
            tally.add(logits[part : part + size], masks[part : part + size])
        predicted, ious = logits.argmax(1), list[float]()
        for label in range(classes):
            ours, theirs = (predicted == label) & (masks != IGNORE), masks == label
            if (ours | theirs).any():
                ious.append((ours & theirs).sum().item() / (ours | theirs).sum().item())
        score = tally.score()
        assert score.accuracy == pytest.approx(sum(ious) / len(ious))
        expected = F.cross_entropy(logits, masks, ignore_index=IGNORE).item()
        assert score.loss == pytest.approx(expected, rel=1e-5)

    def test_logits_are_scored_at_the_size_of_the_mask(self):
        logits, masks = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 16, 16))
        coarse, fine = ConfusionTally(3, CPU), ConfusionTally(3, CPU)
        coarse.add(logits, masks)
        fine.add(F.interpolate(logits, (16, 16), mode="bilinear", align_corners=False), masks)
        assert torch.equal(coarse.matrix, fine.matrix)
        assert coarse.matrix.sum() == masks.numel()


class TestLoss:
    def test_auxiliary_outputs_weigh_less(self):
        main, other, masks = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 2, 2), torch.randint(3, (2, 8, 8))
        recipe = Recipe(label_smoothing=0.1)
        lesson = step(recipe, torch.zeros(2, 3, 8, 8), masks)
        losses = [
            F.cross_entropy(F.interpolate(one, (8, 8), mode="bilinear"), masks, label_smoothing=0.1)
            for one in (main, other)
        ]
        assert lesson.loss(main, WHOLE).item() == pytest.approx(losses[0].item())
        assert lesson.loss((main, other), WHOLE).item() == pytest.approx((losses[0] + AUXILIARY * losses[1]).item())

    def test_erased_pixels_are_noise_and_teach_nothing(self):
        images, masks = torch.full((8, 3, 12, 12), 7.0), torch.zeros(8, 12, 12, dtype=torch.int64)
        lesson = step(Recipe(erasing=0.6), images, masks)
        erased = (lesson.images != 7).any(1)
        assert 0.01 < erased.float().mean() < 0.3
        assert not masks.any()  # what was given stays as it is
        logits = torch.zeros(8, 3, 12, 12, requires_grad=True)
        lesson.loss(logits, WHOLE).backward()
        assert logits.grad is not None
        assert torch.equal(logits.grad.abs().sum(1) == 0, erased)

    def test_cutmix_takes_pixels_and_their_labels_from_the_same_image(self):
        masks = torch.arange(6)[:, None, None].expand(6, 10, 10)
        images = masks[:, None].float().expand(6, 3, 10, 10)
        lesson = step(Recipe(cutmix=1, label_smoothing=0), images, masks, classes=6)
        seen = lesson.images[:, 0].long()
        assert len(seen.flatten(1)[0].unique()) <= 2
        assert any(len(one.unique()) == 2 for one in seen)
        right = 50 * F.one_hot(seen, 6).permute(0, 3, 1, 2).float()
        assert lesson.loss(right, WHOLE).item() < 1e-6

    def test_mixed_masks_of_a_known_rectangle(self):
        mask = torch.ones(1, 1, 2, 2)
        mask[..., 0] = 0
        mixed = mixed_masks(torch.tensor([[[1, 1], [1, 1]], [[2, 2], [2, 2]]]), Mixing(torch.tensor([1, 0]), mask, 0.5))
        assert mixed.tolist() == [[[2, 1], [2, 1]], [[1, 2], [1, 2]]]


class TestRefusals:
    @pytest.mark.parametrize(
        ("recipe", "field", "rule"),
        [
            ({"mixup": 0.8}, "mixup", "must be 0 where labels are masks, not 0.8"),
            ({"randaugment": {"ops": 2}}, "randaugment", "must be null where labels are masks, not {'ops': 2"),
            ({"distill": 0.5}, "distill", "must be null where labels are masks, not 0.5"),
        ],
    )
    def test_recipes_that_know_one_label_only(self, recipe: dict[str, Any], field: str, rule: str, tmp_path: Path):
        with pytest.raises(FieldError) as caught:
            parse_evaluator({"type": "train", "data": "digit_scenes", "recipe": recipe})
        assert caught.value.field == f"recipe.{field}"
        assert caught.value.rule.startswith(rule)
        with pytest.raises(FieldError, match=rf"^{field}: must be"):
            parse_evaluator({"type": "train", "data": "digit_scenes"}).finalist(recipe)
        with pytest.raises(FieldError, match=rf"^{field}: must be"):
            run(TwoOutputs(), tmp_path, Recipe.model_validate(recipe))

    def test_the_head_must_answer_as_the_labels_ask(self):
        scenes, digits = parse_dataset("digit_scenes"), parse_dataset("digits")
        assert scenes.fit(dense_spec()).resolution == 128
        assert digits.fit(load("tiny")).resolution == 64
        eleven = load("tiny").model_copy(update={"head": load("tiny").head.model_copy(update={"classes": 11})})
        with pytest.raises(
            FieldError, match=r"^head: must give a map of 11 logits per position, not an output of \(11,"
        ):
            scenes.fit(eleven)
        with pytest.raises(FieldError, match=r"^head: must have the data set's 11 classes, not 10"):
            scenes.fit(dense_spec(classes=10))
        with pytest.raises(
            FieldError, match=r"^head: must give one vector of 10 logits .* not an output of \(10, 16, 16"
        ):
            digits.fit(dense_spec(classes=10))

    def test_labels_name_their_metric(self):
        assert parse_dataset("digit_scenes").metric["label"] == "mIoU"
        assert parse_dataset("digits").metric["label"] == "top-1 accuracy"
        assert Classification().short == "accuracy"


class TestTraining:
    RECIPE = Recipe(epochs=8, batch_size=8, lr=3e-2, warmup_epochs=0.5, label_smoothing=0.05)

    def test_it_learns_and_is_scored_by_the_main_output(self, tmp_path: Path):
        model = TwoOutputs()
        result = run(model, tmp_path, self.RECIPE)
        assert result.val_accuracy > 0.8
        split = Channels(24, 1)
        score = evaluate(model, split, device=CPU, batch_size=5)
        assert score.accuracy == result.val_accuracy
        with torch.no_grad():
            answer = F.interpolate(model.eval()(split.images), (16, 16), mode="bilinear").argmax(1)
        overlap = [
            ((answer == c) & (split.masks == c)).sum() / ((answer == c) | (split.masks == c)).sum() for c in range(3)
        ]
        assert score.accuracy == pytest.approx(torch.stack(overlap).mean().item(), abs=1e-6)

    def test_the_auxiliary_output_is_trained(self, tmp_path: Path):
        model, fresh = TwoOutputs(), TwoOutputs()
        run(model, tmp_path, self.RECIPE.model_copy(update={"epochs": 1}))
        assert not torch.equal(model.auxiliary.weight, fresh.auxiliary.weight)

    def test_resumed_run_is_bit_identical(self, tmp_path: Path):
        recipe = self.RECIPE.model_copy(update={"epochs": 3, "cutmix": 1.0, "mix_prob": 0.5, "erasing": 0.5})
        whole, parts = TwoOutputs(), TwoOutputs()
        expected = run(whole, tmp_path / "whole", recipe)
        steps = iter([False] * 8 + [True])  # six steps an epoch
        with pytest.raises(Interrupted):
            run(parts, tmp_path / "parts", recipe, stop=lambda: next(steps))
        torch.rand(3)
        fresh = TwoOutputs()
        result = run(fresh, tmp_path / "parts", recipe)
        assert [one.train_loss for one in result.curve] == [one.train_loss for one in expected.curve]
        theirs = whole.state_dict()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in fresh.state_dict().items())
        run(other := TwoOutputs(), tmp_path / "other", recipe, seed=1)
        assert not torch.equal(other.main.weight, whole.main.weight)

    def test_a_split_shifts_image_and_mask_together(self):
        masks = torch.randint(11, (20, 32, 32), dtype=torch.uint8)
        split = TensorSplit(
            masks[:, None].expand(-1, 3, -1, -1), masks, mean=0.0, std=1 / 255, reach=4, supervision=Segmentation(11)
        )
        options: dict[str, Any] = {"seed": 1, "epoch": 0, "shuffle": True}
        for images, labels in split.batches(8, **options, augment=True):
            assert labels.dtype == torch.int64
            assert torch.equal(images[:, 1].round().long(), labels)
        plain, moved = (next(split.batches(20, **options, augment=augment))[1] for augment in (False, True))
        assert not torch.equal(plain, moved)


def test_the_evaluator_trains_scores_and_times_a_dense_spec(tmp_path: Path):
    evaluator = Train.model_validate({"data": SMALL, "recipe": {"epochs": 1, "batch_size": 16}})
    spec, said = evaluator.prepare(dense_spec()), list[str | Epoch]()
    metrics = evaluator.open().evaluate(Task(spec, 0, tmp_path / "a", tmp_path), lambda: False, said.append)
    assert 0 < metrics["accuracy"] < 1
    assert metrics["macs"] == metrics["audited_macs"]
    assert metrics["latency_ms"] > 0
    assert math.isclose(float(str(said[1]).removeprefix("epoch 1/1, mIoU ")), metrics["accuracy"], abs_tol=1e-3)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_batch_without_a_labelled_pixel_teaches_nothing_and_ends_nothing(accumulate: int):
    recipe = Recipe(accumulate=accumulate, epochs=1, batch_size=4)
    lesson = SegmentationLesson(recipe, 0, Student(nn.Identity(), None, None, torch.contiguous_format))  # pyright: ignore
    masks = torch.full((4, 8, 8), IGNORE)
    step = lesson.step(torch.zeros(4, 3, 8, 8), masks, 0, 0)
    answer = torch.randn(4, 5, 4, 4, requires_grad=True)
    for part in (slice(0, 4),) if accumulate == 1 else (slice(0, 2), slice(2, 4)):
        loss = step.loss(answer[part], part)
        loss.backward()
        assert loss.item() == 0
    assert answer.grad is not None
    assert not answer.grad.any()
