"""Interruptions of a run in real processes: nothing of it is alive after 5 s, and it goes on to the end.

`make engines` tries more of them (`tests/engines/local_interruptions.py`).
"""

from pathlib import Path

import pytest
import yaml
from interruptions import WRAPPED, StartedRun, check, check_finished, under_way

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="asks /proc who is alive")

COMMANDS = ("TERM to all", "9 to the conductor", "9 to the supervisors", "stopped workers, 9")


def test_a_search_with_a_command_in_a_shell_is_interrupted(study_file, tmp_path):
    study = yaml.safe_load(study_file(seconds=0.5).read_text())
    program, _, *rest = study["evaluator"]["command"]
    study["evaluator"]["command"] = ["bash", "-c", WRAPPED, program, *rest]
    study |= {"trials": 6, "sampler": {"type": "random"}}
    path, runs = tmp_path / "wrapped.yaml", tmp_path / "runs"
    path.write_text(yaml.safe_dump(study))
    command = ("search", path, "--runs", runs, "--workers", 2)
    for name in COMMANDS:
        with StartedRun(*command) as run:
            run.wait(lambda: under_way(run))
            check(run, name)
    check_finished(command, runs / "toy", 6)
