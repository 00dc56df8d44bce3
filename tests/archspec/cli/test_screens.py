"""What the commands print at 60, 80, 100 and 120 columns and into a pipe: every number whole, no line wider."""

import re

import pytest
from rich.cells import cell_len

from archspec.cli.app import command_names, make_app
from archspec.loader import load

SPACE_BUDGET = ("--budget", "<= 3M", "--budget", "params 0.1M..0.2M")
COMMANDS = {
    "flops": ("flops", "hiri-vit-s"),
    "flops at two sizes": ("flops", "hiri-vit-s", "--res", "224", "--res", "448", "--as", "torch"),
    "layers": ("flops", "tiny", "--per-layer"),
    "formula": ("flops", "swin-t", "--symbolic"),
    "space": ("space", "five_stage_tiny", *SPACE_BUDGET),
    "front": ("space", "five_stage_grid", "--front"),
    "ablate": ("ablate", "hiri_table7", "--dry-run"),
    "lint": ("lint", "HR1x8-T1x16h1", "--res", "33"),
    "show": ("show", "davit-t"),
    "presets": ("presets",),
    "power": ("power", "--sd", "0.3", "--effect", "0.5", "--rows", "4"),
    "infer": ("infer", "hiri-vit"),
    "paper": ("paper", "hiri-vit"),
    "fix": ("fix", "tiny", "--budget", "<= 3M"),
}
WIDTHS = (60, 80, 100, 120)
CUT = re.compile(r"\d…|…\d|…\s*[kMG%]\b")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_is_wider_and_no_number_is_cut(name, width, run_at):
    lines = run_at(width, *COMMANDS[name])
    assert [line for line in lines if cell_len(line) > width] == []
    assert [line for line in lines if CUT.search(line)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_has_every_column_whole(name, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    code, out, err = run(*COMMANDS[name])
    assert (code, "…" in out, "left out" in out) == (0, False, False), err


def test_what_is_left_out_is_said(run_at):
    text = " ".join(" ".join(run_at(60, "flops", "hiri-vit-s")).split())
    assert (
        "3 columns left out at 60 characters: conv+linear+attn+LN, activations, kept for backward; --json has all"
        in text
    )
    assert "left out" not in " ".join(run_at(160, "flops", "hiri-vit-s"))


@pytest.mark.parametrize("width", [60, 100])
def test_every_row_keeps_its_number_and_unit_at_any_width(width, run, run_at):
    _, out, _ = run("flops", "hiri-vit-s")
    macs = re.findall(r"stages\.\d │[^│]*│[^│]*│ +([\d.]+ [kMG]) │ +([\d.]+ [kMG]) │", out)
    assert len(macs) == 5
    shown = "\n".join(run_at(width, "flops", "hiri-vit-s"))
    assert all(f" {number} │" in shown for pair in macs for number in pair)


@pytest.mark.parametrize("width", WIDTHS)
def test_layers_keep_whole_counts(width, run_at):
    shown = "\n".join(run_at(width, "flops", "tiny", "--per-layer"))
    for number in ("442,368", "589,824", "5,346,464", "373,994"):
        assert f" {number} │" in shown


def test_what_show_prints_on_a_terminal_loads_again(run_at, tmp_path):
    shown = "\n".join(run_at(60, "show", "hiri-vit-s", "--form", "rows"))
    path = tmp_path / "shown.yaml"
    path.write_text(shown, encoding="utf-8")
    assert load(path).digest == load("hiri-vit-s").digest


def test_a_name_is_text_wherever_it_is_printed(run_at, tmp_path):
    path = tmp_path / "hostile.yaml"
    path.write_text('name: "[/x] [link=file:///]"\nstem: hr_stem\nstages: [{block: HR, depth: 1, width: 32}]\n')
    for arguments in (("flops", path), ("flops", path, "--per-layer"), ("flops", path, "--res", "64", "--res", "96")):
        assert "[/x] [link=file:///]" in " ".join("\n".join(run_at(80, *arguments)).split())


@pytest.mark.parametrize("name", command_names())
@pytest.mark.parametrize("width", [60, 80])
def test_help_fits_and_ends_with_an_example(name, width, run_at):
    lines = run_at(width, name, "-h")
    assert max(map(cell_len, lines)) <= width
    assert f"Example: archspec {name}" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("name", command_names())
def test_examples_have_options_that_exist(name):
    from importlib import import_module

    import typer

    example = import_module(f"archspec.cli.commands.{name}").EXAMPLE
    command = typer.main.get_command(make_app(command_names())).commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", example)) <= known
