"""The process that imports torch once and forks one for each run: python -m lossbench.launch.fork_server DESCRIPTOR.

It computes nothing and asks no GPU for anything, so that a fork of it is as good as a new process.
"""

import atexit
import ctypes
import gc
import importlib
import json
import logging
import os
import random
import runpy
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import NamedTuple, NoReturn

from threadpoolctl import threadpool_limits

from lossbench.hardware import importing
from lossbench.launch.forked import READY, REQUEST_BYTES

JOB = "lossbench.job"
IMPORTED = (
    *("lossbench.training.fit", "lossbench.job.start", "lossbench.config.verify", "lossbench.rundir.table"),
    *("lossbench.models.mlp", "omegaconf", "tensorboard.plugins.hparams.api_pb2", "torch.utils.serialization"),
)
"""What nearly every run imports."""
SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl
NVML = "PYTORCH_NVML_BASED_CUDA_CHECK"  # counts GPUs without starting CUDA
NOT_INITIALIZED = 3  # CUDA_ERROR_NOT_INITIALIZED


class Request(NamedTuple):
    """A run that is to be started.

    Args:
        run_dir: its directory.
        env: the environment of its process.
        log: descriptor of the file that it prints into.
    """

    run_dir: str
    env: dict[str, str]
    log: int


def import_all() -> dict[str, str]:
    """Import what runs import, with logging as it is when a run imports it; give what that adds to the environment."""
    before = set(os.environ)
    os.environ[NVML] = "1"  # as Lightning sets it
    handler = logging.NullHandler()  # Lightning prints to the screen where the root logger has no handler
    logging.getLogger().addHandler(handler)
    with importing():
        for name in IMPORTED:
            importlib.import_module(name)
    logging.getLogger().removeHandler(handler)
    return {name: value for name, value in os.environ.items() if name not in before}


def why_not() -> str | None:
    """Say why forks of this process would not be as good as new ones; None where they are."""
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        return f"{threads - 1} threads were started while libraries were imported"
    return "CUDA was started while libraries were imported" if _cuda_is_started() else None


def _cuda_is_started() -> bool:
    """Whether this process has begun to use CUDA, which no fork of it could do then."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return driver.cuDeviceGetCount(ctypes.byref(ctypes.c_int(0))) != NOT_INITIALIZED


def next_run(server: socket.socket) -> Request:
    """Fork for each run that is asked for and answer with its process; return in that process alone."""
    gc.freeze()  # a collection in a fork would copy what it shares with this process
    while True:
        message, descriptors, _, _ = socket.recv_fds(server, REQUEST_BYTES, 1)
        if not message:  # the launcher has closed its end
            os._exit(0)
        request = Request(**json.loads(message), log=descriptors[0])
        number = _fork()
        if number == 0:
            server.close()
            return request
        os.close(request.log)
        with suppress(OSError):  # the launcher has died
            server.send(str(number).encode())


def _fork() -> int:
    """Fork a process whose parent is gone, so that it becomes the launcher's; 0 in that process, else its number."""
    number, number_end = os.pipe()
    between = os.fork()
    if between == 0:
        forked = os.fork()
        if forked == 0:
            os.close(number)
            os.close(number_end)
            return 0
        os.write(number_end, str(forked).encode())
        os._exit(0)
    os.close(number_end)
    os.waitpid(between, 0)
    with open(number, "rb") as answer:
        return int(answer.read())


def run_job(request: Request, added: dict[str, str]) -> NoReturn:
    """Do in a forked process what a new one does: python -m lossbench.job RUN_DIR.

    Args:
        request: the run.
        added: variables that libraries have set when they were imported.
    """
    os.setsid()  # Ctrl-C reaches the launcher alone, which forwards it once
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for descriptor, taken in ((0, nowhere), (1, request.log), (2, request.log)):
        os.dup2(taken, descriptor)
    os.close(nowhere)
    os.close(request.log)
    os.environ.clear()
    os.environ.update(added | request.env)
    random.seed()
    sys.modules["numpy"].random.seed()
    _take_threads(request.env)
    sys.argv[:] = [JOB, request.run_dir]
    sys.orig_argv[:] = [sys.executable, "-m", *sys.argv]
    _leave(_exit_code())


def _exit_code() -> int:
    """Run the job as the main program; give its exit code."""
    try:
        runpy.run_module(JOB, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _leave(code: int) -> NoReturn:
    """End as Python does, but for taking down the modules, which are the server's."""
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


def _take_threads(env: dict[str, str]) -> None:
    """Give libraries, which were imported for one thread, the number that they would have read when imported now."""
    threads = int(env["OMP_NUM_THREADS"])
    if threads > 1 and "MKL_NUM_THREADS" not in env:
        sys.modules["torch"].set_num_threads(threads)
    if threads > 1 and "OPENBLAS_NUM_THREADS" not in env:
        threadpool_limits(threads, user_api="blas")


def main() -> None:
    """Import, fork, and in each fork run."""
    ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)  # of this process; runs outlive their launcher
    server = socket.socket(fileno=int(sys.argv[1]))
    added = import_all()
    reason = why_not()
    server.send((reason or READY).encode())
    if reason is None:
        run_job(next_run(server), added)


if __name__ == "__main__":
    main()
