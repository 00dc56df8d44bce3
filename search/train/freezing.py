"""Parts of a network that a training leaves as they are."""

from collections.abc import Sequence

from torch import nn

from archspec.errors import FieldError
from search.weights.parts import find_parts


def freeze(network: nn.Module, parts: Sequence[str]) -> None:
    """Take the parameters of some parts out of training; an optimiser that is made then does not see them.

    Raises:
        FieldError: the network has no such part, or nothing is left to train.
    """
    for module in find_parts(network, parts):
        module.requires_grad_(False)
    if parts and not any(parameter.requires_grad for parameter in network.parameters()):
        raise FieldError("freeze", f"leaves nothing to train: {', '.join(parts)}")


def hold(network: nn.Module, parts: Sequence[str]) -> None:
    """Put frozen parts into evaluation mode, after the network was put into training mode.

    Their batch norm then normalises by the statistics that it has, and keeps them; dropout and stochastic depth inside
    them are off, as in the frozen stages of detectors.
    """
    for module in find_parts(network, parts):
        module.eval()
