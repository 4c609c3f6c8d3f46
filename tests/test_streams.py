"""Output that cannot be written fails no run, and is one line where it is all that a command does."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from typed import TYPED

from lossbench.report.formatting import MARKS
from lossbench.streams import Output, OutputLost, as_text

TOY = ("data=toy", "trainer.max_steps=4", "logger=none", "trainer=cpu")
LOST = "error: cannot write the output: {}\n"
DONE = "done, but the output could not be written: {}\n"
FULL, CLOSED = "No space left on device", "Bad file descriptor"


def shell(line: str, runs: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash; $LOSSBENCH is the command."""
    words = {"LOSSBENCH": f"{sys.executable} -m lossbench", "LOSSBENCH_RUNS": str(runs)}
    return subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env={**TYPED, **words, **env}, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    ("line", "code", "stderr"),
    [
        ("$LOSSBENCH --version > /dev/full", 1, LOST.format(FULL)),
        ("$LOSSBENCH report --help > /dev/full", 1, LOST.format(FULL)),
        ("$LOSSBENCH --cfg job > /dev/full", 1, LOST.format(FULL)),
        ("$LOSSBENCH --version >&-", 1, LOST.format(CLOSED)),
        ("$LOSSBENCH --version > /dev/full 2> /dev/full", 1, ""),
        ("$LOSSBENCH --version 2>&-", 0, ""),
        ("$LOSSBENCH --version <&- >&- 2>&-", 1, ""),
        ("$LOSSBENCH report missing > /dev/full", 1, "error: missing does not exist; name run directories"),
        ("$LOSSBENCH --version | true; exit ${PIPESTATUS[0]}", None, ""),
    ],
)
def test_a_command_that_prints_says_that_it_could_not(tmp_path: Path, line: str, code: int | None, stderr: str) -> None:
    done = shell(line, tmp_path)
    assert code in (None, done.returncode), done.stderr
    assert done.stderr.decode().startswith(stderr)
    assert done.stderr.count(b"\n") == bool(stderr)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "env", "stderr"),
    [
        ("$LOSSBENCH {} > /dev/full", {}, DONE.format(FULL)),
        ("$LOSSBENCH {} >&- 2>&-", {}, ""),
        ("$LOSSBENCH {} | true; exit ${{PIPESTATUS[0]}}", {}, ""),
        ("$LOSSBENCH -m seed=0,1 hydra/launcher=process {} > /dev/full", {}, DONE.format(FULL)),
        ("$LOSSBENCH -m seed=0,1 hydra/launcher=vectorized {} > /dev/full", {}, DONE.format(FULL)),
        ("$LOSSBENCH -m seed=0,1 loss=cosine_prob,power {} > /dev/full", {}, DONE.format(FULL)),
        ("$LOSSBENCH trainer=ddp_cpu data=digits trainer.max_epochs=1 logger=none > /dev/full", {}, DONE.format(FULL)),
    ],
)
def test_a_run_that_cannot_print_is_done(tmp_path: Path, line: str, env: dict[str, str], stderr: str) -> None:
    done = shell(line.format(" ".join(TOY)), tmp_path, **env)
    assert (done.returncode, done.stderr.decode()) == (0, stderr)
    found = [json.loads(path.read_text()) for path in tmp_path.rglob("status.json")]
    assert found
    assert {status["status"] for status in found} == {"done"}


@pytest.mark.slow
def test_an_ascii_terminal_gets_plain_characters(tmp_path: Path) -> None:
    done = shell(f"$LOSSBENCH {' '.join(TOY)}", tmp_path / "läufe", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"+/- is the half-width" in done.stdout
    assert b"l\\xe4ufe" in done.stdout


def test_what_an_encoding_lacks_is_plain(tmp_path: Path) -> None:
    for encoding, written in (("ascii", b"1 +/- 2 -> \\u732b\\udcff"), ("latin-1", b"1 \xb1 2 -> \\u732b\\udcff")):
        path = tmp_path / encoding
        with as_text(Output(path), encoding, line_buffering=True) as file:
            file.write("1 ± 2 → 猫\udcff")
        assert path.read_bytes() == written


def test_the_marks_of_verdicts_are_told_apart_in_ascii_and_keep_their_column() -> None:
    plain = {mark.encode("ascii", "plain") for mark in MARKS.values()}
    assert [len(each) for each in plain] == [1] * len(MARKS)


def test_libraries_that_colour_a_terminal_write_plain_text() -> None:
    """What they write is escaped, so a stream calls itself no terminal even where it is one."""
    leader, terminal = os.openpty()
    assert os.isatty(terminal)
    assert not as_text(Output(terminal), "utf-8", line_buffering=True).isatty()
    os.close(leader)
    os.close(terminal)


def test_a_stream_is_lost_once() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    for raises in (True, False):
        output = Output(descriptor, raises=raises)
        file = io.BufferedWriter(output)
        file.write(b"x")
        if raises:
            with pytest.raises(OutputLost):
                file.flush()
        file.flush()
        assert output.failure is not None
        assert output.failure.strerror == FULL
        file.detach()
    os.close(descriptor)


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    program = f"import os; n = 0\nwhile piece := os.read({reading}, 9999): n += len(piece)\nprint(n)"
    child = subprocess.Popen([sys.executable, "-c", program], pass_fds=[reading], stdout=subprocess.PIPE)
    with as_text(Output(writing), "ascii", line_buffering=False) as file:
        file.write("x" * 1_000_000)
    os.close(writing)
    assert child.communicate()[0] == b"1000000\n"


def test_a_deleted_working_directory_is_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    done = shell(f"mkdir {gone}; cd {gone}; rmdir {gone}; $LOSSBENCH status", tmp_path)
    assert done.returncode == 1
    assert done.stderr == b"error: the working directory has been deleted; change to one that exists\n"
