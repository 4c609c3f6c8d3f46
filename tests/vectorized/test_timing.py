"""What a stack is said to take."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lossbench.rundir.directory import RunDirectory
from lossbench.vectorized import timing


@pytest.mark.parametrize(("first", "each"), [(2.0, 0.0), (0.0, 0.25), (2.0, 0.25)])
def test_what_more_runs_add_is_seen_on_two_numbers_of_them(
    planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch, first: float, each: float
) -> None:
    def whole(configs: Sequence[Any], shared: Any, device: Any) -> float:
        return first + each * len(configs)

    config = planned("data=digits", "model=linear", "trainer=cpu").config
    monkeypatch.setattr(timing, "_whole", whole)
    for runs in (1, 5, 32, 33, 1000):
        wanted = first + (each + timing.WRITING) * runs
        assert timing.time_stack([config] * runs) == pytest.approx(wanted)


def test_a_stack_takes_about_what_was_said(planned: Callable[..., RunDirectory]) -> None:
    config = planned("data=digits", "model=linear", "trainer=cpu", "trainer.max_epochs=2").config
    said = timing.time_stack([config] * 40)
    assert said is not None
    assert 0.2 < said < 20  # 40 files alone take 0.2
