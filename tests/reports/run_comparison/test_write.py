"""The page of a comparison, its files, the command and the Python API."""

import json

import pytest
from compared_runs import write_search
from typer.testing import CliRunner

import archspec
from archspec.cli.app import make_app
from archspec.errors import SpecError

RANDOM = {"sampler": {"type": "random", "startup": 4}}


def invoke(*arguments):
    return CliRunner().invoke(make_app(["compare"]), ["compare", *arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")

    def results(lift, seed):
        return [(0.5 + lift + 0.01 * seed, 100.0), (0.7 + lift - 0.01 * seed, 1000.0), (0.6, 500.0)]

    found = [write_search(root / f"tpe-{seed}", results(0.1, seed), seed=seed) for seed in range(3)]
    return found + [
        write_search(root / f"random-{seed}", results(0.0, seed), seed=seed, asked=RANDOM) for seed in range(3)
    ]


def test_the_command_writes_a_page_and_prints_a_table(runs, tmp_path):
    out = tmp_path / "page"
    command = [*map(str, runs), "--arm", "TPE", "--arm", "chance"]
    done = invoke(*command, "--out", str(out))
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "whole trainings" in text
    assert "chance" in text
    assert "its reference point: accuracy 0.0 %, MACs 1.259 k" in text
    assert f"wrote {out / 'index.html'}" in text
    page = (out / "index.html").read_text()
    assert "<title>TPE against chance – archspec compare</title>" in page
    assert "3 searches, seeds 0, 1, 2" in page
    assert page.count("<figure>") == 2
    assert {path.name for path in out.iterdir()} >= {"budgets.md", "budgets.csv", "budgets.tex", "figures"}
    names = {f"{name}.{suffix}" for name in ("hypervolume", "attainment") for suffix in ("png", "svg", "pdf", "csv")}
    assert {path.name for path in (out / "figures").iterdir()} == names


def test_the_command_gives_json_and_refuses_budgets_that_are_no_numbers(runs, tmp_path):
    done = invoke(*map(str, runs), "--out", str(tmp_path / "page"), "--json")
    record = json.loads(done.stdout)
    assert [arm["name"] for arm in record["arms"]] == ["tpe", "random"]
    assert len(record["rows"]) == 2 * len({row["at"] for row in record["rows"]})
    wrong = invoke(*map(str, runs), "--at", "x")
    assert str(wrong.exception) == "--at: must be numbers between commas such as 10,20,40, not 'x'"


def test_python_gets_a_table_and_writes_the_same_page(runs, tmp_path):
    found = archspec.compare(runs, at=[1, 3])
    assert repr(found) == "<ComparedSearches tpe (3), random (3)>"
    table = found.to_frame()
    assert list(table["arm"]) == ["tpe", "random"] * 2
    assert list(table["trainings"]) == [1, 1, 3, 3]
    assert (table["median"] > 0).all()
    assert {arm: len(of) for arm, of in found.arms.items()} == {"tpe": 3, "random": 3}
    assert found.report(tmp_path / "out").read_text().startswith("<!doctype html>")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    with pytest.raises(SpecError, match=r"index\.html"):
        found.report(tmp_path / "mine")
