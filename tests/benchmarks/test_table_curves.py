"""What a table's curves say: spread and noise, ranks by epoch, flatness, short trainings against long ones."""

import csv

import numpy as np
import pytest
from table_curves import describe, open_table, tell_against, tell_curves, tell_gains

from archspec.spec.short_code import encode
from search.space.space import load_space


@pytest.fixture(scope="module")
def layouts():
    return [layout.spec for layout, _ in zip(load_space("five_stage_grid").enumerate(), range(24), strict=False)]


def write(path, layouts, curves):
    """A table of curves [layouts, seeds, epochs]."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["digest", "seed", "accuracy", "accuracies", "code"])
        for spec, own in zip(layouts, curves, strict=True):
            for seed, curve in enumerate(own):
                text = " ".join(f"{value:.6f}" for value in curve)
                writer.writerow([spec.digest, seed, f"{curve[-1]:.6f}", text, encode(spec)])
    return open_table(str(path))


def rising(count, epochs, last):
    """Curves that end in the order of their layouts, and begin in the opposite one."""
    ends, starts = np.linspace(0.5, 0.9, count), np.linspace(0.2, 0.1, count)
    steps = np.minimum(np.arange(1, epochs + 1) / last, 1)
    own = starts[:, None] + (ends - starts)[:, None] * steps
    return np.stack([own, own + 0.01], axis=1)


def test_the_rank_at_each_epoch_is_compared_with_the_other_seeds_end(layouts, tmp_path, capsys):
    curves = rising(24, 5, 5)
    curves[:, :, 0] = rising(24, 5, 1000)[:, :, 0]  # the first epoch ranks the other way round
    tell_curves(write(tmp_path / "t.csv", layouts, curves))
    said = capsys.readouterr().out
    assert "| 1 | -1.00 [-1.00, -1.00]" in said
    assert "| 5 | 1.00 [1.00, 1.00]" in said
    assert "with the mean of the other seeds' ends" in said
    assert "in the mean curves are not flat" in said


def test_flat_curves_are_called_flat(capsys):
    tell_gains(rising(8, 20, 10))
    said = capsys.readouterr().out
    assert "gain over the last 10% of the epochs (2): +0.00 points" in said
    assert "in the mean curves are flat" in said


def test_the_spread_is_stated_in_points_and_in_seed_sds():
    rng = np.random.default_rng(0)
    truth = np.linspace(0.5, 0.8, 200)[:, None]
    said = describe(truth + rng.normal(0, 0.01, (200, 3)))
    assert "points without seed noise, of one seed about its layout 1.0 (pooled; the range is 29.8 of" in said
    gaps = np.column_stack([truth, truth, np.full(200, np.nan)])
    assert "50.0 to 80.0 % (means), 30.0 points apart; best training 80.0 %" in describe(gaps)


def test_short_trainings_are_compared_with_long_ones_on_the_layouts_of_both(layouts, tmp_path, capsys):
    long = write(tmp_path / "long.csv", layouts[:20], rising(20, 6, 3))
    short = write(tmp_path / "short.csv", layouts[4:], rising(24, 2, 2)[:20])
    tell_against(long, short)
    said = capsys.readouterr().out
    assert "(2 epochs) against" in said
    assert "(6 epochs): 16 layouts in common" in said
    assert "tau of the mean of 2 short trainings 1.00" in said
    other = write(tmp_path / "other.csv", layouts[20:], rising(4, 2, 2))
    with pytest.raises(SystemExit, match="have 0 layouts in common"):
        tell_against(write(tmp_path / "few.csv", layouts[:3], rising(3, 2, 2)), other)
