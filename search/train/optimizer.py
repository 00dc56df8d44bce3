"""The optimiser, and the arithmetic and memory layout that suit a device."""

from typing import Literal

import torch
from torch import nn

from search.recipe.recipe import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels, not vectors (norms, biases, layer scales)."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in trained)
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=recipe.lr, fused=fused)


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The 16-bit type that `device` computes in natively; None on CPUs and MPS, where autocast gains nothing here."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if device.type == "xpu" else None


def memory_format(device: torch.device, channels_last: bool | Literal["auto"] = "auto") -> torch.memory_format:
    """Layout of image batches, which convolutions hand on; the weights stay as they are.

    `auto` puts channels last on CPU and CUDA: depthwise convolutions are several times slower otherwise.
    """
    last = device.type in ("cpu", "cuda") if channels_last == "auto" else channels_last
    return torch.channels_last if last else torch.contiguous_format
