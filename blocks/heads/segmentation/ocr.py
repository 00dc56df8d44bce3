"""Segmentation head: object-contextual representations."""

from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.maps import MapsReader
from blocks.layers.segmentation.object_context import ObjectContext


@final
class OCR(MapsHead):
    """All maps at the size of the first; each position attends to a description of every class: -> (classes, H, W).

    The auxiliary head, which says where each class is, runs in evaluation too, and counts in params and cost.

    Params, of maps of C channels together with M = `width`, R = `inner`, K classes and u_k(i, o) = k²·i·o + 3o:
    2u₃(C, M) + 2(u(M, R) + u(R, R)) + u(M, R) + u(R, M) + u(2M, M) + 2(M + 1)K.

    Source: OCR section 3; biases, and norms and activations after every convolution, as HRFormer has them.
    """

    type: Literal["ocr"] = "ocr"
    classes: int = Field(default=150, gt=0, le=100_000, strict=True, description="number of classes")
    width: Width = Field(default=512, description="channels of the features and of what describes a class")
    inner: Width = Field(default=256, description="channels of queries, keys and values")
    dropout: float = Field(
        default=0.05, ge=0, lt=1, strict=True, description="rate of dropout of whole channels before the classifier"
    )

    def layers(self, widths: tuple[int, ...]) -> MapsReader:
        return ObjectContext(widths, self.width, self.inner, self.classes, self.dropout)
