"""Plan files: what loads, what is refused and where, and the rows that come out."""

from pathlib import Path

import pytest
import yaml

from archspec.cost.measure import measure
from archspec.edits.settings import parse_settings
from archspec.errors import SpecError
from archspec.loader import dump, load
from search.ablation.plan import load_plan, plans
from search.ablation.record import describe
from search.ablation.rows import Ablation

ROOT = Path(__file__).parents[3]

PLAN = """\
name: mine
base: tiny
evaluator: {type: train, data: cluttered_digits}
edits:
  plain:
    stem: conv_stem
  wide:
    label: wider
    set:
      stages[2].expansion: 6
  soft: {evaluator.recipe.label_smoothing: 0.2}
views: [progressive]
"""


@pytest.fixture
def ablation(tmp_path):
    def make(text: str = PLAN, **asked) -> Ablation:
        path = tmp_path / "plan.yaml"
        path.write_text(text)
        return Ablation(load_plan(str(path), tmp_path / "runs", asked))

    return make


def rows(ablation: Ablation, view: int = 0):
    return ablation.tables[view].rows


def test_rows_are_the_base_with_edits_of_spec_and_training(ablation):
    base, plain, wide, soft = rows(ablation())
    assert base.spec.digest == load("tiny").digest
    assert (base.label, plain.label, wide.label, soft.label) == ("tiny", "plain", "wider", "soft")
    assert plain.spec.stem.type == "conv_stem"
    assert wide.spec.stages[2].blocks[0].expansion == 6
    assert soft.spec.digest == wide.spec.digest
    assert (wide.evaluator.recipe.label_smoothing, soft.evaluator.recipe.label_smoothing) == (0.1, 0.2)
    assert len({row.run for row in (base, plain, wide, soft)}) == 4


def test_views_share_rows(ablation):
    found = ablation(PLAN.replace("[progressive]", "[progressive, leave_one_out, leave_one_in, factorial]"))
    assert sum(len(table.rows) for table in found.tables) == 4 + 4 + 4 + 8
    assert len(found.runs) == 8  # all subsets of three edits; the other views ask for some of these
    assert any("20 rows share 8 trainings" in note for note in found.notes())


def test_options_of_the_command_line_go_over_the_file(ablation):
    config = ablation(seeds=7, name="other").plan.config
    assert (config.seeds, config.name) == (7, "other")


def test_settings_of_the_command_line_change_the_plan_and_explicit_options_win(tmp_path):
    (tmp_path / "plan.yaml").write_text(PLAN)

    def loaded(texts, asked=None):
        return load_plan(str(tmp_path / "plan.yaml"), tmp_path / "runs", asked, parse_settings(texts)).config

    config = loaded(["seeds=3", "evaluator.recipe.epochs=2", "stop.looks=[2]", "views[0]=leave_one_in"], {"seeds": 4})
    assert (config.seeds, config.evaluator.recipe.epochs, config.stop.looks) == (4, 2, (2,))
    assert config.views[0].type == "leave_one_in"
    for text, message in [
        ("sedes=3", "--set sedes: unknown field (did you mean seeds?)"),
        ("evaluator.recipe.epoch=3", "--set evaluator.recipe.epoch: unknown field (did you mean epochs?)"),
        ("views[9]=progressive", "--set views[9]: does not exist: views has "),
        ("score=tset", "--set score: must be 'test' or 'validation', not 'tset'"),
    ]:
        with pytest.raises(SpecError) as caught:
            loaded([text])
        assert str(caught.value).startswith(message)


def test_an_edit_of_training_makes_a_part_that_is_left_out(ablation):
    text = PLAN.replace("evaluator.recipe.label_smoothing: 0.2", "evaluator.recipe.randaugment.ops: 3")
    assert text != PLAN
    assert any(row.evaluator.recipe.randaugment for row in ablation(text).runs.values())


def test_a_base_beside_the_plan_and_inline(ablation, tmp_path):
    (tmp_path / "mine.yaml").write_text(dump(load("tiny")))
    assert ablation(PLAN.replace("base: tiny", "base: mine.yaml")).plan.base.digest == load("tiny").digest
    inline = yaml.safe_load(dump(load("tiny")))
    text = yaml.safe_dump({**yaml.safe_load(PLAN), "base": inline})
    assert ablation(text).plan.base.digest == load("tiny").digest


def test_the_recorded_plan_loads_to_the_same_rows(ablation, tmp_path):
    first = ablation(PLAN.replace("[progressive]", "[progressive, {type: factorial, fraction: 1}]"))
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "plan.yaml").write_text(first.plan.config.dump())
    again = Ablation(load_plan("mine", tmp_path / "runs"))
    assert list(again.runs) == list(first.runs)
    assert again.plan.config.dump() == first.plan.config.dump()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "stem: conv_stem",
            "stemm: conv_stem",
            r"plan.yaml:6: edits.plain.stemm: does not exist \(did you mean stem\?\)",
        ),
        (
            "stages[2].expansion: 6",
            "stages[9].expansion: 6",
            r"plan.yaml:10: .*: does not exist: stages has 5 entries \(the nearest path is stages\[4\].expansion\)",
        ),
        (
            "stages[2].expansion: 6",
            "stages[2].expansion: 4",
            r"plan.yaml:10: edits.wide.*: 4 has no effect: in every row with this edit it is so already",
        ),
        (
            "stages[2].expansion: 6",
            "stages[3].heads: 5",
            r"plan.yaml:10: .*: makes row 'wider' impossible after plain: .*width 64 must be divisible by heads 5",
        ),
        (
            "stages[2].expansion: 6",
            "resolution: 96",
            r"plan.yaml:10: edits.wide.*: 96 has no effect: the evaluator's data fix it at 64",
        ),
        (
            "evaluator.recipe.label_smoothing: 0.2",
            "evaluator.recipe.label_smothing: 0.2",
            r"plan.yaml:11: edits.soft.*: unknown field \(did you mean label_smoothing\?\)",
        ),
        (
            "evaluator.recipe.label_smoothing: 0.2",
            "evaluator.recipe.label_smoothing: 2",
            r"plan.yaml:11: edits.soft.*label_smoothing.*: must be less than 1",
        ),
        (
            "evaluator: {type: train, data: cluttered_digits}",
            "seed: 0",
            r"plan.yaml:11: .*needs an evaluator in the plan",
        ),
        ("views: [progressive]", "views: [progresive]", r"plan.yaml:12: views\[0\].type: unknown view 'progresive'"),
        (
            "views: [progressive]",
            "views:\n  - progressive\n  - {type: leave_one_in, edits: [plane]}",
            r"plan.yaml:14: views\[1\].edits: names no edit of the plan: 'plane' \(did you mean plain\?\)",
        ),
        (
            "views: [progressive]",
            "views: [progressive, progressive]",
            r"plan.yaml:12: views\[1\].name: 'progressive' is taken",
        ),
        ("views: [progressive]", "", r"plan.yaml:1: views: is required"),
        ("base: tiny", "base: tinny", r"plan.yaml:2: base: 'tinny' is no file, preset \(did you mean tiny\?\)"),
        ("base: tiny", "base: 3", r"plan.yaml:2: base: must be a preset, a file, or a spec, not 3"),
        (
            "base: tiny",
            "base: hiri-vit-s",
            r"plan.yaml:2: base: does not fit the evaluator: head: must have .* 10 classes",
        ),
        ("name: mine", "nmae: mine", r"plan.yaml:1: nmae: unknown field \(did you mean name\?\)"),
        ("label: wider", "lable: wider", r"plan.yaml:8: edits.wide.lable: unknown field \(did you mean label\?\)"),
        ("stem: conv_stem", "{}", r"plan.yaml:"),
    ],
)
def test_what_is_refused_and_where(ablation, old, new, message):
    assert old in PLAN
    with pytest.raises(SpecError, match=message):
        ablation(PLAN.replace(old, new))


def test_an_edit_that_another_makes_possible_is_not_refused(ablation):
    text = PLAN.replace("stem: conv_stem", "stages[3].width: 70").replace(
        "stages[2].expansion: 6", "stages[3].heads: 5"
    )
    text = text.replace("[progressive]", "[{type: enumerate, rows: [[plain, wide], []]}]")
    both, base = rows(ablation(text))
    assert (both.spec.stages[3].width, both.spec.stages[3].blocks[0].heads) == (70, 5)
    assert base.spec.digest == load("tiny").digest


def test_edits_that_set_the_same_field_are_reported(ablation):
    text = PLAN.replace("stages[2].expansion: 6", "stem.width: 24")
    notes = ablation(text).notes()
    assert notes == ("edit wide sets again what plain (stem) set; where both are made, wide counts",)
    alone = ablation(text.replace("[progressive]", "[leave_one_in]"))
    assert alone.notes() == ()


def test_edits_of_training_that_set_the_same_entry_of_a_list_are_reported(ablation):
    text = PLAN.replace("{type: train, data: cluttered_digits}", "{type: command, command: [a, b], resolution: 64}")
    text = text.replace("stages[2].expansion: 6", "evaluator.command: [a, c]")
    notes = ablation(text.replace("evaluator.recipe.label_smoothing: 0.2", '"evaluator.command[1]": d')).notes()
    assert notes == ("edit soft sets again what wide (evaluator.command) set; where both are made, soft counts",)


def test_an_edit_without_effect_in_one_row_is_reported(ablation):
    text = PLAN.replace("stages[2].expansion: 6", "stem: conv_stem")
    notes = ablation(text.replace("[progressive]", "[progressive, leave_one_in]")).notes()
    assert "progressive: in row 'wider' wide changes nothing" in notes


def test_without_an_evaluator_a_plan_states_costs(ablation):
    text = PLAN.replace("evaluator: {type: train, data: cluttered_digits}\n", "").replace(
        "soft: {evaluator.recipe.label_smoothing: 0.2}", "soft: {resolution: 128}"
    )
    found = ablation(text)
    assert rows(found)[-1].spec.resolution == 128
    with pytest.raises(SpecError, match="evaluator: is required to train the rows; --dry-run"):
        found.evaluators()


def test_the_description_states_measured_costs(ablation):
    found = ablation()
    described = describe(found)
    for row, record in zip(rows(found), described["views"][0]["rows"], strict=True):
        cost = measure(row.spec)
        assert (record["params"], record["macs"], record["run"]) == (cost.params, cost.macs, row.run)
    assert described["views"][0]["rows"][3]["training"] == {"evaluator.recipe.label_smoothing": 0.2}


@pytest.mark.parametrize("name", plans())
def test_shipped_plans_load_by_name_and_from_their_files(name, tmp_path):
    found = Ablation(load_plan(name, tmp_path))
    file = load_plan(str(ROOT / "search" / "ablation" / "plans" / f"{name}.yaml"), tmp_path)
    assert found.runs
    assert found.plan.config.description
    assert file.config == found.plan.config


def test_a_run_and_a_file_come_before_a_shipped_plan(ablation, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, runs = plans()[0], tmp_path / "runs"
    Path(name).write_text(PLAN)
    assert load_plan(name, runs).config.name == "mine"
    (runs / name).mkdir(parents=True)
    (runs / name / "plan.yaml").write_text(ablation(PLAN.replace("mine", "recorded")).plan.config.dump())
    assert load_plan(name, runs).config.name == "recorded"


def test_what_is_no_plan_names_the_shipped_ones(tmp_path):
    near = r"^'hiri_table9' is no plan file, no shipped plan \(did you mean hiri_table\d\?\) and no run in "
    with pytest.raises(SpecError, match=near) as caught:
        load_plan("hiri_table9", tmp_path)
    assert str(caught.value).endswith(f"; shipped are {', '.join(plans())}")
    hint = r"^plans/hiri_table8\.yaml: no such file; the plan is called hiri_table8, without folder and ending$"
    with pytest.raises(SpecError, match=hint):
        load_plan("plans/hiri_table8.yaml", tmp_path)
    with pytest.raises(SpecError, match=r"^none\.yaml: no such file"):
        load_plan("none.yaml", tmp_path)


@pytest.mark.parametrize(("plan", "table", "count"), [("hiri_table7", "VII", 11), ("hiri_table8", "VIII", 4)])
def test_the_plans_of_the_paper_are_its_tables(plan, table, count, tmp_path):
    from reports.paper.tables import paper

    published = [row for row in paper("hiri-vit").rows if row.table == table]
    found = rows(Ablation(load_plan(plan, tmp_path)))
    assert len(found) == len(published) == count
    for ours, theirs in zip(found, published, strict=True):
        assert ours.label == theirs.label
        assert ours.spec.resolution == theirs.resolution
        cost = measure(ours.spec)
        assert (cost.params, cost.paper_macs) == (theirs.params, theirs.paper_macs)


def test_the_families_plan_is_the_families_of_the_paper(tmp_path):
    from reports.paper.tables import paper

    found = {row.label[0]: row for row in rows(Ablation(load_plan("hiri_families", tmp_path)))}
    for family in "WXU":
        (published,) = [row for row in paper("hiri-vit", family).rows if row.name == "I-S"]
        assert measure(found[family].spec).params == published.params
