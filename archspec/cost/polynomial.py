"""Polynomials with exact rational coefficients in one variable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import zip_longest
from typing import final

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@final
@dataclass(frozen=True, slots=True)
class Polynomial:
    """c[0] + c[1]·x + c[2]·x² + ...

    Attributes:
        coefficients: from the constant upwards, the last one not zero; empty for the polynomial 0.
    """

    coefficients: tuple[Fraction, ...]

    @classmethod
    def new(cls, coefficients: Sequence[Fraction]) -> Polynomial:
        """The polynomial with these coefficients, zeros at the end dropped."""
        kept = len(coefficients)
        while kept and not coefficients[kept - 1]:
            kept -= 1
        return cls(tuple(coefficients[:kept]))

    @classmethod
    def through(cls, points: Sequence[int], values: Sequence[int]) -> Polynomial:
        """The one polynomial of degree below len(points) that takes `values` at the distinct `points`."""
        total = Polynomial(())
        for basis, value in zip(_basis(tuple(points)), values, strict=True):
            total += basis * Fraction(value)
        return total

    @property
    def degree(self) -> int:
        """Highest power with a coefficient that is not zero; 0 for constants."""
        return max(len(self.coefficients) - 1, 0)

    def __call__(self, x: int | Fraction) -> Fraction:
        """Exact value at `x`, by Horner's rule."""
        value = Fraction(0)
        for coefficient in reversed(self.coefficients):
            value = value * x + coefficient
        return value

    def __add__(self, other: Polynomial) -> Polynomial:
        pairs = zip_longest(self.coefficients, other.coefficients, fillvalue=Fraction(0))
        return Polynomial.new([a + b for a, b in pairs])

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + other * Fraction(-1)

    def __mul__(self, factor: Fraction) -> Polynomial:
        return Polynomial.new([coefficient * factor for coefficient in self.coefficients])

    def of(self, offset: Fraction, slope: Fraction) -> Polynomial:
        """The polynomial x -> self(offset + slope·x)."""
        total = Polynomial(())
        for coefficient in reversed(self.coefficients):
            shifted = Polynomial((Fraction(0), *total.coefficients)) * slope + total * offset
            total = shifted + Polynomial.new([coefficient])
        return total

    def text(self, variable: str, digits: int | None = None) -> str:
        """`0.0199 r⁴ + 24,950.2 r² + 2,560,000`, highest power first.

        Args:
            variable: its name.
            digits: round coefficients to so many significant digits; None writes exact fractions.
        """
        out = ""
        for power in reversed(range(len(self.coefficients))):
            coefficient = self.coefficients[power]
            if coefficient:
                sign = ("-" if coefficient < 0 else "+") if out or coefficient < 0 else ""
                out += f" {sign} " if out else sign
                out += f"{write(abs(coefficient), digits)} {power_of(variable, power)}".rstrip()
        return out or "0"


def power_of(variable: str, power: int) -> str:
    """`r²`, `r`, or nothing for power 0."""
    return f"{variable}{str(power).translate(_RAISED) if power > 1 else ''}" if power else ""


def write(number: Fraction, digits: int | None = None) -> str:
    """A rational as `1,234` or `(25/64)`; with `digits` as a decimal of so many significant digits at least."""
    if number.denominator == 1:
        return f"{number.numerator:,}"
    if digits is None:
        return f"({number.numerator:,}/{number.denominator:,})"
    return f"{round(number):,}" if abs(number) >= 10 ** (digits - 1) else f"{float(number):,.{digits}g}"


@cache
def _basis(points: tuple[int, ...]) -> tuple[Polynomial, ...]:
    """Lagrange's basis: the polynomials that are 1 at one of the points and 0 at the others."""
    basis: list[Polynomial] = []
    for point in points:
        product = Polynomial((Fraction(1),))
        for other in points:
            if other != point:
                times_x = Polynomial((Fraction(0), *product.coefficients))
                product = (times_x - product * Fraction(other)) * Fraction(1, point - other)
        basis.append(product)
    return tuple(basis)
