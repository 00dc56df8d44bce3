"""The batch size that a device's memory holds, by the bytes that a spec's cost states."""

import math
import os
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from archspec.cost.measure import measure
from archspec.model.network import Network
from search.recipe.recipe import Recipe

SPARE = 0.9
"""Share of the memory that is planned with; workspaces of kernels and fragments take the rest."""
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux states the memory that a group of processes may use."""
STATES = 2
"""Numbers per parameter that an optimiser is taken to keep before its first step: AdamW's two averages."""


def describe_need(model: nn.Module, recipe: Recipe, device: torch.device) -> str:
    """The memory that a training needs and has, and the batch size that would fit; empty for a network without a cost.

    The bytes kept for backward are those of float32, exact per image; 16-bit autocast keeps about half of most.
    """
    if not isinstance(model, Network):
        return ""
    image, fixed, memory = measure(model.spec).saved_bytes, fixed_bytes(model), device_memory(device)
    if not memory:
        return ""
    parts = f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else ""
    need = f"{parts}: backward needs {_size(image)} per image (in float32), weights, gradients, optimiser and average"
    need = f"{need} {_size(fixed)} together, of {_size(memory)}"
    fits = fitting_batch(image, fixed, memory)
    if fits < 4:
        return f"{need}; not even 4 images would fit: try a smaller network or resolution"
    part = math.ceil(recipe.batch_size / recipe.accumulate)
    if fits >= part:
        return f"{need}; {part} images should fit: other processes hold the rest"
    return f"{need}; batch_size: {fits} would fit, or accumulate: {math.ceil(recipe.batch_size / fits)}"


def fitting_batch(image: int, fixed: int, memory: int) -> int:
    """Images whose backward pass fits into what is left of `memory` bytes.

    Args:
        image: bytes that backward keeps for each.
        fixed: bytes that are needed whatever the batch.
        memory: bytes of the device.
    """
    return max(math.floor((SPARE * memory - fixed) / max(image, 1)), 0)


def fixed_bytes(model: nn.Module) -> int:
    """Bytes of weights and buffers, their average, gradients, and two numbers of an optimiser per parameter."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    state = [*model.parameters(), *model.buffers()]
    return 2 * _bytes(state) + (1 + STATES) * _bytes(trained)


def device_memory(device: torch.device) -> int:
    """Bytes of memory that this process may have on `device`; 0 where nobody says.

    On an accelerator what is free now and what this process holds; on a CPU the machine's, or the limit of its
    container.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    if device.type != "cpu":
        return 0
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0
    texts = [Path(path).read_text(encoding="ascii").strip() for path in LIMITS if Path(path).is_file()]
    return min([machine, *(int(text) for text in texts if text.isdecimal())])


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _size(number: float) -> str:
    return f"{number / 2**30:.3g} GiB" if number >= 2**30 else f"{number / 2**20:.3g} MiB"
