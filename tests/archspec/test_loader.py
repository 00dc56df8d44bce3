"""What `load` takes: files, standard input, presets, short codes."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import SpecError
from archspec.loader import dump, load, presets
from archspec.spec.short_code import encode

CODE = "HR2x32-HR2x64-CFFN2x128e6-T9x320h5e5-T4x512h8e5"


def refusal(source) -> str:
    with pytest.raises(SpecError) as caught:
        load(source)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_the_shipped_presets():
    assert {"hiri-vit-b", "hiri-vit-l", "hiri-vit-s", "m-vit-s", "tiny", "swin-t", "pvtv2-b5"} <= {*presets()}
    for name in presets():
        assert load(name).name == name


def test_a_file_by_text_or_path_and_without_an_ending(tmp_path, monkeypatch):
    spec = load("tiny")
    for name in ("spec.yaml", "spec.yml", "plain"):
        (tmp_path / name).write_text(dump(spec))
        assert load(str(tmp_path / name)) == spec
        assert load(tmp_path / name) == spec
    (tmp_path / "spec.json").write_text(json.dumps(spec.canonical()))
    assert load(tmp_path / "spec.json") == spec
    monkeypatch.chdir(tmp_path)
    assert load("plain") == spec


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(dump(load("tiny")).encode())))
    assert load("-") == load("tiny")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"stem: 3\nstages: []\n")))
    assert refusal("-").startswith("<stdin>:1: stem: must name a stem")


def test_a_short_code_is_hiri_vit_s_with_a_plain_head():
    spec, preset = load(CODE), load("hiri-vit-s")
    assert spec.stages == preset.stages
    assert spec.stem == preset.stem
    assert (spec.head.type, spec.head.hidden, spec.resolution) == ("classifier", None, 224)
    assert load(CODE.lower()).digest == spec.digest


def test_codes_and_labels_agree():
    code = "HR2x32e4-HR2x64e4-CFFN2x128e6-T9x320h5e5-T4x512h8e5-classifier:hidden=2560@448"
    assert encode(load("hiri-vit-s")) == code
    assert load(encode(load("hiri-vit-s"))).stages == load("hiri-vit-s").stages
    assert encode(load("HR1x8e0.5-T2x16h4")) == "HR1x8e0.5-T2x16h4e4"


def test_the_label_of_a_mixed_stage(tmp_path):
    path = tmp_path / "mixed.yaml"
    path.write_text("stem: hr_stem\nstages: [{block: [HR, HR, {type: T, heads: 2}, HR], width: 8, expansion: 2}]\n")
    assert encode(load(path)) == "hr_stem-HR2x8e2+T1x8h2e2+HR1x8e2-null"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("tyni", "'tyni' is no file, preset (did you mean tiny?) or short code such as HR2x32-T2x64h2"),
        ("hiri-vit-m", "'hiri-vit-m' is no file, preset (did you mean hiri-vit-"),
        ("tiny.yaml", "tiny.yaml: no such file; the preset is called tiny, without folder and ending"),
        ("none.yaml", "none.yaml: no such file"),
        (".", ".: is a folder, not a file"),
        ("HR2x32-", "HR2x32-: stages[1]: stage '' must read like T9x320h5e4, with a block of CFFN, "),
        ("XX2x32-HR2x32", "XX2x32-HR2x32: stages[0]: stage 'XX2x32' must read like"),
        ("HR2x32h2", "HR2x32h2: stages[0].heads: HR has no option 'heads'"),
        ("T1x30h7", "T1x30h7: stages[0]: width 30 must be divisible by heads 7"),
        (
            "HR0x32",
            "HR0x32: stages[0].depth: a stage without blocks (depth 0) needs a downsample",
        ),
        ("-".join(["HR1x8"] * 8), "stages[7].downsample: at resolution 224, layer mix.branch.expand: stride 2 empties"),
        ("CFFN512x2048", "CFFN512x2048: stages[0].width: the model would have 1.7e+10 parameters, more than 1e+09"),
        ("HR2x" + "9" * 5000, "a short code has at most 2,000 characters, not 5,004"),
        ("x" * 5000, "'xxxx"),
        ("a\0b", "'a\\x00b' is no file"),
        ("", "'' is no file"),
    ],
)
def test_what_is_no_spec_is_named(source, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert message in refusal(source)
    assert len(refusal(source)) < 250


near_codes = st.from_regex(r"([A-Z]{1,4}[0-9]{1,3}x[0-9]{1,3}(h[0-9])?(e[0-9])?-?){1,5}", fullmatch=True)


@given(st.text(max_size=40).filter(lambda text: text != "-") | near_codes)
def test_any_text_loads_or_is_refused_in_one_line(text):
    try:
        spec = load(text)
    except SpecError:
        assert refusal(text)
    else:
        assert load(encode(spec)).stages == spec.stages


def test_lines_of_presets_that_are_edited(tmp_path):
    path = tmp_path / "mine.yaml"
    text = (Path(__file__).parents[2] / "archspec" / "presets" / "tiny.yaml").read_text()
    path.write_text(text.replace("heads: 3", "heads: 5"))
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "heads: 3" in line)
    assert refusal(path) == f"{path}:{line}: stages[4]: width 96 must be divisible by heads 5"
