"""The lines on what a run is about to do: data, space, budget, recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archspec.documents.wording import plural
from search.data.dataset import Dataset
from search.evaluator import Evaluator
from search.inputs import Input
from search.monitor.estimate import RunPart
from search.recipe.recipe import Recipe
from search.space.space import Space
from search.study.config import StudyConfig

SPLITS = ("train", "validation", "test")
EXACT = 10**6
"""Numbers of layouts above it are shown with their power of ten."""
SAID = ("epochs", "batch_size", "optimizer")
"""Fields of a recipe that the header always names."""
MOST = 4
"""Further ones that it names."""


def describe_evaluator(evaluator: Evaluator, inputs: Iterable[Input]) -> dict[str, str]:
    """Facts on data and recipe, of an evaluator that has such fields, by name.

    Args:
        evaluator: of a search or an ablation.
        inputs: what it reads, of which the counts of images are taken where the configuration does not state them.
    """
    facts: dict[str, str] = {}
    data, recipe = getattr(evaluator, "data", None), getattr(evaluator, "recipe", None)
    if isinstance(data, Dataset):
        counts = next((one.counts for one in inputs if one.kind == "data" and one.counts), {})
        found = {name: counts.get(name, getattr(data, name, None)) for name in SPLITS}
        images = [f"{count:,} {name}" for name, count in found.items() if isinstance(count, int)]
        text = f"{data.type}, {data.classes} classes, {data.resolution} px"
        facts["data"] = f"{text}; images: {', '.join(images)}" if images else text
    if isinstance(recipe, Recipe):
        device = getattr(evaluator, "device", None)
        facts["recipe"] = ", ".join([*_said(recipe), *_others(recipe)]) + (f"; device {device}" if device else "")
    return facts


def _said(recipe: Recipe) -> list[str]:
    """The words of every recipe."""
    return [plural(recipe.epochs, "epoch"), f"batches of {recipe.batch_size}", recipe.optimizer.name]


def _others(recipe: Recipe) -> list[str]:
    """Further fields that are not at their defaults: plain ones with their values, others by name."""
    plain = Recipe.model_validate({})
    changed = [
        (name, getattr(recipe, name))
        for name in Recipe.model_fields
        if name not in SAID and getattr(recipe, name) != getattr(plain, name)
    ]
    words = [f"{name} {value}" if isinstance(value, str | int | float) else name for name, value in changed]
    return words if len(words) <= MOST else [*words[:MOST], f"and {len(words) - MOST} more"]


def describe_search(config: StudyConfig, space: Space, inputs: Iterable[Input]) -> dict[str, str]:
    """Facts on a search, by name: data, space, objectives, budget, recipe."""
    found = describe_evaluator(config.evaluator, inputs)
    inside = config.confinement
    layouts = f"{show_count(space.count())} layouts"
    if inside is not None:
        limits = ", ".join(f"{name} {limit}" for name, limit in config.budget.items())
        layouts += f", {show_count(inside.count())} with {limits}"
    words = {"maximize": "maximise", "minimize": "minimise"}
    aims = [f"{words[one.direction]} {title}" for one, title in zip(config.metrics, config.titles, strict=True)]
    facts = {"data": found["data"]} if "data" in found else {}
    facts |= {"space": f"{space.name}, {layouts}; {', '.join(aims)}", "budget": _budget(config, space)}
    return facts | found


def fact_lines(facts: Mapping[str, str]) -> list[str]:
    """Facts as lines for people."""
    return [f"{name}: {text}" for name, text in facts.items()]


def search_parts(config: StudyConfig, space: Space) -> list[RunPart]:
    """The parts of a search with the trainings that each needs at most."""
    recipe, name = getattr(config.evaluator, "recipe", None), config.evaluator.pretrains
    before = [RunPart(name, 1, recipe.epochs)] if name and isinstance(recipe, Recipe) else []
    return [*before, *_layout_parts(config, space)]


def _layout_parts(config: StudyConfig, space: Space) -> list[RunPart]:
    layouts = space.count() if config.confinement is None else config.confinement.count()
    trials, final = min(config.trials, layouts), config.final
    shared = min(config.baseline, config.sampler.startup, trials)
    epochs, epochs_final = epochs_of(config.evaluator), epochs_of(config.final_evaluator())
    parts = [RunPart("search", trials, epochs)]
    if config.baseline:
        parts.append(RunPart("random baseline", max(0, min(config.baseline, layouts) - shared), epochs))
    if final.seeds:
        members = min(final.members, trials) + len(final.anchors)
        parts.append(RunPart("finalists", members * final.seeds, epochs_final))
    return parts


def epochs_of(evaluator: Evaluator | None) -> int | None:
    """The epochs of each training, of an evaluator that has a recipe and trains each layout by it."""
    recipe = getattr(evaluator, "recipe", None)
    if evaluator is None or evaluator.pretrains or not isinstance(recipe, Recipe):
        return None
    return recipe.epochs


def show_count(count: int) -> str:
    """A number of layouts, however large: `216`, `7.1e9`."""
    if count < EXACT:
        return f"{count:,}"
    digits = str(count)
    return f"{digits[0]}.{digits[1]}e{len(digits) - 1}"


def _budget(config: StudyConfig, space: Space) -> str:
    final, parts = config.final, _layout_parts(config, space)
    default = "trials" not in config.model_fields_set
    text = plural(parts[0].trainings, "trial") + (" (the default; --trials N for fewer)" if default else "")
    text += f", random baseline of {config.baseline:,}" if config.baseline else ""
    if final.seeds:
        anchors = f" and {plural(len(final.anchors), 'anchor')}" if final.anchors else ""
        members = min(final.members, parts[0].trainings)
        text += f", up to {plural(members, 'finalist')}{anchors} x {plural(final.seeds, 'seed')}"
    if len(parts) == 1:
        return text
    noun = "training" if epochs_of(config.evaluator) is not None else "evaluation"
    return f"{text}: at most {plural(sum(part.trainings for part in parts), noun)}"
