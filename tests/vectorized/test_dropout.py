"""Runs with dropout through both launchers: the same masks."""

from pathlib import Path

from conftest import plan_run
from run_files import assert_same, result_of
from stacked_runs import assert_as_alone, bring, interrupt, planned

LOSSES = ("cross_entropy", "power loss.q=0.5")
MLP = ("data=digits", "model=mlp", "model.hidden=[24,16]", "model.dropout=0.4", "trainer.max_steps=24")
WORDS = (*MLP, "trainer=cpu", "figures=false", "log_every_n_steps=4")


def test_runs_with_dropout_are_the_runs_alone(tmp_path: Path) -> None:
    for units in (("seed=0", "seed=7"), ("replicate=0", "replicate=2")):
        runs = planned(tmp_path / "stack", LOSSES, units, *WORDS)
        bring(runs)
        assert {result_of(run).stacked_runs for run in runs} == {4}
        for k, loss in ((1, LOSSES[0]), (2, LOSSES[1])):
            assert_as_alone(runs[k], plan_run(tmp_path / "alone", *WORDS, *f"loss={loss}".split(), units[k % 2]))


def test_a_stack_with_dropout_that_is_interrupted_ends_bit_for_bit_the_same(tmp_path: Path) -> None:
    runs, whole = (planned(tmp_path / name, LOSSES, ("seed=0", "seed=1"), *WORDS) for name in ("runs", "whole"))
    interrupt(runs, step=11)
    for each in (runs, whole):
        bring(each)
    for run, untouched in zip(runs, whole, strict=True):
        assert result_of(run).resumed_at == 11
        assert_same(run, untouched)
