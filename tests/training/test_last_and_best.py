"""A run is tested with the weights that were not chosen too, and ends as if it had not been."""

from collections.abc import Callable
from typing import Any

import pytest
from run_files import result_of, same, weights

import lossbench
import lossbench.training.fit
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory
from lossbench.training.task import TrainingTask

# Few images and a high learning rate: the validation NLL rises again after a few epochs.
OVERFITTING = (
    "data=digits",
    "data.images_per_class=5",
    "optimizer.lr=0.05",
    "monitor=val/nll",
    "trainer.max_epochs=15",
)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("evaluate=best",),
        ("callbacks=ema", "callbacks.ema.decay=0.5", "evaluate=best"),
        ("callbacks=early_stopping", "callbacks.early_stopping.patience=2"),
    ],
    ids=["last", "best", "ema", "early stopping"],
)
def test_the_model_ends_with_the_chosen_weights(
    planned: Callable[..., RunDirectory], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[TrainingTask] = []
    build = lossbench.training.fit.build_task

    def spy(*given: Any) -> TrainingTask:
        tasks.append(build(*given))
        return tasks[-1]

    monkeypatch.setattr(lossbench.training.fit, "build_task", spy)
    run = planned(*OVERFITTING, *words)
    start(run)
    chosen, result = run.config.evaluate, result_of(run)
    found = result.facts["last_and_best"]
    assert found["last"]["step"] > found["best"]["step"]
    assert same(tasks[0].state_dict(), weights(run, chosen))
    assert found[chosen]["test"] == result.metrics["test/nll"]
    for name in ("last", "best"):
        tested = lossbench.load(run.path, name).evaluate("test")["nll"].value
        assert found[name]["test"] == pytest.approx(tested, rel=1e-5)
        assert lossbench.load(run.path, name).evaluate("val")["nll"].value == pytest.approx(
            found[name]["val"], rel=1e-5
        )
