"""The handler of the signals that stop a run."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lossbench.errors import Stopped
from lossbench.job import signals as module
from lossbench.job.signals import SAME_REQUEST_SECONDS, SIGNALS, StopSignals, forward_signals, handle_stop_signals

pytestmark = pytest.mark.usefixtures("default_signals")


def send(*numbers: signal.Signals, apart: float = 1.5 * SAME_REQUEST_SECONDS) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)
        time.sleep(apart)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_for_a_check_or_stops_at_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with handle_stop_signals() as stop_signals:
        signal.signal(number, signal.SIG_IGN)  # as a library might
        stop_signals.install()
        with stop_signals.stops_if_urgent():
            send(number)
        assert stop_signals.received == number.name
        with pytest.raises(Stopped) as stopped:
            stop_signals.check()
    assert signal.getsignal(number) == before
    assert (stopped.value.code, stopped.value.why) == (130 if number == signal.SIGINT else 143, number.name)
    with pytest.raises(Stopped), handle_stop_signals() as stop_signals, stop_signals.stops_at_once():
        send(number, apart=60.0)


@pytest.mark.parametrize(
    ("numbers", "apart", "stops"),
    [
        ((signal.SIGINT, signal.SIGINT), 0.0, False),  # a wrapper and the terminal deliver the same one
        ((signal.SIGINT, signal.SIGINT), 1.5 * SAME_REQUEST_SECONDS, True),
        ((signal.SIGTERM, signal.SIGINT), 1.5 * SAME_REQUEST_SECONDS, True),
        ((signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM), 1.5 * SAME_REQUEST_SECONDS, False),  # a cluster does so
    ],
)
def test_only_ctrl_c_again_is_urgent(numbers: tuple[signal.Signals, ...], apart: float, stops: bool) -> None:
    with handle_stop_signals() as stop_signals:
        try:
            with stop_signals.stops_if_urgent():
                send(*numbers, apart=apart)
            stopped = False
        except Stopped:
            stopped = True
        assert (stopped, stop_signals.urgent) == (stops, stops)


def leave_slowly(stop_signals: StopSignals) -> None:
    try:
        stop_signals.check()
    finally:
        send(signal.SIGINT, signal.SIGINT)


def test_while_a_run_leaves_signals_do_nothing_until_it_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    kill, killed = os.kill, list[tuple[int, int]]()
    with handle_stop_signals() as stop_signals:
        send(signal.SIGINT)
        with pytest.raises(Stopped), stop_signals.stops_if_urgent():
            leave_slowly(stop_signals)
        monkeypatch.setattr(module, "LEAVING_SECONDS", 0.0)
        monkeypatch.setattr(module.os, "kill", lambda *words: killed.append(words))
        kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
    assert killed == [(os.getpid(), signal.SIGINT)]


def fail_to_import() -> None:
    try:
        send(signal.SIGINT)
    except Stopped as stopped:
        raise ImportError("numpy could not be imported") from stopped


def test_a_stop_that_a_library_turns_into_an_error_is_a_stop() -> None:
    with pytest.raises(Stopped, match="130"), handle_stop_signals() as stop_signals, stop_signals.stops_at_once():
        fail_to_import()


def test_what_is_ignored_at_the_start_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a background job of a script
    with handle_stop_signals() as stop_signals:
        stop_signals.install()
        send(signal.SIGINT)
        assert stop_signals.received is None
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_a_sweep_shares_the_signals_of_its_runs() -> None:
    with handle_stop_signals() as outer:
        with handle_stop_signals() as inner:
            send(signal.SIGTERM)
        assert inner is outer
        with pytest.raises(Stopped):
            outer.check()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 7), (signal.SIGHUP, 7), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_forked_loader_leaves_what_a_terminal_sends_to_its_parent(number: signal.Signals, code: int) -> None:
    program = (
        "import os, signal\n"
        "from lossbench.job.signals import handle_stop_signals\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with handle_stop_signals() as stop_signals, stop_signals.stops_at_once():\n"
        "    if (child := os.fork()) == 0:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        os._exit(7)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{code}\n"


def test_a_parent_forwards_signals_to_its_child() -> None:
    handler = "signal.signal(signal.SIGUSR1, lambda *_: exit(9))"
    program = f"import signal, time; {handler}; print('up', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout, forward_signals(child):
        assert child.stdout.readline() == b"up\n"
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.01)
        assert child.wait(30) == 9
