"""A user's project type-checks under pyright's own strict rules, and mistakes in it are seen."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

WRONG = {
    "archspec.Recipe(epoch=3)": "epoch",
    "archspec.ArchSpec(stem='hr_stem', stages=[], stam=1)": "stam",
    "archspec.ArchSpec(stem='hr_stem')": "stages",
    "archspec.search('demo', trails=3)": "trails",
    "archspec.load('tiny').edits": "edits",
    "archspec.measure('tiny').flops": "flops",
    "archspec.search('demo', lambda spec: 0.5)": "accuracy",
}


def check(folder: Path) -> list[dict]:
    config = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)], "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--outputjson", "-p", str(folder), "--pythonpath", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)["generalDiagnostics"]


def test_a_users_project_type_checks(tmp_path):
    shutil.copy(HERE / "user_project.py", tmp_path)
    assert [one["message"] for one in check(tmp_path)] == []


def test_mistakes_of_a_user_are_seen(tmp_path):
    (tmp_path / "wrong.py").write_text("\n".join(["import archspec", *(f"_ = {line}" for line in WRONG)]))
    found = {one["range"]["start"]["line"]: one["message"] for one in check(tmp_path) if one["severity"] == "error"}
    assert [word in found.get(line, "") for line, word in enumerate(WRONG.values(), 1)] == [True] * len(WRONG), found


@pytest.mark.parametrize("name", ["keyword_construction", "design"])
def test_the_project_does_what_it_says(name, tmp_path):
    code = f"import user_project as u; result = u.{name}(); print(type(result).__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{HERE}:{ROOT}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == {"keyword_construction": "StudyConfig", "design": "Tensor"}[name]
