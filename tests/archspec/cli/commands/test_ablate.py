"""`archspec ablate`: the dry run, a plan that is trained, continued and stopped early, and what is refused."""

import json
import sys
from itertools import pairwise

import pytest
import yaml

from search.ablation.plan import plans

SCRIPT = """
import json, pathlib, random, sys
spec, seed, gain = sys.argv[1:]
noise = random.Random(f"{seed} {gain}").gauss(0, 0.002)
accuracy = 0.5 + float(gain) + noise
print(json.dumps({"accuracy": accuracy, "test_accuracy": accuracy}))
"""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evaluate.py").write_text(SCRIPT)
    command = [sys.executable, "-S", str(tmp_path / "evaluate.py"), "{spec}", "{seed}", "0"]

    def write(**changes) -> str:
        data = {
            "name": "toy",
            "base": "tiny",
            "evaluator": {"type": "command", "command": command, "resolution": 64},
            "edits": {
                "much": {"label": "much", "set": {"evaluator.command[5]": "0.2"}},
                "none": {"label": "none", "set": {"evaluator.command[5]": "0.0"}},
            },
            "views": [{"type": "leave_one_in", "title": "Two edits"}],
            "seeds": 4,
            **changes,
        }
        (tmp_path / "plan.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
        return "plan.yaml"

    return write


def test_a_view_without_a_title_is_called_by_its_name(run, plan, tmp_path):
    code, out, err = run("ablate", plan(views=["leave_one_in", {"type": "progressive", "name": "steps"}]), "--dry-run")
    assert (code, err) == (0, "")
    headed = [(before, line) for before, line in pairwise(["", *out.splitlines()]) if line.lstrip().startswith("#")]
    assert [before.strip() for before, _ in headed] == ["leave_one_in", "steps"]
    assert not out.startswith("\n")


def test_a_shipped_plan_is_run_and_planned_for_by_its_name(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("ablate", "table8_small", "--dry-run")
    assert (code, err) == (0, "")
    assert "4 rows in 1 view: 24 trainings (4 x 6 seeds)" in out
    code, out, err = run("power", "table8_small", "--sd", "0.3", "--effect", "0.5")
    assert (code, err) == (0, "")
    assert "3 comparisons in enumerate, the largest view" in out


def test_the_dry_run_states_costs_and_trains_nothing(run, plan, tmp_path):
    path = plan(edits={"stem": {"stem": "conv_stem"}, "wide": {"stages[2].expansion": 6}})
    code, out, err = run("ablate", path, "--dry-run")
    assert (code, err) == (0, "")
    assert "3 rows in 1 view: 12 trainings (3 x 4 seeds)" in out
    assert not (tmp_path / "runs").exists()
    code, out, _ = run("ablate", path, "--dry-run", "--json")
    rows = json.loads(out)["views"][0]["rows"]
    assert [row["label"] for row in rows] == ["tiny", "stem", "wide"]
    assert rows[0]["params"] == 373_994


def test_a_plan_is_trained_reported_continued_and_recorded(run, plan, tmp_path):
    path = plan()
    assert run("ablate", path)[0] == 0
    report = tmp_path / "runs" / "toy" / "report"
    assert (report / "index.html").is_file()
    tables = {suffix: next(report.rglob(f"*leave_one_in{suffix}")).read_text() for suffix in (".md", ".tex")}
    for text in tables.values():
        assert "much" in text
        assert "none" in text
    before = (tmp_path / "runs" / "toy" / "journal.log").read_text()
    code, _, err = run("ablate", "toy")
    assert code == 0
    assert "/12]" not in err  # nothing was trained again
    assert (tmp_path / "runs" / "toy" / "journal.log").read_text().startswith(before)
    code, _, err = run("ablate", "runs/toy", "--seeds", 5)
    assert code == 0
    assert "[15/15]" in err


def test_a_decided_row_is_not_trained_further(run, plan):
    code, _, err = run("ablate", plan(seeds=12, stop={"looks": [6]}))
    assert code == 0
    trained = [line for line in err.splitlines() if "accuracy" in line]
    assert sum("much, seed" in line for line in trained) == 6
    assert sum("none, seed" in line for line in trained) == 12
    assert sum("tiny, seed" in line for line in trained) == 12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stop": {"looks": [5, 3]}}, "plan.yaml:27: stop.looks: must be rising numbers of seeds from 2 on"),
        ({"seeds": 0}, "seeds: must be at least 1, not 0"),
        (
            {"evaluator": None, "edits": {"a": {"drop_path": 0.1}}},
            "evaluator: is required to train the rows; --dry-run",
        ),
        ({"stop": {"looks": [8]}}, "stop.looks: must begin below the plan's 4 seeds, not at 8"),
    ],
)
def test_what_is_refused(run, plan, changes, message):
    code, out, err = run("ablate", plan(**changes))
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_without_scipy_nothing_is_trained(run, plan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    code, out, err = run("ablate", plan())
    assert (code, out) == (2, "")
    assert err == "archspec: comparing rows needs scipy: pip install 'archspec-vision[data]'\n"
    assert not (tmp_path / "runs").exists()


def test_a_plan_that_does_not_exist(run, plan):
    plan()
    nothing = "archspec: 'nothing' is no plan file, no shipped plan and no run in runs; shipped are "
    assert run("ablate", "nothing")[2] == f"{nothing}{', '.join(plans())}\n"
    assert run("ablate", "nothing.yaml")[2] == "archspec: nothing.yaml: no such file\n"


def test_power_takes_a_plan_and_its_seeds(run, plan):
    path = plan()
    code, _, err = run("power", path, "--effect", 1)
    assert (code, "has no seeds in runs/toy yet: give --sd" in err) == (2, True)
    assert "2 comparisons in leave_one_in" in run("power", path, "--sd", 1, "--effect", 1)[1]
    run("ablate", path)
    _, out, _ = run("power", path)
    assert "leave_one_in: much against tiny" in out
    assert out == run("power", "runs/toy")[1]
