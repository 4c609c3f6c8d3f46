"""The averages of stacked weights are those of each run alone."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from lossbench.vectorized.engine.average import averaged, decay_at, decays


def test_averages_of_weights_and_buffers_are_torchs() -> None:
    given = [0.0, 0.5, 0.9]
    models = [nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)) for _ in given]
    alone = [
        AveragedModel(model, use_buffers=True, avg_fn=get_ema_avg_fn(decay))
        for model, decay in zip(models, given, strict=True)
    ]
    decay = decays([*given], torch.device("cpu"))
    assert decay is not None
    names = list(models[0].state_dict())
    average = [torch.stack([model.state_dict()[name] for model in models]).clone() for name in names]
    for step in range(20):
        for model in models:
            model(torch.randn(8, 3))
            with torch.no_grad():
                model[0].weight.add_(torch.randn(4, 3))  # pyright: ignore[reportArgumentType, reportCallIssue]
        now = [torch.stack([model.state_dict()[name] for model in models]) for name in names]
        average = averaged(average, now, decay_at(step, decay))
        for each, model in zip(alone, models, strict=True):
            each.update_parameters(model)
    for k, each in enumerate(alone):
        torch.testing.assert_close(dict(zip(names, (a[k] for a in average), strict=True)), each.module.state_dict())
