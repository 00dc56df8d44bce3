"""A small space of mixed kinds, whose layouts share slices of fused tensors: attention, windows, stripes, halves."""

from archspec.documents.reader import parse_document
from search.space.space import Space, parse_space

MIXED = """
name: mixed
resolution: 32
stem:
  choice:
    patch: {type: patch_stem, kernel: 4, stride: 2, norm: bn}
    conv: {type: conv_stem, width: {choice: [4, 8]}}
stages:
  - block: {choice: [HR, CFFN, ConvNeXt]}
    depth: {range: [1, 2]}
    width: {choice: [8, 12, 16]}
    expansion: {choice: [2, 3]}
  - block:
      choice:
        T: {type: T, heads: {choice: [1, 2, 4]}, sr: {choice: [1, 2]}}
        windows: {type: hrformer_block, heads: 2, window: 2}
        shifted: [{type: Swin, heads: 4, window: 2}, {type: Swin, heads: 4, window: 2, shift: true}]
        striped: {type: hrvit_block, head_dim: 4, window: 1}
        dual: [{type: davit_spatial, heads: 2, window: 2}, {type: davit_channel, heads: 4}]
        PVT: {type: PVT, heads: 2, sr: 2}
        residual: bottleneck
    depth: {choice: [2]}
    width: {choice: [16, 24, 32]}
    downsample: {choice: [irds_a, patch_merging, norm_conv, basic_down]}
head: {type: classifier, classes: 10}
"""


def space_of(text: str) -> Space:
    """The space that a document gives."""
    return parse_space(parse_document(text, "space.yaml"))


def mixed_space() -> Space:
    """The space of this module."""
    return space_of(MIXED)
