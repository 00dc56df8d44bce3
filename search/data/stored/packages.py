"""Packages of the project's extras that read stored images, imported when they are needed."""

from importlib import import_module
from typing import Any

from archspec.errors import SpecError


def require(module: str, extra: str, data: str) -> Any:
    """The module of an extra.

    Args:
        module: its dotted name.
        extra: the extra that installs it.
        data: the tag of the data set that needs it.

    Raises:
        SpecError: it is not installed, or cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        said = "which is not installed"
        if not (isinstance(error, ModuleNotFoundError) and (error.name or package).partition(".")[0] == package):
            said = f"which cannot be imported ({str(error)[:120]})"
        rule = f"data set {data} needs {package}, {said}: pip install 'archspec-vision[{extra}]'"
        raise SpecError(rule, field="type") from None
