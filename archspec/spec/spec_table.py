"""A spec as a table for notebooks: one row per part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archspec.documents.html import html_table
from archspec.spec.forms import compact_stage, trim

if TYPE_CHECKING:
    from archspec.spec.schema import ArchSpec

COLUMNS = ("part", "downsample", "block", "depth", "width", "options")
OWN = ("block", "blocks", "depth", "width", "downsample", "resize")
"""Fields of a stage that have a column, or a word, of their own."""


def spec_table(spec: ArchSpec) -> str:
    """HTML of a spec: stem, stages (or the branches of parallel ones) and head, defaults left out."""
    data = spec.canonical()
    rows: list[tuple[object, ...]] = [("stem", "", *_part(trim(data["stem"])))]
    for place, lane in spec.lanes():
        stage = {"resize": None, **lane.model_dump(mode="json")}
        row = compact_stage(stage, 0)
        options = {key: value for key, value in row.items() if key not in OWN}
        options |= {"resize": row["resize"]} if "resize" in row else {}
        name = f"stages[{place[1]}]" if len(place) == 2 else f"stages[{place[1]}], branch {place[3]}"
        downsample = _name(row["downsample"]) if row.get("downsample") else ""
        rows.append((name, downsample, _name(row.get("block", "")), lane.depth, lane.width, _options(options)))
    if data["head"] is not None:
        rows.append(("head", "", *_part(trim(data["head"]))))
    image = "×".join(map(str, spec.image)) if isinstance(spec.image, tuple) else f"{spec.image}×{spec.image}"
    return html_table(f"{spec.name} at {image}", COLUMNS, rows, f"{spec.description} digest {spec.digest}".strip())


def _part(part: Any) -> tuple[object, ...]:
    fields = dict(part) if isinstance(part, dict) else {"type": part}
    name, width = fields.pop("type"), fields.pop("width", "")
    return (name, "", width, _options(fields))


def _name(entry: Any) -> str:
    """A part, or a pattern of them, in one line."""
    if isinstance(entry, list):
        return " + ".join(map(_name, entry))
    if not isinstance(entry, dict):
        return str(entry)
    options = _options({key: value for key, value in entry.items() if key != "type"})
    return f"{entry['type']} ({options})" if options else str(entry["type"])


def _options(options: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in options.items()
    )
