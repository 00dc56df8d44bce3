"""A SLURM of three nodes on this host and a search on it, for the table of faults (`tests/engines`)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import yaml

from search.processes.tree import list_processes

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "engines" / "slurm.sh"
SPACE = {
    "name": "toy",
    "resolution": 32,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [{"block": "HR", "depth": {"range": [1, 8]}, "width": {"choice": [8, 12, 16]}, "expansion": 2}],
    "head": {"type": "classifier", "classes": 10},
}
EVALUATE = """
import json, pathlib, sys, time
spec, seed, folder, seconds = sys.argv[1:]
folder = pathlib.Path(folder)
steps = folder / "steps.txt"
for step in range(int(float(seconds) * 5)):  # its own checkpoint: it goes on at the step at which it was
    if not steps.exists() or len(steps.read_text()) <= step:
        time.sleep(0.2)
        with steps.open("a") as file:
            file.write("x")
accuracy = sum(pathlib.Path(spec).read_bytes()) * 2654435761 % 1000 / 1000
print(json.dumps({"accuracy": accuracy, "test_accuracy": accuracy}))
"""


class Cluster:
    """The cluster under test, and what befalls it."""

    def __init__(self, folder):
        self.folder = folder

    def jobs(self, state="RUNNING"):
        lines = asked(
            "squeue", "--noheader", "--array", f"--states={state}", "-O", "ArrayJobID:|,ArrayTaskID:|,NodeList:|,Name:|"
        )
        return [line.split("|")[:4] for line in lines.splitlines() if "archspec-" in line]

    def pid(self, name):
        return int((self.folder / f"{name}.pid").read_text())

    def of_node(self, node):
        """The processes of a node: its slurmd, then the daemons of its steps, then all that these have started."""
        entries = list_processes()
        scripts = {one.pid: one.parent for one in entries if f"spool-{node}/job" in command(one.pid)}
        daemons = {parent for parent in scripts.values() if "slurmstepd" in command(parent)}
        found, more = set(), {one.pid for one in entries if one.parent in daemons}
        while more - found:
            found |= more
            more = {one.pid for one in entries if one.parent in found}
        return [self.pid(f"slurmd-{node}"), *daemons, *found]

    def start_node(self, node):
        subprocess.run([SCRIPT, "node", self.folder, node], check=True)


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def asked(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def until(condition, seconds=120, every=0.3):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {condition}")


class Search:
    """A search on the cluster, as its own process."""

    def __init__(self, tmp_path, seconds=6.0, trials=6, finalists=0, workers=4, sbatch=(), **changes):
        self.root = tmp_path / "runs" / "toy"
        self.home, self.output = tmp_path, tmp_path / "said.txt"
        script = tmp_path / "evaluate.py"
        script.write_text(EVALUATE)
        evaluator = {"type": "command", "resolution": 32}
        evaluator["command"] = [sys.executable, "-S", str(script), "{spec}", "{seed}", "{folder}", str(seconds)]
        study = {"name": "toy", "space": SPACE, "evaluator": evaluator, "trials": trials, "sampler": "random"}
        study |= {"final": {"seeds": finalists, "anchors": []}} | changes
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
        engine = {"type": "slurm", "workers": workers, "poll_seconds": 0.5, "sbatch": list(sbatch)}
        (tmp_path / "engine.yaml").write_text(yaml.safe_dump(engine))
        self.process = None

    def start(self):
        words = ["-m", "archspec", "search", self.home / "study.yaml", "--runs", self.home / "runs"]
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, *words, "--engine", self.home / "engine.yaml"],
                stdout=file,
                stderr=file,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )
        return self

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self, seconds=240):
        code = self.process.wait(seconds)
        assert code == 0, self.said
        return self

    @property
    def said(self):
        return self.output.read_text()

    def workers(self):
        """Processes of jobs of this run that evaluate, by the folder of their command."""
        return {
            one.pid: one.parent
            for one in list_processes()
            if "search.slurm.job" in command(one.pid)
            and str(self.root) in command(one.pid)
            and "bash" not in command(one.pid)
        }

    def events(self):
        found = Counter()
        for path in self.root.glob("artifacts/*/*/events.jsonl"):
            for line in path.read_text().splitlines():
                found[path.parent.relative_to(self.root).as_posix(), json.loads(line)["event"]] += 1
        return found

    def trials(self, study="search"):
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        storage = JournalStorage(JournalFileBackend(str(self.root / "journal.log")))
        return optuna.load_study(study_name=study, storage=storage).get_trials()

    def check(self, trials=6, finalists=0):
        """Every layout that was asked for is evaluated, to its end once, and none is lost or recorded twice."""
        done = [one for one in self.trials() if one.state.name == "COMPLETE" and "duplicate_of" not in one.user_attrs]
        assert len(done) == len({one.user_attrs["digest"] for one in done}) == trials, self.said
        finished = {key: count for (key, event), count in self.events().items() if event == "finished"}
        assert set(finished.values()) == {1}, self.said
        finals = sum("final-" in key for key in finished)
        assert len(finished) - finals == trials
        assert (finals > 0) == (finalists > 0)
        assert not [one for one in self.trials() if one.state.name == "FAIL" and not one.user_attrs.get("requeued")]
        for number in asked("squeue", "--noheader", "--states=PENDING,RUNNING", "-o", "%A %j").splitlines():
            assert "archspec-" not in number, number
        return self


def under_way(search, count=1):
    """The workers of a run that have begun to evaluate."""
    begun = list(search.root.glob("artifacts/*/*/steps.txt"))
    return search.workers() if len(begun) >= count and len(search.workers()) >= count else None
