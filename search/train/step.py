"""One step of a training: forward, backward and optimiser, in as many parts as the recipe asks for."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from search.recipe.recipe import Recipe
from search.tasks.task import Answer, TrainingStep
from search.train.arithmetic import autocast_dtype
from search.train.optimizer import make_optimizer

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

    The network itself is the eager one, whose state is saved, averaged and audited; `compile` only runs it otherwise.

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
        self._forward: Any = torch.compile(model) if recipe.compile else model
        self.dtype = autocast_dtype(device, recipe.precision)
        self.autocast: AbstractContextManager[Any] = (
            torch.autocast(device.type, self.dtype) if self.dtype else nullcontext()
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        self.optimizer = make_optimizer(model, recipe)

    def learn(self, step: TrainingStep, lr: float, number: int = 0) -> Tensor:
        """Take a step at a learning rate; the loss, still on the device. `number` counts the steps of the training."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1)
        self.optimizer.zero_grad(set_to_none=True)
        count = len(step.images)
        # Batch norm needs more than one value per channel: a part has two images at least.
        bounds = torch.arange(count).tensor_split(max(min(self._recipe.accumulate, count // 2), 1))
        backward = self._backward if self._several is None else partial(self._backward_all, self._several, number)
        losses = [backward(step, slice(int(part[0]), int(part[-1]) + 1)) for part in bounds]
        if self._recipe.clip_grad:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self._parameters, self._recipe.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _backward(self, step: TrainingStep, part: slice) -> Tensor:
        images = step.images[part]
        with self.autocast:
            answer = self._forward(images)
        loss = step.loss(answer, part)
        if len(images) < len(step.images):
            loss = loss * (len(images) / len(step.images))
        self.scaler.scale(loss).backward()
        return loss.detach()

    def _backward_all(self, several: SeveralPasses, number: int, step: TrainingStep, part: slice) -> Tensor:
        """The mean loss of all passes over some of the images."""
        images = step.images[part]
        share = len(images) / len(step.images) / several.pass_count
        losses: list[Tensor] = []
        for loss_of in several.passes(number, lambda answer: step.loss(answer, part)):
            with self.autocast:
                answer = self._forward(images)
            loss = loss_of(answer) * share
            self.scaler.scale(loss).backward()
            losses.append(loss.detach())
        return torch.stack(losses).sum()

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run needs; the learning rate is a function of the step."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken, on whatever device; a scaler that was not needed there starts anew."""
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"] and self.scaler.is_enabled():
            self.scaler.load_state_dict(state["scaler"])
