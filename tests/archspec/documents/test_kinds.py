"""Documents in the place of others: each says what it is, what takes it, and what is wanted."""

import pytest

SPEC = """stem: {type: hr_stem, width: 8}
stages:
  - {block: HR, depth: 1, width: 8}
head: {type: classifier, classes: 10}
"""
FILES = {
    "spec": SPEC,
    "space": SPEC.replace("depth: 1", "depth: {range: [1, 3]}"),
    "study": "space: five_stage_tiny\ntrials: 3\n",
    "plan": "base: tiny\nedits:\n  deep: {'stages[0].depth': 2}\nviews: [progressive]\n",
    "case": "choices: {}\nspecs: {}\ncells: []\n",
    "paper": "title: a paper\nrows: []\n",
    "recipe": "epochs: 3\n",
    "table": "digest,seed,accuracy\n0123456789abcdef,0,0.5\n",
}
TAKEN = {
    "spec": "this is a spec (one layout), which `archspec flops`, `build`, `show`, `lint` and `fix` take",
    "space": "this is a space (a spec with {choice: [...]} or {range: [low, high]}), which `archspec space` and",
    "study": "this is a study (a space, an evaluator, objectives), which `archspec search` takes",
    "plan": "this is a plan (a base, edits of it, views), which `archspec ablate` takes",
    "case": "this is a case (choices, specs, cells), which `archspec infer` takes",
    "paper": "this is a paper (a title and rows), which `archspec paper` takes by its name",
    "recipe": "this is a recipe (how to train), which stands in a study: ",
    "table": "this is a table of trained layouts (CSV), which a study names: `evaluator: {type: table, table: FILE}`",
}
WANTED = {
    "search": ("study", "space"),
    "ablate": ("plan",),
    "space": ("space",),
    "flops": ("spec",),
    "build": ("spec",),
    "infer": ("case",),
}
OWN_WORDS = {  # messages that say more than the kind
    ("flops", "space"): "depth: must be a whole number from 0 to 512, not a range, which only a search space may hold",
    ("build", "space"): "depth: must be a whole number from 0 to 512, not a range, which only a search space may hold",
    ("space", "spec"): ":1: this is a spec (one layout): a space needs at least one hole: {choice: [...]} or {range:",
    ("space", "study"): "is a study: name the space that it searches",
}


@pytest.mark.parametrize("command", WANTED)
@pytest.mark.parametrize("kind", FILES)
def test_a_document_of_another_kind_is_told_what_it_is_and_what_is_wanted(run, tmp_path, command, kind):
    if kind in WANTED[command]:
        return
    path = tmp_path / ("given.csv" if kind == "table" else "given.yaml")
    path.write_text(FILES[kind])
    code, _, err = run(command, path)
    assert code == 2
    assert err.startswith(f"archspec: {path}:")
    assert err.count("\n") == 1
    assert OWN_WORDS.get((command, kind), TAKEN[kind]) in err
    if (command, kind) not in OWN_WORDS:
        assert f"; wanted is a {WANTED[command][0]} (" in err
