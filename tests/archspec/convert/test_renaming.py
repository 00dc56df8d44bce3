"""Renaming by rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.convert.renaming import find_origin, rename
from archspec.errors import SpecError

NAMES = st.text("abc.", min_size=1, max_size=8)


def test_the_first_rule_that_matches_a_whole_module_renames_it():
    state = {"a.0.weight": 1, "a.0.bias": 2, "ba.0.weight": 3, "a.0": 4}
    rules = {r"a\.(\d)": r"x.\1", r".*a\.0": "y"}
    assert rename(state, rules) == {"x.0.weight": 1, "x.0.bias": 2, "y.weight": 3, "a.0": 4}


def test_two_tensors_cannot_get_one_name():
    with pytest.raises(SpecError, match=r"^tensors a\.weight and b\.weight would both be c\.weight$"):
        rename({"a.weight": 1, "b.weight": 2}, {"a|b": "c"})
    with pytest.raises(SpecError, match=r"^tensors a\.weight and c\.weight would both be c\.weight$"):
        rename({"a.weight": 1, "c.weight": 2}, {"a": "c"})


@given(st.dictionaries(NAMES, st.integers(), max_size=6))
def test_without_rules_nothing_changes(state):
    assert rename(state, {}) == state


RULES = {
    r"layers\.(\d+)\.attn(|\.qkv)": r"stages.\1.attention\2",
    r"(stages\.\d+)\.(fc|norm)": r"\1.\2.body",
    "head": "head.fc",
}


@pytest.mark.parametrize(
    "name", ["layers.3.attn.weight", "layers.12.attn.qkv.bias", "stages.0.fc.weight", "head.bias", "other.1.weight"]
)
def test_the_origin_of_a_name_is_what_was_renamed(name):
    (renamed,) = rename({name: 1}, RULES)
    assert find_origin(renamed, RULES) == name


def test_a_name_that_no_rule_gives_is_its_own_origin():
    assert find_origin("stages.x.attention.weight", RULES) == "stages.x.attention.weight"
