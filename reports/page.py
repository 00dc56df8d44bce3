"""`archspec report`: one folder with the page, the figures with their data, the front's table and its specs."""

from __future__ import annotations

import base64
import platform
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from archspec.errors import RunError
from archspec.loader import dump, load
from archspec.schema import ArchSpec
from reports import importances, layouts, progress, table, tradeoff, tradeoff_figure
from reports.canvas import style
from reports.front import Front, Member, front
from reports.quantities import title, unit
from reports.rows import Record, read
from reports.summary import budget, summary

ENTRIES = ("index.html", "front.md", "front.csv", "front.tex", "front", "figures")
GENERATOR = '<meta name="generator" content="archspec report">'
PACKAGES = ("archspec-vision", "torch", "optuna", "numpy", "pandas", "matplotlib")


@dataclass(frozen=True)
class Picture:
    """A figure in the page: its files' name, what it shows, and the SVG as a data URI (also for narrow screens)."""

    name: str
    alt: str
    caption: str
    image: str
    small: str = ""


@dataclass(frozen=True)
class Findings:
    """Everything that a report states, computed before anything is written."""

    record: Record
    front: Front
    specs: Mapping[int, ArchSpec]
    table: table.Table
    tradeoff: tradeoff.Tradeoff
    progress: progress.Progress
    importances: tuple[importances.Importance, ...]
    layouts: tuple[layouts.Layout, ...]


def write_report(run: Path, out: Path | None = None) -> Path:
    """Write the report of the run folder `run` to `out` (`run`/report) and return the path of its index.html.

    Only the report's own files in `out` are replaced, and only when all of them are written.

    Raises:
        RunError: nothing to report, a damaged journal, or `out` holds or is something else.
        SpecError: the spec of a member of the front is missing or damaged.
    """
    found = compute(run)
    folder = run / "report" if out is None else out
    _check_target(folder, own=out is None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as name:
            fresh = Path(name)
            _write(found, run, fresh)
            for entry in ENTRIES:
                _replace(folder / entry, fresh / entry)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror}") from None
    return folder / "index.html"


def compute(run: Path) -> Findings:
    """Everything that the report of `run` states."""
    record = read(run)
    members = front(record)
    specs = {member.rank: load(run / "artifacts" / member.digest / "spec.yaml") for member in members.members}
    return Findings(
        record=record,
        front=members,
        specs=specs,
        table=table.table(members, _caption(record, members)),
        tradeoff=tradeoff.tradeoff(record, members),
        progress=progress.progress(record),
        importances=importances.importances(record),
        layouts=tuple(
            layouts.layout(member.rank, _layout_title(member, members), specs[member.rank])
            for member in members.members
        ),
    )


def _write(found: Findings, run: Path, folder: Path) -> None:
    figures = folder / "figures"
    figures.mkdir()
    with style():
        tradeoff_figure.write(found.tradeoff, figures)
        progress.write(found.progress, figures)
        layouts.write(found.layouts, figures)
        importances.write(found.importances, figures)
    table.write(found.table, found.front, folder)
    links = _write_specs(found, folder / "front")
    (folder / "index.html").write_text(_render(found, run, figures, links), encoding="utf-8")


def _write_specs(found: Findings, folder: Path) -> list[str]:
    """Write the spec of every member and return the files' names, in order of rank."""
    folder.mkdir()
    names: list[str] = []
    for member in found.front.members:
        code = re.sub(r"[^A-Za-z0-9.+-]", "_", member.code)[:120]
        name = f"{member.rank:02d}-{code}.yaml"
        test = table.spread(member.test, unit("accuracy", []))
        result = f"test accuracy {test} % over {member.test.n} seeds" if member.test.n else "not re-trained"
        about = f"member {member.rank} of {len(found.front.members)} of the front of {found.record.name}; {result}"
        label = f"{found.record.name}-{member.rank:02d}"[:200]
        spec = found.specs[member.rank].model_copy(update={"name": label, "description": about[:2000]})
        (folder / name).write_text(dump(spec), encoding="utf-8")
        names.append(name)
    return names


def _render(found: Findings, run: Path, figures: Path, links: Sequence[str]) -> str:
    record = found.record
    counts = summary(record, found.front)
    study = run / "study.yaml"
    environment = Environment(
        loader=PackageLoader("reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    hrefs = [f"front/{quote(name)}" for name in links]
    rows = [(row, hrefs[i] if i < len(hrefs) else "") for i, row in enumerate(found.table.rows)]
    return environment.get_template("page.html.j2").render(
        name=record.name,
        metric=record.metric,
        resolution=record.resolution,
        objectives=_objectives(record),
        counts=counts,
        members=len(found.front.members),
        budget=budget(counts.training),
        notes=found.tradeoff.notes,
        table=found.table,
        rows=rows,
        progress_note=found.progress.note,
        missing=[f"{title(one.objective)}: {one.reason}." for one in found.importances if one.reason],
        command=str(
            record.attributes.get("command") or f"archspec search study.yaml\narchspec report runs/{record.name}"
        ),
        versions=_versions(record),
        study=study.read_text(encoding="utf-8", errors="replace") if study.is_file() else "",
        **{picture.name: picture for picture in _pictures(found, figures)},
        **({} if (figures / "importances.svg").exists() else {"importances": None}),
    )


def _pictures(found: Findings, figures: Path) -> list[Picture]:
    corners = ", ".join(_corner(found, index) for index in range(len(found.record.objectives)))
    pictures = [
        Picture(
            "tradeoff",
            "Accuracy against cost of all trials, with the front",
            "Hollow: trials of the search, validation accuracy, one seed; dashed, those that no other trial beats on "
            "this cost and accuracy. Solid: the members of the front over the study's objectives, re-trained, test "
            "accuracy, mean and sample standard deviation over seeds; the line joins those that no other member beats "
            "in this panel. Validation points were selected for being high, so compare test with test only.",
            _inline(figures / "tradeoff.svg"),
            _inline(figures / "tradeoff-column.svg"),
        ),
        Picture(
            "layouts",
            "Stages of every member of the front",
            "One row per member, cheapest first. Each block is a slab whose breadth grows with the square root of its "
            "channels and whose height grows with the logarithm of the map's side. Labels: kind, blocks × channels."
            + ("" if len(found.layouts) <= layouts.MAX_ROWS else f" {layouts.MAX_ROWS} of {len(found.layouts)} shown."),
            _inline(figures / "layouts.svg"),
        ),
        Picture(
            "hypervolume",
            "Hypervolume of the search after each trained layout",
            "Share of a box that the front covers. The box is fixed by rule: accuracy from chance (0 where the number "
            "of classes is not recorded) to 1; log10 of each cost from the cheapest trial of either arm to a tenth of "
            f"the span beyond the dearest. Here: {corners}.",
            _inline(figures / "hypervolume.svg"),
        ),
    ]
    if (figures / "importances.svg").exists():
        known = next(one for one in found.importances if not one.reason)
        pictures.append(
            Picture(
                "importances",
                "Importance of each parameter of the space per objective",
                f"PED-ANOVA, one objective at a time: what sets the best {known.top} of {known.trials} distinct "
                "layouts apart. A bar that stays below its tick is no longer than chance made it when the values were "
                "shuffled among the trials. At most twelve parameters are drawn; the CSV has all.",
                _inline(figures / "importances.svg"),
            )
        )
    return pictures


def _corner(found: Findings, index: int) -> str:
    """The reference and the best corner of the hypervolume's box in one objective."""
    scale = found.progress.scale
    name, ends = scale.objectives[index], (scale.best[index], scale.reference[index])
    units = unit(name, ends)
    low, high = sorted(ends)
    return f"{units.title} {units.text(low)} to {units.text(high)} {units.sign}".rstrip()


def _inline(path: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _objectives(record: Record) -> str:
    names = [title(name) if name == "macs" else title(name).lower() for name in record.objectives if name != "accuracy"]
    return "maximising accuracy" + (f", minimising {' and '.join(names)}" if names else "")


def _caption(record: Record, members: Front) -> str:
    seeds = {member.test.n for member in members.members if member.test.n}
    count = f"{min(seeds)}" if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}" if seeds else "no"
    return (
        f"Pareto front of {record.name} on {record.metric.dataset}: {_objectives(record)} (validation, one seed); "
        f"test accuracy of {count} final trainings each, mean ± sample standard deviation."
    )


def _layout_title(member: Member, members: Front) -> str:
    cost = next((name for name in members.objectives if name != "accuracy"), "macs")
    scale = unit(cost, [one.costs[cost] for one in members.members])
    accuracy = unit("accuracy", [])
    tested = f"test {table.spread(member.test, accuracy)} %"
    score = tested if member.test.n else f"validation {accuracy.text(member.accuracy)} %"
    name = "" if cost == "latency_ms" else f" {title(cost)}"
    return f"{member.rank}   {score}   {scale.text(member.costs[cost])} {scale.sign}{name}"


def _versions(record: Record) -> list[tuple[str, str]]:
    found = [
        ("searched with archspec", str(record.attributes.get("archspec", "unknown"))),
        ("Python", platform.python_version()),
    ]
    for package in PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return found


def _check_target(folder: Path, *, own: bool) -> None:
    """Refuse to write among files that are not a report's."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: is a file: the report needs a folder")
    if own or not folder.is_dir() or not any(folder.iterdir()):
        return
    index = folder / "index.html"
    if not index.is_file() or GENERATOR not in index.read_text(encoding="utf-8", errors="replace")[:2000]:
        raise RunError(f"{folder}: holds files that are not a report: name an empty or a new folder")


def _replace(old: Path, new: Path) -> None:
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)
    new.rename(old)
