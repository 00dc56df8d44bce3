"""Names of a hostile alphabet through every command and report: text stays text, whatever reads it."""

from __future__ import annotations

import csv
import json
import random
import re
import warnings
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import final

import pytest
import yaml
from typer.testing import CliRunner

from archspec.cli.app import app
from archspec.documents.safe_text import csv_cell, printable, steers
from archspec.errors import ArchspecError
from archspec.files.ownership import DIGESTS

MARKS = (
    "[/x]", "[bold red]", "[link=http://a]b[/link]", "[/]", ":smile:", "$\\foo$", "$5 and $6", "$", "\\frac{", "}{",
    "{}", "& % # _ ^ ~", "<script>x</script>", "\"'><img src=x>", "</title>", "&amp;", "=1+1", "+ CFFN", "-x",
    "@SUM(A1)", "|a|", "`code`", "[t](http://x)", "中文 模型", "👩\u200d💻", "שלום", "می\u200cشود", "../../x", "con",
    "{{ 7*7 }}", "{% raw %}", "%s {0}", "_hidden", "w" * 60, "--", "\\", "# head", "1. x", "**b**", "~~s~~",
    "é ß ø Δ", "'", '"', "[", "*",
)  # fmt: skip
"""Text that some output would take for a command."""
STEERING = ("\x1b[31mred", "\x1b]0;title\x07", "a\nb", "\u202egnp.exe", "\x00", "\u2028", "\ud800", "\x9b31m", "\ufeff")
"""Text that steers an output: refused in names, and shown as escapes where it comes from a journal or a path."""
ROUNDS = 1
"""Of names drawn; more by hand."""
SPEC = {"stem": "conv_stem", "stages": [{"block": "CFFN", "width": 16, "depth": 1}]}


def names(seed: int, marks: tuple[str, ...] = MARKS) -> Iterator[str]:
    """Names without end, each mark once before any comes again, alone or with others."""
    generator = random.Random(seed)
    while True:
        for mark in generator.sample(marks, len(marks)):
            yield " ".join([mark, *generator.sample(marks, generator.randrange(3))])[:60]


def run(*arguments: object) -> str:
    """What a command prints, on both streams; the line of an error."""
    result = CliRunner().invoke(app, [str(one) for one in arguments], color=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert isinstance(result.exception, ArchspecError), (arguments, result.exception)
        return f"archspec: {printable(str(result.exception))}\n"
    check_shown(result.output)
    return result.output


def check_shown(text: str) -> None:
    raw = re.sub(r"\x1b\[[0-9;]*m", "", text) if "\x1b[0m" in text else text  # rich's own styles, of help and errors
    assert not [sign for sign in raw if steers(sign) and sign not in "\n\t"]


@final
class PageReader(HTMLParser):
    """The elements of a page, whose ends must match, and its text."""

    VOID = frozenset({"meta", "img", "source", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") for name, _ in attrs), attrs
        assert not any(str(value).startswith("javascript:") for _, value in attrs)
        self.seen.add(tag)
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def check_report(folder: Path) -> str:
    """Check every file of a report; the text of its page."""
    page = PageReader()
    page.feed((folder / "index.html").read_text(encoding="utf-8"))
    assert not page.open
    assert "script" not in page.seen
    shown = "".join(page.text)
    check_shown(shown)
    for path in folder.rglob("*"):
        if path.name == DIGESTS:
            continue
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", path.name), path
        assert path.is_dir() or path.stat().st_size
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                for cell in (cell for row in csv.reader(file) for cell in row):
                    assert cell == csv_cell(cell) or cell.startswith("'")
                    check_shown(cell)
        elif path.suffix == ".tex":
            check_latex(path.read_text(encoding="utf-8"))
        elif path.suffix == ".md":
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, path
    return shown


def check_latex(text: str) -> None:
    """Braces are balanced, mathematics is ours, and what pdfTeX cannot set stands behind the test for other engines."""
    bare = re.sub(r"\{\\ifdefined\\Umathchar [^\\]*\\else \[[U+0-9A-F ]+\]\\fi\}", "", text)
    assert bare.isascii(), [sign for sign in bare if not sign.isascii()]
    escaped = re.sub(r"\\[\\{}$&%#_]", "", bare)
    depth = 0
    for sign in escaped:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert all(len(re.findall(r"(?<!\\)\$", line)) % 2 == 0 for line in bare.splitlines())
    rows = [line for line in bare.splitlines() if line.endswith(r"\\")]
    assert not [row for row in rows if row.startswith(("[", "*"))]


@pytest.fixture(autouse=True)
def _strict():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=UserWarning)  # of glyphs, first of all
        yield


def test_specs_and_spaces_with_hostile_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in zip(names(0), range(ROUNDS * 8), strict=False):
        text = name[0]
        Path("spec.yaml").write_text(yaml.safe_dump({"name": text, "description": text, **SPEC}), encoding="utf-8")
        for options in (("flops",), ("flops", "--csv"), ("flops", "--json"), ("show",), ("validate",), ("lint",)):
            out = run(options[0], "spec.yaml", *options[1:])
            assert not out.startswith("archspec: "), out
        assert json.loads(run("flops", "spec.yaml", "--json"))["name"] == text
        (cell,) = {row["name"] for row in csv.DictReader(run("flops", "spec.yaml", "--csv").splitlines())}
        assert cell == csv_cell(text)
        assert run("flops", "spec.yaml").replace("\n", "").replace(" ", "").find(text[:3].replace(" ", "")) >= 0
    stage = {"block": "CFFN", "width": {"choice": [16, 32]}, "depth": {"range": [1, 3]}}
    space = {"name": "[/x] $\\foo$", "description": "[bold]", "resolution": 64, **SPEC, "stages": [stage]}
    Path("space.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")
    assert "6 " in run("space", "space.yaml")
    run("space", "space.yaml", "--plot", "plot")
    assert Path("plot/population.png").is_file()


@pytest.mark.parametrize("text", STEERING)
def test_what_steers_an_output_is_no_name(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    quoted = json.dumps(text)
    for command, before, after in (
        ("validate", "name: ", yaml.safe_dump(SPEC)),
        ("space", "name: ", yaml.safe_dump({**SPEC, "head": {"choice": ["classifier", None]}})),
        ("ablate", "base: tiny\nedits: {a: {stages[0].depth: 2}}\nviews: [{type: progressive, title: ", "}]"),
        ("infer", "name: ", "cells: []\nspecs: {}\nchoices: {}"),
    ):
        Path("file.yaml").write_text(
            f"{before}{quoted}{after if after == '}]' else chr(10) + after}\n", encoding="utf-8"
        )
        out = run(command, "file.yaml")
        # What YAML itself refuses (lone surrogates) it names as its own rule.
        assert re.search(r"file\.yaml:\d: .*(must be plain text|malformed YAML)", out), out
        assert out.count("\n") == 1
        check_shown(out)


def test_a_search_with_hostile_labels_is_reported(make_run):
    for round_ in range(ROUNDS):
        drawn = names(round_)
        own = [{"name": "energy_j", "title": next(drawn)[:60], "unit": "J", "direction": "minimize"}]
        metric = {"name": "accuracy", "label": next(drawn), "dataset": next(drawn), "benchmark": None}
        failures = (next(drawn), next(drawn), *STEERING)
        options = {"attributes": {"metric": metric}, "own": tuple(own), "objectives": ("accuracy", "energy_j")}
        folder = make_run(f"run{round_}", failures=failures, trials=12, baseline=8, seeds=2, **options)
        assert run("report", folder).strip() == str(folder / "report" / "index.html")
        shown = check_report(folder / "report")
        assert all(printable(one) in shown for one in failures[:2])
        assert metric["dataset"] in shown
        assert run("review", folder)


def test_an_ablation_with_hostile_labels_is_reported(make_ablation):
    for round_ in range(ROUNDS):
        drawn = names(10 + round_)
        labels = [next(drawn) for _ in range(4)] + [f"{round_} {text}" for text in STEERING[:2]]
        generator = random.Random(round_)
        scores: dict[str, list[float | None]] = {
            label: [80 + index + generator.random() for _ in range(4)]
            for index, label in enumerate(dict.fromkeys(labels))
        }
        metric = {"name": "accuracy", "label": next(drawn), "dataset": next(drawn), "benchmark": None}
        folder = make_ablation(scores, name=f"run{round_}", seeds=4, attributes={"metric": metric})
        assert run("report", folder).strip() == str(folder / "report" / "index.html")
        shown = check_report(folder / "report")
        assert all(printable(label) in shown for label in labels)
        assert "points" in run("power", folder)
        assert run("review", folder)


def test_a_run_that_recorded_a_name_that_is_refused_now_is_reported(make_run):
    folder = make_run(trials=4, baseline=0, startup=0, final=False, failures=(), duplicates=0)
    for path in folder.glob("artifacts/*/spec.yaml"):
        path.write_text(path.read_text().replace("name: unnamed", 'name: "a\\e[31m"'))
    assert "index.html" in run("report", folder)


def test_paths_that_steer_are_shown_as_escapes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("\x1b[31m.yaml", "[/x].yaml", "a\nb.yaml", "\u202ea.yaml"):
        Path(text.replace("/", "_")).write_text("a: [", encoding="utf-8")
        for command in ("flops", "validate", "lint", "space", "search", "report", "review"):
            out = run(command, text)
            check_shown(out)
