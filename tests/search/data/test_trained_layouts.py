"""Tables of trained layouts: what the shipped one holds, and what a file is refused for."""

import csv
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.cost.measure import measure
from archspec.errors import FieldError, SpecError
from archspec.spec.short_code import encode
from search.data.trained_layouts import TrainedCurve, TrainedLayout, content_of, load_table, parse_table, tables
from search.evaluator import parse_evaluator
from search.space.space import load_space

DIGEST = "0123456789abcdef"
COSTS = ("params", "macs", "activations", "saved_bytes")
"""Those that the shipped table has columns of."""


def test_the_shipped_table_holds_every_layout_of_its_space_with_three_seeds_and_exact_costs():
    text = files("search.data").joinpath("tables", "five_stage_grid.csv").read_text(encoding="utf-8")
    records = list(csv.DictReader(text.splitlines()))
    evaluator = parse_evaluator("table")
    specs = [evaluator.prepare(layout.spec) for layout in load_space("five_stage_grid").enumerate()]
    assert len(specs) == 216
    assert [(r["digest"], r["seed"]) for r in records] == [
        (spec.digest, str(seed)) for spec in specs for seed in range(3)
    ]
    for index, spec in enumerate(specs):
        cost = measure(spec)
        expected = {name: str(getattr(cost, name)) for name in COSTS} | {"code": encode(spec)}
        for record in records[3 * index : 3 * index + 3]:
            assert {name: record[name] for name in expected} == expected


def test_the_shipped_table_as_loaded_says_what_its_file_says():
    assert "five_stage_grid" in tables()
    table = load_table("five_stage_grid")
    text = files("search.data").joinpath("tables", "five_stage_grid.csv").read_text(encoding="utf-8")
    for record in csv.DictReader(text.splitlines()):
        row = table.rows[record["digest"]][int(record["seed"])]
        assert row == TrainedLayout(int(record["seed"]), float(record["accuracy"]), float(record["test_accuracy"]))


def test_a_table_with_curves_says_how_many_epochs_it_has_and_whether_it_is_timed():
    lines = ["digest,seed,accuracy,accuracies,losses,seconds,code", f"{DIGEST},0,0.5,0.25 0.5,1.5 1,2 3,HR1x8"]
    table = parse_table(lines, "t")
    curve = TrainedCurve((0.25, 0.5), (1.5, 1.0), (), (2.0, 3.0))
    assert table.rows[DIGEST] == (TrainedLayout(0, 0.5, None, curve),)
    assert (table.epochs, table.timed, table.codes) == (2, True, {DIGEST: "HR1x8"})
    assert not parse_table([line.replace(",2 3", ",") for line in lines], "t").timed
    assert (load_table("five_stage_grid").epochs, load_table("five_stage_grid").timed) == (0, False)


def test_a_run_over_a_table_without_curves_recognises_it_as_earlier_versions_wrote_it():
    rows = load_table("five_stage_grid").rows["af68b1c5973502db"][:1]
    assert content_of(rows) == "(TrainedLayout(seed=0, accuracy=0.59, test_accuracy=0.571),)"


@given(
    st.dictionaries(
        st.tuples(st.text("0123456789abcdef", min_size=16, max_size=16), st.integers(0, 10**9)),
        st.tuples(st.floats(0, 1), st.none() | st.floats(0, 1)),
        min_size=1,
    )
)
def test_what_is_written_is_read_back(content):
    lines = ["digest,code,seed,accuracy,test_accuracy"]
    lines += [f"{d},x,{seed},{a!r},{'' if t is None else repr(t)}" for (d, seed), (a, t) in content.items()]
    table = parse_table(lines, "t")
    read = {(d, row.seed): (row.accuracy, row.test_accuracy) for d, rows in table.rows.items() for row in rows}
    assert read == content
    assert all(list(rows) == sorted(rows, key=lambda row: row.seed) for rows in table.rows.values())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "t:1: a table needs the column digest (it has none)"),
        (["digest,seed,acc"], "t:1: a table needs the column accuracy (it has digest, seed, acc)"),
        (["digest,seed,accuracy"], "t:1: a table needs at least one row"),
        (["digest,seed,accuracy", "abc,0,0.5"], "t:2: digest: must be 16 hex digits, not 'abc'"),
        (["digest,seed,accuracy", f"{DIGEST},-1,0.5"], "t:2: seed: must be a whole number from 0, not '-1'"),
        (["digest,seed,accuracy", f"{DIGEST}"], "t:2: seed: must be a whole number from 0, not ''"),
        (["digest,seed,accuracy", f"{DIGEST},0,nan"], "t:2: accuracy: must be a number from 0 to 1, not 'nan'"),
        (["digest,seed,accuracy", f"{DIGEST},0,x"], "t:2: accuracy: must be a number from 0 to 1, not 'x'"),
        (
            ["digest,seed,accuracy", f"{DIGEST},1,0.5", f"{DIGEST},1,0.5"],
            f"t:3: layout {DIGEST} has two rows of seed 1",
        ),
        *(
            (
                [f"digest,seed,accuracy,{columns}", *(f"{DIGEST},{seed},0.5,{row}" for seed, row in enumerate(rows))],
                text,
            )
            for columns, rows, text in (
                (
                    "accuracies",
                    ["0.1 0.4"],
                    "t:2: accuracies: must end with the accuracy of the row, 0.5, not with 0.4",
                ),
                ("accuracies", ["0.1 x 0.5"], "t:2: accuracies: must be a number from 0 to 1, not 'x'"),
                ("accuracies,seconds", ["0.1 0.5,3"], "t:2: seconds: has 1 epoch, accuracies has 2"),
                ("accuracies,seconds", ["0.1 0.5,3 0"], "t:2: seconds: must be above 0, not 0"),
                ("accuracies,losses", ["0.1 0.5,3 inf"], "t:2: losses: must be finite numbers, not 'inf'"),
                (
                    "seconds",
                    ["3 4"],
                    "t:2: accuracies: must be stated where seconds is: numbers by epoch that spaces separate",
                ),
                (
                    "accuracies",
                    ["0.1 0.5", "0.5"],
                    "t:3: accuracies: the rows before have curves of 2 epochs, this one of 1",
                ),
                (
                    "accuracies",
                    ["0.1 0.5", ""],
                    "t:3: accuracies: the rows before have curves of 2 epochs, this one of 0",
                ),
            )
        ),
        (
            ["digest,seed,accuracy,test_accuracy", f"{DIGEST},1,0.5,2"],
            "t:2: test_accuracy: must be a number from 0 to 1, not '2': 2 looks like per cent: divide by 100",
        ),
    ],
)
def test_a_damaged_table_is_refused_with_its_line(lines, message):
    with pytest.raises(SpecError) as caught:
        parse_table(lines, "t")
    assert str(caught.value) == message


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(FieldError, match=r"table: .* is no file and no shipped table \(known: .*five_stage_grid"):
        load_table(str(tmp_path))
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match=r"binary\.csv: cannot be read"):
        load_table(str(path))
    path.write_text('digest,seed,accuracy\n"' + "x" * 200_000 + '"\n')
    with pytest.raises(SpecError, match=r"binary\.csv:.*field larger"):
        load_table(str(path))
