"""Counted work shows how far it is: a bar in a terminal, lines at the start, each minute and at the end elsewhere."""

import os

import pytest

from lossbench import meter
from lossbench.meter import Meter, duration


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(meter.time, "monotonic", lambda: now[0])
    return now


def work(clock: list[float], total: int, seconds: float, *, until: int | None = None) -> None:
    """Count to `total` in as many seconds; an error comes after `until`."""
    with Meter("checking images", total) as counted:
        for i in range(total):
            if i == until:
                raise ArithmeticError
            clock[0] += seconds / total
            counted.add()


def test_lines_at_the_start_each_minute_and_at_the_end(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    work(clock, 1200, 150)
    assert capsys.readouterr() == (
        "",
        "checking images: 1,200 images\n"
        "checking images: 480 of 1,200 images, 8 images/s, about 2 min to go\n"
        "checking images: 960 of 1,200 images, 8 images/s, about 30 s to go\n"
        "checking images: finished after 2 min, 1,200 of 1,200 images, 8 images/s\n",
    )


@pytest.mark.parametrize(("seconds", "lines"), [(50, 0), (100, 2)])
def test_little_work_is_silent_unless_it_takes_a_minute(
    seconds: float, lines: int, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    work(clock, meter.SHOWN_FROM, seconds)
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_work_that_stops_says_how_far_it_came(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ArithmeticError):
        work(clock, 400, 40, until=100)
    assert capsys.readouterr().err.splitlines()[-1] == (
        "checking images: stopped after 10 s, 100 of 400 images, 10 images/s"
    )


@pytest.mark.parametrize(("count", "shown"), [(201, True), (200, False)])
def test_a_bar_in_a_terminal(
    count: int, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: True)
    work([0.0], count, 0)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("checking images: 100%" in err) is shown
    assert bool(err) is shown


def test_times_in_words() -> None:
    assert [duration(seconds) for seconds in (45, 720, 12600)] == ["45 s", "12 min", "3.5 h"]
