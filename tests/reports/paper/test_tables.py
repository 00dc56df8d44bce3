"""The executable paper: every published cell, the digits of the reconstruction, and what happens to bad rows."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import load
from reports.paper.tables import Paper, PaperCell, compute, paper, papers
from reports.paper.text import inferred, markdown, offs, record, summary, to_csv
from reports.records.published import published

SMALL = """
title: small
families: {W: {description: none}, V: {description: other, parts: {irds_a: {expansion: 2}}}}
rows:
  - {table: VII, row: 1, label: one, at: 64, published: {table7_ablation: {row: 1}}, BASE}
"""

# docs/papers/hiri_vit.md and the reconstruction behind it: millions of parameters, 10⁹ multiply-adds.
DIGITS: dict[str, tuple[float, float]] = {
    **{f"II-S-{at}": (34.729, gmacs) for at, gmacs in ((224, 4.529), (384, 4.820), (448, 5.040))},
    **{f"II-B-{at}": (54.367, gmacs) for at, gmacs in ((224, 8.088), (384, 9.192), (448, 9.932))},
    **{f"II-L-{at}": (94.208, gmacs) for at, gmacs in ((224, 16.868), (384, 18.557), (448, 19.836))},
    "III-S-768": (34.729, 16.123),
    "III-B-768": (54.367, 31.634),
    "III-L-768": (94.208, 63.279),
    "VII-1": (34.827, 4.360),
    "VII-2": (35.091, 4.408),
    "VII-3": (34.154, 4.248),
    "VII-4": (34.154, 4.240),
    "VII-5": (34.183, 4.511),
    "VII-6": (34.483, 4.666),
    "VII-7": (34.483, 21.431),
    "VII-8": (34.686, 5.817),
    "VII-9": (34.687, 5.151),
    "VII-10": (34.729, 5.040),
    "VII-11": (34.729, 5.040),
    "VIII-1": (30.935, 2.480),
    "VIII-2": (34.719, 4.800),
    "VIII-3": (34.725, 5.352),
    "VIII-4": (34.729, 5.040),
}


@pytest.fixture(scope="module")
def hiri() -> Paper:
    return paper("hiri-vit")


def small(base: str, family: str = "W") -> Paper:
    return compute(parse_document(SMALL.replace("BASE", base), "small.yaml"), "small", family)


def test_the_digits_are_those_of_the_reconstruction(hiri: Paper) -> None:
    found = {row.name: (round(row.params / 1e6, 3), round(row.paper_macs / 1e9, 3)) for row in hiri.rows if row.cells}
    assert found == DIGITS


def test_every_published_cost_of_the_paper_is_a_cell(hiri: Paper) -> None:
    own = [published(name) for name in ("table2_imagenet1k", "table3_higher_resolution")]
    tables = [*(table[table["network"].str.startswith("HIRI-ViT")] for table in own)]
    tables += [published("table7_ablation"), published("table8_block_kinds")]
    wanted = sorted((float(line["params_m"]), float(line["gmacs"])) for t in tables for line in t.to_dict("records"))
    cells = [tuple(cell.published for cell in row.cells) for row in hiri.rows if row.cells]
    assert sorted(cells) == wanted
    assert len(hiri.rows) >= 28
    assert [row.table for row in hiri.rows if not row.cells] == ["I", "I", "I"]


def test_every_cell_that_is_off_has_a_reason_and_is_shown(hiri: Paper) -> None:
    off = [(row, cell) for row, cell in hiri.cells if cell.verdict == "off"]
    assert {row.name for row, _ in off} == {"II-S-384", "II-B-224", "II-B-384", "II-L-384", "VII-3", "VIII-1"}
    assert all(row.off for row, _ in off)
    assert len(offs(hiri)) == len(off) == 7
    assert summary(hiri).startswith("54 cells: 47 within 1 %")


def test_rows_are_the_presets_where_they_should_be(hiri: Paper) -> None:
    rows = {row.name: row for row in hiri.rows}
    assert rows["I-S"].spec.digest == rows["VIII-4"].spec.digest == load("hiri-vit-s").digest
    assert rows["VII-10"].spec.digest == rows["VII-11"].spec.digest == load("hiri-vit-s").digest
    assert rows["II-B-224"].paper_macs == measure(load("hiri-vit-b"), 224).paper_macs
    assert rows["I-L"].spec.digest == load("hiri-vit-l").digest


@pytest.mark.parametrize(
    ("published", "computed", "verdict"),
    [
        (4.5, 4.549, "rounds"),
        (4.5, 4.451, "rounds"),
        (4.5, 4.552, "off"),
        (94.4, 94.208, "near"),
        (94.4, 93.4, "off"),
        (1.0, 1.04, "rounds"),
    ],
)
def test_verdicts(published: float, computed: float, verdict: str) -> None:
    assert PaperCell("GMACs", published, round(computed * 1e9)).verdict == verdict
    assert PaperCell("params", published, round(computed * 1e6)).verdict == verdict


@pytest.mark.parametrize("family", ["V", "X", "U"])
def test_families_change_the_transitions_and_fit_about_as_well(hiri: Paper, family: str) -> None:
    other = paper("hiri-vit", family)
    rows = {row.name: row for row in other.rows}
    options = {stage.downsample for stage in rows["I-S"].spec.stages[3:]}
    assert {(option.expansion, option.shortcut) for option in options} == {(4, "conv2")}  # type: ignore[union-attr]
    assert rows["VII-5"].params == {row.name: row for row in hiri.rows}["VII-5"].params
    native = [cell for row, cell in other.cells if row.table in ("II", "III") and row.resolution in (448, 768)]
    assert all(abs(cell.difference) <= 1 for cell in native)
    assert other.count("off") <= 10


def test_family_v_widens_the_stem_of_l() -> None:
    stem = {row.name: row for row in paper("hiri-vit", "V").rows}["II-L-224"].spec.stem
    assert (stem.width, stem.hidden) == (64, 80)  # type: ignore[attr-defined]


def test_a_part_that_states_an_option_keeps_it_in_every_family() -> None:
    stages = "stages: [{block: HR, width: 8}, {block: HR, width: 8, downsample: DOWN}]"
    spec = f"spec: {{stem: hr_stem, {stages}}}"
    stated, left = spec.replace("DOWN", "{type: irds_a, expansion: 3}"), spec.replace("DOWN", "irds_a")
    assert small(stated, "V").rows[0].params == small(stated).rows[0].params
    assert small(left, "V").rows[0].params < small(left).rows[0].params


@pytest.mark.parametrize(
    ("base", "error"),
    [
        ("base: VII-1", "small.yaml:5: rows[0].base: a row needs a spec, or a base that does not lead back to it"),
        ("label2: x", "small.yaml:5: rows[0].label2: unknown field (did you mean label?)"),
        ("base: tiny, edits: {stem.widht: 3}", "small.yaml:5: rows[0].edits: stem.widht: does not exist"),
        ("base: tiny, edits: {'stages[0].width': 0}", "small.yaml: VII-1: stages[0].width: "),
        ("base: nothing", "small.yaml:5: rows[0].base: 'nothing' is no file, preset"),
    ],
)
def test_bad_rows_are_refused_where_they_stand(base: str, error: str) -> None:
    with pytest.raises(SpecError) as raised:
        small(base)
    assert str(raised.value).startswith(error)


def test_a_published_line_must_be_one() -> None:
    text = SMALL.replace("{row: 1}", "{row: 12}").replace("BASE", "base: tiny")
    with pytest.raises(SpecError, match=r"row 12 must name one line of table7_ablation\.csv, not 0"):
        compute(parse_document(text, "small.yaml"), "small")


def test_the_command_prints_a_table_of_the_width_of_the_terminal(run_at: Any) -> None:
    lines = run_at(100, "paper", "hiri-vit")
    assert max(map(len, lines)) <= 100
    assert next(line.split() for line in lines if "HR-HR-HR-HR-T" in line)[2:-1] == [
        *("448", "33.2", "30.935", "✗", "-6.8", "4.3", "2.480", "✗", "-42.3")
    ]


def test_json_csv_and_markdown_hold_every_row(run: Any, hiri: Paper) -> None:
    data = json.loads(run("paper", "hiri-vit", "--json")[1])
    assert data == record(hiri)
    assert [row["params"] for row in data["rows"]] == [row.params for row in hiri.rows]
    lines = list(csv.DictReader(io.StringIO(to_csv(hiri))))
    assert len(lines) == len(hiri.cells) + 2 * 3
    assert markdown(hiri).count("\n| ") == len(hiri.rows) + 5
    assert len(inferred(hiri)) >= 10


def test_the_command_writes_specs_that_load(run: Any, hiri: Paper, tmp_path: Path) -> None:
    code, out, _ = run("paper", "hiri-vit", "--specs", str(tmp_path / "specs"))
    assert code == 0
    assert f"wrote {len(hiri.rows)} specs" in out
    for row in hiri.rows[::5]:
        assert load(tmp_path / "specs" / f"{row.name.lower()}.yaml").digest == row.spec.digest


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("hiri-vitt",),
            "archspec: 'hiri-vitt' is no paper (did you mean hiri-vit?); "
            "there is hiri-dense, hiri-vit, hrformer or hrvit\n",
        ),
        (("hiri-vit", "--family", "Q"), "archspec: --family: must be W, V, X or U, not 'Q'\n"),
        (("hiri-vit", "--json", "--md"), "archspec: --json, --csv, --md: one of them at a time\n"),
        (("hiri-vit", "--plot", "/dev/null/x"), "archspec: /dev/null/x: cannot be written: Not a directory\n"),
    ],
)
def test_bad_input_is_one_line(run: Any, arguments: tuple[str, ...], error: str) -> None:
    code, _, err = run("paper", *arguments)
    assert (code, err) == (2, error)


def test_torch_is_not_imported() -> None:
    code = "import sys; from reports.paper.tables import paper; paper('hiri-vit'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_papers_lists_the_shipped_ones() -> None:
    assert papers() == ("hiri-dense", "hiri-vit", "hrformer", "hrvit")


@pytest.mark.parametrize("text", ["[1]", "5", "[{rows: 1}]"])
def test_what_is_no_mapping_is_no_paper(text: str) -> None:
    with pytest.raises(SpecError, match=r"small.yaml:1: must be a mapping, not "):
        compute(parse_document(text, "small.yaml"), "small")
