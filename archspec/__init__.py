"""archspec: declare a vision backbone, know its exact cost, build it, search around it."""

from typing import TYPE_CHECKING

from archspec.lazy import lazy_names
from archspec.shadowing import check_packages, is_command

if TYPE_CHECKING:
    from archspec.api.ablations import RecordedAblation, ablate
    from archspec.api.comparisons import ComparedSearches, compare
    from archspec.api.fronts import ParetoFront, ParetoMember
    from archspec.api.opening import open_run
    from archspec.api.runs import RecordedSearch, search
    from archspec.api.spaces import DesignSpace, space
    from archspec.api.weights import restore
    from archspec.cost.measure import NetworkCost, measure
    from archspec.errors import ArchspecError, RunError, SpecError
    from archspec.loader import dump, load, presets
    from archspec.model.build import build
    from archspec.model.network import Network
    from archspec.model.weights import save
    from archspec.spec.schema import ArchSpec, StageSpec
    from search.ablation.plan import PlanConfig
    from search.recipe.recipe import Recipe
    from search.study.config import StudyConfig

__version__ = "0.1.0"

__all__ = [
    "ArchSpec",
    "ArchspecError",
    "ComparedSearches",
    "DesignSpace",
    "Network",
    "NetworkCost",
    "ParetoFront",
    "ParetoMember",
    "PlanConfig",
    "Recipe",
    "RecordedAblation",
    "RecordedSearch",
    "RunError",
    "SpecError",
    "StageSpec",
    "StudyConfig",
    "ablate",
    "build",
    "compare",
    "dump",
    "load",
    "measure",
    "open_run",
    "presets",
    "restore",
    "save",
    "search",
    "space",
]

_HOMES = {
    "ArchSpec": "archspec.spec.schema",
    "ArchspecError": "archspec.errors",
    "ComparedSearches": "archspec.api.comparisons",
    "DesignSpace": "archspec.api.spaces",
    "Network": "archspec.model.network",
    "NetworkCost": "archspec.cost.measure",
    "ParetoFront": "archspec.api.fronts",
    "ParetoMember": "archspec.api.fronts",
    "PlanConfig": "search.ablation.plan",
    "Recipe": "search.recipe.recipe",
    "RecordedAblation": "archspec.api.ablations",
    "RecordedSearch": "archspec.api.runs",
    "RunError": "archspec.errors",
    "SpecError": "archspec.errors",
    "StageSpec": "archspec.spec.schema",
    "StudyConfig": "search.study.config",
    "ablate": "archspec.api.ablations",
    "build": "archspec.model.build",
    "compare": "archspec.api.comparisons",
    "dump": "archspec.loader",
    "load": "archspec.loader",
    "measure": "archspec.cost.measure",
    "open_run": "archspec.api.opening",
    "presets": "archspec.loader",
    "restore": "archspec.api.weights",
    "save": "archspec.model.weights",
    "search": "archspec.api.runs",
    "space": "archspec.api.spaces",
}

# Public names load their module on first use: `import archspec` costs nothing, and only networks need torch.
__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return list(__all__)


if not is_command():  # which checks them itself, to report in one line
    check_packages()
else:
    from archspec.interrupts import hear_interrupts

    hear_interrupts()
