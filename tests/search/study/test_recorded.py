"""What a run was asked, as its file says it: damage is refused with its line, and kept."""

import pytest

from archspec.errors import RunError
from search.run.run import conduct
from search.study.reading import load_study


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: [1\nb: 2\n", r"study.yaml:2: damaged: expected ',' or '\]'"),
        ("", "study.yaml: damaged: "),
        ("- 1\n", "study.yaml: damaged: "),
        ("name: toy\n", "study.yaml: damaged: no field 'final'"),
        ("final: 3\n", "study.yaml: damaged: "),
        ("final: {changes: {}}\nbudget: 5 \x00\n", "study.yaml: damaged: unacceptable character"),
        ("[" * 2000, "study.yaml: damaged: "),
        ("final: !!python/object:os.system {}\n", "study.yaml:1: damaged: could not determine a constructor"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(study_file, tmp_path, text, rule):
    config = load_study(str(study_file()), tmp_path, {})
    (tmp_path / "toy").mkdir()
    path = tmp_path / "toy" / "study.yaml"
    path.write_text(text)
    (tmp_path / "toy" / "journal.log").touch()
    with pytest.raises(RunError, match=rf"{rule}.*; kept as it is$") as caught:
        conduct(config, tmp_path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == text


def test_a_run_that_is_named_by_its_folder_goes_on_where_it_is(study_file, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = study_file(trials=2, sampler="random")
    assert run("search", path, "--runs", "elsewhere")[0] == 0
    code, _, err = run("search", "elsewhere/toy", "--trials", 3)
    assert (code, (tmp_path / "runs").exists()) == (0, False)
    assert "search toy in elsewhere/toy" in err
    assert "trial 0" not in err  # known, and not evaluated again
    monkeypatch.chdir(tmp_path / "elsewhere" / "toy")
    assert "finished" in run("search", ".", "--trials", 3)[2]
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["toy"]
