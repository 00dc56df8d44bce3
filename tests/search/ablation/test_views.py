"""Which rows a view makes, and what each is compared with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import FieldError
from search.ablation.views import MAX_DESIGN, parse_view

LABELS = {"a": "edit A", "b": "edit B", "c": "edit C"}


def rows(raw, labels=LABELS):
    return [(row.label, row.edits, row.against) for row in parse_view(raw).combine(labels, "base")]


def test_progressive_adds_one_edit_at_a_time_and_compares_with_the_row_before():
    assert rows("progressive") == [
        ("base", (), None),
        ("edit A", ("a",), 0),
        ("edit B", ("a", "b"), 1),
        ("edit C", ("a", "b", "c"), 2),
    ]
    assert rows({"type": "progressive", "edits": ["c", "a"]})[-1] == ("edit A", ("c", "a"), 1)


def test_leave_one_out_and_in():
    assert rows("leave_one_out") == [
        ("all edits", ("a", "b", "c"), None),
        ("without edit A", ("b", "c"), 0),
        ("without edit B", ("a", "c"), 0),
        ("without edit C", ("a", "b"), 0),
    ]
    assert rows("leave_one_in") == [("base", (), None), *((LABELS[n], (n,), 0) for n in "abc")]


@given(st.integers(1, 5))
def test_a_full_factorial_has_every_subset_once(k):
    labels = {f"e{i}": f"E{i}" for i in range(k)}
    found = rows("factorial", labels)
    assert len(found) == len({frozenset(edits) for _, edits, _ in found}) == 2**k
    assert found[0] == ("base", (), None)
    assert all(against == 0 for _, _, against in found[1:])
    assert all(label == " + ".join(labels[name] for name in edits) for label, edits, _ in found[1:])


def test_a_fraction_holds_the_base_and_states_its_generators():
    view = parse_view({"type": "factorial", "fraction": 1, "generators": {"c": ["a", "b"]}})
    assert {edits for _, edits, _ in rows(view)} == {(), ("a", "c"), ("b", "c"), ("a", "b")}
    assert [str(one) for one in view.design(LABELS).generators] == ["c = -a b"]


def test_enumerate_lists_rows_or_crosses_values():
    listed = {"type": "enumerate", "rows": [["a", "b"], {"label": "mine", "edits": ["c"]}, []]}
    assert rows(listed) == [("edit A + edit B", ("a", "b"), 2), ("mine", ("c",), 2), ("base", (), None)]
    assert [against for _, _, against in rows({**listed, "against": "mine"})] == [1, None, 1]
    over = {"type": "enumerate", "over": {"stages[2].block": ["HR", {"type": "T", "heads": 2}], "stem.width": [8, 16]}}
    found = rows(over)
    assert [label for label, _, _ in found] == [
        "HR, 8",
        "HR, 16",
        "{type: T, heads: 2}, 8",
        "{type: T, heads: 2}, 16",
    ]
    assert found[1][1] == ("stages[2].block = HR", "stem.width = 16")
    assert parse_view(over).own_edits()["stem.width = 16"] == {"stem.width": 16}
    assert [against for _, _, against in found] == [None, 0, 0, 0]


@pytest.mark.parametrize(
    ("raw", "field", "message"),
    [
        ("progresive", "type", r"unknown view 'progresive' \(did you mean progressive\?\)"),
        (3, "", "must be the name of the view or a mapping with its type, not 3"),
        ({"type": "leave_one_out", "edits": ["a", "d"]}, "edits", r"names no edit of the plan: 'd'; there are a, b, c"),
        ({"type": "leave_one_out", "edits": ["a", "a"]}, "edits", "names 'a' twice"),
        ({"type": "leave_one_out", "edits": []}, "edits", "at least 1"),
        ({"type": "enumerate"}, "rows", "needs either rows"),
        ({"type": "enumerate", "rows": [["a"]], "edits": ["a"]}, "edits", "names its edits in rows"),
        ({"type": "enumerate", "rows": [["a", "x"]]}, "rows[0]", "names no edit of the plan: 'x'"),
        ({"type": "enumerate", "rows": [["a"], ["b"]], "against": "edit C"}, "against", r"no row is called 'edit C'"),
        ({"type": "factorial", "fraction": 3}, "fraction", "3 factors are told apart by at least 4 runs"),
        ({"type": "factorial", "generators": {"c": ["a", "b"]}}, "generators", r"fraction"),
        ({"type": "progressive", "name": "a b"}, "name", "must be text that matches .*, not 'a b'"),
    ],
)
def test_what_is_refused(raw, field, message):
    with pytest.raises(FieldError, match=message) as caught:
        parse_view(raw).combine(LABELS, "base")
    assert caught.value.field.startswith(field)


def test_a_design_that_nobody_could_train_is_refused():
    labels = {f"e{i}": f"E{i}" for i in range(12)}
    assert MAX_DESIGN < 2**12
    with pytest.raises(FieldError, match=r"2\^12 rows are more than 1024; raise fraction or name fewer edits"):
        rows("factorial", labels)
