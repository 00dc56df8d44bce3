"""Latency as configuration: by which backend, for which batches, where; and the figures that this gives.

A study states one measurement or a list of them: `latency: [eager, {backend: onnxruntime, batch_sizes: [1, 32]}]`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast, final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from archspec.cost.metrics import Metric
from archspec.documents.paths import suggest
from archspec.errors import FieldError
from search.latency.backend import Backend
from search.latency.compile import Compile
from search.latency.eager import Eager
from search.latency.onnxruntime import OnnxRuntime

BACKENDS: Mapping[str, Backend] = {one.name: one for one in (Eager(), Compile(), OnnxRuntime())}
"""Backends by the name that a study gives."""
DEVICE = re.compile(r"(auto|cpu|mps|(cuda|xpu)(:[0-9]{1,3})?)")
MAIN = "latency_ms"
"""The metric of the first figure for single images, in eager mode where one is."""


def _known(name: object) -> str:
    if not isinstance(name, str) or name not in BACKENDS:
        hint = suggest(str(name), BACKENDS) or f" (known: {', '.join(BACKENDS)})"
        raise FieldError("", f"unknown backend {name!r:.40}{hint}")
    BACKENDS[name].check_installed()
    return name


def _device(name: str) -> str:
    if not DEVICE.fullmatch(name):
        raise FieldError("", f"must be auto, cpu, mps, or a GPU such as cuda:0, not {name!r:.40}")
    return name


def _distinct(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(sizes)) < len(sizes):
        raise FieldError("", f"must differ, not {', '.join(map(str, sizes))}")
    return sizes


@final
class LatencySpec(BaseModel):
    """One measurement of inference time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Annotated[str, BeforeValidator(_known)] = Field(
        default="eager", description="how the network is run: eager, compile or onnxruntime"
    )
    batch_sizes: Annotated[tuple[Annotated[int, Field(ge=1, le=4096, strict=True)], ...], AfterValidator(_distinct)] = (
        Field(
            default=(1,),
            min_length=1,
            max_length=8,
            description="images at once; of 1 the latency, of more the throughput",
        )
    )
    device: Annotated[str, AfterValidator(_device)] = Field(
        default="auto", description="auto for that of the training, or cpu, cuda:0, mps"
    )
    rounds: int | None = Field(
        default=None,
        ge=5,
        le=1000,
        strict=True,
        description="interleaved rounds; null for the evaluator's latency_rounds",
    )
    threads: int = Field(default=1, ge=1, le=256, strict=True, description="threads of a CPU that one inference uses")
    ratio: bool = Field(
        default=False, description="state its ratio to the reference too, as a metric: latency_ratio beside latency_ms"
    )


@final
@dataclass(frozen=True)
class LatencyFigure:
    """One figure: a measurement at one size of batch.

    Attributes:
        spec: the measurement.
        batch: images at once.
        main: whether it is `latency_ms`.
    """

    spec: LatencySpec
    batch: int
    main: bool = False

    @property
    def key(self) -> str:
        """Its name without its kind: `onnxruntime_b32`; the device where one is stated, and threads beyond one."""
        spec = self.spec
        place = "" if spec.device == "auto" else f"_{spec.device.replace(':', '')}"
        return f"{spec.backend}{place}{f'_t{spec.threads}' if spec.threads > 1 else ''}_b{self.batch}"

    @property
    def stem(self) -> str:
        """The beginning of the names of what is known beside it: `latency` of `latency_ms`."""
        return self.metric.name.removesuffix("_ms")

    @property
    def ratio(self) -> Metric:
        """Its time to that of the reference on the same device, as a metric: less is better of throughputs, too."""
        return Metric(f"{self.stem}_ratio", f"{self.metric.title}, ratio to reference")

    @property
    def metric(self) -> Metric:
        """The metric that it is: milliseconds of a single image, or images per second of a batch."""
        about = ", ".join(
            [
                {"compile": "torch.compile"}.get(self.spec.backend, self.spec.backend),
                *([] if self.spec.device == "auto" else [self.spec.device]),
                *([] if self.spec.threads == 1 else [f"{self.spec.threads} threads"]),
            ]
        )
        if self.main:
            return Metric(MAIN, "Latency", "ms")
        if self.batch == 1:
            return Metric(f"latency_{self.key}_ms", f"Latency ({about})", "ms")
        return Metric(f"throughput_{self.key}", f"Throughput ({about}, batch {self.batch})", "img/s", "maximize")


def figures(specs: Sequence[LatencySpec]) -> tuple[LatencyFigure, ...]:
    """The figures of measurements, in their order; of single images one is `latency_ms`."""
    found = [LatencyFigure(spec, batch) for spec in specs for batch in spec.batch_sizes]
    single = [index for index, one in enumerate(found) if one.batch == 1]
    main = next((index for index in single if found[index].spec.backend == "eager"), single[0] if single else None)
    return tuple(LatencyFigure(one.spec, one.batch, index == main) for index, one in enumerate(found))


def stated_metrics(specs: Sequence[LatencySpec]) -> tuple[Metric, ...]:
    """The metrics of measurements: each figure, and behind it its ratio where it is asked for."""
    return tuple(
        metric for one in figures(specs) for metric in ((one.metric, one.ratio) if one.spec.ratio else (one.metric,))
    )


def _listed(raw: Any) -> Any:
    """Measurements as a list of mappings: a backend's name is one with its defaults."""
    several = cast("Sequence[Any]", raw) if isinstance(raw, list | tuple) else [raw]
    for one in several:
        if not isinstance(one, str | Mapping | LatencySpec):
            raise FieldError("", f"must be a backend's name, a mapping with it, or a list of these, not {one!r:.40}")
    return [{"backend": one} if isinstance(one, str) else one for one in several]


def _check(specs: tuple[LatencySpec, ...]) -> tuple[LatencySpec, ...]:
    keys = [one.key for one in figures(specs)]
    twice = next((key for index, key in enumerate(keys) if key in keys[:index]), None)
    if twice is not None:
        raise FieldError("", f"measures {twice} twice")
    return specs


AnyLatency = Annotated[tuple[LatencySpec, ...], BeforeValidator(_listed), AfterValidator(_check), Field(max_length=8)]
"""Type of a pydantic field that holds measurements: one or a list of them, each a mapping or a backend's name."""
