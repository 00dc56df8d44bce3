"""Precision, TF32, deterministic kernels and the compiler: what a recipe sets, and that it is taken back."""

import os
from functools import partial
from pathlib import Path

import pytest
import torch
from blobs import CPU, RECIPE, blobs, network, run, same_weights, stop_after
from torch import nn

from archspec.errors import FieldError, Interrupted, RunError
from search.recipe.recipe import Recipe
from search.train import arithmetic as module
from search.train.arithmetic import CUBLAS, arithmetic, autocast_dtype, check_arithmetic, memory_format
from search.train.step import Stepper

CUDA = torch.device("cuda")


def flags() -> tuple[object, ...]:
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        os.environ.get(CUBLAS),
    )


def test_a_recipe_sets_flags_and_they_are_set_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(CUBLAS, raising=False)
    before = flags()
    with arithmetic(Recipe(), CUDA):
        assert flags() == before
    with arithmetic(Recipe(tf32=True, deterministic=True), CUDA):
        assert flags() == (True, True, True, False, True, False, ":4096:8")
    assert flags() == before
    with arithmetic(Recipe(tf32=False), CUDA):
        assert flags()[:2] == (False, False)
    with pytest.raises(ZeroDivisionError), arithmetic(Recipe(tf32=True, deterministic=True), CPU):
        raise ZeroDivisionError
    assert flags() == before


def test_memory_format_and_dtype():
    assert [autocast_dtype(CPU, name) for name in ("auto", "float32", "bf16", "fp16")] == [
        None,
        None,
        torch.bfloat16,
        torch.float16,
    ]
    assert memory_format(CPU) == torch.channels_last
    assert memory_format(torch.device("mps")) == memory_format(CPU, False) == torch.contiguous_format


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_run_in_16_bits_learns_and_goes_on(tmp_path: Path, precision: str):
    recipe = RECIPE.model_copy(update={"precision": precision})
    whole, parts = network(), network()
    result = run(whole, tmp_path / "whole", recipe)
    assert result.val_accuracy > 0.9
    assert not same_weights(whole, _trained(tmp_path / "float32"))
    with pytest.raises(Interrupted):
        run(parts, tmp_path / "parts", recipe, stop=stop_after(8))
    saved = torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["scaler"]
    assert bool(saved) == (precision == "fp16")
    run(parts, tmp_path / "parts", recipe)
    assert same_weights(whole, parts)


def _trained(folder: Path) -> nn.Module:
    model = network()
    run(model, folder)
    return model


def test_a_state_without_a_scaler_is_continued_by_one_with_it():
    model = network()
    state = Stepper(model, RECIPE, CPU).state_dict()
    half = Stepper(model, RECIPE.model_copy(update={"precision": "fp16"}), CPU)
    half.load_state_dict(state)
    assert half.scaler.get_scale() == 65536


def test_what_a_device_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch):
    check_arithmetic(Recipe(), CPU)
    check_arithmetic(Recipe(precision="bf16"), CPU)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    with pytest.raises(FieldError, match="bf16 does not work on cuda: this GPU only emulates it; float32 or fp16"):
        check_arithmetic(Recipe(precision="bf16"), CUDA)

    def fail(*_: object) -> None:
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'\nmore")

    monkeypatch.setattr(nn.Conv2d, "forward", fail)
    with pytest.raises(
        FieldError, match="fp16 does not work on cpu: \"slow_conv2d_cpu\" not implemented for 'Half'; f"
    ):
        check_arithmetic(Recipe(precision="fp16"), CPU)


def test_a_missing_compiler_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with pytest.raises(FieldError, match=r"compile: torch.compile needs a C\+\+ compiler \(g\+\+, clang\+\+, or"):
        check_arithmetic(Recipe(compile=True), CPU)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(FieldError, match="needs the package triton, which is not here; compile: false trains as well"):
        check_arithmetic(Recipe(compile=True), CUDA)


def test_a_compiled_run_goes_on_eager_and_leaves_the_network_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    recipe = RECIPE.model_copy(update={"compile": True})
    compiled = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    eager = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    eager.load_state_dict(compiled.state_dict())
    with pytest.raises(Interrupted):
        run(compiled, tmp_path / "parts", recipe, stop=stop_after(8))
    assert list(torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["model"]) == ["1.weight", "1.bias"]
    run(compiled, tmp_path / "parts", RECIPE)
    run(eager, tmp_path / "eager", RECIPE)
    assert torch.allclose(compiled[1].weight, eager[1].weight, atol=1e-5)


def test_a_compiler_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(graph: object, inputs: object) -> object:
        raise OSError("ld: cannot find -lgomp")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    with pytest.raises(RunError, match=r"^recipe.compile: BackendCompilerFailed: .*compile: false trains as well$"):
        run(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), tmp_path, RECIPE.model_copy(update={"compile": True}))


def test_a_kernel_that_is_not_deterministic_is_one_line(tmp_path: Path):
    class Shaky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(192, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if torch.are_deterministic_algorithms_enabled():
                raise RuntimeError("foo_backward_cuda does not have a deterministic implementation, but you set")
            return self.layer(x.flatten(1))

    data = blobs()
    with pytest.raises(RunError, match=r"^recipe.deterministic: foo_backward_cuda .*: deterministic: false allows it$"):
        run(Shaky(), tmp_path / "a", RECIPE.model_copy(update={"deterministic": True}), data=data)
    assert run(Shaky(), tmp_path / "b", RECIPE, data=data).epochs == 3
