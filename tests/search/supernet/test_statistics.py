"""Statistics of batch norm are plain averages over batches, and belong to one layout."""

import random

import torch
from mixed_space import mixed_space
from torch import nn

from search.supernet.statistics import estimate_statistics
from search.supernet.supernet import Supernet


def test_statistics_are_the_average_over_the_batches():
    space = mixed_space()
    supernet = Supernet(space, lambda spec: spec, seed=0)
    spec = space.sample(random.Random(4)).spec.edit({"drop_path": 0.5})
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(4, 3, 32, 32, generator=generator) for _ in range(3)]
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    buffers = estimate_statistics(supernet, spec, iter(batches))

    plain = supernet.cut_out(spec)
    first = next(module for module in plain.modules() if isinstance(module, nn.BatchNorm2d))
    name = next(name for name, module in plain.named_modules() if module is first)
    seen = []
    first.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        for images in batches:
            plain.eval()(images)
    means = torch.stack([x.mean((0, 2, 3)) for x in seen])
    variances = torch.stack([x.var((0, 2, 3)) for x in seen])
    assert torch.allclose(buffers[f"{name}.running_mean"], means.mean(0), atol=1e-6)
    assert torch.allclose(buffers[f"{name}.running_var"], variances.mean(0), atol=1e-6)
    assert int(buffers[f"{name}.num_batches_tracked"]) == 3

    # Stochastic depth takes no part, and the supernet is as it was.
    again = estimate_statistics(supernet, spec, batches)
    assert all(torch.equal(again[name], value) for name, value in buffers.items())
    assert all(torch.equal(before[name], value) for name, value in supernet.state_dict().items())
    norms = supernet.member(spec).norms
    assert {norm.momentum for norm in norms} == {0.1}
