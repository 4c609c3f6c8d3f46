"""The runs of a stack: the model and loss of each, and what they are measured with."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lossbench.config.facts import build_source
from lossbench.config.schema import RunConfig
from lossbench.training.callbacks.averaging import DECAY, EMA
from lossbench.training.class_settings import data_free
from lossbench.training.evaluation import Yardstick
from lossbench.training.modules import build_loss, build_model, seeded
from lossbench.training.update import own_parameters
from lossbench.vectorized.engine.losses import StackedLosses
from lossbench.vectorized.engine.stack import Member
from lossbench.vectorized.shared import Replicate, Shared


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


def stacked_yardsticks(replicates: Sequence[Replicate], device: torch.device | None = None) -> dict[str, Yardstick]:
    """The values of each yardstick on the outputs of some runs, with the numbers of each run's replicate.

    Args:
        replicates: of the runs.
        device: where the outputs are; None is the CPU.
    """
    stacked: dict[str, Yardstick] = {}
    for name in replicates[0].yardsticks:
        losses = [replicate.yardsticks[name] for replicate in replicates]
        stacked[name] = StackedLosses(losses, device).per_example
    return stacked


def stacked_counts(replicates: Sequence[Replicate], device: torch.device | None = None) -> Tensor | None:
    """The training examples of each run's classes, (K, C); None where those of some replicate are even.

    Args:
        replicates: of the runs.
        device: where the outputs are; None is the CPU.
    """
    counts = [replicate.train_counts for replicate in replicates]
    known = [each for each in counts if each is not None]
    return torch.stack(known).to(device) if len(known) == len(counts) else None
