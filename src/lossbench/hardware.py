"""What this machine has and how its memory is kept. Torch-free: importing torch takes seconds."""

import ctypes
import gc
import os
import platform
import resource
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from lossbench.errors import UserError

NO_GPU = (
    "trainer.accelerator=gpu: this machine has no usable GPU; use trainer=cpu, or trainer=auto to take what there is"
)
NO_FLOAT16 = "trainer.precision=16-mixed needs a GPU, and this run is on a CPU; use bf16-mixed or 32-true"


def cores(most: int = 16) -> int:
    """How many CPU cores this process may use, at most `most`: more worker processes do not pay."""
    return min(most, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def has_gpu() -> bool:
    """Whether a CUDA, ROCm or Apple GPU can be seen (CUDA_VISIBLE_DEVICES counts)."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return os.path.exists("/dev/kfd") or cuda_gpus() > 0


def cuda_gpus() -> int:
    """How many CUDA GPUs this process can see."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


def visible_gpus() -> list[str]:
    """The CUDA GPUs that processes of this one can be given, as CUDA_VISIBLE_DEVICES names them."""
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[: cuda_gpus()] if named else [str(k) for k in range(cuda_gpus())]


class Machine(Protocol):
    """What a run asks of the machine that it runs on (the configuration's trainer has it)."""

    @property
    def accelerator(self) -> str: ...  # noqa: D102
    @property
    def devices(self) -> int: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102
    @property
    def compile(self) -> bool: ...  # noqa: D102


def require_machine(wanted: Machine) -> None:
    """Refuse what this machine lacks: a GPU, enough of them, a compiler.

    Raises:
        UserError: names the key, what there is and what to choose.
    """
    gpu = wanted.accelerator != "cpu" and has_gpu()
    if wanted.accelerator == "gpu" and not gpu:
        raise UserError(NO_GPU)
    if gpu and 0 < (gpus := cuda_gpus()) < wanted.devices:
        raise UserError(too_few_gpus(wanted.devices, gpus))
    if gpu:
        return
    if wanted.precision == "16-mixed":
        raise UserError(NO_FLOAT16)
    if wanted.compile:
        _require_compiler()


def _require_compiler() -> None:
    """Require the compiler that torch.compile calls on a CPU."""
    compiler = named_compiler()
    if shutil.which(compiler) is None:
        raise UserError(
            f"trainer.compile=true needs the C++ compiler {compiler} on a CPU, and there is none; "
            "install one, name another in the environment variable CXX, or use trainer.compile=false"
        )


def named_compiler() -> str:
    """The C++ compiler that torch calls, whether there is one or not: what CXX names, or the system's."""
    return [*os.environ.get("CXX", "").split(), "clang++" if sys.platform == "darwin" else "g++"][0]


def too_few_gpus(wanted: int, gpus: int) -> str:
    """Word that a machine has fewer GPUs than a run needs."""
    return f"trainer.devices={wanted}: this machine has {gpus} GPU(s); use trainer.devices={gpus}"


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next tensor of that size.

    By default every freed temporary above about 1 MB is returned to the system and faulted in again page by page, which
    makes the forward and backward pass of a loss at (256, 1000) up to five times slower. At most 256 MB stay unused.
    """
    if platform.libc_ver()[0] == "glibc":
        mmap_threshold, trim_threshold = -3, -1
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 32 << 20)
        libc.mallopt(trim_threshold, 256 << 20)


def give_memory_back() -> None:
    """Give memory that was kept after it was freed back to the system (glibc), so that its use can be measured."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def importing() -> Generator[None]:
    """Import many modules without looking for garbage among them, which takes a quarter of that time.

    Half a million objects come and stay. They count as old afterwards: the next collections leave them alone too.
    Where all are imported already, nothing happens: what `cleared` or a fork has frozen stays so.
    """
    enabled, before = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
            gc.unfreeze()  # into the oldest generation; of what stays frozen at the end libraries say that it leaks
        if enabled:
            gc.enable()


@contextmanager
def cleared() -> Generator[None]:
    """Free what the block has left behind, for the next run of this process.

    Trainers refer to themselves, and Python looks for such cycles too seldom: several runs' weights would wait for it.
    Objects older than the block are not looked at, which makes this take milliseconds.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
        give_memory_back()


def forget_peak_memory() -> None:
    """Reset the peak of this process's memory (Linux); elsewhere the peak since the process started counts."""
    with suppress(OSError):  # a container may forbid it
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """The most memory that this process has had since the peak was forgotten, in bytes."""
    status = Path("/proc/self/status")
    if status.exists() and "VmHWM:" in (text := status.read_text()):
        return 1024 * int(text.split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
