"""The lines at the start: data, space, budget and recipe, short, and true of what is trained."""

import pytest
import yaml

from search.inputs import Input
from search.monitor.header import describe_search, fact_lines, search_parts, show_count
from search.study.reading import load_study


def lines(tmp_path, inputs=(), **study):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({"space": "five_stage_tiny", **study}))
    config = load_study(str(path), tmp_path, {})
    space = config.open_space()
    found = fact_lines(describe_search(config, space, inputs))
    assert all(len(line) <= 120 for line in found)
    return found, sum(part.trainings for part in search_parts(config, space))


def test_a_study_states_its_data_budget_and_recipe(tmp_path):
    data = {"type": "cluttered_digits", "train": 2000}
    found, trainings = lines(
        tmp_path,
        evaluator={"type": "train", "data": data, "recipe": {"epochs": 3}},
        trials=24,
        baseline=18,
        sampler={"type": "tpe", "startup": 10},
        final={"seeds": 3, "members": 5, "anchors": ["tiny"]},
    )
    assert found == [
        "data: cluttered_digits, 10 classes, 64 px; images: 2,000 train, 600 validation, 2,000 test",
        "space: five_stage_tiny, 1.2e9 layouts; maximise accuracy, minimise macs",
        "budget: 24 trials, random baseline of 18, up to 5 finalists and 1 anchor x 3 seeds: at most 50 trainings",
        "recipe: 3 epochs, batches of 48, adamw; device auto",
    ]
    assert trainings == 24 + 8 + 18


def test_a_bare_space_says_what_it_will_do_and_how_to_do_less(tmp_path):
    found, _ = lines(tmp_path)
    text = "budget: 100 trials (the default; --trials N for fewer), up to 12 finalists x 3 seeds: at most 136 trainings"
    assert text in found


def test_a_small_space_bounds_what_is_trained(tmp_path):
    found, trainings = lines(tmp_path, space="five_stage_grid", trials=1000, baseline=300, final={"seeds": 0})
    assert "space: five_stage_grid, 216 layouts; maximise accuracy, minimise macs" in found
    assert trainings == 216 + 206


def test_counts_of_a_folder_are_those_that_were_read(tmp_path):
    one = Input("data", "images in photos", "file", {}, {"train": 800, "validation": 100, "test": 100})
    data = {"type": "imagefolder", "path": "photos", "num_classes": 10, "resolution": 64}
    found, _ = lines(tmp_path, [one], evaluator={"type": "train", "data": data})
    assert found[0] == "data: imagefolder, 10 classes, 64 px; images: 800 train, 100 validation, 100 test"


@pytest.mark.parametrize(("count", "text"), [(216, "216"), (999_999, "999,999"), (7 * 10**400, "7.0e400")])
def test_any_number_of_layouts_is_short(count, text):
    assert show_count(count) == text
