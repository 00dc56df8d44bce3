"""Writing YAML: pretty, and read back unchanged by our reader and by others."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from archspec.documents.reader import parse_document
from archspec.documents.writer import write_yaml

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
scalars = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True) | st.integers(0, 9999)
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=20
)


@given(st.dictionaries(keys, values, max_size=6))
def test_what_is_written_is_read_back_unchanged(data):
    text = write_yaml(data)
    assert parse_document(text, "x").data == data or not data
    # Words such as `1e3` or `no` mean something else to other readers: they must have been quoted.
    assert yaml.safe_load(text) == data or not data


@pytest.mark.parametrize(
    "text", ["no", "Yes", "1e3", "null", "~", "", " x", "x ", "a: b", "a #b", "- a", "007", "٣", "a\nb"]
)
def test_text_that_would_be_something_else_is_quoted(text):
    assert parse_document(write_yaml({"name": text}), "x").data == {"name": text}
    assert yaml.safe_load(write_yaml({"names": [text]})) == {"names": [text]}


def test_numbers_are_written_as_people_write_them():
    assert write_yaml({"a": 4.0, "b": 0.5, "c": 1e-6, "d": 10**20, "e": True, "f": None}) == (
        "a: 4\nb: 0.5\nc: 1.0e-06\nd: 100000000000000000000\ne: true\nf: null\n"
    )


def test_lines_are_flow_where_they_fit_and_block_where_they_do_not():
    row = {"block": "T", "width": 8}
    assert write_yaml({"heads": [None, 2], "stages": [row, row], "variants": {224: {"a.b": 1}}}) == (
        "heads: [~, 2]\nstages:\n  - {block: T, width: 8}\n  - {block: T, width: 8}\nvariants:\n  224: {a.b: 1}\n"
    )
    long = {"x": {f"option_{i}": i for i in range(20)}}
    assert write_yaml(long).splitlines()[:2] == ["x:", "  option_0: 0"]
