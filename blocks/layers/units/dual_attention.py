"""The common structure of DaViT's two blocks: everything but the attention."""

from blocks.layers.basic.conv import dwconv
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import Sequence, chain, residual
from blocks.layers.layer import Layer
from blocks.layers.units.feed_forward import token_mlp

EPSILON = 1e-5


def dual_attention(attention: Layer, width: int, hidden: int, drop_path: float | None) -> Sequence:
    """`attention`, then a feed-forward, each around a shortcut and with a residual depthwise 3x3 in front.

    Source: DaViT (Ding et al. 2022, arXiv 2204.03645), section 3; the convolutions, its positional encoding, are those
    of the authors' code.
    """
    return chain(
        position1=residual(dwconv(width, 3)),
        mha=residual(chain(norm=layer_norm(width, EPSILON), attention=attention), drop_path),
        position2=residual(dwconv(width, 3)),
        ffn=residual(chain(norm=layer_norm(width, EPSILON), ffn=token_mlp(width, hidden)), drop_path),
    )
