"""`archspec power`: what it prints, and what it refuses in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archspec.cli.app import app
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


@pytest.fixture
def ablation(tmp_path: Path, write_journal: Callable[..., Path]) -> Path:
    """A run folder with three progressive rows over four seeds, and a view of one comparison."""
    noise = [[0.001, -0.002, 0.0, 0.002], [-0.001, 0.001, 0.003, -0.002], [0.0, 0.002, -0.003, 0.001]]
    rows = [
        {"label": f"row {index}", "run": f"r{index}", "against": index - 1 if index else None} for index in range(3)
    ]
    late = {"label": "late", "run": "r9", "against": 0}
    views = [{"name": "steps", "rows": rows}, {"name": "late", "rows": [rows[0], late]}]
    scores = {
        f"r{index}": {seed: 0.6 + 0.02 * index + value for seed, value in enumerate(values)}
        for index, values in enumerate(noise)
    }
    return write_journal(tmp_path / "plan", views, scores)


def test_an_ablation_is_its_own_pilot(ablation: Path) -> None:
    found = json.loads(run(str(ablation), "--json"))
    assert (found["view"], found["comparisons"], found["rows"]) == ("steps", 2, 3)
    first, second = found["plans"]
    assert found["pilot"]["sd"] == first["sd"] == pytest.approx(0.408, abs=0.05)
    assert (first["bound"], second["bound"], first["seeds"]) == (False, True, 4)
    assert second["effect"] > first["effect"]
    one, _, late = found["differences"]
    assert (one["row"], one["against"], one["seeds"]) == ("row 1", "row 0", 4)
    assert one["difference"] == pytest.approx(2.0)
    assert one["effect"] == pytest.approx(first["effect"])
    again = json.loads(run(str(ablation), "--effect", str(one["difference"]), "--json"))["plans"][0]
    assert one["seeds_needed"] == again["seeds"]
    assert (late["seeds"], late["difference"], late["seeds_needed"]) == (0, None, None)
    text = run(str(ablation))
    assert text.startswith("2 comparisons in steps, the largest view; paired t tests")
    assert "4 seeds per row mark a true difference of" in text
    assert "late: late against row 0: no seed yet" in text


def test_sd_and_rows_override_the_ablation(ablation: Path) -> None:
    given = json.loads(run(str(ablation), "--sd", "0.3", "--effect", "0.5", "--json"))
    assert given["plans"] == json.loads(run("--sd", "0.3", "--effect", "0.5", "--rows", "3", "--json"))["plans"]
    assert "pilot" not in given
    assert json.loads(run(str(ablation), "--rows", "5", "--seeds", "4", "--json"))["comparisons"] == 4
    looked = json.loads(run(str(ablation), "--looks", "3,5", "--json"))
    assert looked["sequential"]["sd"] == looked["pilot"]["sd"]


def test_an_ablation_that_cannot_be_read_is_refused(ablation: Path) -> None:
    for arguments, words in (
        ([], "give --sd, or the run folder"),
        ([str(ablation), "--pilot", "5"], "--pilot: says how many seeds --sd was seen on"),
        ([str(ablation), "--sd", "1"], "give --effect, --seeds or --looks"),
        ([str(ablation.parent / "other")], "journal.log: no such file"),
        ([str(ablation / "journal.log")], "journal.log:2: malformed YAML"),
    ):
        with pytest.raises(SpecError) as error:
            CliRunner().invoke(app, ["power", *arguments], catch_exceptions=False)
        assert words in str(error.value)
