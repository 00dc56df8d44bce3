"""A user's own `blocks`, `search` or `reports` is named in one line when it hides archspec's, and only then."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

USE = "import archspec\nprint(archspec.load('tiny').name)\n"

EDITABLE = f"""
import os, sys
from importlib.machinery import PathFinder
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [{str(ROOT)!r}])
sys.path[:] = [path for path in sys.path if not os.path.exists(os.path.join(path, "archspec", "errors.py"))]
sys.meta_path.append(Finder)
"""
"""An editable install of the kind that adds a finder, which is asked after the folders of `sys.path`."""


def python(*arguments: object, at: Path, path: tuple[Path, ...] = (ROOT,)) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, check=False)


def script(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(text)
    return python("script.py", at=folder)


@pytest.fixture(params=["blocks/__init__.py", "blocks.py", "search/__init__.py", "search.py", "reports.py"])
def hiding(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A folder with a module of the user's, and the line that names it."""
    file = tmp_path / request.param
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    name, found = file.stem.replace("__init__", file.parent.name), file.parent if file.stem == "__init__" else file
    return tmp_path, f"{found} hides archspec's package {name}: rename it, or work in another folder"


def test_beside_a_script(hiding):
    folder, line = hiding
    done = script(folder, "import archspec\n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"archspec.errors.ShadowedError: {line}"
    caught = "try:\n  import archspec\nexcept ImportError as error:\n  print(error)\n"
    assert script(folder, caught).stdout == f"{line}\n"


def test_beside_the_command_line(hiding, tmp_path_factory):
    folder, line = hiding
    (command := tmp_path_factory.mktemp("bin") / "archspec").write_text("from archspec.cli.app import main\nmain()\n")
    started = python("-m", "archspec", "flops", "tiny", at=folder)
    installed = python(command, "flops", "tiny", at=folder, path=(folder, ROOT))
    for done in (started, installed):
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"archspec: {line}\n")
    assert python(command, "flops", "tiny", at=folder).returncode == 0  # its own folder comes first, not this one


def test_all_of_them_are_named_at_once(tmp_path):
    for name in ("blocks", "search"):
        (tmp_path / f"{name}.py").touch()
    line = f"{tmp_path}/blocks.py hides archspec's package blocks, {tmp_path}/search.py hides archspec's package search"
    assert script(tmp_path, USE).stderr.endswith(f"{line}: rename them, or work in another folder\n")


def test_a_folder_without_init_hides_nothing_from_a_folder_of_the_path(tmp_path):
    (tmp_path / "reports").mkdir()
    done = script(tmp_path, f"{USE}import reports.records.front, search, blocks")
    assert (done.stdout, done.stderr) == ("tiny\n", "")


def test_a_folder_without_init_hides_what_a_finder_would_find_later(tmp_path):
    assert script(tmp_path, EDITABLE + USE).stdout == "tiny\n"
    (tmp_path / "reports").mkdir()
    line = f"{tmp_path / 'reports'} hides archspec's package reports: rename it, or work in another folder\n"
    assert script(tmp_path, EDITABLE + USE).stderr.endswith(line)


def test_what_was_imported_before_counts(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "search.py").touch()
    begin = "import sys; sys.path.insert(0, 'own'); import search; del sys.path[0]\n"
    assert "own/search.py hides archspec's package search: rename" in script(tmp_path, begin + USE).stderr
    begin = "import sys, types; sys.modules['search'] = types.ModuleType('search')\n"
    assert "a module without a file hides archspec's package search: rename" in script(tmp_path, begin + USE).stderr
    assert script(tmp_path, f"import blocks, search.space.limits, reports\n{USE}").stdout == "tiny\n"


def test_our_own_checkout_hides_nothing(tmp_path):
    (tmp_path / "link").symlink_to(ROOT, target_is_directory=True)
    for folder, path in ((ROOT, ()), (ROOT, (ROOT,)), (ROOT, (tmp_path / "link",)), (tmp_path / "link", (ROOT,))):
        done = python("-m", "archspec", "--version", at=folder, path=path)
        assert (done.returncode, done.stderr) == (0, "")
        assert python("-c", USE, at=folder, path=path).stdout == "tiny\n"
