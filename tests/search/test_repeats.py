"""Trainings of one layout with several seeds: their seeds, and the front of means."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from search.repeats import count_repeats, find_front, pool, repeat_seed


def make_study(*rows: tuple[float, float, dict[str, int]]) -> optuna.Study:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for accuracy, cost, attrs in rows:
        study.add_trial(create_trial(values=[accuracy, cost], user_attrs=attrs))
    return study


@pytest.mark.parametrize("rows", [2, 3, 5, 7, 10])
def test_a_table_with_so_many_rows_answers_each_training_with_another(rows):
    assert len({repeat_seed(1, repeat) % rows for repeat in range(rows)}) == rows
    assert repeat_seed(7, 0) == 7
    assert repeat_seed(2**32 - 1, 1) < 2**32
    assert not {repeat_seed(3, repeat) for repeat in range(1, 50)} & set(range(3, 1004))


def test_a_layout_that_was_lucky_once_is_on_the_front_by_its_mean_alone():
    study = make_study(
        (0.9, 100, {}),
        (0.6, 100, {}),
        (0.1, 100, {"repeat_of": 0}),
        (0.5, 50, {}),
        (0.9, 100, {"duplicate_of": 0}),
        (0.7, 50, {"repeat_of": 3}),
    )
    pooled = {one.number: one.values for one in pool(study.trials)}
    assert pooled == {0: [0.5, 100], 1: [0.6, 100], 3: [pytest.approx(0.6), 50]}
    assert [one.number for one in find_front(study)] == [3]
    assert study.trials[0].values == [0.9, 100]  # what was recorded stays


def test_without_repetitions_the_front_is_that_of_optuna():
    study = make_study((0.9, 100, {}), (0.6, 100, {}), (0.5, 50, {}), (0.9, 100, {"duplicate_of": 0}))
    assert [one.number for one in find_front(study)] == [one.number for one in study.best_trials]


def test_a_repetition_that_is_tried_again_counts_once():
    study = make_study((0.9, 100, {}), (0.8, 100, {"repeat_of": 0}))
    failed = {"repeat_of": 0, "requeued": True}
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=failed))
    assert count_repeats(study.trials, 0) == 1
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"repeat_of": 0}))
    assert count_repeats(study.trials, 0) == 2


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_front_of_many_trials_with_ties_is_that_of_optuna(objectives):
    rng = np.random.default_rng(objectives)
    study = optuna.create_study(directions=["maximize", "minimize", "maximize"][:objectives])
    study.add_trials([create_trial(values=list(map(float, one))) for one in rng.integers(0, 6, (120, objectives))])
    assert [one.number for one in find_front(study)] == [one.number for one in study.best_trials]
