"""Interruptions of a run in real processes: nothing of it is alive after 5 s, and it goes on to the end.

`make engines` tries more of them (`tests/engines/local_interruptions.py`).
"""

from pathlib import Path

import pytest
import yaml
from interruptions import WRAPPED, StartedRun, check, finished, under_way
from journals import trained, trials_of

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
    with StartedRun(*command) as run:
        code, said = run.end(90)
        assert code == 0, said
        assert run.left() == {}
    done = trained(trials_of(runs / "toy"))
    assert len({trial.user_attrs["digest"] for trial in done}) == len(done) == 6
    assert set(finished(runs / "toy").values()) == {1}
