"""Names of published augmentation policies, as timm writes them: `rand-m9-mstd0.5-inc1`, `original`, `3a`.

timm's parser (timm/data/auto_augment.py) passes over what it does not know, takes the default set of operations for an
unknown one, and clips magnitudes; here each of these is refused. One policy is not timm's: `ta_wide`, the name that
torchvision's reference scripts give to TrivialAugment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import final

from archspec.documents.paths import suggest
from archspec.errors import FieldError, SpecError

TRIVIAL = "ta_wide"
SCALE = 10
"""Magnitude at which an operation is as strong as published, and at which timm clips it unless `mmax` says more."""


@final
@dataclass(frozen=True)
class PolicyPart:
    """A part of a policy's name: `m9`. Its numbers are from `low` to `high`; `words` stand in place of numbers."""

    example: str
    low: float = 0
    high: float = SCALE
    whole: bool = True
    words: tuple[str, ...] = ()

    def check(self, key: str, text: str) -> None:
        """Refuse a value; ValueError with the rule."""
        if self.words:
            if text not in self.words:
                raise ValueError(f"{key} must be one of {', '.join(self.words)}, not {text!r:.30}")
            return
        shape = r"[0-9]{1,6}" if self.whole else r"[0-9]{1,6}(\.[0-9]{1,6})?"
        if not re.fullmatch(shape, text) or not self.low <= float(text) <= self.high:
            kind = "whole number" if self.whole else "number"
            raise ValueError(f"{key} must be a {kind} from {self.low:g} to {self.high:g}, not {text[:30] or 'nothing'}")


MAGNITUDE = PolicyPart("m9")
NOISE = PolicyPart("mstd0.5", high=101, whole=False)  # above 100, timm draws uniformly from 0 to the magnitude
AUTO = {"mstd": NOISE}
POLICIES: dict[str, dict[str, PolicyPart]] = {
    "rand": {
        "m": MAGNITUDE,
        "n": PolicyPart("n2", low=1),
        "p": PolicyPart("p0.5", low=0.01, high=1, whole=False),
        "mstd": NOISE,
        "mmax": PolicyPart("mmax15", low=1, high=30),
        "inc": PolicyPart("inc1", high=1),
        "t": PolicyPart("tweights", words=("weights", "3a", "3aw")),
    },
    "original": AUTO,
    "originalr": AUTO,
    "v0": AUTO,
    "v0r": AUTO,
    "3a": AUTO,
    "augmix": {
        "m": MAGNITUDE,
        "w": PolicyPart("w3", low=1),
        "d": PolicyPart("d2", low=1),
        "a": PolicyPart("a1", low=0.01, high=100, whole=False),
        "b": PolicyPart("b1", high=1),
        "mstd": NOISE,
    },
    TRIVIAL: {},
}
"""The policies by name, with the parts that may follow it."""
CALLED = {
    "randaugment": "rand-m9-mstd0.5-inc1",
    "rand_augment": "rand-m9-mstd0.5-inc1",
    "autoaugment": "original",
    "auto_augment": "original",
    "imagenet": "original",
    "trivial": TRIVIAL,
    "trivialaugment": TRIVIAL,
    "trivialaugmentwide": TRIVIAL,
    "three_augment": "3a",
    "3augment": "3a",
}
"""Other words for a policy, which an unknown name may have meant."""
COLOUR_ONLY = ("3a",)
"""Policies, and sets of operations of `rand`, that move no pixel."""


@final
@dataclass(frozen=True)
class NamedPolicy:
    """A policy's name and its parts, such as `rand` and {m: 9, mstd: 0.5, inc: 1}, in the words of the recipe."""

    name: str
    parts: Mapping[str, str]

    @property
    def geometric(self) -> bool:
        """Whether it moves pixels."""
        return self.name not in COLOUR_ONLY and self.parts.get("t") not in COLOUR_ONLY

    @property
    def from_timm(self) -> bool:
        """Whether timm has it; otherwise Pillow is enough."""
        return self.name != TRIVIAL


def parse_policy(text: str) -> NamedPolicy:
    """The policy that a text names.

    Raises:
        FieldError: no policy has this name or a part of it, or a number is out of its range; the field is
            `auto_augment`.
    """
    name, *rest = text.split("-")
    if name not in POLICIES:
        raise FieldError("auto_augment", f"unknown policy {text!r:.60}{_nearest(name)}")
    known, parts = POLICIES[name], dict[str, str]()
    try:
        for piece in rest:
            key, value = _split(name, piece)
            if key in parts:
                raise ValueError(f"{key} stands twice")
            known[key].check(key, value) if key != "m" else _check_magnitude(value, rest, known)
            parts[key] = value
    except ValueError as error:
        raise FieldError("auto_augment", f"{text[:80]}: {error}") from None
    return NamedPolicy(name, parts)


def check_installed(policy: str | None) -> None:
    """Refuse a recipe's policy that is timm's where timm is not installed; it is looked for, not imported.

    Raises:
        SpecError: the extra to install.
    """
    if policy is not None and parse_policy(policy).from_timm and find_spec("timm") is None:
        rule = f"{policy} is timm's: pip install 'archspec-vision[timm]'"
        raise SpecError(rule, field="evaluator.recipe.auto_augment")


def _split(name: str, piece: str) -> tuple[str, str]:
    """A part's key and value; of several keys that a part begins with, the longest before its number."""
    known = POLICIES[name]
    key = piece[:1] if "t" in known and piece.startswith("t") else re.split(r"[0-9]", piece, maxsplit=1)[0]
    if key not in known:
        examples = [part.example for part in known.values()]
        hint = suggest(key, known) if key else ""
        has = f"its parts are {', '.join(examples)}" if examples else "it has no parts"
        raise ValueError(f"{piece[:30]!r} is no part of {name}{hint}; {has}")
    return key, piece[len(key) :]


def _check_magnitude(value: str, pieces: list[str], known: Mapping[str, PolicyPart]) -> None:
    """Refuse a magnitude that timm would clip."""
    raised = next((piece[4:] for piece in pieces if piece.startswith("mmax") and "mmax" in known), "")
    most = int(raised) if re.fullmatch(r"[0-9]{1,6}", raised) else SCALE
    try:
        PolicyPart("m9", high=most).check("m", value)
    except ValueError as error:
        raises = "mmax" in known and not raised and value.isdecimal() and int(value) <= known["mmax"].high
        more = f" (mmax{value} beside it allows more)" if raises else ""
        raise ValueError(f"{error}{more}") from None


def _nearest(name: str) -> str:
    meant = CALLED.get(name.lower().replace(" ", ""))
    if meant is None:
        return suggest(name, POLICIES) or f" (known: {', '.join(POLICIES)})"
    return f" (did you mean {meant}?)"
