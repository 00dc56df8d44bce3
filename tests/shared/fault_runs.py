"""A search in its own process, on any engine: what befalls it, and what came of it (`tests/engines`)."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import yaml
from interruptions import VARIABLE, alive_with
from journals import trained, trials_of

ROOT = Path(__file__).parents[2]
SPACE = {
    "name": "toy",
    "resolution": 32,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [{"block": "HR", "depth": {"range": [1, 8]}, "width": {"range": [8, 64, 4]}, "expansion": 2}],
    "head": {"type": "classifier", "classes": 10},
}
EVALUATE = """
import json, os, pathlib, sys, time
spec, seed, folder, seconds = sys.argv[1:]
steps = pathlib.Path(folder) / "steps.txt"  # its own checkpoint: it goes on at the step at which it was
done = len(steps.read_text().splitlines()) if steps.exists() else 0
for step in range(done, int(float(seconds) * 10)):
    time.sleep(0.1)
    with steps.open("a") as file:
        file.write(f"{step} {os.getpid()}\\n")
gate = pathlib.Path(__file__).with_name("allowed")  # how many may end so far, where a test says so
while gate.exists() and len(list(gate.parent.glob("runs/toy/artifacts/*/*/ended"))) >= int(gate.read_text() or 0):
    time.sleep(0.1)
(pathlib.Path(folder) / "ended").touch()
names = [name for name in os.environ if name.startswith(("SLURM_", "CUDA_"))]
(pathlib.Path(folder) / "environment.json").write_text(json.dumps({name: os.environ[name] for name in names}))
accuracy = sum(pathlib.Path(spec).read_bytes()) * 2654435761 % 1000 / 1000
print(json.dumps({"accuracy": accuracy, "test_accuracy": accuracy}))
"""
TRAINING = {
    "space": {
        "name": "blocks",
        "resolution": 64,
        "stem": {"type": "hr_stem", "width": 4},
        "stages": [{"block": "HR", "depth": 1, "width": {"choice": [4, 8]}, "expansion": {"choice": [2, 3]}}],
        "head": {"type": "classifier", "classes": 10},
    },
    "evaluator": {
        "type": "train",
        "data": {"type": "cluttered_digits", "train": 100, "validation": 100, "test": 100},
        "recipe": {"epochs": 3, "batch_size": 34, "warmup_epochs": 0},
    },
}
"""A study that trains, in a space of four layouts: all are trained, whatever becomes of their trials."""
MEASURED = ("latency_", "train_seconds")
"""Beginnings of the names of metrics that are seconds of a machine."""


class FaultRun:
    """A search as its own process, whose evaluations are commands of some seconds unless a study says otherwise.

    Args:
        home: folder for all that it writes.
        engine: mapping, for a file; None for processes of this machine.
        seconds: of an evaluation, in steps of a tenth that are saved.
        trials, finalists, workers: how many; finalists are seeds of each member of the front.
        befall: called now and then while the run is waited for.
        ask: what the engine says, for messages.
        runs: folder of runs, where it is not that in `home`.
        changes: fields of the study.
    """

    def __init__(
        self,
        home,
        engine=None,
        seconds=6.0,
        trials=6,
        finalists=0,
        workers=4,
        befall=lambda: None,
        ask=lambda: "",
        runs=None,
        **changes,
    ):
        self.home, self.output = home, home / "said.txt"
        self.root = (runs or home / "runs") / "toy"
        self.befall, self.ask = befall, ask
        self.marker = f"{VARIABLE}={secrets.token_hex(8)}"
        script = home / "evaluate.py"
        script.write_text(EVALUATE)
        words = [sys.executable, "-S", str(script), "{spec}", "{seed}", "{folder}", str(seconds)]
        evaluator = {"type": "command", "resolution": 32, "command": words}
        study = {"name": "toy", "space": SPACE, "evaluator": evaluator, "trials": trials, "sampler": "random"}
        study |= {"final": {"seeds": finalists, "anchors": []}} | changes
        (home / "study.yaml").write_text(yaml.safe_dump(study))
        self.words = ["--workers", str(workers)]
        if engine is not None:
            (home / "engine.yaml").write_text(yaml.safe_dump(engine))
            self.words += ["--engine", str(home / "engine.yaml")]
        self.process = None

    def start(self):
        words = ["-m", "archspec", "search", self.home / "study.yaml", "--runs", self.root.parent, *self.words]
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | dict([self.marker.split("=")]),
                start_new_session=True,
            )
        return self

    def signal(self, number, pid=None):
        """Send a signal to the process that conducts, or to another one."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid if pid is None else pid, number)

    def alive(self):
        """The command lines of all processes that were started by the run, whatever their parents, by number."""
        return alive_with(self.marker)

    def kill(self):
        """Kill the process that conducts."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def until(self, condition, seconds=60, what=""):
        """Wait for a condition; what it gave."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}\n{self.diagnosis()}"
            self.befall()
            time.sleep(0.1)
        return found

    def end(self, seconds=240, code=0):
        """Wait for the end of the process."""
        self.until(lambda: self.process.poll() is not None, seconds, f"the end, with exit code {code}")
        assert self.process.returncode == code, f"exit code {self.process.returncode}\n{self.diagnosis()}"
        return self

    @property
    def said(self):
        return self.output.read_text()

    def diagnosis(self):
        """All that says why something did not happen."""
        logs = [
            f"{path.relative_to(self.root)}:\n{path.read_text(errors='replace')[-1500:]}"
            for path in sorted([*self.root.glob("artifacts/*/*/*.log"), *self.root.glob("jobs/*/*.out")])
        ]
        return "\n".join([self.said[-6000:], f"at work: {self.working()}", self.ask(), *logs])

    def events(self):
        """How often each evaluation began and ended, by its folder."""
        found = Counter()
        for folder, event in self._events():
            found[folder, event["event"]] += 1
        return found

    def _events(self):
        for path in sorted([*self.root.glob("artifacts/*/*/events.jsonl"), *self.root.glob("supernet/events.jsonl")]):
            for line in path.read_text().splitlines():
                yield path.parent.relative_to(self.root).as_posix(), json.loads(line)

    def working(self):
        """The evaluations under way: their processes, by folder."""
        last = dict(self._events())  # the last event of each folder
        return {
            folder: event["pid"]
            for folder, event in last.items()
            if event["event"] == "started" and is_alive(event["pid"])
        }

    def saved(self, folder):
        """The lines of what an evaluation has saved: its steps, or its epochs."""
        for path in (self.root / folder / "steps.txt", self.root / folder / "curve.csv"):
            with suppress(OSError):
                return path.read_text().splitlines()[path.name == "curve.csv" :]
        return []

    def under_way(self, count=1, steps=1):
        """Evaluations under way that have saved something since they began; empty while they are fewer than asked."""
        found = {folder: pid for folder, pid in self.working().items() if len(self.saved(folder)) >= steps}
        return found if len(found) >= count else {}

    def trials(self, study="search"):
        return trials_of(self.root, study)

    def attempts(self):
        """The number of the worker with which each layout of the search ended."""
        return {
            one.user_attrs["digest"]: one.user_attrs.get("attempt", 1)
            for one in self.trials()
            if "digest" in one.user_attrs and not one.user_attrs.get("requeued")
        }

    def values(self, study="search"):
        """What was found: layouts, seeds, and all metrics that are no seconds of a machine."""
        found = set()
        for one in trained(self.trials(study)):
            folder = self.root / "artifacts" / one.user_attrs["digest"]
            run = f"{study}-seed{one.user_attrs['seed']}"
            metrics = json.loads((folder / run / "result.json").read_text())["metrics"]
            kept = sorted((name, value) for name, value in metrics.items() if not name.startswith(MEASURED))
            found.add((one.user_attrs["digest"], one.user_attrs["seed"], *one.values[:1], *kept))
        return found

    def check(self, trials=6, finalists=False, steps=True):
        """Every layout that was asked for is evaluated, to its end once, and none is lost or recorded twice.

        Args:
            trials: that were asked for.
            finalists: whether there were any.
            steps: whether no step or epoch that was saved was done twice.
        """
        done = trained(self.trials())
        assert len(done) == len({one.user_attrs["digest"] for one in done}) == trials, self.diagnosis()
        assert max(count for (_, event), count in self.events().items() if event == "finished") == 1, self.diagnosis()
        results = [path.parent for path in self.root.glob("artifacts/*/*/result.json")]
        assert sum(folder.name.startswith("search-") for folder in results) == trials
        assert any(folder.name.startswith("final-") for folder in results) == finalists
        failed = [one.user_attrs for one in self.trials() if one.state.name == "FAIL" and "digest" in one.user_attrs]
        assert not [attrs for attrs in failed if not attrs.get("requeued")]
        if steps:
            for folder in results:
                numbers = [int(line.replace(",", " ").split()[0]) for line in self.saved(folder)]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), (folder, numbers)
        assert "Traceback" not in self.said
        return self


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def is_alive(pid):
    """Whether a process lives that answers orders."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX" and any(
        part in command(pid) for part in ("search.slurm.job", "ray::run_order", "spawn_main")
    )


def kill(*pids):
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def fill(path):
    """Write to a file until nothing more can be written."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
