"""archspec: declare a vision backbone, know its exact cost, build it, search around it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from archspec.shadowing import check_packages, is_command

if TYPE_CHECKING:
    from archspec.cost.measure import NetworkCost, measure
    from archspec.errors import ArchspecError, SpecError
    from archspec.loader import dump, load, presets
    from archspec.model.build import Network, build
    from archspec.spec.schema import ArchSpec, StageSpec

__version__ = "0.1.0"

__all__ = [
    "ArchSpec",
    "ArchspecError",
    "Network",
    "NetworkCost",
    "SpecError",
    "StageSpec",
    "build",
    "dump",
    "load",
    "measure",
    "presets",
]

_HOME = {
    "ArchSpec": "spec.schema",
    "ArchspecError": "errors",
    "Network": "model.build",
    "NetworkCost": "cost.measure",
    "SpecError": "errors",
    "StageSpec": "spec.schema",
    "build": "model.build",
    "dump": "loader",
    "load": "loader",
    "measure": "cost.measure",
    "presets": "loader",
}


def __getattr__(name: str) -> Any:
    """Public names load their module on first use: `import archspec` costs nothing, and only `build` needs torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'archspec' has no attribute {name!r}")
    return getattr(import_module(f"archspec.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


if not is_command():  # which checks them itself, to report in one line
    check_packages()
