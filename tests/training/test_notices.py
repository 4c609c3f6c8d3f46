"""Settings without effect are named when a run starts, and nothing is said of the others."""

from collections.abc import Callable

import pytest

from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
from lossbench.training.notices import notices


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ([], []),
        (
            ["data.batch_size=2000"],
            ["data.batch_size=2000 is more than the 1,0"],
        ),
        (["data.overfit_batches=1"], []),
        (["scheduler=cosine_warmup", "trainer.max_epochs=2"], []),
        (
            ["scheduler.warmup_epochs=2.5", "trainer.max_epochs=2"],
            ["scheduler.warmup_epochs=2.5 is longer than the run of 2 epochs"],
        ),
        (
            ["scheduler.warmup_epochs=1", "trainer.max_steps=5"],
            ["scheduler.warmup_epochs=1 is longer than the run of"],
        ),
        (["callbacks=early_stopping"], []),
        (
            ["callbacks=early_stopping", "trainer.max_epochs=5"],
            ["callbacks.early_stopping.patience=5 stops no run of 5 epochs"],
        ),
        (["trainer=auto", "trainer.sync_batchnorm=true"], ["trainer.sync_batchnorm=true has no effect in one process"]),
    ],
)
def test_what_has_no_effect_is_named(planned: Callable[..., RunDirectory], words: list[str], lines: list[str]) -> None:
    config = planned("data=digits", *words).config
    found = list(notices(config, assemble(config)))
    assert len(found) == len(lines)
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True))


def test_a_run_prints_them_once(planned: Callable[..., RunDirectory], capsys: pytest.CaptureFixture[str]) -> None:
    from lossbench.job.start import start

    start(planned("debug=one_batch", "data=digits", "data.batch_size=2000", "trainer=cpu"))
    assert capsys.readouterr().out.count("notice: data.batch_size=2000 is more than the ") == 1
