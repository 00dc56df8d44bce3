"""From what a user writes to an `ArchSpec`, and back; every error with its file, line and field."""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from archspec.diagnosis import explain, written_place
from archspec.document import Document, Place, parse_document, read_document
from archspec.errors import FieldError, SpecError
from archspec.forms import COLUMNS, STAGE_FIELDS, columnize, compact
from archspec.paths import format_path, parse_path, suggest
from archspec.schema import ArchSpec, StageSpec
from archspec.tree import trace
from blocks.catalog import find, tag
from blocks.component import Block

MAX_PARAMS = 10**11

_CODE_STAGE = re.compile(
    r"(?P<block>[A-Za-z_]+)(?P<depth>\d+)x(?P<width>\d+)(?:h(?P<heads>\d+))?(?:e(?P<expansion>\d+(?:\.\d+)?))?"
)


def load(source: str | Path) -> ArchSpec:
    """The spec that `source` names.

    Args:
        source: a YAML or JSON file, `-` for standard input, a preset's name, or a short code such as
            `HR2x32-HR2x64-CFFN2x128-T9x320h5-T4x512h8` (block, depth, x width, h heads, e expansion per stage).

    Raises:
        SpecError: nothing of these, or a spec that breaks a rule.
    """
    return parse(find_document(source))


def find_document(source: str | Path) -> Document:
    """The document that `source` names; see `load`."""
    text = str(source)
    if text == "-":
        return parse_document(sys.stdin.buffer.read(), "<stdin>")
    if isinstance(source, Path) or Path(text).suffix.lower() in (".yaml", ".yml", ".json") or "/" in text:
        return read_document(Path(source))
    if text in presets():
        return parse_document((files("archspec") / "presets" / f"{text}.yaml").read_bytes(), text)
    if "-" in text or _CODE_STAGE.fullmatch(text):
        stages = text.split("-")
        if _CODE_STAGE.match(stages[0]) and not any(text.startswith(name.split("-")[0]) for name in presets()):
            return Document(parse_code(text), text)
    if Path(text).exists():
        return read_document(Path(text))
    raise SpecError(f"{text!r:.80} is no file, preset{suggest(text, presets())} or short code such as HR2x32-T2x64h2")


def presets() -> tuple[str, ...]:
    """Names of the shipped specs."""
    folder = files("archspec") / "presets"
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def parse(document: Document) -> ArchSpec:
    """The spec in a document, checked down to the shapes of its maps.

    Raises:
        SpecError: a rule is broken.
    """
    if not isinstance(document.data, dict):
        raise SpecError("a spec must be a mapping", source=document.source, line=1)
    try:
        spec = ArchSpec.model_validate(document.data)
    except ValidationError as error:
        raise explain(error, document, _known_fields()) from None
    for resolution in (spec.resolution, *spec.variants):
        _check_shapes(spec, resolution, document)
    return spec


def parse_code(code: str) -> dict[str, Any]:
    """A short code as row form: HR stem, IRDS-a into convolutional stages, IRDS-b into stages with attention.

    Raises:
        SpecError: malformed.
    """
    rows: list[dict[str, Any]] = []
    tags = {tag(block).lower(): tag(block) for block in find(Block)}
    for index, part in enumerate(code.split("-")):
        match = _CODE_STAGE.fullmatch(part)
        if match is None or match["block"].lower() not in tags:
            rule = f"stage {part!r:.40} must read like T9x320h5e4, with a block of {', '.join(tags.values())}"
            raise SpecError(rule, field=f"stages[{index}]", source=code[:80])
        block = tags[match["block"].lower()]
        row: dict[str, Any] = {"block": block, "depth": int(match["depth"]), "width": int(match["width"])}
        row |= {"heads": int(match["heads"])} if match["heads"] else {}
        row |= {"expansion": float(match["expansion"])} if match["expansion"] else {}
        if index:
            row["downsample"] = "irds_b" if block == "T" else "irds_a"
        rows.append(row)
    stem = {"type": "hr_stem", "width": rows[0]["width"]}
    return {"name": code, "stem": stem, "stages": rows, "head": {"type": "classifier"}}


def encode(spec: ArchSpec) -> str:
    """A compact label in the grammar of the short code; mixed stages are joined by `+`. A label, not an identity."""
    stages: list[str] = []
    for stage in spec.stages:
        runs: list[tuple[str, int]] = []
        for block in stage.blocks:
            heads = f"h{block.heads}" if hasattr(block, "heads") else ""
            label = f"{tag(type(block))}{{}}x{stage.width}{heads}e{getattr(block, 'expansion', 1):g}"
            if runs and runs[-1][0] == label:
                runs[-1] = (label, runs[-1][1] + 1)
            else:
                runs.append((label, 1))
        stages.append("+".join(label.format(count) for label, count in runs))
    return "-".join(stages)


def dump(spec: ArchSpec, form: str = "rows") -> str:
    """`spec` as YAML in `rows`, `columns` or `canonical` form; loads to the same digest.

    Raises:
        FieldError: the column form cannot say it.
    """
    data = spec.canonical()
    data["variants"] = {int(key): value for key, value in data["variants"].items()}
    shaped = {"rows": compact, "columns": columnize, "canonical": dict}[form](data)
    return yaml.dump(_plain(shaped), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def _check_shapes(spec: ArchSpec, resolution: int, document: Document) -> None:
    try:
        params = sum(line.params for line in trace(spec, resolution).lines)
    except FieldError as error:
        place = written_place(parse_path(error.field), document)
        rule = f"at resolution {resolution}, {error.rule}"
        raise SpecError(rule, field=format_path(place), source=document.source, line=document.line(place)) from None
    if params > MAX_PARAMS:
        index = max(range(len(spec.stages)), key=lambda i: spec.stages[i].width ** 2 * spec.stages[i].depth)
        place = written_place(("stages", index, "width"), document)
        rule = f"the model would have {params:.1e} parameters, more than {MAX_PARAMS:.0e}: is a width or depth mistyped?"
        raise SpecError(rule, field=format_path(place), source=document.source, line=document.line(place))


def _known_fields() -> dict[Place, set[str]]:
    options = set[str]().union(*(set(block.model_fields) for block in find(Block))) - {"type"}
    top = set(ArchSpec.model_fields) | set(COLUMNS)
    return {(): top, ("stages", "*"): set(StageSpec.model_fields) | set(STAGE_FIELDS) | options}


class _Dumper(yaml.SafeDumper):
    """Block style outside, flow style for leaves, so that a stage is one line."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        del flow_style
        values = cast("dict[Any, Any]", mapping).values()
        nested = any(isinstance(value, dict | list) and "stages" in mapping for value in values)
        deep = any(isinstance(value, dict) and any(isinstance(v, dict) for v in value.values()) for value in values)
        return super().represent_mapping(tag, mapping, flow_style=not (nested or deep or "name" in mapping))

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        del flow_style
        rows = any(isinstance(item, dict) and "width" in item for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=not rows)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _plain(value: Any) -> Any:
    """Whole floats as integers, so that `expansion: 4` is dumped as it was written."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
