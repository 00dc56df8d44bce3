"""Edits of a whole spec: what `archspec.edits.edit` gives, and what it refuses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.documents.paths import format_path
from archspec.edits.edit import edit
from archspec.edits.patch import canonical
from archspec.errors import SpecError
from archspec.loader import load, presets

TINY = load("tiny")


def leaves(node, place=()):
    """Every value of canonical data that is no mapping or list, by its place."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(value, (*place, key))
    elif place[-1] != "type":
        yield place, node


@settings(max_examples=60)
@given(st.sampled_from(presets()), st.data())
def test_putting_back_any_value_of_any_preset_changes_nothing(name, data):
    spec = load(name)
    known = [(place, value) for place, value in leaves(canonical(spec)) if place[0] != "variants"]
    place, value = data.draw(st.sampled_from(known))
    assert edit(spec, {format_path(place): value}).digest == spec.digest


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        ({}, lambda spec: spec == TINY),
        ({"name": "mine", "description": "x"}, lambda spec: (spec.name, spec.digest) == ("mine", TINY.digest)),
        ({"stages[3].depth": 2, "stages[3].width": 48}, lambda spec: len(spec.stages[3].blocks) == 2),
        ({"T.heads": 1}, lambda spec: {block.heads for i in (3, 4) for block in spec.stages[i].blocks} == {1}),
        ({"variants": {96: {"stem.width": 4}}, "variants[96]": {"stem.width": 6}}, lambda s: s.at(96).stem.width == 6),
        ({"stem.width": {"of": "stages[0].width", "times": 0.5}}, lambda spec: spec.stem.width == 8),
        ({"input": {"size": [64, 96]}}, lambda spec: spec.image == (64, 96)),
        ({"input": {"size": [64, 96]}, "input.scale": 2}, lambda spec: spec.image == (128, 192)),
    ],
)
def test_what_edits_give(changes, read):
    assert read(edit(TINY, changes))
    assert load("tiny") == TINY


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages[9].depth": 2}, "tiny: stages[9].depth: does not exist: stages has 5 entries"),
        ({"stem.widht": 2}, "tiny: stem.widht: does not exist (did you mean width?)"),
        ({"head.hiden.x": 2}, "tiny: head.hiden.x: head.hiden does not exist (did you mean hidden?)"),
        ({"input.scale": 2}, "tiny: input.scale: input.size: is required"),
        ({"input.scael": 2}, "tiny: input.scael: does not exist (did you mean scale?)"),
        ({"resolution": 2.5}, "tiny: resolution: must be a whole number, not 2.5"),
        ({"stem.": 1}, "tiny: stem.: is not a dotted path"),
        ({"stages[3].heads": 5, "stages[4].depth": 2}, "tiny: stages[3].heads: stages[3]: width 64 must be divisible"),
    ],
)
def test_what_is_refused_names_the_path(changes, message):
    with pytest.raises(SpecError) as caught:
        edit(TINY, changes)
    assert str(caught.value).startswith(message), str(caught.value)
    assert caught.value.field in changes


@pytest.mark.parametrize("path", ["stages[3].window_fit", "Swin.window_fit", "stages[3].blocks[0].window_fit"])
def test_an_option_that_is_not_written_at_its_default_can_be_set(path):
    changed = edit(load("swin-t"), {path: "shrink"})
    assert changed.stages[3].blocks[0].window_fit == "shrink"
    with pytest.raises(SpecError, match=r"did you mean window_fit\?"):
        edit(load("swin-t"), {"stages[3].windowfit": "shrink"})


def test_an_option_at_its_default_can_be_set_in_all_branches():
    changed = edit(load("hrformer-t"), {"stages[3].window": 5, "stages[2].window_fit": "pad"})
    assert {block.window for branch in changed.branched[3].branches for block in branch.blocks} == {5}
    assert {block.window_fit for branch in changed.branched[2].branches for block in branch.blocks} == {"pad"}
    with pytest.raises(SpecError, match=r"stages\[3\].windw: does not exist \(did you mean window\?\)"):
        edit(load("hrformer-t"), {"stages[3].windw": 8})
