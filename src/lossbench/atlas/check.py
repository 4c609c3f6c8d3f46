"""The laws that a classification loss keeps, tried on a loss from outside; each says what it found."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn import functional as F

from lossbench.atlas.catalog import Entry
from lossbench.atlas.finite import DTYPES
from lossbench.errors import UserError, one_line
from lossbench.losses import Loss
from lossbench.outputs import HeadOutput

BATCH, CLASSES = 7, 5
EXTREMES = {
    "right by 20,000": [1e4, -1e4, -1e4, -1e4, -1e4],
    "wrong by 20,000": [-1e4, 1e4, -1e4, -1e4, -1e4],
    "right by 200": [100.0, -100, 0, 0, 0],
    "wrong by 200": [-100.0, 100, 0, 0, 0],
    "all 10,000": [1e4] * 5,
    "all 0": [0.0] * 5,
}
STEP = 1e-5
SHOWN, LONGEST = 4, 200  # broken cases named, and characters of an exception
NEAR = (0.9, 1.0, 1.1)  # values of a hyper-parameter, times its default


class Finding(NamedTuple):
    """What a law found: kept, broken (False) or only reported (None)."""

    law: str
    kept: bool | None
    said: str


class Trial(NamedTuple):
    """A loss with examples to try it on; float64.

    Args:
        entry: where it comes from.
        loss: with its defaults.
        output: makes of logits what it takes.
        logits: (batch, C).
        target: (batch,).
    """

    entry: Entry
    loss: Loss
    output: Callable[[Tensor], Any]
    logits: Tensor
    target: Tensor

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the values of the examples."""
        return self.loss.per_example(self.output(logits), target)

    def gradient(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Give the values and the gradient of their sum."""
        leaf = logits.clone().requires_grad_()
        values = self(leaf, target)
        return values.detach(), torch.autograd.grad(values.sum(), leaf)[0]


def check_all(entries: Sequence[Entry]) -> int:
    """Hold losses to the laws and print what was found.

    Returns:
        The exit code: 1 if a law is broken.

    Raises:
        UserError: none of them is for classification.
    """
    broken, others = 0, [entry for entry in entries if "classification" not in entry.tasks]
    for entry in others:
        print(f"{entry.name} is for {', '.join(entry.tasks)}: not checked")
    if len(others) == len(entries):
        raise UserError("the laws are for classification; leave --check out")
    for entry in entries:
        if entry in others:
            continue
        print(entry.name)
        for finding in check(entry):
            broken += finding.kept is False
            word = {True: "ok    ", False: "BROKEN", None: "note  "}[finding.kept]
            print(f"  {word} {finding.law}: {finding.said}", flush=True)
    print(f"{broken} {'law is' if broken == 1 else 'laws are'} broken" if broken else "all laws hold")
    return int(broken > 0)


def check(entry: Entry) -> Iterator[Finding]:
    """Try every law on a loss for classification; what its code raises breaks the law."""
    trial = _trial(entry)
    for law, name in LAWS.items():
        try:
            kept, said = law(trial)
        except Exception as error:  # the user's own code may raise anything: it is what was found
            kept, said = False, f"raised {type(error).__name__}: {one_line(error)[:LONGEST]}"
        yield Finding(name, kept, said)


def _trial(entry: Entry) -> Trial:
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(BATCH, CLASSES, generator=generator, dtype=torch.float64)
    target = torch.randint(CLASSES, (BATCH,), generator=generator)
    loss = entry.make()
    if entry.head and _takes(loss, logits, target):
        return Trial(entry, loss, lambda z: torch.tanh(z / 4), logits, target)  # cosines
    return Trial(entry, loss, (lambda z: HeadOutput(z, z)) if entry.head else (lambda z: z), logits, target)


def _takes(loss: Loss, logits: Tensor, target: Tensor) -> bool:
    try:
        loss.per_example(logits, target)
    except (ValueError, TypeError, AttributeError):
        return False
    return True


Found = tuple[bool | None, str]


def _shape(trial: Trial) -> Found:
    values = trial(trial.logits.float(), trial.target)
    ok = values.shape == (BATCH,) and values.dtype == torch.float32
    return ok, f"{BATCH} examples give {values.dtype} {tuple(values.shape)}; wanted is float32 ({BATCH},)"


def _finite(trial: Trial) -> Found:
    broken = [f"{dtype} {name}" for dtype, kind in DTYPES.items() for name, row in EXTREMES.items() if not _is_finite(trial, row, kind)]
    if not broken:
        return True, f"loss and gradient for logits that are {', '.join(EXTREMES)}, in {', '.join(DTYPES)}"
    said = f"not finite, or not float32, for {', '.join(broken[:SHOWN])}{f' and {len(broken) - SHOWN} more' * (len(broken) > SHOWN)}"
    declared = trial.loss.exceeds_fp16 and all(each.startswith("fp16") for each in broken)
    return (True, f"{said}; the loss declares it (exceeds_fp16)") if declared else (False, said)


def _is_finite(trial: Trial, row: list[float], dtype: torch.dtype) -> bool:
    values, gradient = trial.gradient(torch.tensor([row], dtype=dtype), torch.tensor([0]))
    return values.dtype == torch.float32 and bool(values.isfinite().all() and gradient.isfinite().all())


def _gradcheck(trial: Trial) -> Found:
    if trial(trial.logits, trial.target).dtype != torch.float64:
        return False, "float64 logits do not stay float64: cast with torch.promote_types(logits.dtype, torch.float32)"
    leaf = trial.logits.clone().requires_grad_()
    right = torch.autograd.gradcheck(lambda z: trial(z, trial.target), leaf, raise_exception=False)
    return right, f"in float64 it is {'' if right else 'not '}the slope"


def _examples(trial: Trial) -> Found:
    order = torch.arange(BATCH - 1, -1, -1)
    return _near(trial(trial.logits[order], trial.target[order]), trial(trial.logits, trial.target)[order], "examples in another order")


def _classes(trial: Trial) -> Found:
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = trial(trial.logits[:, order], order.argsort()[trial.target])
    return _near(moved, trial(trial.logits, trial.target), "classes in another order")


def _shift(trial: Trial) -> Found:
    change = float((trial(trial.logits + 3, trial.target) - trial(trial.logits, trial.target)).abs().max())
    return None, "it sees differences of logits alone" if change < 1e-9 else f"3 added to all logits changes values by up to {change:.3g}"


def _soft(trial: Trial) -> Found:
    if not trial.loss.soft_targets:
        return None, "it declares that it takes no soft targets"
    one_hot = F.one_hot(trial.target, CLASSES).to(trial.logits.dtype)
    hard, soft = trial.gradient(trial.logits, trial.target), trial.gradient(trial.logits, one_hot)
    worst = max(float((a - b).abs().max()) for a, b in zip(hard, soft, strict=True))
    return worst < 1e-7, f"a one-hot target differs from the index by {worst:.2g}"


def _vmap(trial: Trial) -> Found:
    numbers = {name: v for name, v in trial.loss.hyper_parameters().items() if isinstance(v, float)}
    for name, default in numbers.items():
        values = torch.tensor([default * factor if default else 0.1 * factor for factor in NEAR], dtype=torch.float64)

        def total(z: Tensor, h: Tensor | float, name: str = name) -> Tensor:
            loss = copy.copy(trial.loss)
            object.__setattr__(loss, name, h)
            return loss.per_example(trial.output(z), trial.target).sum()

        together = vmap(lambda h, total=total: (total(trial.logits, h), grad(total)(trial.logits, h)))(values)
        for k, value in enumerate(values.tolist()):
            for found, alone in zip(together, (total(trial.logits, value), grad(total)(trial.logits, value)), strict=True):
                if not torch.allclose(found[k], alone, rtol=1e-9, atol=1e-11):
                    return False, f"{name} = {value:g} computed with others differs from alone"
    return True, f"many values of {', '.join(numbers)} at once are the loop" if numbers else "there is no number to vary"


def _reductions(trial: Trial) -> Found:
    output, values = trial.output(trial.logits), trial(trial.logits, trial.target)
    wanted = {"none": values, "sum": values.sum(), "mean": values.mean()}
    for name, expected in wanted.items():
        found = trial.entry.make(reduction=name)(output, trial.target)
        if found.shape != expected.shape or not torch.allclose(found, expected):
            return False, f"reduction={name} is not the {name} of the values"
    return True, "none, sum and mean are those of the values"


def _downhill(trial: Trial) -> Found:
    values, gradient = trial.gradient(trial.logits, trial.target)
    norm = gradient.norm(dim=-1, keepdim=True)
    lower = trial(trial.logits - STEP * gradient / norm.clamp_min(1e-12), trial.target)
    moving = norm.squeeze(-1) > 1e-6
    better = int((lower < values)[moving].sum())
    return bool(moving.any()) and better == int(moving.sum()), f"a small step lowers {better} of {int(moving.sum())} examples"


def _rises(trial: Trial) -> Found:
    # The slope of a sign error is right, and so is a step down it; but it leads to the wrong class.
    index = trial.target.unsqueeze(-1)
    _, gradient = trial.gradient(trial.logits, trial.target)
    right = int((gradient.gather(-1, index) < 0).sum())
    return right == BATCH, f"in {right} of {BATCH} examples the true class's logit is pulled up"


def _near(found: Tensor, expected: Tensor, what: str) -> Found:
    worst = float((found - expected).abs().max()) if found.shape == expected.shape else float("inf")
    return worst < 1e-9, f"{what} change values by {worst:.2g}"


LAWS: dict[Callable[[Trial], Found], str] = {
    _shape: "one value for each example",
    _finite: "finite at extremes",
    _gradcheck: "gradient",
    _rises: "pulls the true class up",
    _downhill: "a step downhill",
    _examples: "order of examples",
    _classes: "order of classes",
    _shift: "shift of all logits",
    _soft: "soft targets",
    _vmap: "hyper-parameters at once",
    _reductions: "reductions",
}
