"""Short codes of specs: `HR2x32-HR2x64-CFFN2x128-T9x320h5`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from archspec.errors import SpecError
from blocks.catalog import find, tag
from blocks.component import Block

if TYPE_CHECKING:
    from archspec.spec.schema import ArchSpec

CODE_STAGE = re.compile(
    r"(?P<block>[A-Za-z_]*)(?P<depth>[0-9]{1,9})x(?P<width>[0-9]{1,9})(?:h(?P<heads>[0-9]{1,9}))?"
    r"(?:e(?P<expansion>[0-9]{1,9}(?:\.[0-9]{1,9})?))?"
)


def parse_code(code: str) -> dict[str, Any]:
    """A short code as row form: HR stem, IRDS-a into convolutional stages, IRDS-b into stages with attention.

    Raises:
        SpecError: malformed.
    """
    rows: list[dict[str, Any]] = []
    tags = {tag(block).lower(): tag(block) for block in find(Block)}
    for index, part in enumerate(code.split("-")):
        match = CODE_STAGE.fullmatch(part)
        only = match is not None and not match["block"] and int(match["depth"]) == 0 and index > 0
        if match is None or not (only or match["block"].lower() in tags):
            rule = f"stage {part!r:.40} must read like T9x320h5e4, with a block of {', '.join(tags.values())}"
            raise SpecError(rule, field=f"stages[{index}]", source=code[:80])
        block = tags.get(match["block"].lower())
        row: dict[str, Any] = {"depth": int(match["depth"]), "width": int(match["width"])}
        row |= {"block": block} if block else {}
        row |= {"heads": int(match["heads"])} if match["heads"] else {}
        row |= {"expansion": float(match["expansion"])} if match["expansion"] else {}
        if index:
            row["downsample"] = "irds_b" if block == "T" else "irds_a"
        rows.append(row)
    stem = {"type": "hr_stem", "width": rows[0]["width"]}
    return {"name": code[:200], "stem": stem, "stages": rows, "head": {"type": "classifier"}}


def encode(spec: ArchSpec) -> str:
    """A compact label in the grammar of the short code; mixed stages are joined by `+`,
    branches by `|`, with the number of modules in front; a stage without blocks is `0x64`. A label, not an identity."""
    stages = [_encode_blocks(stage.blocks, stage.width) for stage in spec.stages]
    for stage in spec.branched:
        label = "|".join(_encode_blocks(branch.blocks, branch.width) for branch in stage.branches)
        stages.append(label if stage.modules == 1 else f"{stage.modules}({label})")
    return "-".join(stages)


def _encode_blocks(blocks: tuple[Block, ...], width: int) -> str:
    runs: list[tuple[str, int]] = []
    for block in blocks:
        marks = {"h": getattr(block, "heads", None), "e": getattr(block, "expansion", None)}
        options = "".join(f"{mark}{value:g}" for mark, value in marks.items() if isinstance(value, int | float))
        label = f"{tag(type(block))}{{}}x{width}{options}"
        if runs and runs[-1][0] == label:
            runs[-1] = (label, runs[-1][1] + 1)
        else:
            runs.append((label, 1))
    return "+".join(label.format(count) for label, count in runs) or f"0x{width}"
