"""Dense heads: params by the published formulas, cost against fvcore, what training returns, and what is refused."""

import itertools
import random

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from archspec.cost.components import ComponentOptions
from archspec.cost.measure import measure
from archspec.cost.metrics import additive_metrics
from archspec.cost.tables import MetricAt, tabulate
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import load
from archspec.model.build import build
from archspec.spec.schema import ArchSpec
from archspec.testing.contract import (
    check_counts,
    check_gradients,
    check_inference,
    check_saved_bytes,
    check_shapes,
    naming,
)
from archspec.testing.random_specs import random_options, random_spec
from blocks.catalog import find_part
from blocks.heads.pose.pose_heatmap import PoseHeatmap
from blocks.heads.segmentation.ocr import OCR
from blocks.heads.segmentation.segformer import SegFormer
from blocks.heads.segmentation.semantic_fpn import SemanticFPN
from blocks.heads.segmentation.upernet import UPerNet
from blocks.layers.layer import TRAINING_ONLY

SWIN_T = (96, 192, 384, 768)
HRVIT = {"b1": (32, 64, 128, 256), "b2": (48, 96, 240, 384), "b3": (64, 128, 256, 512)}
HRFORMER_B = (78, 156, 312, 624)
HEADS = ("upernet", "semantic_fpn", "segformer", "ocr")


def cbr(k, i, o):
    return k * k * i * o + 2 * o


def upernet(c, d, pools, k, a):
    """The formula of UPerNet and its auxiliary head, from the layers' descriptions."""
    out = pools * cbr(1, c[-1], d) + cbr(3, c[-1] + pools * d, d) + sum(cbr(1, i, d) for i in c[:-1])
    out += (len(c) - 1) * cbr(3, d, d) + cbr(3, len(c) * d, d) + (d + 1) * k
    return out + (cbr(3, c[-2], a) + (a + 1) * k if a else 0)


def ocr(c, m, r, k):
    def u(i, o, size=1):
        return size * size * i * o + 3 * o

    context = 2 * (u(m, r) + u(r, r)) + u(m, r) + u(r, m) + u(2 * m, m)
    return 2 * u(c, m, 3) + context + 2 * (m + 1) * k


@pytest.mark.parametrize("widths", [SWIN_T, *HRVIT.values(), (5, 7), (9, 8, 8)])
@pytest.mark.parametrize(("d", "pools", "a", "k"), [(512, (1, 2, 3, 6), 256, 150), (7, (1, 4), None, 3)])
def test_upernet_has_the_params_of_the_formula(head_params, widths, d, pools, a, k):
    head = UPerNet(width=d, pools=pools, auxiliary=a, classes=k)
    assert head_params(head, widths) == upernet(widths, d, len(pools), k, a)


@pytest.mark.parametrize(("f", "c", "k"), [(256, 128, 150), (6, 5, 3)])
def test_semantic_fpn_has_the_params_of_the_formula(head_params, f, c, k):
    fpn = sum(i * f + f for i in SWIN_T) + 4 * (9 * f * f + f)
    expected = fpn + 4 * (9 * f * c + 2 * c) + 3 * (9 * c * c + 2 * c) + (c + 1) * k
    assert head_params(SemanticFPN(pyramid=f, width=c, classes=k), SWIN_T) == expected


@pytest.mark.parametrize("form", ["conv", "mlp"])
@pytest.mark.parametrize(("widths", "d", "k"), [(HRVIT["b1"], 256, 150), (HRVIT["b3"], 768, 19), ((5, 7), 3, 2)])
def test_segformer_has_the_params_of_the_formula(head_params, widths, d, k, form):
    expected = sum(i * d + d for i in widths) + len(widths) * d * d + 2 * d + (d + 1) * k
    assert head_params(SegFormer(width=d, classes=k, form=form), widths) == expected


@pytest.mark.parametrize(("widths", "m", "r", "k"), [(HRFORMER_B, 512, 256, 150), ((5, 7), 6, 5, 3)])
def test_ocr_has_the_params_of_the_formula(head_params, widths, m, r, k):
    assert head_params(OCR(width=m, inner=r, classes=k), widths) == ocr(sum(widths), m, r, k)


def test_ocrs_context_module_has_the_published_size(head_params):
    # HRFormer's code: 1,186,560 params between the two 3x3 convolutions and the classifiers.
    whole, c = head_params(OCR(), HRFORMER_B), sum(HRFORMER_B)
    assert whole - 2 * (9 * c * 512 + 3 * 512) - 2 * 513 * 150 == 1_186_560


def test_a_pose_head_is_one_convolution(head_params):
    assert head_params(PoseHeatmap(), (32,)) == 33 * 17
    spec = ArchSpec.model_validate({**load("hrnet-w32").canonical(), "head": "pose_heatmap"})
    cost = measure(spec, (256, 192))
    # HRNet (arXiv 1902.09212) Table 1: 28.5 M; the last exchange unit makes the finest map only.
    assert f"{cost.params / 1e6:.1f}" == "28.5"
    assert cost.total.shape == (17, 64, 48)


@pytest.mark.parametrize("name", HEADS)
def test_logits_have_the_size_of_the_first_map_that_is_read(written, name):
    assert measure(written(name)).total.shape == (150, 16, 16)
    maps = measure(written(f"{{type: {name}, maps: [1, 2, 3], classes: 5}}"))
    assert maps.total.shape == (5, 8, 8)


# Computed to the digits that are published, each under the convention of its row. Sources: HRViT's paper and README,
# HRFormer's paper; `half` is what HRViT's counter bills.
PUBLISHED = [
    ("hrvit-b1", "{type: segformer, width: 256}", 150, "8.2", "14.6"),
    ("hrvit-b2", "{type: segformer, width: 256}", 150, "20.8", "28.0"),
    ("hrvit-b3", "{type: segformer, width: 768}", 150, "28.7", "67.9"),
    ("hrvit-b1", "{type: segformer, width: 256}", 19, "8.1", "14.1"),
    ("hrvit-b2", "{type: segformer, width: 256}", 19, "20.8", "27.4"),
    ("hrvit-b2", "{type: upernet}", 150, "49.7", "232.9"),
    ("hrformer-b", "{type: ocr}", 150, "56.2", None),
]


@pytest.mark.parametrize(("name", "head", "classes", "params_m", "half"), PUBLISHED)
def test_published_rows(name, head, classes, params_m, half):
    options = parse_document(head, "head").data | {"classes": classes}
    cost = measure(ArchSpec.model_validate({**load(name).canonical(), "head": options}), 512)
    assert f"{cost.params / 1e6:.1f}" == params_m
    assert half in (None, f"{cost.under('half').macs / 1e9:.1f}")


def test_hiri_vit_in_dense_use_reads_the_stages_from_the_second():
    # HIRI-ViT (arXiv 2403.11999) Table VI: 61.4 M and 240 G for images of twice 512; the layers are a reconstruction.
    head = {"type": "upernet", "maps": [1, 2, 3, 4]}
    options = {"head": head, "input": {"size": [512, 512], "scale": 2}, "variants": {}}
    cost = measure(ArchSpec.model_validate({**load("hiri-vit-s").canonical(), **options}))
    assert (cost.resolution, cost.total.shape) == ((1024, 1024), (150, 128, 128))
    assert cost.params / 1e6 == pytest.approx(61.4, rel=0.003)
    assert cost.under("macs").macs / 1e9 == pytest.approx(240, rel=0.03)


def random_dense(rng, name):
    """A small random pyramid with random options of one head."""
    data = next(spec for spec in iter(lambda: random_spec(rng), None) if spec.topology == "pyramid").canonical()
    for _ in range(1000):
        options = random_options(rng, find_part(name))
        options["maps"] = [len(data["stages"]) - 1] if name == "pose_heatmap" else None
        small = {"width", "pyramid", "inner"} & options.keys() | ({"width"} if name != "pose_heatmap" else set())
        options |= {key: rng.randint(2, 9) for key in sorted(small)}
        try:
            spec = ArchSpec.model_validate({**data, "head": options, "variants": {}})
            if measure(spec).params < 300_000:
                return spec
        except (ValidationError, SpecError):
            continue
    raise AssertionError(name)


@pytest.mark.parametrize("name", [*HEADS, "pose_heatmap"])
def test_random_pyramids_with_dense_heads_keep_the_contract(name):
    torch.manual_seed(0)
    rng = random.Random(20)
    for _ in range(1):
        spec = random_dense(rng, name)
        for check in (check_counts, check_saved_bytes, check_shapes, check_gradients, check_inference):
            with naming(spec, None):
                check(spec)


def test_an_auxiliary_head_counts_in_params_and_not_in_the_cost_of_evaluation(written):
    spec = written("{type: upernet, width: 8, auxiliary: 5, classes: 3}")
    plain = written("{type: upernet, width: 8, auxiliary: null, classes: 3}")
    cost, without, training = measure(spec), measure(plain), measure(spec, training=True)
    assert cost.params - without.params == cbr(3, 9, 5) + 6 * 3
    assert (cost.macs, cost.activations) == (without.macs, without.activations)
    for convention in ("macs", "mmcv", "half"):
        assert cost.under(convention).macs == without.under(convention).macs
    assert cost.saved_bytes == training.saved_bytes > without.saved_bytes
    assert training.macs > measure(plain, training=True).macs
    assert {line.operator for line in cost.total.lines if ".auxiliary" in line.path} == {TRAINING_ONLY}
    assert TRAINING_ONLY not in {line.operator for line in training.total.lines}


@pytest.mark.parametrize(("name", "outputs"), [("upernet", 2), ("ocr", 2), ("segformer", 1), ("semantic_fpn", 1)])
def test_training_returns_the_auxiliary_output_too_and_the_loss_falls(written, name, outputs):
    torch.manual_seed(0)
    network = build(written(f"{{type: {name}, width: 8, classes: 3, dropout: 0}}"), init="fan_out")
    images = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        assert network.eval()(images).shape == (4, 3, 16, 16)
    # Which of three classes: by the sign and the size of the mean of each cell.
    cells = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), 4)[:, 0]
    labels = torch.bucketize(cells, torch.tensor([-0.05, 0.05]))
    optimiser = torch.optim.Adam(network.train().parameters(), 0.01)
    losses = []
    for _ in range(12):
        answer = network(images)
        found = answer if isinstance(answer, tuple) else (answer,)
        loss = sum(
            torch.nn.functional.cross_entropy(torch.nn.functional.interpolate(out, labels.shape[1:]), labels)
            for out in found
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert len(found) == outputs
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("{type: upernet, maps: [1, 4]}", "head.maps: map 4 does not exist: the backbone gives 4 maps, 0 to 3"),
        ("{type: segformer, maps: [3, 1]}", "head.maps: must rise from map to map, finest first, unlike [3, 1]"),
        (
            "{type: ocr, maps: [0, 1]}",
            "head.maps: must hold the last map, 3: what comes after map 1 would be for nothing",
        ),
        ("{type: pose_heatmap, maps: [2, 3]}", "head.maps: must hold one map, since a heatmap is made of one, not 2"),
        (
            "{type: upernet, maps: [3]}",
            "head.auxiliary: reads the last map but one, but the head reads one map: must be null",
        ),
        ("{type: upernet, pools: [0, 1]}", "head.pools: must be cells per side from 1 to 64, not [0, 1]"),
    ],
)
def test_a_head_that_does_not_fit_is_one_line_with_its_place(written, head, message):
    with pytest.raises(SpecError) as caught:
        written(head)
    assert str(caught.value) == f"spec.yaml:9: {message}"


def test_tables_of_millions_of_layouts_know_what_a_head_on_several_maps_costs(written):
    """A kept map costs its bytes once, wherever the stage after it or the head keeps it."""
    wide = written("upernet").model_dump(mode="json")
    for stage in wide["stages"]:
        stage["width"] += 2
    specs = [written("{type: upernet, width: 8, classes: 3}"), ArchSpec.model_validate(wide)]
    heads = [specs[0].head, find_part("segformer")(width=8, maps=(2, 3)), find_part("classifier")(), None]
    heads += [find_part("ocr")(width=6, inner=4, maps=(0, 1))]  # the last map is missing: impossible
    stages = tuple(tuple(spec.stages[i] for spec in specs) for i in range(4))
    menu = ComponentOptions(
        3, 64, 0.0, (specs[0].stem,), stages, tuple(() if head is None else (head,) for head in heads)
    )
    chain = tabulate([{0: menu}], [MetricAt(metric.name) for metric in additive_metrics()])
    for choice in itertools.product(range(2), range(2), range(2), range(2), range(len(heads))):
        priced = chain.price(np.array([[0, 0, *choice]]))[0].tolist()
        *picks, head = choice
        data = specs[0].model_dump(mode="json")
        data["stages"] = [wide["stages"][i] if pick else data["stages"][i] for i, pick in enumerate(picks)]
        data["head"] = None if heads[head] is None else heads[head].model_dump(mode="json")
        if head == 4:
            assert priced == [-1] * len(additive_metrics())
            continue
        cost = measure(ArchSpec.model_validate(data))
        assert priced == [metric.of(cost.total.lines) for metric in additive_metrics()]


def test_a_pose_head_on_a_pyramid_must_name_the_last_map(written):
    with pytest.raises(SpecError, match=r"spec\.yaml:9: head\.maps: must hold the last map, 3"):
        written("pose_heatmap")
    assert measure(written("{type: pose_heatmap, maps: [3]}")).total.shape == (17, 2, 2)
