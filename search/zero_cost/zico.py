"""ZiCo: how steady the gradients of a network that has not been trained are from batch to batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from search.zero_cost.score_session import Probe

if TYPE_CHECKING:
    from torch import Tensor


def zico(probe: Probe) -> float:
    """The sum over layers of the logarithm of the sum over weights of mean |g| / sd |g|, over batches.

    Mean and deviation (that of a population) of a weight's absolute gradient are over the batches, each at the initial
    weights; weights whose deviation is zero are left out, as are layers that have no others. Layers are the
    parameters of two axes or more.

    Source: Li, Yang, Bhardwaj and Marculescu, ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients
    (ICLR 2023), equation 8. Their code differs in two ways: it lets gradients add up over batches, and takes the
    deviation of the signed gradient.
    """
    network = probe.network.train()
    weights = [one for one in network.parameters() if one.requires_grad and one.ndim >= 2]
    found: list[list[Tensor]] = [[] for _ in weights]
    for images, labels in probe.batches:
        network.zero_grad()
        probe.loss(images, labels).backward()
        for own, weight in zip(found, weights, strict=True):
            if weight.grad is not None:
                own.append(weight.grad.detach().cpu().double().abs())  # not every accelerator has it
    return steadiness(found)


def steadiness(gradients: list[list[Tensor]]) -> float:
    """ZiCo of absolute gradients: of each layer one tensor per batch."""
    import torch

    total = 0.0
    for own in gradients:
        if not own:
            continue
        values = torch.stack(own)
        deviation = values.std(0, correction=0)
        steady = (values.mean(0) / deviation)[deviation > 0].sum().item()
        total += math.log(steady) if steady > 0 else 0.0
    return total
