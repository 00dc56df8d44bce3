"""What is said when memory runs out: which batch size would fit, by the bytes that the cost states."""

from pathlib import Path

import pytest
import torch
from blobs import CPU, run

from archspec.cost.measure import measure
from archspec.loader import load
from archspec.model.build import build
from search.recipe.recipe import Recipe
from search.train import memory as module
from search.train.failures import OutOfMemory
from search.train.memory import describe_need, device_memory, fitting_batch, fixed_bytes

SPEC = load("tiny").at(64)


def test_fitting_batch_is_what_is_left_by_what_an_image_needs():
    assert fitting_batch(100, 900, 2000) == 9
    assert fitting_batch(100, 1900, 2000) == 0


def test_fixed_bytes_of_adamw_and_its_average():
    model = build(SPEC, init="skip")
    buffers = sum(buffer.numel() * buffer.element_size() for buffer in model.buffers())
    assert fixed_bytes(model) == 5 * 4 * measure(SPEC).params + 2 * buffers


@pytest.mark.parametrize(
    ("images", "accumulate", "advice"),
    [
        (20, 1, "; batch_size: 20 would fit, or accumulate: 3"),
        (20, 2, "; batch_size: 20 would fit, or accumulate: 3"),
        (20, 4, "; 12 images should fit: other processes hold the rest"),
        (3, 1, "; not even 4 images would fit: try a smaller network or resolution"),
    ],
)
def test_advice(monkeypatch: pytest.MonkeyPatch, images: int, accumulate: int, advice: str):
    model = build(SPEC, init="skip")
    memory = (fixed_bytes(model) + (images + 0.5) * measure(SPEC).saved_bytes) / 0.9
    monkeypatch.setattr(module, "device_memory", lambda device: int(memory))
    said = describe_need(model, Recipe(batch_size=48, accumulate=accumulate), CPU)
    assert said.endswith(advice)
    assert ": backward needs 0.824 MiB per image (in float32), weights, gradients, optimiser and average " in said
    assert said.startswith(" in ") == (accumulate > 1)


def test_memory_of_this_machine_is_no_more_than_its_containers_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = device_memory(CPU)
    assert whole > 2**28
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(module, "LIMITS", (str(limit),))
    for text, expected in (("1048576\n", 2**20), ("max\n", None)):
        limit.write_text(text)
        assert device_memory(CPU) == (expected or device_memory(CPU))
    assert device_memory(CPU) >= whole


def test_a_training_that_runs_out_says_so_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = build(SPEC, init="fan_out")

    def fail(images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has")

    monkeypatch.setattr(model, "forward", fail)
    with pytest.raises(OutOfMemory, match=r"^out of memory on cpu at batch size 16: backward needs .* MiB per image"):
        run(model, tmp_path)
