"""A command in a forked child prints, writes and exits as it does in a new process."""

import fcntl
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from run_files import assert_same
from typed import TYPED, can_fork, command, named_in

TRAIN = str(ROOT / "train.py")
# What a program can see of how it was started.
SEEN = """
import atexit, logging, os, random, resource, signal, sys, threading, time, warnings
import helper, on_the_path

print(__name__, __file__, __doc__, __package__, __spec__ and __spec__.name, __builtins__, type(__loader__).__name__)
print(sys.modules["__main__"].__file__, helper.__file__, on_the_path.__file__, os.getcwd())
print(sys.argv, sys.orig_argv, sys.path, sys.flags)
print(sorted(os.environ.items()), resource.getrlimit(resource.RLIMIT_FSIZE))
print(logging.root.handlers, logging.root.level, threading.active_count(), threading.current_thread().name)
print([signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)])
print(repr(sys.stdin.read()), sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.line_buffering, sys.stderr.errors)
print([name for name in sys.modules if name.partition(".")[0] in ("lossbench", "hydra_plugins", "tests", "typed")])
atexit.register(print, "the exit function")
threading.Thread(target=lambda: (time.sleep(0.05), print("the thread"))).start()
print("on stderr", file=sys.stderr)
"""
ENDS = {
    "end": ("", 0),
    "code": ("sys.exit(7)", 7),
    "large code": ("sys.exit(300)", 44),
    "message": ("sys.exit('a message')", 1),
    "exception": ("def fail():\n    raise ValueError('one') from KeyError('two')\nfail()", 1),
    "Ctrl-C": ("raise KeyboardInterrupt", -signal.SIGINT),
    "signal": ("sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "limit": ("from pathlib import Path; Path('large').write_text(9000 * 'x')", 1),
    "warning": ("warnings.warn('this is old', UserWarning)", 0),
}


def both(*words: str, folder: Path, **options: Any) -> Iterator[subprocess.CompletedProcess[str]]:
    """Run a command in a forked child, then in a new process; runs lie in folder/forked and folder/fresh."""
    for name in ("forked", "fresh"):
        yield command(*words, runs=folder / name, fresh=name == "fresh", **options)


def masked(done: subprocess.CompletedProcess[str]) -> tuple[list[str], list[str], int]:
    """Output and exit code, with one name for the folder of runs and without measured times."""
    texts = (re.sub(r"/(forked|fresh)\b", "/runs", text) for text in (done.stdout, done.stderr))
    out, err = (re.sub(r"\d+(\.\d+)? ?(steps/s|s|min|MB)\b", "TIME", text) for text in texts)
    return out.splitlines(), err.splitlines(), done.returncode


def test_a_program_takes_ctrl_c_also_where_the_tests_ignore_it(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import signal\nprint(signal.getsignal(signal.SIGINT).__name__)\n")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for done in both("program.py", folder=tmp_path, cwd=tmp_path):
            assert done.stdout == "default_int_handler\n"
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("words", [("../programs/program.py",), ("-m", "program")], ids=["script", "module"])
@pytest.mark.parametrize(("last", "code"), ENDS.values(), ids=list(ENDS))
def test_a_program_sees_and_shows_the_same(tmp_path: Path, words: tuple[str, ...], last: str, code: int) -> None:
    own, folder = tmp_path / "own", tmp_path / "programs"
    own.mkdir()
    folder.mkdir()
    (own / "on_the_path.py").touch()
    (folder / "helper.py").touch()
    (folder / "program.py").write_text(f'"""What it says."""\n{SEEN}{last}\n')
    options = {"env": {"PYTHONPATH": str(own), "LOSSBENCH_ANY": "1"}, "limits": {"RLIMIT_FSIZE": 8000}}
    forked, fresh = both(*words, "a=1", "", folder=tmp_path, cwd=folder, **options)
    assert masked(forked) == masked(fresh)
    assert forked.returncode == code
    assert "on stderr" in forked.stderr
    assert ("the exit function" in forked.stdout) == (last != ENDS["signal"][0])


@pytest.mark.parametrize(
    "words",
    [
        (TRAIN, "loss=powr"),
        (TRAIN, "--help"),
        ("-m", "lossbench.job", "nowhere"),
        ("-m", "lossbench.nothing"),
    ],
    ids=["mistake", "help", "job", "module"],
)
def test_a_command_without_a_run_is_the_same(tmp_path: Path, words: tuple[str, ...]) -> None:
    forked, fresh = both(*words, folder=tmp_path, cwd=tmp_path)
    assert masked(forked) == masked(fresh)


def test_a_run_is_the_same(tmp_path: Path) -> None:
    words = (TRAIN, "data=digits", "loss=cosine_xent", "trainer.max_steps=20", "model.dropout=0.3")
    forked, fresh = both(*words, folder=tmp_path)
    assert masked(forked) == masked(fresh)
    ours, theirs = named_in(forked.stdout), named_in(fresh.stdout)
    assert_same(ours, theirs)
    names = [sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*[!0-9]")) for run in (ours, theirs)]
    assert names[0] == names[1]
    results = [json.loads(run.result_path.read_text()) for run in (ours, theirs)]
    assert results[0].keys() == results[1].keys()
    for measured in ("seconds", "peak_memory_mb", "command"):
        assert all(result.pop(measured) for result in results)
    assert results[0] == results[1]


def test_random_numbers_differ_from_command_to_command(tmp_path: Path) -> None:
    """As they do between processes, wherever no seed is set."""
    program = tmp_path / "program.py"
    program.write_text("import random, uuid, numpy as np\nprint(random.random(), uuid.uuid4(), np.random.rand())")
    first, second = (command(str(program), runs=tmp_path).stdout.split() for _ in range(2))
    assert len(first) == 3
    assert set(first).isdisjoint(second)


@pytest.mark.parametrize(
    ("words", "changed", "forks"),
    [
        (("train.py",), {}, True),
        (("-m", "lossbench.job"), {"LOSSBENCH_RUNS": "x", "HYDRA_FULL_ERROR": "1", "PYTHONPATH": "x"}, True),
        (("-X", "importtime", "train.py"), {}, False),
        (("-c", "print(1)"), {}, False),
        (("train.py",), {"OMP_NUM_THREADS": "2"}, False),
        (("train.py",), {"PYTHONHASHSEED": "7"}, False),
    ],
)
def test_options_and_variables_that_are_read_early_need_a_new_process(
    words: tuple[str, ...], changed: dict[str, str], forks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert can_fork(words, {**TYPED, **changed}) == forks
    monkeypatch.setattr("sys.platform", "darwin")
    assert not can_fork(words, {**TYPED, **changed})


def test_a_command_that_is_given_up_is_killed_and_the_next_one_runs(tmp_path: Path) -> None:
    def give_up(*_: object) -> None:
        raise TimeoutError

    program = tmp_path / "program.py"
    program.write_text(
        "import fcntl, os, signal, sys, time\n"
        "file = open('locked', 'w')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "os.kill(int(sys.argv[1]), signal.SIGUSR2)\n"
        "time.sleep(999)\n"
    )
    before = signal.signal(signal.SIGUSR2, give_up)
    with pytest.raises(TimeoutError):
        command(str(program), str(os.getpid()), runs=tmp_path, cwd=tmp_path)
    signal.signal(signal.SIGUSR2, before)
    with open(tmp_path / "locked") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as soon as the program has ended
    program.write_text("print('the next one')")
    assert command(str(program), runs=tmp_path).stdout == "the next one\n"
