"""A plan as plain data: what `--dry-run --json` prints, and what reports find in the journal."""

from __future__ import annotations

from typing import Any

from archspec.cost.measure import measure
from archspec.cost.metrics import exact_values
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode
from search.ablation.fractional import describe as describe_design
from search.ablation.rows import Ablation


def describe(ablation: Ablation) -> dict[str, Any]:
    """Every view with the labels, costs and comparisons of its rows."""
    config = ablation.plan.config
    specs = {row.spec.digest: row.spec for row in ablation.runs.values()}
    costs = {digest: _costs(spec) for digest, spec in specs.items()}
    views: list[dict[str, Any]] = []
    for table in ablation.tables:
        found = table.view.design(dict.fromkeys(config.edits, ""))
        rows = [
            {
                "label": row.label,
                "edits": list(row.edits),
                "run": row.run,
                **costs[row.spec.digest],
                "training": ablation.training(row),
                "against": row.against,
            }
            for row in table.rows
        ]
        views.append(
            {
                "name": table.name,
                "type": table.view.type,
                "title": table.view.title,
                "factors": list(found.factors) if found else [],
                "generators": [str(one) for one in found.generators] if found else [],
                "design": list(describe_design(found)) if found else [],
                "rows": rows,
            }
        )
    return {
        "name": config.name,
        "description": config.description,
        "base": ablation.plan.base.name,
        "base_digest": ablation.plan.base.digest,
        "notes": list(ablation.notes()),
        "views": views,
    }


def _costs(spec: ArchSpec) -> dict[str, Any]:
    costs = exact_values(measure(spec).total.lines)
    costs.pop("saved_bytes", None)  # in no record of a plan so far, which programs read
    return {"digest": spec.digest, "code": encode(spec), "resolution": spec.resolution, **costs}
