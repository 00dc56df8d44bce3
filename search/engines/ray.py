"""The engine of a Ray cluster: each training is a task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, final

from pydantic import AfterValidator, Field

from archspec.errors import FieldError, SpecError
from search.evaluator import Evaluator
from search.ray_cluster.pool import RayPool
from search.ray_cluster.settings import LOCAL, RaySettings
from search.run.pools.engine import Engine
from search.run.pools.pool import Pool

UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
OWN = {"CPU": "cpus", "GPU": "gpus", "memory": "memory", "num_cpus": "cpus", "num_gpus": "gpus"}
"""Resources that are fields."""


def _check_address(value: str) -> str:
    if value.startswith("ray://"):
        raise FieldError("", "must be HOST:PORT: a run starts on a node of its cluster, not through the Ray client")
    if value not in ("", LOCAL) and re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[^\s:/]+):[0-9]{1,5}", value) is None:
        raise FieldError("", f"must be HOST:PORT of the head, such as 10.0.0.1:6379, or {LOCAL}, not {value!r:.60}")
    return value


def _check_memory(value: str) -> str:
    if value and re.fullmatch(r"[0-9]+[KMGT]?", value) is None:
        raise FieldError("", f"must be a number with K, M, G or T, such as 32G, not {value!r:.40}")
    return value


def _check_resources(value: dict[str, float]) -> dict[str, float]:
    for name, amount in value.items():
        if name in OWN:
            raise FieldError("", f"{name} is the field `{OWN[name]}` of the engine: state it there")
        if not amount > 0:
            raise FieldError("", f"{name} must be more than 0, not {amount:g}")
    return value


@final
class RayEngine(Engine):
    """Tasks of a Ray cluster, one for each training, from a folder that its nodes share."""

    packages: ClassVar[Mapping[str, str]] = {"ray": "archspec-vision[ray]"}

    type: Literal["ray"] = "ray"
    address: Annotated[str, AfterValidator(_check_address)] = Field(
        default="",
        description="HOST:PORT of the head; `local` starts a cluster on this machine; empty: RAY_ADDRESS, else the "
        "cluster that runs here, else `local`",
    )
    gpus: int = Field(default=0, ge=0, le=64, strict=True, description="of each task")
    cpus: int = Field(default=1, ge=1, le=1024, strict=True, description="cores of each task")
    memory: Annotated[str, AfterValidator(_check_memory)] = Field(
        default="", description="of each task, by which Ray places it: 32G"
    )
    resources: Annotated[dict[str, Annotated[float, Field(strict=True)]], AfterValidator(_check_resources)] = Field(
        default_factory=dict, description="further ones of each task, which nodes were started with: {a100: 1}"
    )

    def open(self, evaluators: Mapping[str, Evaluator], root: Path, workers: int) -> Pool:
        number, unit = self.memory.rstrip("KMGT"), self.memory.lstrip("0123456789")
        memory = int(number or 0) * 1024 ** UNITS[unit]
        settings = RaySettings(self.address, self.gpus, self.cpus, memory, self.resources)
        return RayPool(workers, evaluators, root, settings)

    def check_ready(self, evaluators: Mapping[str, Evaluator]) -> None:
        super().check_ready(evaluators)
        for evaluator in evaluators.values():
            if evaluator.local:
                rule = f"must be local, not ray: no node has evaluator {evaluator.type}, which is this process's own"
                raise SpecError(f"{rule} (an installed package, or a command, can go there)", field="engine")
