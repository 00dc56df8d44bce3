"""The command `archspec show`."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec.cli.shared.options import SetOption, SpecArgument, edited
from archspec.errors import SpecError

PANEL = "Design"
EXAMPLE = "archspec show tiny --form columns"


def show(
    spec: SpecArgument,
    settings: SetOption = None,
    form: Annotated[str, typer.Option("--form", help="rows, columns, canonical, or both rows and columns")] = "both",
) -> None:
    """The spec as archspec understands it, in row form and column form; both load to the same digest."""
    from archspec.cli.shared.screen import show_yaml
    from archspec.errors import FieldError
    from archspec.loader import dump, load
    from archspec.spec.short_code import encode

    forms = {"both": ("rows", "columns")}.get(form, (form,))
    if not set(forms) <= {"rows", "columns", "canonical"}:
        raise SpecError(f"must be rows, columns, canonical or both, not {form!r:.60}", field="--form")
    loaded = edited(load(spec), settings)
    texts = [f"# {encode(loaded)}\n# digest {loaded.digest}\n"]
    for name in forms:
        try:
            text = dump(loaded, name)
        except FieldError as error:
            text = f"# {error}\n"
        texts.append(f"{'---' if name != forms[0] else ''}\n# {name}\n{text}")
    show_yaml("".join(texts))
