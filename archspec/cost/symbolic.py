"""The cost of a spec as a polynomial in the side of the image, exact on the sides that leave the same remainder.

A window of stride s turns a side of x into floor((x + c) / s) positions, which is linear in x as long as the
remainder of x by s stays the same. So on the sides r = remainder + modulus·n, where the modulus is a multiple of all
strides, every map's side is linear in n, and MACs, a sum of products of up to four sides (attention: positions ×
positions), are a polynomial of degree 4 at most. Its coefficients follow exactly from five sides; further sides,
among them the smallest, confirm them and show from where on they hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import final

from archspec.cost.measure import NetworkCost, measure
from archspec.cost.metrics import Metric, additive_metrics
from archspec.cost.polynomial import Polynomial
from archspec.errors import SpecError
from archspec.spec.schema import MAX_RESOLUTION, ArchSpec
from archspec.tree.tree import plant
from blocks.layers.layer import Layer, Line
from blocks.opaque.opaque import Opaque

ATTENTION = frozenset({"scaled_dot_product_attention"})
WEIGHTS = frozenset({"conv", "linear"})

DEGREE = 4
FAR = 10**18
"""A side from which a map's share of the image's side shows as an exact fraction, whatever paddings add."""
MAX_STRIDE = 1 << 20
MAX_WINDOW = 64
"""Layers may cut a map into windows without showing it in the sides; windows up to this size are found."""
NEAR = 64
"""The polynomial is fitted at n = NEAR, NEAR + 1, ..., where no map is small, and checked at every n below."""


@final
@dataclass(frozen=True, slots=True)
class Term:
    """The cost of one operator of one part: a polynomial in the side of the image for each of `varying_metrics`."""

    part: str
    operator: str
    polynomials: Mapping[str, Polynomial]

    @property
    def macs(self) -> Polynomial:
        """Its MACs."""
        return self.polynomials["macs"]


@final
@dataclass(frozen=True)
class Formula:
    """The exact cost of a spec on square images of side r = remainder + modulus·n.

    Attributes:
        name: the spec's name.
        digest: the spec's identity.
        modulus: the formula holds on sides that leave one remainder by this number.
        remainder: that remainder.
        least: the smallest such side on which it holds.
        excepted: sides with a variant of their own, where the architecture is another.
        params: learnable numbers, on every side.
        terms: per operator of each part, in the order of the network.
        checked: on how many sides it was compared with `measure`.
    """

    name: str
    digest: str
    modulus: int
    remainder: int
    least: int
    excepted: tuple[int, ...]
    params: int
    terms: tuple[Term, ...]
    checked: int

    def holds(self, side: int) -> bool:
        """Whether the formula gives the exact cost of a square image of this side."""
        same = side % self.modulus == self.remainder
        return same and side >= self.least and side not in self.excepted

    def sides(self, limit: int = MAX_RESOLUTION) -> Iterator[int]:
        """The sides up to `limit` on which the formula holds, rising."""
        return (side for side in range(self.least, limit + 1, self.modulus) if side not in self.excepted)

    def nearest(self, side: int) -> int:
        """The side nearest to `side` on which the formula holds; the smaller of two."""
        return min(self.sides(), key=lambda one: abs(one - side), default=self.least)

    def polynomial(
        self, metric: str = "macs", *, part: str | None = None, operators: Collection[str] | None = None
    ) -> Polynomial:
        """The sum over the terms of one part (all when None) and some operators (all when None)."""
        total = Polynomial(())
        for term in self.terms:
            if part in (None, term.part) and (operators is None or term.operator in operators):
                total += term.polynomials[metric]
        return total

    def steps(self, polynomial: Polynomial) -> Polynomial:
        """A polynomial in the side r as one in n, where r = remainder + modulus·n."""
        return polynomial.of(Fraction(self.remainder), Fraction(self.modulus))

    def value(self, side: int, metric: str = "macs") -> int:
        """The exact cost of a square image.

        Raises:
            SpecError: the formula does not hold on this side.
        """
        if not self.holds(side):
            raise SpecError(f"the formula holds for {self.domain}, not at {side}", source=self.name)
        return int(self.polynomial(metric)(side))

    @property
    def domain(self) -> str:
        """The sides on which the formula holds, in words."""
        m, rest = self.modulus, self.remainder
        sides = f"sides that leave {rest} when divided by {m}" if rest else f"multiples of {m}" if m > 1 else "sides"
        excepted = f" except {', '.join(map(str, self.excepted))}" if self.excepted else ""
        return f"{sides} from {self.least}{excepted}"

    @property
    def parts(self) -> tuple[str, ...]:
        """Stem, stages and head, in order."""
        return tuple(dict.fromkeys(term.part for term in self.terms))

    @property
    def operators(self) -> tuple[str, ...]:
        """Operators that cost MACs, in the order of their first appearance."""
        return tuple(dict.fromkeys(term.operator for term in self.terms if term.macs.coefficients))

    def crossover(self, limit: int = MAX_RESOLUTION) -> int | None:
        """The smallest side up to `limit` on which attention's two matmuls exceed all convolutions and linear
        layers, and on which the formula holds; None where there is none.
        """
        excess = self.polynomial(operators=ATTENTION) - self.polynomial(operators=WEIGHTS)
        return next((side for side in self.sides(limit) if excess(side) > 0), None)


@final
@dataclass(frozen=True, slots=True)
class Deviation:
    """The formula beside the measured cost on a side where it need not hold.

    Attributes:
        side: of the square image.
        measured: exact MACs.
        formula: what the polynomial gives there.
    """

    side: int
    measured: int
    formula: Fraction

    @property
    def error(self) -> float:
        """(formula - measured) / measured."""
        return float((self.formula - self.measured) / self.measured) if self.measured else 0.0


def varying_metrics() -> tuple[Metric, ...]:
    """The additive metrics but `params`, which are the same on images of every size."""
    return tuple(metric for metric in additive_metrics() if metric.name != "params")


def symbolic(spec: ArchSpec, side: int | None = None) -> Formula:
    """The exact cost of `spec` as a polynomial in the side of a square image.

    Args:
        spec: the backbone; variants, which change it at single resolutions, are left out and become exceptions.
        side: the formula for sides that leave the same remainder as this one; None means multiples of the modulus.

    Raises:
        SpecError: no such polynomial of degree 4 was found, or an opaque module stands in the spec.
    """
    plain = spec.model_copy(update={"variants": {}})
    stride = total_stride(plain)
    for window in _windows(plain):
        modulus = stride * window
        remainder = (side or 0) % modulus
        terms = _fit(plain, modulus, remainder)
        if terms is not None:
            least, checked = _confirm(plain, terms, modulus, remainder)
            variants = (r for r in spec.variants if spec.variants[r])
            excepted = tuple(sorted(r for r in variants if r % modulus == remainder and r >= least))
            params = measure(plain, remainder + NEAR * modulus).params
            return Formula(spec.name, spec.digest, modulus, remainder, least, excepted, params, terms, checked)
    rule = f"its cost is no polynomial of degree {DEGREE} on sides divisible by {stride} to {stride * MAX_WINDOW}"
    raise SpecError(rule, source=spec.name)


def deviations(spec: ArchSpec, formula: Formula, sides: Sequence[int]) -> list[Deviation]:
    """The formula beside the measured MACs on `sides`; sides that the spec cannot take are left out."""
    macs = formula.polynomial()
    costs = [(side, _measured(spec, side)) for side in sides]
    return [Deviation(side, cost.macs, macs(side)) for side, cost in costs if cost is not None]


def between(spec: ArchSpec, formula: Formula, side: int) -> list[Deviation]:
    """The formula on the sides around `side`, from one on which it holds to the next; at most `NEAR` of them."""
    start = side - (side - formula.remainder) % formula.modulus
    gap = range(start + 1, start + formula.modulus)
    count = min(len(gap), NEAR)
    spread = {gap[index * (len(gap) - 1) // max(count - 1, 1)] for index in range(count)}
    return deviations(spec, formula, [one for one in sorted(spread) if one > 0 and not spec.variants.get(one)])


def total_stride(spec: ArchSpec) -> int:
    """The least side of a square image that every stride, inside blocks too, divides without remainder.

    Each map's side is a fraction of the image's, which shows on a huge image; theirs is the common denominator.

    Raises:
        SpecError: an opaque module, which can only be measured, and on no such image.
    """
    for path, layer in plant(spec).walk():
        if isinstance(layer, Opaque):
            rule = f"{path} is an opaque module: it is measured size by size, so that no formula can be derived"
            raise SpecError(rule, source=spec.name)
    spec = spec.model_copy(update={"variants": {}})
    shapes = {side for line in measure(spec, FAR).total.lines for side in line.shape[1:]}
    return lcm(*(Fraction(side, FAR).limit_denominator(MAX_STRIDE).denominator for side in shapes))


def _windows(spec: ArchSpec) -> Iterator[int]:
    """Numbers of which one may have to divide the maps' sides: all small ones, then what all layers' windows divide."""
    yield from range(1, MAX_WINDOW + 1)
    common = lcm(*(layer.period for _, layer in plant(spec).walk() if isinstance(layer, Layer)))
    if common > MAX_WINDOW:
        yield common


def _fit(spec: ArchSpec, modulus: int, remainder: int) -> tuple[Term, ...] | None:
    """Polynomials through `DEGREE` + 1 sides, or None where a further side, very far away, is not on them."""
    steps = range(NEAR, NEAR + DEGREE + 1)
    samples = [_table(measure(spec, remainder + modulus * n)) for n in steps]
    if any(sample.keys() != samples[0].keys() for sample in samples):
        return None
    terms: list[Term] = []
    for part, operator in samples[0]:
        rows = zip(varying_metrics(), *(sample[part, operator] for sample in samples), strict=True)
        # Fitted in n, where all numbers are whole, then written in r = remainder + modulus·n.
        in_side = (Fraction(-remainder, modulus), Fraction(1, modulus))
        fitted = {metric.name: Polynomial.through(steps, row).of(*in_side) for metric, *row in rows}
        terms.append(Term(part, operator, fitted))
    further = (NEAR + DEGREE + 1, 997, 10**6 + 3)
    return tuple(terms) if all(_agrees(spec, terms, remainder + modulus * n) for n in further) else None


def _confirm(spec: ArchSpec, terms: Sequence[Term], modulus: int, remainder: int) -> tuple[int, int]:
    """The smallest side from which on the polynomials hold, and how many sides confirmed them.

    All sides with n up to `NEAR`, where a map may be smaller than a window, and doublings of them up to the largest.
    """
    first = 0 if remainder else 1
    steps = [*range(first, NEAR)]
    while modulus * steps[-1] * 2 + remainder <= MAX_RESOLUTION:
        steps.append(steps[-1] * 2)
    good = [n for n in steps if _agrees(spec, terms, remainder + modulus * n)]
    wrong = {*steps} - {*good}
    start = max(wrong, default=first - 1) + 1
    confirmed = sum(n >= start for n in good) + DEGREE + 4
    return remainder + modulus * start, confirmed


def _agrees(spec: ArchSpec, terms: Sequence[Term], side: int) -> bool:
    """Whether every operator of every part costs what the polynomials say, in every metric."""
    cost = _measured(spec, side)
    given = {(term.part, term.operator): tuple(one(side) for one in term.polynomials.values()) for term in terms}
    return cost is not None and _table(cost) == {key: sums for key, sums in given.items() if any(sums)}


def _measured(spec: ArchSpec, side: int) -> NetworkCost | None:
    """The cost on a square image, or None where a stride empties a map."""
    try:
        return measure(spec, side)
    except SpecError:
        return None


def _table(cost: NetworkCost) -> dict[tuple[str, str], tuple[int, ...]]:
    """The metrics of each operator of each part; operators that are free and keep nothing are left out."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for part in cost.parts:
        for line in part.lines:
            groups.setdefault((part.name, line.operator), []).append(line)
    table = {key: tuple(metric.of(lines) for metric in varying_metrics()) for key, lines in groups.items()}
    return {key: sums for key, sums in table.items() if any(sums)}
