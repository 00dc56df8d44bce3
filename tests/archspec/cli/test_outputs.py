"""Places that `--out` names: what a command did not write is kept; what cannot be written is one line."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from archspec.cli.app import main
from archspec.loader import load
from archspec.model.weights import read_signature, restore, save

Run = Callable[..., tuple[int, str, str]]
MINE = "# mine\nresolution: 32\nstem: hr_stem\nstages:\n  - {block: HR, width: 8}  # a row\n"


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(MINE)


COMMANDS = {
    "build": ["build", "mine.yaml", "--out", "{}"],
    "fix": ["fix", "tiny", "--budget", "<= 5M", "--out", "{}.yaml"],
    "hiri": ["hiri", "swin-t", "--out", "{}.yaml"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_only_what_a_command_wrote_itself_is_replaced(run: Run, name: str) -> None:
    def call(place: str, *more: str) -> tuple[int, str, str]:
        return run(*(argument.format(place) for argument in COMMANDS[name]), *more)

    before = os.umask(0o027)
    try:
        assert call("new/net-1.5")[0] == 0
    finally:
        os.umask(before)
    written = Path("new/net-1.5.yaml")
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path("new").iterdir()} == {0o640}
    digest = load(written).digest
    assert call("new/net-1.5")[0] == 0
    written.write_text(written.read_text() + "# edited\n")
    code, _, err = call("new/net-1.5")
    rule = f"was changed since archspec {name} wrote it: kept as it is; name another place, or --force replaces it"
    assert (code, err) == (2, f"archspec: {written}: {rule}\n")
    code, _, err = call("mine")
    assert code == 2
    assert "mine.yaml: is " in err
    assert Path("mine.yaml").read_text() == MINE
    assert not Path("mine.safetensors").exists()
    assert call("new/net-1.5", "--force")[0] == 0
    assert load(written).digest == digest
    assert "edited" not in written.read_text()


def test_the_spec_that_is_read_is_kept_even_where_the_command_wrote_it(run: Run) -> None:
    assert run("fix", "tiny", "--budget", "<= 5M", "--out", "net.yaml")[0] == 0
    text = Path("net.yaml").read_text()
    code, _, err = run("fix", "net.yaml", "--budget", "<= 4.5M", "--out", "net.yaml")
    assert code == 2
    assert err.startswith("archspec: net.yaml: is what the command reads: kept as it is;")
    assert Path("net.yaml").read_text() == text


def test_trained_weights_are_not_replaced_by_initial_ones(run: Run) -> None:
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    from archspec.model.build import build

    network = build(load("mine.yaml"))
    for _ in range(2):  # a loop that saves over its own file
        next(network.parameters()).data.add_(1)
        save(network, "net.safetensors")
    code, _, err = run("build", "mine.yaml", "--out", "net")
    assert code == 2
    assert err.startswith("archspec: net.safetensors: was written by archspec save, not by build: kept as it is")
    assert torch.equal(next(restore("net").parameters()), next(network.parameters()))
    with safe_open("net.safetensors", "pt") as file:
        state, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    next(iter(state.values())).add_(1)  # trained on by a script that keeps the metadata
    save_file(state, "net.safetensors", metadata)
    signature = read_signature(Path("net.safetensors"))
    assert signature is not None
    assert (signature.command, signature.intact) == ("save", False)
    with pytest.raises(Exception, match=r"was changed since archspec save wrote it: .* or force=True replaces it"):
        save(network, "net.safetensors")
    save(network, "net.safetensors", force=True)


def test_a_full_disk_is_said_by_every_writer_of_weights(run: Run) -> None:
    import resource

    run("build", "mine.yaml", "--out", "net")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        code, _, err = run("build", "mine.yaml", "--out", "net", "--seed", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (code, err) == (
        1,
        "archspec: net.safetensors: cannot be written: Error while serializing: I/O error: File too large\n",
    )
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


@pytest.mark.parametrize("command", [["paper", "hiri-vit", "--specs", "."], ["report", "--paper", "--out", "."]])
def test_folders_keep_what_is_not_theirs(run: Run, command: list[str]) -> None:
    for name in ("i-s.yaml", "figure6.html"):
        Path(name).write_text(MINE)
    code, _, err = run(*command)
    assert code == 2
    assert "is there already, and archspec" in err
    assert err.count("\n") == 1
    assert {path.name for path in Path().iterdir()} == {"mine.yaml", "i-s.yaml", "figure6.html"}


def test_devices_are_written_to_and_not_replaced(run: Run) -> None:
    code, _, err = run("hiri", "swin-t", "--out", "/dev/full")
    assert (code, err) == (1, "archspec: /dev/full: cannot be written: No space left on device\n")
    assert run("hiri", "swin-t", "--out", "/dev/null")[0] == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def shell(line: str, **variables: str) -> tuple[int, str]:
    """Exit code and stderr of a line of bash in which `archspec` stands for the command."""
    text = f'archspec() {{ "{sys.executable}" -m archspec "$@"; }}; set -o pipefail; {line}'
    environment = {**os.environ, **variables}
    done = subprocess.run(["bash", "-c", text], capture_output=True, check=False, env=environment)
    return done.returncode, done.stderr.decode()


def test_output_that_cannot_be_written_is_one_line() -> None:
    assert shell("archspec presets > /dev/full") == (1, "archspec: standard output: No space left on device\n")
    assert shell("archspec presets | true") in [(1, ""), (0, "")]  # who is first
    assert shell("archspec flops tiny --json >&-")[1].count("\n") <= 1


@pytest.mark.parametrize("encoding", ["cp932", "cp950", "ascii", "latin-1", "utf-8"])
def test_what_a_console_cannot_show_is_replaced(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    Path("spec.yaml").write_text(MINE.replace("# mine", "name: 'Größe → ネット ✓'"), encoding="utf-8")
    for line in (
        "presets",
        "flops",
        "space five_stage_tiny --budget 1M..2M",
        "nothing",
        "flops none.yaml",
        "flops ネット",
    ):
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        monkeypatch.setattr(sys, "argv", ["archspec", *line.split()])
        with pytest.raises(SystemExit) as done:
            main()
        assert done.value.code in (0, 2), line
        out.flush()
        text = out.buffer.getvalue().decode(encoding)
        assert (len(text) > 500) == (done.value.code == 0)
        if line == "flops" and encoding == "ascii":
            assert "Grosse -> ??? v" in text or "Gro?e -> ??? v" in text
            assert "32x32" in text


def test_a_real_console_that_lacks_characters() -> None:
    code, err = shell("archspec flops tiny --res 64x48 | cat", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")


def test_what_is_read_only_is_kept(run, tmp_path):
    path = tmp_path / "net.yaml"
    assert run("fix", "tiny", "--budget", "<= 5M", "--out", path)[0] == 0
    path.chmod(0o444)
    before = path.read_bytes()
    code, _, err = run("fix", "tiny", "--budget", "<= 4M", "--out", path)
    assert (code, path.read_bytes()) == (2, before)
    assert err == f"archspec: {path}: is read-only: kept as it is; name another place, or --force replaces it\n"
