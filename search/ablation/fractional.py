"""Two-level designs of an ablation: which of its edits (factors) are made together in which run, and what that blurs.

An edit made is +1, an edit left out -1. The base, no edit made, is the run that all others are read against, so every
design has it: a generated factor is on where an odd number of its parents is on. As a product of columns that fixes
the sign of the generator, (-1)^(parents + 1): d = a b c, but d = -a b. It follows that a word of the defining relation
has the sign (-1)^length, and that two aliased effects of m and n factors have opposite signs where m + n is odd.

Sources: Box, Hunter and Hunter, Statistics for Experimenters, 2nd ed. 2005, chapters 5 and 6 (designs, generators,
defining relations); Box and Hunter 1961, The 2^(k-p) fractional factorial designs, Technometrics 3 (resolution).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from archspec.errors import FieldError
from search.ablation.aberration import minimum_aberration

# All generators of 12 factors are compared within a second; of 14, that takes a minute. The runs are at most 4,096.
MOST_FACTORS = 12
ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")


@final
@dataclass(frozen=True, slots=True)
class DesignEffect:
    """A product of factor columns with its sign: of one factor its main effect, of none the mean, printed as I."""

    sign: int
    factors: tuple[str, ...]

    def __str__(self) -> str:
        return ("-" if self.sign < 0 else "") + (":".join(self.factors) or "I")


@final
@dataclass(frozen=True, slots=True)
class Generator:
    """A factor as the signed product of base factors; printed as `d = -a b`."""

    factor: str
    parents: tuple[str, ...]

    @property
    def sign(self) -> int:
        return _sign(len(self.parents) + 1)

    def __str__(self) -> str:
        return f"{self.factor} = {_product(self.sign, self.parents)}"


@final
@dataclass(frozen=True, slots=True)
class FractionalDesign:
    """A full or fractional two-level design.

    Attributes:
        factors: the edits, in the order of the columns of `runs`.
        generators: one per halving of the full design; none where it is full.
        runs: [2^(k - p)][k], whether each edit is made; the base factors (those without a generator) in standard
            order, so the first run has no edit and the first base factor changes fastest.
    """

    factors: tuple[str, ...]
    generators: tuple[Generator, ...]
    runs: tuple[tuple[bool, ...], ...]

    @property
    def fraction(self) -> int:
        """p: the runs are 1/2^p of the full design's."""
        return len(self.generators)

    @property
    def resolution(self) -> int | None:
        """Length of the shortest word of the defining relation; None for a full design."""
        return min((len(word.factors) for word in self.defining), default=None)

    @property
    def pattern(self) -> tuple[int, ...]:
        """Word length pattern: the number of words of 3, 4, ..., k factors."""
        lengths = [len(word.factors) for word in self.defining]
        return tuple(lengths.count(length) for length in range(3, len(self.factors) + 1))

    @property
    def defining(self) -> tuple[DesignEffect, ...]:
        """The 2^p - 1 words that equal the mean in every run, short ones first."""
        return tuple(self._effect(word) for word in sorted(self._words()[1:], key=self._order))

    def aliases(self, order: int = 2) -> tuple[tuple[DesignEffect, ...], ...]:
        """All effects of up to `order` factors, in classes that this design cannot tell apart.

        Each class begins with its simplest effect; the others carry their sign relative to it, so that a class
        (a, -b:d) means: what is seen is a - b:d. A class of one is told apart from all others here. Effects that
        equal the mean in every run form a class that begins with it; where there are none, it is not listed.

        Raises:
            FieldError: `order` is not between 1 and the number of factors.
        """
        if not 1 <= order <= len(self.factors):
            raise FieldError("order", f"must be between 1 and {len(self.factors)} factors, not {order}")
        words, classes = self._words(), dict[int, list[int]]()
        for size in range(order + 1):
            for chosen in itertools.combinations(range(len(self.factors)), size):
                effect = sum(1 << index for index in chosen)
                classes.setdefault(min(effect ^ word for word in words), []).append(effect)
        return tuple(
            tuple(self._effect(effect, _sign((effect ^ members[0]).bit_count())) for effect in members)
            for members in classes.values()
            if members != [0]
        )

    def _words(self) -> list[int]:
        """The defining relation as masks over `factors`, I (no factor) first."""
        words = [0]
        for generator in self.generators:
            mask = sum(1 << self.factors.index(name) for name in (generator.factor, *generator.parents))
            words += [word ^ mask for word in words]
        return words

    def _effect(self, mask: int, sign: int | None = None) -> DesignEffect:
        factors = tuple(name for index, name in enumerate(self.factors) if mask >> index & 1)
        return DesignEffect(_sign(len(factors)) if sign is None else sign, factors)

    def _order(self, mask: int) -> tuple[int, list[int]]:
        return mask.bit_count(), [index for index in range(len(self.factors)) if mask >> index & 1]


def design(
    factors: Sequence[str], fraction: int = 0, generators: Mapping[str, Sequence[str]] | None = None
) -> FractionalDesign:
    """The full design of `factors`, or a 1/2^fraction of it.

    Args:
        factors: names of the edits.
        fraction: how often the full design is halved.
        generators: per generated factor the base factors whose product it is, without a sign (it follows from the
            base being a run). None: the last `fraction` factors are generated, so that the resolution is as great as
            it can be and, with it, the number of shortest words (then of the next longer ones) as small.

    Raises:
        FieldError: no factor, a repeated or empty name, more than 12 factors, a fraction that no design of
            resolution III has, or generators that are not `fraction` different products of two or more base factors.
    """
    names = _checked(factors, fraction)
    chosen = _chosen(names, fraction) if generators is None else _given(names, fraction, generators)
    generated = {generator.factor: generator.parents for generator in chosen}
    base = [name for name in names if name not in generated]
    runs: list[tuple[bool, ...]] = []
    for number in range(2 ** len(base)):
        on = {name: bool(number >> bit & 1) for bit, name in enumerate(base)}
        on |= {name: sum(on[parent] for parent in parents) % 2 == 1 for name, parents in generated.items()}
        runs.append(tuple(on[name] for name in names))
    return FractionalDesign(names, chosen, tuple(runs))


def describe(design: FractionalDesign) -> tuple[str, ...]:
    """Lines for people: size and resolution, generators, defining relation, aliases among effects of up to two factors.

    The effects of up to two factors that are not aliased with one another have a line of their own.
    """
    k = len(design.factors)
    if design.resolution is None:
        return (f"2^{k} full factorial design: all {2**k} runs",)
    classes = design.aliases()
    lines = [
        f"2^({k}-{design.fraction}) design of resolution {ROMAN[design.resolution]}: {len(design.runs)} of {2**k} runs",
        "generators: " + ", ".join(map(str, design.generators)),
        "defining relation: I = " + " = ".join(_product(word.sign, word.factors) for word in design.defining),
    ]
    lines += ["aliases: " + " = ".join(map(str, members)) for members in classes if len(members) > 1]
    clear = [str(members[0]) for members in classes if len(members) == 1]
    if len(clear) == len(classes):
        return (*lines, "aliases: none among main effects and two-factor interactions")
    return (*lines, "not aliased: " + ", ".join(clear)) if clear else tuple(lines)


def _sign(count: int) -> int:
    return -1 if count % 2 else 1


def _product(sign: int, factors: Iterable[str]) -> str:
    return ("-" if sign < 0 else "") + " ".join(factors)


def _checked(factors: Sequence[str], fraction: int) -> tuple[str, ...]:
    names, k = tuple(factors), len(factors)
    if not 1 <= k <= MOST_FACTORS:
        raise FieldError("factors", f"a factorial design takes 1 to {MOST_FACTORS} factors, not {k}")
    repeated = [name for index, name in enumerate(names) if not name or name in names[:index]]
    if repeated:
        raise FieldError("factors", f"names must differ and not be empty; {repeated[0]!r:.60} is one too many")
    if fraction < 0:
        raise FieldError("fraction", f"must not be negative, not {fraction}")
    # Every factor needs a column of its own: in r runs there are r - 1 besides the mean's.
    most = next(p for p in range(k, -1, -1) if 2 ** (k - p) - 1 >= k)
    if fraction > most:
        raise FieldError(
            "fraction",
            f"{k} factors are told apart by at least {2 ** (k - most)} runs, "
            f"so the fraction is at most {most}, not {fraction}",
        )
    return names


def _chosen(names: tuple[str, ...], fraction: int) -> tuple[Generator, ...]:
    base = len(names) - fraction
    masks = minimum_aberration(base, fraction)
    return tuple(
        Generator(name, tuple(names[bit] for bit in range(base) if mask >> bit & 1))
        for name, mask in zip(names[base:], masks, strict=True)
    )


def _given(names: tuple[str, ...], fraction: int, generators: Mapping[str, Sequence[str]]) -> tuple[Generator, ...]:
    if len(generators) != fraction:
        raise FieldError("generators", f"a fraction of {fraction} takes {fraction} generators, not {len(generators)}")
    seen: dict[frozenset[str], str] = {}
    for name, parents in generators.items():
        place = f"generators.{name}"
        for factor in (name, *parents):
            if factor not in names:
                raise FieldError(place, f"no factor {factor}; there are {', '.join(names)}")
        for parent in parents:
            if parent in generators:
                raise FieldError(place, f"{parent} is generated itself; name base factors only")
        if len(set(parents)) != len(parents) or len(parents) < 2:
            raise FieldError(place, f"needs two or more different base factors, not {' '.join(parents) or 'none'}")
        twin = seen.setdefault(frozenset(parents), name)
        if twin != name:
            raise FieldError(place, f"is the product that {twin} is; {twin} and {name} would always be made together")
    return tuple(
        Generator(name, tuple(factor for factor in names if factor in generators[name]))
        for name in names
        if name in generators
    )
