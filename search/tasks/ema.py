"""The exponential moving average of a model's weights and buffers."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from torch import Tensor, nn


@final
class Ema:
    """Average of everything in the model's state dict; integers (batch norm's step counter) are copied.

    After t updates the decay is min(decay, (1 + t) / (10 + t)), so that a short run is not dominated by its
    initial weights (as in TensorFlow's `ExponentialMovingAverage(num_updates=...)`). A decay of 0 follows the model.
    """

    def __init__(self, model: "nn.Module", decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._live: dict[str, Tensor] = dict(model.state_dict())  # shares storage with the model
        self._mean: dict[str, Tensor] = {name: tensor.clone() for name, tensor in self._live.items()}
        floating = [name for name, tensor in self._live.items() if tensor.is_floating_point()]
        self._floating = [self._mean[name] for name in floating], [self._live[name] for name in floating]
        self._counters = [(self._mean[name], self._live[name]) for name in self._live.keys() - set(floating)]

    def update(self) -> None:
        """Take one step towards the model's present state."""
        from torch.optim.swa_utils import get_ema_multi_avg_fn

        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        get_ema_multi_avg_fn(decay)(*self._floating, None)
        for mean, live in self._counters:
            mean.copy_(live)

    def state_dict(self) -> "dict[str, Tensor]":
        """The averages by the model's names; shares storage with this object."""
        return dict(self._mean)

    def load_state_dict(self, state: "dict[str, Tensor]", updates: int) -> None:
        """Continue from saved averages after `updates` updates; KeyError or RuntimeError where they do not fit."""
        for name, tensor in self._mean.items():
            tensor.copy_(state[name])
        self.updates = updates

    def copy_to(self, model: "nn.Module") -> None:
        """Overwrite the model's state with the averages."""
        model.load_state_dict(self._mean)

    @contextmanager
    def applied(self, model: "nn.Module") -> Generator[None]:
        """Lend the averages to the model, and give it its own state back."""
        own = {name: tensor.clone() for name, tensor in self._live.items()}
        self.copy_to(model)
        try:
            yield
        finally:
            model.load_state_dict(own)
