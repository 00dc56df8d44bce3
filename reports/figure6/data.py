"""Figure 6 of HIRI-ViT from its Table II: top-1 against multiply-adds, parameters and inference time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

from archspec.documents.wording import plural
from reports.records.published import IMAGENET, published

Cost = Literal["gmacs", "params_m", "ms"]
Kind = Literal["published", "test", "validation"]
PANELS: tuple[tuple[Cost, str], ...] = (
    ("gmacs", "multiply-adds (10⁹)"),
    ("params_m", "parameters (10⁶)"),
    ("ms", "inference time (ms per image)"),
)
SCALES = ("small", "base", "large")
OWN = "HIRI-ViT"
SOURCE = "HIRI-ViT, arXiv 2403.11999"
TABLE = "II"
RECIPE = "HIRI-ViT section 5.1 (300 epochs); EMA distillation is certain for S at 448 only (Table VII)"
# ViTAEv2 of reference 29 is another network; both rows of 47 have VSA.
_NAMES = {47: "ViTAEv2 + VSA"}


@dataclass(frozen=True)
class Figure6Point:
    """One row of the table, or one layout of an own study: top-1 in percent, costs, and where all that comes from.

    `images_per_second` is as printed, on the paper's unnamed device; NaN where none is printed or nothing comparable
    was measured. `reference` is the number in HIRI-ViT's bibliography, None for HIRI-ViT and own points. `kind` says
    which accuracy `top1` is; own points have no scale, and `sd` is the sample standard deviation over `seeds`
    trainings, NaN for published rows and single trainings.
    """

    family: str
    network: str
    scale: str
    resolution: int | None
    top1: float
    gmacs: float
    params_m: float
    images_per_second: float
    source: str
    table: str
    recipe: str
    kind: Kind = "published"
    reference: int | None = None
    sd: float = math.nan
    seeds: int | None = None

    @property
    def ms(self) -> float:
        """Inference time in milliseconds per image: 1000 / images per second."""
        return 1000 / self.images_per_second

    @property
    def training(self) -> str:
        """The accuracy that an own point shows, and over how many seeds: `test, 3 seeds`."""
        return f"{self.kind}, {plural(self.seeds or 1, 'seed')}"


@dataclass(frozen=True)
class FamilyCurve:
    """One family, cheapest row first; HIRI-ViT has one curve per resolution."""

    family: str
    own: bool
    points: tuple[Figure6Point, ...]

    @property
    def scales(self) -> int:
        """The number of the table's three scales in which the family has rows."""
        return len({point.scale for point in self.points})


@dataclass(frozen=True)
class Overlay:
    """An own study in the same axes: the front of its search, cheapest first; `notes` belong under the figure."""

    name: str
    points: tuple[Figure6Point, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Figure6:
    """The curves in the table's order, HIRI-ViT's last; `untimed` names rows without an inference time."""

    curves: tuple[FamilyCurve, ...]
    untimed: tuple[str, ...]
    overlay: Overlay | None = None

    @property
    def points(self) -> tuple[Figure6Point, ...]:
        """All points, curve by curve, an own study's last."""
        every = tuple(point for curve in self.curves for point in curve.points)
        return every + (self.overlay.points if self.overlay else ())


def figure6(overlay: Overlay | None = None) -> Figure6:
    """Group the rows of Table II that print a top-1: by reference, HIRI-ViT's own by resolution."""
    rows = [row for row in published(IMAGENET).to_dict("records") if not math.isnan(float(row["top1"]))]
    groups: dict[tuple[int, int], list[dict[Any, Any]]] = {}
    for row in rows:
        groups.setdefault(_group(row), []).append(row)
    names = {key: _family([str(row["network"]) for row in group]) for key, group in groups.items()}
    curves: list[FamilyCurve] = []
    for key, group in groups.items():
        reference, resolution = key
        name = _NAMES.get(reference, names[key]) if reference else f"{OWN} at {resolution}"
        points = sorted((_point(name, reference, row) for row in group), key=lambda point: point.gmacs)
        curves.append(FamilyCurve(name, not reference, tuple(points)))
    curves.sort(key=lambda curve: curve.own)
    untimed = tuple(point.network for curve in curves for point in curve.points if math.isnan(point.ms))
    return Figure6(tuple(curves), untimed, overlay)


def notes(info: Figure6) -> tuple[str, ...]:
    """Notes for a caption: where inference time comes from, whom it lacks, and an own study's terms."""
    rows = sum(len(curve.points) for curve in info.curves)
    lacking = f"; not printed for {', '.join(info.untimed)}" if info.untimed else ""
    time = f"inference time is 1000 / images per second, {rows - len(info.untimed)} of {rows} rows{lacking}"
    return (time, *(info.overlay.notes if info.overlay else ()))


def sentence(note: str) -> str:
    """A note as a sentence of a caption; a name of one's own study at its start stays as it is."""
    return f"{note}." if not note.startswith("inference") else f"I{note[1:]}."


def _group(row: dict[Any, Any]) -> tuple[int, int]:
    """Reference and 0, or for HIRI-ViT, which has no reference, 0 and the resolution."""
    reference = float(row["reference"])
    return (0, int(row["resolution"])) if math.isnan(reference) else (int(reference), 0)


def _family(names: Sequence[str]) -> str:
    """What the names share, up to a hyphen: PVTv2 of PVTv2-B2 and PVTv2-B3; a name that is alone stays whole."""
    if len(names) == 1:
        return names[0]
    shared = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in shared).rpartition("-")[0]


def _point(family: str, reference: int, row: dict[Any, Any]) -> Figure6Point:
    return Figure6Point(
        family=family,
        network=str(row["network"]),
        scale=str(row["group"]),
        resolution=int(row["resolution"]),
        top1=float(row["top1"]),
        gmacs=float(row["gmacs"]),
        params_m=float(row["params_m"]),
        images_per_second=float(row["throughput_img_s"]),
        source=SOURCE,
        table=TABLE,
        # Table II prints no recipe of the others: each figure is that of its own publication.
        recipe=f"its authors', reference [{reference}] of HIRI-ViT" if reference else RECIPE,
        reference=reference or None,
    )
