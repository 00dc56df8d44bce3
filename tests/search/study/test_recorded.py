"""What a run was asked, as its file says it: damage is refused with its line, and kept."""

import pytest

from archspec.errors import RunError
from search.run.run import conduct
from search.study.config import load_study


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
