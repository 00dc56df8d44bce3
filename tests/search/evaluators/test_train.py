"""The evaluator `train` end to end: a real training, its record, and what it refuses."""

import json

import pytest
import torch

from archspec.errors import FieldError, RunError
from archspec.loader import load
from archspec.model.weights import restore, save
from search.data.dataset import parse_dataset
from search.evaluator import Epoch, Task, parse_evaluator
from search.evaluators.train import Train
from search.recipe.recipe import Recipe

TINY = load("tiny")


def never() -> bool:
    return False


def test_tiny_reaches_97_percent_on_the_test_digits_and_its_saved_weights_give_the_same_logits(tmp_path):
    from archspec.model.build import build
    from search.seeding import mix, seed_everything
    from search.train.loop import evaluate, train

    data = parse_dataset("digits").load()
    seed_everything(mix(0, "init"))
    spec = TINY.at(64)
    network = build(spec, init="fan_out", zero_init_residual=True)
    recipe = Recipe(epochs=5)
    cpu = torch.device("cpu")
    train(
        network,
        data,
        recipe,
        seed=0,
        folder=tmp_path,
        fingerprint=spec.digest,
        stop=never,
        progress=lambda record: None,
    )
    assert evaluate(network, data.test, device=cpu, batch_size=256).accuracy >= 0.97
    save(network, tmp_path / "tiny.safetensors")
    again = restore(tmp_path / "tiny")
    assert again.spec.digest == spec.digest
    images, _ = next(data.test.batches(64, seed=0, epoch=0, shuffle=False))
    with torch.no_grad():
        assert torch.equal(network.eval()(images), again.eval()(images))


@pytest.fixture(scope="module")
def session():
    data = {"type": "cluttered_digits", "train": 128, "validation": 100, "test": 100}
    return Train.model_validate({"data": data, "recipe": {"epochs": 1}}).open()


def test_sessions_on_the_same_data_hold_it_once(session):
    config = session.config
    other = config.model_copy(update={"recipe": Recipe(epochs=2)})
    assert other.open().data is session.data
    moved = config.data.model_copy(update={"seed": 1})
    assert config.model_copy(update={"data": moved}).open().data is not session.data


def test_metrics_hold_audited_cost_measured_latency_and_validation_only(session, tmp_path):
    folder = tmp_path / "artifacts" / TINY.digest / "search-seed0"
    said: list[str | Epoch] = []
    metrics = session.evaluate(Task(TINY, 0, folder, tmp_path), never, said.append)
    assert metrics["macs"] == metrics["audited_macs"] == 5_346_464
    assert metrics["params"] == 373_994
    assert 0 <= metrics["accuracy"] <= 1
    assert metrics["latency_ms"] > 0
    assert metrics["latency_ratio"] > 0
    assert "test_accuracy" not in metrics
    first, epoch, last = said
    assert (first, last) == ("in the first of 1 epoch on cpu", "measuring latency")
    assert isinstance(epoch, Epoch)
    assert str(epoch) == f"epoch 1/1, accuracy {metrics['accuracy']:.3f}"
    assert (epoch.number, epoch.total, epoch.device, epoch.values["val_accuracy"]) == (1, 1, "cpu", metrics["accuracy"])
    assert list(epoch.values) == ["lr", "train_loss", "val_accuracy", "val_loss", "seconds"]
    assert json.loads(next(tmp_path.glob("reference.*.json")).read_text())["reference"] == "tiny"
    assert (folder / "curve.csv").read_text().count("\n") == 2


def test_a_finalist_is_scored_on_the_test_split_too(session, tmp_path):
    metrics = session.evaluate(Task(TINY, 1, tmp_path / "f", tmp_path, final=True), never, print)
    assert 0 <= metrics["test_accuracy"] <= 1


def test_a_seed_decides_the_result(session, tmp_path):
    def accuracy(seed: int, folder: str) -> tuple[float, str]:
        metrics = session.evaluate(Task(TINY, seed, tmp_path / folder, tmp_path), never, print)
        loss = (tmp_path / folder / "curve.csv").read_text().splitlines()[1].split(",")[2]
        return metrics["accuracy"], loss

    assert accuracy(3, "a") == accuracy(3, "b")
    assert accuracy(3, "a")[1] != accuracy(4, "c")[1]


def test_a_damaged_checkpoint_fails_the_trial_by_name_and_is_kept(session, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(RunError, match=r"checkpoint\.pt"):
        session.evaluate(Task(TINY, 0, folder, tmp_path), never, print)
    assert (folder / "checkpoint.pt").read_bytes() == b"not a checkpoint"


def test_a_spec_must_fit_the_data():
    evaluator = parse_evaluator("train")
    assert evaluator.prepare(TINY.at(128)).resolution == 64
    with pytest.raises(FieldError, match="head: must have the data set's 10 classes, not 1000"):
        evaluator.prepare(load("hiri-vit-s"))
    with pytest.raises(FieldError, match="channels: must be 3"):
        evaluator.prepare(TINY.model_copy(update={"channels": 1}))
