"""Dropout of K runs: each sees the masks that it would draw alone.

A single run seeds torch's generator before every step (`step_seed`), so its masks are a function of (seed, step). The
same functions, applied to ones of the same layout after the same seeding, give these masks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from lossbench.seeds import step_seed

Given = Mapping[str, Any]
_LAYERS = ("input", "p", "training", "inplace")  # parameters of torch.nn.functional's
_PLAIN = ("input", "p", "train")  # of torch's own
_FUNCTIONS: dict[Callable[..., Tensor], tuple[str, ...]] = {
    **dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d, F.dropout3d), _LAYERS),
    **dict.fromkeys((torch.dropout, torch.dropout_, torch.feature_dropout, torch.feature_dropout_), _PLAIN),
}
_IN_PLACE = (torch.dropout_, torch.feature_dropout_)


class Call(NamedTuple):
    """One call of dropout in a training step.

    Args:
        function: that is called.
        input: what is multiplied with a mask.
        p: share of numbers that become 0, in (0, 1).
        in_place: whether the input is overwritten.
        given: what else the function is called with.
    """

    function: Callable[..., Tensor]
    input: Tensor
    p: float
    in_place: bool
    given: Given

    def mask(self) -> Tensor:
        """Draw a mask for an input of the same layout: 0, or 1 / (1 - p)."""
        return self.function(torch.ones_like(self.input), **self.given)


def call_of(function: Callable[..., Any], args: Sequence[Any], kwargs: Given) -> Call | None:
    """Give a call that draws a mask; None of one that does not, and of any other function."""
    names = _FUNCTIONS.get(function)
    if names is None:
        return None
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    inputs, p = given.pop("input"), given.get("p", 0.5)
    training = given.get("training", given.get("train", True))
    if not training or p in (0, 1) or inputs.numel() == 0:
        return None
    in_place = function in _IN_PLACE or bool(given.get("inplace", False))
    return Call(function, inputs, float(p), in_place, given)


class _Noting(TorchFunctionMode):
    """Notes the calls of dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Given | None = None
    ) -> Any:
        call = call_of(func, args, kwargs or {})
        if call is not None:
            self.calls.append(call._replace(input=torch.empty_like(call.input)))
        return func(*args, **(kwargs or {}))


class _Multiplying(TorchFunctionMode):
    """Multiplies with given masks where dropout is called."""

    def __init__(self, masks: Sequence[Tensor]) -> None:
        super().__init__()
        self.left = list(masks)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Given | None = None
    ) -> Any:
        call = call_of(func, args, kwargs or {})
        if call is None:
            return func(*args, **(kwargs or {}))
        if not self.left or self.left[0].shape != call.input.shape:
            raise RuntimeError("dropout is called otherwise than by a single run")
        mask = self.left.pop(0)
        return call.input.mul_(mask) if call.in_place else call.input * mask


@contextmanager
def with_masks(masks: Sequence[Tensor]) -> Iterator[None]:
    """Let the calls of dropout multiply with these masks, in their order.

    Args:
        masks: of the shapes that one run draws; none leave dropout as it is.

    Raises:
        RuntimeError: it is called otherwise than by the run that the masks are for.
    """
    if not masks:
        yield
        return
    with _Multiplying(masks) as mode:
        yield
    if mode.left:
        raise RuntimeError("dropout is called less often than by a single run")


class Dropout:
    """The masks that K runs draw in a step.

    Args:
        model: of one of them, in training mode; its buffers may change.
        inputs: a batch as one run sees it.
        seeds: of the runs.
    """

    def __init__(self, model: nn.Module, inputs: Tensor, seeds: Sequence[int]) -> None:
        with torch.no_grad(), _Noting() as noted:
            model(inputs)
        self.calls = noted.calls
        place = {seed: k for k, seed in enumerate(dict.fromkeys(seeds))}
        self.seeds, self.which = [*place], torch.tensor([place[seed] for seed in seeds], device=inputs.device)

    @torch.no_grad()
    def at(self, step: int) -> tuple[Tensor, ...]:
        """Draw the masks of a step, in the order of the calls: (K, ...) each."""
        if not self.calls:
            return ()
        each = [self._of_seed(seed, step) for seed in self.seeds]
        return tuple(torch.stack(masks).index_select(0, self.which) for masks in zip(*each, strict=True))

    def _of_seed(self, seed: int, step: int) -> list[Tensor]:
        if self.which.is_cuda:
            torch.manual_seed(step_seed(seed, step))
        else:
            torch.default_generator.manual_seed(step_seed(seed, step))
        return [call.mask() for call in self.calls]
