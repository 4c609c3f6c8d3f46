"""A user's mistake ends in one line and a meaningful exit code."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from lossbench.errors import SHORT_NAMES, Stopped, UserError, exit_on_user_error, one_line, suggest


def raiser(error: BaseException) -> Callable[[], NoReturn]:
    def main() -> NoReturn:
        raise error

    return main


@pytest.mark.parametrize(
    ("name", "options", "clause"),
    [
        ("momentun", ["lr", "momentum"], "did you mean momentum? Available: lr, momentum"),
        ("zzz", ["b", "a"], "Available: a, b"),
        ("zzz", [], "Available: none"),
        (
            "GCE",
            ["bce", "generalized_cross_entropy"],
            "did you mean generalized_cross_entropy? Available: bce, generalized_cross_entropy",
        ),
        ("gce", ["bce"], "did you mean bce? Available: bce"),
    ],
)
def test_suggest(name: str, options: list[str], clause: str) -> None:
    assert suggest(name, iter(options)) == clause


def test_short_names_stand_for_losses_that_exist() -> None:
    options = {path.stem for path in (Path(__file__).parents[1] / "conf" / "loss").glob("*.yaml")}
    assert set(SHORT_NAMES.values()) <= options
    assert not set(SHORT_NAMES) & options


@pytest.mark.parametrize(
    ("error", "line"), [(ValueError("a\n  b\tc "), "a b c"), (KeyError(), "KeyError"), (OSError(" \n"), "OSError")]
)
def test_one_line(error: Exception, line: str) -> None:
    assert one_line(error) == line


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (UserError("alpha\nis wrong"), 1, "error: alpha is wrong\n"),
        (LookupError("x"), 1, "error: explained x\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
        (Stopped("SIGINT"), 130, "\nstopped (SIGINT)\n"),
        (Stopped("SIGTERM"), 143, "\nstopped (SIGTERM)\n"),
        (SystemExit(7), 7, ""),
    ],
)
def test_exit_codes(error: BaseException, code: int, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        exit_on_user_error(
            raiser(error), lambda error: f"explained {error}" if isinstance(error, LookupError) else None
        )
    assert caught.value.code == code
    assert capsys.readouterr().err == printed


def test_success_is_zero() -> None:
    with pytest.raises(SystemExit) as caught:
        exit_on_user_error(lambda: None)
    assert caught.value.code == 0


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_on_user_error(raiser(ZeroDivisionError()))


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_closed_pipe_ends_quietly(lines: int) -> None:
    code = (
        "import sys\nfrom lossbench.errors import exit_on_user_error\nsys.stdin.read()\n"
        f"exit_on_user_error(lambda: print('x\\n' * {lines}))"
    )
    pipe = subprocess.PIPE
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with subprocess.Popen([sys.executable, "-c", code], env=buffered, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 1


def test_ctrl_c_while_python_ends_prints_no_traceback() -> None:
    code = (
        "import atexit, os, signal\n"
        "from lossbench.errors import exit_on_user_error\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "exit_on_user_error(lambda: None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")
