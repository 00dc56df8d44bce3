"""What looks like a short code is one: it loads to the same layout and costs, or it is a label that says so."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.cost.measure import measure
from archspec.errors import SpecError
from archspec.loader import load, presets
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import LABEL, encode, is_code
from archspec.testing.random_specs import random_spec


def check(spec: ArchSpec) -> bool:
    """Whether `spec` has a code; that it says the spec at its own image, or that its label is refused."""
    code = encode(spec)
    if LABEL.fullmatch(code):
        assert not is_code(code)
        with pytest.raises(SpecError, match="is the label of a layout that no short code says"):
            load(code)
        return False
    assert not set(code) & set(" '\"|&;()<>$`\\!*?[]{}~#/")  # a shell hands it over as it is
    loaded = load(code)
    assert measure(loaded).total.numbers == measure(spec).total.numbers
    if not spec.variants:
        assert loaded.digest == spec.digest
    return True


@pytest.mark.parametrize("name", presets())
def test_every_preset_has_a_code_that_costs_the_same_or_a_label(name: str) -> None:
    assert check(load(name)) == (load(name).topology == "pyramid")


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**9))
def test_every_pyramid_has_a_code_that_costs_the_same(seed: int) -> None:
    spec = random_spec(random.Random(seed))
    assert check(spec) == (spec.topology == "pyramid")


@pytest.mark.parametrize(
    ("code", "path", "value"),
    [
        ("HR1x48e4+CFFN1x48e4", "stages[0].blocks[1].type", "CFFN"),
        ("HR2x32-T2x64h2-classifier:classes=10@64", "head.classes", 10),
        ("HR2x32-T2x64h2@64", "resolution", 64),
        ("HR2x32@96x128", "input.size[1]", 128),
        ("HR2x32@96x128:scale=2:resolution=64", "input.scale", 2),
        ("conv_stem:width=8-HR2x32", "stem.width", 8),
        ("hr_stem:width=8-HR2x32", "stem.width", 8),
        ("HR2x32-irds_b:expansion=3-CFFN2x64", "stages[1].downsample.expansion", 3),
        ("HR2x32-null-CFFN2x32", "stages[1].downsample", None),
        ("HR2x32-null", "head", None),
        ("T1x32h2e4:sr=2+LN1x32:repeat=3:resize=14", "stages[0].resize", 14),
        ("ConvNeXt1x32e4:layer_scale=%1e%2D05", "stages[0].blocks[0].layer_scale", 1e-05),
        ("davit_spatial1x96h3e4", "stages[0].blocks[0].heads", 3),  # begins as a preset does
    ],
)
def test_what_a_code_says(code: str, path: str, value: object) -> None:
    from archspec.documents.paths import pick

    spec = load(code)
    assert pick(spec.canonical(), path) == value
    assert load(encode(spec)).digest == spec.digest


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("HR1x48e4+CFFN1x64e4", "stages[0]: stage 'HR1x48e4+CFFN1x64e4' must have one width, not 48 and 64"),
        ("bottleneck1x256-basic4x18|basic4x36", "is the label of a layout with parallel branches"),
        ("HR2x32@", "resolution: image '' must read like @448 or @800x1216"),
        ("HR2x32@0", "resolution: must be greater than 0, not 0"),
        ("HR2x32@64:color=1", "resolution: 'color' behind the image must be resolution, scale, channels, drop_path"),
        ("HR2x32:norm=bn:norm=bn", "stages[0]: option 'norm=bn' must read like :classes=10, once"),
        ("HR2x32-classifier:clases=10", "head.clases: classifier has no option 'clases' (did you mean classes?)"),
        ("HR2x32-irds_a", "stages[1]: stage 'irds_a' must read like T9x320h5e4"),
        ("HR2x32:norm=%7B", "stages[0]: option 'norm=%7B' holds no JSON behind its %"),
        ("HR1x32+T1x32:repeat=0", "repeat must be a whole number from 1 on, not 0"),
        ("HR1x32+T1x32:repeat=" + "9" * 300, "has more than 1,024 blocks"),
        ("HR2x32@448:scale=2", "scale goes with an image of height and width: @800x1216:scale=2"),
    ],
)
def test_what_no_code_says_is_refused_with_its_place(code: str, rule: str) -> None:
    with pytest.raises(SpecError) as refused:
        load(code)
    assert rule in str(refused.value)
