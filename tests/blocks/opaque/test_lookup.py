"""Measurements survive the process, the code decides how long, and nothing that lies on disk can break them."""

import importlib
import json
import subprocess
import sys
import textwrap

import pytest

from blocks.layers.layer import Meter, Value
from blocks.opaque import disk_cache, lookup, source_code
from blocks.opaque import measure_torch as run
from blocks.opaque.opaque import opaque

MODULES = """
from torch import nn
from mixing.helpers import hidden
class Mix(nn.Sequential):
    factor = 1
    def __init__(self, width):
        inner = hidden(width) * self.factor
        super().__init__(nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1))
"""
HELPERS = """
def hidden(width):
    return 2 * width
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a third party in `tmp_path`, and an empty cache beside it."""
    folder = tmp_path / "mixing"
    folder.mkdir()
    for name, text in (("__init__", ""), ("modules", MODULES), ("helpers", HELPERS)):
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache"))
    restart()
    yield folder
    restart()


@pytest.fixture
def measured(monkeypatch):
    """What was really measured, in order."""
    calls = []
    measure = run.measure
    monkeypatch.setattr(run, "measure", lambda *args, **kwargs: calls.append(args) or measure(*args, **kwargs))
    return calls


def restart():
    """As if the process began anew."""
    for memory in (lookup._answer, source_code.digest, source_code.source):
        memory.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "mixing"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def params(shape=(4, 3, 3), *, training=False, width=4):
    meter = Meter(training=training)
    opaque("mixing.modules:Mix", width=width).trace(Value.new(shape), meter)
    return sum(line.params for line in meter.lines)


def change(file, old, new):
    # Bytecode is taken for current where size and time of the source are.
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new) + "\n# changed\n")


def entries(package):
    return sorted((package.parent / "cache").rglob("*.json"))


def test_what_was_measured_is_known_until_the_question_changes(package, measured):
    for _ in range(2):
        assert params() == 8 * 4 + 8 + 4 * 8 + 4
        restart()
    assert len(measured) == len(entries(package)) == 1
    params((4, 5, 3))
    params(training=True)
    params((6, 3, 3), width=6)
    assert len(measured) == len(entries(package)) == 4


@pytest.mark.parametrize(
    ("file", "old", "new"), [("modules", "factor = 1", "factor = 2"), ("helpers", "2 * width", "4 * width")]
)
def test_code_that_changes_is_measured_anew(package, measured, file, old, new):
    before = params()
    change(package / f"{file}.py", old, new)
    restart()
    assert params() == 2 * (before - 4) + 4
    restart()
    assert params() == 2 * (before - 4) + 4
    assert len(measured) == 2


def test_code_that_was_edited_after_its_import_is_not_stored(package):
    importlib.import_module("mixing.modules")
    change(package / "helpers.py", "2 * width", "4 * width")
    before = params()
    assert entries(package) == []
    restart()
    assert params() == 2 * (before - 4) + 4
    assert len(entries(package)) == 1


@pytest.mark.parametrize("version", ["torch", "fvcore", "rules"])
def test_another_version_is_measured_anew(package, measured, monkeypatch, version):
    params()
    restart()
    known = dict(lookup.source_code.versions())
    monkeypatch.setattr(lookup.source_code, "versions", lambda: {**known, version: "0"})
    params()
    assert len(measured) == 2


def spoil_number(text):
    entry = json.loads(text)
    entry["answer"]["lines"][0]["params"] += 1
    return json.dumps(entry)


def spoil_shape(text):
    entry = json.loads(text)
    entry["answer"] = [entry["answer"]]
    entry["checksum"] = disk_cache._checksum(entry["question"], entry["sources"], entry["answer"])
    return json.dumps(entry)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 100_000,
        lambda text: "null",
        lambda text: "{}",
        lambda text: text.replace('"training": false', '"training": true'),
        lambda text: "\x00" + text,
        spoil_number,
        spoil_shape,
    ],
)
def test_a_damaged_entry_is_measured_anew_and_repaired(package, measured, spoil):
    before = params()
    (entry,) = entries(package)
    whole = entry.read_text()
    entry.write_text(spoil(whole))
    restart()
    assert params() == before
    assert len(measured) == 2
    assert entry.read_text() == whole
    assert list(entry.parent.iterdir()) == [entry]


def test_an_entry_that_is_no_text_or_no_file_is_measured_anew(package):
    before = params()
    (entry,) = entries(package)
    entry.write_bytes(b"\xff\xfe\x00")
    restart()
    assert params() == before
    entry.unlink()
    entry.mkdir()
    restart()
    assert params() == before


def test_a_folder_that_cannot_be_written_is_done_without(package, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "file"))
    assert params() == params()


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ARCHSPEC_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert disk_cache.folder() == tmp_path / ".cache" / "archspec"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert disk_cache.folder() == tmp_path / ".cache" / "archspec"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert disk_cache.folder() == tmp_path / "caches" / "archspec"
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "own"))
    assert disk_cache.folder() == tmp_path / "own"


def test_processes_share_the_cache_and_the_next_one_needs_no_torch(package):
    code = textwrap.dedent("""
        import sys
        from blocks.layers.layer import Meter, Value
        from blocks.opaque.opaque import opaque
        meter = Meter()
        for side in (3, 4, 5):
            opaque("mixing.modules:Mix", width=4).trace(Value.new((4, side, side)), meter)
        print(sum(line.macs for line in meter.lines), "torch" in sys.modules, "fvcore" in sys.modules)
    """)
    start = {"args": [sys.executable, "-c", code], "cwd": package.parent, "text": True, "stdout": subprocess.PIPE}
    racing = [subprocess.Popen(**start) for _ in range(2)]
    first = [process.communicate()[0].split() for process in racing]
    assert first == [[str(2 * 4 * 8 * (9 + 16 + 25)), "True", "True"]] * 2
    assert len(entries(package)) == 3
    assert len(list((package.parent / "cache").rglob("*.*"))) == 3
    again = subprocess.run(**start, check=True).stdout.split()
    assert again == [first[0][0], "False", "False"]
