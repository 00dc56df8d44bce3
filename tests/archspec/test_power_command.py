"""`archspec power`: what it prints, and what it refuses in one line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from archspec.cli import app
from archspec.errors import SpecError


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["power", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_seeds_for_an_effect_and_back() -> None:
    plan = json.loads(run("--sd", "0.3", "--effect", "0.5", "--rows", "4", "--json"))["plans"][0]
    assert plan["seeds"] == 7
    assert plan["chance"] >= 0.8
    back = json.loads(run("--sd", "0.3", "--seeds", "7", "--rows", "4", "--json"))["plans"][0]
    assert back["effect"] <= 0.5
    assert "7 seeds per row mark a true difference of 0.5" in run("--sd", "0.3", "--effect", "0.5", "--rows", "4")


def test_a_pilot_is_planned_for_its_upper_bound_too() -> None:
    first, second = json.loads(run("--sd", "1", "--effect", "1", "--pilot", "5", "--json"))["plans"]
    assert (first["bound"], second["bound"]) == (False, True)
    assert second["sd"] == pytest.approx(1.5576, abs=1e-4)
    assert second["seeds"] > first["seeds"]


def test_looks() -> None:
    found = json.loads(run("--sd", "1", "--looks", "3,5", "--json"))["sequential"]
    assert [look["seeds"] for look in found["looks"]] == [3, 5]
    assert found["looks"][0]["p"] < found["looks"][1]["p"] < 0.05
    assert found["effect"] > found["effect_without_looks"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sd", "1"], "give --effect, --seeds or --looks"),
        (["--sd", "-1", "--seeds", "5"], "--sd: must be finite and above 0, not -1"),
        (["--sd", "1", "--seeds", "1"], "--seeds: must lie between 2"),
        (["--sd", "1", "--seeds", "5", "--rows", "1"], "--rows: needs at least 2"),
        (["--sd", "1", "--looks", "5,x"], "--looks: must be numbers of seeds"),
        (["--sd", "1", "--looks", "3,5", "--seeds", "5"], "--looks: states the seeds itself"),
    ],
)
def test_refusals(arguments: list[str], words: str) -> None:
    with pytest.raises(SpecError) as error:
        CliRunner().invoke(app, ["power", *arguments], catch_exceptions=False)
    assert words in str(error.value)
