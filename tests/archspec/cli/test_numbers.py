"""Numbers on the command line: sides as people write them, and what no number can be, in a line each."""

import pytest

MANY = "9" * 5000


@pytest.mark.parametrize("text", ["512x512", "512X512", "512×512"])
def test_sides_with_a_cross_of_any_kind(text, run):
    code, out, err = run("flops", "tiny", "--res", text, "--json")
    assert (code, err) == (0, "")
    assert '"resolution": [\n    512,\n    512\n  ]' in out


@pytest.mark.parametrize("text", ["512,512", "512*512", "512 512", "512 x 512", "512;512", "512by512"])
def test_two_sides_written_otherwise_are_told_how(text, run):
    code, out, err = run("flops", "tiny", "--res", text)
    told = f"must be one value, HEIGHTxWIDTH: 512x512, not {text!r}; two sizes are --res twice"
    assert (code, out, err) == (2, "", f"archspec: --res: {told}\n")


@pytest.mark.parametrize(
    "command", [("flops", "tiny"), ("lint", "tiny"), ("space", "five_stage_tiny"), ("build", "tiny")]
)
def test_two_sides_as_two_words_are_told_how(command, run):
    code, out, err = run(*command, "--res", "64", "96")
    told = "must be one value, HEIGHTxWIDTH: 64x96, not '64 96'; two sizes are --res twice"
    assert (code, out, err) == (2, "", f"archspec: --res: {told}\n")


@pytest.mark.parametrize(
    "command", [("flops", "tiny"), ("lint", "tiny"), ("space", "five_stage_tiny"), ("build", "tiny")]
)
@pytest.mark.parametrize("text", [MANY, "0", "-4", "1e3", "448.0", "nan", "16385", "64x64x3", ""])
def test_what_is_no_side_is_one_line(command, text, run):
    code, out, err = run(*command, "--res", text)
    assert (code, out) == (2, "")
    assert err.startswith("archspec: --res: must be pixels from 1 to 16384, such as 448 or 1600x1200, not ")
    assert len(err) < 200
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ("build", "tiny", "--seed", MANY),
        ("build", "tiny", "--seed", str(2**70)),
        ("build", "tiny", "--seed", "-1"),
        ("space", "five_stage_tiny", "--seed", str(2**70)),
        ("space", "five_stage_tiny", "--sample", MANY, "--out", "x"),
        ("edf", "runs/none", "--seed", str(2**70)),
        ("search", "demo", "--trials", MANY),
        ("search", "demo", "--workers", "999999999"),
        ("search", "demo", "--timeout", "nan"),
        ("ablate", "hiri_table8", "--workers", "999999999"),
        ("ablate", "hiri_table8", "--seeds", MANY),
        ("infer", "hiri-vit", "--top", MANY),
        ("power", "--sd", "1e999", "--effect", "1"),
        ("power", "--sd", "1", "--effect", "nan"),
        ("power", "--sd", "1", "--seeds", MANY),
        ("power", "--sd", "1", "--effect", "1", "--level", "1e-320"),
        ("flops", "tiny", "--set", f"stages[0].width={MANY}"),
        ("flops", "tiny", "--set", "stages[0].expansion=1e999"),
        ("flops", "tiny", "--set", "drop_path=.nan"),
        ("flops", "tiny", "--set", f"stages[{MANY}].width=1"),
        ("fix", "tiny", "--budget", f"<= {MANY}"),
        ("space", "five_stage_tiny", "--budget", "<= 1e999"),
        ("flops", f"HR{MANY}x32"),
    ],
    ids=lambda command: " ".join(command)[:50],
)
def test_a_number_that_cannot_be_is_bad_input(command, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*command)
    assert (code, out) == (2, "")
    assert len(err) < 800
