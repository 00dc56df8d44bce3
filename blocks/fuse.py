"""The exchange unit of HRNet, HRFormer and HRViT."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Exchange
from blocks.layers.activation import Activation, ActivationKind
from blocks.layers.combine import Sequence, chain
from blocks.layers.conv import conv, dwconv
from blocks.layers.layer import Layer
from blocks.layers.maps import Fuse as FuseLayer
from blocks.layers.maps import Gather
from blocks.layers.norm import NormKind, norm
from blocks.layers.resize import Repeat


@final
class Fuse(Exchange):
    """Every output sums all maps, each brought to its resolution and width, followed by an activation.

    A map passes to its own branch unchanged. To a finer branch it goes by a 1x1 convolution, a norm and repetition of
    positions; to a coarser one by strided convolutions, with a norm after each convolution: a `chain` of steps that
    halve, or one `step` of kernel 2^k + 1 and stride 2^k. Strided convolutions have no bias. Each map must be half as
    large as the one before; where a side is odd, its half is rounded up and what is repeated from it cropped.

    Source: HRNet section 3.2 (dense chain), HRFormer section 3 (depthwise chain), HRViT section 3.4 (depthwise step,
    `bias: true`, `act_inside: null`, `act: gelu`).
    """

    type: Literal["fuse"] = "fuse"
    down: Literal["chain", "step"] = Field(
        "chain", description="way to a coarser branch: 3x3 steps of stride 2, or one step with a large kernel"
    )
    depthwise: bool = Field(
        False, description="strided convolutions are depthwise, each followed by a 1x1 convolution and a norm"
    )
    bias: bool = Field(False, description="whether the 1x1 convolutions have biases")
    norm: NormKind = Field("bn", description="norm after each convolution")
    widen: Literal["first", "last"] = Field("last", description="step of a chain that changes the width")
    act_inside: ActivationKind | None = Field("relu", description="activation between the steps of a chain")
    act: ActivationKind | None = Field("relu", description="activation after the sum; null for none")

    def layers(self, widths_in: tuple[int, ...], widths_out: tuple[int, ...]) -> Gather:
        act = None if self.act is None else Activation(self.act)
        outputs = [
            FuseLayer(tuple((j, self._path(j, i, widths_in[j], width)) for j in range(len(widths_in))), act)
            for i, width in enumerate(widths_out)
        ]
        return Gather(tuple(outputs), halving=True)

    def _path(self, source: int, target: int, width_in: int, width_out: int) -> Layer | None:
        if source == target:
            # A change of width on the way to itself is refused with the stage: see `ParallelStage`.
            return None
        if source > target:
            up = conv(width_in, width_out, bias=self.bias)
            return chain(conv=up, norm=norm(self.norm, width_out), repeat=Repeat(2 ** (source - target)))
        steps = target - source
        if self.down == "step":
            return Sequence(self._step(width_in, width_out, 2**steps))
        middle = width_out if self.widen == "first" else width_in
        widths = [width_in, *[middle] * (steps - 1), width_out]
        parts: dict[str, Layer] = {}
        for index in range(steps):
            step = self._step(widths[index], widths[index + 1], 2)
            if index < steps - 1 and self.act_inside is not None:
                step = (*step, ("act", Activation(self.act_inside)))
            parts[f"step{index + 1}"] = Sequence(step)
        return Sequence(tuple(parts.items()))

    def _step(self, width_in: int, width_out: int, stride: int) -> tuple[tuple[str, Layer], ...]:
        kernel = stride + 1
        if not self.depthwise:
            down = conv(width_in, width_out, kernel, stride, bias=False)
            return (("conv", down), ("norm", norm(self.norm, width_out)))
        return (
            ("dwconv", dwconv(width_in, kernel, stride, bias=False)),
            ("norm1", norm(self.norm, width_in)),
            ("conv", conv(width_in, width_out, bias=self.bias)),
            ("norm2", norm(self.norm, width_out)),
        )
