"""Structure comes first: what no choice can mend is refused at once, with its line and what is meant."""

import pytest
import yaml

from archspec.documents.reader import Document, parse_document
from archspec.errors import SpecError
from search.space import space as spaces
from search.space.space import parse_space

STAGE = {"block": {"choice": ["HR", "CFFN"]}, "depth": {"range": [1, 4]}, "width": {"range": [32, 64, 8]}}
T = {"type": "T", "heads": {"choice": [7, 11]}}
FINE = {"stem": "hr_stem", "head": "classifier"}


def space_of(**fields):
    text = yaml.safe_dump({**FINE, **fields}, sort_keys=False)
    return parse_space(parse_document(text, "space.yaml"))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([[STAGE] * 8], "space.yaml:4: stages[0]: must be a mapping, not a list: is there a dash too many?"),
        ([STAGE, [STAGE] * 3], "stages[1]: must be a mapping, not a list: is there a dash too many?"),
        ([[[STAGE]]] * 4, "stages[0]: must be a mapping, not a list: is there a dash too many?"),
        (
            {"first": [STAGE] * 4},
            "space.yaml:3: stages: must be a list, not a mapping: each stage begins with a dash",
        ),
        ([{**STAGE, "width": [{"range": [8, 800, 8]}]}] * 5, "stages[0].width: must be a whole number, not a list"),
        ([{"block": {"type": "T", "mlp": {"choice": list("abcde")}}, **{k: STAGE[k] for k in ("depth", "width")}}] * 4,
         "stages[0].block.mlp: T has no option 'mlp'"),
        ([STAGE] * 400, "space.yaml:3: stages: must have at most 32 entries, not 400"),
    ],
)  # fmt: skip
def test_what_no_choice_mends_is_refused_without_a_search(monkeypatch, stages, message):
    decoded = []
    plain = spaces.Space.decode
    monkeypatch.setattr(spaces.Space, "decode", lambda self, params: decoded.append(1) or plain(self, params))
    with pytest.raises(SpecError, match="stages") as caught:
        space_of(stages=stages)
    assert message in str(caught.value)
    assert len(decoded) <= 3


def test_a_stem_that_is_a_list_is_refused_without_a_search(monkeypatch):
    monkeypatch.setattr(spaces, "neighbours", lambda *_: pytest.fail("searched"))
    with pytest.raises(SpecError, match=r"stem: must name a stem .*, not a list"):
        space_of(stem=[{"choice": ["hr_stem", "conv_stem"]}], stages=[STAGE] * 5)


def test_a_space_that_is_one_hole_is_refused():
    with pytest.raises(SpecError, match=r"space.yaml:1: must be a spec with holes, not one hole: `family: "):
        parse_space(Document({"choice": [{**FINE, "stages": [STAGE]}]}, "space.yaml", {(): 1}))


@pytest.mark.parametrize(
    ("bounds", "rule"),
    [
        ([1, 10**9], "must have at most 10000 values, not 1000000000"),
        ([1, 10**390], "must be numbers of at most 1e+15, not [1, 1000"),
        ([1.0, float("inf")], "must be numbers of at most 1e+15, not [1.0, inf]"),
        ([1.0, float("nan")], "must be numbers of at most 1e+15, not [1.0, nan]"),
        ([1, 2, 1e-300], "must have at most 10000 values, not more than can be counted"),
    ],
)
def test_huge_ranges_are_refused_in_a_line(bounds, rule):
    document = Document({**FINE, "stages": [{**STAGE, "depth": {"range": bounds}}]}, "space.yaml", {(): 1})
    with pytest.raises(SpecError) as caught:
        parse_space(document)
    assert f"stages[0].depth.range: {rule}" in str(caught.value)
    assert len(str(caught.value)) < 150


def test_many_options_are_read_quickly(monkeypatch):
    """One layout that is possible shows it of an option of every hole."""
    decoded = []
    plain = spaces.Space.decode
    monkeypatch.setattr(spaces.Space, "decode", lambda self, params: decoded.append(1) or plain(self, params))
    space_of(stages=[{**STAGE, "width": {"choice": list(range(8, 8 * 9000, 8))}}] * 2 + [STAGE] * 3)
    assert len(decoded) <= 70


def test_every_option_is_looked_at_even_beside_one_that_needs_a_repair():
    # Heads of 3 need a width of 48; heads of 7 have none.
    heads = {"block": {"choice": {"HR": "HR", "T": {"type": "T", "heads": {"choice": [1, 2, 3]}}}}}
    row = {"depth": 1, "width": {"choice": [32, 48]}}
    assert space_of(stages=[{**heads, **row}] * 3).count() == (4 * 2) ** 3
    heads["block"]["choice"]["T"]["heads"]["choice"].append(7)
    with pytest.raises(SpecError, match=r"stages\[2\]: width (32|48) must be divisible by heads 7"):
        space_of(stages=[STAGE, STAGE, {**heads, **row}])
