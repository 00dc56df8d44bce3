"""A Ray cluster of a head and two nodes on this host, and what befalls it (`tests/engines/ray.sh`)."""

import os
import re
import signal
import subprocess
import time
from contextlib import suppress

from fault_runs import ROOT, command, kill

from search.processes.tree import list_processes

SCRIPT = ROOT / "tests" / "engines" / "ray.sh"
NODES = ("n1", "n2")


class RayCluster:
    """The cluster under test.

    Args:
        folder: of its files.
    """

    def __init__(self, folder):
        self.folder = folder

    def raylets(self):
        """The process of each living node, by its name."""
        found = {}
        for one in list_processes():
            if "/raylet/raylet" in command(one.pid) and (name := re.search(r"--node-name=(\w+)", command(one.pid))):
                found[name[1]] = one.pid
        return found

    def all_raylets(self):
        """Processes of nodes, those of other clusters on this host among them."""
        return [one.pid for one in list_processes() if "/raylet/raylet" in command(one.pid)]

    def gcs(self):
        """The process of the head that knows the cluster."""
        place = f"--log_dir={self.folder}"
        return next(
            one.pid for one in list_processes() if "/gcs/gcs_server" in command(one.pid) and place in command(one.pid)
        )

    def node_of(self, pid):
        """The node on which a process works."""
        parents = {one.pid: one.parent for one in list_processes()}
        names = {process: name for name, process in self.raylets().items()}
        while pid and pid not in names:
            pid = parents.get(pid, 0)
        return names[pid]

    def processes(self, node):
        """The raylet of a node, and all that it has started."""
        found, more = [], [self.raylets()[node]]
        while more:
            found += more
            more = [one.pid for one in list_processes() if one.parent in more and one.pid not in found]
        return found

    def lose(self, node):
        """Have all processes of a node end, as where its power fails."""
        kill(*self.processes(node))

    def start_node(self, node):
        subprocess.run([SCRIPT, "node", self.folder, node], check=True, capture_output=True)

    def tasks(self):
        """Processes of Ray that answer orders."""
        return [one.pid for one in list_processes() if command(one.pid).startswith("ray::run_order")]

    def ask(self):
        """What there is, for messages."""
        return f"raylets {self.raylets()}, tasks {self.tasks()}"

    def settle(self):
        """Have no task, and all nodes: for the next test."""
        for one in list_processes():
            if "/ray/" in command(one.pid) or command(one.pid).startswith("ray::"):
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGCONT)
        deadline = time.monotonic() + 60
        while self.tasks():
            assert time.monotonic() < deadline, self.ask()
            time.sleep(0.2)
        for node in NODES:
            if node not in self.raylets():
                self.start_node(node)
