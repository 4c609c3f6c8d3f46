"""Sweeps whose seeds decide nothing: every seed gave the same run."""

from collections.abc import Sequence
from dataclasses import replace

from lossbench.report.arms import Arm


def are_frozen(arms: Sequence[Arm]) -> bool:
    """Whether the seed decides nothing: all seeds of an arm have the same loss on both splits."""
    several = [arm for arm in arms if len(arm.runs) > 1]
    return bool(several) and all(_has_one_value(arm, name) for arm in several for name in ("val/loss", "test/loss"))


def _has_one_value(arm: Arm, metric: str) -> bool:
    values = {run.metrics.get(metric) for run in arm.runs.values()}
    return len(values) == 1 and None not in values


def one_seed_of_each(arms: Sequence[Arm]) -> list[Arm]:
    """Keep one seed, the same in all arms where they share one."""
    shared = set[int].intersection(*({*arm.runs} for arm in arms if arm.runs))
    kept = [min(shared or arm.runs or arm.diverged) for arm in arms]
    return [_only(arm, seed) for arm, seed in zip(arms, kept, strict=True)]


def _only(arm: Arm, seed: int) -> Arm:
    runs, diverged = ({seed: found[seed]} if seed in found else {} for found in (arm.runs, arm.diverged))
    return replace(arm, runs=runs, diverged=diverged)
