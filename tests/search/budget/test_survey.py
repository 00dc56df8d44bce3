"""The population of a space against every one of its layouts, costed one by one; what is drawn from it, and printed."""

import csv
import io
import json
from collections import Counter
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console

import archspec
from archspec.cli.shared.space_tables import FrontRows, percent, population_record, render, render_front, scientific
from archspec.cost.measure import measure
from archspec.cost.tables import MetricAt
from archspec.documents.reader import Document
from archspec.errors import SpecError
from archspec.files.ownership import OutputCommand
from search.budget.count import count
from search.budget.drawn_specs import draw, write
from search.budget.survey import Survey
from search.space.encoding import Encoding
from search.space.limits import parse_limits
from search.space.space import parse_space

SPACE: dict[str, Any] = {
    "name": "toy",
    "description": "a toy",
    "resolution": 32,
    "stem": {"type": "hr_stem", "width": {"choice": [4, 8]}},
    "stages": [
        {"block": "HR", "depth": {"range": [1, 3]}, "width": {"choice": [8, 12, 16]}, "expansion": 2},
        {
            "block": {"choice": {"CFFN": "CFFN", "T": {"type": "T", "heads": {"choice": [2, 3, 4]}}}},
            "depth": {"range": [1, 2]},
            "width": {"choice": [12, 16, 24]},
            "expansion": {"choice": [2, 4]},
            "downsample": "irds_b",
        },
    ],
    "head": {"type": "classifier", "classes": 10},
}
SPECS: dict[str, Any] = {}
BUDGETS = [
    (),
    ("<= 350k",),
    ("200k..300k", "params <= 20k"),
    ("params >= 10k", "activations@64 <= 100k", "macs <= 500k"),
]


def survey(*budget: str, resolutions: tuple[int, ...] = (), **changes: Any) -> Survey:
    space = parse_space(Document({**SPACE, **changes}, "toy.yaml"))
    return Survey(Encoding(space), parse_limits(budget), resolutions)


@pytest.fixture(scope="module")
def layouts() -> list[Any]:
    return list(parse_space(Document(SPACE, "toy.yaml")).enumerate())


@cache
def measured(digest: str, side: int) -> Any:
    return measure(SPECS[digest], side)


def cost(spec: Any, metric: MetricAt) -> int:
    SPECS[spec.digest] = spec
    return getattr(measured(spec.digest, metric.resolution or spec.resolution), metric.name)


def inside(found: Survey, layouts: list[Any]) -> list[Any]:
    return [one for one in layouts if all(limit.holds(cost(one.spec, limit.metric)) for limit in found.box)]


@pytest.mark.parametrize("budget", BUDGETS, ids=" ".join)
def test_every_number_is_that_of_counting_one_by_one(budget, layouts):
    asked = survey(*budget)
    found = asked.count(bins=7)
    assert (found.ways, found.layouts) == (2 * 9 * 48, len(layouts))
    assert found.layouts < found.ways  # heads that do not divide a width
    assert found.inside == len(inside(asked, layouts)) > 0
    for limit, alone in zip(found.box, found.alone, strict=True):
        assert alone == sum(limit.holds(cost(one.spec, limit.metric)) for one in layouts)
    for spread in found.spreads:
        costs = [cost(one.spec, spread.metric) for one in layouts]
        assert (spread.smallest, spread.largest) == (min(costs), max(costs))
        if spread.layouts:
            assert len(spread.layouts) == 7
            assert list(spread.layouts) == np.histogram(costs, bins=np.array(spread.edges))[0].tolist()
            assert sum(spread.layouts) == found.layouts == spread.cumulative[-1]
    histograms = {spread.metric for spread in found.spreads if spread.layouts}
    assert histograms == {MetricAt("params"), MetricAt("macs", 32), *(limit.metric for limit in found.box)}


def test_the_parts_are_those_with_a_choice():
    parts = survey().count().parts
    assert [(part.name, part.options) for part in parts] == [("stem", 2), ("stages.0", 9), ("stages.1", 48)]
    assert parts[2].holes == (("block", 2), ("block.T.heads", 3), ("depth", 2), ("width", 3), ("expansion", 2))


def test_coarse_bins_hold_the_same_layouts():
    spread = survey().count(bins=10).spreads[0]
    coarse = spread.coarse(4)
    assert coarse.edges == (spread.edges[0], spread.edges[4], spread.edges[8], spread.edges[10])
    assert coarse.layouts == (sum(spread.layouts[:4]), sum(spread.layouts[4:8]), sum(spread.layouts[8:]))


@pytest.mark.parametrize("budget", [*BUDGETS, ("saved_bytes <= 150k",)], ids=" ".join)
def test_the_front_is_that_of_comparing_all(budget, layouts):
    asked = survey(*budget)
    macs, params = asked.first("macs"), asked.first("params")
    others = [limit for limit in asked.box if limit.metric not in (macs, params)]
    known = [one for one in layouts if all(limit.holds(cost(one.spec, limit.metric)) for limit in others)]
    points = {(cost(one.spec, macs), cost(one.spec, params)) for one in known}
    best = {p for p in points if not any(q[0] <= p[0] and q[1] >= p[1] and q != p for q in points)}
    kept = sorted(p for p in best if all(lim.holds(p[lim.metric == params]) for lim in asked.box if lim not in others))
    choices = asked.front(macs, params)
    columns = [asked.metrics.index(metric) for metric in (macs, params)]
    assert asked.chain.price(choices)[:, columns].tolist() == [list(point) for point in kept]


def test_resolutions_are_those_asked_for():
    asked = survey("<= 1M @ 48", resolutions=(64, 96))
    names = ["params", *(f"{name}@{size}" for size in (64, 96) for name in ("macs", "activations", "saved_bytes"))]
    assert sorted(map(str, asked.metrics)) == sorted([*names, "macs@48"])
    assert asked.first("macs") == MetricAt("macs", 64)
    varied = survey(resolutions=(32, 64), variants={64: {"head.hidden": 16}})
    assert [metric.resolution for metric in varied.metrics if metric.name == "params"] == [32, 64]


def test_a_space_of_many_resolutions_speaks_of_each_layouts_own():
    found = survey("<= 350k", resolution={"choice": [32, 64]}).count()
    assert found.resolution is None
    assert found.spread(MetricAt("macs")).smallest == survey().count().spread(MetricAt("macs", 32)).smallest
    assert found.inside < found.layouts


@pytest.mark.parametrize(
    ("budget", "rule"),
    [
        (("<= 10k",), "--budget: no layout meets macs <= 10k @ 32: the cheapest has "),
        (("params >= 5M",), "--budget: no layout meets params >= 5M: the dearest has "),
        (("<= 200k", "params >= 28k"), "--budget: no layout meets macs <= 200k @ 32 and params >= 28k, though each "),
    ],
)
def test_a_budget_that_nobody_meets_names_the_nearest(budget, rule):
    with pytest.raises(SpecError) as error:
        survey(*budget).count()
    assert str(error.value).startswith(rule)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"budget": ("params <= 5k @ 64", "params >= 6k")}, "--budget: params <= 5k and params >= 6k exclude each"),
        ({"resolutions": (1,)}, "--res: no option of stages.0 is possible at 1 px"),
    ],
)
def test_what_cannot_be_counted_says_why(changes, rule):
    with pytest.raises(SpecError) as error:
        survey(*changes.get("budget", ()), resolutions=changes.get("resolutions", ()))
    assert str(error.value).startswith(rule)


def test_too_many_costs_leave_the_rest(monkeypatch):
    def refuse(*_: object) -> None:
        raise SpecError("too many")

    monkeypatch.setattr("search.budget.count.distribution", refuse)
    found = survey().count()
    assert [spread.reason for spread in found.spreads] == ["too many", "too many", "", ""]
    assert "no histogram of MACs at 32 px: too many" in text(render(found))


def take(asked: Survey, wanted: int, seed: int = 0) -> list[Any]:
    return list(draw(asked.encoding, asked.chain, asked.box, count(asked.chain, asked.box), wanted, seed))


def test_all_layouts_inside_can_be_drawn_each_once(layouts):
    asked = survey("200k..300k", "params <= 20k")
    known = {one.spec.digest for one in inside(asked, layouts)}
    drawn = take(asked, len(known))
    assert {one.spec.digest for one in drawn} == known
    assert len({one.spec.name for one in drawn}) == len(known)
    for one in drawn:
        assert one.costs.tolist() == [cost(one.spec, metric) for metric in asked.metrics]


def test_draws_without_replacement_are_uniform():
    asked = survey("<= 350k", stages=SPACE["stages"][:1])
    size, wanted, times = count(asked.chain, asked.box), 4, 150
    assert size == 18
    seen = Counter(one.spec.digest for seed in range(times) for one in take(asked, wanted, seed))
    assert len(seen) == size
    # Each layout is in a draw with probability wanted / size: scaled, a chi-square with size - 1 degrees of freedom.
    expected = times * wanted / size
    chi = sum((number - expected) ** 2 for number in seen.values()) / expected * (size - 1) / (size - wanted)
    assert chi < (size - 1) + 4 * (2 * (size - 1)) ** 0.5


def test_more_of_the_same_seed_begin_alike():
    asked = survey()
    few, many = take(asked, 3, seed=5), take(asked, 9, seed=5)
    assert [one.spec.digest for one in few] == [one.spec.digest for one in many[:3]]
    assert [one.spec.digest for one in few] != [one.spec.digest for one in take(asked, 3, seed=6)]


def test_equal_specs_count_once(tmp_path: Path):
    same = {"choice": {"a": "HR", "b": {"type": "HR", "expansion": 4}}}
    asked = survey(stages=[{"block": same, "depth": {"range": [1, 3]}, "width": 8}], stem="hr_stem")
    assert asked.count().layouts == 6
    assert len({one.spec.digest for one in take(asked, 3)}) == 3
    with pytest.raises(SpecError, match="the 6 ways to fill the holes inside give 3 different specs"):
        write(draw(asked.encoding, asked.chain, asked.box, 6, 4, 0), asked.metrics, tmp_path, OutputCommand("space"))


def text(*tables: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(*tables, sep="\n")
    return out.getvalue()


def test_what_is_printed_fits_a_terminal_and_holds_the_numbers(layouts):
    asked = survey("200k..300k", "params <= 20k")
    found = asked.count()
    printed = text(render(found))
    assert max(map(len, printed.splitlines())) <= 100
    assert "…" not in printed
    assert f"{len(layouts):,} possible layouts" in printed
    rows = [line.split("│") for line in printed.splitlines() if "all of them" in line]
    assert [cell.strip() for cell in rows[0][2:5]] == [str(found.inside)] * 2 + [percent(found.share)]
    solid = [line for line in printed.splitlines() if "█" in line or "▏" in line]
    shaded = [line for line in printed.splitlines() if "░" in line]
    assert solid
    assert shaded
    assert text(render(survey().count())).count("░") == 0


def test_a_long_front_is_thinned_and_an_empty_one_said():
    asked = survey()
    macs, params = asked.first("macs"), asked.first("params")
    rows = asked.front(macs, params)
    front = FrontRows(asked.metrics, macs, params, rows, asked.chain.price(rows))
    printed = text(render_front(front, asked.encoding, asked.box))
    assert f"the exact front, {len(rows)} layouts" in printed
    shown = [line.split("│")[1].strip() for line in printed.splitlines() if "HR" in line]
    assert (shown[0], shown[-1]) == ("1", str(len(rows)))
    assert len(shown) == min(20, len(rows))
    none = FrontRows(asked.metrics, macs, params, rows[:0], front.costs[:0])
    assert "the exact front is outside" in text(render_front(none, asked.encoding, asked.box))


def test_large_counts_are_exact():
    stages = [{"block": "HR", "depth": {"range": [1, 4]}, "width": 8, "downsample": None} for _ in range(32)]
    found = survey(stages=stages, stem="hr_stem").count()
    assert found.layouts == 4**32 > 2**63
    record = json.loads(json.dumps(population_record(found)))
    assert record["layouts"] == 4**32
    assert all(sum(entry["layouts"]) == 4**32 for entry in record["costs"] if "layouts" in entry)
    assert "1.84e19 possible layouts (18,446,744,073,709,551,616)" in text(render(found))


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0"), (999_999, "999,999"), (1_000_000, "1.00e6"), (9_996_000, "1.00e7"), (6_940_935_585_792, "6.94e12")],
)
def test_counts_are_short(number, written):
    assert scientific(number) == written


@pytest.mark.parametrize(
    ("share", "written"),
    [(0, "0 %"), (1, "100.00 %"), (0.99999999, ">99.99 %"), (0.0409, "4.09 %"), (3.14159e-6, "0.00031 %")],
)
def test_shares_keep_two_digits(share, written):
    assert percent(share) == written


@pytest.fixture
def run(run, monkeypatch, tmp_path):
    """Runs `archspec space` over the toy space."""
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(SPACE))
    monkeypatch.chdir(tmp_path)
    return partial(run, "space")


def test_the_command_states_exact_integers(run, layouts):
    code, out, _ = run("toy.yaml", "--json", "--front", "--budget", "200k..300k", "--budget", "params <= 20k")
    assert code == 0
    record = json.loads(out)
    asked = survey("200k..300k", "params <= 20k")
    assert (record["layouts"], record["budget"]["layouts"]) == (len(layouts), len(inside(asked, layouts)))
    assert record["budget"]["limits"][0] | {"layouts": 0} == {
        "metric": "macs",
        "resolution": 32,
        "low": 200_000,
        "high": 300_000,
        "layouts": 0,
    }
    for entry in record["front"]["layouts"]:
        spec = asked.encoding.space.decode(entry["holes"])
        assert entry["macs@32"] == measure(spec).macs


def test_the_command_writes_specs_that_load(run, tmp_path):
    code, out, err = run("toy.yaml", "--budget", "<= 350k", "--sample", "20", "--out", "drawn", "--seed", "3")
    assert (code, err) == (0, "")
    assert "wrote 20 specs, drawn uniformly with seed 3" in out
    with (tmp_path / "drawn" / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["digest"] for row in rows}) == 20 == len(list((tmp_path / "drawn").glob("*.yaml")))
    names = set()
    for row in rows:
        spec = archspec.load(tmp_path / "drawn" / row["file"])
        found = measure(spec)
        assert (spec.digest, str(found.params), str(found.macs)) == (row["digest"], row["params"], row["macs@32"])
        assert found.macs <= 350_000
        names.add(spec.name)
    assert len(names) == 20
    again = run("toy.yaml", "--sample", "1", "--out", "drawn")
    assert again == (
        2,
        "",
        "archspec: drawn: holds files already, which are kept: name a new or an empty folder, or --force replaces a "
        "draw\n",
    )
    (tmp_path / "drawn" / "notes.txt").write_text("mine")
    assert run("toy.yaml", "--sample", "1", "--out", "drawn", "--force")[0] == 0
    assert len(list((tmp_path / "drawn").glob("*.yaml"))) == 1
    assert (tmp_path / "drawn" / "notes.txt").read_text() == "mine"


def test_the_command_draws_figures_and_their_data(run, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "population.png").write_text("mine")
    asked = ("toy.yaml", "--budget", "<= 350k", "--plot", "figures", "--res", "48")
    code, _, err = run(*asked)
    assert (code, err) == (
        2,
        "archspec: figures/population.png: is there already, and archspec space did not write it: kept as it is; name "
        "another place, or --force replaces it\n",
    )
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["population.png"]
    code, out, _ = run(*asked, "--force")
    assert code == 0
    assert (tmp_path / "figures" / "population.png").stat().st_size > 10_000
    assert "the same for one column" in out
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"population.png", "population-column.pdf", "histogram-macs.csv", "sample.csv", "fronts.csv"} <= written


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("five_stag",), "'five_stag' is no file and no shipped space (did you mean five_stage?)"),
        (("toy.yaml", "--budget", "<= 5Q"), "--budget: '<= 5Q': unknown unit 'Q'; known: k, M, G or T"),
        (
            ("toy.yaml", "--budget", "flops <= 5G"),
            "--budget: 'flops <= 5G': 'flops' means different things; write macs",
        ),
        (("toy.yaml", "--budget", "5G..4G"), "--budget: '5G..4G': 5G..4G is empty"),
        (("toy.yaml", "--budget", "<= 9k"), "--budget: no layout meets macs <= 9k @ 32: the cheapest has"),
        (("toy.yaml", "--sample", "3"), "--sample: needs --out DIR, the folder to write to"),
        (("toy.yaml", "--out", "x"), "--out: needs --sample N, the number of specs to draw"),
        (
            ("toy.yaml", "--sample", "9999", "--out", "x"),
            "--sample: cannot draw 9,999 different layouts: the space has",
        ),
        (("toy.yaml", "--sample", "3", "--out", "toy.yaml"), "toy.yaml: cannot be written: File exists"),
        (("toy.yaml", "--plot", "toy.yaml"), "toy.yaml: cannot be written: File exists"),
        (("toy.yaml", "--res", "32x64"), "--res: must be one side: costs are counted for square images, not 32x64"),
        (("toy.yaml", "--res", "1"), "--res: no option of stages.0 is possible at 1 px"),
    ],
)
def test_bad_input_is_one_line(run, arguments, rule):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"archspec: {rule}")
    assert err.count("\n") == 1


def test_a_study_is_no_space(run, tmp_path):
    (tmp_path / "study.yaml").write_text("space: five_stage_tiny\n")
    assert run("study.yaml")[2] == "archspec: study.yaml: is a study: name the space that it searches\n"
