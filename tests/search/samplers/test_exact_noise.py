"""`sampler: exact` under noise: layouts that are trained again, and covariates that pass their gate or do not."""

import numpy as np
import pytest
from guesses import Guess, hidden
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

import archspec
from archspec.errors import SpecError
from archspec.files.journal import open_journal
from archspec.spec.schema import ArchSpec
from search.evaluator import cost_metrics
from search.evaluators.function import FunctionEvaluator
from search.run.journal import open_study
from search.run.proposals import SearchPhase
from search.run.worker import Order, Report
from search.seeding import mix
from search.space.space import load_space
from search.study.reading import load_study
from search.surrogate import optimum

TABLE = {
    "space": "five_stage_grid",
    "evaluator": "table",
    "objectives": ["accuracy", "macs"],
    "sampler": {"type": "exact", "startup": 8, "repeats": True},
    "trials": 60,
}
NOISE = 0.1
MARK = '"covariates":{"guess":{"asked"'


def make_arm(study_file, tmp_path, storage, **changes) -> SearchPhase:
    """A search whose table has a hundred rows of each layout."""
    config = load_study(str(study_file(**{**TABLE, **changes})), tmp_path, {})
    study = open_study(storage, "search", list(config.objectives), {})
    return SearchPhase(study, storage, config, config.open_space(), tmp_path, trials=config.trials)


def reply(arm: SearchPhase, order: Order) -> None:
    spec = ArchSpec.model_validate(order.spec)
    luck = np.random.default_rng(mix(order.digest, order.seed)).normal()
    arm.finish(order, Report("done", metrics={"accuracy": 0.5 + NOISE * luck, **cost_metrics(spec)}))


def answer(arm: SearchPhase, count: int) -> list[tuple[str, int]]:
    """Evaluate up to `count` orders; digest and seed of each."""
    found: list[tuple[str, int]] = []
    while len(found) < count and (order := arm.next_order()):
        reply(arm, order)
        found.append((order.digest, order.seed))
    return found


@pytest.fixture
def eager(monkeypatch):
    """Makes repetitions cheap, so that a short search has several."""
    monkeypatch.setattr(optimum, "PAYS", 0.3)


@pytest.mark.usefixtures("eager")
def test_layouts_that_were_lucky_are_trained_again_with_another_seed(study_file, tmp_path):
    arm = make_arm(study_file, tmp_path, InMemoryStorage())
    trained = answer(arm, 26)
    digests = [digest for digest, _ in trained]
    assert len(set(trained)) == len(trained) == arm.progress[0] == 26
    assert 3 <= 26 - len(set(digests)) <= 14
    trials = arm.study.get_trials(deepcopy=False)
    again = [one for one in trials if "repeat_of" in one.user_attrs]
    assert len(again) == 26 - len(set(digests))
    for one in again:
        first = trials[one.user_attrs["repeat_of"]]
        assert first.user_attrs["digest"] == one.user_attrs["digest"]
        assert first.user_attrs["seed"] != one.user_attrs["seed"]
        assert one.state == first.state == TrialState.COMPLETE
        assert one.values != first.values
    note = trials[-1].user_attrs["surrogate"]
    assert note["seed_sd"] > note["own_sd"] > 0  # all of it is luck here
    assert note["seed_sd"] < 2 * NOISE


@pytest.mark.usefixtures("eager")
def test_no_two_orders_of_a_batch_are_alike_and_a_table_answers_each_with_a_row_of_its_own(study_file, tmp_path):
    arm = make_arm(study_file, tmp_path, InMemoryStorage())
    answer(arm, 18)
    orders = [order for _ in range(16) if (order := arm.next_order())]
    assert len({order.digest for order in orders}) == 16
    assert any(order.seed != arm.config.seed for order in orders)
    for order in orders:
        reply(arm, order)
    counts: dict[str, int] = {}
    for digest, _ in answer(arm, 8):
        counts[digest] = counts.get(digest, 0) + 1
    assert max(counts.values()) <= arm.config.evaluator.trainings == 3


@pytest.mark.usefixtures("eager")
def test_what_is_interrupted_goes_on_with_its_seed_and_what_fails_is_not_tried_again(study_file, tmp_path):
    storage = InMemoryStorage()
    arm = make_arm(study_file, tmp_path, storage)
    order = None
    while order is None or order.seed == arm.config.seed:
        if order is not None:
            reply(arm, order)
        order = arm.next_order()
    arm.finish(order, Report("interrupted", "interrupted by Ctrl-C"))
    arm = make_arm(study_file, tmp_path, storage)
    again = arm.next_order()
    assert again is not None
    assert (again.digest, again.seed) == (order.digest, order.seed)
    arm.finish(again, Report("failed", "the loss is nan"))
    assert (order.digest, order.seed) not in (later := answer(arm, 5))
    assert order.digest not in {digest for digest, _ in later}


def test_rungs_and_covariates_that_cannot_be_are_refused_with_the_rule(study_file, tmp_path):
    def refusal(sampler: dict, **changes) -> str:
        with pytest.raises(SpecError) as caught:
            make_arm(study_file, tmp_path, InMemoryStorage(), sampler={"type": "exact", **sampler}, **changes)
        return str(caught.value)

    curves = {"space": "five_stage_pairs", "evaluator": {"type": "train", "recipe": {"epochs": 9}}}
    assert "sampler.repeats: must be false with rungs: a layout that is trained again" in refusal(
        {"repeats": True}, **curves, rungs={"epochs": ["2/3", 1]}
    )
    assert "covariates[0]: must be an estimate that takes no training" in refusal({"covariates": ["train"]})
    assert "supernet is trained for the space of a study" in refusal({"covariates": ["supernet"]})
    full = {"type": "naswot", "full": "train"}
    assert "covariates[1].full: must be left out of a covariate" in refusal({"covariates": ["cost", full]})
    command = {"type": "command", "command": ["true"], "resolution": 64}
    assert "covariates[0].data: is required: evaluator command states no data" in refusal(
        {"covariates": ["naswot"]}, evaluator=command
    )
    assert "did you mean naswot?" in refusal({"covariates": ["nasbot"]})


def guided(spec: ArchSpec, seed: int) -> dict[str, float]:
    return {"accuracy": 0.2 + 0.5 * hidden(spec) + 0.001 * (seed % 3)}


def test_a_search_computes_its_covariates_first_and_notes_the_gate_of_each(tmp_path):
    space = load_space("five_stage_grid").template
    sampler = {"type": "exact", "startup": 8, "covariates": [Guess(), Guess(knows=False)], "covariate_layouts": 10}
    options = {"sampler": sampler, "final": {"seeds": 0}, "runs": tmp_path, "name": "search", "quiet": True}
    archspec.search(space, evaluator=FunctionEvaluator().bind(guided), trials=10, **options)
    import optuna

    study = optuna.load_study(study_name="search", storage=open_journal(tmp_path / "search" / "journal.log"))
    scores = study.user_attrs["covariates"]
    assert [(name, len(one["values"])) for name, one in scores.items()] == [("guess", 10), ("guess 2", 10)]
    noted = study.trials[-1].user_attrs["covariates"]
    assert noted.keys() == scores.keys()
    assert not any(one["used"] for one in noted.values())  # 9 trainings decide nothing
    before = (tmp_path / "search" / "journal.log").read_text(encoding="utf-8").count(MARK)
    archspec.search(space, evaluator=FunctionEvaluator().bind(guided), trials=11, **options)
    text = (tmp_path / "search" / "journal.log").read_text(encoding="utf-8")
    assert before == text.count(MARK) == 1
