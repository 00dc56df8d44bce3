"""Networks that begin with weights: what is taken, resized, new, and refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from extras import need
from small_layouts import layout, network, same, write_run
from torch import nn

from archspec.errors import FieldError
from archspec.loader import load
from archspec.model.build import build
from archspec.model.weights import save
from archspec.spec.schema import ArchSpec
from search.seeding import seed_everything
from search.weights.initial import Beginning, InitialWeights, begin, check_initial, weights_input
from search.weights.matching import match
from search.weights.position_tables import resize_relative
from search.weights.reading import Weights, read_weights
from search.weights.source import WeightSource

SMALL = network(layout())
TABLE = "stages.0.blocks.0.mha.body.attention.relative_position_bias_table"
MIDDLE: dict[str, Any] = {"block": "HR", "depth": 1, "width": 16, "expansion": 2, "downsample": "conv"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save(SMALL, path)
    return str(path)


def started(spec: ArchSpec, source: str, **options: Any) -> Beginning:
    init = InitialWeights(weights=source, **options)
    check_initial(init, spec)  # says the same of names and shapes alone
    seed_everything(3)
    return begin(spec, init, zero_init_residual=False, weights=read_weights(source))


def test_another_resolution_resizes_the_tables_of_windows_that_grow_and_nothing_else(saved: str):
    found = started(layout().at(64), saved)
    state = found.network.state_dict()
    resized = resize_relative(SMALL.state_dict()[TABLE], torch.Size((225, 2)))
    assert resized is not None
    assert torch.equal(state[TABLE], resized)
    others = [name for name in state if name != TABLE]
    assert all(torch.equal(state[name], SMALL.state_dict()[name]) for name in others)
    assert (found.taken, found.share) == (sum(p.numel() for p in found.network.parameters()), 1)
    assert found.line.endswith("; resized: 1 table of positions")
    assert found.network(torch.zeros(2, 3, 64, 64)).shape == (2, 3)


def test_a_window_that_stays_has_its_table_as_it_was(saved: str):
    assert same(started(layout(variants={}).at(64), saved).network, SMALL)


def test_other_classes_give_a_new_last_layer_that_is_told(saved: str):
    spec = layout(head={"type": "classifier", "classes": 7, "hidden": 24})
    found = started(spec, saved)
    assert same(found.network, SMALL, "stages.")
    assert same(found.network, SMALL, "head.norm.")
    assert found.network.head.fc.weight.shape == (7, 24)  # pyright: ignore
    assert found.line.endswith("; new: head.fc.weight, head.fc.bias")
    assert found.taken == sum(p.numel() for p in SMALL.parameters()) - 3 * 25
    note = weights_input(saved, 7).examine()
    assert note[0].endswith("their 3 classes are not the data set's 7, so the last layer of the head begins anew")
    assert "anew" not in weights_input(saved, 3).examine()[0]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"stem": {"type": "conv_stem", "width": 8}}, r"stem.type is 'patch_stem' there, 'conv_stem' here. "),
        ({"stages": [layout().canonical()["stages"][0], {**MIDDLE}]}, r"stages\[1\].width is 12 there, 16 here"),
        (
            {"stages": [*layout().canonical()["stages"], MIDDLE]},
            r"stages\[2\].width is absent there, 16 here, .* and \d+ more",
        ),
    ],
)
def test_another_layout_is_refused_with_what_differs(saved: str, changes: dict[str, Any], rule: str):
    spec = layout(variants={}, **changes)
    with pytest.raises(FieldError, match=f"^weights: .* is another network than this layout: {rule}") as caught:
        check_initial(InitialWeights(weights=saved), spec)
    assert caught.value.rule.endswith("`partial: true` takes what fits")


def test_without_a_spec_it_is_the_tensors_that_differ(tmp_path: Path):
    path = tmp_path / "plain.pt"
    state = {name: tensor for name, tensor in SMALL.state_dict().items() if ".ffn." not in name}
    state["stages.0.extra.weight"] = torch.zeros(2)
    state["stem.conv.weight"] = torch.zeros(3, 3)
    torch.save(state, path)
    with pytest.raises(FieldError) as caught:
        check_initial(InitialWeights(weights=str(path)), layout())
    rule = caught.value.rule
    assert "it lacks stages.0.blocks.0.ffn.body" in rule
    assert (
        " more; it has stages.0.extra.weight, which this layout lacks; of another shape: stem.conv.weight is 3x3"
        in rule
    )


def test_partial_takes_what_fits_by_name_and_shape_and_says_how_much(saved: str):
    spec = layout(stages=[layout().canonical()["stages"][0], MIDDLE], variants={})
    found = started(spec, saved, partial=True, others="vit")
    assert same(found.network, SMALL, "stages.0.")
    assert not same(found.network, build(spec), "stages.0.")
    sizes = {name: p.numel() for name, p in found.network.named_parameters()}
    own = SMALL.state_dict()
    kept = {name for name, p in found.network.named_parameters() if name in own and own[name].shape == p.shape}
    taken = sum(sizes[name] for name in kept)
    assert (found.taken, found.share) == (taken, taken / sum(sizes.values()))
    assert 0 < taken < sum(sizes.values())
    assert found.line.startswith(f"{found.taken:,} of {sum(sizes.values()):,} parameters ({100 * found.share:.1f} %)")


def test_weights_of_which_nothing_fits_are_refused_with_the_family_they_look_like(tmp_path: Path):
    path = tmp_path / "resnet.pt"
    torch.save({"layer1.0.conv1.weight": torch.zeros(2), "fc.weight": torch.zeros(3)}, path)
    with pytest.raises(FieldError) as caught:
        check_initial(InitialWeights(weights=str(path), partial=True), layout())
    assert caught.value.rule == (
        f"{path}: nothing of it fits this layout: it has layer1.0.conv1.weight, fc.weight (they look like those of "
        "timm's resnet), and the layout stem.conv.weight, stem.conv.bias, stem.norm.weight and 36 more"
    )


def test_a_checkpoint_of_timm_fits_the_preset_of_its_family_with_a_new_head(tmp_path: Path):
    timm = need("timm")
    model = timm.create_model("resnet18", num_classes=5)
    path = tmp_path / "resnet18.pth"
    torch.save({"state_dict": model.state_dict(), "arch": "resnet18"}, path)
    spec = load("resnet-18").edit({"head.classes": 10}).at(64)
    found = started(spec, str(path))
    assert found.line.endswith("; new: head.fc.weight, head.fc.bias")
    last, theirs = found.network.state_dict(), model.state_dict()
    assert torch.equal(last["stages.3.blocks.0.unit.body.conv2.weight"], theirs["layer4.1.conv2.weight"])
    with pytest.raises(FieldError, match="is another network than this layout: it lacks stages"):
        check_initial(InitialWeights(weights=str(path)), load("resnet-50"))


def test_a_swin_of_timm_at_another_window_is_resized_as_timm_itself_could(tmp_path: Path):
    timm = need("timm")
    options = {"embed_dim": 16, "depths": (2,), "num_heads": (2,), "patch_size": 4, "num_classes": 3}
    model = timm.models.swin_transformer.SwinTransformer(img_size=32, window_size=4, **options)
    nn.init.normal_(model.layers[0].blocks[0].attn.relative_position_bias_table)
    torch.save(model.state_dict(), tmp_path / "swin.pth")
    block = [{"type": "Swin", "window": 8}, {"type": "Swin", "window": 8, "shift": True}]
    stage = {"block": block, "depth": 1, "width": 16, "heads": 2, "expansion": 4}
    head = {"type": "pooled_classifier", "norm_at": "map", "classes": 3, "eps": 1e-5}
    spec = layout(stem="patch_embed", stages=[stage], head=head, variants={}, name="swin-small").at(64)
    found = started(spec, str(tmp_path / "swin.pth"))
    assert found.share == 1
    assert found.line.endswith("; resized: 2 tables of positions")


@pytest.mark.parametrize(("there", "here"), [(224, 384), (448, 224)])
def test_hiri_vit_fits_at_every_resolution_though_its_strides_and_so_its_names_change(there: int, here: int):
    spec = load("hiri-vit-s")
    first, second = (build(spec.at(side), init="skip", device="meta") for side in (there, here))
    found = match(Weights(WeightSource("x"), first.state_dict(), first.spec, ""), second, spec.at(here))
    assert found.misfits == []
    assert found.count(second)[0] == found.count(second)[1]


def test_members_of_runs_count_as_their_averaged_weights(tmp_path: Path):
    write_run(tmp_path / "demo", SMALL)
    assert same(started(layout(), str(tmp_path / "demo" / "0")).network, SMALL)
