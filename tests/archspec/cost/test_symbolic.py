"""The formula of a spec against `measure`: equal where it claims to hold, and honest about where it does not."""

import json
import random
from collections import Counter
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest

import archspec.cost.symbolic
from archspec.cost.measure import Cost, NetworkCost, measure
from archspec.cost.symbolic import ATTENTION, WEIGHTS, between, deviations, symbolic, total_stride, varying_metrics
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import load, parse, presets
from archspec.spec.schema import ArchSpec
from archspec.testing.random_specs import random_spec
from blocks.layers.layer import Line

VIT = """
resolution: 224
stem: {type: patch_stem, kernel: 16, stride: 16}
stages: [{block: T, depth: 2, width: 24, heads: 3, expansion: 2, ffn: plain, norm_ffn: ln}]
head: {type: classifier, classes: 10}
"""


def spec_of(text: str) -> ArchSpec:
    return parse(parse_document(text, "spec.yaml"))


@pytest.mark.parametrize("name", presets())
def test_it_equals_measure_at_twelve_resolutions_in_every_operator_of_every_part(name):
    spec = load(name)
    formula = symbolic(spec)
    sides = list(islice(formula.sides(), 12))
    assert len(sides) == 12
    for side in sides:
        cost = measure(spec, side)
        for metric in varying_metrics():
            assert formula.value(side, metric.name) == metric.of(cost.total.lines)
            for part in cost.parts:
                assert formula.polynomial(metric.name, part=part.name)(side) == metric.of(part.lines)
        counted = {name: formula.polynomial(operators={name})(side) for name in formula.operators}
        assert counted == cost.total.by_operator
        assert formula.params == cost.params


def test_a_vision_transformer_by_hand():
    formula = symbolic(spec_of(VIT))
    width, depth, patch = 24, 2, 16
    tokens = Fraction(1, patch**2)
    assert formula.polynomial(operators=ATTENTION).coefficients == (0, 0, 0, 0, depth * 2 * width * tokens**2)
    linear = depth * 4 * width**2 * tokens
    assert formula.polynomial(operators={"linear"}).coefficients == (width * 10, 0, linear)
    convolution = (3 * patch**2 * width + depth * 2 * width * 2 * width) * tokens
    assert formula.polynomial(operators={"conv"}).coefficients == (0, 0, convolution)
    # The stem, two in each block, and the head.
    assert formula.polynomial(operators={"layer_norm"}).coefficients == (0, 0, (2 + 2 * depth) * 5 * width * tokens)
    assert (formula.modulus, formula.least, formula.excepted) == (16, 16, ())
    assert set(formula.operators) == {"conv", "layer_norm", "linear", *ATTENTION, "adaptive_avg_pool2d"}


@pytest.mark.parametrize("side", range(33, 33 + 64, 5))
def test_every_side_has_a_formula_of_its_remainder(side):
    spec = load("tiny")
    formula = symbolic(spec, side)
    assert formula.holds(side)
    for one in (side, side + formula.modulus, side + 10 * formula.modulus):
        assert formula.value(one) == measure(spec, one).macs


@pytest.mark.parametrize("seed", range(12))
def test_random_specs_with_odd_strides_resizes_and_variants(seed):
    rng = random.Random(seed)
    spec = random_spec(rng)
    for side in (None, rng.randint(20, 200)):
        formula = symbolic(spec, side)
        last = 1000 * formula.modulus + formula.remainder
        for one in (*islice(formula.sides(10**9), 4), last):
            if formula.holds(one):
                cost = measure(spec, one)
                lines = cost.total.lines
                assert all(formula.value(one, metric.name) == metric.of(lines) for metric in varying_metrics())


def test_it_does_not_hold_on_odd_sides_small_sides_and_variants():
    spec = load("hiri-vit-s")
    formula = symbolic(spec)
    assert [side for side in range(1, 520) if formula.holds(side)] == [64, 128, 192, 256, 320, 448, 512]
    assert formula.excepted == (384,)
    assert symbolic(spec, 224).excepted == (224,)
    for side in (0, 32, 225, 384):
        with pytest.raises(SpecError, match=rf"holds for multiples of 64 from 64 except 384, not at {side}$"):
            formula.value(side)
    found = deviations(spec, formula, [224, 225, 384, 448, 1])
    assert [(d.side, d.measured == d.formula) for d in found] == [(224, False), (225, False), (384, False), (448, True)]
    assert found[1].error == pytest.approx(-0.197, abs=0.001)
    assert formula.nearest(384) == 320
    assert (formula.nearest(385), formula.nearest(1)) == (448, 64)


def test_where_small_maps_are_emptied_it_holds_from_the_first_that_is_not():
    spec = load("tiny")
    formula = symbolic(spec, 32)
    assert (formula.remainder, formula.least) == (32, 96)
    with pytest.raises(SpecError):
        measure(spec, 32)
    assert measure(spec, 96).macs == formula.value(96)


def test_the_error_between_is_measured_on_every_side_between():
    spec = load("tiny")
    formula = symbolic(spec)
    found = between(spec, formula, 100)
    assert [deviation.side for deviation in found] == [*range(65, 128)]
    assert all(deviation.measured == measure(spec, deviation.side).macs for deviation in found)
    assert max(found, key=lambda deviation: abs(deviation.error)).side == 65
    wide = symbolic(spec_of(VIT.replace("kernel: 16, stride: 16", "kernel: 64, stride: 64").replace("224", "640")))
    assert [d.side for d in between(load("tiny"), wide, 640)][::62] == [641, 703]
    assert not [d for d in between(load("hiri-vit-s"), symbolic(load("hiri-vit-s")), 200) if d.side == 224]


@pytest.mark.parametrize("name", ["hiri-vit-b", "hiri-vit-l", "hiri-vit-s", "tiny"])
def test_attention_overtakes_at_the_crossover_and_not_before(name):
    spec = load(name)
    formula = symbolic(spec)
    crossover = formula.crossover()
    assert crossover is not None

    def excess(side: int) -> int:
        counts = Counter(measure(spec, side).total.by_operator)
        return sum(counts[name] for name in ATTENTION) - sum(counts[name] for name in WEIGHTS)

    assert excess(crossover) > 0
    assert all(excess(side) <= 0 for side in formula.sides(crossover - 1))
    assert formula.crossover(crossover - 1) is None


def test_without_attention_there_is_no_crossover():
    formula = symbolic(load("HR1x8-CFFN1x16"))
    assert formula.crossover() is None
    assert formula.polynomial().degree == 2


def test_the_stride_counts_what_blocks_do_inside():
    assert total_stride(load("hiri-vit-s")) == 64
    # The stem leaves a quarter, which the HR block halves inside; without it a quarter is all.
    assert (total_stride(load("HR1x8")), total_stride(load("CFFN1x8"))) == (8, 4)
    assert total_stride(spec_of(VIT.replace("ffn: plain", "ffn: plain, sr: 7"))) == 112
    resized = VIT.replace("norm_ffn: ln", "norm_ffn: ln, resize: 5")
    formula = symbolic(spec_of(resized))
    assert (formula.modulus, formula.polynomial(operators=ATTENTION).degree) == (16, 0)


def stub(monkeypatch, macs):
    """Has `symbolic` measure a network of one layer with these MACs and a map of the image's own size."""

    def measured(spec, side):
        line = Line("stem.conv", "conv", (1, side, side), 1, macs(side), 0, 0)
        cost = Cost.total("stem", (line,))
        return NetworkCost(spec.name, spec.digest, (side, side), cost, (cost,))

    monkeypatch.setattr(archspec.cost.symbolic, "measure", measured)


def test_windows_that_the_shapes_do_not_show_are_found(monkeypatch):
    stub(monkeypatch, lambda side: (-(-side // 7)) ** 2)
    formula = symbolic(load("tiny"))
    assert formula.modulus == 7
    assert formula.polynomial().coefficients == (0, 0, Fraction(1, 49))
    assert symbolic(load("tiny"), 1).steps(symbolic(load("tiny"), 1).polynomial()).coefficients == (1, 2, 1)


def test_it_holds_only_from_where_small_sides_agree(monkeypatch):
    stub(monkeypatch, lambda side: max(side, 12) ** 2)
    formula = symbolic(load("tiny"))
    assert (formula.modulus, formula.least) == (1, 12)
    assert not formula.holds(11)


def test_what_is_no_polynomial_is_refused(monkeypatch):
    stub(monkeypatch, lambda side: side**5)
    with pytest.raises(SpecError, match="tiny: its cost is no polynomial of degree 4 on sides divisible by 1 to 64"):
        symbolic(load("tiny"))


def test_an_opaque_module_has_no_formula(monkeypatch, tmp_path):
    from blocks.opaque.opaque import Opaque
    from blocks.t import T

    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path))
    spec = spec_of(VIT)
    monkeypatch.setattr(T, "layers", lambda self, width: Opaque("torch.nn:Identity"))
    with pytest.raises(SpecError, match=r"stages\.0\.blocks\.0 is an opaque module"):
        symbolic(spec)


def test_the_command_prints_formula_domain_tables_and_effects(run):
    code, out, _ = run("flops", "hiri-vit-s", "--symbolic")
    assert code == 0
    for text in (
        "exact on multiples of 64 from 64 except 384",
        "MACs         ≈ 0.0057373 r⁴ + 24,041.8 r² + 2,560,000",
        "MACs         = 96,256 n⁴ + 98,475,392 n² + 2,560,000",
        "At 448 it gives 5,058,964,864 MACs.",
        "At 384 the spec declares a variant of 4,835,431,808 MACs",
        "first exceed all convolutions and linear layers at r = 2,048",
        "│ attention's matmuls │",
        "│ stages[3].width ",
        "│ 320 → 360 ",
    ):
        assert text in out
    assert max(map(len, out.splitlines())) <= 118
    _, out, _ = run("flops", "hiri-vit-s", "--symbolic", "--res", "225", "--per-layer")
    assert "exact on sides that leave 33 when divided by 64 from 33" in out
    assert f"At 225 it gives {measure(load('hiri-vit-s'), 225).macs:,} MACs." in out
    assert "MACs by part and operator" in out


def test_json_holds_exact_rationals(run):
    _, out, _ = run("flops", "hiri-vit-s", "--symbolic", "--json")
    record = json.loads(out)
    assert (record["modulus"], record["remainder"], record["least"], record["excepted"]) == (64, 0, 64, [384])
    lines = measure(load("hiri-vit-s"), 448).total.lines
    for metric in varying_metrics():
        value = sum(Fraction(text) * 448 ** int(power) for power, text in record[metric.name].items())
        assert value == metric.of(lines)
        parts = sum(Fraction(t) * 448 ** int(p) for term in record["terms"] for p, t in term[metric.name].items())
        assert parts == value
    assert record["crossover"] == 2048
    assert [variant["side"] for variant in record["variants"]] == [224, 384]
    assert {effect["field"] for effect in record["sensitivity"]} >= {"stages[3].width", "head.hidden"}
    _, out, _ = run("flops", "tiny", "--symbolic", "--json", "--res", "64", "--res", "65")
    assert [record["remainder"] for record in json.loads(out)] == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--res", "224x448"], "--res: must be one side with --symbolic, whose formula is for square images"),
        (["--csv"], "--symbolic: goes with --res, --per-layer and --json only"),
        (["--verify"], "--symbolic: goes with --res, --per-layer and --json only"),
        (["--res", "3"], "at resolution 3, layer mix.branch.expand: stride 2 empties a map of 1x1"),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    code, out, err = run("flops", "tiny", "--symbolic", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_the_example_in_the_docs_is_what_the_command_prints(run):
    page = (Path(__file__).parents[3] / "docs" / "reference" / "symbolic.md").read_text()
    _, out, _ = run("flops", "hiri-vit-s", "--symbolic")
    printed = {line.rstrip() for line in out.splitlines()}
    examples = [block for block in page.split("```")[1::2] if "┃" in block]
    assert len(examples) == 2
    assert {line for block in examples for line in block.splitlines()} <= printed


def test_windows_of_several_sizes_have_a_formula_on_what_all_of_them_divide():
    blocks = [{"type": "hrformer_block", "window": 9}, {"type": "hrvit_block", "window": 8}]
    spec = ArchSpec.model_validate({"stem": "patch_stem", "stages": [{"width": 8, "blocks": blocks}]})
    formula = symbolic(spec)
    assert formula.modulus == 4 * 9 * 8 > 64 * total_stride(spec)
    assert formula.value(576) == measure(spec, 576).macs
