"""Object-contextual representations: what each pixel takes from a description of each class in the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.combine import Sequence, chain
from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Maps, Meter, Value
from blocks.layers.maps import MapsReader, NodeParts, entering
from blocks.layers.segmentation.pyramid import Merge
from blocks.layers.segmentation.segmentation import classify, fully_convolutional
from blocks.layers.units.conv_norm_relu import conv_norm_relu


@final
@dataclass(frozen=True, slots=True)
class SoftGather(MapsReader):
    """A description per class: the mean of the features, weighted by the class's softmax over all positions.

    Features (M, H, W) and logits (K, H, W) -> (M, K, 1). Cost: one matmul, K·M·H·W.
    """

    def children(self) -> NodeParts:
        return ()

    def trace(self, maps: Maps, meter: Meter) -> Value:
        features, logits = maps
        width, height, columns = features.shape
        classes, positions = logits.shape[0], height * columns
        out = Value.new((width, classes, 1))
        weights = Value.new((classes, positions))
        return meter.count(
            "matmul", out, macs=classes * width * positions, activations=classes * width, keep=(weights, features)
        )

    def construction(self) -> Construction:
        return call("blocks.layers.segmentation.object_context_torch:SoftGather")


@final
@dataclass(frozen=True, slots=True)
class CrossAttention(MapsReader):
    """Attention of one head, of the positions of one map among those of another, written as two matmuls.

    Queries (R, H, W), keys and values (R, K, 1) -> (R, H, W). Cost: 2·R·H·W·K.
    """

    def children(self) -> NodeParts:
        return ()

    def trace(self, maps: Maps, meter: Meter) -> Value:
        queries, keys, values = maps
        width, height, columns = queries.shape
        positions, count = height * columns, keys.shape[1] * keys.shape[2]
        weights = Value.new((positions, count))
        return meter.count(
            "matmul",
            Value.new(queries.shape),
            macs=2 * width * positions * count,
            activations=positions * count + width * positions,
            keep=(queries, keys, values, weights),
        )

    def construction(self) -> Construction:
        return call("blocks.layers.segmentation.object_context_torch:CrossAttention")


@final
@dataclass(frozen=True, slots=True)
class ObjectContext(MapsReader):
    """From several maps to the logits of each class at each position of the first: -> (K, H, W).

    The maps are concatenated at the size of the first. An auxiliary head's logits say where each class is; its
    descriptions are gathered from there, and every position attends to them. The auxiliary head runs in evaluation too;
    in training the module returns (logits, its logits). Every convolution has a bias and is followed by batch norm and
    ReLU, but for the two that give logits.

    Source: OCR section 3; HRFormer's form.

    Args:
        widths: channels of the maps.
        width: channels of the features.
        inner: channels of queries, keys and values.
        classes: number of classes.
        dropout: rate before the last convolution, of whole channels.
    """

    widths: tuple[int, ...]
    width: int
    inner: int
    classes: int
    dropout: float

    def children(self) -> NodeParts:
        c, m, r, k = sum(self.widths), self.width, self.inner, self.classes
        parts: dict[str, Layer | MapsReader] = {
            "merge": Merge(len(self.widths), "cat"),
            "auxiliary": fully_convolutional(c, m, k, 0, bias=True, parts_in=None),
            "features": conv_norm_relu(c, m, 3, bias=True, parts_in=None),
            "gather": SoftGather(),
            "query": chain(unit1=_unit(m, r), unit2=_unit(r, r)),
            "key": chain(unit1=_unit(m, r), unit2=_unit(r, r)),
            "value": _unit(m, r),
            "attention": CrossAttention(),
            "up": _unit(r, m),
            "concat": Merge(2, "cat"),
            "bottleneck": _unit(2 * m, m),
        }
        return (*parts.items(), *classify(m, k, self.dropout))

    def trace(self, maps: Maps, meter: Meter) -> Value:
        enter = entering(self, meter)
        x = enter("merge", *maps)
        logits, features = enter("auxiliary", x), enter("features", x)
        objects = enter("gather", features, logits)
        context = enter("attention", enter("query", features), enter("key", objects), enter("value", objects))
        x = enter("bottleneck", enter("concat", enter("up", context), features))
        if self.dropout:
            x = enter("dropout", x)
        return enter("classifier", x)

    def construction(self) -> Construction:
        return call("blocks.layers.segmentation.object_context_torch:ObjectContext", dict(self.children()))


def _unit(width_in: int, width_out: int, kernel: int = 1) -> Sequence:
    """Convolution with bias, batch norm, ReLU: k²·i·o + 3·o params."""
    return conv_norm_relu(width_in, width_out, kernel, bias=True)
