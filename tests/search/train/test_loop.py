"""The training loop: it learns, stops, resumes bit for bit, and refuses what is not its own."""

import csv
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, final

import pytest
import torch
from blobs import CPU, RECIPE, Blobs, blobs, network, run, same_weights, stop_after
from pydantic import ValidationError
from torch import Tensor, nn

from archspec.errors import ArchspecError, Interrupted, RunError
from archspec.loader import load
from archspec.model.build import build
from search.data.dataset import Batch, DatasetSplit, Splits, parse_dataset
from search.recipe.recipe import Recipe
from search.seeding import mix, restore_rng, rng_state, seed_everything
from search.tasks.ema import Ema
from search.train.checkpoint import load_checkpoint, save_checkpoint
from search.train.failures import Diverged, OutOfMemory
from search.train.loop import EpochRecord, evaluate
from search.train.optimizer import make_optimizer


class TestLearning:
    def test_it_learns_and_reports(self, tmp_path: Path):
        model, data, seen = network(), blobs(), list[EpochRecord]()
        result = run(model, tmp_path, data=data, progress=seen.append)
        assert result.val_accuracy > 0.9
        assert result.epochs == 3
        assert seen == result.curve
        assert not model.training
        assert data.test.reads == 0  # pyright: ignore
        score = evaluate(model, data.validation, device=CPU, batch_size=7)
        assert score.accuracy == result.val_accuracy
        assert score.loss == pytest.approx(result.curve[-1].val_loss, rel=1e-5)

    def test_curve_file(self, tmp_path: Path):
        result = run(network(), tmp_path)
        rows = list(csv.DictReader((tmp_path / "curve.csv").read_text().splitlines()))
        assert list(rows[0]) == ["epoch", "lr", "train_loss", "val_accuracy", "val_loss", "seconds"]
        assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
        assert float(rows[-1]["val_loss"]) == result.curve[-1].val_loss
        assert not list(tmp_path.glob("*.tmp"))

    def test_seed_alone_decides(self, tmp_path: Path):
        models = [network() for _ in range(3)]
        for number, (model, seed) in enumerate(zip(models, (1, 1, 2), strict=True)):
            torch.manual_seed(number)  # what ran before must not matter
            run(model, tmp_path / str(number), seed=seed)
        assert same_weights(models[0], models[1])
        assert not same_weights(models[0], models[2])

    def test_memory_format_of_the_weights_is_left_alone(self, tmp_path: Path):
        model = network()
        run(model, tmp_path)
        assert all(parameter.is_contiguous() for parameter in model.parameters())

    def test_real_digits(self, tmp_path: Path):
        data = parse_dataset({"type": "digits", "resolution": 16}).load()
        seed_everything(0)
        model = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.GELU(), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32),
            nn.GELU(), nn.Flatten(), nn.Linear(512, 10),
        )  # fmt: skip
        result = run(model, tmp_path, Recipe(epochs=3, batch_size=32), data=data)
        assert result.val_accuracy > 0.9
        assert evaluate(model, data.test, device=CPU, batch_size=128).accuracy > 0.85


class TestResuming:
    @pytest.mark.parametrize("calls", [6, 7, 12, 17])  # six steps an epoch: at its end, and within the next
    def test_resumed_run_is_bit_identical(self, tmp_path: Path, calls: int):
        whole, parts = network(), network()
        expected = run(whole, tmp_path / "whole")
        with pytest.raises(Interrupted):
            run(parts, tmp_path / "parts", stop=stop_after(calls))
        torch.rand(5)
        fresh, seen = network(), list[EpochRecord]()
        result = run(fresh, tmp_path / "parts", progress=seen.append)
        assert same_weights(whole, fresh)
        assert [record.epoch for record in seen] == list(range(calls // 6 + 1, 4))
        for ours, theirs in zip(result.curve, expected.curve, strict=True):
            assert (ours.lr, ours.train_loss, ours.val_loss) == (theirs.lr, theirs.train_loss, theirs.val_loss)

    def test_in_bits_with_the_tiny_preset_and_augmentation(self, tmp_path: Path):
        data = parse_dataset({"type": "cluttered_digits", "train": 100, "validation": 100, "test": 100}).load()

        def small() -> nn.Module:
            seed_everything(3)
            return build(load("tiny"), init="fan_out", zero_init_residual=True)

        whole, parts, fresh = small(), small(), small()
        run(whole, tmp_path / "whole", data=data)
        with pytest.raises(Interrupted):
            run(parts, tmp_path / "parts", data=data, stop=stop_after(9))
        run(fresh, tmp_path / "parts", data=data)
        assert same_weights(whole, fresh)

    def test_finished_run_is_answered_from_its_checkpoint(self, tmp_path: Path):
        first, second, data = network(), network(), blobs()
        expected = run(first, tmp_path)
        (tmp_path / "curve.csv").unlink()  # as after a kill between checkpoint and curve
        result = run(second, tmp_path, data=data, stop=lambda: True)
        assert result == expected
        assert same_weights(first, second)
        assert data.train.reads == 0  # pyright: ignore
        assert len((tmp_path / "curve.csv").read_text().splitlines()) == 4

    def test_stopped_before_the_first_epoch_ends_leaves_nothing_to_mislead(self, tmp_path: Path):
        with pytest.raises(Interrupted, match="epoch 1"):
            run(network(), tmp_path, stop=stop_after(2))
        assert not list(tmp_path.iterdir())

    def test_stop_at_the_very_end_is_a_result(self, tmp_path: Path):
        assert run(network(), tmp_path, stop=stop_after(18)).epochs == 3


class TestForeignCheckpoints:
    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"fingerprint": "g"}, "fingerprint"),
            ({"seed": 1}, "seed"),
            ({"recipe": RECIPE.model_copy(update={"lr": 0.1})}, "recipe"),
        ],
    )
    def test_of_another_run(self, tmp_path: Path, change: dict[str, Any], name: str):
        run(network(), tmp_path)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(RunError, match=rf"checkpoint\.pt: checkpoint of another run \({name} is") as caught:
            run(network(), tmp_path, **change)
        assert "\n" not in str(caught.value)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_workers_are_no_part_of_the_identity(self, tmp_path: Path):
        run(network(), tmp_path)
        assert run(network(), tmp_path, RECIPE.model_copy(update={"workers": 2})).epochs == 3

    @pytest.mark.parametrize("harm", ["empty", "cut", "flipped", "text", "other", "pickle"])
    def test_damaged(self, tmp_path: Path, harm: str):
        run(network(), tmp_path)
        path = tmp_path / "checkpoint.pt"
        whole = path.read_bytes()
        if harm == "other":
            torch.save([1, 2], path)
        elif harm == "pickle":
            torch.save({"version": 1, "evil": Recipe}, path)  # an object, which weights_only refuses to make
        else:
            weights = torch.load(path, weights_only=True)["model"]["0.weight"].numpy().tobytes()
            middle = whole.index(weights) + len(weights) // 2
            flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
            path.write_bytes({"empty": b"", "cut": whole[:-700], "flipped": flipped, "text": b"hello\n"}[harm])
        before = path.read_bytes()
        with pytest.raises(RunError, match=r"checkpoint\.pt: damaged checkpoint .* the file is kept") as caught:
            run(network(), tmp_path)
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == before

    def test_of_another_model(self, tmp_path: Path):
        run(network(), tmp_path)
        with pytest.raises(RunError, match="damaged checkpoint"):
            run(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), tmp_path)

    def test_a_failing_write_keeps_the_old_file(self, tmp_path: Path):
        path = tmp_path / "checkpoint.pt"
        save_checkpoint(path, {"a": 1})
        with pytest.raises(Exception, match="pickle"):
            save_checkpoint(path, {"a": lambda: None})
        assert load_checkpoint(path, {"a": 1}) == {"version": 1, "a": 1}


class TestFailures:
    def test_divergence_names_epoch_and_step(self, tmp_path: Path):
        data = blobs()
        data.train.images[:] = math.inf  # pyright: ignore
        place = r"^the loss is nan in epoch 1, step 1 of 6, at learning rate 0.001, on a batch of 16: the images of the"
        with pytest.raises(Diverged, match=place):
            run(network(), tmp_path, data=data)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("changes", "advice"),
        [
            ({}, "try lr: 0.00075"),
            ({"clip_grad": 0.0, "warmup_epochs": 0.0}, "try lr: 0.00075 or clip_grad: 1 or warmup_epochs: 1"),
            ({"precision": "fp16"}, "fp16 holds nothing above 65,504: try precision: bf16 or float32, or a lower lr"),
        ],
    )
    def test_divergence_says_what_to_try(self, tmp_path: Path, changes: dict[str, Any], advice: str):
        model = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
        nn.init.constant_(model[1].bias, math.inf)
        with pytest.raises(Diverged, match=rf"^the loss is nan in epoch 1, step 1 of 6, .*: {advice}$"):
            run(model, tmp_path, RECIPE.model_copy(update=changes))

    def test_overflowing_gradients_are_told_from_divergence(self, tmp_path: Path):
        class Overflowing(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(192, 3)

            def forward(self, x: Tensor) -> Tensor:
                logits = self.layer(x.flatten(1))
                if logits.requires_grad:
                    logits.register_hook(lambda grad: grad * math.inf)
                return logits

        recipe = RECIPE.model_copy(update={"precision": "fp16", "epochs": 9})
        expected = r"^the loss scale of fp16 has fallen to 0.00049 in epoch 5, step 3 .*finite; try precision: bf16$"
        with pytest.raises(Diverged, match=expected):
            run(Overflowing(), tmp_path, recipe)

    def test_out_of_memory_is_one_line(self, tmp_path: Path):
        class Hungry(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(192, 3)

            def forward(self, x: Tensor) -> Tensor:
                return self.layer(x.flatten(1)) + torch.empty(2**50).sum()

        with pytest.raises(OutOfMemory, match=r"^out of memory on cpu at batch size 16$"):
            run(Hungry(), tmp_path)

    def test_other_errors_pass_through(self, tmp_path: Path):
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            run(nn.Sequential(nn.Flatten(), nn.Linear(5, 3)), tmp_path)

    def test_errors_are_archspec_errors(self):
        assert issubclass(Diverged, RunError)
        assert issubclass(OutOfMemory, RunError)
        assert issubclass(Interrupted, ArchspecError)


class TestParts:
    def test_learning_rate(self):
        recipe = Recipe(epochs=4, lr=1.0, warmup_epochs=1)
        rates = [recipe.lr_at(step, 10) for step in range(40)]
        assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
        assert rates[10] == 1
        assert rates[25] == pytest.approx(0.5)
        assert all(a > b for a, b in pairwise(rates[10:]))
        assert 0 < rates[-1] < 0.01
        assert Recipe(epochs=1, lr=1.0, warmup_epochs=9).lr_at(0, 1) == 1

    @pytest.mark.parametrize(
        "bad", [{"epochs": 0}, {"lr": -1}, {"lr": math.nan}, {"ema_decay": 1}, {"epoch": 3}, {"precision": "half"}]
    )
    def test_recipe_bounds(self, bad: dict[str, Any]):
        with pytest.raises(ValidationError):
            Recipe(**bad)

    def test_recipe_is_described(self):
        assert all(field.description for field in Recipe.model_fields.values())

    def test_decay_spares_vectors(self):
        model = network()
        optimizer = make_optimizer(model, RECIPE)
        decayed, spared = optimizer.param_groups
        assert [tuple(p.shape) for p in decayed["params"]] == [(8, 3, 3, 3), (3, 128)]
        assert all(p.ndim == 1 for p in spared["params"])
        assert (decayed["weight_decay"], spared["weight_decay"]) == (RECIPE.weight_decay, 0)

    def test_ema_is_the_recursion_it_claims(self):
        model = nn.BatchNorm1d(2)
        ema = Ema(model, 0.9)
        expected = torch.ones(2)
        for step in range(1, 200):
            with torch.no_grad():
                model.weight.fill_(float(step))
            model.num_batches_tracked.fill_(step)  # pyright: ignore
            ema.update()
            decay = min(0.9, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * step
        assert torch.allclose(ema.state_dict()["weight"], expected)
        assert ema.state_dict()["num_batches_tracked"] == 199
        with ema.applied(model):
            assert torch.allclose(model.weight, expected)
        assert model.weight.tolist() == [199, 199]

    def test_without_ema_the_last_weights_count(self, tmp_path: Path):
        model = network()
        run(model, tmp_path, RECIPE.model_copy(update={"ema_decay": 0.0}))
        saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]
        assert all(torch.equal(tensor, saved[name]) for name, tensor in model.state_dict().items())

    def test_evaluate_restores_the_mode_and_counts_every_image(self):
        model, split = network(), Blobs(10, 0)
        model.train()
        scores = [evaluate(model, split, device=CPU, batch_size=size) for size in (4, 10)]
        assert model.training
        assert scores[0].accuracy == scores[1].accuracy
        assert scores[0].loss == pytest.approx(scores[1].loss, rel=1e-6)

    def test_rng_state_survives_a_file(self, tmp_path: Path):
        import random

        import numpy as np

        seed_everything(5)
        torch.save(rng_state(CPU), tmp_path / "rng.pt")
        first = (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random())
        restore_rng(torch.load(tmp_path / "rng.pt", weights_only=True), CPU)
        assert (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()) == first

    def test_mix_is_stable_and_separates_words(self):
        assert mix(0, "order", 1) == 6904529858814704759
        assert len({mix(1, 23), mix(12, 3), mix("1", 23), mix(1, "23")}) == 4


def test_epochs_before_the_last_may_be_scored_on_a_share_of_the_validation_split(tmp_path: Path):
    seen: list[int] = []

    @final
    class Counted(DatasetSplit):
        """Counts the images that are read of it."""

        def __init__(self, split: DatasetSplit) -> None:
            self.split = split

        def __len__(self) -> int:
            return len(self.split)

        def batches(self, batch_size: int, **options: Any) -> Iterator[Batch]:
            seen.append(0)
            for images, labels in self.split.batches(batch_size, **options):
                seen[-1] += len(images)
                yield images, labels

    data = blobs()
    watched = Splits(data.train, Counted(data.validation), data.test)
    part = RECIPE.model_copy(update={"validation_share": 0.3})
    whole = run(network(), tmp_path / "whole")
    found = run(network(), tmp_path / "part", part, data=watched)
    assert seen == [16, 16, 48]  # of batches of 16, which is a third
    assert found.curve[-1].val_accuracy == whole.curve[-1].val_accuracy
    assert [one.train_loss for one in found.curve] == [one.train_loss for one in whole.curve]
