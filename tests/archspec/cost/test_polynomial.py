"""Exact polynomials: arithmetic against evaluation, interpolation, and how they are written."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.cost.polynomial import Polynomial, power_of, write

NUMBERS = st.fractions(min_value=-1000, max_value=1000, max_denominator=64)
POLYNOMIALS = st.lists(NUMBERS, max_size=6).map(Polynomial.new)


@given(POLYNOMIALS, POLYNOMIALS, NUMBERS)
def test_sums_differences_and_multiples_are_those_of_the_values(a, b, x):
    assert (a + b)(x) == a(x) + b(x)
    assert (a - b)(x) == a(x) - b(x)
    assert (a * Fraction(3, 7))(x) == a(x) * Fraction(3, 7)
    assert a - a == Polynomial(())


@given(POLYNOMIALS, NUMBERS, NUMBERS, NUMBERS)
def test_composition_with_a_line(polynomial, offset, slope, x):
    assert polynomial.of(offset, slope)(x) == polynomial(offset + slope * x)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=6), st.integers(-50, 50))
def test_interpolation_finds_the_polynomial_back(coefficients, start):
    wanted = Polynomial.new([Fraction(c) for c in coefficients])
    points = range(start, start + len(coefficients))
    assert Polynomial.through(points, [int(wanted(x)) for x in points]) == wanted


def test_zeros_at_the_end_are_no_part_of_it():
    assert Polynomial.new([Fraction(2), Fraction(0)]) == Polynomial((Fraction(2),))
    assert (Polynomial(()).degree, Polynomial((Fraction(1), Fraction(0), Fraction(5))).degree) == (0, 2)


@pytest.mark.parametrize(
    ("coefficients", "digits", "text"),
    [
        ([], None, "0"),
        ([2_560_000, 0, Fraction(769339, 32), 0, Fraction(47, 8192)], 6, "0.0057373 r⁴ + 24,041.8 r² + 2,560,000"),
        ([2, 0, Fraction(-1, 2)], None, "-(1/2) r² + 2"),
        ([Fraction(-5, 3), 1], None, "1 r - (5/3)"),
        ([0, Fraction(1, 10**7)], 3, "1e-07 r"),
        ([Fraction(1234567, 2)], 6, "617,284"),
    ],
)
def test_text(coefficients, digits, text):
    assert Polynomial.new([Fraction(c) for c in coefficients]).text("r", digits) == text


def test_powers_and_numbers():
    assert [power_of("n", power) for power in (0, 1, 2, 12)] == ["", "n", "n²", "n¹²"]
    assert [write(Fraction(7, 4)), write(Fraction(8, 4)), write(Fraction(7, 4), 2)] == ["(7/4)", "2", "1.8"]
