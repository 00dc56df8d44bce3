"""The command line: what it prints, its exit codes, and what it does not import."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from archspec.cost.measure import measure
from archspec.loader import load
from archspec.model.weights import restore

SPACE = "resolution: 64\nstem: hr_stem\nstages:\n  - {block: HR, width: {choice: [8, 16]}}\nhead: classifier\n"


def test_flops_prints_the_reconstruction_of_hiri_vit_s(run):
    code, out, _ = run("flops", "hiri-vit-s", "--res", "224", "--res", "384", "--res", "448", "--res", "768")
    assert code == 0
    rows = [line.replace("│", " ").split() for line in out.splitlines() if "×" in line and "│" in line]
    assert [(row[0], row[1], row[5]) for row in rows] == [
        ("224×224", "34.729", "4.529"),
        ("384×384", "34.729", "4.820"),
        ("448×448", "34.729", "5.040"),
        ("768×768", "34.729", "16.123"),
    ]


def test_flops_defaults_to_the_spec_in_this_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("flops")
    assert (code, err) == (
        2,
        "archspec: spec.yaml: no such file; name a spec, a preset (see `archspec presets`) or a short code\n",
    )
    Path("spec.yaml").write_text("resolution: 32\nstem: hr_stem\nstages: [{block: HR, width: 8}]\n")
    code, out, _ = run("flops")
    assert code == 0
    assert "32×32" in out


def test_flops_json_and_csv_hold_exact_integers(run):
    cost = measure(load("tiny"), 96)
    _, out, _ = run("flops", "tiny", "--res", "96", "--json", "--per-layer")
    record = json.loads(out)
    assert (record["params"], record["macs"], record["saved_bytes"]) == (cost.params, cost.macs, cost.saved_bytes)
    assert sum(layer["macs"] for layer in record["layers"]) == sum(record["operators"].values()) == cost.macs
    assert sum(part["params"] for part in record["parts"]) == cost.params
    _, out, _ = run("flops", "tiny", "--res", "96", "--res", "64x128", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["resolution"], int(row["macs"])) for row in rows] == [
        ("96x96", cost.macs),
        ("64x128", measure(load("tiny"), (64, 128)).macs),
    ]


def test_flops_verify_states_fvcores_count(run):
    code, _, err = run("flops", "tiny", "--verify")
    assert code == 0
    assert f"fvcore counts {measure(load('tiny')).macs:,} MACs on the built model, equal" in err


@pytest.mark.parametrize("value", ["0", "-3", "abc", "448x", "1x2x3", "99999999", "٣"])
def test_a_malformed_resolution_is_one_line(run, value):
    code, out, err = run("flops", "tiny", "--res", value)
    assert (code, out) == (2, "")
    assert err == f"archspec: --res: must be pixels from 1 to 16384, such as 448 or 1600x1200, not {value!r}\n"


def test_a_resolution_that_empties_a_map_names_the_layer(run):
    code, _, err = run("flops", "HR1x8-T1x16", "--res", "2")
    assert code in (0, 2)
    assert err.count("\n") <= 1


def test_build_writes_weights_and_spec_that_load_to_the_same_logits(run, tmp_path):
    import torch

    code, out, _ = run("build", "tiny", "--out", str(tmp_path / "new" / "model.safetensors"), "--seed", "3")
    assert code == 0
    assert "built: 373,994 parameters; one image of 64×64 gives 10" in out
    first = restore(tmp_path / "new" / "model")
    run("build", "tiny", "--out", str(tmp_path / "again"), "--seed", "3")
    second = restore(tmp_path / "again")
    image = torch.randn(2, 3, 64, 64)
    assert first.spec.digest == load("tiny").digest
    assert torch.equal(first(image), second(image))


def test_damaged_or_foreign_weights_are_reported(run, tmp_path):
    from archspec.errors import RunError

    run("build", "tiny", "--out", str(tmp_path / "a"))
    text = (tmp_path / "a.yaml").read_text()
    (tmp_path / "a.yaml").write_text(text.replace("classes: 10", "classes: 11"))
    with pytest.raises(RunError, match=r"a\.safetensors: holds weights of digest"):
        restore(tmp_path / "a")
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:1000])
    with pytest.raises(RunError, match=r"a\.safetensors: cannot be loaded"):
        restore(tmp_path / "a")


@pytest.mark.parametrize(
    "arguments", [["build", "tiny", "--out", "{}/x"], ["search", "five_stage_tiny", "--runs", "{}"]]
)
def test_a_place_that_cannot_be_written_is_one_line(run, tmp_path, arguments):
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder is needed")
    code, _, err = run(*(argument.format(blocked) for argument in arguments))
    assert code == 2
    assert "cannot be written" in err
    assert err.count("\n") == 1


def test_show_prints_both_forms_with_one_digest(run):
    _, out, _ = run("show", "hiri-vit-s")
    digest = load("hiri-vit-s").digest
    assert f"# digest {digest}" in out
    rows, columns = out.split("\n---\n")
    for text in (rows, columns):
        path = Path("shown.yaml")
        assert load_text(text).digest == digest, path
    assert run("show", "hiri-vit-s", "--form", "tabular")[0] == 2


def load_text(text: str):
    from archspec.documents.reader import parse_document
    from archspec.loader import parse

    return parse(parse_document(text, "shown.yaml"))


def test_validate_speaks_of_every_file_and_fails_if_one_does(run, tmp_path):
    (tmp_path / "spec.yaml").write_text("stem: hr_stem\nstages: [{block: HR, width: 8}]\n")
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "study.yaml").write_text("space: five_stage_tiny\ntrials: 7\n")
    (tmp_path / "bad.yaml").write_text("stem: hr_stem\nstages: [{block: HR, width: 0}]\n")
    good = [str(tmp_path / name) for name in ("spec.yaml", "space.yaml", "study.yaml")]
    code, out, err = run("validate", *good)
    assert (code, err) == (0, "")
    assert "a spec: " in out
    assert "a space of 2 layouts" in out
    assert "a study of 7 trials" in out
    code, out, err = run("validate", *good, str(tmp_path / "bad.yaml"))
    assert code == 2
    assert out.count("\n") == 3
    assert err == f"{tmp_path}/bad.yaml:2: stages[0].width: must be greater than 0, not 0\n"


def test_presets_lists_specs_spaces_studies_and_plans_with_their_status(run):
    _, out, _ = run("presets")
    specs = ("hiri-vit-s", "hiri-vit-b", "hiri-vit-l", "tiny")
    for name in (*specs, "five_stage", "five_stage_tiny", "scenes", "hiri_table8"):
        assert f" {name} " in out
    assert "reconstruction" in out


def test_schema_is_json(run):
    code, out, _ = run("schema")
    assert code == 0
    assert json.loads(out)["$schema"].startswith("https://json-schema.org/")


def test_a_report_on_nothing_is_one_line(run, tmp_path):
    code, out, err = run("report", str(tmp_path / "nothing"))
    assert code == 2
    assert out == ""
    assert err.startswith("archspec: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["flops", "hiri-vit-s"],
        ["flops", "hiri-vit-s", "--json", "--per-layer"],
        ["flops", "tiny", "--symbolic"],
        ["lint", "tiny"],
        ["fix", "tiny", "--budget", "<= 5M"],
        ["space", "five_stage_grid", "--budget", "<= 2M"],
        ["show", "hiri-vit-s"],
        ["validate", "search/study/studies/demo.yaml"],
        ["presets"],
        ["schema"],
        ["report", "no-such-run"],
        ["search", "no-such-study"],
    ],
    ids=" ".join,
)
def test_commands_that_do_not_compute_never_import_torch(arguments):
    code = (
        "import sys; sys.argv = ['archspec', *sys.argv[1:]]\n"
        "from archspec.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "loaded = {'torch', 'fvcore'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
