"""`archspec review` on a search that really ran, over a shipped table; the lines that it prints are run, too."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer

from archspec.cli.app import app

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


def follow(run, line: str) -> None:
    """Run a printed line: `archspec` in this process, anything else in a shell."""
    for part in line.split(" && "):
        if part.startswith("archspec "):
            assert run(*shlex.split(part)[1:])[0] == 0
        else:
            subprocess.run(part, shell=True, check=True)


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


def test_printed_lines_are_known_to_the_command_line(here, run):
    """Every option of every line, over all that the code can print about a run."""
    from reports.review.objection import Shell

    shell = Shell(Path("elsewhere/a run"))
    lines = [shell.resume(), shell.extend("final.seeds", 3), shell.again("x", "--sampler random", {"baseline": 0})]
    lines += [shell.alike("recipe", {"epochs": 3}), shell.repeat([1, 2]), shell.ranges()]
    lines += [shell.ablate("--seeds 7"), shell.match("d", "macs", 1, 2, 64)]
    group = typer.main.get_command(app)
    for line in lines:
        subprocess.run(["bash", "-n", "-c", line], check=True)
        for call in re.findall(r"archspec ([^;&]+)", line):
            name, *arguments = shlex.split(call.replace("$seed", "1"))
            if name == "ablate" and name not in group.commands:
                continue
            group.commands[name].make_context(name, arguments)


def test_bad_input_is_one_line(here, run):
    code, _, err = run("review", "nowhere")
    assert (code, err.count("\n")) == (2, 1)
    assert "nowhere/journal.log: no such file" in err
    (here / "journal.log").mkdir()
    assert run("review", ".")[0] == 2
