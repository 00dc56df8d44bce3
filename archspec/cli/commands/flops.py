"""The command `archspec flops`."""

from __future__ import annotations

import json
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import ResOption, SetOption, SpecArgument, edited, existing, resolutions
from archspec.errors import SpecError

PANEL = "Design"
EXAMPLE = "archspec flops hiri-vit-s --res 224 --res 448"


def flops(
    spec: SpecArgument = "spec.yaml",
    res: ResOption = None,
    settings: SetOption = None,
    per_layer: Annotated[bool, typer.Option("--per-layer", help="one row per layer")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="exact integers as JSON")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="exact integers as CSV")] = False,
    convention: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--as",
            metavar="CONVENTION",
            help="count as fvcore, macs, mmcv, half or torch (2 per multiply-add) do: see docs/reference/counting.md",
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="build the model and have fvcore and torch count it")
    ] = False,
    symbolic: Annotated[
        bool, typer.Option("--symbolic", help="as polynomials in the side of the image; what each field changes")
    ] = False,
) -> None:
    """Exact params, MACs (one multiply-add = 1), activations and memory for backward, without building the model."""
    if symbolic:
        if as_csv or verify or convention:
            raise SpecError("goes with --res, --per-layer and --json only", field="--symbolic")
        _flops_symbolic(spec, res, settings, per_layer=per_layer, as_json=as_json)
        return
    from archspec.cli.shared.cost_tables import cost_csv, layer_table, part_table, resolution_table
    from archspec.cli.shared.screen import show
    from archspec.cost.conventions import find_convention
    from archspec.cost.measure import measure
    from archspec.loader import load

    if convention is not None:
        find_convention(convention, "--as")
    loaded = edited(load(existing(spec)), settings)
    costs = [measure(loaded, size) for size in resolutions(res) or [loaded.image]]
    if convention is not None:
        costs = [cost.under(convention) for cost in costs]
    if as_json:
        records = [cost.to_dict(layers=per_layer) for cost in costs]
        typer.echo(json.dumps(records[0] if len(records) == 1 else records, indent=2))
    elif as_csv:
        typer.echo(cost_csv(costs, layers=per_layer), nl=False)
    elif per_layer:
        show(*map(layer_table, costs))
    else:
        show(part_table(costs[0]) if len(costs) == 1 else resolution_table(costs))
    if verify:
        from archspec.model.audit import audit

        for cost in costs:
            passed = audit(loaded, cost.resolution)
            place = "x".join(map(str, cost.resolution))
            show(
                f"verified at {place}: fvcore counts {passed.cost.macs:,} MACs on the built model, equal to "
                f"the integer in all {passed.modules} modules; torch counts {passed.torch_macs:,} "
                "for convolutions, linear layers and attention, equal too",
                stderr=True,
            )


def _flops_symbolic(
    spec: str, res: list[str] | None, settings: list[str] | None, *, per_layer: bool, as_json: bool
) -> None:
    from archspec.cli.shared.screen import show
    from archspec.cli.shared.symbolic_tables import examine, one_side, symbolic_record, symbolic_tables
    from archspec.loader import load

    loaded = edited(load(existing(spec)), settings)
    sides = [one_side(size) for size in resolutions(res)]
    results = [examine(loaded, side) for side in sides or [None]]
    if as_json:
        records = [symbolic_record(result) for result in results]
        typer.echo(json.dumps(records[0] if len(records) == 1 else records, indent=2))
        return
    for result in results:
        show(*symbolic_tables(loaded, result, per_part=per_layer))
