"""Locks of evaluation folders: one line where another process works in one, and no wait for what has ended."""

import os
import signal
import subprocess
import sys

import pytest

from archspec.errors import Interrupted
from search.processes import folder_lock
from search.processes.folder_lock import BusyFolderError, lock_folder, lock_output

HOLD = """
import sys, time
from pathlib import Path
from search.processes.folder_lock import lock_folder
with lock_folder(Path(sys.argv[1]), lambda: False):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def hold(tmp_path):
    """Holds the lock of a folder in another process, for some seconds."""
    started: list[subprocess.Popen[str]] = []

    def call(seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(tmp_path), str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield call
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_folder_in_which_another_process_works_is_refused_in_one_line(hold, tmp_path, monkeypatch):
    other = hold(60)
    monkeypatch.setattr(folder_lock, "WAIT_SECONDS", 0.2)
    with pytest.raises(BusyFolderError) as caught, lock_folder(tmp_path, lambda: False):
        pass
    line = f"{tmp_path}: process {other.pid} (python) is at work in this folder; end it, and continue"
    assert str(caught.value).replace("python3", "python") == line
    with pytest.raises(Interrupted, match="interrupted while another process"), lock_folder(tmp_path, lambda: True):
        pass
    other.kill()
    with lock_folder(tmp_path, lambda: False):
        pass


def test_a_process_that_ends_soon_is_waited_for(hold, tmp_path):
    hold(0.5)
    with lock_folder(tmp_path, lambda: False):
        pass


def test_what_inherited_an_output_holds_it(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "WAIT_SECONDS", 0.2)
    path = tmp_path / "output.txt"
    with path.open("ab") as file:
        lock_output(file, path, lambda: False)
        orphan = subprocess.Popen(["sleep", "60"], stdout=file)
    with path.open("ab") as file, pytest.raises(BusyFolderError, match=rf"process {orphan.pid} \(sleep\) is at work"):
        lock_output(file, path, lambda: False)
    orphan.kill()
    orphan.wait()
    with path.open("ab") as file:
        lock_output(file, path, lambda: False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_forked_processes_share_the_lock(tmp_path, monkeypatch):
    """As those that decode images: they write nothing, but say that the training's own process is just ending."""
    monkeypatch.setattr(folder_lock, "WAIT_SECONDS", 0.1)
    text = HOLD.replace('print("held"', 'import os; os.fork(); print("held"')
    with subprocess.Popen([sys.executable, "-c", text, str(tmp_path), "3"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert sorted(holder.stdout.read(10)) == sorted(b"held\nheld\n")
        os.kill(holder.pid, signal.SIGKILL)
        with pytest.raises(BusyFolderError), lock_folder(tmp_path, lambda: False):
            pass
        monkeypatch.setattr(folder_lock, "WAIT_SECONDS", 10)
        with lock_folder(tmp_path, lambda: False):
            pass
