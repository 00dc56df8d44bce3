"""The arithmetic of a training: precision, TensorFloat-32, deterministic kernels and the compiler, as a recipe asks.

What a recipe sets is set while it trains, and is afterwards as it was.
"""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import nn

from archspec.errors import FieldError
from search.recipe.recipe import Recipe

Precision = Literal["auto", "float32", "bf16", "fp16"]
CUBLAS, CUBLAS_VALUE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
"""What cuBLAS must be told to give the same sums in every run (NVIDIA, cuBLAS: results reproducibility)."""
COMPILERS = ("g++", "clang++", "c++", "cl")


def autocast_dtype(device: torch.device, precision: Precision = "auto") -> torch.dtype | None:
    """The 16-bit type of forward and backward; None for float32.

    `auto` is the type that `device` computes in natively: float32 on CPUs and MPS, where autocast gains nothing here.
    """
    if precision != "auto":
        return {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if device.type == "xpu" else None


def memory_format(device: torch.device, channels_last: bool | Literal["auto"] = "auto") -> torch.memory_format:
    """Layout of image batches, which convolutions hand on; the weights stay as they are.

    `auto` puts channels last on CPU and CUDA: depthwise convolutions are several times slower otherwise.
    """
    last = device.type in ("cpu", "cuda") if channels_last == "auto" else channels_last
    return torch.channels_last if last else torch.contiguous_format


def check_arithmetic(recipe: Recipe, device: torch.device) -> None:
    """Refuse what `device`, or this machine, cannot do of a recipe.

    Raises:
        FieldError: the first field that cannot be done.
    """
    if recipe.precision in ("bf16", "fp16") and (why := _refusal(recipe.precision, device)):
        others = "float32 or " + ("fp16" if recipe.precision == "bf16" else "bf16")
        raise FieldError("precision", f"{recipe.precision} does not work on {device}: {why}; {others} may")
    if recipe.compile and (lacking := _compiler_lacking(device)):
        raise FieldError("compile", f"torch.compile needs {lacking}, which is not here; compile: false trains as well")


def _refusal(precision: Precision, device: torch.device) -> str:
    """Why a 16-bit type cannot be trained in; empty where a convolution and a linear layer can."""
    if device.type == "cuda" and precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "this GPU only emulates it"
    probe = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Flatten(), nn.Linear(16, 2))
    state = torch.random.get_rng_state()
    try:
        with torch.autocast(device.type, autocast_dtype(device, precision)):
            answer = probe.to(device)(torch.ones(2, 3, 4, 4, device=device))
        answer.float().sum().backward()
    except (RuntimeError, NotImplementedError, TypeError) as error:
        return str(error).strip().partition("\n")[0].rstrip(".")
    finally:
        torch.random.set_rng_state(state)
    return "" if answer.dtype == autocast_dtype(device, precision) else "torch computes in float32 instead"


def _compiler_lacking(device: torch.device) -> str:
    """What torch.compile would miss; empty where it misses nothing that can be told without compiling."""
    if device.type == "cpu" and not any(map(shutil.which, (os.environ.get("CXX") or COMPILERS[0], *COMPILERS))):
        return f"a C++ compiler ({', '.join(COMPILERS[:2])}, or the one that CXX names)"
    return "the package triton" if device.type in ("cuda", "xpu") and find_spec("triton") is None else ""


@contextmanager
def arithmetic(recipe: Recipe, device: torch.device) -> Generator[None]:
    """Inside, torch computes as `recipe` asks; then as it did before."""
    undo: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, value: Any) -> None:
        undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    algorithms = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(CUBLAS)
    try:
        if recipe.tf32 != "auto":
            put(torch.backends.cuda.matmul, "allow_tf32", recipe.tf32)
            put(torch.backends.cudnn, "allow_tf32", recipe.tf32)
        if recipe.deterministic:
            put(torch.backends.cudnn, "deterministic", True)
            put(torch.backends.cudnn, "benchmark", False)
            torch.use_deterministic_algorithms(True)
            if device.type == "cuda" and workspace is None:
                os.environ[CUBLAS] = CUBLAS_VALUE
        yield
    finally:
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)
        if recipe.deterministic:  # the call imports torch's compiler, which takes seconds
            torch.use_deterministic_algorithms(algorithms[0], warn_only=algorithms[1])
            if workspace is None:
                os.environ.pop(CUBLAS, None)
