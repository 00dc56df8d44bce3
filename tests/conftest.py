"""What tests of every package share: the command line, the journal of an ablation, and what a page must keep."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer import rich_utils

from archspec.cli.app import main
from blocks.opaque import lookup, source_code


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


@pytest.fixture
def run_at(run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs `archspec` on a terminal of so many columns: the lines that it shows, without their colours."""

    def call(width: int, *arguments: object) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(rich_utils, "MAX_WIDTH", width)  # which it reads once, as it is imported
        monkeypatch.setenv("FORCE_COLOR", "1")
        code, out, err = run(*arguments)
        assert code == 0, err
        return re.sub(r"\x1b\[[0-9;]*m", "", out + err).splitlines()

    return call


@pytest.fixture
def forget() -> Callable[[], None]:
    """Forgets what this process knows of measured modules; the cache on disk stays."""

    def call() -> None:
        for memory in (lookup._answer, source_code.digest, source_code.source):
            memory.cache_clear()

    return call


@pytest.fixture(scope="session")
def write_journal() -> Callable[..., Path]:
    """Writes the journal of an ablation as the engine leaves it, without any training; see `_write_journal`."""
    return _write_journal


def _write_journal(
    run: Path,
    views: Iterable[Mapping[str, Any]],
    scores: Mapping[str, Mapping[int, float]],
    failures: Iterable[tuple[str, int, Mapping[str, Any]]] = (),
    *,
    name: str = "ablation",
    **attributes: Any,
) -> Path:
    """Write `run`/journal.log and return `run`.

    Args:
        run: the folder, which must not exist.
        views: as plans keep them; what is left out of a view or of its rows is made up. A row needs `run`.
        scores: run to seed to score, a fraction; it is recorded as validation and as test accuracy.
        failures: run, seed and attributes of trainings that failed, all before those of `scores`.
        name: of the study.
        attributes: of the study, in place of those made up.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage
    from optuna.trial import TrialState, create_trial

    run.mkdir(parents=True)
    storage = JournalStorage(JournalFileBackend(str(run / "journal.log")))
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    shown = [_view(view) for view in views]
    plan = {"name": run.name, "description": "", "base": "tiny", "base_digest": "0" * 16, "notes": [], "views": shown}
    metric = {"name": "accuracy", "label": "top-1 accuracy", "dataset": "cluttered_digits", "benchmark": None}
    said = {"metric": metric, "objectives": ["accuracy"], "score": "test", "seed": 0, "seeds": 5, "archspec": "0.1.0"}
    for key, value in (said | {"paired": True, "looks": None, "plan": plan} | attributes).items():
        study.set_user_attr(key, value)
    rows = {row["run"]: row for view in shown for row in view["rows"]}
    for key, seed, lost in failures:
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={**_key(rows[key], seed), **lost}))
    for key, known in scores.items():
        for seed, score in known.items():
            metrics = {"accuracy": score, "test_accuracy": score, "train_seconds": 10.0}
            study.add_trial(create_trial(value=score, user_attrs={**_key(rows[key], seed), "metrics": metrics}))
    return run


def _view(view: Mapping[str, Any]) -> dict[str, Any]:
    made = {"type": "enumerate", "title": view["name"], "factors": [], "generators": []}
    return {**made, **view, "rows": [_row(row) for row in view["rows"]]}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    made = {"label": row["run"], "edits": [], "digest": row["run"], "code": "HR1x8", "resolution": 64, "against": None}
    costs = {"params": 2_000_000, "macs": 300_000_000, "activations": 1_000_000}
    return {**made, **costs, "training": {}, **row}


def _key(row: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return {"run": row["run"], "digest": row["digest"], "code": row["code"], "seed": seed}


class Page(HTMLParser):
    """Collects links, sources, headings and cells by class, and checks that tags close."""

    VOID = frozenset({"meta", "img", "source", "br", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.urls: list[str] = []
        self.headings: list[str] = []
        self.cells: dict[str, list[str]] = {}
        self.open: list[tuple[str, str]] = []
        self.feed(text)
        assert not self.open

    @property
    def pictures(self) -> int:
        """Figures inside the file, the versions for narrow screens among them."""
        return len(self.urls) - len(self.local)

    @property
    def local(self) -> list[str]:
        return [url for url in self.urls if not url.startswith("data:image/svg+xml;base64,")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.urls += [value or "" for name, value in attrs if name in ("href", "src", "srcset")]
        if tag not in self.VOID:
            self.open.append((tag, dict(attrs).get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] in ("h1", "h2", "h3"):
            self.headings.append(data)
        if self.open and self.open[-1][0] == "td":
            for kind in self.open[-1][1].split():
                self.cells.setdefault(kind, []).append(data)


@pytest.fixture(scope="session")
def open_page() -> Callable[[Path], Page]:
    """Reads the index.html of a report; it needs no network, and every link leads somewhere."""

    def open_(index: Path) -> Page:
        page = Page(index.read_text())
        assert page.local
        assert all((index.parent / url).is_file() for url in page.local)
        assert not re.search(r"https?://(?!www\.w3\.org)", page.text)
        assert "@import" not in page.text
        return page

    return open_


@pytest.fixture(scope="session")
def import_little() -> Callable[[str, Path], None]:
    """Checks, in a fresh process, that a report by `reports.MODULE.FUNCTION` warns of nothing and imports little."""

    def check(writer: str, run: Path) -> None:
        module, _, function = writer.rpartition(".")
        code = (
            f"import sys; from pathlib import Path; from reports.{module} import {function}\n"
            f"{function}(Path(sys.argv[1]))\n"
            "print(sorted({'torch', 'fvcore', 'search', 'matplotlib.pyplot'} & set(sys.modules)))"
        )
        line = [sys.executable, "-W", "error", "-c", code, str(run)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")

    return check


@pytest.fixture(scope="session")
def write_examples() -> Callable[[Path, Path], None]:
    """Writes a page's YAML examples that begin with their file's name, `# spec.yaml`, into a folder."""

    def write(page: Path, folder: Path) -> None:
        text = page.read_text(encoding="utf-8")
        for example in re.findall(r"^```yaml\n(# .*?)^```", text, re.MULTILINE | re.DOTALL):
            name = example.splitlines()[0].removeprefix("# ")
            if re.fullmatch(r"\w+\.yaml", name):
                (folder / name).write_text(example, encoding="utf-8")

    return write
