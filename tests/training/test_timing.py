"""What an update is said to take."""

import time
from collections.abc import Callable, Mapping

import pytest

from lossbench.data.digits import Digits
from lossbench.data.source import Split
from lossbench.rundir.directory import RunDirectory
from lossbench.training import timing


def test_reading_the_data_and_starting_a_gpu_are_no_part_of_an_update(
    planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, load, began = planned("data=digits", "model=linear", "trainer=cpu").config, Digits.load, list[bool]()

    def slow_load(self: Digits) -> Mapping[str, Split]:
        time.sleep(0.4)
        return load(self)

    def slow_start() -> None:
        time.sleep(0.0 if began else 0.4)
        began.append(True)

    monkeypatch.setattr(Digits, "load", slow_load)
    monkeypatch.setattr(timing, "_wait", slow_start)
    assert timing.time_run(config).update < 0.3
    assert len(began) >= 4
