"""Backend `compile`: the network through torch.compile, as one graph for one size of batch."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, final

from archspec.errors import RunError
from search.latency.backend import Backend, Inference, first_line
from search.latency.eager import channels_last

if TYPE_CHECKING:
    from torch import Tensor, nn

COMPILER = "inductor"
"""Compiler behind torch.compile."""


@final
class Compile(Backend):
    """torch.compile without dynamic shapes; a network that it cannot hold in one graph is refused."""

    name = "compile"

    def prepare(self, network: "nn.Module", images: "Tensor", kept: Path | None = None) -> Inference:
        import torch

        del kept
        network, images = channels_last(network, images)
        compiled = torch.compile(network, fullgraph=True, dynamic=False, backend=COMPILER)
        try:
            with warnings.catch_warnings(), torch.inference_mode():
                warnings.simplefilter("ignore")  # the compiler's remarks about itself
                compiled(images)
        except Exception as error:  # whatever part of the compiler gives up
            raise RunError(f"latency: torch.compile cannot run this network: {first_line(error)}") from error
        return lambda: compiled(images)


def forget_compiled() -> None:
    """Forget what this process has compiled: torch keeps a handful of networks of one class, and then no longer
    compiles. What is compiled again comes from its cache on disk."""
    import torch

    torch.compiler.reset()
