"""The machine of a run: what it lacks is refused early; torch's thread count follows from the work."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from lossbench.config.schema import RunConfig
from lossbench.config.sections import Trainer
from lossbench.errors import UserError
from lossbench.hardware import NO_FLOAT16, NO_GPU, too_few_gpus
from lossbench.training.assemble import Parts

SMALL_WORK = 2e7  # parameters x batch size


def check_hardware(trainer: Trainer) -> None:
    """Refuse early what this machine cannot do.

    Raises:
        UserError: no GPU, too few of them, or float16 without one.
    """
    gpus = torch.cuda.device_count()
    if trainer.accelerator == "gpu" and not gpus and not torch.backends.mps.is_available():
        raise UserError(NO_GPU)
    on_gpu = trainer.accelerator == "gpu" or (trainer.accelerator == "auto" and gpus > 0)
    if on_gpu and 0 < gpus < trainer.devices:
        raise UserError(too_few_gpus(trainer.devices, gpus))
    if trainer.precision == "16-mixed" and not on_gpu:
        raise UserError(NO_FLOAT16)


@contextmanager
def threads(config: RunConfig, parts: Parts) -> Iterator[None]:
    """Choose torch's thread count from parameters x batch size: two threads are slower below 2e7."""
    before = torch.get_num_threads()
    torch.set_num_threads(thread_count(config, parts.model, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def thread_count(config: RunConfig, model: nn.Module, most: int) -> int:
    """How many CPU threads a run takes, at most so many."""
    trainer = config.trainer
    if trainer.threads != "auto":
        return trainer.threads
    if sum(p.numel() for p in model.parameters()) * config.data.batch_size < SMALL_WORK:
        return 1
    return max(1, most // (trainer.devices if trainer.accelerator == "cpu" else 1))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's chatter off the screen (train.log has it), and the advice that does not apply here."""
    with warnings.catch_warnings():
        # Small data in memory needs no loader processes; the user sets data.num_workers.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # Ours resumes through the data module.
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        # A run outside a SLURM job is not to be in one; inside, job/allocation.py has checked.
        warnings.filterwarnings("ignore", message="The `srun` command is available on your system but is not used.*")
        yield
