"""Clipping and averaged weights in a stack: each run is what it is alone."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from stacked_pairs import assert_alone, assert_resumes, both

from lossbench.vectorized.eligible.settings import group_of, why_not

DIGITS = ("data=digits", "data.images_per_class=30", "log_every_n_steps=3", "trainer.max_epochs=3")
LOSSES = ("loss=cross_entropy", "loss=power")
CLIP = [
    (*DIGITS, loss, "optimizer=sgd", "optimizer.lr=0.5", f"trainer.gradient_clip_val={norm}", "replicate=0")
    for loss in LOSSES
    for norm in ("0.1", "null")
]
EMA = [
    (*DIGITS, loss, "callbacks=ema", f"callbacks.ema.decay={decay}", "evaluate=best", "seed=1")
    for loss in LOSSES
    for decay in (0.0, 0.9)
]
FINETUNE = [
    (
        *(*DIGITS, loss, "model=convnet", "model.width=2", "scheduler=finetune", f"optimizer={optimizer}", "seed=2"),
        *("optimizer.weight_decay=0.01", "optimizer.lr=0.01", "trainer.gradient_clip_val=0.5"),
    )
    for loss in LOSSES
    for optimizer in ("adam",)
]
ALL = [
    (*words, "callbacks=[ema,early_stopping]", "callbacks.early_stopping.patience=1", "trainer.gradient_clip_val=0.2")
    for words in EMA
]


@pytest.mark.parametrize("each", [CLIP, EMA, FINETUNE], ids=["clipping", "averages", "layers"])
def test_runs_with_more_settings_are_the_runs_alone(tmp_path: Path, each: Sequence[Sequence[str]]) -> None:
    pairs = both(tmp_path, each)
    assert len({group_of(ours.config) for ours, _ in pairs}) == 1
    assert {why_not(ours.config) for ours, _ in pairs} == {None}
    for ours, theirs in pairs:
        assert_alone(ours, theirs)


def test_a_stack_with_more_settings_goes_on_bit_for_bit(tmp_path: Path) -> None:
    assert_resumes(tmp_path, ALL, step=6)
