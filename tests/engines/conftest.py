"""The table of faults as its tests fill it: fault, outcome, seconds."""

import os
import subprocess

import pytest
from fault_runs import FaultRun
from slurm_cluster import SCRIPT, Cluster

PORTS = 10
"""Ports of a cluster: each process of pytest-xdist has one of its own."""


@pytest.fixture
def row(request):
    """Notes what came of a fault, for the table at the end: `row("worker killed", "attempt 2")`."""
    return lambda fault, outcome: request.node.user_properties.append(("fault", (fault, outcome)))


@pytest.fixture(scope="session")
def started_cluster(tmp_path_factory, request):
    """A SLURM that is started once."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "gw0")
    port = int(os.environ.get("SLURM_TEST_PORT", "17000")) + PORTS * int(worker.removeprefix("gw"))
    os.environ["SLURM_TEST_PORT"] = str(port)
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run([SCRIPT, "start", folder], capture_output=True, text=True, check=False)
    if started.returncode == 77:
        pytest.skip(started.stderr.strip())
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    try:
        assert started.returncode == 0, started.stderr
        yield Cluster(folder)
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=False)
        del os.environ["SLURM_CONF"]


@pytest.fixture
def cluster(started_cluster):
    """The cluster at rest, before and after a test."""
    yield started_cluster
    started_cluster.settle()


@pytest.fixture
def runs():
    """The runs of a test, of which nothing is conducted afterwards."""
    found = []
    yield found
    for run in found:
        if run.process is not None and run.process.poll() is None:
            run.kill()


@pytest.fixture
def search(cluster, runs, tmp_path):
    """Begins a search on the cluster; changes of its engine, and of `FaultRun`."""

    def begin(engine=(), home=tmp_path, **changes):
        home.mkdir(exist_ok=True)
        asked = {"type": "slurm", "poll_seconds": 0.5} | dict(engine)
        runs.append(FaultRun(home, asked, befall=cluster.hasten, ask=cluster.ask, **changes))
        return runs[-1].start()

    return begin


@pytest.fixture
def local(runs, tmp_path):
    """Begins a search on this machine, with changes of `FaultRun`."""

    def begin(home=tmp_path / "local", **changes):
        home.mkdir(exist_ok=True)
        runs.append(FaultRun(home, **changes))
        return runs[-1].start()

    return begin


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing may be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=False)


def pytest_terminal_summary(terminalreporter):
    """The table of faults: a row for each that a test has noted, and one for each test that came to no end."""
    rows = []
    for kind in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(kind):
            place, _, name = report.nodeid.rpartition("/")[2].rpartition("::")
            engine = place.partition("_")[0]
            noted = [value for key, value in report.user_properties if key == "fault"]
            if kind == "passed" and report.when == "call":
                seconds = [f"{report.duration:.0f}", *[""] * len(noted)]
                rows += [(engine, fault, outcome, time) for (fault, outcome), time in zip(noted, seconds, strict=False)]
            elif kind != "passed":
                rows.append((engine, name, kind.upper(), f"{report.duration:.0f}"))
    if rows:
        rows = [("engine", "fault", "outcome", "seconds"), *sorted(rows)]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        terminalreporter.section("faults")
        for *texts, seconds in rows:
            cells = [text.ljust(width) for text, width in zip(texts, widths, strict=True)]
            terminalreporter.line(" | ".join([*cells, seconds]).rstrip(" |"))
