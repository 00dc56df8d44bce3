"""Limits as text: what they mean, to the integer, what is refused, and that writing reads back."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.cost.metrics import additive_names
from archspec.cost.tables import MetricAt
from archspec.errors import FieldError
from search.space.limits import Limit, describe, format_budget, format_limit, join, parse_budget, parse_limits, settle

MACS = MetricAt("macs")


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("<= 5G @ 448", Limit(MetricAt("macs", 448), None, 5_000_000_000)),
        ("<=5G@448", Limit(MetricAt("macs", 448), None, 5_000_000_000)),
        ("macs@448 <= 5G", Limit(MetricAt("macs", 448), None, 5_000_000_000)),
        ("macs@448: <= 5G @ 448", Limit(MetricAt("macs", 448), None, 5_000_000_000)),
        ("params <= 35M", Limit(MetricAt("params"), None, 35_000_000)),
        ("macs@224: 4..5G", Limit(MetricAt("macs", 224), 4_000_000_000, 5_000_000_000)),
        ("4.9G..5.1G @ 448px", Limit(MetricAt("macs", 448), 4_900_000_000, 5_100_000_000)),
        ("100k..5G", Limit(MACS, 100_000, 5_000_000_000)),
        ("4e9..5G", Limit(MACS, 4_000_000_000, 5_000_000_000)),
        ("0..5", Limit(MACS, 0, 5)),
        ("4..4", Limit(MACS, 4, 4)),
        (">= 3M", Limit(MACS, 3_000_000, None)),
        ("≥ 3K", Limit(MACS, 3_000, None)),
        ("activations >= 1_000", Limit(MetricAt("activations"), 1_000, None)),
        ("<= 5e9", Limit(MACS, None, 5_000_000_000)),
        ("saved_bytes <= 3GiB", Limit(MetricAt("saved_bytes"), None, 3 << 30)),
        ("saved_bytes <= 3GB", Limit(MetricAt("saved_bytes"), None, 3 * 10**9)),
        ("saved_bytes <= 3 kB", Limit(MetricAt("saved_bytes"), None, 3_000)),
        # A strict bound and a fraction mean the whole numbers inside.
        ("< 5G", Limit(MACS, None, 4_999_999_999)),
        ("< 2.5", Limit(MACS, None, 2)),
        ("<= 2.5", Limit(MACS, None, 2)),
        ("> 2.5", Limit(MACS, 3, None)),
        ("> 3", Limit(MACS, 4, None)),
        (">= 2.5", Limit(MACS, 3, None)),
        ("2.5..3.5", Limit(MACS, 3, 3)),
        # No float comes between: 2**53 + 1 has none.
        ("<= 9.007199254740993P".replace("P", "000T"), Limit(MACS, None, 9_007_199_254_740)),
        ("<= 9007.199254740993T", Limit(MACS, None, 2**53 + 1)),
    ],
)
def test_a_text_means_these_integers(text, limit):
    assert parse_limits([text]) == (limit,)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("5G", "'5G' is no limit: write '<= 5G', '>= 3M' or '4..5G', with @ and a resolution behind it if need be"),
        ("== 5G", "'== 5G' is no limit"),
        ("", "'' is no limit"),
        ("<= 5G params", "'<= 5G params' is no limit"),
        ("params", "'params' is no limit"),
        ("<= 5Gi", "unknown unit 'Gi' (did you mean G?)"),
        ("<= 5g", "unknown unit 'g' (did you mean G?)"),
        ("<= 5X", "unknown unit 'X'; known: k, M, G or T"),
        ("<= 5GB", "unknown unit 'GB' (did you mean G?)"),
        ("saved_bytes <= 5gib", "unknown unit 'gib' (did you mean GiB?)"),
        ("parms <= 5M", "unknown metric 'parms' (did you mean params?)"),
        ("latency <= 5", "unknown metric 'latency'"),
        ("xyz <= 5", "unknown metric 'xyz'; known: params, macs, activations or saved_bytes"),
        ("flops <= 5G", "'flops' means different things; write macs (one multiply-add = 1)"),
        ("GFLOPs <= 5", "'GFLOPs' means different things"),
        ("5G..4G", "5G..4G is empty"),
        ("100000..5G", "100000..5G is empty: the G counts for both ends"),
        ("2.2..2.8", "2.2..2.8 is empty"),
        ("< 0", "< 0 is empty: no cost is below 0"),
        ("<= -5G", "must not be negative: -5G"),
        ("-1..5", "must not be negative: -1"),
        ("<= 1e40", "must be below 2**63, not 1e+40"),
        ("<= 9223372036854775808", "must be below 2**63"),
        ("<= 5G @", "the resolution must be pixels from 1 to 16384, such as @ 448, not ''"),
        ("<= 5G @ 0", "the resolution must be pixels from 1 to 16384, such as @ 448, not '0'"),
        ("<= 5G @ 448x448", "the resolution must be pixels from 1 to 16384, such as @ 448, not '448x448'"),
        ("macs@224 <= 5G @ 448", "speaks of resolution 224 and of 448; state one"),
    ],
)
def test_a_text_that_breaks_a_rule_is_refused_with_it(text, rule):
    with pytest.raises(FieldError) as caught:
        parse_limits([text])
    message = rule if rule.startswith(repr(text)) else f"{text!r}: {rule}"  # the text once
    assert str(caught.value).startswith(message), str(caught.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([1], "must map metrics to limits, such as {macs: '<= 5G @ 448'}, not [1]"),
        ({"macs": 5}, "macs: 5 is no limit: write"),
        ({"macs": None}, "macs: null is no limit: write"),
        ({"macs": [1, 2]}, "macs: a list is no limit: write"),
        ({"macs": "<= 5g"}, "macs: unknown unit 'g' (did you mean G?)"),
        ({3: "<= 5"}, "[3]: must be a metric, such as macs or macs@224, not 3"),
        ({"macs@": "<= 5"}, "['macs@']: the resolution must be"),
        ({"macs@448": "<= 5G", "macs": ">= 6G @ 448"}, "['macs@448']: macs <= 5G @ 448 and macs >= 6G @ 448 exclude"),
        ({"macs": "<= " + "1" * 300}, "macs: '<= 111111111111111111111111111111111... is no limit"),
    ],
)
def test_a_mapping_that_breaks_a_rule_is_refused_with_its_place(raw, message):
    with pytest.raises(FieldError) as caught:
        parse_budget(raw)
    assert str(caught.value).startswith(message), str(caught.value)


def test_limits_on_one_metric_are_one_limit():
    assert parse_limits(["<= 5G", "params <= 1M", "macs >= 4G"]) == parse_limits(["4..5G", "params <= 1M"])
    both = parse_budget({"macs@224": "<= 1G", "macs": "<= 5G"})
    assert settle(both, 448) == parse_budget({"macs@224": "<= 1G", "macs@448": "<= 5G"})
    assert settle(both, 224) == parse_budget({"macs@224": "<= 1G"})
    with pytest.raises(FieldError, match="exclude each other"):
        settle(parse_budget({"macs@224": "<= 1G", "macs": ">= 5G"}), 224)


def test_inside_includes_both_ends():
    limit = Limit(MACS, 3, 5)
    assert [limit.holds(cost) for cost in range(2, 7)] == [False, True, True, True, False]
    with pytest.raises(ValueError, match="needs a low or a high end"):
        Limit(MACS, None, None)


def test_limits_are_written_shortly():
    box = parse_limits(["macs@448: 4900M..5.1G", "params <= 35e6", "macs@224 < 1G", "activations: 12..34M"])
    assert format_budget(box) == {
        "macs@448": "4.9G..5.1G @ 448",
        "params": "<= 35M",
        "macs@224": "<= 999999999 @ 224",
        "activations": "12M..34M",
    }
    assert describe(box[:2]) == "macs 4.9G..5.1G @ 448 and params <= 35M"


costs = st.integers(0, 2**63 - 1) | st.integers(0, 5000).map(lambda value: value * 10**9) | st.integers(0, 2000)


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    ends = [draw(st.none() | costs), draw(st.none() | costs)]
    if ends == [None, None]:
        ends[0] = draw(costs)
    if None not in ends:
        ends.sort()
    return Limit(MetricAt(draw(st.sampled_from(additive_names())), draw(st.none() | st.integers(1, 16384))), *ends)


@given(st.lists(limits(), max_size=4, unique_by=lambda limit: limit.metric))
def test_writing_reads_back(box):
    assert parse_budget(format_budget(tuple(box))) == tuple(box) == join(box)
    for limit in box:
        assert parse_limits([str(limit)]) == (limit,)
        assert parse_limits([f"{limit.metric}: {format_limit(limit)}"]) == (limit,)


@given(st.text(max_size=30) | st.text(alphabet="<>=.@0123456789kMGeE macspr:-", max_size=20))
def test_any_text_is_a_limit_or_refused_in_one_line(text):
    try:
        (limit,) = parse_limits([text])
    except FieldError as error:
        message = str(error)
    else:
        message = str(limit)
        assert limit.low is None or 0 <= limit.low < 2**63
    assert "\n" not in message


def test_limits_need_no_torch():
    code = "import sys, search.space.limits; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
