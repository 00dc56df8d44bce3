"""The head that ATSS and GFL share: towers with group norm, one anchor, and a learnable number per level."""

from blocks.layers.basic.conv import conv
from blocks.layers.detection.detection import SharedHead, tower


def dense_towers(
    width: int, depth: int, groups: int, predictions: dict[str, tuple[str, int]], levels: int
) -> SharedHead:
    """Towers `cls` and `box` of 3x3 convolutions without bias, group norm and ReLU, and 3x3 predictions with bias.

    Params: 2·depth·(9F² + 2F) + (9F + 1)·(channels of the predictions) + levels.

    Args:
        width: channels F.
        depth: convolutions per tower.
        groups: groups of the norms.
        predictions: the tower that each reads, and its channels; `box` is multiplied by the number of its level.
        levels: number of levels.
    """
    layers = tuple((name, read, conv(width, channels, 3)) for name, (read, channels) in predictions.items())
    towers = tuple((name, tower(depth, width, groups)) for name in ("cls", "box"))
    return SharedHead(towers, layers, levels, "box")
