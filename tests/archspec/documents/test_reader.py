"""Reading YAML: plain data, true lines, and bounds on what a file may do."""

import json

import pytest

from archspec.documents.reader import MAX_BYTES, MAX_NESTING, MAX_VALUES, parse_document, parse_scalar, read_document
from archspec.errors import SpecError


def refuse(raw, source="x.yaml"):
    with pytest.raises(SpecError) as caught:
        parse_document(raw, source)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("0", 0),
        ("-17", -17),
        ("+7", 7),
        ("1_000_000", 1_000_000),
        ("1_", "1_"),
        ("1__0", 10),
        ("_1", "_1"),
        ("007", "007"),
        ("0x10", "0x10"),
        ("1e3", 1000.0),
        ("1.e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        (".", "."),
        ("1e", "1e"),
        ("1.2.3", "1.2.3"),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("inf", "inf"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_scalars(text, value):
    parsed = parse_scalar(text)
    assert (parsed, type(parsed)) == (value, type(value))


def test_nan_is_a_number():
    assert parse_scalar(".nan") != parse_scalar(".nan")


def test_quotes_make_text():
    assert parse_document("a: '1'\nb: \"true\"\nc: |\n  1\n", "x").data == {"a": "1", "b": "true", "c": "1\n"}


def test_every_value_has_the_line_of_its_key():
    document = parse_document("a: 1\nb:\n  - x\n  -\n    c: 2\n    d: {e: 3,\n      f: 4}\n", "x")
    assert document.lines[()] == 1
    places = {(): 1, ("b",): 2, ("b", 0): 3, ("b", 1, "c"): 5, ("b", 1, "d"): 6, ("b", 1, "d", "f"): 7}
    assert {place: document.line(place) for place in places} == places
    assert document.line(("b", 1, "d", "nowhere", 7)) == 6
    assert parse_document("", "x").line(("a",)) is None


def test_json_is_read_with_tabs_and_escapes():
    data = {"a": [1, 2.5, None, True, "\u00e9\n\U0001f600"], "1": {}}
    document = parse_document(json.dumps(data, indent="\t"), "x.json")
    assert document.data == data
    assert document.line(("a", 2)) == 5


def test_byte_order_mark_and_carriage_returns_are_no_matter():
    document = parse_document(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "x")
    assert document.data == {"a": 1, "b": 2}
    assert document.line(("b",)) == 2


def test_numbers_are_keys_and_so_are_words():
    assert parse_document("224: 1\n'224': 2\ntrue: 3\n1.5: 4\n~: 5\n", "x").data == {
        224: 1,
        "224": 2,
        "true": 3,
        "1.5": 4,
        "~": 5,
    }


def test_aliases_repeat_and_are_counted():
    assert parse_document("a: &x [1, {b: 2}]\nc: *x\n", "x").data == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}
    inner = f"a: &x [{', '.join('1' * (MAX_VALUES // 4))}]\n"
    assert len(parse_document(f"{inner}b: [*x, *x]\n", "x").data["b"]) == 2
    assert "must hold at most" in refuse(f"{inner}b: [*x, *x, *x, *x]\n")


def test_bounds_on_size_and_depth():
    deep = "[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1)
    assert parse_document(deep, "x").data
    assert refuse(f"[{deep}]") == f"x.yaml:1: must be nested at most {MAX_NESTING} deep"
    assert refuse(b"#" * (MAX_BYTES + 1)) == f"x.yaml: must be at most {MAX_BYTES} bytes"
    assert "nested" in refuse("- " * 100_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {b: 1\nc: 2\nd: 3\n", "x.yaml:1: malformed YAML: the bracket that opens here is not closed by line 2"),
        ("a: [1\n", "x.yaml:1: malformed YAML: the bracket that opens here is not closed by the end"),
        ("a: [1,\n", "x.yaml:1: malformed YAML: a bracket is still open at the end"),
        ("a: 'b\n\n", "x.yaml:1: malformed YAML: the quoted text that opens here is not closed by the end"),
        ("a:\n\t- 1\n", "x.yaml:2: malformed YAML: a tab cannot indent; use spaces"),
        ("a: 1\nb 2\nc: 3\n", "x.yaml:2: malformed YAML: a key needs a colon and a space behind it"),
        ("a: {b: 1}}\n", "x.yaml:1: malformed YAML while parsing a block mapping: did not find expected key; "),
        ("a: @b\n", "x.yaml:1: malformed YAML: found character that cannot start any token"),
        ("!!python/name:os.system a: 1\n", "x.yaml:1: tag !!python/name:os.system is not allowed"),
        ("a: 1\nb: &x {c: *x}\n", "x.yaml:2: alias *x stands inside what it repeats"),
        ("a: {b: 1,\n  b: 2}\n", "x.yaml:2: a.b: occurs twice, first at line 1"),
        ("? [1, 2]\n: 3\n", "x.yaml:1: a key must be a plain word"),
        ("a: 1\n...\nb: 2\n", "x.yaml:3: "),
        ("a: \x1b[31m\n", "x.yaml:1: must be text; it holds the control character U+001B"),
        ("a: \ud800\n", "x.yaml:1: must be text; it holds the control character U+D800"),
    ],
)
def test_what_is_refused_names_its_line(text, message):
    assert refuse(text).startswith(message)


def test_files_that_cannot_be_read(tmp_path):
    for path, rule in ((tmp_path, "is a folder, not a file"), (tmp_path / "none.yaml", "no such file")):
        with pytest.raises(SpecError) as caught:
            read_document(path)
        assert str(caught.value) == f"{path}: {rule}"
    for name in ("x" * 5000, "a\0b", "a\nb"):
        with pytest.raises(SpecError) as caught:
            read_document(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1
