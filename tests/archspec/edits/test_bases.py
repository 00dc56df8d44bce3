"""Studies and spaces over others: what `base` and `set` give, and what is refused with file and line."""

import pytest

from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from search.space.space import load_space
from search.study.reading import load_study, parse_study


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(name, text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        return name

    return made


def test_a_study_over_a_shipped_one(write, tmp_path):
    write(
        "mine.yaml",
        """
base: demo
name: mine
evaluator: {recipe: {epochs: 5}}
rungs: ~
sampler: nsga2
set:
  "space.stages[1].width": {choice: [8, 16]}
  final.seeds: 7
""",
    )
    config, demo = load_study("mine.yaml", tmp_path, {}), load_study("demo", tmp_path, {})
    assert (config.name, config.evaluator.recipe.epochs, config.final.seeds) == ("mine", 5, 7)
    assert (config.sampler.type, config.trials) == ("nsga2", demo.trials)
    assert config.evaluator.data == demo.evaluator.data  # laid over the mapping below
    assert config.space["stages"][1]["width"] == {"choice": [8, 16]}
    assert config.space["stages"][2] == demo.space["stages"][2]
    assert parse_study(parse_document(config.dump(), "again")) == config  # the record needs no other file
    assert load_study("mine.yaml", tmp_path, {"trials": 3}).trials == 3


def test_a_chain_of_files_each_beside_the_one_that_names_it(write, tmp_path):
    write("a/space.yaml", "base: five_stage_tiny\nname: own\nset: {stem.width: 8}\n")
    write("a/one.yaml", "space: space.yaml\ntrials: 5\nbaseline: 3\nevaluator: train\n")
    write("two.yaml", "base: a/one.yaml\ntrials: 6\nevaluator: {recipe: small}\n")
    write("three.yaml", "base: two.yaml\nbaseline: 0\nevaluator: {recipe: {epochs: 2}}\n")
    config = load_study("three.yaml", tmp_path, {})
    assert (config.trials, config.baseline, config.evaluator.recipe.epochs) == (6, 0, 2)
    small = load_study("two.yaml", tmp_path, {}).evaluator.recipe
    assert config.evaluator.recipe == small.model_copy(update={"epochs": 2})
    assert (config.space["name"], config.space["stem"]["width"]) == ("own", 8)


def test_a_space_over_another_one(write, tmp_path):
    write("mine.yaml", "base: five_stage_tiny\nname: mine\nresolution: 96\n"
          "set:\n  'stages[0].width': 16\n  'stages[2].block.choice.T.heads': 2\n")  # fmt: skip
    space, tiny = load_space("mine.yaml"), load_space("five_stage_tiny")
    gone = {"stages[0].width"}
    assert {hole.path for hole in tiny.holes} - {hole.path for hole in space.holes} == gone
    assert space.count() < tiny.count()
    assert (space.template["resolution"], space.template["head"]) == (96, tiny.template["head"])
    config = load_study("mine.yaml", tmp_path, {"trials": 4})  # a space alone is searched as it is
    assert (config.name, config.trials, config.space) == ("mine", 4, space.template)
    inline = parse_study(parse_document("space: {base: five_stage_tiny, set: {stem.width: 8}}\n", "s"))
    assert inline.space["stem"]["width"] == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: dmeo\n", "f.yaml:1: base: 'dmeo' is no file and no shipped study (did you mean demo?)"),
        ("trials: 3\nbase: no.yaml\n", "f.yaml:2: base: no.yaml: no such file"),
        ("base: 3\n", "f.yaml:1: base: must be a file or the name of what is shipped, not 3"),
        ("base: f.yaml\n", "f.yaml:1: base: leads back to f.yaml"),
        ("base: other.yaml\n", "other.yaml:1: base: leads back to f.yaml"),
        ("base: demo\ntrails: 3\n", "f.yaml:2: trails: unknown field (did you mean trials?)"),
        ("base: demo\nset: 3\n", "f.yaml:2: set: must map dotted paths to values, not 3"),
        ("base: demo\nset:\n  evaluator.recipe.epoch: 1\n", "f.yaml:3: evaluator.recipe.epoch: unknown field (did you"),
        ("base: demo\nset:\n  evalautor.recipe.epochs: 1\n", "f.yaml:3: set['evalautor.recipe.epochs']: evalautor "),
        ("base: demo\nset:\n  a..b: 1\n", "f.yaml:3: set['a..b']: is not a dotted path"),
        ("base: demo\nset:\n  'space.stages[7].width': 1\n", "f.yaml:3: set['space.stages[7].width']: "),
        ("base: wrong.yaml\nname: mine\n", "wrong.yaml:3: trials: must be at least 1, not 0"),
        ("base: list.yaml\n", "list.yaml:1: must be a mapping, not a list"),
        ("base: five_stage_tiny\nset: {stem.widht: 3}\n", "f.yaml:2: stem.widht: hr_stem has no option 'widht'"),
        ("base: five_stage_tiny\nset: {stmm.width: 3}\n", "f.yaml:2: set['stmm.width']: stmm does not exist"),
    ],
)
def test_what_is_refused_says_where_it_stands(write, tmp_path, text, message):
    write("other.yaml", "base: f.yaml\n")
    write("wrong.yaml", "name: x\nspace: five_stage_tiny\ntrials: 0\n")
    write("list.yaml", "- 1\n")
    with pytest.raises(SpecError) as caught:
        load_study(write("f.yaml", text), tmp_path, {})
    assert str(caught.value).startswith(message), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_chain_without_end_is_refused(write, tmp_path):
    for number in range(12):
        write(f"{number}.yaml", f"base: {number + 1}.yaml\n")
    write("12.yaml", "space: five_stage_tiny\n")
    with pytest.raises(SpecError, match=r"^8\.yaml:1: base: leads on through more than 8 files$"):
        load_study("0.yaml", tmp_path, {})
    assert load_study("4.yaml", tmp_path, {}).trials == 100
