"""A user's project over the whole public API; pyright reads it with its strict defaults (test_user_project.py)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, final

import pandas as pd
import torch
from pydantic import Field

import archspec
from archspec.parts import Block, FieldError, Layer, batch_norm, chain, conv, dwconv, gelu, residual
from archspec.plugins import Evaluator, Metric, Metrics, Session, Task, cost_metrics


@final
class Gated(Block):
    """Depthwise convolution between two 1x1 convolutions. Source: an example."""

    type: Literal["gated"] = "gated"
    kernel: int = Field(default=5, ge=1, le=31, description="side of the depthwise window; odd")

    def check(self, width: int) -> None:
        if self.kernel % 2 == 0:
            raise FieldError("kernel", f"{self.kernel} must be odd")

    def layers(self, width: int) -> Layer:
        body = chain(
            norm=batch_norm(width),
            inner=conv(width, width),
            mix=dwconv(width, self.kernel),
            act=gelu(),
            outer=conv(width, width),
        )
        return residual(body, self.drop_path)


@final
class Synthetic(Evaluator):
    """An accuracy that is computed, not measured."""

    type: Literal["synthetic"] = "synthetic"
    scale: float = Field(default=1e6, gt=0)

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"accuracy", "energy_j", "params", "macs"})

    @property
    def own_metrics(self) -> tuple[Metric, ...]:
        return (Metric("energy_j", "Energy", unit="J", direction="minimize"),)

    @property
    def metric(self) -> dict[str, str | None]:
        return {"name": "accuracy", "label": "accuracy", "dataset": "none", "benchmark": None}

    def prepare(self, spec: archspec.ArchSpec) -> archspec.ArchSpec:
        return spec.at(64)

    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        return self.model_copy(update=changes)

    def open(self) -> Session:
        return SyntheticSession(self.scale)


@final
class SyntheticSession(Session):
    def __init__(self, scale: float) -> None:
        self.scale = scale

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Callable[[str], None]) -> Metrics:
        progress("computing")
        params = archspec.measure(task.spec).params
        return {"accuracy": min(1.0, params / self.scale), "energy_j": params / 1e3, **cost_metrics(task.spec)}


def keyword_construction() -> archspec.StudyConfig:
    base = archspec.load("hiri-vit-s")
    stage = archspec.StageSpec(width=32, blocks=(Gated(kernel=7), Gated()))
    spec = archspec.ArchSpec(name="mine", resolution=224, stem=base.stem, stages=(stage,))
    loose = archspec.ArchSpec(
        stem={"type": "hr_stem", "width": 16},
        stages=[{"block": "HR", "depth": 2, "width": 16}, {"block": "T", "width": 32, "heads": 2}],
        head={"type": "classifier", "classes": 10},
    )
    assert (spec.widths, loose.widths) == ((32,), (16, 32))
    recipe = archspec.Recipe(epochs=3, lr=1e-3)
    assert recipe.epochs == 3
    return archspec.StudyConfig(
        name="mine",
        space={"stem": "hr_stem", "stages": [{"block": "HR", "width": {"choice": [8, 16]}}]},
        evaluator=Synthetic(scale=1e5),
        objectives=("accuracy", "macs"),
        trials=10,
    )


def design() -> torch.Tensor:
    spec = archspec.load({"stem": "hr_stem", "stages": [{"block": "HR", "width": 32}], "head": "classifier"})
    edited = spec.edit({"stages[0].depth": 3})
    cost = archspec.measure(edited, 224)
    frame: pd.DataFrame = cost.to_frame()
    macs: int = cost.to_dict()["macs"]
    print(cost, len(frame), macs, archspec.dump(edited, "columns"))
    net = archspec.build("tiny", init="vit")
    classes = net(torch.zeros(2, 3, 64, 64)).argmax(1)
    maps = net.eval().features(torch.zeros(1, 3, 64, 64))
    print(classes.shape, [one.shape for one in maps], net.feature_info[0]["num_chs"])
    archspec.save(net, "trained")
    return archspec.restore(Path("trained"))(torch.zeros(1, 3, 64, 64)).softmax(-1)


def accuracy(spec: archspec.ArchSpec, seed: int) -> dict[str, float]:
    return {"accuracy": 0.5 + seed / 10, "energy_j": archspec.measure(spec).macs / 1e6}


def search() -> list[archspec.ArchSpec]:
    space = archspec.space("five_stage_tiny").within(["<= 2M", "params <= 200k"])
    print(len(space), space.count("<= 1M"), space.sample(3, seed=1)[0].digest, space.front()[0].spec)
    run = archspec.search(
        space,
        accuracy,
        objectives=["accuracy", "energy_j"],
        metrics={"energy_j": {"unit": "J", "direction": "minimize"}},
        trials=20,
        sampler="random",
    )
    front: archspec.ParetoFront = run.extend(trials=30).front
    for member in front:
        print(member.spec.name, member.metrics["accuracy"])
    print(run.trials.columns, run.report().name, front.to_frame().shape)
    archspec.search("five_stage_tiny", evaluator=Synthetic(), budget="<= 2M", trials=4, name="own")
    return front.specs


def ablate(plan: dict[str, Any]) -> pd.DataFrame:
    run = archspec.ablate(plan, lambda spec, seed: 0.5, seeds=3)
    opened = archspec.open_run(run.root)
    print(opened.report())
    return run.rows


if __name__ == "__main__":
    try:
        keyword_construction()
    except archspec.SpecError as error:
        print(error.rule)
