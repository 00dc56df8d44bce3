"""Backend `eager`: PyTorch as it trains, operator by operator, channels last."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

from search.latency.backend import Backend, Inference

if TYPE_CHECKING:
    from torch import Tensor, nn


@final
class Eager(Backend):
    """PyTorch's eager mode."""

    name = "eager"

    def prepare(self, network: "nn.Module", images: "Tensor", kept: Path | None = None) -> Inference:
        del kept
        network, images = channels_last(network, images)
        return lambda: network(images)


def channels_last(network: "nn.Module", images: "Tensor") -> "tuple[nn.Module, Tensor]":
    """A network and its images in the memory format in which convolutions are fastest."""
    import torch

    layout = torch.channels_last
    module = cast("Any", network).to(memory_format=layout)  # torch's stubs lack this form of `to`
    return module, images.contiguous(memory_format=layout)
