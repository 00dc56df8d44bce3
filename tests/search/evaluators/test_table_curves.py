"""The evaluator `table` over curves: pauses, what it leaves for reports, and searches that keep to its layouts."""

import math

import pytest
from curve_tables import write_curves
from journals import trained, trials_of

from archspec.cost.measure import measure
from archspec.documents.reader import Document
from archspec.errors import FieldError, RunError, SpecError
from search.data.trained_layouts import load_table
from search.evaluator import Epoch, Task, parse_evaluator
from search.run.run import conduct
from search.space.space import load_space
from search.study.reading import parse_study
from search.train.curve import read_curve


@pytest.fixture
def table(tmp_path):
    return write_curves(tmp_path / "curves.csv")


@pytest.fixture
def layouts():
    return [layout.spec for layout in load_space("five_stage_grid").enumerate()]


def ask(config, spec, folder, epochs=None, final=False):
    said = []
    task = Task(config.prepare(spec), 1, folder, folder, final, epochs)
    return config.open().evaluate(task, lambda: False, said.append), said


def test_a_training_pauses_at_an_epoch_and_goes_on(table, layouts, tmp_path):
    config = parse_evaluator({"type": "table", "table": str(table)})
    row = load_table(str(table)).rows[layouts[9].digest][1]
    paused, said = ask(config, layouts[9], tmp_path, epochs=2)
    assert paused["accuracy"] == row.curve.accuracies[1] < row.accuracy
    assert paused["train_seconds"] == pytest.approx(sum(row.curve.seconds[:2]))
    assert [(one.number, one.total) for one in said] == [(1, 2), (2, 2)]
    assert len(read_curve(tmp_path / "curve.csv")) == 2
    whole, said = ask(config, layouts[9], tmp_path)
    assert whole["accuracy"] == row.accuracy
    assert whole["train_seconds"] == pytest.approx(sum(row.curve.seconds))
    assert [one.number for one in said] == [3]
    assert isinstance(said[0], Epoch)
    assert str(said[0]) == f"epoch 3/3, accuracy {row.accuracy:.3f}"
    curve = read_curve(tmp_path / "curve.csv")
    assert [one.val_accuracy for one in curve] == list(row.curve.accuracies)
    assert [one.train_loss for one in curve] == list(row.curve.train_losses)
    assert math.isnan(curve[0].lr)


def test_mean_is_the_mean_of_the_curves(table, layouts, tmp_path):
    config = parse_evaluator({"type": "table", "table": str(table), "seed": "mean"})
    rows = load_table(str(table)).rows[layouts[0].digest]
    paused, _ = ask(config, layouts[0], tmp_path, epochs=1)
    assert paused["accuracy"] == pytest.approx(sum(row.curve.accuracies[0] for row in rows) / 2)


def test_an_epoch_that_the_table_lacks_is_refused(table, layouts, tmp_path):
    config = parse_evaluator({"type": "table", "table": str(table)})
    with pytest.raises(RunError, match="holds trainings of 3 epochs: it cannot answer after epoch 4"):
        ask(config, layouts[0], tmp_path, epochs=4)
    plain = parse_evaluator({"type": "table"})
    with pytest.raises(RunError, match="table five_stage_grid holds no curves: it cannot answer after epoch 1"):
        ask(plain, layouts[0], tmp_path, epochs=1)
    assert plain.whole_epochs is None
    with pytest.raises(FieldError, match="has no curves"):
        plain.check_pauses()
    assert config.whole_epochs == 3


def study(table, **changes):
    evaluator = {"type": "table", "table": str(table), **changes.pop("evaluator", {})}
    data = {"name": "s", "space": "five_stage_grid", "evaluator": evaluator, "final": {"seeds": 0}, **changes}
    return parse_study(Document(data, "study.yaml", {("evaluator", "nearest"): 4, ("evaluator", "virtual_workers"): 5}))


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "exact"])
def test_a_search_may_keep_to_the_layouts_of_a_table(table, tmp_path, sampler):
    changes = {"sampler": {"type": sampler, "startup": 4}, "trials": 12, "final": {"seeds": 1, "members": 2}}
    config = study(table, evaluator={"nearest": True}, **changes)
    assert config.confinement.count() == 24
    assert "nearest of its 24 layouts" in " ".join(config.notes)
    assert conduct(config, tmp_path, quiet=True)
    known = load_table(str(table)).rows
    trials = trials_of(tmp_path / "s")
    assert len(trained(trials)) == 12
    assert {trial.user_attrs["digest"] for trial in trials} <= known.keys()
    for trial in trials:
        if "placed" in trial.user_attrs:
            assert trial.user_attrs["repaired_because"] == "not among the layouts that can be answered"
    assert sampler != "tpe" or any("placed" in trial.user_attrs for trial in trials)
    assert all("test_accuracy" in trial.user_attrs for trial in trials_of(tmp_path / "s", "final"))
    assert [row["epoch"] for row in trained(trials)[0].user_attrs["curve"]] == [1, 2, 3]


def test_the_nearest_layout_is_the_one_with_the_fewest_changes_whatever_its_order(table):
    inside = study(table, evaluator={"nearest": True}).confinement
    encoding = inside.encoding
    for spec in list(load_space("five_stage_grid").enumerate())[:40]:
        row = encoding.encode(spec.params)
        near = inside.bring(row)
        changes = (encoding.vectors(inside.listed) != encoding.vectors(row[None])).sum(1)
        assert (encoding.vectors(near[None]) != encoding.vectors(row[None])).sum() == changes.min()
        assert inside.inside(near[None])[0]
    known = list(load_table(str(table)).rows)
    near, next_one = inside.bring(row), inside.bring(row, [known[:5], known[5:-1]])
    assert study(table).evaluator.prepare(encoding.spec(next_one)).digest == known[-1]
    assert (inside.bring(row, [known]) == near).all()


def test_a_budget_holds_among_the_layouts_of_a_table(table, tmp_path):
    config = study(table, evaluator={"nearest": True}, budget={"macs": "<= 2.4M"}, trials=100, sampler="random")
    assert 0 < config.confinement.count() < 24
    assert conduct(config, tmp_path, quiet=True)
    trials = trained(trials_of(tmp_path / "s"))
    assert len(trials) == config.confinement.count()
    assert all(trial.user_attrs["macs"] <= 2_400_000 for trial in trials)


def test_what_a_table_cannot_do_is_refused_with_its_place(table, tmp_path):
    def refused(message, *args, **changes):
        with pytest.raises(SpecError) as caught:
            study(*args, **changes)
        assert message in str(caught.value)

    without = write_curves(tmp_path / "plain.csv", without=("accuracies", "losses", "train_losses", "seconds", "code"))
    refused("study.yaml:4: evaluator.nearest: needs to know the layouts", without, evaluator={"nearest": True})
    rule = "study.yaml:5: evaluator.virtual_workers: needs the seconds of every epoch, which table"
    refused(rule, without, evaluator={"virtual_workers": 4})
    rule = "study.yaml:4: evaluator.nearest: none of its 24 layouts is one of"
    other = load_space("five_stage_grid").template | {"stem": {"type": "hr_stem", "width": 16}}
    refused(rule, table, evaluator={"nearest": True}, space=other)
    macs = measure(list(load_space("five_stage_grid").enumerate())[1].spec).macs
    rule = "none of the 24 layouts that can be answered is within macs"
    refused(rule, table, evaluator={"nearest": True}, budget={"macs": f"{macs}..{macs}"})
    text = table.read_text().replace("hr_stem:width=8-CFFN", "hr_stem:width=4-CFFN")
    table.write_text(text)
    refused("has the code of layout", table, evaluator={"nearest": True})
