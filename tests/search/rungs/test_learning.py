"""Samplers learn from layouts that paused, as if each had been trained to the end."""

import numpy as np
import pytest
from optuna import create_study
from optuna.distributions import IntDistribution
from optuna.samplers import NSGAIISampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from search.rungs.history import as_learned, on_one_scale, pairs, rung_trials
from search.rungs.learning import LearnedStudy, LearningSampler

SPACE = {"x": IntDistribution(0, 99)}


def add(study, x, order, rung, values, *, of=None, whole=False):
    attrs = {"digest": f"{x}", "rung": rung + 1, "rung_order": order, "rung_epochs": 3**rung, "rung_values": values}
    attrs |= {} if of is None else {"promoted_from": of}
    state = TrialState.COMPLETE if whole else TrialState.PRUNED
    study.add_trial(
        create_trial(
            state=state, values=values if whole else None, params={"x": x}, distributions=SPACE, user_attrs=attrs
        )
    )


def paused_study(good, storage=None):
    """Thirty layouts that paused: those with an x near `good` have the best accuracy, and all cost the same."""
    study = create_study(directions=["maximize", "minimize"], storage=storage)
    for order, x in enumerate(np.random.default_rng(0).permutation(100)[:30].tolist()):
        add(study, x, order, 0, [1 - abs(x - good) / 100, 1.0])
    return study


def proposals(study, sampler, count=12):
    study.sampler = sampler
    return [study.ask().suggest_int("x", 0, 99) for _ in range(count)]


@pytest.mark.parametrize("good", [10, 90])
def test_tpe_proposes_what_is_near_the_best_layouts_that_paused(good):
    storage = InMemoryStorage()
    study = paused_study(good, storage)
    learned = proposals(study, LearningSampler(TPESampler(n_startup_trials=5, multivariate=True, seed=0), storage))
    assert abs(np.median(learned) - good) < 15
    alone = [
        proposals(paused_study(other), TPESampler(n_startup_trials=5, multivariate=True, seed=0)) for other in (10, 90)
    ]
    assert alone[0] == alone[1]  # what Optuna does with their values by itself: nothing


def test_a_genetic_sampler_takes_parents_among_layouts_that_paused():
    storage = InMemoryStorage()
    study = create_study(directions=["maximize", "minimize"], storage=storage)
    study.sampler = LearningSampler(
        NSGAIISampler(population_size=8, mutation_prob=0.0, crossover_prob=0.0, seed=0), storage
    )
    seen = set[int]()
    for order in range(16):
        trial = study.ask()
        x = trial.suggest_int("x", 0, 99)
        if order >= 8:
            assert x in seen
        seen.add(x)
        for key, value in {"rung": 1, "rung_order": order, "rung_epochs": 1, "rung_values": [x / 100, 1.0]}.items():
            trial.set_user_attr(key, value)
        study.tell(trial, state=TrialState.PRUNED)


def test_layouts_that_paused_are_set_beside_whole_trainings_by_what_the_others_gained():
    study = create_study(directions=["maximize", "minimize"])
    for number, early in enumerate((0.2, 0.3, 0.4, 0.1)):
        add(study, number, number, 0, [early, float(number)])
    add(study, 2, 4, 1, [0.6, 2.0], of=2)
    add(study, 1, 5, 1, [0.4, 1.0], of=1)
    add(study, 2, 6, 2, [0.9, 2.0], of=2, whole=True)
    trials = study.get_trials(deepcopy=False)
    scaled = on_one_scale(rung_trials(trials))
    assert scaled[2] == (0.9, 2.0)
    assert scaled[1] == pytest.approx((0.4 + 0.3, 1.0))
    assert scaled[0] == pytest.approx((0.2 + 0.15 + 0.3, 0.0))
    assert [(early.values[0], whole.values[0]) for early, whole in pairs(trials)] == [(0.4, 0.9)]
    shown = as_learned(trials)
    assert [one.state for one in shown] == [TrialState.COMPLETE] * 4 + [TrialState.FAIL] * 3
    assert shown[2].values == [0.9, 2.0]
    assert [one.number for one in shown] == list(range(7))


def test_before_a_layout_goes_on_values_stay_as_they_are():
    study = paused_study(50)
    trials = study.get_trials(deepcopy=False)
    assert [one.values for one in as_learned(trials)] == [one.user_attrs["rung_values"] for one in trials]


def test_the_study_that_is_shown_is_the_one_that_is_asked():
    storage = InMemoryStorage()
    study = paused_study(50, storage)
    shown = LearnedStudy(study, storage)
    assert shown.directions == study.directions
    assert len(shown.get_trials(states=(TrialState.COMPLETE,))) == 30
    assert len(shown.best_trials) > 0
