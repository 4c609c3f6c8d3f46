"""Out of memory, whoever reports it and however it is worded: recognised, and named with what to change. Torch-free."""

import errno
import re
from collections.abc import Iterator

from lossbench.config.schema import RunConfig
from lossbench.errors import UserError

# What torch's allocators, cuBLAS, cuDNN and C++ libraries write into errors of other types.
MESSAGES = re.compile(r"can't allocate memory|not enough memory|out of memory|_ALLOC_FAILED|bad_alloc|bad allocation")
ON_GPU = re.compile(r"CUDA|CUBLAS|CUDNN|HIP|MPS|GPU")
ASKED_FOR = re.compile(r"[Tt]ried to allocate ([\d.]+) ?(bytes|[KMG]iB|[KMG]B)")


def memory_failure(error: BaseException) -> BaseException | None:
    """Find what ran out of memory among an error and its causes; None where nothing did."""
    cause: BaseException | None = error
    while cause is not None:
        if _is_memory(cause):
            return cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and MESSAGES.search(str(error)) is not None


def memory_error(error: BaseException, config: RunConfig) -> UserError:
    """Name memory, what was asked for at once, and the settings of a run that decide how much it needs."""
    found, on_gpu = ASKED_FOR.search(str(error)), ON_GPU.search(str(error)) is not None
    asked = f" ({_worded(found[1], found[2])} more could not be had)" if found else ""
    smaller = f"a smaller data.batch_size (now {config.data.batch_size}) or a smaller model (model={config.model.name})"
    if on_gpu:
        return UserError(f"out of GPU memory{asked}: take {', '.join(_for_gpu(config))}, {smaller}")
    return UserError(
        f"out of memory{asked}: take {smaller}, or give the process more memory (hydra.launcher.memory_gb on a cluster)"
    )


def _for_gpu(config: RunConfig) -> Iterator[str]:
    """What takes less GPU memory for the same batches."""
    yield f"more trainer.accumulate_grad_batches (now {config.trainer.accumulate_grad_batches})"
    if config.trainer.precision == "32-true":
        yield "trainer.precision=bf16-mixed"
    if config.data.cache == "gpu":
        yield "data.cache=disk"


def _worded(number: str, unit: str) -> str:
    return f"{int(number) / 1e9:.3g} GB" if unit == "bytes" else f"{number} {unit}"
