"""The handler of the signals that stop a run."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lossbench.errors import Stopped
from lossbench.job.signals import SIGNALS, forward_signals, handle_stop_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_at_once_or_waits_for_a_step(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped, handle_stop_signals():
        os.kill(os.getpid(), number)
    assert (stopped.value.code, stopped.value.why) == (143, number.name)
    with handle_stop_signals() as stop_signals:
        stop_signals.deferred = True
        signal.signal(number, signal.SIG_IGN)  # as a library might
        stop_signals.install()
        os.kill(os.getpid(), number)
        assert stop_signals.received == number.name
        with pytest.raises(Stopped, match="143"):
            stop_signals.stop()
    assert signal.getsignal(number) == before


def test_a_parent_forwards_signals_to_its_child() -> None:
    handler = "signal.signal(signal.SIGUSR1, lambda *_: exit(9))"
    program = f"import signal, time; {handler}; print('up', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout, forward_signals(child.pid):
        assert child.stdout.readline() == b"up\n"
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.01)
        assert child.wait(30) == 9
