"""The command `archspec schema`."""

from __future__ import annotations

import json

import typer

PANEL = "Design"
EXAMPLE = "archspec schema > archspec.json"


def schema() -> None:
    """JSON Schema of the spec format, for completion and checks in editors."""
    from archspec.json_schema.spec import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
