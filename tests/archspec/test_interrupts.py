"""Ctrl-C in a command, from its first import on."""

import signal
import subprocess
import sys
import time

import pytest

START = """
import builtins, os, signal, sys
sys.argv = ["archspec", *sys.argv[1:]]
known = builtins.__import__
def interrupt(name, *rest):
    if name == os.environ["AT"]:
        builtins.__import__ = known
        os.kill(os.getpid(), signal.SIGINT)
    return known(name, *rest)
builtins.__import__ = interrupt
from archspec.cli.app import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "archspec.cli", "archspec.loader", "yaml", "pydantic"])
def test_an_interrupt_during_an_import_is_one_line(module):
    done = subprocess.run(
        [sys.executable, "-c", START, "flops", "tiny"],
        env={"AT": module, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "archspec: interrupted\n")


def test_a_command_at_work_is_interrupted_in_one_line(tmp_path):
    command = [sys.executable, "-m", "archspec", "fix", "hiri-vit-s", "--budget", "3.0001G..3.0002G"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(0.6)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) in [(130, "archspec: interrupted\n"), (0, "")]


def test_a_program_that_imports_archspec_keeps_its_own_interrupts():
    code = "import signal, archspec; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
