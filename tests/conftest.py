"""What tests of every package share: the command line, run in this process."""

import sys
from collections.abc import Callable

import pytest

from archspec.cli import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `archspec` with arguments: (exit code, stdout, stderr); a traceback is a failure whatever the test asks."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["archspec", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
        out = capsys.readouterr()
        assert "Traceback" not in out.err
        return int(done.value.code or 0), out.out, out.err

    return call
