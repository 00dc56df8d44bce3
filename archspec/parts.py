"""Everything that a part of a spec is written with: the kinds of parts, and the layers that they are made of.

`from archspec.parts import Block, conv, dwconv, chain, residual`; docs/start/blocks.md shows how. None imports torch.
"""

from typing import TYPE_CHECKING

from archspec.lazy import lazy_names

if TYPE_CHECKING:
    from archspec.errors import FieldError
    from blocks.component import SIZE_OPTIONS, Block, Downsample, Exchange, Head, MapsHead, Stem
    from blocks.layers.attention.attention import Attention
    from blocks.layers.attention.channel_attention import ChannelAttention
    from blocks.layers.attention.plain_window_attention import PlainWindowAttention
    from blocks.layers.attention.shifted_window_attention import ShiftedWindowAttention
    from blocks.layers.attention.striped_attention import StripedAttention
    from blocks.layers.attention.window_attention import WindowAttention
    from blocks.layers.basic.activation import Activation, gelu, relu
    from blocks.layers.basic.conv import Conv, conv, dwconv
    from blocks.layers.basic.dropout import Dropout, Dropout2d
    from blocks.layers.basic.group_norm import GroupNorm
    from blocks.layers.basic.linear import Linear
    from blocks.layers.basic.norm import NormKind, batch_norm, layer_norm, norm
    from blocks.layers.basic.pool import AdaptivePool, AvgPool, GlobalPool, MaxPool
    from blocks.layers.basic.resize import Enlarge, Resize
    from blocks.layers.basic.space_to_depth import SpaceToDepth
    from blocks.layers.basic.transposed_conv import TransposedConv
    from blocks.layers.basic.vector import Flatten, Scale
    from blocks.layers.combine import add, chain, residual, seq
    from blocks.layers.layer import Layer, Line, Partition, Shape
    from blocks.layers.maps import MapsLayer, MapsReader
    from blocks.layers.split import split
    from blocks.layers.units.conv_norm_relu import conv_norm_relu
    from blocks.layers.units.feed_forward import conv_mlp, mix_mlp, mlp, token_mlp
    from blocks.layers.units.residual_unit import basic_unit, bottleneck_unit
    from blocks.layers.units.shortcut import beside_shortcut, shortcut
    from blocks.opaque.opaque import opaque

__all__ = [
    "SIZE_OPTIONS",
    "Activation",
    "AdaptivePool",
    "Attention",
    "AvgPool",
    "Block",
    "ChannelAttention",
    "Conv",
    "Downsample",
    "Dropout",
    "Dropout2d",
    "Enlarge",
    "Exchange",
    "FieldError",
    "Flatten",
    "GlobalPool",
    "GroupNorm",
    "Head",
    "Layer",
    "Line",
    "Linear",
    "MapsHead",
    "MapsLayer",
    "MapsReader",
    "MaxPool",
    "NormKind",
    "Partition",
    "PlainWindowAttention",
    "Resize",
    "Scale",
    "Shape",
    "ShiftedWindowAttention",
    "SpaceToDepth",
    "Stem",
    "StripedAttention",
    "TransposedConv",
    "WindowAttention",
    "add",
    "basic_unit",
    "batch_norm",
    "beside_shortcut",
    "bottleneck_unit",
    "chain",
    "conv",
    "conv_mlp",
    "conv_norm_relu",
    "dwconv",
    "gelu",
    "layer_norm",
    "mix_mlp",
    "mlp",
    "norm",
    "opaque",
    "relu",
    "residual",
    "seq",
    "shortcut",
    "split",
    "token_mlp",
]

_HOMES = {
    "SIZE_OPTIONS": "blocks.component",
    "Activation": "blocks.layers.basic.activation",
    "AdaptivePool": "blocks.layers.basic.pool",
    "Attention": "blocks.layers.attention.attention",
    "AvgPool": "blocks.layers.basic.pool",
    "Block": "blocks.component",
    "ChannelAttention": "blocks.layers.attention.channel_attention",
    "Conv": "blocks.layers.basic.conv",
    "Downsample": "blocks.component",
    "Dropout": "blocks.layers.basic.dropout",
    "Dropout2d": "blocks.layers.basic.dropout",
    "Enlarge": "blocks.layers.basic.resize",
    "Exchange": "blocks.component",
    "FieldError": "archspec.errors",
    "Flatten": "blocks.layers.basic.vector",
    "GlobalPool": "blocks.layers.basic.pool",
    "GroupNorm": "blocks.layers.basic.group_norm",
    "Head": "blocks.component",
    "Layer": "blocks.layers.layer",
    "Line": "blocks.layers.layer",
    "Linear": "blocks.layers.basic.linear",
    "MapsHead": "blocks.component",
    "MapsLayer": "blocks.layers.maps",
    "MapsReader": "blocks.layers.maps",
    "MaxPool": "blocks.layers.basic.pool",
    "NormKind": "blocks.layers.basic.norm",
    "Partition": "blocks.layers.layer",
    "PlainWindowAttention": "blocks.layers.attention.plain_window_attention",
    "Resize": "blocks.layers.basic.resize",
    "Scale": "blocks.layers.basic.vector",
    "Shape": "blocks.layers.layer",
    "ShiftedWindowAttention": "blocks.layers.attention.shifted_window_attention",
    "SpaceToDepth": "blocks.layers.basic.space_to_depth",
    "Stem": "blocks.component",
    "StripedAttention": "blocks.layers.attention.striped_attention",
    "TransposedConv": "blocks.layers.basic.transposed_conv",
    "WindowAttention": "blocks.layers.attention.window_attention",
    "add": "blocks.layers.combine",
    "basic_unit": "blocks.layers.units.residual_unit",
    "batch_norm": "blocks.layers.basic.norm",
    "beside_shortcut": "blocks.layers.units.shortcut",
    "bottleneck_unit": "blocks.layers.units.residual_unit",
    "chain": "blocks.layers.combine",
    "conv": "blocks.layers.basic.conv",
    "conv_mlp": "blocks.layers.units.feed_forward",
    "conv_norm_relu": "blocks.layers.units.conv_norm_relu",
    "dwconv": "blocks.layers.basic.conv",
    "gelu": "blocks.layers.basic.activation",
    "layer_norm": "blocks.layers.basic.norm",
    "mix_mlp": "blocks.layers.units.feed_forward",
    "mlp": "blocks.layers.units.feed_forward",
    "norm": "blocks.layers.basic.norm",
    "opaque": "blocks.opaque.opaque",
    "relu": "blocks.layers.basic.activation",
    "residual": "blocks.layers.combine",
    "seq": "blocks.layers.combine",
    "shortcut": "blocks.layers.units.shortcut",
    "split": "blocks.layers.split",
    "token_mlp": "blocks.layers.units.feed_forward",
}

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return list(__all__)
