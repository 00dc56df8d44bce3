"""`--set PATH=VALUE`: how it is read, and what it does to specs on the command line."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.cost.measure import measure
from archspec.documents.paths import format_path
from archspec.documents.writer import write_flow
from archspec.edits.settings import edit_by_settings, parse_settings
from archspec.errors import SpecError
from archspec.loader import load

words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,12}", fullmatch=True)
places = st.lists(words | st.integers(0, 999), min_size=1, max_size=5).map(tuple)
scalars = st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(st.characters(codec="ascii"), max_size=12)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8
)


@given(places, values)
def test_what_is_written_is_read_back(place, value):
    (setting,) = parse_settings([f"{format_path(place)}={write_flow(value)}"])
    assert (setting.place, setting.value) == (place, value)


@given(st.text(max_size=40))
def test_any_text_is_a_setting_or_one_line(text):
    try:
        parse_settings([text])
    except SpecError as error:
        message = str(error)
    else:
        return
    assert message.startswith("--set ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trials", "--set trials: must be written PATH=VALUE, such as --set trials=50"),
        ("a..b=3", "--set a..b: is not a dotted path such as stages[3].width"),
        ("=3", "--set : is not a dotted path"),
        ("a=[1", "--set a: malformed YAML: the bracket that opens here is not closed by the end (the value is read"),
        ("a=!!python/name:os 1", "--set a: tag"),
    ],
)
def test_what_is_no_setting_says_how_to_write_one(text, message):
    with pytest.raises(SpecError) as caught:
        parse_settings([text])
    assert str(caught.value).startswith(message)


def test_settings_edit_a_spec_in_their_order_and_only_the_last_has_to_be_possible():
    settings = parse_settings(["stages[3].heads=5", "stages[3].width=40", "drop_path=0.1"])
    spec = edit_by_settings(load("tiny"), settings)
    assert (spec.stages[3].width, spec.stages[3].blocks[0].heads, spec.drop_path) == (40, 5, 0.1)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["stages[9].depth=2"], "--set stages[9].depth: does not exist: stages has 5 entries (the nearest path is "),
        (["stages[3].dept=2"], "--set stages[3].dept: does not exist (did you mean depth?)"),
        (["stages[3].haeds=2"], "--set stages[3].haeds: does not exist (did you mean heads?)"),
        (["stagse[3].depth=2"], "--set stagse[3].depth: does not exist (did you mean stages?)"),
        (["xyzzy=4"], "--set xyzzy: does not exist: a path begins with stem, stages, head, topology or a type"),
        (["resolution=big"], "--set resolution: must be a whole number, not 'big'"),
        (["stages[3].heads=5", "drop_path=0.1"], "--set stages[3].heads: stages[3]: width 64 must be divisible by"),
        (["drop_path=0.1", "stages[3].heads=5"], "--set stages[3].heads: stages[3]: width 64 must be divisible by"),
        (["stages[0].width=99999999"], "--set stages[0].width: "),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(texts, message):
    with pytest.raises(SpecError) as caught:
        edit_by_settings(load("tiny"), parse_settings(texts))
    assert str(caught.value).startswith(message), str(caught.value)


def test_the_commands_of_a_spec_take_it(run, tmp_path):
    deeper = edit_by_settings(load("hiri-vit-s"), parse_settings(["stages[3].depth=6"]))
    code, out, err = run("flops", "hiri-vit-s", "--set", "stages[3].depth=6", "--json")
    assert (code, err, json.loads(out)["macs"]) == (0, "", measure(deeper).macs)
    assert measure(deeper).macs != measure(load("hiri-vit-s")).macs
    code, out, err = run("show", "tiny", "--set", "stem.width=12", "--form", "rows")
    assert (code, err) == (0, "")
    (tmp_path / "made.yaml").write_text(out)
    assert load(tmp_path / "made.yaml").stem.width == 12
    code, out, err = run("fix", "tiny", "--set", "stages[0].depth=9", "--budget", "<= 10M")
    assert (code, "depth: 9" in out) == (0, True)
    code, out, err = run("lint", "tiny", "--set", "resolution=33")
    assert (code, "at 33\n" in err) == (0, True)
    code, out, err = run("build", "tiny", "--set", "head.classes=7", "--out", tmp_path / "net.safetensors")
    assert (code, bool(re.search("gives 7$", out, re.MULTILINE))) == (0, True)
    assert load(tmp_path / "net.yaml").head.classes == 7
    assert run("flops", "tiny", "--symbolic", "--set", "stem.width=12") != run("flops", "tiny", "--symbolic")
    assert run("flops", "tiny", "--set", "stem.widht=12") == (
        2,
        "",
        "archspec: --set stem.widht: does not exist (did you mean width?)\n",
    )
