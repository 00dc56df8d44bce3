"""Repeated searches compared: arms, bands, attainment and tests against numbers worked out by hand; refusals."""

import numpy as np
import pytest
from compared_runs import write_search

from archspec.errors import SpecError
from reports.run_comparison.arms import read_arms
from reports.run_comparison.comparison import compare_runs

BETTER, WORSE = [(0.5, 100.0), (0.8, 1000.0)], [(0.4, 1000.0), (0.5, 100.0)]
RANDOM = {"sampler": {"type": "random", "startup": 4}}


@pytest.fixture
def runs(tmp_path):
    """Two arms of five seeds, one of which is better in every seed."""
    found = [write_search(tmp_path / f"tpe-{seed}", better(BETTER, seed), seed=seed) for seed in range(5)]
    found += [
        write_search(tmp_path / f"random-{seed}", better(WORSE, seed), seed=seed, asked=RANDOM) for seed in range(5)
    ]
    return found


def better(results, seed):
    return [(accuracy + 0.01 * seed, macs) for accuracy, macs in results]


def test_arms_are_runs_of_the_same_settings_and_are_named_by_what_they_differ_in(runs, tmp_path):
    arms = read_arms(runs[::-1])
    assert [(arm.name, [run.seed for run in arm.runs]) for arm in arms] == [
        ("random", [0, 1, 2, 3, 4]),
        ("tpe", [0, 1, 2, 3, 4]),
    ]
    assert [arm.name for arm in read_arms(runs, ["one", "two"])] == ["one", "two"]
    rungs = {"rungs": {"epochs": ["1/3", 1], "keep": "1/3"}}
    other = write_search(tmp_path / "rungs", BETTER, asked=rungs)
    more = write_search(tmp_path / "more", BETTER, asked={"sampler": {"type": "tpe", "startup": 8}})
    assert [arm.name for arm in read_arms([runs[0], other])] == ["no rungs", "epochs 1/3, 1, keep 1/3"]
    assert [arm.name for arm in read_arms([runs[0], more])] == ["startup 4", "startup 8"]


def test_hypervolume_is_a_share_of_one_box_for_all_runs(runs):
    info = compare_runs(runs)
    assert info.box.best == (1.0, 100.0)
    assert info.box.reference == pytest.approx((0.0, 100 * 10**1.1))
    wide = 1 / 1.1  # of the box, from the cheapest to the dearest in log10
    first, second = (of[0] for of in info.histories)
    assert first.values == pytest.approx([0.5, 0.5 + 0.3 * (1 - wide)])
    assert second.values == pytest.approx([0.4 * (1 - wide), 0.5])
    assert info.bands[0].x.tolist() == [0, 1, 2]
    assert info.bands[0].middle == pytest.approx([0, 0.52, 0.52 + 0.3 * (1 - wide)])
    assert info.bands[0].low == pytest.approx([0, 0.51, 0.51 + 0.3 * (1 - wide)])


def test_differences_are_paired_by_seed_and_corrected_over_all_budgets(runs):
    info = compare_runs(runs, at=(1, 2))
    tested = [row.tested for row in info.rows if row.tested]
    assert info.paired
    assert len(tested) == 2
    assert tested[0].difference == pytest.approx(
        np.mean([(0.4 + s) * (1 - 1 / 1.1) - (0.5 + s) for s in np.arange(5) / 100])
    )
    assert all(one.n == 5 and one.mark == "worse" for one in tested if one.test == "paired t")
    lonely = compare_runs([runs[0], runs[5]])
    assert "spread between its repetitions is not known" in lonely.untested
    assert all(row.tested is None for row in lonely.rows)


def test_arms_without_common_seeds_are_not_paired(tmp_path):
    runs = [write_search(tmp_path / f"a{seed}", better(BETTER, seed), seed=seed) for seed in (0, 1, 2)]
    runs += [write_search(tmp_path / f"b{seed}", better(WORSE, seed), seed=seed, asked=RANDOM) for seed in (2, 3, 4)]
    info = compare_runs(runs, at=(2,))
    assert not info.paired
    assert info.rows[1].tested.test == "Welch t"


def test_attainment_is_what_a_share_of_the_runs_reaches(runs):
    tpe, random = compare_runs(runs).attainments
    assert tpe.costs.tolist() == [100, 1000]
    assert tpe.surfaces[0.5] == pytest.approx([0.52, 0.82])
    assert tpe.surfaces[0.25] == pytest.approx([0.53, 0.83])  # two of five runs
    assert tpe.surfaces[0.75] == pytest.approx([0.51, 0.81])  # four of five
    assert random.surfaces[0.5] == pytest.approx([0.52, 0.52])


def test_paused_trainings_are_spent_and_give_no_layout(tmp_path):
    results = [(0.5, 100.0), (0.9, 100.0), (0.6, 200.0)]
    one = write_search(tmp_path / "one", results, paused=[1])
    two = write_search(tmp_path / "two", results, seed=1)
    by_epochs = compare_runs([one, two], by="epochs", at=(3, 4, 7))
    assert by_epochs.histories[0][0].spent.tolist() == [3, 7]
    assert by_epochs.histories[0][1].spent.tolist() == [3, 6, 9]
    assert (by_epochs.end, by_epochs.unit) == (7, "epochs")
    assert compare_runs([one, two]).histories[0][0].spent.tolist() == [1, 2]
    by_seconds = compare_runs([one, two], by="seconds")
    assert by_seconds.histories[0][0].spent.tolist() == [2, 4.5]
    assert by_seconds.unit == "seconds of training"


def test_virtual_time_is_the_axis_where_workers_were_virtual(tmp_path):
    times = [[5.0, 3.0, 9.0], [6.0, 2.0, 8.0]]
    runs = [
        write_search(
            tmp_path / f"r{seed}",
            [(0.5, 100.0), (0.6, 100.0), (0.7, 100.0)],
            seed=seed,
            attributes=[{"virtual_seconds": time} for time in times[seed]],
        )
        for seed in (0, 1)
    ]
    info = compare_runs(runs, by="seconds")
    assert info.histories[0][0].spent.tolist() == [3, 5, 9]
    assert info.histories[0][0].points[:, 0].tolist() == [0.6, 0.5, 0.7]
    assert (info.unit, info.end) == ("seconds", 8)


def test_what_cannot_be_compared_is_refused_in_a_line_with_both_values(runs, tmp_path):
    def refused(message, folders, **options):
        with pytest.raises(SpecError) as caught:
            compare_runs(folders, **options)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    first = runs[0]
    one = write_search(tmp_path / "objective", [(0.5, 1.0)], asked={"objectives": ["accuracy"]})
    rule = f"cannot be compared: objectives is accuracy, macs in {first} and accuracy in {one}"
    refused(rule, [first, one])
    space = write_search(tmp_path / "space", BETTER, asked={"space": {"name": "other"}})
    refused(f"cannot be compared: space is toy in {first} and other in {space}", [first, space])
    changed = {"name": "toy", "stem": {"type": "hr_stem", "width": {"choice": [4, 16]}}}
    space = write_search(tmp_path / "changed", BETTER, asked={"space": changed})
    refused(f"cannot be compared: space.stem.width.choice is 4, 8 in {first} and 4, 16 in {space}", [first, space])
    data = write_search(tmp_path / "data", BETTER, asked={"evaluator": {"type": "table", "table": "mine.csv"}})
    refused(f"cannot be compared: evaluator.table is toy in {first} and mine.csv in {data}", [first, data])
    refused(f"{first} and {first} have the same settings and seed 0: a run counts once", [first, first])
    refused("2 arms (tpe; random), but 1 names: x", runs, names=["x"])
    refused(f"--at: must be above 0 and at most 2 trainings, where {first} ends, not 3", runs, at=(3,))
    refused("takes at least two runs", [first])
    (runs[1] / "study.yaml").unlink()
    refused("study.yaml: is missing or damaged: comparing needs to know what was asked", runs)


def test_a_run_without_curves_has_no_axis_of_epochs(tmp_path):
    runs = [write_search(tmp_path / f"r{seed}", BETTER, seed=seed, attributes=[{"curve": []}] * 2) for seed in (0, 1)]
    with pytest.raises(SpecError, match="r0: trial 0 does not say the curve of its training: --by trainings compares"):
        compare_runs(runs, by="epochs")
