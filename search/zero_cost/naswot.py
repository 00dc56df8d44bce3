"""NASWOT: how differently a network that has not been trained codes the images of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from archspec.errors import RunError
from search.zero_cost.score_session import Probe

if TYPE_CHECKING:
    from torch import Tensor, nn

ACTIVATIONS = frozenset({"relu", "relu_", "relu6", "gelu", "silu", "hardswish", "leaky_relu", "hardtanh", "elu"})
"""Functions of torch whose input's sign is the code of a unit."""


def naswot(probe: Probe) -> float:
    """The log determinant of the kernel of binary codes of a batch.

    A unit codes an image by the sign of what enters its activation function. Entry (i, j) of the kernel is the number
    of units that code images i and j alike. The published score is of ReLU, which is linear on either side of zero;
    here GELU, SiLU and Hardswish count by the same sign, of which they are smooth versions. Gates (sigmoid) and softmax
    have no such halves, and do not count.

    Source: Mellor, Turner, Storkey and Crowley, Neural Architecture Search without Training (ICML 2021), section 3;
    score `hook_logdet` of their code.

    Raises:
        RunError: the network has no such activation, or two images have the same code.
    """
    import torch

    images, _ = probe.batches[0]
    probe.network.train()  # as theirs: batch norm by the batch
    kernel = code_kernel(probe.network, images)
    if not kernel.any():
        raise RunError("NASWOT needs an activation such as ReLU or GELU, of which this layout has none")
    sign, value = torch.linalg.slogdet(kernel)
    if sign <= 0:
        raise RunError("NASWOT: two images of the batch have the same code in every unit")
    return float(value)


def code_kernel(network: nn.Module, images: Tensor) -> Tensor:
    """[images, images]: units that code two images alike, float64."""
    import torch
    from torch.overrides import TorchFunctionMode

    count = len(images)
    kernel = torch.zeros(count, count, dtype=torch.float64)

    @final
    class Codes(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__name__", "") in ACTIVATIONS:  # before a function in place overwrites its input
                kernel.add_(_alike(args[0], count))
            return func(*args, **(kwargs or {}))

    with torch.no_grad(), Codes():
        network(images)
    return kernel


def _alike(values: Tensor, images: int) -> Tensor:
    """[images, images]: of the units of one activation, whose values hold the images one after the other."""
    codes = (values.detach().reshape(images, -1) > 0).float()
    off = 1 - codes
    return (codes @ codes.T + off @ off.T).double().cpu()
