"""Stand-ins for sbatch, squeue and scancel that run jobs as processes, and for the worker of a job.

They keep to what archspec uses of the real ones, which `make engines` tries. A job's worker does what a plan says:
`done`, `failed`, `die`, `ended` (by SIGTERM), `quit` (before it has begun), or `wait` until it is told to end.
"""

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from archspec.loader import load
from search.run.worker import Order

COMMON = """
import glob, json, os, signal, subprocess, sys, time
home = HOME
def note(text):
    with open(f"{home}/calls", "a") as file:
        file.write(text + "\\n")
def fault(name):
    path = f"{home}/{name}"
    if os.path.exists(path):
        text = open(path).read()
        sys.stderr.write(text + "\\n")
        return True
def state_of(task):
    if os.path.exists(f"{home}/{task}.state"):
        return open(f"{home}/{task}.state").read()
    if not os.path.exists(f"{home}/{task}.code"):
        return "RUNNING"
    return "COMPLETED" if open(f"{home}/{task}.code").read().strip() == "0" else "FAILED"
"""
SBATCH = """
refused = fault("sbatch-refuses")
if refused and not os.path.exists(f"{home}/sbatch-takes"):
    sys.exit(1)
options = dict(word.split("=", 1) for word in sys.argv[1:-1] if "=" in word)
number = len(glob.glob(f"{home}/*.name")) + 1
note(f"sbatch {options['--array']}")
open(f"{home}/{number}.name", "w").write(options["--job-name"])
first, _, last = options["--array"].partition("-")
for task in range(int(first), int(last or first) + 1):
    out = options["--output"].replace("%a", str(task))
    name = f"{number}_{task}"
    env = os.environ | {"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": str(task), "SLURMD_NODENAME": "n1"}
    line = f"bash {sys.argv[-1]} >{out} 2>&1; echo $? >{home}/{name}.code"
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(["sh", "-c", line], env=env, start_new_session=True, stdout=nowhere, stderr=nowhere)
    open(f"{home}/{name}.pid", "w").write(str(process.pid))
if refused:
    sys.exit(1)
print(number)
"""
SQUEUE = """
if fault("squeue-fails"):
    sys.exit(1)
for path in glob.glob(f"{home}/*_*.pid"):
    task = os.path.basename(path)[:-4]
    number, index = task.split("_")
    if not os.path.exists(f"{home}/{task}.forgotten"):
        print(number, index, state_of(task), "None", "n1", open(f"{home}/{number}.name").read(), sep="|")
"""
SCANCEL = """
note("scancel " + " ".join(word for word in sys.argv[1:] if word.startswith("--")))
for task in (word for word in sys.argv[1:] if not word.startswith("--")):
    if "--state=PENDING" in sys.argv or state_of(task) != "RUNNING":
        continue
    group = int(open(f"{home}/{task}.pid").read())
    if "--signal=USR1" in sys.argv:
        subprocess.run(["pkill", "-USR1", "--session", str(group), "bash"])
    else:
        open(f"{home}/{task}.state", "w").write("CANCELLED")
        os.killpg(group, signal.SIGKILL)
"""
WORKER = """
batch, index = sys.argv[-2:]
order = json.load(open(f"{batch}/{index}.order.json"))
plan = json.load(open(f"{home}/plan.json"))[order["seed"]]
act = plan[order["attempt"] - 1] if len(plan) >= order["attempt"] else "done"
note(f"worker {order['seed']} attempt {order['attempt']} {act}")
report = {"kind": "done", "text": "", "metrics": {"accuracy": 0.5}, "epoch": None}
def answer(**changes):
    with open(f"{batch}/{index}.answer.tmp", "w") as file:
        json.dump(report | changes, file)
    os.replace(f"{batch}/{index}.answer.tmp", f"{batch}/{index}.answer.json")
def told(number, frame):
    kind = "interrupted" if os.path.exists(f"{batch}/stop") else "lost"
    answer(kind=kind, text="saved", metrics=None)
    os._exit(0)
signal.signal(signal.SIGUSR1, told)
if act == "quit":
    sys.exit("no module named archspec")
with open(f"{batch}/{index}.reports.jsonl", "a") as file:
    began = {"kind": "began", "node": "n1", "again": 0, "time": time.time(), "job": os.environ["SLURM_ARRAY_JOB_ID"]}
    file.write(json.dumps(began) + "\\n")
    epoch = {"number": 1, "total": 2, "values": {"val_accuracy": 0.5}, "note": "", "device": "cpu"}
    file.write(json.dumps({"kind": "progress", "text": "epoch 1/2", "metrics": None, "epoch": epoch}) + "\\n")
if act == "ended":
    with open(f"{batch}/{index}.reports.jsonl", "a") as file:
        file.write(json.dumps(began | {"ended": True}) + "\\n")
    os.kill(os.getppid(), 15)
    time.sleep(0.2)
    sys.exit(143)
if act == "die":
    os.kill(os.getpid(), 9)
while act == "wait" and not os.path.exists(f"{home}/go"):
    time.sleep(0.02)
if act == "failed":
    answer(kind="failed", text="no memory", metrics=None)
else:
    answer()
"""


class FakeSlurm:
    """The stand-ins in a folder of their own, first on the PATH.

    Args:
        home: the folder.
        acts: what the worker of each seed does, attempt by attempt; `done` when nothing is left.
    """

    def __init__(self, home: Path, *acts: list[str]) -> None:
        self.home = home
        home.mkdir(parents=True)
        (home / "plan.json").write_text(json.dumps(acts))
        for name, text in {"sbatch": SBATCH, "squeue": SQUEUE, "scancel": SCANCEL, "worker": WORKER}.items():
            path = home / name
            path.write_text(f"#!{sys.executable} -SE\n" + COMMON.replace("HOME", repr(str(home))) + text)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("PATH", f"{self.home}{os.pathsep}{os.environ['PATH']}")

    def set(self, name: str, text: str = "") -> None:
        """Set a fault: `sbatch-refuses`, `sbatch-takes`, `squeue-fails`; or `go`."""
        (self.home / name).write_text(text)

    def unset(self, name: str) -> None:
        (self.home / name).unlink()

    def calls(self, program: str) -> list[str]:
        path = self.home / "calls"
        return [line for line in path.read_text().splitlines() if line.startswith(program)] if path.exists() else []


def toy_order(seed: int = 0) -> Order:
    spec = load("tiny")
    return Order(spec.canonical(), spec.digest, seed, f"search-seed{seed}", "search")
