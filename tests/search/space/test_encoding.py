"""The integer form of a space against its specs, and the tables against `measure`, layout by layer by metric."""

import random

import numpy as np
import pytest
from chains import restrict
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.cost.measure import measure
from archspec.cost.metrics import additive_names, find_metric
from archspec.cost.tables import Chain, MetricAt
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from search.space.encoding import Encoding
from search.space.space import Space, load_space, parse_space, spaces

HEAD = "head: {type: classifier, classes: 10}\n"
ROWS = (
    """
resolution: 64
stem: {type: hr_stem, width: {choice: [4, 8]}}
stages:
  - {block: HR, depth: {range: [1, 2]}, width: {choice: [8, 12]}, expansion: 2}
  - block: {choice: {HR: HR, T: {type: T, heads: {choice: [1, 5]}}, mixed: [HR, T]}}
    width: {choice: [8, 16, 20]}
    downsample: {choice: [irds_a, conv, null]}
    resize: {choice: [null, 9]}
"""
    + HEAD
)
COLUMNS = (
    """
resolution: 64
stem: conv_stem
blocks: [CFFN, {choice: {CFFN: CFFN, T: {type: T, heads: {choice: [1, 8]}}}}, T]
depths: [1, {range: [1, 3]}, 1]
widths: {choice: [[8, 16, 32], [8, 20, 36]]}
heads: [~, ~, 4]
downsamples: [~, irds_a, {choice: [irds_b, conv]}]
"""
    + HEAD
)
GLOBAL = """
resolution: {choice: [48, 64]}
drop_path: {choice: [0, 0.1]}
stem: {choice: {plain: conv_stem, patch: {type: patch_stem, stride: {choice: [4, 16]}}}}
stages:
  - {block: T, heads: 2, depth: {range: [1, 3]}, width: {choice: [8, 16]}}
  - {choice: {small: {block: CFFN, width: 16, depth: {range: [1, 2]}}, none: {block: HR, width: 16, depth: 1}}}
head: {choice: {none: null, linear: {type: classifier, classes: 10, hidden: {choice: [null, 32]}}}}
"""
VARIANTS = (
    """
resolution: 64
stem: {type: hr_stem, width: 8}
stages:
  - {block: CFFN, depth: 1, width: {choice: [8, 16]}}
  - {block: T, heads: 2, depth: {range: [1, 2]}, width: 16, drop_path: {choice: [0, 0.2]}}
variants:
  96: {"stages[1].resize": 5, "stages[1].expansion": 2, "drop_path": 0.1, "head.hidden": 24}
"""
    + HEAD
)
STEMS = (
    """
resolution: 64
drop_path: 0.1
stem: {choice: {own: {type: resnet_stem, width_out: {choice: [8, 6, null]}}, plain: conv_stem}}
stages:
  - block: {choice: {norm: [LN, HR], plain: HR}}
    width: {choice: [8, 12]}
    downsample: {choice: [null, {type: bottleneck_down, stride: 1}]}
  - {block: [PVT, LN], width: 16, downsample: overlap}
"""
    + HEAD
)
TEXTS = {"rows": ROWS, "columns": COLUMNS, "global": GLOBAL, "variants": VARIANTS, "stems": STEMS}
EVERY = [MetricAt(name, resolution) for name in additive_names() for resolution in (None, 96)]


def space(text: str) -> Space:
    return parse_space(parse_document(text.encode(), "space.yaml"))


def everything(encoding: Encoding) -> np.ndarray:
    return np.indices(encoding.options).reshape(len(encoding.options), -1).T


def costs(chain: Chain, encoding: Encoding, row: np.ndarray) -> list[int]:
    """What `measure` says of a layout, -1 throughout where it is impossible at one of the resolutions."""
    try:
        spec = encoding.spec(row)
        measured = {None: measure(spec), 96: measure(spec, 96)}
    except SpecError:
        return [-1] * len(chain.metrics)
    return [find_metric(metric.name).of(measured[metric.resolution].total.lines) for metric in chain.metrics]


@pytest.mark.parametrize("name", TEXTS)
def test_tables_equal_measure_on_every_layout(name: str) -> None:
    encoding = Encoding(space(TEXTS[name]))
    chain = encoding.chain(EVERY)
    rows = everything(encoding)
    prices = chain.price(rows)
    assert len(rows) == encoding.space.count()
    assert (prices[:, 0] >= 0).sum() > 0
    for row, price in zip(rows, prices.tolist(), strict=True):
        assert price == costs(chain, encoding, row)


def test_some_layouts_of_the_examples_are_impossible() -> None:
    for name in ("rows", "columns"):
        encoding = Encoding(space(TEXTS[name]))
        prices = encoding.chain(EVERY).price(everything(encoding))
        assert (prices < 0).any(), name
        assert ((prices < 0).all(1) == (prices < 0).any(1)).all()


@pytest.mark.parametrize("name", [*spaces(), *TEXTS])
def test_params_vectors_and_choices_are_one_layout(name: str) -> None:
    encoding = Encoding(space(TEXTS[name]) if name in TEXTS else load_space(name))
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, count, 200) for count in encoding.options], axis=1)
    vectors = encoding.vectors(rows)
    assert vectors.shape == (200, len(encoding.slots))
    assert (encoding.choices(vectors) == rows).all()
    for row, vector in zip(rows, vectors, strict=True):
        params = encoding.params(row)
        assert (encoding.encode(params) == row).all()
        indices = zip(encoding.slots, vector, strict=True)
        assert {slot.path: slot.options[index] for slot, index in indices if index >= 0} == params


def test_a_shipped_space_at_two_resolutions() -> None:
    encoding = Encoding(load_space("five_stage"))
    chain = encoding.chain([MetricAt("macs", 96), MetricAt("params"), MetricAt("saved_bytes")])
    rng = random.Random(1)
    layouts = [encoding.space.sample(rng) for _ in range(25)]
    prices = chain.price(np.array([encoding.encode(layout.params) for layout in layouts]))
    for layout, price in zip(layouts, prices.tolist(), strict=True):
        whole = measure(layout.spec)
        assert price == [measure(layout.spec, 96).macs, whole.params, whole.saved_bytes]


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Encoding(space(ROWS)).chain(EVERY[:3])


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_restricting_and_selecting_keep_the_costs(chain: Chain, data: st.DataObject) -> None:
    keep = [data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True)) for count in chain.options]
    row = [data.draw(st.integers(0, len(options) - 1)) for options in keep]
    whole = [options[index] for options, index in zip(keep, row, strict=True)]
    expected = chain.price(np.array([whole]))
    assert (restrict(chain, keep).price(np.array([row])) == expected).all()
    assert (chain.select(chain.metrics[::-1]).price(np.array([whole])) == expected[:, ::-1]).all()


def test_more_layouts_than_one_block(chain: Chain) -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, count, 20_000) for count in chain.options], axis=1).astype(np.uint8)
    whole = chain.price(rows)
    assert (whole[::997] == chain.price(rows[::997])).all()


@pytest.mark.parametrize("column", range(5))
@pytest.mark.parametrize("wrong", [-1, 1000])
def test_an_option_that_does_not_exist(chain: Chain, column: int, wrong: int) -> None:
    row = np.zeros((3, 5), np.int64)
    row[1, column] = wrong
    with pytest.raises(IndexError, match=r"within the options \[1, 2, 4, 72, 1\]"):
        chain.price(row)


def test_choices_of_another_shape(chain: Chain) -> None:
    with pytest.raises(IndexError, match=r"\[layouts, 5\], not \[2, 4\]"):
        chain.price(np.zeros((2, 4), np.int64))


def test_a_vector_that_is_no_layout() -> None:
    encoding = Encoding(space(ROWS))
    vectors = encoding.vectors(np.zeros((1, 5), np.int64))
    heads = [slot.path for slot in encoding.slots].index("stages[1].block.T.heads")
    for slot, value in ((0, 2), (0, -1), (heads, 0)):  # beyond the options, closed though open, open though closed
        wrong = vectors.copy()
        wrong[0, slot] = value
        with pytest.raises(SpecError, match="a vector that is no layout"):
            encoding.choices(wrong)


def test_params_without_a_value_or_with_a_wrong_one() -> None:
    encoding = Encoding(space(ROWS))
    params = encoding.params(np.zeros(5, np.int64))
    with pytest.raises(SpecError, match=r"stages\[0\].width: has no option 9"):
        encoding.encode({**params, "stages[0].width": 9})
    del params["stem.width"]
    with pytest.raises(SpecError, match=r"stem.width: has no value"):
        encoding.encode(params)


def test_what_cannot_be_tabulated_says_why() -> None:
    many = "{choice: [" + ", ".join(str(8 * i) for i in range(1, 500)) + "]}"
    big = f"stem: conv_stem\nstages:\n  - {{block: T, heads: {many}, width: {many}}}\n"
    with pytest.raises(SpecError, match=r"stages.0 alone has 249,001 options; at most 200,000"):
        Encoding(space(big))
    lengths = "stem: conv_stem\nstages: {choice: {one: [{block: HR, width: 8}], two: [{block: HR, width: 8}, HR2]}}\n"
    lengths = lengths.replace("HR2", "{block: HR, width: 8}")
    with pytest.raises(SpecError, match="different numbers of stages"):
        Encoding(space(lengths)).chain(EVERY)
    deep = "resolution: 64\nstem: conv_stem\nstages:\n" + "  - {block: HR, width: 8, depth: {choice: [1, 400]}}\n" * 3
    with pytest.raises(SpecError, match="the deepest layout makes 1200 blocks in all; a spec holds at most 1024"):
        Encoding(space(deep)).chain(EVERY)
    wide = "stem: conv_stem\nstages:\n" + "  - {block: T, heads: 8, width: {choice: [64, 7168]}}\n" * 2
    with pytest.raises(SpecError, match=r"space.yaml: layouts reach .* parameters, more than 1e\+09"):
        Encoding(space(wide)).chain(EVERY)
