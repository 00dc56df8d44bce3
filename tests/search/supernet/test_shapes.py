"""Which spaces have a supernet, and what a space that has none is told."""

import random
from typing import Any, Literal, final

import pytest
import torch
from mixed_space import mixed_space, space_of
from torch import nn

from archspec.errors import FieldError, SpecError
from blocks.component import Block
from blocks.layers.layer import Layer
from blocks.opaque.opaque import opaque
from search.space.space import Space, load_space
from search.supernet.shapes import check_space, shared_tensors
from search.supernet.supernet import Supernet


def same(spec: Any) -> Any:
    return spec


@final
class ForeignModule(nn.Module):
    """A module of a third party, with a buffer that it computes for itself."""

    level: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)
        self.register_buffer("level", torch.arange(1, width + 1).view(-1, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.level * self.conv(x)


@final
class ForeignBlock(Block):
    """A block that is not made of layers."""

    type: Literal["foreign_block_of_slices"] = "foreign_block_of_slices"

    def layers(self, width: int) -> Layer:
        return opaque(ForeignModule, width=width)


def foreign(widths: str) -> Space:
    return space_of(
        "resolution: 16\nstem: patch_stem\nstages:\n"
        f"  - {{block: foreign_block_of_slices, depth: {{range: [1, 2]}}, width: {widths}}}\n"
        "head: {type: pooled_classifier, classes: 3}\n"
    )


def test_a_shipped_space_has_a_supernet():
    check_space(load_space("five_stage_grid"), same)


def test_a_module_of_a_third_party_is_shared_whole_or_refused():
    shared = shared_tensors(foreign("8"), same)
    cut = shared["stages.0.blocks.1.foreign_block_of_slices.conv.weight"].slice
    assert (cut.shape, cut.opaque) == ((8, 8, 1, 1), True)
    with pytest.raises(SpecError) as caught:
        check_space(foreign("{choice: [8, 12]}"), same)
    assert str(caught.value) == (
        "space.yaml:4: stages[0].block: a module that is not made of layers is shared whole, at one size: options of "
        "foreign_block_of_slices share no slice: conv.weight is 8x8x1x1 in one option and 12x12x1x1 in another"
    )


def test_a_module_of_a_third_party_runs_with_what_it_made_for_itself():
    space = foreign("8")
    supernet = Supernet(space, same, seed=2)
    spec = space.sample(random.Random(0)).spec
    supernet.activate(spec)
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(supernet.train()(images), supernet.cut_out(spec).train()(images))
    again = Supernet(space, same, seed=2)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in supernet.state_dict().items())
    weight = supernet.get_parameter("stages/0/blocks/0/foreign_block_of_slices/conv/weight")
    assert float(weight.detach().abs().max()) <= 8**-0.5  # the module's own initialisation, not that of layers


HEAD = """
resolution: 32
stem: patch_stem
stages:
  - {block: CFFN, depth: 1, width: {choice: [8, 12]}}
  - {block: CFFN, depth: 1, width: 16, downsample: conv}
head: {type: HEAD, classes: 3, width: 8}
"""


def test_heads_that_project_each_map_share_slices_and_those_that_concatenate_widths_do_not():
    shared = shared_tensors(space_of(HEAD.replace("HEAD", "segformer")), same)
    assert shared["head.segformer(classes=3,width=8).project.0.weight"].slice.shape == (8, 12, 1, 1)
    rule = r"space.yaml:7: head: options of ocr.* share no slice: \S+ is 8x24x3x3 in one option and 8x28x3x3 in another"
    with pytest.raises(SpecError, match=rule):
        check_space(space_of(HEAD.replace("HEAD", "ocr")), same)


def test_kinds_and_fields_that_are_no_sizes_have_parameters_of_their_own():
    keys = shared_tensors(mixed_space(), same)
    kinds = {key.split(".")[4] for key in keys if key.startswith("stages.1.blocks.0.")}
    assert kinds >= {"T(heads=4)", "T(heads=2,sr=2)", "hrformer_block(heads=2,window=2)", "bottleneck"}
    # Widths that a Kronecker product reads as other rows and columns share all but its factors.
    columns = {key for key in keys if "kronecker" in key or "columns=" in key}
    assert {key.partition("columns=")[2].partition(")")[0] for key in columns} == {"4", "8"}


def test_what_is_no_pyramid_is_refused():
    parallel = "topology: parallel\nresolution: 32\nstem: {type: hrnet_stem, hidden: 4, width_out: 8}\nstages:\n"
    parallel += "  - {block: basic, depth: {range: [1, 2]}, widths: [8]}\n"
    parallel += "head: {type: hr_classifier, planes: 2, hidden: 8, classes: 3}\n"
    with pytest.raises(SpecError) as caught:
        check_space(space_of(parallel), same)
    assert str(caught.value) == (
        "space.yaml:1: topology: a supernet needs a pyramid: parallel branches do not share slices yet"
    )
    layout = "{stages: [{block: CFFN, depth: 1, width: 8}]}"
    family = f"resolution: 32\nstem: patch_stem\nfamily: {{choice: {{a: {layout}, b: {layout}}}}}\n"
    with pytest.raises(SpecError, match="a supernet needs one pyramid whose stages have holes, not whole layouts"):
        check_space(space_of(family), same)


def test_layouts_must_fit_what_they_are_prepared_for():
    def refuse(spec: Any) -> Any:
        raise FieldError("head", "must have 3 classes")

    with pytest.raises(FieldError, match="must have 3 classes"):
        check_space(load_space("five_stage_grid"), refuse)
    with pytest.raises(SpecError, match="whose stem and stages are trained as the space gives them"):
        check_space(load_space("five_stage_grid"), lambda spec: spec.edit({"stages[0].width": 20}))
