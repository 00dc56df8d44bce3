"""Dotted paths."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.documents.paths import PlaceError, format_path, parse_path, pick, place_of, put, suggest
from archspec.errors import FieldError

words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True)
keys = st.text(st.characters(exclude_characters="'\\", categories=["L", "N", "P", "S"]), max_size=20)
"""Text of which some is no word: it stands in quotes."""
places = st.lists(words | keys | st.integers(0, 999_999), min_size=1, max_size=6).map(tuple)


@given(places)
def test_what_is_formatted_parses_to_the_same_place(place):
    assert parse_path(format_path(place)) == place


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_a_field_error(text):
    try:
        place = parse_path(text)
    except FieldError:
        return
    assert format_path(place) == text or "['" in text  # a word needs no quotes
    assert parse_path(format_path(place)) == place


@pytest.mark.parametrize(
    "text", ["", ".a", "a.", "a..b", "a[", "a[-1]", "a[1", "a[1]b", "a b", "stages.1.width", "a[1234567]"]
)
def test_malformed_paths_are_refused(text):
    with pytest.raises(FieldError, match=r"is not a dotted path such as stages\[3\].width"):
        parse_path(text)


def test_keys_that_are_no_words_are_quoted():
    assert parse_path("budget['macs@128']") == ("budget", "macs@128")
    assert format_path(("variants", 224, "stages[1].width")) == "variants[224]['stages[1].width']"
    assert format_path(("a\nb",)) == "['a\\nb']"
    assert len(format_path(("x" * 5000, "y z" * 5000))) < 200


def test_place_of_an_error():
    assert place_of(PlaceError(("stages", 0, "a b"), "rule")) == ("stages", 0, "a b")
    assert place_of(FieldError("stages[2].width", "rule")) == ("stages", 2, "width")
    assert place_of(FieldError("not a path", "rule")) == ()


def test_put_replaces_pick_reads_and_both_name_what_does_not_exist():
    data = {"stages": [{"width": 8}, {"width": 16}]}
    value = {"a": [1]}
    put(data, "stages[1].width", value)
    value["a"].append(2)
    assert data == {"stages": [{"width": 8}, {"width": {"a": [1]}}]}
    assert pick(data, "stages[1].width.a[0]") == 1
    for path, field, rule in [
        ("stages[2].width", "stages[2]", "does not exist: stages has 2 entries"),
        ("stages[0].widht", "stages[0].widht", "does not exist (did you mean width?)"),
        ("stages[0].width.x", "stages[0].width.x", "does not exist: stages[0].width is 8"),
    ]:
        with pytest.raises(FieldError) as caught:
            put(data, path, 1)
        with pytest.raises(FieldError, match=re.escape(str(caught.value))):
            pick(data, path)
        assert (caught.value.field, caught.value.rule) == (field, rule)


def test_suggestions_are_near_and_keep_their_spelling():
    assert suggest("cffn", ["HR", "CFFN", "T"]) == " (did you mean CFFN?)"
    assert suggest("widht", ["depth", "width"]) == " (did you mean width?)"
    assert suggest("xyzzy", ["depth", "width"]) == ""
    assert suggest("", ["depth"]) == ""
