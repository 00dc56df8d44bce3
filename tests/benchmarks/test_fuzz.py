"""Mutated files: `load` gives a spec or one line, and never another exception.

`python benchmarks/fuzz.py --files 10000` runs the same at length.
"""

import random
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.json_schema.spec import json_schema
from archspec.loader import dump, load, parse
from archspec.spec.schema import ArchSpec


@pytest.fixture(scope="module")
def fuzz():
    """The fuzzer, which is a script."""
    found = spec_from_file_location("fuzz", Path(__file__).parents[2] / "benchmarks" / "fuzz.py")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_mutated_files_load_or_are_refused_in_one_line(fuzz, tmp_path):
    rng = random.Random(1)
    texts = fuzz.seeds(rng)
    results = [fuzz.refusal(fuzz.mutate(rng, rng.choice(texts)), tmp_path / "fuzz.yaml") for _ in range(800)]
    assert 50 < results.count(None) < 400
    assert len({error.rule for error in results if error}) > 100


def test_what_loads_is_valid_by_the_json_schema(fuzz):
    rng = random.Random(2)
    texts = fuzz.seeds(rng)
    validator = Draft202012Validator(json_schema())
    found = 0
    for _ in range(600):
        raw = fuzz.mutate(rng, rng.choice(texts))
        try:
            document = parse_document(raw, "x.yaml")
            parse(document)
        except SpecError:
            continue
        found += 1
        # The loader takes tags in any case, the schema as they are spelt.
        assert validator.is_valid(document.data) or b"t" in raw, raw
    assert found > 50


@given(st.binary(max_size=300))
def test_any_bytes(raw):
    _load_or_refuse(raw)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
words = st.sampled_from(
    ["HR", "T", "hr_stem", "classifier", "irds_a", "type", "block", "width", "heads", "stride", "224"]
)
anything = st.recursive(
    plain | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.integers(0, 500), inner, max_size=4),
    max_leaves=12,
)
fields = [
    "name",
    "resolution",
    "channels",
    "stem",
    "stages",
    "head",
    "drop_path",
    "variants",
    "blocks",
    "widths",
    "heads",
]


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(fields), anything, max_size=6))
def test_any_data_under_known_fields(changes):
    data = {"stem": "hr_stem", "stages": [{"block": "HR", "width": 8}], **changes}
    _load_or_refuse(_as_text(data))


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(["block", "blocks", "depth", "width", "downsample", "resize", "heads", "norm"]), anything
    )
)
def test_any_data_in_a_stage(stage):
    _load_or_refuse(_as_text({"stem": "hr_stem", "stages": [{"block": "T", "width": 8, **stage}]}))


@given(st.dictionaries(st.integers(-5, 400) | words, st.dictionaries(st.text(max_size=12), anything, max_size=2)))
def test_any_variants(variants):
    _load_or_refuse(_as_text({"stem": "hr_stem", "stages": [{"block": "T", "width": 8}], "variants": variants}))


def _as_text(data) -> bytes:
    import yaml

    return yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "surrogatepass")


def _load_or_refuse(raw: bytes) -> None:
    try:
        spec = parse(parse_document(raw, "x.yaml"))
    except SpecError as error:
        message = str(error)
    else:
        assert isinstance(spec, ArchSpec)
        message = "loads"
        assert parse(parse_document(dump(spec), "x.yaml")) == spec
    assert len(message.splitlines()) == 1
    assert len(message) < 400


def test_the_seeds_of_the_fuzzer_load(fuzz):
    for text in fuzz.seeds(random.Random(3)):
        assert measure(parse(parse_document(text, "x"))).macs
    assert load("tiny")
