"""The interface of samplers, which propose layouts. Each is one file in `search/samplers/`; the file's name is its tag.

A sampler is configuration, and declares what it can, so that a study which asks for more is refused when it is read;
`open` gives what proposes in one run. Other packages add theirs through the entry-point group `archspec.samplers`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, model_validator

from archspec.cost.metrics import Metric
from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError
from search.plugins import find_class, missing_package, parse_config, tags
from search.seeding import mix

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from search.budget.confinement import Confinement
    from search.evaluator import Evaluator
    from search.space.holes import Params
    from search.space.space import Space

PACKAGE, GROUP = "search.samplers", "archspec.samplers"
COVARIATES_ATTRIBUTE = "covariates"
"""Attribute of a search that holds the scores of layouts by the covariates of its sampler."""


@final
@dataclass(frozen=True)
class CovariatesAsked:
    """Cheap estimates that a sampler wants to know of layouts at random, before the first trial.

    Attributes:
        evaluators: by a name for each.
        layouts: how many layouts.
    """

    evaluators: Mapping[str, Evaluator]
    layouts: int


@final
@dataclass(frozen=True, slots=True)
class CovariateScores:
    """The scores of layouts by an estimate.

    Attributes:
        name: of the estimate.
        choices: per layout the option of each component, see `search.space.encoding`.
        values: per layout, more is better.
    """

    name: str
    choices: Sequence[Sequence[int]]
    values: Sequence[float]


def recorded_covariates(attributes: Mapping[str, Any]) -> tuple[CovariateScores, ...]:
    """The scores that the attributes of a search hold."""
    known: Mapping[str, Any] = attributes.get(COVARIATES_ATTRIBUTE, {})
    return tuple(CovariateScores(name, one["choices"], one["values"]) for name, one in known.items())


@final
@dataclass(frozen=True, slots=True)
class Problem:
    """A study as its sampler sees it.

    Attributes:
        space: the layouts; each hole is a parameter, named by its path.
        confinement: the layouts inside the budget; None without one.
        objectives: in the order of a trial's values, each with its direction.
        resolution: of the evaluator's images, in pixels: that of the costs among the objectives.
        seed: of this process: another one whenever the study is continued.
        study_seed: of the study, the same whenever it is continued.
        trainings: of one layout that another seed makes another answer of; None for any number.
        covariates: scores of layouts at random, where the sampler asked for them.
    """

    space: Space
    confinement: Confinement | None
    objectives: tuple[Metric, ...]
    resolution: int
    seed: int
    study_seed: int
    trainings: int | None = None
    covariates: tuple[CovariateScores, ...] = ()


def _no_notes(number: int) -> Mapping[str, Any]:
    del number
    return {}


def _no_repeat(number: int) -> bool:
    del number
    return False


def _not_moved(number: int, params: Params) -> Sequence[str]:
    del number, params
    return ()


@final
@dataclass(frozen=True, slots=True)
class SamplerSession:
    """A sampler at work in one run.

    Attributes:
        sampler: Optuna's, which the study asks. What it proposes outside a budget is repaired when it is placed.
        notes: the user attributes that it adds to the trial of a number, as JSON.
        moved: of the trial of a number whose layout has these parameters, which of them the sampler itself changed to
            come inside the budget: `path: old -> new`.
        repeats: whether the trial of a number is to train its layout again, with another seed, though it has an answer.
    """

    sampler: BaseSampler
    notes: Callable[[int], Mapping[str, Any]] = _no_notes
    moved: Callable[[int, Params], Sequence[str]] = _not_moved
    repeats: Callable[[int], bool] = _no_repeat


class Sampler(BaseModel, ABC):
    """Configuration of a sampler; a final subclass narrows `type` to its tag and adds options of its own.

    Attributes:
        most_objectives: objectives that it can weigh at most; None for any number.
        budgets: whether it may be asked for layouts inside a budget.
        rungs: whether it may be shown trainings that pause as `search.rungs.learning` shows them: their trials are
            complete, with values that change while others go on.
        packages: modules that it imports beside those archspec depends on, each with what to install for it.
        former: options that earlier versions wrote for it, which mean nothing: they are left out when they are read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    most_objectives: ClassVar[int | None] = None
    budgets: ClassVar[bool] = True
    rungs: ClassVar[bool] = False
    packages: ClassVar[Mapping[str, str]] = {}
    former: ClassVar[frozenset[str]] = frozenset()

    type: Any
    startup: int = Field(
        default=10,
        ge=1,
        le=10_000,
        strict=True,
        description="trials drawn uniformly at random before the sampler proposes",
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_former(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        return {key: value for key, value in cast("dict[str, Any]", raw).items() if key not in cls.former}

    @abstractmethod
    def open(self, problem: Problem) -> SamplerSession:
        """The sampler at work on a study, which `check` and `check_space` have accepted.

        With the same seeds and the same trials before, it makes the same proposals.
        """

    @property
    def estimates(self) -> CovariatesAsked | None:
        """The estimates that it wants to know of layouts at random before the first trial; None for none."""
        return None

    @property
    def trains_again(self) -> bool:
        """Whether it proposes layouts again that have an answer, to be trained with another seed."""
        return False

    def over(self, evaluator: Evaluator) -> Sampler:
        """This sampler for the evaluator of a study, with what it leaves to that spelt out.

        Raises:
            FieldError: it needs something that the evaluator does not have.
        """
        del evaluator
        return self

    def check(self, objectives: Sequence[Metric], *, budget: bool) -> None:
        """Refuse a study that asks for more than this sampler can.

        Args:
            objectives: of the study, in order.
            budget: whether it has one.

        Raises:
            FieldError: what it cannot, in terms of the study.
        """
        most = self.most_objectives
        if most is not None and len(objectives) > most:
            count = "one objective" if most == 1 else f"at most {plural(most, 'objective')}"
            raise FieldError("sampler", f"{self.type} takes {count}, not {list_names(objectives)}")
        if budget and not self.budgets:
            raise FieldError("sampler", f"{self.type} cannot keep a budget")

    def check_space(self, space: Space) -> None:
        """Refuse a space that this sampler cannot propose layouts of.

        Raises:
            FieldError, SpecError: what it cannot.
        """
        del space

    def check_installed(self) -> None:
        """Refuse to run without a package that this sampler needs.

        Raises:
            SpecError: it is not installed, with the command that installs it.
        """
        if rule := missing_package(self.type, self.packages):
            raise SpecError(rule, field="sampler")


def list_names(metrics: Sequence[Metric]) -> str:
    """The names of metrics in a sentence: `accuracy, macs and params`."""
    *most, last = (metric.name for metric in metrics)
    return f"{', '.join(most)} and {last}" if most else last


def samplers() -> list[str]:
    """Tags of every sampler that is installed."""
    return tags(PACKAGE, GROUP)


def parse_sampler(raw: object) -> Sampler:
    """A sampler from its tag, or from a mapping; without `type` it is tpe.

    Raises:
        FieldError: the first field that breaks a rule.
    """
    if isinstance(raw, dict):
        raw = {"type": "tpe", **cast("dict[str, Any]", raw)}
    return parse_config(raw, "sampler", lambda tag: find_class(tag, Sampler, PACKAGE, GROUP))


AnySampler = Annotated[SerializeAsAny[Sampler], BeforeValidator(parse_sampler)]
"""Type of a pydantic field that holds whichever sampler its `type` names."""


def open_start_up(problem: Problem) -> SamplerSession:
    """The sampler of start-up trials and of the random baseline: uniform, inside the budget if there is one."""
    from optuna.samplers import RandomSampler

    from search.budget.confined_samplers import UniformSampler

    if problem.confinement is None:
        return SamplerSession(RandomSampler(seed=problem.seed))
    return SamplerSession(UniformSampler(problem.confinement, mix(problem.seed, "start-up")))


def open_genetic(problem: Problem, inner: BaseSampler) -> SamplerSession:
    """A sampler that makes children of earlier trials; inside a budget, children outside are made again."""
    from search.budget.confined_samplers import GeneticSampler

    if problem.confinement is None:
        return SamplerSession(inner)
    confined = GeneticSampler(problem.confinement, inner, problem.seed)
    return SamplerSession(confined, moved=confined.moved)
