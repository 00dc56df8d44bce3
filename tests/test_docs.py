"""The docs cannot rot: their commands are generated, their examples are run, their links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import parse
from blocks.catalog import parts, tag
from search.ablation.plan import parse_plan
from search.ablation.rows import Ablation
from search.infer.case import parse_case
from search.space.holes import has_holes
from search.space.space import parse_space
from search.study.config import parse_study, studies

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [(page.name, text) for page in PAGES for text in pattern.findall(page.read_text())]


def test_the_command_line_reference_is_generated():
    command = [sys.executable, "-m", "typer", "--app", "app", "archspec.cli.app", "utils", "docs", "--name", "archspec"]
    made = subprocess.run(
        [*command, "--title", "archspec: the command line"], capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs" / "cli.md").read_text() == made.stdout, "run `make docs`"


def test_the_page_on_specs_names_every_part():
    rows = re.findall(r"^\|[^|]+\|(.*)\|$", (ROOT / "docs" / "spec.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(tag(part) for part in parts())


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_every_yaml_example_loads(page, text):
    document = parse_document(text, page)
    if "space" in document.data or document.data.get("base") in studies():
        assert parse_study(document).trials
    elif "views" in document.data:
        assert Ablation(parse_plan(document)).runs
    elif "cells" in document.data:
        assert parse_case(document).cells
    elif has_holes(document.data):
        assert parse_space(document).count() > 1
    else:
        spec = parse(document)
        assert spec.stages or spec.branched


def test_there_are_examples_to_check():
    assert len(blocks("yaml")) >= 5
    with pytest.raises(SpecError):
        parse(parse_document(blocks("yaml")[0][1].replace("stages", "stage"), "broken"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_the_walk_through_for_a_new_block_works_as_written(tmp_path):
    source = next(text for page, text in blocks("python") if page == "blocks.md" and "class Gated" in text)
    assert "Source: " in source  # as tests/blocks/test_catalog.py asks of every part
    (tmp_path / "gated.py").write_text(source)
    code = f"""
import blocks
blocks.__path__.append({str(tmp_path)!r})
from archspec.model.audit import audit
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.spec.json_schema import json_schema
from archspec.loader import parse
from blocks.catalog import parts, tag
from search.space.space import parse_space
text = "resolution: 32\\nstem: hr_stem\\nstages: [{{block: gated, depth: 2, width: 8, kernel: 7}}]\\n"
assert audit(parse(parse_document(text, "s"))).cost.macs > 0
assert "gated" in str(json_schema())
space = text.replace("gated, depth: 2", "{{choice: [HR, gated]}}").replace(", kernel: 7", "")
assert parse_space(parse_document(space, "s")).count() == 2
try:
    parse(parse_document(text.replace("7", "6"), "s.yaml"))
except SpecError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "s.yaml:3: stages[0]: kernel 6 must be odd\n"


def test_the_walk_through_for_a_torch_module_works_as_written(tmp_path):
    package, info = tmp_path / "my_package", tmp_path / "my_package-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("")
    for name, word in (("modules", "class AxialAttention"), ("axial", "class Axial(")):
        source = next(text for page, text in blocks("python") if page == "blocks.md" and word in text)
        (package / f"{name}.py").write_text(source)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[archspec.blocks]\naxial = my_package.axial:Axial\n")
    code = """
from archspec.model.audit import audit
from archspec.testing.contract import check_part
from archspec.documents.reader import parse_document
from archspec.loader import parse
from blocks.catalog import parts, tag
from blocks.catalog import find_part
text = "resolution: 64\\nstem: hr_stem\\nstages: [{block: axial, depth: 2, width: 8, heads: 2}]\\n"
assert audit(parse(parse_document(text, "s"))).cost.macs > 0
check_part(find_part("axial"), specs=1)
"""
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "ARCHSPEC_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
