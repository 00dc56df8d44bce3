"""Broken files: each gets exactly one line, with the true line and the field as it was written."""

from pathlib import Path

import pytest
import yaml

from archspec.documents.wording import either
from archspec.errors import SpecError
from archspec.loader import load
from archspec.spec.diagnosis import KINDS
from blocks.catalog import parts, tag

FOLDER = Path(__file__).parents[2] / "broken"
EXPECTED = yaml.safe_load((FOLDER / "expected.yaml").read_text())


def expected(name):
    """The message, with the tags of whatever parts are installed."""
    message = EXPECTED[name]
    for noun, kinds in KINDS.items():
        tags = either(tag(part) for part in parts() if issubclass(part, kinds))
        message = message.replace(f"{{{noun}s}}", tags)
    return message


def test_every_broken_file_has_its_message_and_every_message_its_file():
    files = {path.stem for path in FOLDER.glob("*.yaml")} - {"expected"}
    assert files == set(EXPECTED)
    assert len(files) >= 60


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_broken_file_gets_one_line(name, monkeypatch):
    monkeypatch.chdir(FOLDER)
    with pytest.raises(SpecError) as caught:
        load(f"{name}.yaml")
    assert str(caught.value) == f"{name}.yaml:{expected(name)}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_messages_are_short_lines_that_say_nothing_of_our_insides(name):
    message = EXPECTED[name]
    assert len(message.splitlines()) == 1
    assert len(message) < 200
    assert message[0].isdigit()
    for word in ("pydantic", "validation error", "Traceback", "None", "True", "False", "Input should", "<class"):
        assert word not in message


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_line_is_one_of_the_file_and_holds_the_field(name):
    number, _, rest = EXPECTED[name].partition(": ")
    lines = (FOLDER / f"{name}.yaml").read_bytes().splitlines() or [b""]
    assert 1 <= int(number) <= len(lines)
    field = rest.partition(": ")[0]
    words = [part for part in field.replace("[", ".").replace("]", "").split(".") if part.isidentifier()]
    if "[" in field and len(words) > 1 and "is required" not in rest and "variants" not in field:
        # stages[3].heads: the last word of the field stands on the line, or what it is about does.
        assert words[-1].encode() in lines[int(number) - 1]
