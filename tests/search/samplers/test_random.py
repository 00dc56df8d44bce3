import pytest

import archspec


@pytest.mark.parametrize("budget", [None, "<= 5G"])
def test_what_the_start_up_drew_is_not_drawn_again(tmp_path, budget):
    asked = {"trials": 24, "baseline": 0, "sampler": "random", "name": "drawn", "quiet": True}
    if budget is not None:
        asked["budget"] = budget
    run = archspec.search("five_stage", lambda spec, seed: 0.5, runs=tmp_path, **asked)
    assert len(run.study.trials) == 24
    assert not any("duplicate_of" in trial.user_attrs for trial in run.study.trials)
