"""What a spec is: frozen, with an identity, and variants at given resolutions."""

from typing import Literal, final

import pytest
from pydantic import ValidationError, field_validator
from pydantic_core import PydanticCustomError

from archspec.documents.reader import parse_document
from archspec.loader import load, parse
from archspec.spec.diagnosis import first_problem
from archspec.spec.schema import ArchSpec, StageSpec
from blocks.component import Block
from blocks.hr import HR
from blocks.layers.basic.conv import dwconv

BASE = """
resolution: 64
stem: hr_stem
stages:
  - {block: [HR, CFFN], width: 8}
  - {block: [CFFN, T, T], width: 16, downsample: irds_a}
"""


def spec_of(text: str) -> ArchSpec:
    return parse(parse_document(text, "spec.yaml"))


def test_identity_is_the_layout_and_not_its_name():
    base = spec_of(BASE)
    assert base.digest == spec_of(f"name: other\ndescription: words\nstatus: published\n{BASE}").digest
    others = [
        BASE.replace("64", "65"),
        BASE.replace("width: 8", "width: 9"),
        BASE.replace("irds_a", "irds_b"),
        BASE.replace("[HR, CFFN]", "[CFFN, HR]"),
        BASE + "head: classifier\n",
        BASE + "drop_path: 0.1\n",
        BASE + "channels: 1\n",
        BASE + "variants: {96: {drop_path: 0.5}}\n",
    ]
    digests = [base.digest, *(spec_of(text).digest for text in others)]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests)


def test_identity_does_not_change_between_versions():
    # These name the folders of runs: a change of the canonical form must be deliberate.
    assert load("hiri-vit-s").digest == "6c7db25e1668d80b"
    assert load("tiny").digest == "94676b2626c710a7"


def test_a_copy_has_an_identity_of_its_own():
    spec = spec_of(BASE)
    before = spec.digest
    assert spec.at(96).digest == spec_of(BASE.replace("64", "96")).digest
    assert spec.model_copy(update={"drop_path": 0.2}).digest == spec_of(f"{BASE}drop_path: 0.2\n").digest
    assert spec.digest == before
    assert spec.at(64) is spec


def test_a_spec_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        spec_of(BASE).name = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_variants_change_what_their_path_says_and_nothing_else():
    spec = spec_of(
        f'{BASE}variants:\n  96: {{"stages[1].downsample.stride": 1, "stages[1].heads": 4, "stages[0].resize": 9}}\n'
    )
    changed = spec.at(96)
    assert changed.stages[1].downsample.stride == 1
    assert [getattr(block, "heads", None) for block in changed.stages[1].blocks] == [None, 4, 4]
    assert changed.stages[0].resize == 9
    assert (changed.resolution, changed.variants) == (96, {})
    assert spec.at(65).stages == spec.stages
    assert spec.at(65).variants == spec.variants


def test_paths_of_a_variant_are_followed_in_order():
    two = "{type: T, heads: 2}, {type: T, heads: 2}"
    spec = spec_of(f'{BASE}variants: {{96: {{"stages[0].blocks": [{two}], "stages[0].heads": 8}}}}\n')
    assert [block.heads for block in spec.at(96).stages[0].blocks] == [8, 8]


def test_the_variants_of_json_have_text_for_keys():
    text = f"{BASE}variants: {{96: {{drop_path: 0.5}}}}\n"
    assert spec_of(text.replace("96", "'96'")) == spec_of(text)


def test_parts_take_only_what_they_are_told():
    for value in ("4", True, None, float("inf"), 0, 17):
        with pytest.raises(ValidationError):
            HR.model_validate({"type": "HR", "expansion": value})
    assert HR.model_validate({"expansion": 3}).expansion == 3


def test_specs_can_be_made_in_python():
    spec = ArchSpec.model_validate({"stem": "hr_stem", "stages": [{"block": "HR", "width": 8}]})
    assert spec == spec_of("stem: hr_stem\nstages: [{block: HR, width: 8}]\n")
    assert ArchSpec(stem=spec.stem, stages=spec.stages) == spec


@final
class Picky(Block):
    """A block of a third party with an error of its own kind."""

    type: Literal["Picky"] = "Picky"
    number: int = 1

    @field_validator("number")
    @classmethod
    def _is_odd(cls, number: int) -> int:
        if number % 2 == 0:
            raise PydanticCustomError("even", "{number} is {what}", {"number": number, "what": "even: {odd}"})
        return number

    def layers(self, width):
        return dwconv(width)


def test_a_part_may_have_kinds_of_errors_of_its_own(monkeypatch):
    monkeypatch.setattr("archspec.spec.parts.find_part", lambda name: Picky)
    stage = StageSpec.model_validate({"width": 4, "blocks": [{"type": "Picky", "number": 3}]})
    assert stage.blocks == (Picky(number=3),)
    with pytest.raises(ValidationError) as caught:
        StageSpec.model_validate({"width": 4, "blocks": [{"type": "Picky", "number": 2}]})
    assert first_problem(caught.value) == (("blocks", 0, "number"), "2 is even: {odd}")
