"""The front of a search whose finalists were trained again without a test figure, or not all of them."""

import json
from pathlib import Path

import pytest

import archspec

GRID = "five_stage_grid"


def score(spec, seed):
    return archspec.measure(spec).params / 1e6 + seed / 1000


@pytest.fixture(scope="module")
def untested(tmp_path_factory):
    """A report; three of the front's layouts were trained again, by a function that knows no test split."""
    runs = tmp_path_factory.mktemp("runs")
    options = {"trials": 20, "final": {"seeds": 3, "members": 3}, "seed": 1, "quiet": True}
    run = archspec.search(GRID, score, runs=runs, name="toy", **options)
    assert len(run.front) > 3
    run.report()
    return run.root


def test_tables_go_back_to_validation_over_fresh_seeds_and_say_so(untested):
    text = (untested / "report" / "front.md").read_text()
    header, _, *rows = [line for line in text.splitlines() if line.startswith("|")]
    assert "Validation, fresh seeds (%)" in header
    assert "Test (%)" not in header
    assert sum("±" in row and row.endswith("| 3 |") for row in rows) == 3
    assert all("±" in row or row.endswith("| – | – |") for row in rows)
    assert "There is no test figure: no answer of the evaluator held test_accuracy." in " ".join(text.split())
    specs = [path.read_text() for path in sorted((untested / "report" / "front").iterdir())]
    assert sum("over 3 fresh seeds, no test figure" in " ".join(spec.split()) for spec in specs) == 3


def test_the_page_states_which_members_are_trained_again(untested):
    page = " ".join((untested / "report" / "index.html").read_text().split())
    assert "Of a front of more than 3 (final.members) these are the best of each objective" in page
    assert "Members were re-trained, but without a test accuracy: there is none to show." in page


def test_review_says_what_is_missing(untested, run):
    code, out, _ = run("review", untested, "--json")
    assert code in (0, 1)
    found = {one["rule"]: one for one in json.loads(out)["objections"]}
    assert "has no test accuracy: no answer for it held test_accuracy" in found["untested-best"]["text"]
    assert found["untested-best"]["command"].startswith(f"archspec search {Path(untested)} --name toy-tested")
