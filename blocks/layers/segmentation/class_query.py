"""Class queries that attend to a map, and whose similarities with it are the logits of the classes' masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain, residual
from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Maps, Meter, Value
from blocks.layers.maps import MapsLayer, MapsReader, NodeParts, entering, expect
from blocks.layers.segmentation.object_context import SoftGather
from blocks.layers.segmentation.pyramid import Merge
from blocks.layers.segmentation.segmentation import fully_convolutional
from blocks.layers.units.conv_norm_relu import conv_norm_relu
from blocks.layers.units.feed_forward import mlp


@final
@dataclass(frozen=True, slots=True)
class ClassQueries(Layer):
    """A learned vector per class, the same for every image: any map -> (width, classes, 1); classes · width params."""

    width: int
    classes: int

    @property
    def kind(self) -> str:
        return "queries"

    def trace(self, x: Value, meter: Meter) -> Value:
        out = Value.new((self.width, self.classes, 1))
        return meter.count("repeat", out, params=self.width * self.classes)

    def construction(self) -> Construction:
        return call("blocks.layers.segmentation.class_query_torch:ClassQueries", self.width, self.classes)


@final
@dataclass(frozen=True, slots=True)
class Similarity(MapsReader):
    """Scaled dot products: queries (D, K, 1) and keys (D, H, W) -> (K, H, W). Cost: one matmul, D·K·H·W."""

    def children(self) -> NodeParts:
        return ()

    def trace(self, maps: Maps, meter: Meter) -> Value:
        queries, keys = maps
        width, height, columns = keys.shape
        out = Value.new((queries.shape[1], height, columns))
        elements = out.storage.elements
        return meter.count("matmul", out, macs=width * elements, activations=elements, keep=(queries, keys))

    def construction(self) -> Construction:
        return call("blocks.layers.segmentation.class_query_torch:Similarity")


@final
@dataclass(frozen=True, slots=True)
class MaskLogits(MapsReader):
    """Similarity of each position to each class: queries (D, K, 1) and features (D, H, W) -> (K, H, W).

    Norm and projection of the queries, projection of the features, `Similarity`: 2(D² + D) + 2D params.
    """

    width: int

    def children(self) -> NodeParts:
        d = self.width
        return (
            ("query", chain(norm=layer_norm(d), proj=conv(d, d))),
            ("key", conv(d, d)),
            ("similarity", Similarity()),
        )

    def trace(self, maps: Maps, meter: Meter) -> Value:
        queries, features = maps
        enter = entering(self, meter)
        return enter("similarity", enter("query", queries), enter("key", features))

    def construction(self) -> Construction:
        return call("blocks.layers.segmentation.class_query_torch:MaskLogits", dict(self.children()))


@final
@dataclass(frozen=True, slots=True)
class ClassAttention(MapsLayer):
    """Queries (D, K, 1) and features (D, H, W) -> queries after attention and feed-forward, and mask logits (K, H, W).

    The weights with which a class gathers its values are the softmax of its logits over all positions, so that the
    logits can be supervised as masks. One head; 4(D² + D) + 4D + 2·D·h + h + D params with h = `hidden`.

    Args:
        width: D.
        hidden: width inside the feed-forward.
    """

    width: int
    hidden: int

    def children(self) -> NodeParts:
        d = self.width
        return (
            ("masks", MaskLogits(d)),
            ("value", conv(d, d)),
            ("gather", SoftGather()),
            ("proj", conv(d, d)),
            ("ffn", residual(chain(norm=layer_norm(d), ffn=mlp(d, self.hidden)))),
        )

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        queries, features = maps
        enter = entering(self, meter)
        logits = enter("masks", *maps)
        enter("proj", enter("gather", enter("value", features), logits))
        queries = meter.count("add", Value.new(queries.shape))
        return enter("ffn", queries), logits

    def construction(self) -> Construction:
        return call("blocks.layers.segmentation.class_query_torch:ClassAttention", dict(self.children()))


@final
@dataclass(frozen=True, slots=True)
class ClassMasks(MapsReader):
    """From several maps to the logits of each class's mask: -> (K, H, W) of the first map's size.

    The maps are concatenated at the size of the first and fused; class queries attend to them `depth` times; the logits
    are the similarities of what they have become. In evaluation the module returns these. In training it returns a
    tuple: the logits, then the similarities of every attention where those are supervised, then the logits of the
    auxiliary head on the first map where there is one.

    Args:
        widths: channels of the maps.
        width: channels of queries and features.
        classes: number of classes.
        depth: how often the queries attend.
        hidden: width inside their feed-forwards.
        supervise: whether training returns the similarities of every attention.
        auxiliary: channels of the auxiliary head, which runs in training only; None for none.
    """

    widths: tuple[int, ...]
    width: int
    classes: int
    depth: int
    hidden: int
    supervise: bool
    auxiliary: int | None

    @property
    def _attention(self) -> ClassAttention:
        return ClassAttention(self.width, self.hidden)

    @property
    def _auxiliary(self) -> Layer | None:
        if self.auxiliary is None:
            return None
        return fully_convolutional(self.widths[0], self.auxiliary, self.classes, 0)

    def children(self) -> NodeParts:
        parts: NodeParts = (
            ("merge", Merge(len(self.widths), "cat")),
            ("fuse", conv_norm_relu(sum(self.widths), self.width, parts_in=None)),
            ("queries", ClassQueries(self.width, self.classes)),
            *((f"attend.{i}", self._attention) for i in range(self.depth)),
            ("masks", MaskLogits(self.width)),
        )
        auxiliary = self._auxiliary
        return parts if auxiliary is None else (("auxiliary", auxiliary), *parts)

    def trace(self, maps: Maps, meter: Meter) -> Value:
        expect(maps, len(self.widths))
        auxiliary = self._auxiliary
        if auxiliary is not None:
            meter.enter_training_only("auxiliary", auxiliary, maps[0])
        enter = entering(self, meter)
        x = enter("fuse", enter("merge", *maps))
        queries = enter("queries", x)
        for i in range(self.depth):
            queries, _ = meter.enter_maps(f"attend.{i}", self._attention, (queries, x))
        return enter("masks", queries, x)

    def construction(self) -> Construction:
        attend = [self._attention for _ in range(self.depth)]
        parts = {name: part for name, part in self.children() if not name.startswith("attend.")}
        return call("blocks.layers.segmentation.class_query_torch:ClassMasks", parts, attend, self.supervise)
