"""The lines on what a run is about to do: data, space, budget, recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archspec.documents.wording import plural
from search.data.dataset import Dataset
from search.evaluator import Evaluator
from search.inputs import Input
from search.monitor.estimate import RunPart
from search.recipe.recipe import Recipe
from search.rungs.promotion import expected_epochs, expected_steps
from search.space.space import Space
from search.study.config import StudyConfig

SPLITS = ("train", "validation", "test")
EXACT = 10**6
"""Numbers of layouts above it are shown with their power of ten."""
SAID = ("epochs", "batch_size", "optimizer")
"""Fields of a recipe that the header always names."""
CHECK, CHECK_ESTIMATES = "check", "estimates of the check"
"""Parts of a run whose evaluator estimates: full trainings of layouts at random, and what it says of them."""
COVARIATES = "covariates"
"""The part of a run in which the covariates of its sampler are computed."""
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
        known = "" if inside.listed is None else " that can be answered"
        layouts += f", {show_count(inside.count())}{known}" + (f" with {limits}" if limits else "")
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
    if (asked := config.sampler.estimates) is not None:
        before.append(RunPart(COVARIATES, len(asked.evaluators) * min(asked.layouts, _layouts(config, space))))
    return [*before, *_layout_parts(config, space)]


def _layout_parts(config: StudyConfig, space: Space) -> list[RunPart]:
    layouts = _layouts(config, space)
    trials, final = min(config.trials, layouts), config.final
    shared = min(config.baseline, config.sampler.startup, trials)
    epochs, epochs_final = epochs_of(config.evaluator), epochs_of(config.final_evaluator())
    parts = [RunPart("search", trials, epochs)]
    if config.rungs is not None:  # their steps are of different lengths; the baseline trains all layouts to the end
        steps = sum(expected_steps(trials, config.rungs.count, config.rungs.share))
        spent = expected_epochs(trials, config.rung_epochs, config.rungs.share)
        parts, shared = [RunPart("search", steps, spent / steps if epochs is not None else None)], 0
    if config.baseline:
        parts.append(RunPart("random baseline", max(0, min(config.baseline, layouts) - shared), epochs))
    if (check := config.checked) is not None and check.layouts:
        wanted = min(check.layouts, layouts)
        parts += [RunPart(CHECK_ESTIMATES, wanted), RunPart(CHECK, wanted * check.seeds, epochs_final)]
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
    trials = min(config.trials, _layouts(config, space))
    default = "trials" not in config.model_fields_set
    text = plural(trials, "trial") + (" (the default; --trials N for fewer)" if default else "")
    text += _rungs(config, trials)
    text += f", random baseline of {config.baseline:,}" if config.baseline else ""
    if (check := config.checked) is not None:
        checked = f"a check of {plural(check.layouts, 'layout')} x {plural(check.seeds, 'seed')}"
        text += f", {checked if check.layouts else 'no check of the estimate'}"
    if final.seeds:
        anchors = f" and {plural(len(final.anchors), 'anchor')}" if final.anchors else ""
        members = min(final.members, trials)
        text += f", up to {plural(members, 'finalist')}{anchors} x {plural(final.seeds, 'seed')}"
    if len(parts) == 1:
        return text
    trains = config.checked is None and epochs_of(config.evaluator) is not None
    noun = "training" if trains else "evaluation"
    return f"{text}: at most {plural(sum(part.trainings for part in parts), noun)}"


def _rungs(config: StudyConfig, trials: int) -> str:
    """What the rungs of a search make of so many layouts; empty without rungs."""
    if config.rungs is None:
        return ""
    rungs = config.rung_epochs
    spent = expected_epochs(trials, rungs, config.rungs.share)
    places = f"{', '.join(map(str, rungs[:-1]))} and {rungs[-1]} epochs"
    return f" with rungs at {places} ({config.rungs.keep} goes on; {spent:,} of {trials * rungs[-1]:,} epochs)"


def _layouts(config: StudyConfig, space: Space) -> int:
    """The layouts that a search may propose."""
    return space.count() if config.confinement is None else config.confinement.count()
