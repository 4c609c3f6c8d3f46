"""Cosines, told from logits by their size: logits make a loss of cosines wrong without a sign of it."""

import itertools

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from lossbench.losses.values import scores

LARGEST = 1.05  # bfloat16 rounds cosines up to 1.02
EVERY = 64  # looking at a number on a GPU waits for all that is queued there
HEAD = "make lossbench.models.heads.CosineHead(num_features, num_classes, scale=1.0) the model's last layer"
EMBEDDINGS = "lossbench.models.heads.ClassEmbeddings(rows) makes cosines of a model's output"
_calls_on_gpu = itertools.count()


def cosine_scores(cosines: Tensor, target: Tensor, loss: str, remedy: str = HEAD) -> Tensor:
    """As `scores`, of numbers that must be cosines: those of the true classes are looked at.

    On a CPU every call looks; on a GPU one in 64; none under vmap, torch.compile or make_fx, and while a CUDA graph is
    captured.

    Args:
        cosines: (batch, C).
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        loss: its name, for the message.
        remedy: what makes cosines.

    Raises:
        ValueError: as `scores`, or a number lies outside [-1, 1] by more than rounding.
    """
    wide = scores(cosines, target)
    if _can_look(wide, target):
        largest = float(_of_true_classes(wide.detach(), target).abs().amax())
        if largest > LARGEST:
            raise ValueError(f"{loss} takes cosines within [-1, 1], got {largest:.3g}, as logits are: {remedy}")
    return wide


def _can_look(cosines: Tensor, target: Tensor) -> bool:
    if torch.compiler.is_compiling() or _is_traced() or any(map(is_functorch_wrapped_tensor, (cosines, target))):
        return False
    if cosines.device.type == "cuda":
        return next(_calls_on_gpu) % EVERY == 0 and not torch.cuda.is_current_stream_capturing()
    return cosines.device.type == "cpu" and cosines.numel() > 0


def _is_traced() -> bool:
    """Whether operations are written down to be executed later."""
    return torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY) is not None  # pyright: ignore


def _of_true_classes(cosines: Tensor, target: Tensor) -> Tensor:
    return cosines if target.is_floating_point() else cosines.gather(-1, target.unsqueeze(-1))
