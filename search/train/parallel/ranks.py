"""The processes that train one network together, each on a part of every batch: plain DistributedDataParallel (Li et
al. 2020, PyTorch Distributed), which adds up their gradients.

A step of all of them is that of one process on the whole batch, up to rounding, but for two things: what layers draw
(dropout, stochastic depth) comes from a stream of each process; and on a CPU, for which torch has no synchronised batch
norm, it normalises by the process's own part.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from datetime import timedelta
from functools import cache
from typing import Any, final

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from archspec.errors import RunError
from search.data.dataset import Batch, DatasetSplit, own_part

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl", "xpu": "cpu:gloo,xpu:xccl"}
"""Backends by the kind of device; what is no tensor of the device goes through gloo, which does not wait for it."""
SYNCHRONISED = ("cuda", "xpu")
"""Kinds of devices for which torch has a synchronised batch norm."""
PATIENCE = timedelta(minutes=30)
"""Time that processes wait for one another, such as for the first of them to have read its data."""


@final
class Ranks:
    """The processes, as one of them sees them; one process alone is all there is to its network.

    Args:
        rank: of this one, from 0.
        count: of all.
    """

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count

    @property
    def first(self) -> bool:
        """Whether this one writes what is to be written."""
        return self.rank == 0

    def prepared(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The network to train: a copy with synchronised batch norm where torch has it, else the network itself."""
        if self.count == 1 or device.type not in SYNCHRONISED:
            return model
        return nn.SyncBatchNorm.convert_sync_batchnorm(deepcopy(model))

    def wrapped(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The network whose backward pass adds up the gradients; all begin with the state that the first one has."""
        if self.count == 1:
            return model
        ids = None if device.type == "cpu" else [device]
        return DistributedDataParallel(model, device_ids=ids, broadcast_buffers=False)

    def any(self, flag: bool) -> bool:
        """Whether the flag is true in any process; all learn it at the same call."""
        if self.count == 1:
            return flag
        told = torch.tensor(int(flag))
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return bool(told.item())

    def add(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor of each process."""
        if self.count > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
        return tensor

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of floats by their means over the processes."""
        if self.count > 1 and tensors:
            flat = torch.cat([tensor.detach().float().flatten() for tensor in tensors])
            dist.all_reduce(flat)
            parts = (flat / self.count).split([tensor.numel() for tensor in tensors])
            for tensor, mean in zip(tensors, parts, strict=True):
                tensor.copy_(mean.view_as(tensor))

    def gather(self, tensor: Tensor) -> Tensor:
        """The parts (n, ...) of all processes in the order of their ranks, (N, ...)."""
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
        dist.all_gather(sizes, torch.tensor([len(tensor)]))
        counts = [int(size.item()) for size in sizes]
        padded = tensor.new_zeros((max(counts), *tensor.shape[1:]))
        padded[: len(tensor)] = tensor
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def spread(self, answer: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """A function of each image of a batch that all processes hold, each of which computes a part of it."""
        if self.count == 1:
            return answer(images)
        return self.gather(answer(images[own_part(len(images), self.rank, self.count)]))

    def gather_objects(self, value: Any) -> list[Any]:
        """An object of each process."""
        if self.count == 1:
            return [value]
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, value)
        return found

    def read(self, split: DatasetSplit, batch_size: int, **how: Any) -> Iterator[Batch]:
        """The part of each batch of a split that is this process's; what `how` says is passed on to `batches`."""
        if self.count == 1:
            yield from split.batches(batch_size, **how)
            return
        shared = split.shared(self.rank, self.count)
        if shared is not None:
            yield from shared.batches(batch_size, **how)
            return
        for images, labels in split.batches(batch_size, **how):
            part = own_part(len(images), self.rank, self.count)
            if part.stop > part.start:
                yield images[part], labels[part]

    def check_batches(self, count: int, batch_size: int) -> None:
        """Refuse batches that leave a process less than two images, which batch norm needs.

        Args:
            count: images of the training split.
            batch_size: of a recipe.

        Raises:
            RunError: they do.
        """
        smallest = count // -(-count // batch_size)
        if self.count > 1 and smallest < 2 * self.count:
            rule = f"batches of {smallest} leave less than two images for each of {self.count} processes"
            raise RunError(f"{count} training images in {rule}: train with fewer, or with larger batches")


@cache
def _alone() -> Ranks:
    return Ranks(0, 1)


def current_ranks() -> Ranks:
    """The processes that train together with this one, once they have joined."""
    if dist.is_available() and dist.is_initialized():
        return Ranks(dist.get_rank(), dist.get_world_size())
    return _alone()


def join_ranks(device: torch.device) -> None:
    """Meet the other processes, which torchrun's agent has started; the environment says where."""
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")  # the end of one process is not waited for
    dist.init_process_group(BACKENDS[device.type], timeout=PATIENCE)


def leave_ranks() -> None:
    """Part from the other processes; this one goes on alone."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def floats(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Those of several tensors that hold floats."""
    return [tensor for tensor in tensors if tensor.is_floating_point()]
