"""`input: {size, scale}`: the image for which costs are stated, where it is not a square of `resolution`."""

import pytest

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import dump, load, parse
from archspec.model.build import build

BODY = """stem: {type: hr_stem, width: 4}
stages:
  - {block: HR, width: 6}
  - {block: HR, width: 8, downsample: irds_a}
"""


def written(text):
    return parse(parse_document(f"{BODY}{text}\n", "spec.yaml"))


def test_costs_are_those_of_the_image_times_its_scale():
    plain, spec = written("resolution: 64"), written("resolution: 64\ninput: {size: [80, 60], scale: 2}")
    assert measure(spec) == measure(spec, (160, 120))
    assert measure(spec).resolution == (160, 120)
    assert measure(spec).macs == measure(plain, (160, 120)).macs
    assert measure(spec, 64).macs == measure(plain).macs
    assert measure(written("input: {size: [64, 64]}")).resolution == (64, 64)
    assert build(spec).feature_info == build(plain).feature_info


def test_a_square_input_takes_the_variant_of_its_side():
    text = "resolution: 64\nvariants: {96: {'stages[1].resize': 5}}\ninput: {size: [48, 48], scale: 2}"
    assert measure(written(text)).stages[-1].shape == (8, 5, 5)
    assert build(written(text)).feature_info[-1]["num_chs"] == 8


@pytest.mark.parametrize("form", ["rows", "columns", "canonical"])
def test_every_form_keeps_it(form):
    spec = written("input: {size: [80, 60], scale: 2}")
    again = parse(parse_document(dump(spec, form), "again"))
    assert again == spec
    assert again.digest == spec.digest != written("").digest


def test_specs_without_it_keep_their_digests():
    assert "input" not in load("hiri-vit-s").canonical()
    assert load("tiny").digest == "94676b2626c710a7"


def test_the_command_states_it(run, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(f"{BODY}input: {{size: [80, 60], scale: 2}}\n")
    _, out, _ = run("flops", path)
    assert "160×120" in out
    _, out, _ = run("validate", path)
    assert "MACs at 160x120" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input: {size: [80]}", "spec.yaml:5: input.size"),
        ("input: {size: [80, 0]}", "spec.yaml:5: input.size"),
        ("input: {size: [9000, 60], scale: 2}", "spec.yaml:5: input.scale: makes a side of 18000: at most 16384"),
        ("input: {sise: [80, 60]}", "spec.yaml:5: input.sise"),
        ("input: 448", "spec.yaml:5: input"),
    ],
)
def test_what_is_no_image_is_one_line_with_its_place(text, message):
    with pytest.raises(SpecError) as caught:
        written(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
