"""Backends of inference: how a trained network is run when its time is taken."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from archspec.errors import FieldError, RunError
from search.plugins import missing_package

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Inference: TypeAlias = "Callable[[], Tensor]"
"""One inference of a batch that is already where the backend wants it; the answer, on whatever device."""
TOLERANCE = 1e-3
"""Largest difference from eager mode that a backend's answer may have, as a share of the largest absolute answer."""
EXTRA = "archspec-vision[onnx]"


class Backend(ABC):
    """A way to run a network."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    """Modules of the extra `onnx` that it needs."""

    def check_installed(self) -> None:
        """Refuse to run without the packages that this backend needs.

        Raises:
            FieldError: one is not installed, with the command that installs it.
        """
        if rule := missing_package(self.name, dict.fromkeys(self.packages, EXTRA)):
            raise FieldError("", rule)

    def place(self, device: "torch.device") -> "torch.device":
        """The device on which this backend runs a network that was trained on `device`.

        Raises:
            RunError: it cannot run there.
        """
        return device

    @abstractmethod
    def prepare(self, network: "nn.Module", images: "Tensor", kept: Path | None = None) -> Inference:
        """The inference of `images` by `network`, which computes what it did; its memory format may change.

        Args:
            network: in evaluation mode.
            images: (N, C, H, W) on the network's device.
            kept: file for what a backend makes of the network; where it is there, it is taken as such.

        Raises:
            RunError: this backend cannot run this network.
        """


def first_line(error: BaseException) -> str:
    """The first line of a library's error that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]


def check_answers(name: str, answer: "Tensor", expected: "Tensor") -> None:
    """Refuse a backend whose answer to a batch is not that of eager mode.

    Raises:
        RunError: they differ by more than `TOLERANCE` of the largest absolute answer.
    """
    expected = expected.detach().float().cpu()
    gap = (answer.detach().float().cpu() - expected).abs().max().item()
    largest = expected.abs().max().item()
    if not gap <= TOLERANCE * max(largest, 1e-6):
        raise RunError(
            f"latency: {name} answers otherwise than eager mode: by up to {gap:.3g}, where answers reach {largest:.3g} "
            f"and {TOLERANCE:g} of that is allowed"
        )
