"""The preset `rsseg-sketch`: it builds, counts and trains, and claims nothing."""

from importlib.resources import files

import pytest
import torch
from torch.nn.functional import cross_entropy

from archspec.loader import load
from archspec.model.build import build
from archspec.testing.contract import check_counts, check_saved_bytes


@pytest.mark.parametrize("resolution", [64, (48, 80)])
def test_fvcore_confirms_the_sketch(resolution):
    spec = load("rsseg-sketch")
    check_counts(spec, resolution)
    assert check_saved_bytes(spec, resolution)


def test_the_sketch_claims_nothing():
    spec = load("rsseg-sketch")
    assert spec.status == "unverified"
    assert "every layer inferred" in spec.description
    text = (files("archspec") / "presets" / "rsseg-sketch.yaml").read_text()
    assert "# Inferred, without evidence:" in text


def test_the_list_of_presets_shows_its_status(run):
    _, out, _ = run("presets")
    row = next(line for line in out.splitlines() if "rsseg-sketch" in line)
    assert "unverified" in row


def test_the_sketch_learns_in_one_step_from_all_its_outputs():
    torch.manual_seed(0)
    network = build(load("rsseg-sketch")).train()
    images, masks = torch.randn(2, 3, 64, 64), torch.randint(150, (2, 4, 4))

    def loss():
        outs = network(images)
        assert len(outs) == 4
        return torch.stack([cross_entropy(out, masks) for out in outs]).sum()

    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    first = loss()
    first.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    optimizer.step()
    with torch.no_grad():
        assert loss() < first
