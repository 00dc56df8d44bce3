"""EMA distillation: equation 5 by hand, the teacher is the average, and heads without a map of classes are refused."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, final

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archspec.documents.reader import Document
from archspec.errors import FieldError, Interrupted
from archspec.loader import load, parse
from archspec.model.build import build
from archspec.model.network import Network
from archspec.tree.tree import plant
from blocks.component import Head
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.pool import GlobalPool
from blocks.layers.combine import seq
from blocks.layers.layer import Layer
from search.augment.mixing import Mixing
from search.data.dataset import Batch, DatasetSplit, Splits, batch_indices
from search.evaluator import parse_evaluator
from search.recipe.recipe import Recipe
from search.seeding import seed_everything
from search.tasks.distillation import Teacher, check_head, class_map, distilled, split_head
from search.tasks.ema import Ema
from search.train.loop import TrainResult, train

SPEC: dict[str, Any] = {
    "resolution": 32,
    "stem": {"type": "patch_stem"},
    "stages": [
        {"block": "CFFN", "depth": 1, "width": 8, "expansion": 2},
        {"block": "CFFN", "depth": 1, "width": 12, "expansion": 2, "downsample": "conv"},
    ],
    "drop_path": 0.2,
    "head": {"type": "classifier", "classes": 3, "hidden": 24},
}
EVERYTHING = Recipe(
    epochs=3, batch_size=12, lr=3e-3, warmup_epochs=0.5, cutmix=1, mixup=0.8, mix_prob=0.8, erasing=0.5,
    randaugment={"ops": 2, "magnitude": 5}, distill=0.5,
)  # fmt: skip


@final
class Blobs(DatasetSplit):
    """Three classes of noisy images, told apart by the brighter channel."""

    def __init__(self, count: int, seed: int) -> None:
        self.labels = torch.arange(count) % 3
        self.images = 0.5 * torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        self.images[torch.arange(count), self.labels] += 1.0

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        for index in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle):
            yield self.images[index], self.labels[index]


@final
class Late(Head):
    """Two linear layers behind the pool, which is no map of classes."""

    type: str = "late"
    classes: int = 10

    def layers(self, width: int) -> Layer:
        return seq(GlobalPool(), Linear(width, width), Linear(width, self.classes))


DATA = Splits(Blobs(48, 0), Blobs(12, 1), Blobs(12, 2))


def network() -> Network:
    seed_everything(7)
    return build(parse(Document(SPEC, "test")), init="fan_out")


def run(model: nn.Module, folder: Path, recipe: Recipe, calls: int = 10**6) -> TrainResult:
    remaining = iter(range(calls))
    return train(
        model, DATA, recipe, seed=0, folder=folder, fingerprint="f",
        stop=lambda: next(remaining, None) is None, progress=lambda record: None,
    )  # fmt: skip


def same(first: nn.Module, second: nn.Module) -> bool:
    theirs = second.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in first.state_dict().items())


class TestEquationFive:
    """Two images of 4x4, maps of 2x2, two classes; every number on the right is worked out by hand."""

    A = ((0.8, 0.6), (0.4, 0.2))  # probability of class 0 in image a, at each position
    B = ((0.2, 0.1), (0.3, 0.9))
    PARTNER = torch.tensor([1, 0])

    def maps(self) -> torch.Tensor:
        first = torch.tensor([self.A, self.B])
        return torch.stack([first, 1 - first], 1)

    def test_cutmix(self):
        mask = torch.ones(1, 1, 4, 4)
        mask[:, :, 0:2, 0] = 0  # two of sixteen pixels are b's, both in the upper left quarter
        mixing = Mixing(self.PARTNER, mask, 0.875)
        # upper left: 0.5 * 0.8 + 0.5 * 0.2 = 0.5; the rest is a's: 0.6, 0.4, 0.2
        assert torch.allclose(mixing.maps(self.maps())[0, 0], torch.tensor([[0.5, 0.6], [0.4, 0.2]]))
        labels = mixing.labels(torch.eye(2))  # a is of class 0, b of class 1
        assert labels.tolist() == [[0.875, 0.125], [0.125, 0.875]]
        # y_hat = (0.5 + 0.6 + 0.4 + 0.2) / 4 = 0.425; 0.6 * 0.875 + 0.4 * 0.425 = 0.525 + 0.17
        target = distilled(labels, self.maps(), mixing, 0.6)
        assert target[0].tolist() == pytest.approx([0.695, 0.305])

    def test_mixup_puts_lambda_in_place_of_the_mask(self):
        mixing = Mixing(self.PARTNER, torch.full((1, 1, 4, 4), 0.25), 0.25)
        # means of a and b: 0.5 and 0.375; 0.25 * 0.5 + 0.75 * 0.375 = 0.40625; 0.6 * 0.25 + 0.4 * 0.40625
        target = distilled(mixing.labels(torch.eye(2)), self.maps(), mixing, 0.6)
        assert target[0].tolist() == pytest.approx([0.3125, 0.6875])

    def test_without_mixing_the_maps_are_averaged(self):
        target = distilled(torch.eye(2), self.maps(), None, 0.6)
        assert target[0].tolist() == pytest.approx([0.6 + 0.4 * 0.5, 0.4 * 0.5])


class TestTeacher:
    def test_the_map_is_the_head_as_a_1x1_convolution(self):
        model, images = network().eval(), DATA.train.images[:5]  # pyright: ignore
        before, linear = split_head(model.head)
        with torch.no_grad():
            last = before(model.features(images)[-1])
            expected = F.conv2d(last, linear.weight[:, :, None, None], linear.bias).softmax(1)
            found = class_map(model, images)
        assert found.shape == (5, 3, 4, 4)
        assert torch.allclose(found, expected, atol=1e-6)
        assert found.std((2, 3)).max() > 0

    def test_on_a_map_of_one_position_it_is_the_networks_own_answer(self):
        model, images = network().eval(), DATA.train.images[:5, :, :8, :8]  # pyright: ignore
        with torch.no_grad():
            assert torch.allclose(class_map(model, images)[:, :, 0, 0], model(images).softmax(1), atol=1e-6)

    def test_it_is_the_average_after_every_update(self):
        model, images = network(), DATA.train.images[:5]  # pyright: ignore
        ema = Ema(model, 0.9)
        teacher, first = Teacher(model, ema), list[torch.Tensor]()
        for step in range(3):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(0.1 * (step + 1))
            ema.update()
            first.append(teacher.maps(images))
        assert not torch.equal(first[0], first[-1])
        assert model.training
        with ema.applied(model), torch.no_grad():
            assert torch.equal(class_map(model.eval(), images), first[-1])
        assert not first[-1].requires_grad

    @pytest.mark.parametrize(
        "model",
        [
            nn.Sequential(nn.Flatten(), nn.Linear(3072, 3)),
            build(parse(Document({**SPEC, "head": None}, "test"))),
        ],
    )
    def test_no_map_of_classes_is_refused(self, model: nn.Module, tmp_path: Path):
        with pytest.raises(FieldError, match="head: EMA distillation needs a head that ends in a global average pool"):
            run(model, tmp_path, EVERYTHING)
        assert not list(tmp_path.iterdir())

    def test_heads_are_refused_from_their_layers_alone(self):
        check_head(plant(parse(Document(SPEC, "test"))).head)
        for head in (None, GlobalPool(), seq(Linear(8, 3)), seq(GlobalPool(), Linear(8, 8), Linear(8, 3))):
            with pytest.raises(FieldError, match="head"):
                check_head(head)

    def test_the_evaluator_refuses_a_layout_before_any_training(self):
        spec = load("tiny")
        other = spec.model_copy(update={"head": Late(type="late")})
        for recipe, refused in (("small", True), ({"base": "small", "distill": None}, False)):
            evaluator = parse_evaluator({"type": "train", "recipe": recipe})
            assert evaluator.prepare(spec).digest == spec.digest
            with pytest.raises(FieldError, match="head: EMA distillation needs") if refused else nullcontext():
                evaluator.prepare(other)


class TestTraining:
    @pytest.mark.parametrize("calls", [4, 6])  # four steps an epoch: at its end, and within the next
    def test_a_resumed_run_is_bit_identical_with_everything_on(self, tmp_path: Path, calls: int):
        whole, parts, fresh = network(), network(), network()
        expected = run(whole, tmp_path / "whole", EVERYTHING)
        with pytest.raises(Interrupted):
            run(parts, tmp_path / "parts", EVERYTHING, calls)
        torch.rand(5)
        result = run(fresh, tmp_path / "parts", EVERYTHING)
        assert same(whole, fresh)
        assert [record.train_loss for record in result.curve] == [record.train_loss for record in expected.curve]

    @pytest.mark.parametrize(
        "change",
        [{"distill": None}, {"distill": 0.9}, {"cutmix": 0}, {"mixup": 0}, {"erasing": 0}, {"randaugment": None}],
        ids=str,
    )
    def test_every_part_matters(self, tmp_path: Path, change: dict[str, Any]):
        recipe = EVERYTHING.model_copy(update={"epochs": 2})  # eight batches, some of each kind
        first, second = network(), network()
        run(first, tmp_path / "first", recipe)
        run(second, tmp_path / "second", recipe.model_copy(update=change))
        assert not same(first, second)

    def test_the_loss_is_the_cross_entropy_to_the_distilled_target(self, tmp_path: Path):
        recipe = Recipe(epochs=1, batch_size=48, lr=1e-9, label_smoothing=0.1, distill=0.7, precision="float32")
        spec = parse(Document({**SPEC, "drop_path": 0}, "test"))
        seed_everything(7)
        model = build(spec, init="fan_out")
        images, labels = next(DATA.train.batches(48, seed=0, epoch=0, shuffle=True))
        with torch.no_grad():
            answer = class_map(model.eval(), images).mean((2, 3))
            logits = model.train()(images)
        seed_everything(7)
        curve = run(build(spec, init="fan_out"), tmp_path, recipe).curve
        target = 0.7 * (0.9 * F.one_hot(labels, 3) + 0.1 / 3) + 0.3 * answer
        assert curve[0].train_loss == pytest.approx(-(target * logits.log_softmax(1)).sum(1).mean().item(), rel=1e-5)
