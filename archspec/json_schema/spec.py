"""JSON Schema of the written forms of a spec, for completion and checks in editors.

It is made from the pydantic fields that validate a spec, so that bounds and descriptions cannot differ. What it cannot
say (heads that divide the width, maps that strides empty) is left to `archspec validate`.
"""

from __future__ import annotations

from typing import Any

from archspec.json_schema.spec_parallel import parallel_definitions
from archspec.spec.diagnosis import KINDS
from archspec.spec.forms import COLUMNS, MAX_STAGE_DEPTH
from archspec.spec.schema import MAX_RESOLUTION, ArchSpec, StageSpec
from archspec.spec.variants import VARIABLE
from blocks.catalog import Part, find, parts, tag
from blocks.component import Block

SCHEMA_ID = "urn:archspec:spec:1"
Schema = dict[str, Any]

_PLURALS = {
    "blocks": "block, or list of blocks, of each stage; null where the stage is only its transition",
    "depths": "how often each stage repeats its blocks; null for once",
    "widths": "channels of each stage",
    "downsamples": "transition into each stage; null for none",
    "resizes": "side to which each stage resizes its map; null for none",
}
_NULL: Schema = {"type": "null"}


def json_schema() -> Schema:
    """The schema (draft 2020-12) of a spec in row form, column form or canonical form."""
    own = ArchSpec.model_json_schema()["properties"]
    definitions = _definitions()
    stage = definitions["stage"]["properties"]
    properties = {name: own[name] for name in ("name", "description", "status", "resolution", "channels", "topology")}
    properties["stem"] = _ref("stem")
    properties["stages"] = {**own["stages"], "items": {"anyOf": [_ref("stage"), _ref("parallel_stage")]}}
    properties |= {column: _column(column, stage[field]) for column, field in COLUMNS.items()}
    properties["head"] = {"anyOf": [_ref("head"), _NULL], "description": "null or nothing for a bare backbone"}
    properties["drop_path"] = own["drop_path"]
    properties["variants"] = {**_variants(), "description": own["variants"]["description"]}
    columns = [{"required": [column]} for column in COLUMNS]
    lone: list[Schema] = [
        {"required": [column], "properties": {column: {"contains": item}}}
        for column, item in (("depths", {"const": 0}), ("blocks", _NULL))
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "archspec",
        "description": "A vision backbone: a stem, stages as rows or as one list per field, and a head.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": ["stem"],
        "if": {"required": ["topology"], "properties": {"topology": {"const": "parallel"}}},
        "then": {"required": ["stages"], "properties": {"stages": {"items": _ref("parallel_stage")}}},
        "else": {"properties": {"stages": {"items": _ref("stage")}}},
        "allOf": [{"if": {"anyOf": lone}, "then": {"required": ["downsamples"]}}],
        "oneOf": [
            {"title": "row form", "required": ["stages"], "not": {"anyOf": columns}},
            {"title": "column form", "required": ["blocks", "widths"], "not": {"required": ["stages"]}},
        ],
        "$defs": definitions,
    }


def _definitions() -> Schema:
    definitions: Schema = {}
    for noun, kinds in KINDS.items():
        known = [part for part in parts() if issubclass(part, kinds)]
        definitions[noun] = _choice(noun, known)
        for part in known:
            definitions |= _part(f"{noun}.{tag(part)}", part)
    several = {"type": "array", "items": _ref("block"), "minItems": 1}
    definitions["blocks"] = {"anyOf": [_ref("block"), several], "description": "a block, or a list of blocks in order"}
    definitions["stage"] = _stage(definitions)
    return definitions | parallel_definitions(definitions["stage"], _options(definitions))


def _choice(noun: str, known: list[type[Part]]) -> Schema:
    """A part as a bare tag, or as a mapping with its options."""
    bare = {"enum": [tag(part) for part in known], "description": "by its tag, every option at its default"}
    return {"anyOf": [bare, *(_ref(f"{noun}.{tag(part)}") for part in known)]}


def _part(name: str, part: type[Part]) -> Schema:
    """The mapping form of one part, and what it refers to."""
    schema = part.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    inner = {f"{name}.{key}": value for key, value in schema.pop("$defs", {}).items()}
    schema["properties"]["type"] = {"const": tag(part), "description": "which part"}
    schema |= {"title": tag(part), "description": " ".join((part.__doc__ or "").split())}
    schema["required"] = ["type", *schema.get("required", [])]
    return {name: schema, **inner}


def _stage(definitions: Schema) -> Schema:
    own = StageSpec.model_json_schema()["properties"]
    properties: Schema = {
        "block": {**_ref("blocks"), "description": "a block, or a list that is repeated `depth` times"},
        "depth": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_STAGE_DEPTH,
            "description": "how often the block repeats; 0 where the stage is only its transition",
        },
        "width": own["width"],
        "downsample": {
            "anyOf": [_ref("downsample"), _NULL],
            "description": "transition into the stage; null for none; conv where not given, but for the first stage",
        },
        "resize": own["resize"],
        "blocks": {**own["blocks"], "items": _ref("block"), "description": "canonical form: every block in order"},
    }
    options = _options(definitions)
    properties |= {name: {"anyOf": [*known.values(), _NULL]} for name, known in options.items()}
    beside = ["block", "depth", *options]
    transition: Schema = {"required": ["downsample"], "properties": {"downsample": {"not": _NULL}}}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": ["width"],
        "oneOf": [
            {"title": "row form", "required": ["block"], "not": {"required": ["blocks"]}},
            {
                "title": "row form of a transition alone",
                "required": ["downsample"],
                "properties": {"downsample": {"not": _NULL}, "depth": {"const": 0}},
                "not": {"anyOf": [{"required": [field]} for field in ("block", "blocks", *options)]},
            },
            {
                "title": "canonical form",
                "required": ["blocks"],
                "not": {"anyOf": [{"required": [field]} for field in beside]},
            },
        ],
        "allOf": [
            {"if": {"required": ["depth"], "properties": {"depth": {"const": 0}}}, "then": transition},
            {"if": {"required": ["blocks"], "properties": {"blocks": {"maxItems": 0}}}, "then": transition},
            *(_needs(option, list(known)) for option, known in options.items()),
        ],
    }


def _options(definitions: Schema) -> dict[str, dict[str, Schema]]:
    """The options that may stand beside a stage's width: name -> tag of a block -> schema, equal ones once."""
    options: dict[str, dict[str, Schema]] = {}
    taken = {"type", "block", "blocks", *StageSpec.model_fields, "depth"}
    for block in find(Block):
        for name, schema in definitions[f"block.{tag(block)}"]["properties"].items():
            if name not in taken:
                options.setdefault(name, {})[tag(block)] = schema
    return options


def _needs(option: str, tags: list[str]) -> Schema:
    """An option beside the width needs a block of the stage that knows it."""
    known: list[Schema] = [{"enum": tags}, {"type": "object", "properties": {"type": {"enum": tags}}}]
    block = {"anyOf": [*known, {"type": "array", "contains": {"anyOf": known}}]}
    given = {"required": [option], "properties": {option: {"not": _NULL}}}
    return {"if": given, "then": {"properties": {"block": block}}}


def _column(column: str, field: Schema) -> Schema:
    empty = column != "widths"
    nullable = _NULL in field.get("anyOf", ())
    items = {"anyOf": [field, _NULL]} if empty and not nullable else field
    description = _PLURALS.get(column, f"{COLUMNS[column]} of each stage's blocks; null where they have none")
    return {"type": "array", "items": items, "minItems": 1, "maxItems": 32, "description": description}


def _variants() -> Schema:
    paths = {"pattern": rf"^({'|'.join(VARIABLE)})(\.[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]{{1,6}}\])*$"}
    digits = {"pattern": f"^[1-9][0-9]{{0,{len(str(MAX_RESOLUTION)) - 1}}}$"}
    change: Schema = {"type": "object", "propertyNames": paths}
    return {"type": "object", "propertyNames": digits, "additionalProperties": change}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
