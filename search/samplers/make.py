"""Optuna's samplers by name, always with an explicit seed."""

from __future__ import annotations

import warnings

from optuna.samplers import BaseSampler, RandomSampler

from archspec.errors import SpecError
from search.budget.confined_samplers import GeneticSampler, QuasiRandomSampler, UniformSampler
from search.budget.confinement import Confinement
from search.seeding import mix
from search.study.config import SamplerSpec


def make_start_up(seed: int, confinement: Confinement | None = None) -> BaseSampler:
    """The sampler of start-up trials and of the random baseline: uniform, inside the budget if there is one."""
    return RandomSampler(seed=seed) if confinement is None else UniformSampler(confinement, mix(seed, "start-up"))


def confine(spec: SamplerSpec, inner: BaseSampler, confinement: Confinement, seed: int, study_seed: int) -> BaseSampler:
    """The sampler that proposes as `inner` does, but inside a budget.

    Proposals of the samplers that model the objectives are not confined here: moving the parameters themselves would
    tell the model of trials that it did not propose. They are repaired when they are placed, and the trial says so.

    Args:
        spec: names `inner`.
        inner: as `make_sampler` gives it.
        confinement: the budget.
        seed: of this process.
        study_seed: of the study, the same whenever it is continued.
    """
    if spec.type == "random":
        return UniformSampler(confinement, seed)
    if spec.type == "qmc":
        return QuasiRandomSampler(confinement, study_seed)
    return GeneticSampler(confinement, inner, seed) if spec.type in ("nsga2", "nsga3") else inner


def make_sampler(spec: SamplerSpec, seed: int) -> BaseSampler:
    """The sampler that `spec` names.

    `tpe` is multivariate TPE, grouped so that parameters that depend on a choice are modelled together, and told
    of trials under way, so that parallel workers do not all get the same proposal.

    Raises:
        SpecError: it needs a library that is not installed.
    """
    from optuna import samplers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna marks multivariate, group and constant_liar as experimental
        if spec.type == "random":
            return RandomSampler(seed=seed)
        if spec.type == "nsga2":
            return samplers.NSGAIISampler(population_size=spec.population, seed=seed)
        if spec.type == "nsga3":
            return samplers.NSGAIIISampler(population_size=spec.population, seed=seed)
        if spec.type in ("gp", "qmc"):
            _need_scipy(spec.type)
        if spec.type == "gp":
            return samplers.GPSampler(seed=seed, n_startup_trials=spec.startup)
        if spec.type == "qmc":
            return samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
        return samplers.TPESampler(
            n_startup_trials=spec.startup, multivariate=True, group=True, constant_liar=True, seed=seed
        )


def _need_scipy(name: str) -> None:
    try:
        import scipy  # noqa: F401  # pyright: ignore[reportMissingTypeStubs, reportUnusedImport]
    except ImportError:
        raise SpecError(f"{name} needs scipy: pip install 'archspec-vision[data]'", field="sampler") from None
