"""The command `archspec export`."""

import pytest
from typer.testing import CliRunner

from archspec.cli.app import app


def run(*arguments: str):
    return CliRunner().invoke(app, ["export", *arguments])


def test_it_writes_a_file_that_may_be_written_again(tmp_path):
    path = tmp_path / "net.py"
    assert "class Tiny, 373,994 parameters" in run("tiny", "--code", str(path)).output
    assert run("tiny", "--set", "drop_path=0.1", "--code", str(path)).exit_code == 0
    path.write_text(path.read_text() + "\n# mine\n")
    refused = run("tiny", "--code", str(path))
    assert refused.exit_code != 0
    assert "was changed since archspec export wrote it" in str(refused.exception) + refused.output
    assert path.read_text().endswith("# mine\n")


@pytest.mark.parametrize("resolution", ["224", "384"])
def test_a_variant_is_the_one_of_its_size(tmp_path, resolution):
    path = tmp_path / "net.py"
    assert run("hiri-vit-s", "--res", resolution, "--code", str(path)).exit_code == 0
    assert f"torch.zeros(1, 3, {resolution}, {resolution})" in path.read_text()
