"""The verdict of the comparison of samplers: ahead, level and behind, and what the page says of them."""

import numpy as np
from samplers_verdict import resampled_mean, summarise_verdicts, verdict_part, verdicts

BASE = np.random.default_rng(0).normal(0.8, 0.02, (20, 60))
NOISE = np.random.default_rng(1).normal(0.0, 0.01, (20, 60))


def quality(gp):
    return {"exact": BASE, "gp": BASE + NOISE + gp, "random": BASE + NOISE - 0.1}


def words(found):
    return {(one.other, one.trainings): one.word for one in found}


def test_a_sampler_is_ahead_or_behind_where_the_paired_interval_excludes_zero():
    points = (20, 40, 60)
    for gp, word in ((0.05, "behind"), (0.0, "level"), (-0.05, "ahead")):
        expected = {("gp", point): word for point in points} | {("random", point): "ahead" for point in points}
        assert words(verdicts(quality(gp))) == expected
    assert [one.trainings for one in verdicts({"exact": BASE[:, :30], "gp": BASE[:, :30]})] == [20]
    assert verdicts({"gp": BASE, "random": BASE}) == []


def test_the_interval_of_a_mean_is_near_students():
    values = np.random.default_rng(2).normal(size=20)
    found, half = resampled_mean(values), 2.093 * values.std(ddof=1) / np.sqrt(20)
    assert found.value == values.mean()
    assert abs((found.high - found.low) / (2 * half) - 1) < 0.1


def test_the_page_says_first_where_exact_is_behind_and_why():
    tables = [("one", quality(0.0)), ("two", quality(0.05))]
    text = summarise_verdicts(tables)
    assert "`exact` is behind gp on two at 20, gp on two at 40, gp on two at 60." in text
    assert "| `two` | 40 | random | none | gp |" in text
    level = summarise_verdicts(tables[:1])
    assert "`exact` is ahead of or level with all others at 20, 40, 60 trainings on one." in level
    part = " ".join(verdict_part("two", quality(0.05), 0.49).split())
    assert "`exact` is behind gp at 20, gp at 40, gp at 60." in part
    assert "a sum of effects explains 49% of the variance" in part
    lower = " ".join(verdict_part("two", quality(0.001), 0.49).split())
    assert "`exact` is ahead of or level with all others. Its mean is lower, within the interval, than that of" in lower
