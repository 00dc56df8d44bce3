"""Learned proposals that interact with the regions in their boxes: the stages of Sparse R-CNN.

Proposals are a map (C, R, 1) of R positions, so that linear layers, norms and attention are those of maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.attention.attention import Attention
from blocks.layers.basic.activation import relu
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import Sequence, chain, residual
from blocks.layers.construction import Construction, call
from blocks.layers.detection.regions import RegionSample
from blocks.layers.layer import FLOAT_BYTES, Layer, Maps, Meter, Value
from blocks.layers.maps import MapsLayer, MapsReader, NodeParts, entering

EPS = 1e-5


@final
@dataclass(frozen=True, slots=True)
class DynamicConv(MapsReader):
    """Proposals (F, R, 1), and for each a region (F, s, s) -> (F, R, 1).

    Each proposal makes the weights of two 1x1 convolutions on its region, F -> D -> F, each with layer norm and ReLU; a
    linear layer turns the region into a vector. Cost beside the linear layers: two batched matmuls, 2·R·s²·F·D.

    Params: F·2FD + 2FD + 2D + 2F + s²F·F + F + 2F. Source: Sparse R-CNN section 3.1, Figure 4.
    """

    width: int
    inner: int
    size: int

    def children(self) -> NodeParts:
        f, d = self.width, self.inner
        return (
            ("generate", Linear(f, 2 * f * d, on_map=True)),
            ("between", chain(norm=layer_norm(d, EPS), act=relu())),
            ("after", chain(norm=layer_norm(f, EPS), act=relu())),
            ("project", chain(linear=Linear(f * self.size**2, f), norm=layer_norm(f, EPS), act=relu())),
        )

    def trace(self, maps: Maps, meter: Meter) -> Value:
        proposals, region = maps
        enter = entering(self, meter)
        f, d, count, s = self.width, self.inner, proposals.shape[1], self.size
        weights = enter("generate", proposals)
        with meter.regions(count):
            enter("between", Value.new((d, s, s)))
            x = enter("after", Value.new((f, s, s)))
            enter("project", x.view((f * s * s,)))
        return meter.count(
            "bmm",
            Value.new((f, count, 1)),
            macs=2 * count * s * s * f * d,
            activations=count * s * s * (d + f),
            keep=(weights,),
            extra_bytes=count * region.storage.elements * FLOAT_BYTES,
        )

    def construction(self) -> Construction:
        return call("blocks.layers.detection.proposals_torch:DynamicConv", dict(self.children()), self.inner)


@final
@dataclass(frozen=True, slots=True)
class Refine(MapsReader):
    """Boxes (R, 4) moved by offsets (4, R, 1) in units of their sides: centre + offset·side, side·exp(offset).

    Growth is limited to 1000 / 16. Source: R-CNN appendix C, without constant factors of the offsets.
    """

    def children(self) -> NodeParts:
        return ()

    def trace(self, maps: Maps, meter: Meter) -> Value:
        boxes, offsets = maps
        growth = Value.new((boxes.shape[0], 2))
        return meter.count("refine", Value.new(boxes.shape), keep=(boxes, offsets, growth))

    def construction(self) -> Construction:
        return call("blocks.layers.detection.proposals_torch:Refine")


@final
@dataclass(frozen=True, slots=True)
class ProposalStage(MapsLayer):
    """Levels, boxes (R, 4) and proposals (F, R, 1) -> logits (K, R, 1), boxes (R, 4), proposals (F, R, 1).

    Attention among the proposals, dynamic convolution of each with its region, feed-forward, each with a shortcut and
    then layer norm; one linear layer with norm and ReLU before the logits, three before the offsets of the boxes.

    Source: Sparse R-CNN section 3.1; depths and norms as in its published code's options.
    """

    width: int
    heads: int
    inner: int
    hidden: int
    size: int
    classes: int

    def children(self) -> NodeParts:
        f = self.width
        ffn = chain(up=Linear(f, self.hidden, on_map=True), act=relu(), down=Linear(self.hidden, f, on_map=True))
        return (
            ("attention", chain(attention=residual(Attention(f, self.heads)), norm=layer_norm(f, EPS))),
            ("sample", RegionSample(self.size)),
            ("interact", DynamicConv(f, self.inner, self.size)),
            ("norm", layer_norm(f, EPS)),
            ("ffn", chain(ffn=residual(ffn), norm=layer_norm(f, EPS))),
            ("cls", _predict(f, 1, self.classes)),
            ("box", _predict(f, 3, 4)),
            ("refine", Refine()),
        )

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        *levels, boxes, proposals = maps
        enter = entering(self, meter)
        proposals = enter("attention", proposals)
        with meter.regions(proposals.shape[1]):
            region = enter("sample", *levels, boxes)
        enter("interact", proposals, region)
        proposals = enter("ffn", enter("norm", Value.new(proposals.shape)))
        logits, offsets = enter("cls", proposals), enter("box", proposals)
        return logits, enter("refine", boxes, offsets), proposals

    def construction(self) -> Construction:
        return call("blocks.layers.detection.proposals_torch:ProposalStage", dict(self.children()))


@final
@dataclass(frozen=True, slots=True)
class ProposalStages(MapsLayer):
    """Learned boxes and proposals through stages: levels -> logits (R, K) and boxes (R, 4) of each stage.

    Args:
        count: number R of proposals; each has a box and a vector, (4 + F)·R params.
        stages: number of stages.
        stage: one of them; all are alike, with weights of their own.
    """

    count: int
    stages: int
    stage: ProposalStage

    def children(self) -> NodeParts:
        return tuple((f"stages.{number}", self.stage) for number in range(self.stages))

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        width = self.stage.width
        boxes, proposals = Value.new((self.count, 4)), Value.new((width, self.count, 1))
        meter.count("parameters", boxes, params=self.count * (4 + width))
        outs: Maps = ()
        for number in range(self.stages):
            inputs = (*maps, boxes, proposals)
            logits, boxes, proposals = meter.enter_maps(f"stages.{number}", self.stage, inputs)
            outs += (logits.view((self.count, self.stage.classes)), boxes)
        return outs

    def construction(self) -> Construction:
        return call(
            "blocks.layers.detection.proposals_torch:ProposalStages",
            self.count,
            self.stage.width,
            [self.stage for _ in range(self.stages)],
        )


def _predict(width: int, depth: int, out: int) -> Sequence:
    parts: dict[str, Layer] = {}
    for step in range(1, depth + 1):
        parts[f"linear{step}"] = Linear(width, width, bias=False, on_map=True)
        parts[f"norm{step}"] = layer_norm(width, EPS)
        parts[f"act{step}"] = relu()
    parts["predict"] = Linear(width, out, on_map=True)
    return Sequence(tuple(parts.items()))
