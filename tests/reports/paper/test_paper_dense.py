"""The papers on dense prediction: HRViT, HRFormer, HIRI-ViT's Tables IV to VI and IX, each row as it counts."""

from __future__ import annotations

import csv
import io
import json
from math import prod
from pathlib import Path
from typing import Any

import pytest

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.edits.hiri import to_hiri
from archspec.errors import SpecError
from archspec.loader import load
from reports.paper.tables import Paper, PaperCell, compute, paper
from reports.paper.text import markdown, offs, record, to_csv
from reports.records.published import published

NAMES = ("hrvit", "hrformer", "hiri-dense")
# Rows that cannot be met within half a percent, each with its quantity; all others must be.
OFF = {
    "hrvit": {("Cityscapes-HRViT-b3", "GMACs"), ("UPerNet-HRViT-b3", "params")},
    "hrformer": {(f"ImageNet-HRFormer-{size}", "GMACs") for size in "TSB"},
    "hiri-dense": {
        *((f"IV-Mask-{backbone}", "GMACs") for backbone in ("ResNet50", "ResNet101", "Swin-T", "Swin-S")),
        *((name, "GMACs") for name in ("IV-RetinaNet-ResNet50", "V-Sparse-ResNet50", "VI-HIRI-ViT-S", "VI-HIRI-ViT-B")),
        ("IX-PVTv2-B2-HIRI", "GMACs"),
    },
}
# Cells of shared/architectures' table of reproducible rows, and HIRI-ViT's: millions of parameters, 10⁹ multiply-adds.
DIGITS = {
    "VI-Swin-T": (59.94, 237.17),
    "VI-Swin-S": (81.26, 260.94),
    "VI-ResNet-50": (66.52, 238.14),
    "VI-ResNet-101": (85.51, 257.61),
    "IV-RetinaNet-Swin-T": (38.46, 117.67),
    "IV-RetinaNet-Swin-S": (59.78, 162.36),
    "IV-RetinaNet-PVTv2-B2": (35.10, 121.68),
    "IV-RetinaNet-PVTv2-B3": (54.98, 155.81),
    "IV-RetinaNet-PVTv2-B5": (91.69, 215.68),
    "IV-Mask-PVTv2-B2": (45.02, 165.88),
    "IV-Mask-Swin-T": (47.79, 162.05),
    "IV-Mask-ResNet50": (44.17, 158.07),
    "V-Cascade-ResNet50": (82.01, 636.95),
    "V-Cascade-Swin-T": (85.63, 639.41),
    "V-Cascade-PVTv2-B2": (82.85, 644.43),
    "V-Cascade-HIRI-ViT-S": (88.85, 661.26),
    "VI-HIRI-ViT-S": (61.34, 241.68),
    "IX-DaViT-Tiny-HIRI": (28.44, 4.97),
}
LEFT_OUT = {
    "ResNeSt",
    "DeiT",
    "Twins",
    "RegionViT",
    "ScalableViT",
    "CMT",
    "iFormer",
    "Ortho",
    "Dual-ViT",
    "ConvNeXt V2",
}
SMALL = """
title: small
near: 0.5
rows:
  - {table: A, row: 1, at: 64, convention: half, published: {seed_systems: {system: HRFormer-B, head: OCR}}, BASE}
"""


@pytest.fixture(scope="module")
def found() -> dict[str, Paper]:
    return {name: paper(name) for name in NAMES}


def small(base: str) -> Paper:
    return compute(parse_document(SMALL.replace("BASE", base), "small.yaml"), "small")


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_within_half_a_percent_or_is_off_with_a_reason(found: dict[str, Paper], name: str) -> None:
    info = found[name]
    off = [(row, cell) for row, cell in info.cells if cell.verdict == "off"]
    assert {(row.name, cell.quantity) for row, cell in off} == OFF[name]
    assert all(row.off for row, _ in off)
    assert len(offs(info)) == len(off)
    # A reason that is no longer needed is not kept.
    assert {row.name for row in info.rows if row.off} == {row.name for row, _ in off}
    near = [cell for _, cell in info.cells if cell.verdict == "near"]
    assert all(abs(cell.difference) <= 0.5 for cell in near)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_names_its_convention_and_is_that_cost(found: dict[str, Paper], name: str) -> None:
    for row in found[name].rows[::7]:
        assert row.convention in ("macs", "mmcv", "half", "fvcore")
        assert row.macs == measure(row.spec).under(row.convention).macs


def test_the_digits_are_those_of_the_description(found: dict[str, Paper]) -> None:
    rows = {row.name: row for row in found["hiri-dense"].rows}
    digits = {name: (round(rows[name].params / 1e6, 2), round(rows[name].macs / 1e9, 2)) for name in DIGITS}
    assert digits == DIGITS


def test_every_published_cost_is_a_cell_or_its_backbone_is_named_as_left_out(found: dict[str, Paper]) -> None:
    wanted = sum(int(line["params_m"] != "") + int(line["gmacs"] != "") for line in _published_lines())
    assert len(found["hiri-dense"].cells) == wanted
    notes = " ".join(found["hiri-dense"].file.notes)
    assert all(name in notes for name in LEFT_OUT)


def _published_lines() -> list[dict[Any, str]]:
    """Lines of the four tables with costs, but for those of backbones that are left out."""
    tables = ("table4_coco", "table5_coco_detectors", "table6_ade20k", "table9_other_backbones")
    lines = [line for name in tables for line in published(name, as_text=True).to_dict("records")]
    priced = [line for line in lines if line["params_m"] or line["gmacs"]]
    return [line for line in priced if not any(name in line.get("backbone", "") for name in LEFT_OUT)]


@pytest.mark.parametrize(("name", "system"), [("hrvit", "HRViT"), ("hrformer", "HRFormer")])
def test_every_line_of_the_seed_system_is_a_row(found: dict[str, Paper], name: str, system: str) -> None:
    table = published("seed_systems", as_text=True)
    lines = table[table["system"].str.startswith(system)].to_dict("records")
    cells = sum(int(line["params_m"] != "") + int(line["gmacs"] != "") for line in lines)
    assert (len(found[name].rows), len(found[name].cells)) == (len(lines), cells)


def test_table_ix_is_the_transformation(found: dict[str, Paper]) -> None:
    rows = {row.name: row for row in found["hiri-dense"].rows}
    assert rows["IX-PVTv2-B2-HIRI"].spec.digest == to_hiri(load("pvtv2-b2")).digest
    assert rows["IX-PVTv2-B2"].spec.digest == load("pvtv2-b2").digest


def test_hiri_vit_sees_images_of_twice_the_size(found: dict[str, Paper]) -> None:
    own = {row.px for row in found["hiri-dense"].rows if row.base.startswith("hiri-vit")}
    assert own == {"1600x1200", "1024"}


def test_frozen_parts_are_left_out_of_the_params(found: dict[str, Paper]) -> None:
    row = next(row for row in found["hiri-dense"].rows if row.name == "IV-RetinaNet-ResNet50")
    assert measure(row.spec).params - row.params == 225_344
    with pytest.raises(SpecError, match=r"small.yaml:5: rows\[0\].frozen: must be stem, .* or head, not 'neck'"):
        small("base: tiny, frozen: [neck]")


def test_hrformers_own_counter_bills_most_of_the_rest(found: dict[str, Paper]) -> None:
    # docs/papers/paper.md states these: batch norm 4, softmax 5, relative positions and dropout 1 each per logit, and 1
    # per element of additions, ReLU, linear layers' biases, and the scaling of queries.
    billed: dict[str, float] = {}
    for row in found["hrformer"].rows[:3]:
        extra = 0
        for line in measure(row.spec, 224).total.lines:
            elements = prod(line.shape)
            match line.operator:
                case "batch_norm":
                    extra += 4 * elements
                case "relu" | "add" | "linear":
                    extra += elements
                case "scaled_dot_product_attention":
                    extra += elements + 7 * (line.activations - elements)
                case _:
                    pass
        billed[row.name] = round((row.macs + extra) / 1e9, 3)
    assert billed == {"ImageNet-HRFormer-T": 1.821, "ImageNet-HRFormer-S": 3.542, "ImageNet-HRFormer-B": 13.68}
    page = (Path(__file__).parents[3] / "docs" / "papers" / "paper.md").read_text(encoding="utf-8")
    assert all(f"{value:.3f}" in page for value in billed.values())


@pytest.mark.parametrize(
    ("published", "decimals", "computed", "near", "verdict"),
    [
        (118, 0, 117.6, 0.5, "rounds"),
        (118, 0, 117.45, 0.5, "near"),
        (118, 0, 117.3, 0.5, "off"),
        (1.83, 2, 1.826, 0.1, "rounds"),
        (1.83, 2, 1.834, 0.5, "rounds"),
        (1.83, 2, 1.836, 0.1, "off"),
    ],
)
def test_a_figure_rounds_to_its_own_decimals(
    published: float, decimals: int, computed: float, near: float, verdict: str
) -> None:
    assert PaperCell("GMACs", published, round(computed * 1e9), decimals, near).verdict == verdict


@pytest.mark.parametrize("name", NAMES)
def test_json_csv_and_markdown_name_the_convention(found: dict[str, Paper], name: str) -> None:
    info = found[name]
    data = json.loads(json.dumps(record(info)))
    assert [row["convention"] for row in data["rows"]] == [row.convention for row in info.rows]
    assert [row["macs"] for row in data["rows"]] == [row.macs for row in info.rows]
    assert "family" not in data
    lines = list(csv.DictReader(io.StringIO(to_csv(info))))
    assert len(lines) == 2 * len(info.rows)
    assert {line["convention"] for line in lines} == set(info.conventions)
    assert sum(line["published"] != "" for line in lines) == len(info.cells)
    assert all(f"counted {convention}: " in markdown(info) for convention in info.conventions)


def test_the_command_prints_what_is_not_published_as_a_dash(run: Any) -> None:
    code, out, _ = run("paper", "hrformer")
    assert code == 0
    row = next(line.split() for line in out.splitlines() if " 512 " in line)
    assert row == ["HRFormer-B", "512", "56.2", "56.167", "=", "-0.1", "–", "267.24", "–", "macs"]


def test_oblong_rows_are_written_with_their_image(run: Any, found: dict[str, Paper], tmp_path: Path) -> None:
    code, _, _ = run("paper", "hiri-dense", "--specs", str(tmp_path))
    assert code == 0
    row = next(row for row in found["hiri-dense"].rows if row.name == "IV-RetinaNet-HIRI-ViT-S")
    spec = load(tmp_path / "iv-retinanet-hiri-vit-s.yaml")
    assert (spec.digest, spec.image) == (row.spec.digest, (1600, 1200))
    assert measure(spec).under("macs").macs == row.macs


@pytest.mark.parametrize(
    ("base", "error"),
    [
        ("base: tiny, head: upernett", "small.yaml: A-1: head: "),
        ("base: tiny, at: [64, 64, 3]", "small.yaml:5: rows[0].at: must have at most 2 entries, not 3"),
        ("base: pvtv2-b0, at: [64, 96], transform: hiri", "small.yaml:5: rows[0]: transform is for square"),
    ],
)
def test_bad_rows_are_refused_where_they_stand(base: str, error: str) -> None:
    text = SMALL.replace("at: 64, ", "") if "at: [" in base else SMALL.replace("BASE", base)
    with pytest.raises(SpecError) as raised:
        compute(parse_document(text.replace("BASE", base), "small.yaml"), "small")
    assert str(raised.value).startswith(error)


def test_an_unknown_convention_is_refused_where_it_stands() -> None:
    text = SMALL.replace("convention: half", "convention: mmvc").replace("BASE", "base: tiny")
    with pytest.raises(SpecError, match=r"small.yaml:5: rows\[0\].convention: must be fvcore, .* .did you mean mmcv"):
        compute(parse_document(text, "small.yaml"), "small")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("hrvit", "--family", "V"), "archspec: --family: hrvit has none\n"),
        (("hrvit", "--plot", "figures"), "archspec: hrvit: --plot: has no Table VII to draw\n"),
    ],
)
def test_bad_input_is_one_line(
    run: Any, arguments: tuple[str, ...], error: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run("paper", *arguments)
    assert (code, err) == (2, error)
