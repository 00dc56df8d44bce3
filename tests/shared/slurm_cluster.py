"""A SLURM of three nodes on this host, and what befalls it (`tests/engines/slurm.sh`)."""

import os
import signal
import subprocess
import time
from contextlib import suppress

from fault_runs import ROOT, command, kill

from search.processes.tree import list_processes

SCRIPT = ROOT / "tests" / "engines" / "slurm.sh"
NODES = ("n1", "n2", "n3")


class Cluster:
    """The cluster under test.

    Args:
        folder: of its files.
    """

    def __init__(self, folder):
        self.folder = folder

    def jobs(self, state="RUNNING"):
        """Number, index, node and name of archspec's jobs in a state."""
        fields = "ArrayJobID:|,ArrayTaskID:|,NodeList:|,Name:|"
        lines = asked("squeue", "--noheader", "--array", f"--states={state}", "-O", fields).splitlines()
        return [line.split("|")[:4] for line in lines if "archspec-" in line]

    def job_of(self, pid):
        """Number and index of the job in which a process runs."""
        with open(f"/proc/{pid}/environ", "rb") as file:
            found = dict(part.partition(b"=")[::2] for part in file.read().split(b"\0"))
        return f"{found[b'SLURM_ARRAY_JOB_ID'].decode()}_{found[b'SLURM_ARRAY_TASK_ID'].decode()}"

    def node_of(self, pid):
        """The node on which a process runs."""
        with open(f"/proc/{pid}/environ", "rb") as file:
            found = dict(part.partition(b"=")[::2] for part in file.read().split(b"\0"))
        return found[b"SLURMD_NODENAME"].decode()

    def pid(self, name):
        return int((self.folder / f"{name}.pid").read_text())

    def processes(self, node):
        """The processes of a node: its slurmd, the daemons of its steps, and all that these have started."""
        entries = list_processes()
        place = f"{self.folder}/spool-{node}/job"
        scripts = {one.pid: one.parent for one in entries if place in command(one.pid)}
        daemons = {parent for parent in scripts.values() if "slurmstepd" in command(parent)}
        found, more = set(), {one.pid for one in entries if one.parent in daemons}
        while more - found:
            found |= more
            more = {one.pid for one in entries if one.parent in found}
        return [self.pid(f"slurmd-{node}"), *daemons, *found]

    def lose(self, node):
        """Have all processes of a node end, as where its power fails."""
        kill(*self.processes(node))

    def start_node(self, node):
        subprocess.run([SCRIPT, "node", self.folder, node], check=True)

    def hasten(self):
        """Have jobs that SLURM starts again begin now, rather than after its two minutes."""
        for line in asked("squeue", "--noheader", "--array", "--states=PENDING", "-o", "%F_%K %r").splitlines():
            job, _, reason = line.partition(" ")
            if reason == "BeginTime":
                asked("scontrol", "update", f"jobid={job}", "starttime=now", check=False)

    def ask(self):
        """The queue and the nodes, for messages."""
        words = (["squeue", "--array"], ["sinfo", "-N", "-o", "%N %t %E"])
        log = self.folder / "slurmctld.log"
        return "\n".join([*(asked(*one, check=False) for one in words), log.read_text(errors="replace")[-3000:]])

    def settle(self):
        """Cancel what there is, and have all nodes idle: for the next test."""
        os.kill(self.pid("slurmctld"), signal.SIGCONT)
        asked("scancel", "--user=root", check=False)
        for node in NODES:
            if "slurmd" not in command(self.pid(f"slurmd-{node}")):
                self.start_node(node)
            for pid in self.processes(node):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        deadline = time.monotonic() + 60
        while not self._rests():
            assert time.monotonic() < deadline, f"the cluster does not come to rest\n{self.ask()}"
            time.sleep(0.2)

    def _rests(self):
        nodes = asked("sinfo", "--noheader", "-N", "-p", "main", "-o", "%N %t", check=False).split()
        active = asked("squeue", "--noheader", "-o", "%A", check=False).split()
        return not active and sorted(nodes) == sorted([*NODES, *["idle"] * len(NODES)])


def asked(*words, check=True):
    """What one of SLURM's programs says."""
    return subprocess.run(words, capture_output=True, text=True, check=check, timeout=60).stdout
