"""Weights on disk, and programs for elsewhere."""

import pytest
import torch

from archspec.cost.measure import measure
from archspec.loader import load, presets
from archspec.model.build import build
from archspec.model.weights import restore, save


def train_a_little(network, images):
    """A few steps, so that weights and statistics are not those of the start."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), torch.arange(len(images)) % 10).backward()
        optimizer.step()


def test_a_trained_network_gives_the_same_logits_after_saving_and_loading(tmp_path):
    torch.manual_seed(0)
    spec = load("tiny")
    network = build(spec).train()
    images = torch.randn(8, 3, 64, 64)
    train_a_little(network, images)
    save(network, tmp_path / "trained")
    again = restore(tmp_path / "trained")
    assert again.spec == spec
    assert not again.training
    assert torch.equal(network.eval()(images), again(images))
    assert not torch.equal(build(spec).eval()(images), again(images))
    state = again.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


FAMILIES = {name.split("-")[0]: name for name in sorted(presets(), key=lambda name: -measure(load(name)).params)}
"""The smallest preset of each family."""


@pytest.mark.parametrize("name", FAMILIES.values())
def test_every_family_can_be_exported_with_any_batch(name):
    # On the meta device and small images: what counts is that the whole graph is captured.
    spec = load(name)
    network = build(spec, device="meta").eval()
    side = 64 if name == "tiny" else 128
    batch = torch.export.Dim("batch", min=2, max=64)
    images = torch.empty(2, 3, side, side, device="meta")
    program = torch.export.export(network, (images,), dynamic_shapes={"x": {0: batch}})
    (output,) = program.graph_signature.user_outputs
    (node,) = [node for node in program.graph.nodes if node.name == output]
    assert node.meta["val"].shape[1] == spec.head.classes
    assert set(program.state_dict) == set(network.state_dict())
    operators = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    attends = "scaled_dot_product_attention" in measure(spec).total.by_operator
    assert ("aten.scaled_dot_product_attention.default" in operators) == attends


def test_an_exported_program_computes_the_same():
    torch.manual_seed(0)
    network = build(load("tiny")).eval()
    images = torch.randn(2, 3, 64, 64)
    program = torch.export.export(network, (images,))
    with torch.no_grad():
        assert torch.equal(program.module()(images), network(images))
