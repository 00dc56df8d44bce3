"""The first stages of HIRI-ViT as a stem for other backbones."""

from typing import ClassVar, Literal, final

from pydantic import Field

from blocks.component import SIZE_OPTIONS, Stem, Width
from blocks.downsamples.irds_a import IRDSa
from blocks.hr import HR
from blocks.layers.combine import Sequence, chain
from blocks.layers.layer import Layer
from blocks.stems.hr_stem import HRStem


@final
class HIRIStem(Stem):
    """HR stem, a stage of HR blocks, and IRDS-a: (width_in, H, W) -> (width_out, H/8, W/8).

    It stands in for an embedding of stride 4 when the image has twice the side, so that the rest of the backbone sees
    the maps that it was made for. Source: HIRI-ViT section 5.7, Table IX. Width, hidden width and depth are inferred
    from that table's costs.
    """

    size_options: ClassVar[frozenset[str]] = SIZE_OPTIONS | {"depth"}
    type: Literal["hiri_stem"] = "hiri_stem"
    width: Width = Field(default=32, description="channels of the HR stage")
    hidden: Width = Field(default=24, description="channels inside the HR stem")
    depth: int = Field(default=2, ge=1, le=64, strict=True, description="number of HR blocks")
    expansion: float = Field(default=4, gt=0, le=16, strict=True, description="expansion of the HR blocks")
    width_out: Width | None = Field(
        default=None, description="channels after IRDS-a; null is the width of the first stage"
    )

    def channels_out(self, width: int) -> int:
        return self.width_out or width

    def layers(self, width_in: int, width_out: int) -> Layer:
        block = HR.model_validate({"expansion": self.expansion}).layers(self.width)
        blocks = Sequence(tuple((str(index), block) for index in range(self.depth)), keeps_shape=True)
        return chain(
            stem=HRStem.model_validate({"width": self.hidden}).layers(width_in, self.width),
            blocks=blocks,
            downsample=IRDSa.model_validate({}).layers(self.width, width_out),
        )
