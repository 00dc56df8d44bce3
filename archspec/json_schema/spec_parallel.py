"""JSON Schema of a stage of parallel branches, in row form and canonical form."""

from __future__ import annotations

from typing import Any

from archspec.spec.schema_parallel import MAX_BRANCHES, BranchSpec, ParallelStage

Schema = dict[str, Any]

_NULL: Schema = {"type": "null"}


def parallel_definitions(stage: Schema, options: dict[str, dict[str, Schema]]) -> Schema:
    """The definitions `branch` and `parallel_stage`.

    Args:
        stage: the definition of a stage of a pyramid, whose fields of the same name mean the same on a branch.
        options: the options that may stand beside the widths, each by the tag of its block.
    """
    own = stage["properties"]
    branch = BranchSpec.model_json_schema()["properties"]
    whole = ParallelStage.model_json_schema()["properties"]
    exchange: Schema = {"anyOf": [{"$ref": "#/$defs/exchange"}, _NULL]}
    depth: Schema = own["depth"] | {"minimum": 1, "description": "how often the block repeats"}
    downsample = own["downsample"]
    properties: Schema = {
        "fuse_before": exchange | {"description": whole["fuse_before"]["description"]},
        "widths": _list(branch["width"], "channels of each branch, finest first"),
        "downsample": downsample | {"description": "transition of every branch into the stage; null for none"},
        "downsamples": _list(downsample, "transition of each branch; a new branch reads the last map"),
        "block": own["block"],
        "blocks": _list(own["block"], "block, or list of blocks, of each branch"),
        "depth": depth,
        "depths": _list({"anyOf": [depth, _NULL]}, "how often each branch repeats its block; null for once"),
        "final_norm": _either(branch["final_norm"], branch["final_norm"]["description"]),
        "modules": whole["modules"],
        "fuse": exchange | {"description": whole["fuse"]["description"]},
        "branches": _list({"$ref": "#/$defs/branch"}, "canonical form: every branch with all its blocks"),
    }
    beside: Schema = {}
    for name, known in options.items():
        if name not in properties:
            beside[name] = _either({"anyOf": [*known.values(), _NULL]}, "for all branches, or a list of one per branch")
    rows = [name for name in properties if name not in ("fuse_before", "modules", "fuse", "branches")]
    parallel: Schema = {
        "type": "object",
        "properties": properties | beside,
        "additionalProperties": False,
        "oneOf": [
            {
                "title": "row form",
                "required": ["widths"],
                "anyOf": [{"required": ["block"]}, {"required": ["blocks"]}],
                "not": {"required": ["branches"]},
            },
            {
                "title": "canonical form",
                "required": ["branches"],
                "not": {"anyOf": [{"required": [name]} for name in (*rows, *beside)]},
            },
        ],
    }
    return {"branch": _branch(branch, own), "parallel_stage": parallel}


def _branch(branch: Schema, stage: Schema) -> Schema:
    blocks = stage["blocks"] | {"minItems": 1, "description": branch["blocks"]["description"]}
    properties = {**branch, "downsample": stage["downsample"], "blocks": blocks}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": ["width", "blocks"],
    }


def _list(items: Schema, description: str) -> Schema:
    return {
        "type": "array",
        "items": items,
        "minItems": 1,
        "maxItems": MAX_BRANCHES,
        "description": description,
    }


def _either(value: Schema, description: str) -> Schema:
    """One value for all branches, or a list of one per branch."""
    return {"anyOf": [value, _list({"anyOf": [value, _NULL]}, description)], "description": description}
