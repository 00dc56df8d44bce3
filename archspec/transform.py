"""HIRI-ViT's first stages in front of another backbone, for images of twice the size."""

from __future__ import annotations

from archspec.cost import measure
from archspec.errors import SpecError
from archspec.schema import ArchSpec
from blocks.hiri_stem import HIRIStem

STRIDE = 4


def to_hiri(spec: ArchSpec) -> ArchSpec:
    """`spec` with its embedding of stride 4 replaced by HR stem, HR stage and IRDS-a, at twice its resolution.

    The rest is unchanged: every later map has the size that it had. Source: HIRI-ViT section 5.7, Table IX.

    Raises:
        SpecError: the stem has another stride, or the spec makes changes at resolutions, which would no longer be its.
    """
    if spec.variants:
        rule = f"are for images of {', '.join(map(str, spec.variants))}, but the image will be twice as large"
        raise SpecError(rule, field="variants", source=spec.name)
    stem = measure(spec).parts[0]
    stride = spec.resolution / stem.shape[1]
    if stride != STRIDE:
        rule = f"must reduce the image {STRIDE} times, not {stride:g} times: the transformation stands in for it"
        raise SpecError(rule, field="stem", source=spec.name)
    _, first = next(spec.lanes())
    own = stem.shape[0] if stem.shape[0] != first.width else None  # ResNets and HRNets widen in their first stage
    changes = {
        "name": f"{spec.name}-hiri"[:200],
        "status": "reconstruction",
        "stem": HIRIStem.model_validate({"width_out": own}),
        "resolution": 2 * spec.resolution,
    }
    return spec.model_copy(update=changes)
