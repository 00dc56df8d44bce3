"""Synthetic runs: folders as a search or an ablation leaves them, without any training."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from archspec.cost.measure import measure
from archspec.loader import dump
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode, parse_code

SIDE = 64
DEPTHS = IntDistribution(1, 3)
WIDTHS = ((8, 12, 16), (16, 24, 32), (24, 32, 48), (32, 48, 64), (48, 64, 96))
BLOCKS = (("HR",), ("HR", "CFFN"), ("HR", "CFFN", "T"), ("CFFN", "T"), ("T",))


@dataclass
class Plan:
    """What a synthetic run contains."""

    trials: int = 30
    baseline: int = 24
    startup: int = 8
    seeds: int = 3
    objectives: tuple[str, ...] = ("accuracy", "macs")
    final: bool = True
    latency: bool = True
    benchmark: str | None = None
    noise: float = 0.02
    spread: float = 1.0
    dataset: str = "cluttered_digits"
    failures: tuple[str, ...] = ("the loss is not finite in epoch 3", "out of memory in epoch 1", "killed")
    duplicates: int = 2
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    own: tuple[dict[str, str], ...] = ()
    apart: bool = False
    devices: tuple[str, ...] = ()

    def stated(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """The metrics as attributes of a trial: an attribute each if `apart`, else all in one, as before."""
        stated = metrics if self.apart else {"metrics": metrics}
        if not self.devices:
            return stated
        timed = [name for name in metrics if name.startswith(("latency_", "throughput_")) and name != "latency_noisy"]
        return {**stated, "devices": dict.fromkeys(timed, self.devices[metrics["macs"] // 100 % len(self.devices)])}

    def direction(self, name: str) -> str:
        """Which way an objective is better."""
        return next((one["direction"] for one in self.own if one["name"] == name), _DIRECTIONS.get(name, "minimize"))


# Metrics of a made-up evaluator; `_metrics` makes their values.
ENERGY = {"name": "energy_j", "title": "Energy", "unit": "J", "direction": "minimize"}
TOP5 = {"name": "top5", "title": "Top-5 accuracy", "unit": "%", "direction": "maximize"}
_DIRECTIONS = {"accuracy": "maximize"}


def write_run(run: Path, plan: Plan, seed: int = 0) -> Path:
    """Write journal.log, study.yaml and artifacts/ under `run`."""
    run.mkdir(parents=True)
    if plan.latency:
        reference = {"seconds": 0.001, "reference": "tiny", "resolution": SIDE, "device": "cpu", "threads": 1}
        (run / "reference.json").write_text(json.dumps(reference))
    (run / "study.yaml").write_text(f"name: {run.name}\nspace: five_stage_tiny\ntrials: {plan.trials}\n")
    storage = JournalStorage(JournalFileBackend(str(run / "journal.log")))
    generator = random.Random(seed)
    search = _study(storage, "search", plan)
    startup = [_trial(run, plan, generator, "random") for _ in range(plan.startup)]
    found = startup + [_trial(run, plan, generator, "model") for _ in range(plan.trials - plan.startup)]
    for trial in found:
        search.add_trial(trial)
    for reason in plan.failures:
        search.add_trial(_failed(run, plan, generator, reason))
    for index in range(plan.duplicates if found else 0):
        number = 3 * index % len(found)
        original = found[number]
        attributes = original.user_attrs | {"duplicate_of": number}
        search.add_trial(_copy(original, attributes))
    if plan.baseline:
        _write_baseline(run, plan, storage, generator, startup)
    if plan.final:
        _write_final(run, plan, storage, generator, found)
    return run


def _study(storage: JournalStorage, name: str, plan: Plan) -> optuna.Study:
    objectives = ["accuracy"] if name == "final" else list(plan.objectives)
    directions = [plan.direction(one) for one in objectives]
    study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    metric = {
        "name": "accuracy",
        "label": "top-1 accuracy",
        "dataset": plan.dataset,
        "benchmark": plan.benchmark,
    }
    attributes = {
        "objectives": objectives,
        "metric": metric,
        "resolution": SIDE,
        "sampler": {"type": "tpe", "startup": plan.startup, "population": 20},
        "seed": 0,
        "archspec": "0.1.0",
    }
    if plan.own:
        attributes["own_metrics"] = list(plan.own)
    for key, value in (attributes | plan.attributes).items():
        study.set_user_attr(key, value)
    return study


def _draw(generator: random.Random, lean: float) -> tuple[dict[str, Any], dict[str, BaseDistribution], str]:
    params: dict[str, Any] = {}
    kinds: dict[str, BaseDistribution] = {}
    parts: list[str] = []
    for index, (blocks, widths) in enumerate(zip(BLOCKS, WIDTHS, strict=True)):
        place = f"stages[{index}]"
        if len(blocks) > 1:
            kinds[f"{place}.block"] = CategoricalDistribution(blocks)
            params[f"{place}.block"] = generator.choice(blocks)
        kinds[f"{place}.depth"], kinds[f"{place}.width"] = DEPTHS, CategoricalDistribution(widths)
        params[f"{place}.depth"] = 1 if generator.random() < lean else generator.randint(1, 3)
        params[f"{place}.width"] = generator.choice(widths)
        block = params.get(f"{place}.block", blocks[0])
        heads = ""
        if block == "T":
            kinds[f"{place}.heads"] = CategoricalDistribution((1, 2, 4))
            params[f"{place}.heads"] = generator.choice((1, 2, 4))
            heads = f"h{params[f'{place}.heads']}"
        parts.append(f"{block}{params[f'{place}.depth']}x{params[f'{place}.width']}{heads}")
    return params, kinds, "-".join(parts)


def _spec(run: Path, code: str) -> ArchSpec:
    spec = ArchSpec.model_validate(parse_code(code) | {"resolution": SIDE, "name": "unnamed"})
    folder = run / "artifacts" / spec.digest
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.yaml").write_text(dump(spec, "canonical"))
    return spec


def _metrics(plan: Plan, generator: random.Random, spec: ArchSpec) -> dict[str, Any]:
    cost = measure(spec)
    skill = 0.34 + 0.16 * math.log10(cost.macs / 1e6) + 0.05 * math.log10(cost.params / 1e4)
    accuracy = min(0.995, 0.5 + (skill - 0.4) * plan.spread + generator.gauss(0, plan.noise))
    metrics: dict[str, Any] = {
        "accuracy": round(accuracy, 4),
        "params": cost.params,
        "macs": cost.macs,
        "activations": cost.activations,
        "saved_bytes": cost.saved_bytes,
        "train_seconds": 8 + cost.macs / 2e6,
    }
    if plan.latency:
        metrics["latency_ms"] = 0.6 + cost.activations / 4e5 + generator.uniform(0, 0.05)
        metrics["latency_noisy"] = 0.0
    # From numbers at hand, so that no draw of those who have no metrics of their own changes.
    made = {"energy_j": 2e-12 * cost.macs + 5e-10 * cost.params, "top5": 1 - 0.3 * (1 - metrics["accuracy"]) ** 0.5}
    made |= {"latency_onnxruntime_b1_ms": 0.1 + cost.macs / 6e7, "throughput_eager_b32": 1e10 / cost.macs}
    metrics |= {one["name"]: made[one["name"]] for one in plan.own}
    return metrics


def _trial(run: Path, plan: Plan, generator: random.Random, arm: str) -> optuna.trial.FrozenTrial:
    params, kinds, code = _draw(generator, 0.0 if arm == "random" else 0.4)
    spec = _spec(run, code)
    metrics = _metrics(plan, generator, spec)
    attributes = {
        "digest": spec.digest,
        "code": encode(spec),
        "seed": 0,
        **plan.stated(metrics),
        "arm": arm,
        "repaired": ["stages[3].heads"] if generator.random() < 0.1 else [],
        "audited": True,
    }
    values = [metrics[name] for name in plan.objectives]
    return create_trial(params=params, distributions=kinds, values=values, user_attrs=attributes)


def _copy(trial: optuna.trial.FrozenTrial, attributes: dict[str, Any]) -> optuna.trial.FrozenTrial:
    return create_trial(
        params=trial.params, distributions=trial.distributions, values=trial.values, user_attrs=attributes
    )


def _failed(run: Path, plan: Plan, generator: random.Random, reason: str) -> optuna.trial.FrozenTrial:
    params, kinds, code = _draw(generator, 0.2)
    spec = _spec(run, code)
    attributes = {"digest": spec.digest, "code": encode(spec), "seed": 0, "failure": reason, "arm": "model"}
    return create_trial(state=TrialState.FAIL, params=params, distributions=kinds, user_attrs=attributes)


def _write_baseline(
    run: Path,
    plan: Plan,
    storage: JournalStorage,
    generator: random.Random,
    startup: Sequence[optuna.trial.FrozenTrial],
) -> None:
    study = _study(storage, "baseline", plan)
    for number, trial in enumerate(startup):
        study.add_trial(_copy(trial, trial.user_attrs | {"copied_from": number}))
    for _ in range(plan.baseline - plan.startup):
        study.add_trial(_trial(run, plan, generator, "random"))


def _write_final(
    run: Path,
    plan: Plan,
    storage: JournalStorage,
    generator: random.Random,
    found: Sequence[optuna.trial.FrozenTrial],
) -> None:
    study = _study(storage, "final", plan)
    front = [trial for trial in found if not any(_beats(other, trial, plan) for other in found)]
    jobs = [(trial.user_attrs, "front", None) for trial in front]
    anchor = _spec(run, "HR1x12-HR1x24-CFFN1x32-T2x48h2-T1x64h2")
    jobs.append(({"digest": anchor.digest, "code": encode(anchor)}, "anchor", "tiny"))
    for attributes, role, name in jobs:
        spec = _spec(run, "-".join(part.split("e")[0] for part in str(attributes["code"]).split("-")))
        for seed in range(plan.seeds):
            metrics = _metrics(plan, generator, spec)
            metrics["test_accuracy"] = round(metrics["accuracy"] + 0.03 + generator.gauss(0, plan.noise / 2), 4)
            study.add_trial(
                create_trial(
                    value=metrics["accuracy"],
                    user_attrs={
                        "digest": spec.digest,
                        "code": encode(spec),
                        "seed": seed,
                        **plan.stated(metrics),
                        "role": role,
                        "anchor": name,
                    },
                )
            )


def _beats(one: optuna.trial.FrozenTrial, two: optuna.trial.FrozenTrial, plan: Plan) -> bool:
    signs = [-1 if plan.direction(name) == "maximize" else 1 for name in plan.objectives]
    first = [sign * value for sign, value in zip(signs, one.values, strict=True)]
    second = [sign * value for sign, value in zip(signs, two.values, strict=True)]
    return all(a <= b for a, b in zip(first, second, strict=True)) and first != second


@pytest.fixture(autouse=True)
def _quiet_optuna() -> Generator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(level)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a synthetic run under a temporary folder; keyword arguments are the fields of `Plan`."""

    def make(name: str = "demo", seed: int = 0, **options: Any) -> Path:
        return write_run(tmp_path / name, Plan(**options), seed)

    return make


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default synthetic run; tests that share it must not change it."""
    return write_run(tmp_path_factory.mktemp("runs") / "demo", Plan())


@dataclass
class Ablated:
    """What a synthetic ablation contains: a row per label, with `scores[label]` in percent, one per seed.

    None in the scores is a training that failed, a missing one is not finished; `same` maps labels to the one whose
    run they share. Params grow by 100,000 and MACs by 20 million per row.
    """

    scores: dict[str, list[float | None]]
    views: tuple[str, ...] = ("progressive",)
    seeds: int = 5
    same: dict[str, str] = field(default_factory=dict[str, str])
    requeued: int = 0
    looks: list[list[float]] | None = None
    score: str = "test"
    paired: bool = True
    factors: tuple[str, ...] = ()
    generators: tuple[str, ...] = ()
    edits: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    rows: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])


def ablation_view(plan: Ablated, kind: str) -> dict[str, Any]:
    """A view as a plan keeps it: progressive rows against the one before, all others against the first."""
    labels, rows = list(plan.scores), list[dict[str, Any]]()
    for index, label in enumerate(labels):
        like = labels.index(plan.same.get(label, label))
        row = {
            "label": label,
            "edits": plan.edits.get(label, labels[1 : index + 1]),
            "run": f"{like:016x}-plain",
            "digest": f"{like:016x}",
            "code": f"HR1x{8 + 4 * like}",
            "resolution": SIDE,
            "params": 2_000_000 + 100_000 * like,
            "macs": 300_000_000 + 20_000_000 * like,
            "activations": 1_000_000,
            "training": {},
            "against": (index - 1 if kind == "progressive" else 0) if index else None,
        }
        rows.append(row | plan.rows.get(label, {}))
    fraction = kind == "factorial"
    return {
        "name": kind,
        "type": kind,
        "title": kind.replace("_", " ").capitalize(),
        "factors": list(plan.factors) if fraction else [],
        "generators": list(plan.generators) if fraction else [],
        "rows": rows,
    }


def write_ablation_run(run: Path, plan: Ablated, write_journal: Callable[..., Path]) -> Path:
    """Write the journal and plan.yaml of an ablation under `run`."""
    views = [ablation_view(plan, kind) for kind in plan.views]
    scores: dict[str, dict[int, float]] = {}
    failures: list[tuple[str, int, dict[str, Any]]] = []
    for label, row in zip(plan.scores, views[0]["rows"], strict=True):
        known = {} if label in plan.same else dict(enumerate(plan.scores[label]))
        for seed, score in known.items():
            if seed < plan.requeued:
                failures.append((row["run"], seed, {"failure": "killed", "requeued": True}))
            if score is None:
                failures.append((row["run"], seed, {"failure": "out of memory in epoch 1"}))
            else:
                scores.setdefault(row["run"], {})[seed] = score / 100
    said: dict[str, Any] = {
        "score": plan.score,
        "seeds": plan.seeds,
        "paired": plan.paired,
        "looks": plan.looks,
        "plan": {
            "name": "steps",
            "description": "",
            "base": "tiny",
            "base_digest": "0" * 16,
            "notes": ["edits a and b both set stem; where both are made, b counts"],
            "views": views,
        },
    }
    write_journal(run, views, scores, failures, **said | plan.attributes)
    (run / "plan.yaml").write_text(f"name: {run.name}\nbase: tiny\n")
    return run


@pytest.fixture
def make_ablation(tmp_path: Path, write_journal: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a synthetic ablation under a temporary folder; keyword arguments are the fields of `Ablated`."""

    def make(scores: dict[str, list[float | None]], name: str = "steps", **options: Any) -> Path:
        return write_ablation_run(tmp_path / name, Ablated(scores, **options), write_journal)

    return make


@pytest.fixture(scope="session")
def ablated_run(tmp_path_factory: pytest.TempPathFactory, write_journal: Callable[..., Path]) -> Path:
    """An ablation of four rows in two views, one training lost for good; tests that share it must not change it."""
    scores: dict[str, list[float | None]] = {
        "base": [84.1, 83.6, 84.4, 83.9, 84.2],
        "+ a": [85.3, 84.9, 85.6, 85.2, 85.3],
        "+ b": [85.1, 84.1, 86.3, 85.3, None],
        "+ c": [],
    }
    plan = Ablated(scores, same={"+ c": "+ b"}, views=("progressive", "leave_one_out"), requeued=1)
    return write_ablation_run(tmp_path_factory.mktemp("runs") / "steps", plan, write_journal)
