"""What a printed figure allows."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.infer.printed_cells import parse_tolerance, parse_window

NONE = Fraction(0)


@pytest.mark.parametrize(
    ("figure", "tolerance", "low", "high"),
    [
        ("5.0G", "0 %", 4_950_000_000, 5_050_000_000),
        ("34.8M", "0 %", 34_750_000, 34_850_000),
        ("34.8M", "0.3 %", 34_695_600, 34_904_400),
        ("34.8 M", "0.1%", 34_750_000, 34_850_000),
        ("7M", "0 %", 6_500_000, 7_500_000),
        (1234, "0 %", 1234, 1234),
        (["4.9G", "5G"], "9 %", 4_900_000_000, 5_000_000_000),
        ("0.0G", "0 %", 0, 50_000_000),
    ],
)
def test_the_window_is_the_wider_of_rounding_and_tolerance(figure, tolerance, low, high):
    window = parse_window(figure, parse_tolerance(tolerance))
    assert (window.low, window.high) == (low, high)


@given(cost=st.integers(0, 10**12), digits=st.integers(0, 6), unit=st.sampled_from(["k", "M", "G"]))
def test_what_was_rounded_lies_inside(cost, digits, unit):
    scale = {"k": 10**3, "M": 10**6, "G": 10**9}[unit]
    whole = (Fraction(cost, scale) * 10**digits).__round__()
    text = f"{whole // 10**digits}.{whole % 10**digits:0{digits}d}" if digits else f"{whole}"
    window = parse_window(f"{text}{unit}", NONE)
    assert window.low <= cost <= window.high
    assert window.high - window.low <= scale / 10**digits


@pytest.mark.parametrize("figure", ["", "G", "-1M", "1e9", 1.5, True, None, ["1M"], ["2M", "1M"], "9" * 20, {}])
def test_other_figures_are_refused(figure):
    with pytest.raises(ValueError, match=r"must be|window"):
        parse_window(figure, NONE)


@pytest.mark.parametrize("text", ["-1 %", "100 %", "1", 1, None, "x %"])
def test_other_tolerances_are_refused(text):
    with pytest.raises(ValueError, match="percentage"):
        parse_tolerance(text)
