"""Designs behind cost cells: equal to brute force, and a hidden design is found again."""

from functools import cache
from itertools import product

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.cli.shared.infer_tables import record, summary
from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from search.infer.case import Case, cases, load_case, parse_case
from search.infer.infer import infer
from search.infer.pricing import Pricer

CHOICES = {
    "irds_b.shortcut": ["pool", "none"],
    "width": {"path": "stages[3].width", "values": [64, 66]},
    "heads": {"path": "stages[3].heads", "values": [2, 3]},
    "second stage": {
        "options": {
            "HR": {},
            "CFFN": {"stages[1].blocks[0]": {"type": "CFFN", "expansion": 2}},
            "resized": {"stages[1].resize": 9},
        }
    },
    "at 48": {"options": {"same": {}, "stride 1": {"variants[48]": {"stages[1].downsample.stride": 1}}}},
    "head": {"path": "classifier.hidden", "times": "stages[4].width", "values": [None, 2]},
}
SPECS = {"A": "tiny", "B": {"base": "tiny", "edits": {"stem.width": 8}}}
KEYS = [("A", 48), ("A", 64), ("B", 64)]


def case_of(cells: list[dict], **more) -> Case:
    """A case over CHOICES and SPECS; the file is `case.yaml`."""
    data = {"choices": CHOICES, "specs": SPECS, "cells": cells, **more}
    return parse_case(parse_document(yaml.safe_dump(data, sort_keys=False), "case.yaml"))


@cache
def truth() -> dict[tuple[int, ...], dict[tuple[str, int], tuple[int, int]] | None]:
    """Every design's (params, MACs) by building its specs one by one; None where one is impossible."""
    case = case_of([{"spec": "A", "resolution": 64, "macs": "1G"}])
    out: dict = {}
    for design in product(*map(range, case.sizes)):
        try:
            costs = {key: measure(case.spec(key[0], design), key[1]) for key in KEYS}
            out[design] = {key: (cost.params, cost.paper_macs) for key, cost in costs.items()}
        except SpecError:
            out[design] = None
    return out


def test_every_design_costs_what_its_specs_cost():
    pricer = Pricer(case_of([{"spec": "A", "resolution": 64, "macs": "1G"}]))
    for name, size in KEYS:
        price = pricer.price(name, size)
        for design, costs in truth().items():
            params, macs = (int(_entry(array, design)) for array in (price.params, price.macs))
            if costs is None:
                assert params < 0, (design, name, size)
            else:
                assert (params, macs) == costs[name, size], (design, name, size)


def test_a_stem_with_a_width_of_its_own_changes_the_transition_after_it():
    stems = {
        "plain": {},
        "narrow": {"stem.width_out": 32},
        "wide": {"stem.width_out": None},
        "conv": {"stem": {"type": "conv_stem", "width": 8}},
    }
    choices = {"stem": {"options": stems}, "inner": {"path": "stages[0].downsample.reduction", "values": [4, 8]}}
    cells = [{"spec": "A", "resolution": 64, "macs": "1G"}]
    case = case_of(cells, choices=choices, specs={"A": "resnet-50"})
    price = Pricer(case).price("A", 64)
    for design in product(*map(range, case.sizes)):
        cost = measure(case.spec("A", design), 64)
        assert (_entry(price.params, design), _entry(price.macs, design)) == (cost.params, cost.paper_macs), design


def _entry(array, design):
    return array[tuple(pick if size > 1 else 0 for pick, size in zip(design, array.shape, strict=True))]


@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_a_hidden_design_is_among_the_fits_which_are_those_of_brute_force(data):
    possible = [design for design, costs in truth().items() if costs is not None]
    hidden = data.draw(st.sampled_from(possible))
    cells, windows = [], []
    for key in data.draw(st.lists(st.sampled_from(KEYS), min_size=1, unique=True)):
        digits = data.draw(st.integers(0, 5))
        half = 10.0 ** (6 - digits) / 2
        figures = [f"{cost / 1e6:.{digits}f}" for cost in truth()[hidden][key]]
        cells.append({"spec": key[0], "resolution": key[1], "params": f"{figures[0]}M", "macs": f"{figures[1]}M"})
        windows.append((key, [(float(f) * 1e6 - half - 1e-6, float(f) * 1e6 + half + 1e-6) for f in figures]))
    seen = {design for design in possible if all(_inside(truth()[design], *window) for window in windows)}
    found = infer(case_of(cells), top=1000)
    assert {design.picks for design in found.top} == seen
    assert hidden in seen
    assert found.fits == found.nearest == sum(found.counts[0]) == len(seen)
    if found.fits == 1:
        assert found.top[0].picks == hidden
        assert len(found.determined) == len(CHOICES)
    for index, choice in enumerate(found.case.choices):
        options = {design.picks[index] for design in found.top}
        assert (choice.name in found.determined) == (len(options) == 1)


def _inside(costs, key, ends) -> bool:
    return all(low <= cost <= high for cost, (low, high) in zip(costs[key], ends, strict=True))


def test_exact_figures_determine_a_hidden_design():
    hidden = (1, 1, 1, 2, 1, 1)
    cells = [
        {"spec": name, "resolution": size, "params": costs[0], "macs": costs[1]}
        for (name, size), costs in truth()[hidden].items()
    ]
    found = infer(case_of(cells))
    assert found.fits < 3
    assert found.top[0].worst == 0
    assert found.determined["width"] == 66
    assert found.determined["at 48"] == "stride 1"


def test_without_a_cell_for_it_a_choice_is_reported_as_idle():
    found = infer(case_of([{"spec": "A", "resolution": 64, "params": "0.4M"}]))
    idle = [choice.name for choice, flag in zip(found.case.choices, found.idle, strict=True) if flag]
    assert "at 48" in idle
    assert "width" not in idle
    assert any(line.startswith("no cell depends on: ") for line in summary(found))


def test_when_nothing_fits_the_nearest_designs_and_a_least_conflict_are_named():
    hidden, other = (0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 1)
    (params, _), (_, macs) = truth()[hidden]["A", 64], truth()[other]["A", 64]
    cells = [
        {"spec": "A", "resolution": 64, "params": params, "macs": macs},
        {"spec": "B", "resolution": 64, "macs": "0.0G", "tolerance": {"macs": "1 %"}},
    ]
    found = infer(case_of(cells))
    assert found.fits == 0
    assert found.fewest == 1
    assert len(found.top[0].broken) == 1
    assert [str(cell) for cell in found.conflict] == ["A@64 params", "A@64 macs"]
    kept = record(found)
    assert kept["conflict"] == ["A@64 params", "A@64 macs"]
    assert kept["determined"] == {}
    assert any(line.startswith("no design fits these together: A@64 params") for line in summary(found))


def test_excluded_cells_do_not_decide_but_are_counted():
    hidden = (0, 0, 0, 0, 0, 0)
    params = truth()[hidden]["A", 64][0]
    excluded = [{"spec": "B", "resolution": 64, "params": "99M", "reason": "misprint"}]
    known = {"ours": {}, "theirs": {"heads": 3, "head": 2}}
    found = infer(case_of([{"spec": "A", "resolution": 64, "params": params}], excluded=excluded, known=known))
    assert found.fits > 0
    assert found.cells[1].among == 0
    assert found.known["ours"].broken == (1,)
    assert not found.known["theirs"].possible
    assert "excluded: B@64 params = 99M: misprint; 0 of the fits meet it" in list(summary(found))


def test_family_w_is_among_the_fits_of_the_shipped_case():
    assert cases() == ("hiri-vit",)
    found = infer(load_case("hiri-vit"))
    assert found.designs == 122_880
    assert found.fits == 14
    assert len(found.top) == 5
    design = found.known["W"]
    assert design.possible
    assert {str(found.cells[index].cell) for index in design.broken} == {"S@384 macs", "L@384 macs"}
    costs = dict(zip([str(result.cell) for result in found.cells], design.costs, strict=True))
    assert costs["L@224 params"] == 94_208_168
    assert costs["B@448 macs"] == measure(found.case.spec("B", design.picks), 448).paper_macs
    assert found.determined["irds_b.expansion"] == 6
    assert found.determined["head hidden over C5"] == 5


ONE = "specs: {A: tiny}\ncells:\n  - {spec: A, resolution: 64, macs: 1M}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("choices:\n  irds_a.expansio: [1]\n" + ONE, "c.yaml:2: choices['irds_a.expansio']"),
        ("choices:\n  irds_a.expansio: [1]\n" + ONE, "does not exist in any spec"),
        (
            "choices:\n  v: {options: {a: {'variants[224]': {'=': 1}}, b: {}}}\n" + ONE,
            "c.yaml:2: choices.v.options.a['variants[224]']: variants[224]: '=' is not a dotted path",
        ),
        ("choices:\n  v: {options: {a: {'variants[224]': 5}, b: {}}}\n" + ONE, "must be values by dotted path, not 5"),
        (
            'choices:\n  "\\e[31m": [1]\n' + ONE,
            "choices: must be plain text: '\\x1b[31m' holds \\x1b",
        ),
        ("choices:\n  conv.norm: [bn]\n" + ONE, "conv.norm: does not exist in any spec"),
        ("choices:\n  wheels.size: [1]\n" + ONE, "does not exist: a path begins with stem"),
        ("choices:\n  stages[9].width: [8]\n" + ONE, "does not exist in any spec"),
        (
            "choices:\n  stem.width: [8]\n" + ONE.replace("spec: A", "spec: C"),
            "c.yaml:5: cells[0].spec: unknown spec 'C'",
        ),
        ("choices:\n  stem.width: [8]\n" + ONE.replace("1M", "[2M, 1M]"), "c.yaml:5: cells[0].macs: the window"),
        ("choices:\n  stem.width: [8]\n" + ONE.replace("1M", "1.5"), "must be a figure as printed, such as 5.0G"),
        ("choices:\n  stem.width: [8]\n" + ONE.replace(", macs: 1M", ""), "c.yaml:5: cells[0]: needs params"),
        ("choices:\n  stem.width: [8, 0]\n" + ONE, "c.yaml:2: choices['stem.width']: option 0 gives no possible"),
        ("choices:\n  stem.width: [8, 8]\n" + ONE, "lists an option twice"),
        ("choices:\n  stem.width: [8]\ntolerance: {macs: -1 %}\n" + ONE, "c.yaml:3: tolerance.macs: must be a perc"),
        ("choices:\n  stem.width: [8]\nknown: {W: {stem: 1}}\n" + ONE, "c.yaml:3: known.W.stem: unknown choice"),
        ("choices:\n  a: {path: stem.width, times: stem.siz, values: [1]}\n" + ONE, "stem.siz: does not exist"),
        ("choices:\n  a: {path: stem.width}\n" + ONE, "needs either values, a list, or options"),
        ("choices:\n  stem.width: [8]\n" + ONE.replace("tiny", "tinny"), "did you mean tiny"),
        ("choice: 1\n", "c.yaml:1: choice"),
        ("- 1\n", "c.yaml:1: must be a mapping"),
    ],
)
def test_bad_input_is_refused_at_its_line(text, message):
    with pytest.raises(SpecError) as error:
        infer(parse_case(parse_document(text, "c.yaml")))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_impossible_designs_are_counted():
    found = infer(case_of([{"spec": "B", "resolution": 64, "macs": "1G"}]))
    assert found.designs == len(truth()) == 96
    assert found.possible == sum(costs is not None for costs in truth().values()) == 72
