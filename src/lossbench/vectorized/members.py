"""The runs of a stack: the model and loss of each."""

from collections.abc import Sequence

import torch
from torch import nn

from lossbench.config.facts import build_source
from lossbench.config.schema import RunConfig
from lossbench.training.callbacks.averaging import DECAY, EMA
from lossbench.training.class_settings import data_free
from lossbench.training.modules import build_loss, build_model, seeded
from lossbench.training.update import own_parameters
from lossbench.vectorized.engine.stack import Member
from lossbench.vectorized.shared import Shared


def why_not_loss(config: RunConfig) -> str | None:
    """Say why the loss of a run cannot be stacked with others; None where it can.

    Raises:
        UserError: it cannot be built.
    """
    if config.loss.target.startswith("lossbench.losses."):  # built from numbers, which are not learned
        return None
    classes = build_source(config.data.source).num_classes
    loss = seeded(config.seed, "loss", data_free(config.loss), "loss", {"num_classes": classes})
    if not own_parameters(loss):
        return None
    return f"loss={config.loss.name}: its own parameters are trained one run at a time; a loss without them stacks"


def build_members(
    configs: Sequence[RunConfig], shared: Shared, device: torch.device, dtype: torch.dtype
) -> list[Member]:
    """Build each run's loss, and one model for each seed: the same seed gives the same weights."""
    source = shared.seen_by(configs[0])
    models: dict[int, nn.Module] = {}
    members: list[Member] = []
    for config in configs:
        seed = config.seed
        if seed not in models:
            weight = source.initial_weight(seed)
            models[seed] = build_model(config, source.input_shape, source.num_classes, weight).to(device, dtype)
        loss = build_loss(seed, config.loss, shared.replicate(config).data).to(device)
        more = (config.trainer.gradient_clip_val, decay_of(config))
        members.append(Member(models[seed], loss, seed, config.optimizer.settings, *more))
    return members


def decay_of(config: RunConfig) -> float | None:
    """The decay of the moving average of a run's weights; None where they are not averaged."""
    averages = (node for node in config.callbacks.values() if node.class_name == EMA.__name__)
    return next((node.settings.get("decay", DECAY) for node in averages), None)
