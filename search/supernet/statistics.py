"""Statistics of batch norm for one layout of a supernet, estimated anew from batches of images."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from archspec.spec.schema import ArchSpec
from search.supernet.supernet import Supernet


def estimate_statistics(supernet: Supernet, spec: ArchSpec, batches: Iterable[Tensor]) -> dict[str, Tensor]:
    """The buffers of a layout after averaging the statistics of all batches, each with the same weight.

    Only batch norm runs as in training: dropout and stochastic depth do nothing, so that the answer is deterministic.
    What `Supernet.set_buffers` takes; nothing of the supernet is changed.

    Args:
        supernet: on any device.
        spec: the layout, as it was prepared.
        batches: images (N, C, H, W), on the supernet's device; more images give steadier statistics.

    Raises:
        RunError: a layout of another space.
    """
    member = supernet.member(spec)
    buffers = supernet.fresh_buffers(member)
    norms = member.norms
    momenta = [norm.momentum for norm in norms]
    member.network.eval()
    try:
        for norm in norms:
            norm.train()
            norm.momentum = None  # a plain average over the batches
        with torch.no_grad():
            for images in batches:
                supernet.run(member, buffers, images)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return buffers
