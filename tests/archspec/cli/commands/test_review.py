"""`archspec review` on a search that really ran, over a shipped table; the lines that it prints are run, too."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from archspec.documents.paths import pick
from archspec.loader import dump, load
from reports.review.objection import Shell

ROOT = Path(__file__).parents[4]


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def raised(run) -> dict[str, dict[str, str]]:
    code, out, _ = run("review", "runs/table", "--json")
    assert code == 0
    return {objection["rule"]: objection for objection in json.loads(out)["objections"]}


def follow(run, commands: str) -> None:
    """Run what a review prints: one `archspec` command a line."""
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "archspec"
        code, _, err = run(*arguments)
        assert (code, err if code else "") == (0, ""), line


def test_the_page_shows_what_is_printed_and_the_lines_resolve_it(here, run):
    shown = re.search(r"```console\n\$ archspec search table\n\$ archspec review runs/table\n(.*?)```",
                      (ROOT / "docs" / "reference" / "review.md").read_text(encoding="utf-8"), re.DOTALL)  # fmt: skip
    assert shown
    assert run("search", "table")[0] == 0
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    code, out, _ = run("review", "runs/table")
    assert (code, [line.rstrip() for line in out.splitlines()]) == (0, shown[1].splitlines())
    assert before == {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    found = raised(run)
    assert {"few-seeds", "shared-start-up", "late-reference"} <= found.keys()
    for rule in ("few-seeds", "shared-start-up", "late-reference"):
        follow(run, found[rule]["command"])
    assert not {"few-seeds", "shared-start-up"} & raised(run).keys()


@pytest.fixture
def untrained(monkeypatch):
    """Lets runs begin, with all that is read, validated and recorded before, but train nothing."""
    monkeypatch.setattr("search.run.run.Conductor.run", lambda *_: True)
    monkeypatch.setattr("reports.ablation_page.write.write_ablation", lambda run, _: run)


def asked(run: Path, name: str = "study.yaml") -> dict[str, Any]:
    return yaml.safe_load((run / name).read_text(encoding="utf-8"))


def test_every_command_about_a_search_is_accepted_by_its_run(here, run, untrained):
    """Over all that the code can print: each is read, validated and compared with what the run was asked."""
    home = here / "some runs"
    assert run("search", "table", "--runs", home)[0] == 0
    was, table, shell = asked(home / "table"), home / "table", Shell(home / "table")
    follow(run, shell.resume())
    assert asked(table) == was
    for path, value in {"final.seeds": 4, "final.members": 5, "final.anchors": [], "baseline": 50}.items():
        follow(run, shell.extend(path, value))
        assert pick(asked(table), path) == value
    follow(run, shell.again("random", "--sampler random --seed 10", {"baseline": 0, "final.seeds": 0}))
    other = asked(home / "table-random")
    assert (other["sampler"]["type"], other["seed"], other["baseline"], other["final"]["seeds"]) == ("random", 10, 0, 0)
    follow(run, shell.again("inside", "--sampler nsga2", {"budget": {"params": "> 0"}}))
    assert asked(home / "table-inside")["budget"] == {"params": ">= 1"}
    follow(run, shell.alike("evaluator", {"seed": "mean"}))
    assert asked(home / "table-one-recipe")["evaluator"]["seed"] == "mean"
    follow(run, shell.repeat([10, 20]))
    assert [asked(home / f"table-{seed}")["seed"] for seed in (10, 20)] == [10, 20]
    follow(run, shell.ranges())


def test_every_command_about_an_ablation_is_accepted_by_its_run(here, run, untrained):
    shell = Shell(Path("runs") / "table8_small")
    assert run("ablate", "table8_small", "--name", "table8_small")[0] == 0
    seeds = asked(shell.run, "plan.yaml")["seeds"]
    follow(run, shell.ablate())
    follow(run, shell.ablate(f"--seeds {seeds + 2}"))
    assert asked(shell.run, "plan.yaml")["seeds"] == seeds + 2
    follow(run, shell.ablate_again("validation", "score", "validation"))
    assert asked(Path("runs/table8_small-validation"), "plan.yaml")["score"] == "validation"
    (shell.run / "artifacts" / "d").mkdir(parents=True)
    (shell.run / "artifacts" / "d" / "spec.yaml").write_text(dump(load("tiny")))
    follow(run, shell.match("d", "macs", 4_000_000, 5_000_000, 64))
    assert Path("matched.yaml").is_file()


def test_bad_input_is_one_line(here, run):
    code, _, err = run("review", "nowhere")
    assert (code, err.count("\n")) == (2, 1)
    assert "nowhere/journal.log: no such file" in err
    (here / "journal.log").mkdir()
    assert run("review", ".")[0] == 2
