"""Populations of layouts compared: which layouts count, the statistics by hand, and the figure."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import RunError, SpecError
from reports.drawing.canvas import FORMATS, style
from reports.records.search import finished, read
from reports.spaces.edf import MAX_POPULATIONS, DrawnPopulation, Edf, edf, population
from reports.spaces.edf_figure import draw, write
from reports.spaces.edf_text import record
from reports.statistics.two_samples import distance, median_interval, permutation_test, superiority

SAMPLES = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=12).map(np.array)


def make(name: str = "a", accuracies: Any = (50.0, 60.0, 70.0), macs: float = 1e6, **changes: Any) -> DrawnPopulation:
    values = np.sort(np.asarray(accuracies, float))
    costs = {cost: np.linspace(macs, 2 * macs, len(values)) for cost in ("macs", "params")}
    options: dict[str, Any] = {"failed": 0, "outside": 0, "setting": {"metric": "accuracy on data", "resolution": 64}}
    return DrawnPopulation(name, "random search", values, costs, **(options | changes))


def load(run: Path, *bands: Any) -> DrawnPopulation:
    return population(read(run), run, bands)


@given(SAMPLES, SAMPLES)
def test_the_distance_is_the_largest_gap(first, second):
    gap, at = distance(first, second)
    gaps = {x: abs((first <= x).mean() - (second <= x).mean()) for x in np.concatenate([first, second])}
    assert gap == pytest.approx(max(gaps.values()))
    assert gaps[at] == pytest.approx(gap)


@given(SAMPLES, SAMPLES)
def test_superiority_counts_pairs(first, second):
    pairs = [(one > two) + (one == two) / 2 for one in first for two in second]
    assert superiority(first, second) == pytest.approx(sum(pairs) / len(pairs))
    assert superiority(first, second) + superiority(second, first) == pytest.approx(1)


def test_the_distance_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=40), rng.normal(0.4, size=31)
    assert distance(first, second)[0] == pytest.approx(stats.ks_2samp(first, second).statistic)


@pytest.mark.parametrize(
    ("first", "second"), [((1, 2, 3, 4), (3, 5, 6, 7)), ((1, 1, 2, 2), (2, 2, 3)), ((1, 4), (2, 3))]
)
def test_p_is_the_share_of_rearrangements(first, second):
    pooled = np.array([*first, *second], float)
    observed = distance(pooled[: len(first)], pooled[len(first) :])[0]
    places = set(range(len(pooled)))
    gaps = [
        distance(pooled[list(chosen)], pooled[list(places - set(chosen))])[0]
        for chosen in combinations(range(len(pooled)), len(first))
    ]
    exact = np.mean([gap >= observed - 1e-12 for gap in gaps])
    found = permutation_test(np.array(first, float), np.array(second, float), 20_000, np.random.default_rng(0))
    assert found == pytest.approx(exact, abs=0.012)


def test_p_is_never_zero_and_keeps_its_level():
    rng = np.random.default_rng(1)
    far = permutation_test(rng.normal(size=30), rng.normal(9, size=30), 999, rng)
    assert far == 1 / 1000
    same = [permutation_test(rng.normal(size=15), rng.normal(size=20), 199, rng) for _ in range(300)]
    assert 0.02 < np.mean(np.array(same) <= 0.05) < 0.085
    assert permutation_test(np.ones(5), np.ones(4), 99, rng) == 1


@pytest.mark.parametrize(("n", "ranks"), [(5, None), (6, (1, 6)), (10, (2, 9)), (20, (6, 15)), (100, (40, 61))])
def test_the_interval_of_the_median_is_the_tables(n, ranks):
    # Conover, "Practical Nonparametric Statistics": ranks of the 95 % interval.
    values = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    assert median_interval(values, 0.95) == ranks


def test_the_band_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(300):
        (curve,) = edf([make(accuracies=100 * rng.random(40))]).curves
        truth = curve.x / 100
        before = np.concatenate([[curve.high[0] - curve.y[0]], curve.high[:-1]])
        held += bool(((curve.low <= truth) & (truth <= before)).all())
    assert held >= 0.93 * 300


def test_the_curve_steps_at_every_accuracy():
    (curve,) = edf([make(accuracies=(50, 70, 50, 60))]).curves
    assert curve.x.tolist() == [50, 60, 70]
    assert curve.y.tolist() == [0.5, 0.75, 1]
    half = math.sqrt(math.log(40) / 8)
    assert curve.low.tolist() == pytest.approx([0, 0.75 - half, 1 - half])
    assert curve.high.tolist() == [1, 1, 1]


def test_a_baseline_counts_with_the_random_trials_of_its_search_once(demo_run: Path):
    run = read(demo_run)
    found = load(demo_run)
    assert (found.source, found.n) == ("random baseline", 24)
    assert found.accuracies.tolist() == sorted((100 * finished(run.baseline)["accuracy"]).tolist())
    assert found.failed == 0  # what failed was proposed by the model
    own = finished(run.search)
    assert not set(own[own["arm"] == "model"]["digest"]) & set(finished(run.baseline)["digest"])


def test_a_random_search_counts_whole(make_run: Callable[..., Path]):
    run = make_run(baseline=0, attributes={"sampler": {"type": "random"}})
    found = load(run)
    assert (found.source, found.n, found.failed) == ("random search", 30, 3)
    assert edf([found]).warnings == (
        "demo: 3 of 33 layouts drawn could not be trained and are missing: the curve may flatter.",
    )


def test_a_run_without_random_layouts_is_refused(make_run: Callable[..., Path]):
    run = make_run(baseline=0, startup=0)
    with pytest.raises(RunError, match="was drawn at random: an EDF needs a search with sampler random, or a baseline"):
        load(run)


def test_a_band_leaves_out_what_is_outside(demo_run: Path):
    whole = load(demo_run)
    cut = int(np.median(whole.costs["macs"]))
    found = load(demo_run, ("macs", None, cut))
    assert (found.n, found.outside) == (int((whole.costs["macs"] <= cut).sum()), int((whole.costs["macs"] > cut).sum()))
    assert found.span("macs")[1] <= cut
    assert set(found.accuracies) <= set(whole.accuracies)
    with pytest.raises(RunError, match=r"was drawn at random inside the band$"):
        load(demo_run, ("macs", None, 1))


def test_pairs_are_compared_by_hand():
    info = edf([make("a", (1, 2, 3, 4)), make("b", (3, 4, 5, 6)), make("c", (1, 2, 3, 4))], permutations=199)
    assert [(pair.first, pair.second) for pair in info.comparisons] == [("a", "b"), ("a", "c"), ("b", "c")]
    one, same, _ = info.comparisons
    assert (one.distance, one.at, one.shift, one.superiority) == (0.5, 2, -2, 2 / 16)
    assert (same.distance, same.p, same.superiority, same.shift) == (0, 1, 0.5, 0)


def test_holm_adjusts_in_order_of_p():
    rng = np.random.default_rng(3)
    groups = [make(name, rng.normal(mean, 1, 30)) for name, mean in (("a", 50), ("b", 50.5), ("c", 52))]
    info = edf(groups, permutations=999)
    ordered = sorted(info.comparisons, key=lambda pair: pair.p)
    assert ordered[0].adjusted == pytest.approx(3 * ordered[0].p)
    assert all(pair.p <= pair.adjusted <= 1 for pair in ordered)
    assert all(one.adjusted <= two.adjusted for one, two in pairwise(ordered))


def test_what_makes_a_comparison_unfair_is_said(make_run: Callable[..., Path]):
    one, two = make_run("one"), make_run("two", dataset="digits", attributes={"resolution": 32})
    for run, epochs, budget in ((one, 10, {"macs": "<= 5M"}), (two, 20, {})):
        study = {"evaluator": {"type": "train", "recipe": {"epochs": epochs}}, "budget": budget}
        (run / "study.yaml").write_text(yaml.safe_dump(study))
    assert edf([load(one), load(two)]).warnings == (
        "one and two differ in budget: macs <= 5M against none.",
        "one and two differ in their evaluators: they were not trained alike.",
        "one and two differ in metric: top-1 accuracy on cluttered_digits against top-1 accuracy on digits.",
        "one and two differ in resolution: 64 against 32.",
    )


@pytest.mark.parametrize(("factor", "said"), [(1.0, 0), (1.2, 0), (1.6, 2), (5.0, 2)])
def test_different_bands_of_cost_are_said(factor, said):
    warnings = edf([make("a"), make("b", macs=factor * 1e6)], permutations=9).warnings
    assert len(warnings) == said
    if said:
        assert warnings[0].startswith("a and b lie in different bands of MACs: part of the difference is one of cost")


def test_equal_names_are_told_apart():
    assert [one.name for one in edf([make("a"), make("b"), make("a")]).populations] == ["a", "b", "a (2)"]


def test_too_many_curves_are_refused():
    with pytest.raises(SpecError, match="at most 6 runs can be told apart in a figure, not 7"):
        edf([make(str(index)) for index in range(MAX_POPULATIONS + 1)])


def compare_two(make_run: Callable[..., Path]) -> Edf:
    return edf([load(make_run("one")), load(make_run("two", seed=1, spread=1.6))], permutations=199)


def test_the_figure_shows_every_population(make_run: Callable[..., Path], tmp_path: Path):
    info = compare_two(make_run)
    with style():
        figure = draw(info)
        write(info, tmp_path, "edf")
    curves, layouts = figure.axes
    assert curves.get_xlabel() == "Top-1 accuracy on cluttered_digits (%)"
    assert layouts.get_xlabel() == "MACs (M)"
    assert [len(line.get_xdata()) for line in layouts.lines] == [one.n for one in info.populations]
    medians = [f"{one.name} ({one.n} layouts, median {one.quartiles[1]:.1f} %)" for one in info.populations]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == medians
    with (tmp_path / "edf.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(one.n for one in info.populations)
    assert [float(row["cumulative_share"]) for row in rows if row["population"] == "one"][-1] == 1
    assert all((tmp_path / f"{name}.{suffix}").stat().st_size for name in ("edf", "edf-column") for suffix in FORMATS)


def test_a_single_layout_has_a_figure(tmp_path: Path):
    with style():
        write(edf([make(accuracies=(50,))]), tmp_path, "edf")
    assert record(edf([make(accuracies=(50,))]))["populations"][0]["median_interval"] is None


def test_the_command_prints_and_draws(run, make_run: Callable[..., Path], tmp_path: Path):
    one, two = make_run("one"), make_run("two", seed=1, spread=1.6)
    code, out, err = run("edf", one, two, "--out", tmp_path / "new" / "compared.pdf")
    assert (code, err) == (0, "")
    assert "one / two" in out
    assert "compared.pdf, .svg and .png" in " ".join(out.split())
    assert sorted(path.name for path in (tmp_path / "new").iterdir())[:3] == [
        ".archspec.json",
        "compared-column.pdf",
        "compared-column.png",
    ]
    _, out, _ = run("edf", one, two, "--json", "--budget", "macs <= 5M", "--seed", "4")
    found = json.loads(out)
    assert [each["macs"][1] <= 5e6 for each in found["populations"]] == [True, True]
    assert found == json.loads(run("edf", one, two, "--json", "--budget", "<= 5M @ 64", "--seed", "4")[1])


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (
            ("nowhere",),
            "nowhere/journal.log: no such file: a run folder holds journal.log, what was asked, and artifacts/",
        ),
        (("{}", "--budget", "<= 5Q"), "--budget: '<= 5Q': unknown unit 'Q'"),
        (("{}", "--budget", "<= 5M @ 32"), "--budget: macs <= 5M @ 32: demo states its costs at 64 px"),
        (("{}", "--budget", "activations <= 5M"), "--budget: activations <= 5M: only macs and params can be limited"),
    ],
)
def test_bad_input_is_one_line(run, demo_run: Path, arguments, rule):
    code, out, err = run("edf", *(argument.format(demo_run) for argument in arguments))
    assert (code, out) == (2, "")
    assert err.startswith(f"archspec: {rule}")
    assert err.count("\n") == 1


def test_a_place_that_cannot_be_written_is_one_line(run, demo_run: Path, tmp_path: Path):
    (tmp_path / "file").write_text("a file where a folder is needed")
    code, _, err = run("edf", demo_run, "--out", tmp_path / "file" / "edf")
    assert code == 2
    assert "cannot be written" in err
    assert err.count("\n") == 1


def test_the_axis_names_the_quality():
    info = edf([make(word="mIoU", setting={"metric": "mIoU on scenes"})], permutations=9)
    with style():
        left, right = draw(info).axes
    assert (left.get_xlabel(), right.get_ylabel()) == ("mIoU on scenes (%)", "mIoU (%)")
