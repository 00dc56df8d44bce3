"""A training that pauses and goes on: bit for bit that of one that never did."""

from pathlib import Path

import pytest
import torch
from blobs import RECIPE, network, run, same_weights

from search.train.checkpoint import load_checkpoint
from search.train.curve import read_curve


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is killed here."""
    monkeypatch.setattr("os.fsync", lambda _file: None)  # pyright: ignore


def tensors(folder: Path):
    state = load_checkpoint(folder / "checkpoint.pt", {})
    assert state is not None
    return state


def test_a_training_that_pauses_twice_ends_as_one_that_does_not(tmp_path: Path):
    whole, parts = network(), network()
    straight = run(whole, tmp_path / "whole")
    first = run(network(), tmp_path / "parts", RECIPE.pausing(1))
    second = run(network(), tmp_path / "parts", RECIPE.pausing(2))
    assert (first.epochs, second.epochs) == (1, 2)
    assert second.val_accuracy == straight.curve[1].val_accuracy
    assert RECIPE.pausing(1).identity() == RECIPE.identity()
    last = run(parts, tmp_path / "parts", RECIPE.pausing(3))
    assert same_weights(whole, parts)
    for one, other in zip(straight.curve, last.curve, strict=True):
        assert (one.lr, one.train_loss, one.val_accuracy, one.val_loss) == (
            other.lr,
            other.train_loss,
            other.val_accuracy,
            other.val_loss,
        )
    once, again = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    for name in ("model", "ema"):
        assert all(torch.equal(tensor, again[name][key]) for key, tensor in once[name].items())


def test_a_training_that_is_further_answers_for_the_epoch_that_is_asked(tmp_path: Path):
    straight = run(network(), tmp_path)
    seen: list[object] = []
    paused = run(network(), tmp_path, RECIPE.pausing(2), progress=seen.append)
    assert seen == []
    assert paused.curve == straight.curve[:2]
    assert paused.val_accuracy == straight.curve[1].val_accuracy
    assert len(read_curve(tmp_path / "curve.csv")) == 3
