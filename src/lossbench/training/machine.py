"""The machine a run finds: what it lacks is said early, its threads are used as the work deserves."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lossbench.config.schema import RunConfig, Trainer
from lossbench.errors import UserError
from lossbench.hardware import NO_GPU
from lossbench.training.assemble import Parts


def check_hardware(trainer: Trainer) -> None:
    """Refuse early what this machine cannot do.

    Raises:
        UserError: no GPU, too few of them, or float16 without one.
    """
    wanted, gpus = trainer.accelerator, torch.cuda.device_count()
    if wanted == "gpu" and not gpus and not torch.backends.mps.is_available():
        raise UserError(NO_GPU)
    on_gpu = wanted == "gpu" or (wanted == "auto" and gpus > 0)
    if on_gpu and gpus and trainer.devices > gpus:
        raise UserError(
            f"trainer.devices={trainer.devices}: this machine has {gpus} GPU(s); use trainer.devices={gpus}"
        )
    if trainer.precision == "16-mixed" and not on_gpu:
        raise UserError("trainer.precision=16-mixed needs a GPU; use bf16-mixed or 32-true on a CPU")


@contextmanager
def threads(config: RunConfig, parts: Parts) -> Iterator[None]:
    """Use as many threads as the work deserves: on tiny tensors two threads are many times slower than one."""
    before, wanted = torch.get_num_threads(), config.trainer.threads
    if wanted == "auto":
        work = sum(p.numel() for p in parts.model.parameters()) * config.data.batch_size
        wanted = (
            1
            if work < 2e7
            else max(1, before // (config.trainer.devices if config.trainer.accelerator == "cpu" else 1))
        )
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's chatter off the screen (train.log has it), and the advice that does not apply here."""
    with warnings.catch_warnings():
        # Small data in memory needs no loader processes; the user sets data.num_workers.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # Ours resumes through the data module.
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        # A run outside a SLURM job is not to be in one; inside, cluster/allocation.py has looked.
        warnings.filterwarnings("ignore", message="The `srun` command is available on your system but is not used.*")
        yield
