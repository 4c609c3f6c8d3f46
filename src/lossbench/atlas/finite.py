"""Up to where a loss and its gradient are finite, in each floating-point type; found by trying."""

from collections.abc import Callable
from math import inf

import torch
from torch import Tensor

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LARGEST = 1e4  # logit gap, or error, up to which a loss is tried
Call = Callable[[Tensor, Tensor], Tensor]


def cosines_of(logits: Tensor) -> Tensor:
    """Numbers within [-1, 1] in place of logits, for a loss that takes cosines."""
    return torch.tanh(logits / 4)


def gap_up_to(call: Call, dtype: torch.dtype) -> float:
    """Find the logit gap between two classes up to which loss and gradient are finite, whichever is the true one."""
    return _first_infinite(lambda gaps: _pairs(call, gaps), dtype)


def error_up_to(call: Call, dtype: torch.dtype) -> float:
    """Find the error of one output up to which loss and gradient are finite."""
    return _first_infinite(lambda errors: _column(call, errors), dtype)


def _pairs(call: Call, gaps: Tensor) -> Tensor:
    zero, y = torch.zeros_like(gaps), torch.zeros(len(gaps), dtype=torch.int64)
    outcomes = []
    for pair in ((zero, gaps), (gaps, zero)):
        leaf = torch.stack(pair, -1).requires_grad_()
        values = call(leaf, y)
        (gradient,) = torch.autograd.grad(values.sum(), leaf)
        outcomes.append(values.detach().isfinite() & gradient.isfinite().all(-1))
    return outcomes[0] & outcomes[1]


def _column(call: Call, gaps: Tensor) -> Tensor:
    leaf = gaps.clone().unsqueeze(-1).requires_grad_()
    values = call(leaf, torch.zeros_like(leaf)).reshape(-1)
    (gradient,) = torch.autograd.grad(values.sum(), leaf)
    return values.detach().isfinite() & gradient.squeeze(-1).isfinite()


def _first_infinite(finite: Callable[[Tensor], Tensor], dtype: torch.dtype) -> float:
    """Look at ever larger gaps, then closer where the first one fails."""
    gaps, last = torch.logspace(-1, 4, 500, dtype=torch.float64), 0.0
    for _ in range(2):
        fine = finite(gaps.to(dtype))
        if bool(fine.all()):
            return inf if float(gaps[-1]) >= LARGEST * 0.999 else float(gaps[-1])
        k = int((~fine).nonzero()[0])
        last = float(gaps[k - 1]) if k else last
        gaps = torch.linspace(last, float(gaps[k]), 200, dtype=torch.float64)
    return last
