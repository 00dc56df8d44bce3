"""Segmentation head: class queries that attend to a map."""

from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.maps import MapsReader
from blocks.layers.segmentation.class_query import ClassMasks
from blocks.layers.units.feed_forward import hidden_width


@final
class ClassQuery(MapsHead):
    """A learned query per class attends to all maps at the size of the first: -> (classes, H, W).

    The similarities by which a query attends are logits of its class's mask, and those of the last queries are the
    head's output. With `supervise`, training returns the similarities of every attention beside it; they cost nothing.
    The auxiliary head on the first map counts in params and runs in training only.

    Params, of maps of C channels together, the first of c, with D = `width`, K classes, L = `depth`, h =
    `expansion`·D and A = `auxiliary`: C·D + 2D + K·D + L(4D² + 2·D·h + 9D + h) + 2D² + 4D, and for the auxiliary head
    9·c·A + 2A + (A + 1)K.

    Source: inferred, every layer: RSSeg's abstract has a "discriminative cross-attention which yields more
    discriminative region representations through novel auxiliary supervisions". That similarities double as masks is
    known from SegViT (attention to mask).
    """

    type: Literal["class_query"] = "class_query"
    classes: int = Field(default=150, gt=0, le=100_000, strict=True, description="number of classes")
    width: Width = Field(default=256, description="channels of queries and features")
    depth: int = Field(default=2, ge=1, le=64, strict=True, description="how often the queries attend")
    expansion: float = Field(
        default=4, gt=0, le=16, strict=True, description="hidden width over width of the queries' feed-forwards"
    )
    supervise: bool = Field(
        default=True, description="training also returns the similarities of every attention, as logits"
    )
    auxiliary: Width | None = Field(
        default=None, description="channels of the auxiliary head on the first map; null for none"
    )

    def layers(self, widths: tuple[int, ...]) -> MapsReader:
        hidden = hidden_width(self.width, self.expansion)
        return ClassMasks(widths, self.width, self.classes, self.depth, hidden, self.supervise, self.auxiliary)
