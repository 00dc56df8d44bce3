"""The inputs of a run: recorded when it begins, compared when it goes on."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.documents.reader import parse_document
from archspec.errors import RunError, SpecError
from search.data.dataset import parse_dataset
from search.evaluators.function import FunctionEvaluator
from search.inputs import Input, code_of, code_of_parts
from search.run.run import conduct
from search.study.reading import parse_study
from search.study.recorded_inputs import INPUTS, LISTED, record_inputs

SPACE = """space:
  resolution: 64
  stem: hr_stem
  stages:
    - {block: HR, width: {choice: [8, 16, 24, 32]}}
  head: {type: classifier, classes: 10}
sampler: random
final: {seeds: 0}
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)).save(folder / f"{number:03}.png")
    return tmp_path / "photos"


def inputs(path: Path, **options: object) -> tuple[Input, ...]:
    return parse_dataset({"type": "imagefolder", "path": str(path), "resolution": 32, **options}).inputs()


class TestImages:
    def test_the_same_images_go_on_with_the_same_words_whatever_their_copies_times_are(
        self, photos: Path, tmp_path: Path
    ):
        counted = f"images in {photos}: 40 images of 2 classes: train 32 (a 16, b 16), validation 4 (a 2, b 2), test "
        said = (f"{counted}4 (a 2, b 2)",)
        assert record_inputs(tmp_path, inputs(photos), begun=False) == said
        for file in photos.glob("*/*.png"):
            file.write_bytes(file.read_bytes())
        assert record_inputs(tmp_path, inputs(photos), begun=True) == said

    def test_images_that_are_gone_are_refused_with_their_names_and_the_splits_that_moved(self, photos: Path, tmp_path):
        record_inputs(tmp_path, inputs(photos, validation=0.25), begun=False)
        before = (tmp_path / INPUTS).read_bytes()
        for number in (0, 2, 4, 6, 8):
            (photos / "a" / f"{number:03}.png").unlink()
        with pytest.raises(SpecError) as caught:
            record_inputs(tmp_path, inputs(photos, validation=0.25), begun=True)
        assert str(caught.value).startswith(
            f"{tmp_path}: images in {photos} (validation 0.25): not as when this run began: 5 of 40 files are gone: "
            "a/000.png, a/002.png, a/004.png, ...; "
        )
        assert "validation has 7 images, 8 before" in str(caught.value)
        assert str(caught.value).endswith("; bring it back, or give this run another --name")
        assert (tmp_path / INPUTS).read_bytes() == before

    def test_images_that_are_new_or_other_are_refused(self, photos: Path, tmp_path: Path):
        record_inputs(tmp_path, inputs(photos), begun=False)
        data = bytearray((photos / "a" / "000.png").read_bytes())
        data[-1] ^= 1  # of the same size
        (photos / "a" / "000.png").write_bytes(bytes(data))
        with pytest.raises(SpecError, match=r"began: 1 of 40 files has other content: a/000.png; bring"):
            record_inputs(tmp_path, inputs(photos), begun=True)
        (photos / "b" / "new.png").write_bytes(bytes(data))
        with pytest.raises(
            SpecError, match=r"began: 1 file is new: b/new.png; 1 of 40 files has other.*; train has 33"
        ):
            record_inputs(tmp_path, inputs(photos), begun=True)

    def test_a_folder_that_outgrows_the_digests_of_its_content_blames_what_is_new_alone(
        self, photos, tmp_path, monkeypatch
    ):
        record_inputs(tmp_path, inputs(photos), begun=False)
        monkeypatch.setattr("search.data.images.content.MAX_CONTENT", 100)
        (photos / "a" / "new.png").write_bytes((photos / "a" / "000.png").read_bytes())
        with pytest.raises(SpecError, match=r"began: 1 file is new: a/new.png; train has 33 images, 32 before; bring"):
            record_inputs(tmp_path, inputs(photos), begun=True)

    def test_a_large_folder_is_told_by_class_folders(self, photos: Path, tmp_path: Path, monkeypatch):
        monkeypatch.setattr("search.data.images.content.MAX_NAMED", 20)
        record_inputs(tmp_path, inputs(photos), begun=False)
        (photos / "a" / "000.png").unlink()
        with pytest.raises(SpecError, match=r"began: 1 of 2 class folders has other content: a; train has 31 images"):
            record_inputs(tmp_path, inputs(photos), begun=True)

    def test_a_search_is_refused_before_anything_is_trained(self, photos: Path, tmp_path: Path):
        text = SPACE.replace("classes: 10", "classes: 2") + (
            f"trials: 1\nevaluator: {{type: train, recipe: {{epochs: 1}}, latency_rounds: 5, "
            f"data: {{type: imagefolder, path: '{photos}', resolution: 32}}}}\n"
        )
        config = parse_study(parse_document(text, "study.yaml"))
        assert config.notes == ("the space says resolution 64, and its layouts are evaluated at 32",)
        assert conduct(config, tmp_path / "runs")
        (photos / "b" / "001.png").unlink()
        with pytest.raises(
            SpecError, match=r"runs/search: images in .*: not as when this run began: 1 of 40 files is gone"
        ):
            conduct(config.model_copy(update={"trials": 2}), tmp_path / "runs")


def run_command(tmp_path: Path, capfd: pytest.CaptureFixture[str], trials: int) -> str:
    text = (
        f"{SPACE}trials: {trials}\nevaluator: {{type: command, command: ['{sys.executable}', -S, '{tmp_path}/t.py']}}\n"
    )
    assert conduct(parse_study(parse_document(text, "study.yaml")), tmp_path)
    return capfd.readouterr().err


class TestCode:
    def test_a_script_that_changes_is_told_and_recorded_and_the_run_goes_on(self, tmp_path: Path, capfd):
        script = tmp_path / "t.py"
        script.write_text("print('{\"accuracy\": 0.5}')\n")
        assert "changed" not in run_command(tmp_path, capfd, 1)
        was = json.loads((tmp_path / "search" / INPUTS).read_text())["inputs"][0]["digest"]
        script.write_text("print('{\"accuracy\": 0.6}')\n")
        told = f"changed since this run began: files of the command: 1 file has other content: {script}"
        assert told in run_command(tmp_path, capfd, 2)
        record = json.loads((tmp_path / "search" / INPUTS).read_text())
        assert [(one["name"], one["was"]) for one in record["changes"]] == [("files of the command", was)]
        assert record["inputs"][0]["digest"] == record["changes"][0]["now"] != was
        assert "changed" not in run_command(tmp_path, capfd, 3)

    def test_a_run_of_an_earlier_version_gets_its_record_and_says_so(self, tmp_path: Path, capfd):
        (tmp_path / "t.py").write_text("print('{\"accuracy\": 0.5}')\n")
        run_command(tmp_path, capfd, 1)
        (tmp_path / "search" / INPUTS).unlink()
        assert "recorded from now on, since an earlier version did not: files of the command" in run_command(
            tmp_path, capfd, 2
        )
        assert (tmp_path / "search" / INPUTS).exists()

    def test_the_module_of_a_function_or_a_class_of_ones_own_counts_and_archspecs_do_not(self):
        assert [list(one.items) for one in FunctionEvaluator().bind(lambda spec, seed: 0.5).inputs()] == [
            ["test_recorded_inputs.py"]
        ]
        assert code_of(FunctionEvaluator, "evaluator") == ()
        assert code_of_parts({"stages": [{"block": "HR"}], "head": {"type": "classifier"}}) == ()
        assert code_of(len, "function") == ()


class TestTables:
    def test_a_table_whose_rows_change_is_refused(self, tmp_path: Path):
        def study(trials: int):
            text = f"space: five_stage_grid\ntrials: {trials}\nevaluator: {{type: table, table: {mine}}}\n"
            text += "final: {seeds: 0}\n"
            return parse_study(parse_document(text, "study.yaml"))

        from search.data.trained_layouts import TABLES

        mine = tmp_path / "my.csv"
        mine.write_bytes(TABLES.file("five_stage_grid").read_bytes())
        assert conduct(study(2), tmp_path)
        lines = mine.read_text().splitlines()
        digest = lines[-1].split(",")[lines[0].split(",").index("digest")]
        mine.write_text("\n".join(line for line in lines if digest not in line))
        with pytest.raises(
            SpecError, match=rf"table {mine}: not as when .*: 1 of 216 layouts is gone: {digest}; bring"
        ):
            conduct(study(3), tmp_path)


def test_a_damaged_record_is_kept_and_named(tmp_path: Path):
    one = Input("table", "table t", "layout", {"x": "1"})
    record_inputs(tmp_path, [one], begun=False)
    whole = '{"version": 1, "archspec": "0", "changes": [], "inputs": '
    for text in ("{", "[]", "[" * 200_000, whole + '[{"kind": 1}]}', whole + "3}", whole.replace("1", "99") + "[]}"):
        (tmp_path / INPUTS).write_text(text)
        with pytest.raises(RunError, match=r"inputs.json:1: damaged: .*; kept as it is. Move it away to record"):
            record_inputs(tmp_path, [one], begun=True)
        assert (tmp_path / INPUTS).read_text() == text


def test_more_items_than_are_listed_are_compared_by_digest(tmp_path: Path):
    items = {str(number): "1" for number in range(LISTED + 1)}
    record_inputs(tmp_path, [Input("table", "table t", "layout", items)], begun=False)
    assert "items" not in json.loads((tmp_path / INPUTS).read_text())["inputs"][0]
    with pytest.raises(SpecError, match="its content is another"):
        record_inputs(tmp_path, [Input("table", "table t", "layout", items | {"0": "2"})], begun=True)


def test_what_is_told_of_the_data_is_found_out_once_and_told_at_each_start(tmp_path: Path):
    asked: list[int] = []

    def examine() -> list[str]:
        asked.append(1)
        return ["3 images are the same"]

    one = Input("data", "images", "file", {"x": "1"}, examine=examine)
    for begun in (False, True, True):
        assert record_inputs(tmp_path, [one], begun=begun) == ("3 images are the same",)
    assert asked == [1]
