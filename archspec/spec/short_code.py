"""Short codes of specs: `HR2x32-HR2x64-CFFN2x128-T9x320h5@448`.

A code is the parts of a pyramid in order, joined by `-`: a stem, the stages with a transition where it is not the usual
one, a head; then `@` and the image. What stands at its default is left out. See docs/reference/spec.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

from archspec.documents.reader import parse_scalar
from archspec.errors import SpecError
from archspec.spec.forms import MAX_STAGE_DEPTH, STAGE_FIELDS
from blocks.catalog import Part, find, find_part, tag
from blocks.component import Block, Downsample, Head, MapsHead, Stem

if TYPE_CHECKING:
    from archspec.spec.schema import ArchSpec, StageSpec

CODE_STAGE = re.compile(
    r"(?P<block>[A-Za-z_]*)(?P<depth>[0-9]{1,9})x(?P<width>[0-9]{1,9})(?:h(?P<heads>[0-9]{1,9}))?"
    r"(?:e(?P<expansion>[0-9]{1,9}(?:\.[0-9]{1,9})?))?"
)
LABEL = re.compile(r"layout [0-9a-f]{16}\b.*", re.DOTALL)
"""What `encode` gives where no code says it all: the digest, and what is for people only."""
LONGEST = 2000
"""Characters of a code; what is longer is refused."""
_IMAGE = re.compile(r"(?P<height>[0-9]{1,5})(?:x(?P<width>[0-9]{1,5}))?")
_TRANSITION = re.compile(r"0x(?P<width>[0-9]{1,9})")
"""A stage without blocks, which is its transition."""
_EXPANSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_TAG = re.compile(r"[A-Za-z_]+")
_NOTHING = "null"
_STAGE_OPTIONS = ("repeat", "resize")
"""Options behind the last block of a stage that are the stage's own: how often its blocks come, and its `resize`."""
_OF_SPEC = ("resolution", "scale", "channels", "drop_path")


def is_code(text: str) -> bool:
    """Whether `text` begins as a short code does: with a stage, or with a stem before one."""
    first, _, rest = text.partition("-")
    return bool(CODE_STAGE.match(first) or (rest and _names(first, Stem)))


def parse_code(code: str) -> dict[str, Any]:
    """A short code as row form.

    Without a stem the code has an HR stem of the first stage's width; IRDS-a leads into convolutional stages and IRDS-b
    into stages whose first block is T; without a head it has the classifier of 1,000 classes.

    Raises:
        SpecError: malformed.
    """
    if len(code) > LONGEST:
        raise SpecError(f"a short code has at most {LONGEST:,} characters, not {len(code):,}", source=code[:80])
    if "|" in code:
        rule = "is the label of a layout with parallel branches, which have no short code: name its spec's file"
        raise SpecError(rule, source=code[:80])
    parts, mark, image = code.partition("@")
    segments = parts.split("-")
    stem: dict[str, Any] | None = None
    if _names(segments[0], Stem):
        stem, segments = _parse_part(segments[0], "stem", code), segments[1:]
    head: dict[str, Any] | None = {"type": "classifier"}
    if len(segments) > 1 and (segments[-1] == _NOTHING or _names(segments[-1], Head, MapsHead)):
        last = segments.pop()
        head = None if last == _NOTHING else _parse_part(last, "head", code)
    rows = _parse_stages(segments, code)
    data: dict[str, Any] = {"name": code[:200], "stem": stem or {"type": "hr_stem", "width": rows[0]["width"]}}
    data |= {"stages": rows, "head": head}
    return data | (_parse_image(image, code) if mark else {})


def encode(spec: ArchSpec) -> str:
    """The short code of a spec at the image that it states, which loads to the same layout and costs.

    Parallel branches, and what no code says, give a label that is none: `layout 3f2a91c0b2d1e4f7: ...`; see `LABEL`.
    """
    if spec.branched or not all(map(_has_code, spec.stages)):
        return _label(spec)
    own = spec.at(spec.image) if isinstance(spec.image, int) and spec.variants.get(spec.image) else spec
    segments = list(_stem_code(own))
    for index, stage in enumerate(own.stages):
        down = None if stage.downsample is None else _options(stage.downsample)
        if down != _usual_transition(index, tag(type(stage.blocks[0])) if stage.blocks else ""):
            segments.append(_NOTHING if down is None else _part_code(down))
        segments.append(_stage_code(stage))
    if own.head is None:
        segments.append(_NOTHING)
    elif (head := _options(own.head)) != {"type": "classifier"}:
        segments.append(_part_code(head))
    code = "-".join(segments) + _image_code(spec, own)
    return code if len(code) <= LONGEST else _label(spec)


def _has_code(stage: StageSpec) -> bool:
    """Whether a code can hold a stage: no option of its blocks has the name of one of the stage's own."""
    fields = (*STAGE_FIELDS, *_STAGE_OPTIONS)
    clash = any(name in type(block).model_fields for block in stage.blocks for name in fields)
    return len(stage.blocks) <= MAX_STAGE_DEPTH and not clash


def _options(part: Any) -> dict[str, Any]:
    """The type of a part, and its options that are not at their defaults, as plain data."""
    data = part.model_dump(mode="json")
    fields = type(part).model_fields
    kept = {
        key: value
        for key, value in data.items()
        if key != "type" and fields[key].get_default(call_default_factory=True) != value
    }
    return {"type": tag(type(part)), **kept}


def _stem_code(spec: ArchSpec) -> Iterator[str]:
    stem = _options(spec.stem)
    width = spec.stages[0].width
    usual = {"type": "hr_stem", "width": width} if width != 32 else {"type": "hr_stem"}
    if stem != usual:
        yield _part_code(stem)


def _usual_transition(index: int, block: str) -> dict[str, Any] | None:
    if not index:
        return None
    return {"type": "irds_b" if block == "T" else "irds_a"}


def _stage_code(stage: StageSpec) -> str:
    blocks = stage.blocks
    if not blocks:
        return f"0x{stage.width}" + ("" if stage.resize is None else f":resize={stage.resize}")
    pattern = next(n for n in range(1, len(blocks) + 1) if blocks == blocks[:n] * (len(blocks) // n))
    repeat = len(blocks) // pattern if pattern > 1 else 1
    runs = [(block, len(list(group))) for block, group in groupby(blocks[: len(blocks) // repeat])]
    own = {"repeat": repeat if repeat > 1 else None, "resize": stage.resize}
    code = "+".join(_run_code(block, depth, stage.width) for block, depth in runs)
    return code + "".join(f":{key}={value}" for key, value in own.items() if value is not None)


def _run_code(block: Block, depth: int, width: int) -> str:
    options = _options(block)
    if not _TAG.fullmatch(name := options.pop("type")):
        return _part_code({"type": name, "depth": depth, "width": width, **options})
    code = f"{name}{depth}x{width}"
    if isinstance(heads := getattr(block, "heads", None), int):
        code += f"h{heads}"
        options.pop("heads", None)
    expansion = getattr(block, "expansion", None)
    if isinstance(expansion, float | int) and _EXPANSION.fullmatch(written := _value(expansion)):
        code += f"e{written}"
        options.pop("expansion", None)
    return code + _option_code(options)


def _part_code(options: Mapping[str, Any]) -> str:
    return str(options["type"]) + _option_code({key: value for key, value in options.items() if key != "type"})


def _option_code(options: Mapping[str, Any]) -> str:
    return "".join(f":{key}={_value(value)}" for key, value in options.items())


def _image_code(spec: ArchSpec, own: ArchSpec) -> str:
    fields = type(spec).model_fields
    image = f"{spec.resolution}" if spec.input is None else "x".join(map(str, spec.input.size))
    given: dict[str, Any] = {"channels": own.channels, "drop_path": own.drop_path}
    given = {key: value for key, value in given.items() if value != fields[key].default}
    if spec.input is not None:
        given |= {"scale": spec.input.scale} if spec.input.scale != 1 else {}
        given |= {"resolution": spec.resolution} if spec.resolution != fields["resolution"].default else {}
    elif spec.resolution == fields["resolution"].default and not given:
        return ""
    return f"@{image}{_option_code(given)}"


def _value(value: Any) -> str:
    """A value in a code: as YAML has it where that needs none of a code's signs, else JSON with these escaped."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = format(Decimal(repr(value)), "f") if isinstance(value, float) else json.dumps(value)
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", value) and parse_scalar(value) == value:
        return value
    if re.fullmatch(r"[0-9]+(\.[0-9]{1,20})?|true|false|null", text):
        return text
    return "%" + quote(json.dumps(value), safe="").replace("-", "%2D").replace("~", "%7E")


def _label(spec: ArchSpec) -> str:
    """A label for people, which no command takes for a code."""
    stages = [_blocks_label(stage.blocks, stage.width) for stage in spec.stages]
    for stage in spec.branched:
        label = " | ".join(_blocks_label(branch.blocks, branch.width) for branch in stage.branches)
        stages.append(label if stage.modules == 1 else f"{stage.modules} ({label})")
    return f"layout {spec.digest}: {', '.join(stages)}"


def _blocks_label(blocks: tuple[Block, ...], width: int) -> str:
    marks = [
        tag(type(block))
        + " {}x"
        + str(width)
        + "".join(f" {key[0]}{value:g}" for key in ("heads", "expansion") if (value := getattr(block, key, None)))
        for block in blocks
    ]
    return " + ".join(mark.format(len(list(group))) for mark, group in groupby(marks))


def _names(segment: str, *kinds: type[Part]) -> bool:
    """Whether `segment` begins with the tag of a part of one of these kinds."""
    part = find_part(segment.partition(":")[0])
    return part is not None and issubclass(part, kinds)


def _refuse(segment: str, field: str, code: str) -> SpecError:
    names = ", ".join(map(tag, find(Block)))
    rule = f"stage {segment!r:.40} must read like T9x320h5e4, with a block of {names}"
    return SpecError(rule, field=field, source=code[:80])


def _parse_part(segment: str, field: str, code: str) -> dict[str, Any]:
    name, *options = segment.split(":")
    part = find_part(name)
    return {"type": tag(part) if part else name, **_parse_options(options, field, code)}


def _parse_options(options: list[str], field: str, code: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for option in options:
        key, mark, text = option.partition("=")
        if not mark or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) or key in out:
            raise SpecError(f"option {option!r:.40} must read like :classes=10, once", field=field, source=code[:80])
        out[key] = _parse_value(text, option, field, code)
    return out


def _parse_value(text: str, option: str, field: str, code: str) -> Any:
    if not text.startswith("%"):
        return parse_scalar(text)
    try:
        return json.loads(unquote(text[1:], errors="strict"))
    except (ValueError, RecursionError):
        raise SpecError(f"option {option!r:.40} holds no JSON behind its %", field=field, source=code[:80]) from None


def _parse_stages(segments: list[str], code: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    waiting: list[str] = []
    for segment in segments:
        field = f"stages[{len(rows)}]"
        if not waiting and (segment == _NOTHING or _names(segment, Downsample)):
            waiting.append(segment)
            continue
        row = _parse_stage(segment, field, code)
        usual = _usual_transition(len(rows), _first_block(row))
        if waiting:
            down = waiting.pop()
            row["downsample"] = None if down == _NOTHING else _parse_part(down, f"{field}.downsample", code)
        elif usual is not None:
            row["downsample"] = usual["type"]
        rows.append(row)
    if waiting or not rows:
        raise _refuse(waiting[0] if waiting else "", f"stages[{len(rows)}]", code)
    return rows


def _first_block(row: dict[str, Any]) -> str:
    block = row.get("block", "")
    return str(cast("list[dict[str, Any]]", block)[0]["type"] if isinstance(block, list) else block)


def _parse_stage(segment: str, field: str, code: str) -> dict[str, Any]:
    runs = [_parse_run(run, segment, field, code) for run in segment.split("+")]
    widths = sorted({run.pop("width") for run in runs}, key=str)
    if len(widths) > 1:
        rule = f"stage {segment!r:.60} must have one width, not {' and '.join(map(str, widths))}"
        raise SpecError(rule, field=field, source=code[:80])
    own = {key: runs[-1].pop(key) for key in _STAGE_OPTIONS if key in runs[-1]}
    depth = own.pop("repeat", 1)
    if len(runs) == 1 and depth == 1:
        return {**runs[0], "width": widths[0], **own}
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise SpecError(f"repeat must be a whole number from 1 on, not {depth!r:.40}", field=field, source=code[:80])
    entries: list[dict[str, Any]] = []
    for run in runs:
        name, times = run.pop("block"), run.pop("depth")
        if times * depth > 1024:
            raise SpecError(f"stage {segment!r:.40} has more than 1,024 blocks", field=field, source=code[:80])
        entries += [{"type": name, **run}] * times
    return {"block": entries, "depth": depth, "width": widths[0], **own}


def _parse_run(run: str, segment: str, field: str, code: str) -> dict[str, Any]:
    first, *options = run.split(":")
    given = _parse_options(options, field, code)
    match = CODE_STAGE.fullmatch(first)
    transition = _TRANSITION.fullmatch(first)
    if transition and run == segment:
        return {"depth": 0, "width": int(transition["width"]), **given}
    name = match["block"] if match else first
    if not _names(name, Block) or (match is None and not {"depth", "width"} <= given.keys()):
        raise _refuse(segment, field, code)
    part = find_part(name)
    row: dict[str, Any] = {"block": tag(part) if part else name}
    if match:
        row |= {"depth": int(match["depth"]), "width": int(match["width"])}
        row |= {"heads": int(match["heads"])} if match["heads"] else {}
        row |= {"expansion": float(match["expansion"])} if match["expansion"] else {}
    return row | given


def _parse_image(image: str, code: str) -> dict[str, Any]:
    size, *options = image.split(":")
    match = _IMAGE.fullmatch(size)
    if match is None:
        raise SpecError(f"image {size!r:.40} must read like @448 or @800x1216", field="resolution", source=code[:80])
    given = _parse_options(options, "resolution", code)
    unknown = next((key for key in given if key not in _OF_SPEC), None)
    if unknown is not None:
        rule = f"{unknown!r:.40} behind the image must be {', '.join(_OF_SPEC)}"
        raise SpecError(rule, field="resolution", source=code[:80])
    if match["width"] is None:
        if "scale" in given:
            raise SpecError("scale goes with an image of height and width: @800x1216:scale=2", source=code[:80])
        return {"resolution": int(match["height"]), **given}
    sides = {"size": [int(match["height"]), int(match["width"])]}
    sides |= {"scale": given.pop("scale")} if "scale" in given else {}
    return {"input": sides, **given}
