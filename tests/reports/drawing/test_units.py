"""Units and rounding."""

from __future__ import annotations

import math

import pytest

from archspec.cost.metrics import Metric
from reports.drawing.units import difference, in_text, seconds, signed, title, unit


@pytest.mark.parametrize(
    ("name", "values", "label", "texts"),
    [
        ("macs", [4.529e9, 16.123e9], "MACs (G)", ["4.53", "16.12"]),
        ("macs", [1_906_448, 4_848_928], "MACs (M)", ["1.91", "4.85"]),
        ("params", [34_729_000], "Parameters (M)", ["34.7"]),
        ("params", [179_560, 677_328], "Parameters (k)", ["180", "677"]),
        ("params", [940, 999], "Parameters", ["940", "999"]),
        ("macs", [2e6, 3e8, 4e9], "MACs (M)", ["2.00", "300.00", "4000.00"]),
        ("latency_ms", [0.0123, math.nan], "Latency (ms)", ["0.012", "–"]),
        ("latency_ms", [12.0], "Latency (ms)", ["12.0"]),
        ("saved_bytes", [5e6], "Saved for backward (MB)", ["5.00"]),
        ("accuracy", [0.843], "Accuracy (%)", ["84.3"]),
    ],
)
def test_unit(name: str, values: list[float], label: str, texts: list[str]) -> None:
    scale = unit(name, values)
    assert scale.label == label
    assert [scale.text(value) for value in values] == texts


@pytest.mark.parametrize(
    ("sign", "values", "label", "texts"),
    [
        ("J", [0.00213, 0.0457], "Q (mJ)", ["2.13", "45.70"]),
        ("J", [3.1e-9], "Q (µJ)", ["0.0031"]),
        ("J", [12.0, 4500.0, 9000.0], "Q (kJ)", ["0.012", "4.500", "9.000"]),
        ("W", [0.5], "Q (mW)", ["500"]),
        ("s", [12.3], "Q (s)", ["12.3"]),
        ("s", [0.25], "Q (ms)", ["250"]),
        ("s", [86_400.0], "Q (s)", ["86400"]),
        ("B", [2.5e9], "Q (GB)", ["2.50"]),
        ("%", [0.957], "Q (%)", ["95.7"]),
        ("img/s", [12_345.6], "Q (img/s)", ["12346"]),
        ("", [2_000_000], "Q (M)", ["2.00"]),
        ("", [3, 12], "Q", ["3", "12"]),
        ("", [0.000123], "Q", ["0.00012"]),
        ("", [-0.52, 0.48], "Q", ["-0.520", "0.480"]),
    ],
)
def test_unit_of_an_own_metric(sign: str, values: list[float], label: str, texts: list[str]) -> None:
    scale = unit(Metric("q", "Q", sign), values)
    assert scale.label == label
    assert [scale.text(value) for value in values] == texts


def test_unit_of_nothing_still_reads() -> None:
    assert unit("macs", [math.nan]).text(math.nan) == "–"
    assert unit("latency_ms", []).label == "Latency (ms)"


@pytest.mark.parametrize(
    ("value", "text"), [(41.2, "41 s"), (119.9, "120 s"), (750, "12.5 min"), (11_520, "3.2 h"), (0, "0 s")]
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


def test_names() -> None:
    assert (title("params"), in_text("params"), in_text("macs")) == ("Parameters", "parameters", "MACs")
    assert [in_text(Metric("q", name)) for name in ("Top-5 accuracy", "mIoU", "FPS")] == [
        "top-5 accuracy",
        "mIoU",
        "FPS",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.256, "+0.26"), (-0.94, "−0.94"), (0.001, "±0.00"), (-0.001, "±0.00"), (float("nan"), "–")],
)
def test_signed(value: float, text: str) -> None:
    assert signed(value) == text


def test_difference_with_its_interval() -> None:
    assert difference(1.25, -0.3, 2.75) == "+1.25 [−0.30, +2.75]"
    assert difference(-0.04, -0.3, 0.22, decimals=1) == "±0.0 [−0.3, +0.2]"
    assert difference(0.5, math.nan, math.nan) == "+0.50"
