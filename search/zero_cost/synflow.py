"""SynFlow: the synaptic saliency of a network's weights, for an image of ones and without data."""

from __future__ import annotations

import math
from contextlib import ExitStack
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from search.zero_cost.score_session import Probe

if TYPE_CHECKING:
    from torch import Tensor, nn


def synflow(probe: Probe) -> float:
    """The natural logarithm of the saliency of all weights, sum |w dR/dw|, with R the sum of the outputs.

    Weights and biases are replaced by their absolute values, normalisation by identity (an image of ones has nothing
    to normalise), and the network sees one image of ones in double precision, in evaluation mode. The weights of
    convolutions and linear layers count: parameters of two axes or more. The logarithm changes no order; the sum itself
    grows with the product of all widths and soon passes what a float holds.

    The pattern of an attention is made of logits over their largest, which is inferred, since neither source has
    attention: saliency is conserved where layers are homogeneous (section 4 of the first), and an attention is so once
    its pattern does not depend on the scale of its maps. Without that, maps that grow with every layer leave the
    softmax no gradient, or none that is a number.

    Source: Tanaka, Kunin, Yamins and Ganguli, Pruning Neural Networks without Any Data by Iteratively Conserving
    Synaptic Flow (NeurIPS 2020), section 5; as a score of networks, Abdelfattah, Mehrotra, Dudziak and Lane, Zero-Cost
    Proxies for Lightweight NAS (ICLR 2021), section 3.2.
    """
    import torch

    from search.zero_cost.scale_free_torch import ScaleFreeAttention

    network = probe.network.eval().cpu().double()  # not every accelerator has double precision
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.abs_()
    network.zero_grad()
    with ExitStack() as hooks:
        for module in _normalisations(network):
            hooks.enter_context(_bypassed(module))
        hooks.enter_context(ScaleFreeAttention())
        total = _total(network(torch.ones(1, *probe.shape, dtype=torch.float64)))
    total.backward()
    parts = [
        (one.detach() * one.grad).abs().sum() for one in network.parameters() if one.grad is not None and one.ndim >= 2
    ]
    saliency = float(sum(parts))
    return math.log(saliency) if 0 < saliency < math.inf else -math.inf


def _normalisations(network: nn.Module) -> list[nn.Module]:
    from torch.nn import GroupNorm, LayerNorm
    from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

    return [one for one in network.modules() if isinstance(one, (_BatchNorm, GroupNorm, LayerNorm))]


def _bypassed(module: nn.Module) -> Any:
    """A hook, as a context, by which a module gives what it takes."""
    return module.register_forward_hook(lambda own, taken, given: taken[0])


def _total(answer: Any) -> Tensor:
    """The sum of a network's output, or of all of them."""
    return reduce(add, map(_total, answer)) if isinstance(answer, (list, tuple)) else answer.sum()
