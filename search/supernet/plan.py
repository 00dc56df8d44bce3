"""The plan of a supernet: all that decides its weights, as the folder that it is trained in records it."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from archspec.documents.reader import Document
from archspec.errors import FieldError, SpecError
from archspec.files.output import write_text
from search.data.dataset import AnyDataset
from search.inputs import digest_text
from search.plugins import first_problem
from search.recipe.recipe import AnyRecipe, Recipe
from search.space.limits import Box, parse_budget, settle
from search.space.space import Space, parse_space
from search.supernet.layout_draws import LayoutDraws

FOLDER, RECORD = "supernet", "supernet.yaml"
"""Names of the folder in that of a run, and of the plan in it."""
UNFIT: dict[str, Any] = {"freeze": (), "layer_decay": 1, "no_decay": (), "distill": None, "teacher": None}
"""Fields of a recipe that speak of the parts or of the answer of one network, with the values that ask for nothing."""


@final
class SupernetPlan(BaseModel):
    """A space, what of it is trained in each step, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: dict[str, Any] = Field(description="the space itself")
    budget: dict[str, str] = Field(description="limits that every layout keeps that is trained")
    data: AnyDataset = Field(description="the data set")
    recipe: AnyRecipe = Field(description="how it is trained")
    paths: int = Field(ge=0, strict=True, description="uniformly drawn layouts a step")
    sandwich: bool = Field(description="whether the largest and the smallest layout are trained in every step, too")
    distill: bool = Field(description="whether the others learn from the answer of the largest")
    init: Literal["vit", "fan_out"] = Field(description="initial weights")
    zero_init_residual: bool = Field(description="start every residual branch at zero")
    images: int = Field(strict=True, description="training images over which the statistics of batch norm are taken")
    seed: int = Field(strict=True, description="of weights, order of data and draws of layouts")

    @model_validator(mode="after")
    def _check(self) -> SupernetPlan:
        check_passes(self.paths, sandwich=self.sandwich, distill=self.distill)
        return self

    @property
    def parsed(self) -> Space:
        """The space."""
        return parse_space(Document(self.space, "space of the supernet"))

    @cached_property
    def box(self) -> Box:
        """The budget, at the resolution of the data where it names none."""
        return settle(parse_budget(self.budget), self.data.resolution)

    @cached_property
    def draws(self) -> LayoutDraws:
        """The layouts that it is trained with."""
        return LayoutDraws(self.parsed, self.box, self.data.fit, self.data.resolution)

    @property
    def fingerprint(self) -> str:
        """Identity of all but recipe and seed, which a checkpoint states by themselves."""
        told = self.model_dump_json(exclude={"recipe", "seed", "images"})
        return f"supernet {digest_text(told)}"

    @property
    def passes(self) -> int:
        """Layouts trained in each step."""
        return self.paths + 2 * self.sandwich

    def dump(self) -> str:
        """Canonical YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, width=120)

    def write(self, folder: Path) -> None:
        """Record it in the folder that it is trained in.

        Raises:
            SpecError: another supernet is there.
            OSError: it cannot be written.
        """
        path = folder / RECORD
        if path.exists():
            read_plan(folder).check(self, folder)
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, self.dump())

    def check(self, asked: SupernetPlan, folder: Path) -> None:
        """Refuse what was asked where this plan is another one.

        Raises:
            SpecError: the first field that differs.
        """
        for name in type(self).model_fields:
            if self._of(name) != asked._of(name):
                rule = f"holds a supernet of another {name}; move it away to train anew, or give this run another name"
                raise SpecError(rule, source=str(folder))

    def _of(self, name: str) -> object:
        value = getattr(self, name)
        return value.identity() if isinstance(value, Recipe) else value


def read_plan(folder: Path) -> SupernetPlan:
    """The plan of the supernet in a folder.

    Raises:
        SpecError: there is none, or it is damaged.
    """
    path = folder / RECORD
    if not os.path.isfile(path):
        rule = f"holds no supernet, which would have a {RECORD}: a search with `evaluator: supernet` trains one"
        raise SpecError(rule, source=str(folder))
    try:
        return SupernetPlan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        problem = first_problem(error, SupernetPlan)
        raise SpecError(f"damaged: {problem.rule}", field=problem.field, source=str(path)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"damaged: {' '.join(str(error).split())[:200]}", source=str(path)) from None


def digest_space(space: dict[str, Any], budget: dict[str, str]) -> str:
    """Identity of the layouts of a supernet: 16 hex digits."""
    return digest_text(yaml.safe_dump({"space": space, "budget": budget}, sort_keys=True))


def check_passes(paths: int, *, sandwich: bool, distill: bool) -> None:
    """Refuse passes that train nothing, or that have no teacher.

    Raises:
        FieldError: the field that breaks the rule.
    """
    if not paths and not sandwich:
        raise FieldError("paths", "must be at least 1 without sandwich: 0 would train nothing")
    if distill and not sandwich:
        raise FieldError("distill", "needs sandwich: true, since the others learn from the largest layout")


def check_recipe(recipe: Recipe) -> None:
    """Refuse what a recipe cannot do to a supernet.

    Raises:
        FieldError: the first field that speaks of one network.
    """
    for name, plain in UNFIT.items():
        if getattr(recipe, name) != plain:
            raise FieldError(name, f"does not go with a supernet, whose layouts share it: leave it out{_beside(name)}")
    if recipe.compile:
        raise FieldError("compile", "must be false for a supernet: each of its layouts would be compiled anew")


def _beside(name: str) -> str:
    return "; `distill: true` beside the recipe lets layouts learn from the largest one" if name == "distill" else ""
