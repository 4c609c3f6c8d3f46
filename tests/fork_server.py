"""Fork a child for every command, with libraries imported: python fork_server.py DESCRIPTOR [LIBRARY ...].

Importing torch and lightning costs seconds, a small command tenths of one. The server imports libraries only, so
a child imports lossbench itself and reads its environment as a new process does. What a child shares with the server
what libraries did when they were imported, and the seed of Python's hashes. LIBRARIES are imported where none is named.
"""

import atexit
import builtins
import importlib
import json
import os
import resource
import runpy
import socket
import sys
import threading
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

LIBRARIES = (
    *("torch", "torch.utils.tensorboard", "torch.fx.experimental.proxy_tensor", "torch.testing", "torchvision"),
    *("torchmetrics", "torchmetrics.functional.classification", "pytorch_lightning", "pytorch_lightning.loggers"),
    *("hydra", "hydra.core.plugins", "hydra.core.override_parser.overrides_parser", "omegaconf", "yaml", "jinja2"),
    *("numpy", "scipy.stats", "scipy.special", "sklearn.datasets", "matplotlib.figure", "matplotlib.textpath"),
    *("PIL.Image", "psutil", "tqdm", "http.client", "urllib.request"),
)


def next_command(server: socket.socket) -> dict[str, Any]:
    """Fork for every command that is sent, answer with its exit code, and return in the child only."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(server, 1 << 20, 2)
        if not message:
            os._exit(0)
        child = os.fork()
        if child == 0:
            server.close()
            for target, descriptor in enumerate(descriptors, start=1):
                os.dup2(descriptor, target)
                os.close(descriptor)
            return json.loads(message)
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        server.send(str(os.waitstatus_to_exitcode(status)).encode())


class Forbidden:
    """A finder of modules that fails where some would be imported."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Fail for a forbidden module; leave the others to the finders behind this one."""
        if name in self._names:
            raise RuntimeError(f"{name} is imported")


def resemble(words: list[str], cwd: str, env: dict[str, str], limits: dict[str, int], forbidden: list[str]) -> None:
    """Give this process what `python WORDS` starts with; a forbidden module cannot be imported in it."""
    sys.meta_path.insert(0, Forbidden(forbidden))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for name, limit in limits.items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    own = [os.path.abspath(path) for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    first = os.getcwd() if words[0] == "-m" else os.path.dirname(os.path.realpath(words[0]))
    sys.path[:0] = [first, *(path for path in own if path not in sys.path)]
    sys.orig_argv[:] = [sys.executable, *words]
    main = sys.modules["__main__"] = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.excepthook = print_traceback
    sys.modules["numpy"].random.seed()


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an uncaught exception without the frames of this file."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(kind, error, trace)


def run_command(words: list[str]) -> None:
    """Run a script or, after -m, a module as the main program."""
    if words[0] == "-m":
        sys.argv[:] = words[1:]
        runpy._run_module_as_main(words[1])  # pyright: ignore[reportAttributeAccessIssue]
    else:
        sys.argv[:] = words
        main, path = sys.modules["__main__"], os.path.join(os.getcwd(), words[0])
        main.__dict__.update(__file__=path, __cached__=None, __annotations__={})
        main.__loader__ = SourceFileLoader("__main__", path)
        exec(compile(Path(path).read_bytes(), path, "exec"), main.__dict__)


def run_to_exit(words: list[str]) -> None:
    """Run a command and end as python does, without taking modules down: that costs as much as a small command."""
    code = 0
    try:
        run_command(words)
    except SystemExit as stop:
        if not isinstance(stop.code, int | None):
            raise
        code = stop.code or 0
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    folder = sys.path.pop(0)
    sys.path.append(folder)  # last: no module of the tests stands for a library's
    for library in sys.argv[2:] or LIBRARIES:
        importlib.import_module(library)
    sys.path.remove(folder)
    command = next_command(socket.socket(fileno=int(sys.argv[1])))
    resemble(**command)
    run_to_exit(command["words"])
