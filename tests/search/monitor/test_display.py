"""What is shown of a run: every training that is under way by itself, lines that no text can disturb, whole numbers."""

import io
import re
import time

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import create_trial
from rich.console import Console

from search.monitor import display
from search.monitor.display import ProgressDisplay, device_lines, front_table, hint
from search.run.journal import open_study

FIRST, SECOND = (("0" * 16, f"final-seed{seed}") for seed in (0, 1))


def test_trainings_of_one_layout_with_two_seeds_are_shown_side_by_side():
    screen = ProgressDisplay("toy", quiet=True)
    screen.show_started(FIRST, "seed 0")
    screen.show_started(SECOND, "seed 1")
    screen.show_progress(FIRST, "epoch 1")
    screen.show_progress(SECOND, "epoch 2", 300)
    assert [one.show() for one in screen.running.values()] == ["seed 0: epoch 1", "seed 1: epoch 2, about 5 min left"]
    screen.show_answer("done", (1, 2), FIRST)
    screen.show_left(7000)
    under_way = "under way: seed 1: epoch 2, about 5 min left"
    assert screen.describe_work() == f"[1/2] after {screen.elapsed}, about 1 h 50 min left in all, {under_way}"


def test_without_a_terminal_a_line_comes_at_least_so_often(monkeypatch, capsys):
    monkeypatch.setattr(display, "BEAT_SECONDS", 0.2)
    with ProgressDisplay("toy") as screen:
        screen.show_phase("search", (3, 8))
        screen.show_started(FIRST, "trial 3")
        screen.show_progress(FIRST, "epoch 1")
        time.sleep(1.2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("[3/8] after 0:00:0") for line in lines)
    assert all(line.endswith("under way: trial 3: epoch 1") for line in lines)


def test_a_quiet_display_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr(display, "BEAT_SECONDS", 0.1)
    with ProgressDisplay("toy", quiet=True) as screen:
        screen.say("something")
        screen.show_started(FIRST, "trial 0")
        screen.show_progress(FIRST, "epoch 1")
        time.sleep(0.5)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("text", ["[/x]", "[link=http://x]y[/link]", "\x1b[31mred", "two\nlines", "[bold]"])
def test_text_of_a_user_is_text(text, capsys):
    with ProgressDisplay(text) as screen:
        screen.say(text)
        screen.show_phase(text, (0, 1))
    shown = capsys.readouterr().err
    assert shown == {"\x1b[31mred": "\\x1b[31mred\n", "two\nlines": "two\\nlines\n"}.get(text, f"{text}\n")


def make_front(code: str = "CFFN1x12e4-CFFN2x32e2-T1x32h2e2-T1x48h2e2-CFFN1x64e2"):
    study = open_study(InMemoryStorage(), "toy", ["accuracy", "macs"], {})  # pyright: ignore
    for index in range(24):
        attrs = {"digest": f"{index // 2:016x}", "code": code}
        study.add_trial(create_trial(values=[0.5 + index // 2 / 100, 123_456_789 + index // 2], user_attrs=attrs))
    return study


@pytest.mark.parametrize("width", [24, 40, 60, 80, 100, 120, None])
def test_the_front_shows_every_layout_once_and_every_number_whole(width):
    out = io.StringIO()
    table = front_table(make_front(), ("accuracy", "macs"))
    Console(file=out, width=width, force_terminal=width is not None, color_system=None).print(table, crop=False)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    for index in range(12):
        assert shown.count(f"{123_456_789 + index:,}") == 1
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= (width or 118)
    assert shown.count("T1x32h2e2") == (0 if width == 40 else 12)
    assert ("1 column left out at 40 characters: layout; the report has all" in " ".join(shown.split())) is (
        width == 40
    )


def test_a_code_of_a_layout_is_no_markup():
    out = io.StringIO()
    Console(file=out, width=200).print(front_table(make_front("[/x]"), ("[red]", "macs")))
    assert "[/x]" in out.getvalue()
    assert "[red]" in out.getvalue()


def test_hints_are_commands_of_a_shell(tmp_path):
    assert hint("report", tmp_path / "my run", "--retry-failed") == (
        f"next: archspec report '{tmp_path}/my run' --retry-failed"
    )


@pytest.mark.parametrize(
    ("models", "line"),
    [
        ((None, None), ""),
        (("NVIDIA H200", "NVIDIA H200"), "latency_ms was measured on NVIDIA H200"),
        (
            ("NVIDIA H200", "AMD EPYC"),
            "latency_ms was measured on 2 models of devices, NVIDIA H200 (1 member) and AMD EPYC (1 member): ",
        ),
    ],
)
def test_the_devices_of_the_front_are_named(models, line):
    study = optuna.create_study(directions=["maximize", "minimize"])
    for index, model in enumerate(models):
        attributes = {"digest": str(index)} | ({"devices": {"latency_ms": model}} if model else {})
        study.add_trial(create_trial(values=[0.5 + index / 10, 1.0 + index], user_attrs=attributes))
    found = "\n".join(device_lines(study, ["accuracy", "latency_ms"]))
    assert found.startswith(line)
    assert bool(found) == bool(line)
