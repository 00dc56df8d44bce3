"""docs/python.md is one program: its blocks run from top to bottom, and print what the page shows."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "~~~ end of a block ~~~"


def stripped(text: str) -> list[str]:
    """The lines without the space behind them, which tables of pandas have and editors take away."""
    return [line.rstrip() for line in text.splitlines()]


def test_the_page_runs_from_top_to_bottom_and_prints_what_it_shows(tmp_path):
    blocks = [(kind, text) for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]
    assert [kind for kind, _ in blocks] == ["python", "text"] * (len(blocks) // 2)
    program = tmp_path / "page.py"
    program.write_text("".join(f"{text}\nprint({MARK!r})\n" for kind, text in blocks if kind == "python"))
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", program.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(f"{MARK}\n")
    assert printed.pop() == ""
    assert [stripped(text) for text in printed] == [stripped(text) for kind, text in blocks if kind == "text"]
    assert (tmp_path / "runs" / "energy" / "report" / "index.html").is_file()


def test_the_page_imports_from_public_places_alone():
    imported = re.findall(r"^(?:from|import) ([\w.]+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    ours = {name for name in imported if name.split(".")[0] in ("archspec", "blocks", "search", "reports")}
    assert ours == {"archspec", "archspec.parts", "archspec.plugins"}
