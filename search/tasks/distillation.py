"""EMA distillation: the average of a network's weights teaches the network itself (HIRI-ViT section 4.5).

The teacher sees the images before they were mixed and answers with a distribution over classes at every position of
its last map. The mixing that made the student's image mixes these maps; their mean joins the mixed label.
"""

from copy import deepcopy
from typing import TYPE_CHECKING, final

from archspec.errors import FieldError
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.pool import GlobalPool
from blocks.layers.combine import Sequence
from blocks.layers.maps import Node

if TYPE_CHECKING:
    from torch import Tensor, nn

    from archspec.model.network import Network
    from search.augment.mixing import Mixing
    from search.tasks.ema import Ema

RULE = "EMA distillation needs a head that ends in a global average pool and a linear layer"


def check_head(head: Node | None) -> None:
    """Refuse a head without class probabilities at every position; without torch, so that studies are refused early.

    Raises:
        FieldError: `RULE` is broken.
    """
    parts = [part for _, part in head.parts] if isinstance(head, Sequence) else []
    pools = [isinstance(part, GlobalPool) for part in parts]
    if not parts or not isinstance(parts[-1], Linear) or sum(pools) != 1 or not pools[-2]:
        raise FieldError("head", RULE)


def split_head(head: "nn.Module") -> "tuple[nn.Sequential, nn.Linear]":
    """The two parts of a built head: what comes before its pool, and the linear layer behind it.

    Raises:
        FieldError: `RULE` is broken.
    """
    from torch import nn

    from blocks.layers.basic.pool_torch import GlobalAvgPool

    parts = list(head.children()) if isinstance(head, nn.Sequential) else []
    pools = [isinstance(part, GlobalAvgPool) for part in parts]
    if not parts or not isinstance(linear := parts[-1], nn.Linear) or sum(pools) != 1 or not pools[-2]:
        raise FieldError("head", RULE)
    return nn.Sequential(*parts[:-2]), linear


def class_map(network: "Network", images: "Tensor") -> "Tensor":
    """Class probabilities (N, classes, h, w) at every position of the last map: the head without its pool.

    The linear layer is applied at each position, as a 1x1 convolution, and the softmax over the classes follows there.

    Raises:
        FieldError: the head breaks `RULE`.
    """
    before, linear = split_head(network.head)
    last: Tensor = before(network.features(images)[-1])
    logits: Tensor = linear(last.movedim(1, -1))
    return logits.float().softmax(-1).movedim(-1, 1)


def distilled(labels: "Tensor", maps: "Tensor", mixing: "Mixing | None", alpha: float) -> "Tensor":
    """The target of the student (N, classes): alpha * label + (1 - alpha) * mean of the mixed map (equation 5).

    Args:
        labels: distributions (N, classes), already mixed.
        maps: the teacher's probabilities (N, classes, h, w) of the images before mixing.
        mixing: how the images were mixed; without it each map is averaged as it is (inferred: the paper speaks of
            mixed samples only).
        alpha: weight of the labels, from 0 to 1.
    """
    answer = (maps if mixing is None else mixing.maps(maps)).mean((2, 3))
    return alpha * labels + (1 - alpha) * answer


@final
class Teacher:
    """The average of a network's weights as a network of its own, which shares the average's storage.

    Raises:
        FieldError: `model` is no built spec, or its head breaks `RULE`.
    """

    def __init__(self, model: "nn.Module", ema: "Ema") -> None:
        from archspec.model.network import Network

        if not isinstance(model, Network):
            raise FieldError("head", RULE)
        split_head(model.head)
        self._network = deepcopy(model).requires_grad_(False).eval()
        self._network.load_state_dict(ema.state_dict(), assign=True)

    def maps(self, images: "Tensor") -> "Tensor":
        """Class probabilities (N, classes, h, w) float32 of images before mixing; no gradient."""
        import torch

        with torch.no_grad():
            return class_map(self._network, images)
