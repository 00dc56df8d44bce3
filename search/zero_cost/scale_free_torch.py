"""Attention whose pattern does not depend on how large its maps are: logits are divided by the largest of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_SOFTMAX = (torch.softmax, Tensor.softmax, functional.softmax)


@final
class ScaleFreeAttention(TorchFunctionMode):
    """A context in which every softmax is of logits over the largest magnitude among them.

    So an attention is homogeneous: maps that are twice as large give answers that are. What
    `scaled_dot_product_attention` adds to its logits, such as masks and biases of positions, stays as it is.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        del types
        named: dict[str, Any] = dict(kwargs or {})
        if func in _SOFTMAX and args:
            args = (_over(args[0], args[0]), *args[1:])
        elif func is functional.scaled_dot_product_attention and len(args) > 1:
            queries, keys = args[0], args[1]
            scale = named.get("scale") or 1 / math.sqrt(queries.shape[-1])
            args = (_over(queries, scale * queries @ keys.transpose(-2, -1)), *args[1:])
        return func(*args, **named)


def _over(values: Tensor, logits: Tensor) -> Tensor:
    largest = logits.abs().amax()
    return values / largest if largest > 0 else values
