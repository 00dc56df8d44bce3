"""The average of the weights beside timm's."""

import torch
from extras import need
from torch import nn

from search.tasks.ema import Ema


def test_equals_timms_with_buffers_of_batch_norm():
    utils = need("timm.utils", "timm")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    ours, theirs = Ema(model, 0.9), utils.ModelEmaV3(model, decay=0.9)
    for step in range(1, 120):
        with torch.no_grad():
            model(torch.randn(5, 3, 8, 8))  # moves the buffers
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        theirs.decay = min(0.9, (1 + step) / (10 + step))  # our warm-up of the decay, over after 80 updates
        theirs.update(model)
        ours.update()
    assert theirs.decay == 0.9
    expected = theirs.module.state_dict()
    assert set(ours.state_dict()) == set(expected)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in ours.state_dict().items())
    assert expected["1.num_batches_tracked"] == 119
