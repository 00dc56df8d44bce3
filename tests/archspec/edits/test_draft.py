"""Changes of documents: short forms, parts that are left out, and where values come from afterwards."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.documents.paths import get, parse_path
from archspec.documents.reader import Document, Origin, parse_document
from archspec.edits.draft import Draft, part_of
from archspec.errors import FieldError
from search.ablation.plan import PlanConfig
from search.study.config import StudyConfig


def put(text, path, value, model=StudyConfig):
    draft = Draft(parse_document(text, "f.yaml"), model)
    draft.put(parse_path(path), Document(value, "", {}, {(): Origin(option=f"--set {path}")}))
    return draft.document


@pytest.mark.parametrize(
    ("text", "path", "value", "data"),
    [
        ("a: 1", "trials", 2, {"a": 1, "trials": 2}),
        ("{}", "evaluator.recipe.epochs", 1, {"evaluator": {"type": "train", "recipe": {"epochs": 1}}}),
        ("evaluator: train", "evaluator.data.train", 9, {"evaluator": {"type": "train", "data": {
            "type": "cluttered_digits", "train": 9}}}),
        ("evaluator: {type: train, recipe: small}", "evaluator.recipe.epochs", 1, {"evaluator": {
            "type": "train", "recipe": {"base": "small", "epochs": 1}}}),
        ("evaluator: {type: train, data: digits}", "evaluator.data.resolution", 64, {"evaluator": {
            "type": "train", "data": {"type": "digits", "resolution": 64}}}),
        ("evaluator: command", "evaluator.command", ["x"], {"evaluator": {"type": "command", "command": ["x"]}}),
        ("evaluator: {type: train, recipe: {randaugment: null}}", "evaluator.recipe.randaugment.ops", 3,
         {"evaluator": {"type": "train", "recipe": {"randaugment": {"ops": 3}}}}),
        ("sampler: tpe", "sampler.startup", 3, {"sampler": {"type": "tpe", "startup": 3}}),
        ("{}", "final.seeds", 0, {"final": {"seeds": 0}}),
        ("{}", "budget['macs@64']", "<= 5M", {"budget": {"macs@64": "<= 5M"}}),
        ("objectives: [accuracy, macs]", "objectives[1]", "params", {"objectives": ["accuracy", "params"]}),
        ("{}", "final.changes.epochs", 5, {"final": {"changes": {"epochs": 5}}}),
    ],
)  # fmt: skip
def test_a_path_goes_through_short_forms_and_makes_what_is_left_out(text, path, value, data):
    assert put(text, path, value).data == data


def test_fields_of_a_space_and_of_a_plan():
    assert put("stem: hr_stem\nhead: null", "stem.width", 8, None).data["stem"] == {"type": "hr_stem", "width": 8}
    assert put("stop: null", "stop.looks", [3], PlanConfig).data == {"stop": {"looks": [3]}}
    assert put("views: [progressive]", "views[0].title", "x", PlanConfig).data["views"][0]["title"] == "x"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("{}", "evalautor.recipe.epochs", "evalautor: does not exist (did you mean evaluator?)"),
        ("evaluator: train", "evaluator.recpie.epochs", "evaluator.recpie: does not exist (did you mean recipe?)"),
        ("trials: 3", "trials.x", "trials: is 3, which has no fields"),
        ("objectives: [macs]", "objectives[1]", "objectives[1]: does not exist: objectives has 1 entry"),
        ("objectives: [macs]", "objectives.first", "objectives.first: does not exist: objectives has 1 entry"),
        ("space: {stem: {width: 3}}", "space.stme.width", "space.stme: does not exist (did you mean stem?)"),
        ("space: {head: null}", "space.head.classes", "space.head: is null, which has no fields"),
    ],
)
def test_a_place_that_cannot_be_reached_is_named(text, path, message):
    with pytest.raises(FieldError) as caught:
        put(text, path, 1)
    assert str(caught.value) == message


def test_values_say_where_they_come_from():
    document = put("a: 1\nfinal:\n  seeds: 3\n  members: 9\n", "final.seeds", {"x": 1})
    assert str(document.refuse(("final", "seeds"), "is bad")) == "--set final.seeds: is bad"
    assert str(document.refuse(("final", "seeds", "x"), "is bad")) == "--set final.seeds: x: is bad"
    assert str(document.refuse(("final", "members"), "is bad")) == "f.yaml:4: final.members: is bad"
    assert document.refuse(("final", "seeds"), "").field == "final.seeds"  # repairs of a space go by the field
    assert str(document.below("final").refuse(("seeds",), "is bad")) == "--set final.seeds: is bad"
    assert str(part_of(document, ("final",)).refuse(("members",), "is bad")) == "f.yaml:4: members: is bad"


def test_a_mapping_is_laid_over_one_of_the_same_kind_and_replaces_another():
    draft = Draft(parse_document("evaluator: {type: train, recipe: {epochs: 3, lr: 0.1}}\nfinal: {seeds: 1}", "b"))
    draft.lay(parse_document("evaluator: {recipe: {epochs: 5}}\nfinal: {members: 4}\n", "o"), whole=("final",))
    recipe = {"epochs": 5, "lr": 0.1}
    assert draft.document.data == {"evaluator": {"type": "train", "recipe": recipe}, "final": {"members": 4}}
    draft.lay(parse_document("evaluator: {recipe: {base: small, epochs: 2}}\n", "o"))
    assert draft.document.data["evaluator"]["recipe"] == {"base": "small", "epochs": 2}
    draft.lay(parse_document("evaluator: {type: table}\nset: 3\n", "o"), skip=("set",))
    assert draft.document.data == {"evaluator": {"type": "table"}, "final": {"members": 4}}


words = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
trees = st.recursive(
    st.integers(0, 9), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
)


def leaves(node, place=()):
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    yield place
    for key, value in inside:
        yield from leaves(value, (*place, key))


@given(st.dictionaries(words, trees, min_size=1, max_size=3), st.data())
def test_a_value_that_is_put_stands_there_and_nothing_else_changes(tree, data):
    before = deepcopy(tree)
    places = [place for place in leaves(tree) if place]
    place = data.draw(st.sampled_from(places))
    draft = Draft(Document(tree, ""))
    draft.put(place, Document("new", ""))
    after = draft.document.data
    assert tree == before
    assert get(after, place) == "new"
    others = [one for one in places if one[: len(place)] != place and place[: len(one)] != one]
    assert all(get(after, one) == get(before, one) for one in others)
