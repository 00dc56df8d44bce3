"""The docs cannot rot: their commands are generated, their examples are run, their links lead somewhere."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from archspec.cli.app import PANELS, command_names, make_app
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import parse
from blocks.catalog import parts, tag
from search.ablation.plan import parse_plan
from search.ablation.rows import Ablation
from search.infer.case import parse_case
from search.run.pools.engine import describe_engines, parse_engine
from search.space.holes import has_holes
from search.space.space import parse_space
from search.study.reading import parse_study, studies

ROOT = Path(__file__).parents[1]
INDEX = ROOT / "docs" / "index.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def blocks(language: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [(page.name, text) for page in PAGES for text in pattern.findall(page.read_text())]


def test_the_command_line_reference_is_generated():
    command = [sys.executable, "-m", "typer", "--app", "app", "archspec.cli.app", "utils", "docs", "--name", "archspec"]
    made = subprocess.run(
        [*command, "--title", "archspec: the command line"], capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs" / "reference" / "cli.md").read_text() == made.stdout, "run `make docs`"


def test_the_page_of_commands_has_each_in_its_panel():
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    shown = {
        panel: set(re.findall(r"^\| `archspec (\w+)", rows, re.MULTILINE))
        for panel, rows in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    }
    panels = {name: import_module(f"archspec.cli.commands.{name}").PANEL for name in command_names()}
    assert shown == {panel: {name for name in panels if panels[name] == panel} for panel in PANELS}
    assert list(shown) == list(PANELS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_exists_with_its_options(page):
    command = get_command(make_app(command_names()))
    assert isinstance(command, TyperGroup)
    text = page.read_text()
    fences = "\n".join(re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    shown = re.findall(r"^(?:\$ )?(archspec [a-z].*)$", fences, re.MULTILINE) + re.findall(
        r"`(archspec [a-z][^`\n]*)", text
    )
    for line in (part for piped in shown for part in piped.split(" #")[0].split(" | ")):
        _, name, *words = line.split()
        options = {option for parameter in command.commands[name].params for option in parameter.opts}
        options.add("--help")
        assert {word for word in words if word.startswith("--")} <= options, line


def test_the_page_on_specs_names_every_part():
    rows = re.findall(r"^\|[^|]+\|(.*)\|$", (ROOT / "docs" / "reference" / "spec.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(tag(part) for part in parts())


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_every_yaml_example_loads(page, text, write_examples, monkeypatch, tmp_path):
    write_examples(next(path for path in PAGES if path.name == page), tmp_path)
    monkeypatch.chdir(tmp_path)  # an example may name another one of its page
    document = parse_document(text, page)
    if "space" in document.data or document.data.get("base") in studies():
        assert parse_study(document).trials
    elif "views" in document.data:
        assert Ablation(parse_plan(document)).runs
    elif "cells" in document.data:
        assert parse_case(document).cells
    elif document.data.get("type") in describe_engines():
        assert parse_engine(document.data).workers
    elif has_holes(document.data):
        assert parse_space(document).count() > 1
    else:
        spec = parse(document)
        assert spec.stages or spec.branched


def test_there_are_examples_to_check():
    assert len(blocks("yaml")) >= 5
    with pytest.raises(SpecError):
        parse(parse_document(blocks("yaml")[0][1].replace("stages", "stage"), "broken"))


def links(page: Path) -> list[Path]:
    """The files and folders that a page links to, outside the network."""
    targets = [target for target in LINK.findall(page.read_text()) if not target.startswith(("http://", "https://"))]
    return [(page.parent / target).resolve() for target in targets]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    assert [target for target in links(page) if not target.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_finds_one(page):
    for target, heading in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            text = (page.parent / target).read_text() if target else page.read_text()
            assert heading in [anchor(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]


def anchor(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def test_every_page_is_reachable_from_the_index():
    assert INDEX in links(ROOT / "README.md")
    reached, waiting = set[Path](), [INDEX]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += [target for target in links(page) if target.suffix == ".md" and ROOT / "docs" in target.parents]
    assert sorted(reached) == sorted((ROOT / "docs").rglob("*.md"))


def test_a_page_stands_in_one_of_four_folders():
    places = {page.relative_to(INDEX.parent).parts[0] for page in INDEX.parent.rglob("*.md")}
    assert places - {"index.md", "python.md"} == {"start", "reference", "explain", "papers"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_module_that_a_page_names_exists(page):
    text = page.read_text()
    for named in re.findall(r"(?<![\w/.])((?:archspec|blocks|search|reports|tests|benchmarks)/[\w./-]*\w)", text):
        assert (ROOT / named).exists() or named == "blocks/gated.py", named  # which the reader is asked to write
    for line in re.findall(r"^from ((?:archspec|blocks|search|reports)\b\S*) import (.+)$", text, re.MULTILINE):
        module = import_module(line[0])
        assert all(hasattr(module, name.split(" as ")[0]) for name in line[1].split(", ")), line


def test_every_page_that_the_code_names_exists():
    """Messages, help texts, comments of shipped files and docstrings send readers to pages by their path."""
    for package in ("archspec", "blocks", "search", "reports", "benchmarks"):
        for source in (ROOT / package).rglob("*"):
            if source.suffix in (".py", ".yaml"):
                for named in re.findall(r"\bdocs/[\w/]+\.md", source.read_text(encoding="utf-8")):
                    assert (ROOT / named).is_file(), f"{source}: {named}"


@pytest.mark.parametrize("page", ["README.md", "docs/start/first_hour.md"])
def test_the_python_shown_runs_and_gives_the_numbers_shown(page, write_examples, monkeypatch, tmp_path):
    write_examples(ROOT / page, tmp_path)
    monkeypatch.chdir(tmp_path)
    examples = [text for name, text in blocks("python") if name == Path(page).name]
    assert examples
    for text in examples:
        names: dict[str, object] = {}
        exec(text, names)
        for expression, number in re.findall(r"^(archspec\..*?)  # (\d+)\b", text, re.MULTILINE):
            assert eval(expression, names) == int(number)


def test_the_readme_opens_with_the_figure_and_three_jobs():
    screen = (ROOT / "README.md").read_text().splitlines()[:45]
    assert any(line.startswith("![") for line in screen)
    assert [line.split("**")[1] for line in screen if line.startswith("**")] == ["Design", "Search", "Ablate"]
    assert sum(line.startswith("archspec ") for line in screen) == 9


def test_the_changelog_keeps_its_form():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[0] == "[Unreleased]"
    kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert kinds
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


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
from archspec.json_schema.spec import json_schema
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


@pytest.fixture
def installed(tmp_path):
    """Installs the Python examples of a page as modules of a package with entry points; gives its environment."""

    def install(page: str, modules: dict[str, str], points: str) -> dict[str, str]:
        package, info = tmp_path / "my_package", tmp_path / "my_package-1.0.dist-info"
        package.mkdir()
        info.mkdir()
        (package / "__init__.py").write_text("")
        for name, word in modules.items():
            source = next(text for found, text in blocks("python") if found == page and word in text)
            (package / f"{name}.py").write_text(source)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
        path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
        return {**os.environ, "PYTHONPATH": path, "ARCHSPEC_CACHE": str(tmp_path / "cache")}

    return install


def test_the_walk_through_for_a_sampler_and_a_logger_works_as_written(tmp_path, installed):
    page = (ROOT / "docs" / "start" / "plugins.md").read_text()
    points = re.findall(r"^```toml\n\[project\.entry-points\.\"(.*?)\"\]\n(\w+) = \"(.*?)\"\n```", page, re.MULTILINE)
    assert [group for group, _, _ in points] == ["archspec.samplers", "archspec.loggers"]
    modules = {"mutation": "class MutateBest", "chat": "class ChatLogger"}
    entries = "".join(f"[{group}]\n{tag} = {place}\n" for group, tag, place in points)
    env = installed("plugins.md", modules, entries)

    def archspec(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "archspec", *arguments, "--runs", str(tmp_path / "runs")]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)

    asked = "space: five_stage_grid\nevaluator: {type: table}\n"
    options = "sampler: {type: mutate_best, rate: 0.3}\nfinal: {seeds: 0}\ntrials: 14\n"
    (tmp_path / "study.yaml").write_text(
        f"name: mine\n{asked}objectives: [accuracy]\n{options}log: {{type: chat, channel: lab}}\n"
    )
    done = archspec("search", "study.yaml")
    assert done.returncode == 0, done.stderr
    assert "#lab trial 0: done\n" in done.stdout
    assert done.stdout.endswith("#lab front: 1 layouts\n#lab finished\n")
    assert "[14/14] trial" in done.stdout + done.stderr
    recorded = yaml.safe_load((tmp_path / "runs" / "mine" / "study.yaml").read_text())
    assert recorded["sampler"] == {"type": "mutate_best", "startup": 10, "rate": 0.3}
    done = archspec("search", "mine", "--trials", "16")
    assert "[16/16] trial" in done.stdout + done.stderr, done.stderr
    (tmp_path / "study.yaml").write_text(f"name: two\n{asked}{options}")
    done = archspec("search", "study.yaml")
    assert (done.returncode, done.stderr) == (
        2,
        "archspec: study.yaml:4: sampler: mutate_best takes one objective, not accuracy and macs\n",
    )
    done = archspec("search", "study.yaml", "--sampler", "mutate_bst")
    assert "study.yaml:4: sampler.type: unknown sampler 'mutate_bst' (did you mean mutate_best?)" in done.stderr


def test_the_walk_through_for_a_torch_module_works_as_written(installed):
    modules = {"modules": "class AxialAttention", "axial": "class Axial("}
    env = installed("blocks.md", modules, "[archspec.blocks]\naxial = my_package.axial:Axial\n")
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
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
