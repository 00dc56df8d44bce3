"""The contract of every spec, on random specs with all parts; and that it notices what breaks it."""

import random

import pytest
import torch
from torch import nn

from archspec.errors import AuditError
from archspec.loader import load
from archspec.testing import contract
from archspec.testing.contract import (
    CHECKS,
    ContractError,
    check_compile,
    check_counts,
    check_export,
    check_forms,
    check_gradients,
    check_inference,
    check_initialisation,
    check_part,
    check_saved_bytes,
    check_shapes,
    check_spec,
)
from archspec.testing.random_specs import parts_of, random_resolution, random_spec
from blocks.catalog import find, find_part, parts, tag
from blocks.component import Block, Head, MapsHead
from blocks.layers.basic.conv import Conv
from blocks.layers.basic.norm import LayerNorm
from blocks.layers.combine_torch import Sum


def sample(count: int, seed: int):
    rng = random.Random(seed)
    for _ in range(count):
        spec = random_spec(rng)
        yield spec, random_resolution(rng, spec)


def test_costs_of_random_specs_equal_fvcores_count():
    used = set()
    rng = random.Random(1)
    drawn = [random_spec(rng, part) for part in parts()]
    for spec, resolution in [(spec, random_resolution(rng, spec)) for spec in drawn]:
        used |= set(parts_of(spec))
        with contract.naming(spec, resolution):
            modules, operators = check_counts(spec, resolution)
        assert modules > 10
        assert operators > 10
    assert used == set(parts())


def test_bytes_saved_for_backward_equal_autograds():
    compared = [check_saved_bytes(spec, resolution) for spec, resolution in sample(60, seed=2)]
    assert sum(compared) > 30


@pytest.mark.parametrize("check", [check_shapes, check_inference, check_gradients, check_initialisation, check_forms])
def test_random_specs_keep_the_rest_of_the_contract(check):
    torch.manual_seed(0)
    for spec, resolution in sample(25, seed=3):
        with contract.naming(spec, resolution):
            check(spec, resolution)


@pytest.mark.parametrize("part", parts(), ids=tag)
def test_every_part_can_be_exported_and_compiled(part):
    rng = random.Random(4)
    spec = random_spec(rng, part)
    with contract.naming(spec, None):
        check_export(spec)
        check_compile(spec)


def test_the_whole_contract_for_one_part():
    check_part(find_part("CFFN"), specs=1, seed=5)


def test_a_failure_comes_with_the_spec_that_fails(monkeypatch):
    monkeypatch.setattr(Conv, "trace", lambda layer, x, meter: x)
    with pytest.raises(ContractError) as caught:
        check_spec(load("HR1x8"), 64)
    assert "at resolution 64 of the spec\nname: HR1x8\n" in caught.value.__notes__[0]


def broken(make, act):
    """A layer's `module` whose forward pass ends in `act`, or that has a parameter too many."""

    def module(layer):
        built = make(layer)
        forward = built.forward
        if act is None:
            built.register_parameter("unused", nn.Parameter(torch.zeros(1)))
        else:
            built.forward = lambda x: act(forward(x))
        return built

    return module


@pytest.mark.parametrize(
    ("check", "act", "error", "message"),
    [
        (check_counts, None, AuditError, "params: computed"),
        (check_counts, lambda x: x @ torch.ones(x.shape[-1], x.shape[-1]), AuditError, "operator matmul"),
        (check_shapes, lambda x: x[:, :, 1:], ContractError, "module head.norm: the shape rule gives"),
        (check_saved_bytes, lambda x: x.exp(), ContractError, "bytes saved for backward: computed"),
        (check_gradients, None, ContractError, "gets no finite gradient"),
        (check_gradients, lambda x: x.detach(), ContractError, "gets no finite gradient"),
        (check_inference, lambda x: x + torch.rand(1), ContractError, "evaluation is not deterministic"),
        (check_inference, lambda x: x - x.mean(0) / 2, ContractError, "depends on its batch"),
        (check_inference, lambda x: x / 0, ContractError, "the output is not finite"),
    ],
)
def test_what_breaks_the_contract_is_noticed(monkeypatch, check, act, error, message):
    for layer in (LayerNorm,) if check is check_shapes else (Conv, LayerNorm):
        monkeypatch.setattr(layer, "module", broken(layer.module, act))
    with pytest.raises(error, match=message):
        check(load("CFFN1x8"), 64)


def break_graph(x):
    torch._dynamo.graph_break()
    return x


@pytest.mark.parametrize(
    ("check", "act"), [(check_compile, break_graph), (check_export, lambda x: x if x.sum() > 0 else -x)]
)
def test_graph_breaks_and_branches_on_data_are_noticed(monkeypatch, check, act):
    forward = Sum.forward
    monkeypatch.setattr(Sum, "forward", lambda module, x: act(forward(module, x)))
    with pytest.raises(Exception, match=r"(?i)graph_break|data-dependent"):
        check(load("HR1x8"), 64)


def test_weights_that_nobody_initialises_are_noticed(monkeypatch):
    from blocks.layers.combine_torch import Residual

    monkeypatch.setattr(Residual, "reset_parameters", lambda module: None)
    spec = next(
        spec
        for spec, _ in sample(200, seed=6)
        if any(getattr(block, "layer_scale", None) for stage in spec.stages for block in stage.blocks)
    )
    with pytest.raises(ContractError, match=r"scale is not initialised: give its module a reset_parameters"):
        check_initialisation(spec)


def test_the_contract_is_complete():
    named = {name for name in vars(contract) if name.startswith("check_")} - {
        "check_part",
        "check_spec",
        "check_slices",
    }
    assert named == {check.__name__ for check in CHECKS}


def test_random_specs_are_small_and_many():
    specs = [spec for spec, _ in sample(300, seed=7)]
    assert len({spec.digest for spec in specs}) > 290
    assert {len(spec.stages) for spec in specs if spec.topology == "pyramid"} == {1, 2, 3, 4, 5}
    assert {len(stage.branches) for spec in specs for stage in spec.branched} >= {1, 2}
    options = {(tag(type(b)), key, value) for s in specs for st in s.stages for b in st.blocks for key, value in b}
    for block in find(Block):
        assert ("drop_path", None) in {(key, value) for name, key, value in options if name == tag(block)}
    for expected in [("T", "ffn", "plain"), ("T", "position", True), ("T", "norm_ffn", "ln"), ("HR", "norm", "ln")]:
        assert expected in options
    assert any(len({type(block) for block in stage.blocks}) > 1 for spec in specs for stage in spec.stages)
    heads = {(spec.topology, MapsHead if isinstance(spec.head, MapsHead) else spec.head and Head) for spec in specs}
    assert heads >= {("pyramid", None), ("pyramid", Head), ("pyramid", MapsHead), ("parallel", MapsHead)}
    assert any(stage.resize for spec in specs for stage in spec.stages)
    assert any(spec.variants for spec in specs)


def test_a_part_can_be_asked_for():
    rng = random.Random(8)
    for part in parts():
        assert part in parts_of(random_spec(rng, part))


def test_the_seed_decides():
    assert [s.digest for s, _ in sample(5, seed=9)] == [s.digest for s, _ in sample(5, seed=9)]
