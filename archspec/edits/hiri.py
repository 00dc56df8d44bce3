"""HIRI-ViT's first stages in front of another backbone, for images of twice the size."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from archspec.cost.measure import measure
from archspec.documents.paths import format_path
from archspec.errors import SpecError
from archspec.spec.diagnosis import first_problem
from archspec.spec.schema import ArchSpec
from blocks.stems.hiri_stem import HIRIStem

STRIDE = 4


def to_hiri(spec: ArchSpec) -> ArchSpec:
    """`spec` with its embedding of stride 4 replaced by HR stem, HR stage and IRDS-a, at twice its resolution.

    The rest is unchanged: every later map has the size that it had. Source: HIRI-ViT section 5.7, Table IX.

    Raises:
        SpecError: the stem has another stride, the spec makes changes at resolutions, which would no longer be its, or
            images of twice the size are too large.
    """
    if spec.variants:
        rule = f"are for images of {', '.join(map(str, spec.variants))}, but the image will be twice as large"
        raise SpecError(rule, field="variants", source=spec.name)
    stem = measure(spec, spec.resolution).parts[0]
    stride = spec.resolution / stem.shape[1]
    if stride != STRIDE:
        rule = f"must reduce the image {STRIDE} times, not {stride:g} times: the transformation stands in for it"
        raise SpecError(rule, field="stem", source=spec.name)
    _, first = next(spec.lanes())
    own = stem.shape[0] if stem.shape[0] != first.width else None  # ResNets and HRNets widen in their first stage
    changes: dict[str, Any] = {
        "name": f"{spec.name}-hiri"[:200],
        "description": f"{spec.name} behind HIRI-ViT's first stages"[:2000],
        "status": "reconstruction",
        "stem": HIRIStem.model_validate({"width_out": own}),
        "resolution": 2 * spec.resolution,
    }
    if spec.input is not None:
        changes["input"] = spec.input.model_copy(update={"scale": 2 * spec.input.scale})
    try:
        return ArchSpec.model_validate(spec.model_copy(update=changes).canonical())
    except ValidationError as error:
        place, rule = first_problem(error)
        raise SpecError(rule, field=format_path(place), source=spec.name) from None
