"""Distillation from a frozen teacher: the loss by hand, what the teacher sees, and what is refused."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from extras import need
from small_layouts import Blobs, blobs, layout, network, same, write_run
from torch import Tensor
from torch.nn import functional as F

from archspec.errors import FieldError
from archspec.loader import dump
from archspec.model.network import Network
from search.recipe.recipe import Recipe
from search.recipe.teacher import TeacherSpec
from search.tasks.classification import ClassificationLesson
from search.tasks.ema import Ema
from search.tasks.frozen_teacher import FrozenTeacher
from search.tasks.segmentation import Segmentation
from search.tasks.task import Normalisation, Student
from search.train.loop import train
from search.weights.teacher_network import load_teacher

TEACHER = network(layout(), seed=1).eval()
SPLIT = blobs().train
IMAGES: Tensor = SPLIT.images[:6]  # pyright: ignore


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("runs") / "demo"
    write_run(root, TEACHER)
    return str(root / "0")


def student(model: Network | None = None) -> Student:
    model = model or network(layout(), seed=2)
    given = SPLIT.normalisation
    return Student(model, Ema(model, 0.9), nullcontext(), torch.contiguous_format, given)


def recipe(model: str, **teacher: Any) -> Recipe:
    return Recipe.model_validate({"epochs": 1, "batch_size": 12, "teacher": {"model": model, **teacher}})


class TestLoss:
    def test_soft_answers_at_a_temperature_by_hand(self, member: str):
        teacher = FrozenTeacher(TeacherSpec(model=member, weight=0.25, temperature=2), student())
        ours, theirs = torch.tensor([[1.0, 3.0, 0.0]]), torch.tensor([[2.0, 0.0, 0.0]])
        p, q = torch.softmax(ours / 2, 1)[0].tolist(), torch.softmax(theirs / 2, 1)[0].tolist()
        divergence = sum(b * (torch.tensor(b / a).log().item()) for a, b in zip(p, q, strict=True))
        loss = teacher.join(torch.tensor(0.8), ours, theirs)
        assert loss.item() == pytest.approx(0.75 * 0.8 + 0.25 * 4 * divergence, rel=1e-5)

    def test_hard_answers_are_labels_as_deit_has_them(self, member: str):
        teacher = FrozenTeacher(TeacherSpec(model=member, hard=True), student())
        ours, theirs = torch.randn(5, 3), torch.randn(5, 3)
        expected = 0.5 * 0.8 + 0.5 * F.cross_entropy(ours, theirs.argmax(1))
        assert teacher.join(torch.tensor(0.8), ours, theirs).item() == pytest.approx(expected.item(), rel=1e-6)

    def test_the_gradient_keeps_its_size_whatever_the_temperature(self, member: str):
        sizes: list[float] = []
        for temperature in (20, 80):
            teacher = FrozenTeacher(TeacherSpec(model=member, weight=1, temperature=temperature), student())
            logits = torch.tensor([[0.3, -0.2, 0.1]], requires_grad=True)
            teacher.join(torch.zeros(()), logits, torch.tensor([[1.0, 0.0, -1.0]])).backward()
            assert logits.grad is not None
            sizes.append(logits.grad.norm().item())
        assert sizes[0] == pytest.approx(sizes[1], rel=0.05)


class TestAnswer:
    def test_it_is_the_members_averaged_weights_in_evaluation_without_a_gradient(self, member: str):
        answer = FrozenTeacher(TeacherSpec(model=member), student()).logits(IMAGES)
        with torch.no_grad():
            assert torch.equal(answer, TEACHER(IMAGES))
        assert not answer.requires_grad

    def test_it_sees_the_mixed_images_of_the_student(self, member: str):
        lesson = ClassificationLesson(recipe(member, weight=1).model_copy(update={"mixup": 1.0}), 0, student())
        step = lesson.step(IMAGES, torch.arange(6) % 3, 0, 0)
        assert not torch.equal(step.images, IMAGES)
        with torch.no_grad():
            answer = TEACHER(step.images)
        assert step.loss(answer, slice(None)).item() == pytest.approx(
            0, abs=1e-6
        )  # a student that answers as its teacher

    def test_images_are_resized_to_the_teachers_side(self, member: str):
        wide = torch.rand(2, 3, 48, 48)
        resized = F.interpolate(wide, (32, 32), mode="bicubic", antialias=True)
        with torch.no_grad():
            assert torch.equal(FrozenTeacher(TeacherSpec(model=member), student()).logits(wide), TEACHER(resized))
            own = FrozenTeacher(TeacherSpec(model=member, resolution=48), student()).logits(wide)
            assert torch.equal(own, TEACHER(wide))

    def test_a_model_of_timm_gets_the_normalisation_that_it_was_trained_with(self, tmp_path: Path):
        timm = need("timm")
        model = timm.create_model("test_resnet", num_classes=3).eval()
        torch.save(model.state_dict(), tmp_path / "teacher.pt")
        asked = TeacherSpec(model="timm:test_resnet", weights=str(tmp_path / "teacher.pt"), resolution=32)
        loaded = load_teacher(asked, 3)
        assert (loaded.mean, loaded.std) == (model.default_cfg["mean"], model.default_cfg["std"])
        pixels = torch.rand(2, 3, 32, 32)
        seen = (pixels - 0.5) / 0.25
        wanted = Normalisation(loaded.mean, loaded.std)  # pyright: ignore
        mean, std = (torch.tensor(part)[:, None, None] for part in (wanted.mean, wanted.std))
        with torch.no_grad():
            expected = model((pixels - mean) / std)
        assert torch.allclose(FrozenTeacher(asked, student()).logits(seen), expected, atol=1e-4)
        with pytest.raises(FieldError, match=r"^weights: .* is not that model for these classes: shape of .*\(3, "):
            load_teacher(asked, 4)


class TestTraining:
    def test_a_teacher_alone_is_imitated_and_stays_as_it_is(self, member: str, tmp_path: Path):
        asked = recipe(member, weight=1, temperature=2).model_copy(update={"epochs": 4, "lr": 3e-3})
        model, data = network(layout(), seed=2), blobs()

        def gap() -> float:
            images = Blobs(30, 5).images
            with torch.no_grad():
                return (model.eval()(images).softmax(1) - TEACHER(images).softmax(1)).abs().mean().item()

        before, teacher = gap(), {name: tensor.clone() for name, tensor in TEACHER.state_dict().items()}
        options: dict[str, Any] = {"stop": lambda: False, "progress": lambda record: None}  # pyright: ignore
        train(model, data, asked, seed=0, folder=tmp_path, fingerprint="f", **options)
        assert gap() < 0.7 * before
        assert all(torch.equal(tensor, teacher[name]) for name, tensor in TEACHER.state_dict().items())

    def test_without_a_teacher_the_loss_is_that_of_the_labels(self, member: str):
        del member
        labels = torch.arange(6) % 3
        step = ClassificationLesson(Recipe(), 0, student()).step(IMAGES, labels, 0, 0)
        logits = torch.randn(6, 3)
        assert step.loss(logits, slice(None)).item() == F.cross_entropy(logits, labels, label_smoothing=0.1).item()


class TestRefusals:
    def test_classes_of_another_data_set(self, member: str):
        with pytest.raises(FieldError, match="model: answers with 3 classes, and the data set has 10"):
            load_teacher(TeacherSpec(model=member), 10)

    def test_a_spec_without_weights(self, tmp_path: Path):
        (tmp_path / "small.yaml").write_text(dump(layout()))
        with pytest.raises(FieldError, match="weights: is required: tiny is a spec, which has no weights"):
            load_teacher(TeacherSpec(model="tiny"), 10)
        with pytest.raises(FieldError, match="weights: is required"):
            load_teacher(TeacherSpec(model=str(tmp_path / "small.yaml")), 3)

    def test_weights_without_a_spec_and_with_it(self, tmp_path: Path):
        torch.save(TEACHER.state_dict(), tmp_path / "plain.pt")
        with pytest.raises(FieldError, match=r"model: .* holds weights and no spec: give them as weights"):
            load_teacher(TeacherSpec(model=str(tmp_path / "plain.pt")), 3)
        (tmp_path / "small.yaml").write_text(dump(layout()))
        asked = TeacherSpec(model=str(tmp_path / "small.yaml"), weights=str(tmp_path / "plain.pt"))
        assert same(load_teacher(asked, 3).network, TEACHER)
        with pytest.raises(
            FieldError, match=r"weights: .* its head is another one: head.fc.weight is 3x24 there, 10x24"
        ):
            load_teacher(asked, 10)

    def test_nothing_there(self):
        with pytest.raises(FieldError, match="model: runs/none/3: no such file, and not of the form RUN/MEMBER"):
            load_teacher(TeacherSpec(model="runs/none/3"), 10)

    def test_fields(self):
        with pytest.raises(ValueError, match="must be 1 where hard is true, not 3: it has no effect"):
            TeacherSpec(model="x", hard=True, temperature=3)
        with pytest.raises(FieldError, match="teacher: must be null where labels are masks"):
            Segmentation(3).check_recipe(recipe("x"))

    def test_a_network_that_no_spec_describes(self, member: str):
        with pytest.raises(FieldError, match="teacher: needs a student that was built from a spec"):
            FrozenTeacher(TeacherSpec(model=member), student(torch.nn.Linear(2, 3)))  # pyright: ignore
