"""One step of a training: forward, backward and optimiser, in as many parts as the recipe asks for."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from search.data.dataset import own_part
from search.recipe.recipe import Recipe
from search.tasks.task import Answer, TrainingStep
from search.train.arithmetic import autocast_dtype
from search.train.optimizer import make_optimizer
from search.train.parallel.ranks import current_ranks

PassLoss = Callable[[Answer], Tensor]
"""The loss of a network's answer to a batch, a scalar."""


class SeveralPasses(ABC):
    """A network whose gradient of a step is the mean of those of its passes, each of which may run other layers."""

    @property
    @abstractmethod
    def pass_count(self) -> int:
        """The number of passes of a step."""

    @abstractmethod
    def passes(self, number: int, loss: PassLoss) -> Iterator[PassLoss]:
        """The passes over a batch: before each is given out, the network is made ready for it.

        What is given out is the loss of the answer that the network then gives; it is called once, before the next
        pass is asked for.

        Args:
            number: of the step, from 0 at the beginning of the training; with the seed it decides everything.
            loss: of the batch, by its labels.
        """


@final
class Stepper:
    """The steps of a network's training.

    The network itself is the eager one, whose state is saved, averaged and audited; `compile` only runs it otherwise,
    and so do several processes.

    Args:
        model: the network, on its device; one with `SeveralPasses` takes them in every step.
        recipe: how to train it.
        device: where it is.

    Attributes:
        dtype: the 16-bit type of forward and backward, or None.
        autocast: the context of a forward pass.
        optimizer, scaler: with the state that a checkpoint keeps; the scaler does something in fp16 alone.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, device: torch.device) -> None:
        self._recipe = recipe
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._several = model if isinstance(model, SeveralPasses) else None
        self._ranks = current_ranks()
        self._together: Any = self._ranks.wrapped(model, device)
        # torch asks for this order: its compiler then splits the graph where gradients are sent.
        self._forward: Any = torch.compile(self._together) if recipe.compile else self._together
        self.dtype = autocast_dtype(device, recipe.precision)
        self.autocast: AbstractContextManager[Any] = (
            torch.autocast(device.type, self.dtype) if self.dtype else nullcontext()
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        self.optimizer = make_optimizer(model, recipe)

    def learn(self, step: TrainingStep, lr: float, number: int = 0, total: int | None = None) -> Tensor:
        """Take a step at a learning rate; the loss, still on the device.

        Args:
            step: on the batch, or on the part of it that is this process's.
            lr: the learning rate.
            number: counts the steps of the training.
            total: images of the batch, where the step is on a part of it; the loss is then that part's share.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1)
        self.optimizer.zero_grad(set_to_none=True)
        parts, total = self._parts(len(step.images), total), total or len(step.images)
        backward = self._backward if self._several is None else partial(self._backward_all, self._several, number)
        losses: list[Tensor] = []
        for place, part in enumerate(parts, 1):
            # Gradients are sent once, with those of the last part.
            silent = self._ranks.count > 1 and place < len(parts)
            with self._together.no_sync() if silent else nullcontext():
                losses.append(backward(step, part, total))
        if self._recipe.clip_grad:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self._parameters, self._recipe.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _parts(self, count: int, total: int | None) -> list[slice]:
        """The parts of `count` images in which this process computes; as many in all processes.

        Of a whole batch, what all processes compute at a time is what one alone would.
        """
        ranks, accumulate = self._ranks, self._recipe.accumulate
        if total is not None:
            count = total
        # Batch norm needs more than one value per channel: a part has two images at least.
        number = max(min(accumulate, count // ranks.count // 2), 1)
        if total is not None:
            own = own_part(total, ranks.rank, ranks.count)
            count = own.stop - own.start
        bounds = [slice(int(part[0]), int(part[-1]) + 1) for part in torch.arange(count).tensor_split(number)]
        if ranks.count == 1 or total is not None:
            return bounds
        shares = [own_part(part.stop - part.start, ranks.rank, ranks.count) for part in bounds]
        return [slice(a.start + b.start, a.start + b.stop) for a, b in zip(bounds, shares, strict=True)]

    def _backward(self, step: TrainingStep, part: slice, total: int) -> Tensor:
        images = step.images[part]
        with self.autocast:
            answer = self._forward(images)
        loss = step.loss(answer, part)
        if len(images) < total:
            loss = loss * (len(images) / total)
        self._send(loss)
        return loss.detach()

    def _backward_all(self, several: SeveralPasses, number: int, step: TrainingStep, part: slice, total: int) -> Tensor:
        """The mean loss of all passes over some of the images."""
        images = step.images[part]
        share = len(images) / total / several.pass_count
        losses: list[Tensor] = []
        for loss_of in several.passes(number, lambda answer: step.loss(answer, part)):
            with self.autocast:
                answer = self._forward(images)
            loss = loss_of(answer) * share
            self._send(loss)
            losses.append(loss.detach())
        return torch.stack(losses).sum()

    def _send(self, loss: Tensor) -> None:
        """The gradient of a share of the loss; several processes have the mean of theirs, which is to be their sum."""
        self.scaler.scale(loss * self._ranks.count if self._ranks.count > 1 else loss).backward()

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run needs; the learning rate is a function of the step."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken, on whatever device; a scaler that was not needed there starts anew."""
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"] and self.scaler.is_enabled():
            self.scaler.load_state_dict(state["scaler"])
