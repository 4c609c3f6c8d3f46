"""What a stack is said to take."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lossbench.rundir.directory import RunDirectory
from lossbench.vectorized.launch import timing
from lossbench.vectorized.train import StackedRuns


@pytest.mark.parametrize(("first", "each"), [(2.0, 0.0), (0.0, 0.25), (2.0, 0.25)])
def test_what_more_runs_add_is_seen_on_two_numbers_of_them(
    planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch, first: float, each: float
) -> None:
    def whole(configs: Sequence[Any], shared: Any, device: Any) -> float:
        return first + each * len(configs)

    config = planned("data=digits", "model=linear", "trainer=cpu").config
    monkeypatch.setattr(timing, "_whole", whole)
    for runs in (1, 5, 128, 129, 1000):
        assert timing.time_stack([config] * runs) == pytest.approx(first + each * runs)


def test_a_stack_takes_about_what_was_said(planned: Callable[..., RunDirectory]) -> None:
    config = planned("data=digits", "model=linear", "trainer=cpu", "trainer.max_epochs=2").config
    assert 0.01 < timing.time_stack([config] * 40) < 20


def test_a_stack_of_images_is_timed_without_their_features_and_a_trial_validates_once(
    planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("data=fake_images", "model=linear_probe", "model.backbone.pretrained=false", "trainer=cpu", "replicate=0")
    monkeypatch.setattr("lossbench.training.features.work._compute", None)  # nothing is computed
    measured: list[str] = []

    def took(stacked: StackedRuns) -> tuple[float, float]:
        measured.append(str(tuple(stacked._packer.examples["train"].inputs.shape[1:])))
        return 0.0, 1.0

    monkeypatch.setattr(timing, "_update_and_evaluation", took)
    monkeypatch.setattr(timing, "_seconds", lambda work, device: work() and 0.0)  # the start
    refit = planned(*words, "trainer.max_epochs=7").config
    trial = planned(*words, "trainer.max_epochs=7", "trial=true", "keep_checkpoints=none").config
    assert timing.time_stack([refit]) == 7 + 2  # each epoch, then val and test
    assert timing.time_stack([trial]) == 1 + 1
    assert {*measured} == {"(512,)"}
