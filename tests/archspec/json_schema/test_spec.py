"""The JSON Schema, judged by an independent validator."""

import json
import random
from importlib.resources import files

import pytest
import yaml
from jsonschema import Draft202012Validator

from archspec.documents.reader import parse_document
from archspec.json_schema.spec import json_schema
from archspec.loader import dump, load, presets
from archspec.testing.random_specs import random_spec
from blocks.catalog import parts, tag

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

ROW = {"stem": "hr_stem", "stages": [{"block": "T", "width": 8, "heads": 2}]}
COLUMN = {"stem": "hr_stem", "blocks": ["HR", "T"], "widths": [8, 16], "heads": [None, 2]}


def forms_of(spec):
    return ("rows", "columns", "canonical") if spec.topology == "pyramid" else ("rows", "canonical")


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"]
    assert SCHEMA["title"]
    json.dumps(SCHEMA, allow_nan=False)


@pytest.mark.parametrize("name", presets())
def test_presets_are_valid_as_shipped_and_in_every_form(name):
    text = (files("archspec") / "presets" / f"{name}.yaml").read_text()
    VALIDATOR.validate(yaml.safe_load(text))
    spec = load(name)
    for form in forms_of(spec):
        VALIDATOR.validate(yaml.safe_load(dump(spec, form)))
    VALIDATOR.validate(spec.canonical())


def test_random_specs_are_valid_in_every_form():
    rng = random.Random(0)
    for _ in range(60):
        spec = random_spec(rng)
        for form in forms_of(spec):
            VALIDATOR.validate(parse_document(dump(spec, form), "x").data)
        VALIDATOR.validate(spec.canonical())


def test_minimal_specs_are_valid():
    VALIDATOR.validate(ROW)
    VALIDATOR.validate(COLUMN)


@pytest.mark.parametrize(
    "change",
    [
        {"resolutoin": 224},
        {"resolution": 0},
        {"resolution": "224"},
        {"resolution": 20000},
        {"stem": "hrstem"},
        {"stem": {"width": 8}},
        {"stem": {"type": "hr_stem", "widht": 8}},
        {"stem": {"type": "hr_stem", "width": 0}},
        {"stem": None},
        {"stages": []},
        {"stages": None},
        {"stages": "T2x8"},
        {"stages": [{"block": "T"}]},
        {"stages": [{"width": 8}]},
        {"stages": [{"block": "T", "width": 0}]},
        {"stages": [{"block": "T", "width": 8, "depth": 0}]},
        {"stages": [{"block": "T", "width": 8, "depth": True}]},
        {"stages": [{"block": "T", "width": 8, "haeds": 2}]},
        {"stages": [{"block": "T", "width": 8, "heads": 0}]},
        {"stages": [{"block": "HR", "width": 8, "heads": 2}]},
        {"stages": [{"block": ["HR", "CFFN"], "width": 8, "heads": 2}]},
        {"stages": [{"block": "X", "width": 8}]},
        {"stages": [{"block": [], "width": 8}]},
        {"stages": [{"block": {"type": "HR", "heads": 2}, "width": 8}]},
        {"stages": [{"block": "T", "blocks": ["T"], "width": 8}]},
        {"stages": [{"blocks": ["T"], "depth": 2, "width": 8}]},
        {"stages": [{"block": "T", "width": 8, "expansion": 17}]},
        {"stages": [{"block": "T", "width": 8, "expansion": "4"}]},
        {"stages": [{"block": "T", "width": 8, "downsample": "irds_c"}]},
        {"stages": [{"block": "T", "width": 8, "downsample": {"type": "irds_a", "stride": 0}}]},
        {"stages": [{"block": "T", "width": 8, "resize": 0}]},
        {"head": "clasifier"},
        {"head": {"type": "classifier", "classes": 0}},
        {"drop_path": 1},
        {"status": "draft"},
        {"variants": {"small": {}}},
        {"variants": {"32": [1]}},
        {"variants": {"32": {"stage[1].width": 8}}},
        {"variants": {"32": {"stages.1.width": 8}}},
        {"widths": [8]},
    ],
    ids=str,
)
def test_what_the_loader_refuses_the_schema_refuses(change):
    assert not VALIDATOR.is_valid({**ROW, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"blocks": "HR"},
        {"blocks": []},
        {"blocks": ["HR", None]},
        {"widths": None},
        {"widths": [8, None]},
        {"widths": [8, 16.5]},
        {"depths": 2},
        {"depths": [0, 1]},
        {"heads": ["2"]},
        {"downsamples": ["irds"]},
        {"stages": ROW["stages"]},
        {"expansion": [4, 4]},
    ],
    ids=str,
)
def test_columns_are_checked_too(change):
    assert not VALIDATOR.is_valid({**COLUMN, **change})


def test_every_option_is_described_with_its_bounds():
    definitions = SCHEMA["$defs"]
    for part in parts():
        (name,) = [name for name in definitions if name.endswith(f".{tag(part)}")]
        schema = definitions[name]
        assert set(schema["properties"]) == set(part.model_fields)
        assert schema["additionalProperties"] is False
        assert schema["description"]
        assert all(field["description"] for field in schema["properties"].values())
    assert definitions["block.T"]["properties"]["heads"]["exclusiveMinimum"] == 0
    assert definitions["block.T"]["properties"]["ffn"]["enum"] == ["conv", "plain"]
    assert all("description" in field or "$ref" in field for field in SCHEMA["properties"].values())


def test_tags_may_be_bare_or_carry_options():
    for stem in ("conv_stem", {"type": "conv_stem"}, {"type": "conv_stem", "width": 3}):
        VALIDATOR.validate({**ROW, "stem": stem})
    for block in ("T", {"type": "T"}, ["T", {"type": "HR", "expansion": 2}]):
        VALIDATOR.validate({**ROW, "stages": [{"block": block, "width": 8}]})
        VALIDATOR.validate({**COLUMN, "blocks": [block, "T"]})
    VALIDATOR.validate({**ROW, "stages": [{"block": ["HR", "T"], "width": 8, "heads": 2}]})
    VALIDATOR.validate({**ROW, "stages": [{"block": "HR", "width": 8, "heads": None}]})
    VALIDATOR.validate({**ROW, "head": None})
