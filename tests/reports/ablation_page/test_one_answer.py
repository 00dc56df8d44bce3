"""One difference has one answer: the page, `archspec power` and `archspec review` plan seeds alike."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from archspec.cli.app import app
from reports.ablation_page.page import failures
from reports.ablation_page.results import compute
from reports.ablation_page.text import verdict
from reports.records.ablation import read_ablation
from reports.review.review import examine
from reports.statistics.power import seeds_for, visible_effect

SCORES: dict[str, list[float | None]] = {
    "base": [84.1, 83.6, 84.4, 83.9, 84.2],
    "+ a": [84.4, 83.2, 84.9, 84.1, 84.5],
    "+ b": [84.3, 84.1, 84.3, 83.3, 84.9],
}


def power(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["power", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_page_power_and_review_agree(make_ablation):
    run = make_ablation(SCORES, views=("progressive", "leave_one_out"))
    record = read_ablation(run)
    found = json.loads(power(run, "--json"))
    stated = {(one["view"], one["row"]): one for one in found["differences"]}
    for view in compute(record).views:
        for line in view.lines[1:]:
            one = stated[view.plan.name, line.row.label]
            assert line.outcome
            assert line.outcome.needed == one["seeds_needed"]
            asked = ("--effect", abs(one["difference"]), "--rows", view.comparisons + 1, "--json")
            assert json.loads(power(run, *asked))["plans"][0]["seeds"] == one["seeds_needed"]
            assert f"{one['seeds_needed']:,} seeds per row would mark" in " ".join(verdict(view))
    sd = found["pilot"]["sd"]
    for objection in (one for one in examine(run).objections if one.rule == "few-seeds-to-mark"):
        said = re.search(r"differences from ([\d.]+) points on .* one, ([\d.]+), takes ([\d,]+) seeds", objection.text)
        assert said
        (view,) = (one for one in record.views if objection.place.startswith(f"{one.name}, "))
        effect = visible_effect(5, sd, len(view.family))
        assert effect == pytest.approx(float(said[1]), abs=0.006)
        assert f"--seeds {said[3].replace(',', '')} " in objection.command
        assert int(said[3].replace(",", "")) == pytest.approx(seeds_for(float(said[2]), sd, len(view.family)), rel=0.05)
        names = [one for (name, _), one in stated.items() if name == view.name]
        assert {one["effect"] for one in names} == {effect}


def test_no_effect_beyond_what_scores_can_differ_by_is_stated(make_ablation):
    run = make_ablation({"base": [10.0, 90.0], "+ a": [80.0, 20.0], "+ b": [15.0, 70.0]}, seeds=2)
    text = power(run)
    assert "no effect below 100 points could be seen with 2 seeds per row" in text
    assert "which can show none" in text
    assert not [number for number in re.findall(r"difference of ([\d.]+)", text) if float(number) >= 100]
    found = json.loads(power(run, "--json"))
    assert {plan["effect"] for plan in found["plans"]} == {None}
    (objection,) = (one for one in examine(run).objections if one.rule == "few-seeds-to-mark")
    assert "2 seeds can show no true difference below 100 points" in objection.text
    with pytest.raises(Exception, match="--effect: must be below 100 points"):
        power(run, "--effect", 150)


def test_failures_of_one_reason_stand_in_one_line(make_ablation):
    lost = "command ended with exit code 3 (see runs/x/artifacts/0123456789abcdef/seed{}/output.txt)"
    record = read_ablation(make_ablation({"base": [84.0, None, None], "+ a": [85.0, 85.1, None]}, seeds=3))
    given = {run: {seed: lost.format(seed) for seed in seeds} for run, seeds in record.failures.items()}
    object.__setattr__(record, "failures", given)
    (line,) = failures(record)
    assert line == ("command ended with exit code 3", 3, "progressive, base (seeds 1, 2); progressive, + a (seed 2)")
