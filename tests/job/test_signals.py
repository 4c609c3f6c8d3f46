"""The owner of the signals."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lossbench.errors import Stopped
from lossbench.job.signals import SIGNALS, forward_signals, listening


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_at_once_or_waits_for_a_step(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped, listening():
        os.kill(os.getpid(), number)
    assert (stopped.value.code, stopped.value.why) == (143, number.name)
    with listening() as listener:
        listener.waits = True
        signal.signal(number, signal.SIG_IGN)  # somebody else takes it
        listener.take()
        os.kill(os.getpid(), number)
        assert listener.asked == number.name
        with pytest.raises(Stopped, match="143"):
            listener.stop()
    assert signal.getsignal(number) == before


def test_a_process_in_front_passes_signals_on() -> None:
    program = "import signal, time; signal.signal(signal.SIGUSR1, lambda *_: exit(9)); print('up', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout, forward_signals(child.pid):
        assert child.stdout.readline() == b"up\n"
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.01)
        assert child.wait(30) == 9
