"""Laws of number formats: extreme logits, float16's range, autocast."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from lossbench.losses.case import CLASSES, Case, Setting, examples, value_and_grad

EXTREMES = {
    "right": [1e4, -1e4, -1e4, -1e4, -1e4],
    "wrong": [-1e4, 1e4, -1e4, -1e4, -1e4],
    "right100": [100.0, -100, 0, 0, 0],
    "wrong100": [-100.0, 100, 0, 0, 0],
    "equal": [1e4] * 5,
    "negative": [-1e4] * 5,
    "zero": [0.0] * 5,
}


def extremes_stay_finite(case: Case, setting: Setting) -> None:
    """Values, in float32, and gradients are finite for logits of +-1e4 in float32, bfloat16 and float16."""
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        beyond_range = dtype == torch.float16 and case.module(**setting).exceeds_fp16
        for where, logits, target in _extreme_examples(case, dtype):
            values, gradient = value_and_grad(case, logits, target, setting)
            assert values.dtype == torch.float32, f"{where}: computed in {values.dtype}"
            assert values.isfinite().all(), f"{where}: {values.tolist()}"
            assert beyond_range or gradient.isfinite().all(), f"{where}: the gradient is {gradient.tolist()}"


def _extreme_examples(case: Case, dtype: torch.dtype) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Give each extreme with the index, and with a one-hot and a uniform soft target where the loss takes them."""
    index = torch.tensor([0, 0])
    one_hot, uniform = F.one_hot(index, CLASSES).float(), torch.full((2, CLASSES), 1 / CLASSES)
    for name, row in EXTREMES.items():
        for target in (index, one_hot, uniform) if case.soft_targets else (index,):
            yield f"{name} logits in {dtype}", torch.tensor([row] * 2, dtype=dtype), target


def exceeds_fp16_is_right(case: Case, setting: Setting) -> None:
    """`exceeds_fp16` is true where a gradient is beyond float16's range."""
    worst = torch.tensor([[-1e4, 1e4, 0, 0, 0], [-1e3, 1e3, 0, 0, 0], [-10.0, 10, 0, 0, 0]])
    _, gradient = value_and_grad(case, worst, torch.zeros(3, dtype=torch.int64), setting)
    claimed, largest = case.module(**setting).exceeds_fp16, float(gradient.abs().max())
    assert claimed == (largest > torch.finfo(torch.float16).max), (
        f"exceeds_fp16 is {claimed}, the largest gradient {largest:.3g}"
    )


def autocast_changes_nothing(case: Case, setting: Setting) -> None:
    """Under autocast float32 logits give the same values and gradients, bfloat16 ones are computed in float32."""
    logits, target, soft = examples(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = [value_and_grad(case, logits, t, setting) for t in case.targets(target, soft)]
        half = case.function(case.output(logits.bfloat16()), target, **setting)
    for t, found in zip(case.targets(target, soft), inside, strict=True):
        assert_close(found, value_and_grad(case, logits, t, setting), rtol=1e-6, atol=1e-6)
    assert_close(half, case.function(_wider(case.output(logits.bfloat16())), target, **setting), rtol=1e-2, atol=1e-2)
    assert half.dtype == torch.float32, f"bfloat16 logits gave {half.dtype}"


def _wider(output: Any) -> Any:
    return type(output)(*(part.float() for part in output)) if isinstance(output, tuple) else output.float()
