"""The command `archspec infer`."""

import json

from typer.testing import CliRunner

from archspec.cli.app import app

CASE = """
description: a made-up network
choices:
  irds_a.expansion: [2, 4]
  T.position: [false, true]
specs: {A: tiny.yaml}
cells:
  - {spec: A, resolution: 64, params: 373994}
known:
  own: {irds_a.expansion: 4}
"""


def run(*arguments: str):
    return CliRunner().invoke(app, ["infer", *arguments])


def write(folder, text: str = CASE) -> str:
    (folder / "tiny.yaml").write_text(
        "stem: {type: hr_stem, width: 16}\n"
        "stages:\n"
        "  - {block: HR, depth: 1, width: 16, expansion: 2}\n"
        "  - {block: T, depth: 1, width: 32, heads: 2, downsample: irds_a}\n"
    )
    (folder / "case.yaml").write_text(text)
    return str(folder / "case.yaml")


def test_the_tables_name_what_fits(tmp_path):
    from archspec.cost.measure import measure
    from archspec.loader import load

    path = write(tmp_path)
    params = measure(load(tmp_path / "tiny.yaml")).params
    write(tmp_path, CASE.replace("373994", str(params)))
    result = run(path)
    assert result.exit_code == 0
    assert "4 designs against 1 cell: 1 fits all" in result.output
    assert "determined: irds_a.expansion = 4, T.position = false" in result.output
    assert "own: fits all" in result.output


def test_json_has_the_exact_numbers_and_as_many_designs_as_asked_for(tmp_path):
    result = run(write(tmp_path), "--json", "--top", "2")
    found = json.loads(result.output)
    assert (found["designs"], found["fits"], found["fewest_violations"]) == (4, 0, 1)
    assert len(found["top"]) == 2
    assert found["conflict"] == ["A@64 params"]
    assert found["cells"][0]["low"] == found["cells"][0]["high"] == 373994


def test_a_case_that_is_none_is_named_with_the_nearest_one():
    error = run("hiri-vitt").exception
    assert "did you mean hiri-vit?" in str(error)
