"""Other backbones behind HIRI-ViT's first stages: Table IX, and what is refused."""

import pytest

from archspec.cost.measure import measure
from archspec.edits.hiri import to_hiri
from archspec.errors import SpecError
from archspec.loader import load
from archspec.spec.schema import ArchSpec
from reports.records.published import published


# To the reconstruction's digits; the printed ones differ by up to 3 % in MACs.
@pytest.mark.parametrize(
    ("name", "row", "params", "gmacs"),
    [
        ("pvtv2-b2", "PVTv2-B2 + HIRI-ViT", 25.44, 4.50),
        ("davit-t", "DaViT-Tiny + HIRI-ViT", 28.44, 5.00),
        ("hrnet-w18", "HRNet-W18 + HIRI-ViT", 21.35, 4.67),
    ],
)
def test_table_ix(name, row, params, gmacs):
    after = to_hiri(load(name))
    cost = measure(after)
    assert round(cost.params / 1e6, 2) == params
    assert round(cost.macs / 1e9, 2) == gmacs
    table = published("table9_other_backbones")
    (line,) = table[table["network"] == row].to_dict("records")
    assert line["resolution"] == after.resolution == 448
    assert cost.params / 1e6 == pytest.approx(line["params_m"], abs=0.1)
    assert cost.macs / 1e9 == pytest.approx(line["gmacs"], rel=0.03)


def test_the_rest_of_the_backbone_sees_the_maps_that_it_saw():
    before = load("pvtv2-b2")
    after = to_hiri(before)
    assert after.stages == before.stages
    assert after.description == "pvtv2-b2 behind HIRI-ViT's first stages"  # not the 224 px of the original
    assert [stage.shape for stage in measure(after).stages] == [stage.shape for stage in measure(before).stages]


def test_a_spec_that_has_no_embedding_of_stride_4_is_refused():
    with pytest.raises(SpecError, match="stem: must reduce the image 4 times, not 8 times"):
        to_hiri(to_hiri(load("pvtv2-b2")))


def test_the_image_of_a_detector_is_twice_as_large_too():
    spec = ArchSpec.model_validate({**load("pvtv2-b0").canonical(), "input": {"size": [80, 60], "scale": 2}})
    after = to_hiri(spec)
    assert (after.resolution, after.image) == (2 * spec.resolution, (320, 240))
    assert [stage.shape for stage in measure(after).stages] == [stage.shape for stage in measure(spec).stages]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 16384}, "resolution: must be at most 16384, not 32768"),
        ({"input": {"size": [800, 608], "scale": 16}}, "input.scale: must be at most 16, not 32"),
    ],
)
def test_images_that_would_be_too_large_are_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        to_hiri(ArchSpec.model_validate({**load("pvtv2-b0").canonical(), **changes}))


def test_changes_at_resolutions_are_refused():
    with pytest.raises(SpecError, match="variants: are for images of 224, 384, but the image will be twice as large"):
        to_hiri(load("hiri-vit-s"))


def test_the_command_prints_a_spec(run, tmp_path):
    code, out, err = run("hiri", "pvtv2-b2")
    assert (code, err) == (0, "")
    (tmp_path / "made.yaml").write_text(out)
    assert load(tmp_path / "made.yaml").digest == to_hiri(load("pvtv2-b2")).digest
