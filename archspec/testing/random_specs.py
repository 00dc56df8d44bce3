"""Random small specs from whatever parts are installed, for tests that hold for every spec.

Nothing here names a part: options are drawn from the bounds of their pydantic fields, and what the schema or the
shapes refuse is drawn again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from archspec.errors import FieldError, UncountedError
from archspec.spec.schema import ArchSpec, Resolution
from archspec.testing.random_stages_parallel import draw_branched
from archspec.tree.trace import trace
from blocks.catalog import P, Part, find, parts, tag
from blocks.component import Block, Downsample, Exchange, Head, MapsHead, Stem

MAX_PARAMS = 300_000
MAX_WIDTH = 20
MAX_SIDE = 72
MAX_NUMBER = 12
"""Integers without a tighter bound are drawn up to here, so that models stay tiny."""

PARALLEL = 0.12
"""Share of specs with parallel branches."""

MAPS_HEAD = 0.15
"""Share of heads that read several maps, among those of pyramids."""

ATTEMPTS = 10_000


def random_spec(rng: random.Random, using: type[Part] | None = None) -> ArchSpec:
    """A small spec drawn from all parts, in all options: mixed stages, odd widths and sizes, variants.

    Args:
        rng: the only source of randomness.
        using: a part that must occur, such as a block of your own.

    Raises:
        FieldError: `using` is not in the catalogue, or fits in no spec that could be drawn; a part cannot be counted.
    """
    if using is not None and using not in parts():
        raise FieldError("", f"{using.__name__} is not in the catalogue: see docs/start/blocks.md on entry points")
    stages = rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5))
    parallel = _parallel(rng, using)
    for _ in range(ATTEMPTS):
        data = _draw_parallel(rng, using) if parallel else _draw_spec(rng, stages, using)
        try:
            spec = ArchSpec.model_validate(data)
            params = sum(line.params for line in trace(spec).lines)
            for resolution in spec.variants:
                trace(spec, resolution)
        except UncountedError:
            raise
        except (ValidationError, FieldError):
            continue
        if params <= MAX_PARAMS and (using is None or using in parts_of(spec)):
            return spec
    raise FieldError("", f"no possible spec was found in {ATTEMPTS} attempts{f' with {tag(using)}' if using else ''}")


def random_resolution(rng: random.Random, spec: ArchSpec) -> Resolution:
    """A size of image that `spec` can take: its own, that of a variant, or (height, width) near its own."""
    choices: list[Resolution] = [spec.resolution, *spec.variants]
    sides = [max(1, spec.resolution + rng.randint(-9, 9)) for _ in range(2)]
    choices += [(sides[0], sides[1])] * 2
    resolution = rng.choice(choices)
    try:
        trace(spec, resolution)
    except FieldError:
        return spec.resolution
    return resolution


def parts_of(spec: ArchSpec) -> list[type[Part]]:
    """The classes of all parts in `spec`, repeated as they occur."""
    lanes = [part for _, lane in spec.lanes() for part in (lane.downsample, *lane.blocks)]
    exchanges = [part for stage in spec.branched for part in (stage.fuse_before, stage.fuse)]
    return [type(part) for part in (spec.stem, *lanes, *exchanges, spec.head) if part is not None]


def random_options(rng: random.Random, part: type[Part]) -> dict[str, Any]:
    """Options of one part as plain data; each is left at its default one time in four."""
    options: dict[str, Any] = {"type": tag(part)}
    for name in part.model_fields:
        if name != "type" and rng.random() > 0.25:
            options[name] = random_option(rng, part, name)
    return options


def random_option(rng: random.Random, part: type[Part], name: str) -> Any:
    """A value of one option of a part, which need not fit the others."""
    field = part.model_fields[name]
    return _draw(rng, field.annotation, field.metadata, field)


def _parallel(rng: random.Random, using: type[Part] | None) -> bool:
    """Whether to draw parallel branches: one spec in eight; always where an exchange unit or a head on several maps is
    asked for, which most pyramids do not fit; never for another head.
    """
    drawn = rng.random() < PARALLEL
    if using is not None and issubclass(using, Exchange | MapsHead):
        return True
    return drawn and not (using is not None and issubclass(using, Head))


def _draw_parallel(rng: random.Random, using: type[Part] | None) -> dict[str, Any]:
    stages = draw_branched(rng, lambda kind: _draw_part(rng, kind, using), MAX_WIDTH)
    return {
        "topology": "parallel",
        "resolution": rng.choice((rng.randint(8, MAX_SIDE), 8 * rng.randint(1, MAX_SIDE // 8))),
        "channels": rng.choice((1, 3)),
        "stem": _draw_part(rng, Stem, using),
        "stages": stages,
        "head": _draw_part(rng, MapsHead, using) if rng.random() < 0.9 else None,
        "drop_path": rng.choice((0, 0.1)),
    }


def _draw_spec(rng: random.Random, count: int, using: type[Part] | None) -> dict[str, Any]:
    stages: list[dict[str, Any]] = []
    for index in range(count):
        same = bool(stages) and rng.random() < 0.2
        width = stages[-1]["width"] if same else rng.choice((rng.randint(1, MAX_WIDTH), 4 * rng.randint(1, 5)))
        stage: dict[str, Any] = {"width": width, "downsample": None, "blocks": _draw_blocks(rng, using)}
        if (index or rng.random() < 0.15) and not (same and rng.random() < 0.5):
            stage["downsample"] = _draw_part(rng, Downsample, using)
        if stage["downsample"] is not None and rng.random() < 0.08:
            stage["blocks"] = []  # only its transition
        if rng.random() < 0.1:
            stage["resize"] = rng.randint(1, 12)
        stages.append(stage)
    resolution = rng.choice((rng.randint(1, MAX_SIDE), 8 * rng.randint(1, MAX_SIDE // 8)))
    return {
        "resolution": resolution,
        "channels": rng.choice((1, 2, 3, 3)),
        "stem": _draw_part(rng, Stem, using),
        "stages": stages,
        "head": _draw_head(rng, using) if rng.random() < 0.8 else None,
        "drop_path": rng.choice((0, 0, 0.1, 0.5)),
        "variants": _draw_variants(rng, stages, resolution),
    }


def _draw_head(rng: random.Random, using: type[Part] | None) -> dict[str, Any]:
    """A head of a pyramid, which may read the maps of all stages."""
    return _draw_part(rng, MapsHead if rng.random() < MAPS_HEAD else Head, using)


def _draw_blocks(rng: random.Random, using: type[Part] | None) -> list[dict[str, Any]]:
    pattern = [_draw_part(rng, Block, using) for _ in range(rng.choice((1, 1, 2, 3)))]
    return pattern * rng.choice((1, 1, 2)) if len(pattern) < 3 else pattern


def _draw_variants(rng: random.Random, stages: list[dict[str, Any]], resolution: int) -> dict[int, dict[str, Any]]:
    if rng.random() > 0.2:
        return {}
    index = rng.randrange(len(stages))
    changes: dict[str, Any] = {f"stages[{index}].resize": rng.randint(1, 9)}
    if "stride" in (stages[index]["downsample"] or {}):
        changes[f"stages[{index}].downsample.stride"] = rng.randint(1, 2)
    return {resolution + rng.randint(1, 20): changes}


def _draw_part(rng: random.Random, kind: type[P], using: type[Part] | None) -> dict[str, Any]:
    if using is not None and issubclass(using, kind) and rng.random() < 0.5:
        return random_options(rng, using)
    return random_options(rng, rng.choice(find(kind)))


def _draw(rng: random.Random, annotation: Any, metadata: Iterable[Any], field: FieldInfo) -> Any:
    """A value of a type: literals, booleans, bounded numbers and unions of them; else the field's default."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        flat = [
            item for extra in arguments[1:] for item in (extra.metadata if isinstance(extra, FieldInfo) else [extra])
        ]
        return _draw(rng, arguments[0], [*metadata, *flat], field)
    if origin is Literal:
        return rng.choice(arguments)
    if NoneType in arguments:
        if rng.random() < 0.4:
            return None
        return _draw(rng, rng.choice([item for item in arguments if item is not NoneType]), metadata, field)
    if annotation is bool:
        return rng.random() < 0.5
    if annotation is int:
        return _draw_int(rng, list(metadata))
    if annotation is float:
        return _draw_float(rng, list(metadata))
    return field.get_default(call_default_factory=True)


def _draw_int(rng: random.Random, metadata: list[Any]) -> int:
    low = math.floor(max(_bound(metadata, "ge", 0), _bound(metadata, "gt", -1) + 1))
    high = math.ceil(min(_bound(metadata, "le", math.inf), _bound(metadata, "lt", math.inf) - 1, low + MAX_NUMBER))
    # Small numbers are drawn more often: large strides and head counts fit few maps and widths.
    return rng.randint(low, rng.randint(low, high))


def _draw_float(rng: random.Random, metadata: list[Any]) -> float:
    low = max(_bound(metadata, "ge", 0), _bound(metadata, "gt", 0))
    high = min(_bound(metadata, "le", math.inf), _bound(metadata, "lt", math.inf), low + 4)
    inside = round(rng.uniform(low + (high - low) / 50, high - (high - low) / 50), 2)
    return float(round(inside)) if high - low > 2 and rng.random() < 0.4 and round(inside) > low else inside


def _bound(metadata: list[Any], name: str, default: float) -> float:
    values = [float(getattr(item, name)) for item in metadata if getattr(item, name, None) is not None]
    return values[0] if values else default
