"""A loss with a number that follows the progress of training: in a run alone, in parts, and in a stack."""

from collections.abc import Callable

import pytest
from run_files import result_of, rows

from lossbench.job.start import start
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.vectorized.launch.stacks import run_stacked

Plan = Callable[..., RunDirectory]
WORDS = ("data=digits", "model=linear", "optimizer=sgd", "optimizer.lr=0.1", "trainer.max_steps=40", "trainer=cpu")
FOCAL = (*WORDS, "loss=focal", "log_every_n_steps=1")


def test_a_run_alone_in_parts_and_in_a_stack_follows_the_same_path(planned: Plan) -> None:
    falling = (*FOCAL, "loss.gamma=5", "loss.gamma_end=0")
    whole, parts = planned(*falling), planned(*falling, "trainer.accumulate_grad_batches=4")
    stack = [planned(*falling, "seed=0", "study=stack"), planned(*FOCAL, "loss.gamma=0", "loss.gamma_end=5")]
    run_stacked(stack, SweepProgress({run: run.path.name for run in stack}, stack, "test/accuracy"))
    for run in (whole, parts):
        start(run)
    steady = planned(*FOCAL, "loss.gamma=5")
    start(steady)
    expected = result_of(whole).metrics
    for run in (parts, stack[0]):
        assert result_of(run).metrics == pytest.approx(expected, abs=2e-4)
        ours, theirs = (dict(rows(each, "train/loss")) for each in (run, whole))
        assert ours == pytest.approx(theirs, abs=2e-4)
    # the first update is that of gamma 5, and what is measured is the loss of the end, gamma 0
    assert dict(rows(whole, "train/loss"))[0] == dict(rows(steady, "train/loss"))[0]
    assert expected["test/loss"] == pytest.approx(expected["test/cross_entropy"], abs=1e-6)
    assert result_of(stack[1]).metrics["test/loss"] != pytest.approx(expected["test/loss"], abs=0.05)


def test_weights_that_come_late_divide_the_mean_of_the_whole_update(planned: Plan) -> None:
    """The weights of a batch in parts are summed over all of it."""
    late = (*WORDS, "loss=ldam", "loss.beta=0.999", "loss.scale=10", "trainer.max_epochs=6", "log_every_n_steps=1")
    late = (*late, "loss.class_counts=[500,300,200,100,80,60,40,20,10,5]")
    whole, parts = planned(*late), planned(*late, "trainer.accumulate_grad_batches=4")
    stack = [planned(*late, "study=stack"), planned(*late, "loss.defer=0", "study=stack")]
    run_stacked(stack, SweepProgress({run: run.path.name for run in stack}, stack, "test/accuracy"))
    for run in (whole, parts):
        start(run)
    for run in (parts, stack[0]):
        assert result_of(run).metrics == pytest.approx(result_of(whole).metrics, abs=5e-4)
    ours, always = (dict(rows(run, "train/loss")) for run in (whole, stack[1]))
    assert ours[0] != pytest.approx(always[0], rel=0.05)
