"""The report as a folder: complete, self-contained, repeatable, and refused in one line."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from archspec.documents.safe_text import file_stem
from archspec.errors import ArchspecError, RunError, SpecError
from archspec.files.ownership import digest, read_digests, write_digests
from archspec.loader import load
from reports.records.front import front
from reports.records.search import read
from reports.search_page.write import write_report

Open = Callable[[Path], Any]


@pytest.fixture(scope="module")
def report(demo_run: Path) -> Path:
    """The report of the default run, outside of it."""
    return write_report(demo_run, demo_run.parent / "written").parent


def test_folder_is_complete(report: Path, demo_run: Path) -> None:
    names = {str(path.relative_to(report)) for path in report.rglob("*") if path.is_file()}
    figures = {
        f"figures/{name}.{suffix}"
        for name in ("tradeoff", "hypervolume", "importances", "layouts")
        for suffix in ("png", "svg", "pdf", "csv")
    }
    figures |= {f"figures/tradeoff-column.{suffix}" for suffix in ("png", "svg", "pdf")}
    specs = {name for name in names if name.startswith("front/")}
    assert names - specs == figures | {".archspec.json", "index.html", "front.md", "front.csv", "front.tex"}
    assert len(specs) == len(front(read(demo_run)).members)


def test_page_needs_no_network_and_every_link_leads_somewhere(report: Path, open_page: Open) -> None:
    page = open_page(report / "index.html")
    assert page.headings == [
        "demo",
        "Cost against accuracy",
        "The front",
        "What the members look like",
        "Hypervolume",
        "Importances",
        "Failures",
        "Reproduce",
    ]
    assert page.pictures == 5


def test_page_states_the_headline(report: Path) -> None:
    text = (report / "index.html").read_text()
    for part in (
        "<b>30</b><span>layouts trained</span>",
        "<b>3</b><span>trials failed</span>",
        "<b>2</b><span>duplicates",
        "top-1 accuracy on cluttered_digits at 64 px",
        "out of memory in epoch 1",
        "archspec report runs/demo",
        "space: five_stage_tiny",
        "Seed noise",
    ):
        assert part in text


def test_every_spec_loads_to_what_was_trained(report: Path, demo_run: Path) -> None:
    members = front(read(demo_run)).members
    paths = sorted((report / "front").iterdir())
    for member, path in zip(members, paths, strict=True):
        assert path.name == f"{member.rank:02d}-{file_stem(member.code, 120)}.yaml"
        spec = load(path)
        assert spec.digest == member.digest
        assert spec.name == f"demo-{member.rank:02d}"
        assert f"member {member.rank} of {len(members)} of the front of demo; test accuracy" in spec.description


def test_front_specs_build(report: Path) -> None:
    builder = pytest.importorskip("archspec.model.build")
    torch = pytest.importorskip("torch")
    spec = load(next((report / "front").iterdir()))
    with torch.inference_mode():
        assert builder.build(spec).eval()(torch.zeros(1, 3, 64, 64)).shape[0] == 1


def test_same_run_same_report(report: Path, demo_run: Path) -> None:
    again = write_report(demo_run, demo_run.parent / "again").parent
    for path in report.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(report)).read_bytes(), path


def test_default_folder_is_rewritten_without_leftovers(make_run: Callable[..., Path]) -> None:
    run = make_run(trials=4, startup=4, baseline=0, final=False, latency=False)
    index = write_report(run)
    assert index == run / "report" / "index.html"
    stale = run / "report" / "front" / "99-stale.yaml"
    stale.write_text("old")
    known = read_digests(run / "report")
    write_digests(run / "report", known | {"front/99-stale.yaml": ("report", [digest(b"old")])})
    own = [run / "report" / "notes.txt", run / "report" / "front" / "notes.yaml"]
    for path in own:
        path.write_text("mine")
    write_report(run)
    assert not stale.exists()
    assert [path.read_text() for path in own] == ["mine", "mine"]
    assert not [path for path in (run / "report").iterdir() if "new-" in path.name]
    text = index.read_text()
    assert "Accuracy: needs at least 20 distinct trained layouts, has 4." in text
    assert "not re-trained yet" in text


def test_names_from_a_run_are_escaped(make_run: Callable[..., Path], open_page: Open) -> None:
    run = make_run("a<b>&c", trials=3, startup=3, baseline=0, final=False, failures=("<script>alert(1)</script>",))
    text = open_page(write_report(run)).text
    assert "<script>" not in text
    assert "a&lt;b&gt;&amp;c" in text


@pytest.mark.parametrize(("waiting", "words"), [(1, "1 trial was still"), (2, "2 trials were still")])
def test_trials_that_wait_are_counted(make_run: Callable[..., Path], waiting: int, words: str) -> None:
    run = make_run(trials=3, startup=3, baseline=0, final=False)
    storage = JournalStorage(JournalFileBackend(str(run / "journal.log")))
    study = optuna.load_study(study_name="search", storage=storage)
    for number in range(waiting):
        study.enqueue_trial({"number": number})
    assert f"{words} waiting or running when this page was written" in write_report(run).read_text()


def test_foreign_folder_is_refused_and_left_alone(demo_run: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(SpecError, match="holds files that are not a report"):
        write_report(demo_run, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(SpecError, match="is a file: the report needs a folder"):
        write_report(demo_run, tmp_path / "thesis.tex")


def test_nothing_is_written_when_there_is_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="no such file"):
        write_report(tmp_path / "missing")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["missing", "broken", "another"])
def test_damaged_spec_is_named(make_run: Callable[..., Path], damage: str) -> None:
    run = make_run(trials=3, startup=3, baseline=0, final=False)
    member = front(read(run)).members[0]
    path = run / "artifacts" / member.digest / "spec.yaml"
    if damage == "missing":
        path.unlink()
    elif damage == "broken":
        path.write_text("stem: [")
    else:
        path.write_text(path.read_text().replace("resolution: 64", "resolution: 96"))
    with pytest.raises((RunError, SpecError), match=re.escape(str(path))) as caught:
        write_report(run)
    assert "\n" not in str(caught.value)
    assert not (run / "report").exists()


def test_missing_study_file_is_said(make_run: Callable[..., Path]) -> None:
    run = make_run(trials=3, startup=3, baseline=0, final=False)
    (run / "study.yaml").unlink()
    assert "holds no study.yaml" in write_report(run).read_text()


def test_report_needs_neither_torch_nor_search_nor_pyplot(
    demo_run: Path, tmp_path: Path, import_little: Callable[[str, Path], None]
) -> None:
    shutil.copytree(demo_run, tmp_path / "run")
    import_little("search_page.write.write_report", tmp_path / "run")


def test_a_run_that_measures_another_quality_says_so_everywhere(make_run: Callable[..., Path]) -> None:
    metric = {"name": "accuracy", "label": "mIoU", "dataset": "digit_scenes", "benchmark": None}
    run = make_run(attributes={"metric": metric})
    page = write_report(run).read_text()
    text = re.sub(r"<[^>]+>|data:image[^\"]+", " ", page.split("<main>")[1].split("<pre")[0])
    assert "mIoU on digit_scenes" in text
    assert "maximising mIoU, minimising MACs" in text
    assert "Cost against mIoU" in text
    assert not re.search("accuracy|top-1", text, re.IGNORECASE)
    assert "accuracy" not in (run / "report" / "front.md").read_text()
    assert "mIoU (%)" in (run / "report" / "figures" / "tradeoff.svg").read_text()
