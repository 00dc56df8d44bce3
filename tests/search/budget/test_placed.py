"""Samplers learn from the layout that took the place of the one they proposed."""

from optuna import create_study
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.trial import create_trial

from archspec.cost.tables import MetricAt
from search.budget.confined_samplers import UniformSampler, as_placed, distribution, tell_placed
from search.budget.confinement import Confinement
from search.rungs.learning import LearningSampler
from search.space.encoding import Encoding
from search.space.limits import Limit
from search.space.space import load_space

BOX = (Limit(MetricAt("macs"), 0, None),)


def test_a_sampler_sees_the_layouts_that_were_evaluated():
    space = load_space("five_stage_tiny")
    proposed, placed = (dict(space.fill(lambda hole, at=at: hole.options[at]).params) for at in (0, -1))
    assert proposed.keys() != placed.keys()  # the last kind of block has holes of its own
    holes = {}
    space.choose(lambda hole: holes.setdefault(hole.path, hole).options[0])
    study = create_study(directions=["maximize", "minimize"])
    for attrs in ({"placed": placed}, {}):
        given = {path: distribution(hole) for path, hole in holes.items()}
        trial = create_trial(values=[0.5, 1.0], params=proposed, distributions=given, user_attrs=attrs)
        study.add_trial(trial)
    trials = study.get_trials(deepcopy=False)
    moved, kept = as_placed(space, trials)
    assert moved.params == placed
    assert moved.distributions.keys() == placed.keys()
    assert (moved.number, moved.values, trials[0].params) == (0, [0.5, 1.0], proposed)
    assert kept is trials[1]


def test_it_is_told_only_where_a_search_keeps_to_a_list():
    encoding, storage, sampler = Encoding(load_space("five_stage_grid")), InMemoryStorage(), RandomSampler()
    listed = Confinement(encoding, BOX, listed={"a": encoding.encode(next(encoding.space.enumerate()).params)})
    assert isinstance(tell_placed(sampler, listed, storage), LearningSampler)
    own = UniformSampler(listed, 0)
    assert tell_placed(own, listed, storage) is own
    for confinement in (None, Confinement(encoding, BOX)):
        assert tell_placed(sampler, confinement, storage) is sampler
