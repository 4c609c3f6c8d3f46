"""Each planted fault is caught by a law; a right loss keeps all."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from conftest import ROOT
from torch import Tensor

from lossbench import losses
from lossbench.atlas.catalog import Entry, registered
from lossbench.atlas.check import check, check_all
from lossbench.errors import UserError
from lossbench.losses import Loss
from lossbench.losses.values import scores

KNOWN = registered(ROOT / "conf" / "loss")
CHECKED = [name for name, entry in KNOWN.items() if "classification" in entry.tasks]


def true_p(output: Tensor, target: Tensor) -> Tensor:
    if target.is_floating_point():
        target = target.argmax(-1)
    return torch.softmax(scores(output, target), -1).gather(-1, target.unsqueeze(-1)).squeeze(-1)


class WrongSign(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return true_p(output, target)


class MeanAlready(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return losses.cross_entropy(output, target).mean()


class SumForMean(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return losses.cross_entropy(output, target)

    def reduce(self, values: Tensor, target: Tensor) -> Tensor:
        return values if self.reduction == "none" else values.sum()


class Broadcast(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return (1 - true_p(output, target)).unsqueeze(-1) * torch.ones(len(output), dtype=output.dtype)


class MissingLogSumExp(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        z = scores(output, target)
        return z.exp().sum(-1).log() - (
            z * (target if target.is_floating_point() else torch.eye(z.shape[-1])[target])
        ).sum(-1)


@dataclass(eq=False)
class FloatOfSetting(Loss):
    share: float = 0.5

    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return float(self.share) * losses.cross_entropy(output, target)


class OthersMatter(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return losses.cross_entropy(output, target) * torch.arange(1, len(output) + 1)


class FirstClassMatters(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return (
            losses.cross_entropy(output, target)
            + output[:, 0].to(output.dtype if output.dtype.itemsize > 2 else torch.float32) ** 2
        )


class Detached(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return losses.cross_entropy(output, target) * losses.cross_entropy(output.detach(), target)


class IndexOnly(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return losses.cross_entropy(output, target.long()[:, 0] if target.is_floating_point() else target)


FAULTS: list[tuple[type[Any], str]] = [
    (WrongSign, "the true class should rise"),
    (MeanAlready, "one value for each example"),
    (SumForMean, "one value for each example"),
    (Broadcast, "one value for each example"),
    (MissingLogSumExp, "extremes stay finite"),
    (FloatOfSetting, "many settings at once are the loop"),
    (OthersMatter, "no example depends on the others"),
    (FirstClassMatters, "classes may come in any order"),
    (Detached, "the gradient is the slope"),
    (IndexOnly, "a one hot target is the index"),
]


@pytest.mark.parametrize(("kind", "law"), FAULTS, ids=lambda item: item if isinstance(item, str) else item.__name__)
def test_a_fault_is_caught_by_its_law(kind: type[Any], law: str, capsys: pytest.CaptureFixture[str]) -> None:
    entry = Entry(kind.__name__, kind, kind)
    assert law in {finding.law for finding in check(entry) if finding.kept is False}
    assert check_all([entry]) == 1
    printed = capsys.readouterr().out
    assert f"  BROKEN {law}: " in printed
    assert printed.splitlines()[-1].endswith("broken")


@pytest.mark.parametrize("name", CHECKED)
def test_registered_losses_keep_the_laws(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_all([KNOWN[name]]) == 0
    assert capsys.readouterr().out.endswith("all laws hold\n")


def test_a_loss_for_another_task_is_not_checked(capsys: pytest.CaptureFixture[str]) -> None:
    class Ranking(Loss):
        tasks = ("ranking",)

    entry = Entry("Ranking", Ranking, Ranking)
    with pytest.raises(UserError, match="the laws are for classification; leave --check out"):
        check_all([entry])
    assert check_all([entry, KNOWN["power"]]) == 0
    assert "Ranking is for ranking: not checked\n" in capsys.readouterr().out
