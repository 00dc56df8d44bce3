"""Parts are found by being there, and follow the conventions that make them findable."""

import importlib.metadata
import inspect
from pathlib import Path
from typing import Literal, final

import pytest

import blocks
from archspec.errors import SpecError
from blocks import catalog
from blocks.component import Block, Downsample, Head, Stem
from blocks.layers.basic.conv import dwconv
from blocks.layers.combine import residual


@final
class Clash(Block):
    """A block with the tag of another."""

    type: Literal["hr"] = "hr"

    def layers(self, width):
        return residual(dwconv(width))


@pytest.fixture
def entry_point(monkeypatch):
    """Installs one object as an entry point of the group."""

    def install(value):
        entry = importlib.metadata.EntryPoint("mine", f"{__name__}:{value}", catalog.GROUP)
        monkeypatch.setattr(catalog, "entry_points", lambda group: [entry] if group == catalog.GROUP else [])
        monkeypatch.setattr(importlib.metadata.EntryPoint, "load", lambda self: globals()[value])
        catalog._by_tag.cache_clear()

    yield install
    catalog._by_tag.cache_clear()


def test_every_file_is_a_part():
    root = Path(blocks.__file__).parent
    folders = [root, *(root / folder for folder in ("stems", "downsamples", "exchanges")), *(root / "heads").iterdir()]
    files = {path.stem for folder in folders for path in folder.glob("[a-z]*.py")} - {"catalog", "component"}
    assert {catalog.tag(part).lower() for part in catalog.parts()} == files
    for kind, some in ((Stem, "hr_stem"), (Block, "T"), (Downsample, "irds_a"), (Head, "classifier")):
        assert some in [catalog.tag(part) for part in catalog.find(kind)]


@pytest.mark.parametrize("part", catalog.parts(), ids=catalog.tag)
def test_a_part_is_one_file_named_after_its_tag(part):
    assert part.__module__.rpartition(".")[2] == catalog.tag(part).lower()
    assert getattr(part, "__final__", False)
    assert len(part.__mro__) == 5  # itself, its kind, BaseModel, ABC, object
    assert "Source: " in inspect.getdoc(part)
    for name, field in part.model_fields.items():
        assert name == "type" or field.description, f"{name} needs a description"


def test_tags_are_found_in_any_case_and_nothing_else_is():
    assert catalog.find_part("cffn") is catalog.find_part("CFFN") is not None
    assert [catalog.find_part(name) for name in ("cffn ", "", None, 3, [])] == [None] * 5


def test_two_parts_cannot_share_a_tag(entry_point):
    entry_point("Clash")
    with pytest.raises(SpecError, match=r"type hr is defined by both blocks\.hr and "):
        catalog.parts()


def test_an_entry_point_must_name_a_part(entry_point):
    entry_point("pytest")
    with pytest.raises(SpecError, match=r"archspec\.blocks: entry point mine must name a Stem, Block, Downsample, Exc"):
        catalog.parts()
