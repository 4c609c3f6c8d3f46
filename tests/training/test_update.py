"""An update whose batch comes in parts is the update of the whole batch; what a loss learns is trained with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import plan_run
from run_files import rows, same, steady, weights
from torch import Tensor, nn
from torch.nn import functional as F

import lossbench
from lossbench import losses
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory
from lossbench.training.task import TrainingTask
from lossbench.training.update import UpdateLoss, is_mean_of_parts
from lossbench.vectorized.members import why_not_loss

Plan = Callable[..., RunDirectory]
CLASSES, BATCH = 5, 24
WEIGHT = [1.0, 1.0, 0.0, 2.0, 50.0]
LINEAR = ("data=digits", "model=linear", "optimizer=sgd", "optimizer.lr=0.1", "trainer.max_epochs=3", "trainer=cpu")
DIGITS = ("loss=cross_entropy", "loss.weight=[1,1,1,1,1,1,1,1,1,50]", *LINEAR, "log_every_n_steps=1")
OWN = """
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lossbench.losses import Loss, cross_entropy


@dataclass(eq=False)
class Tempered(Loss):
    scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.scale = nn.Parameter(torch.tensor(self.scale))

    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output * self.scale, target)

    def logits(self, output: Tensor) -> Tensor:
        return output * self.scale


@dataclass(eq=False)
class Hardest(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output, target)

    def reduce(self, values: Tensor, target: Tensor) -> Tensor:
        return values.topk(max(1, len(values) // 2)).values.mean()


@dataclass(eq=False)
class Running(Loss):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.register_buffer("level", torch.zeros(()))

    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        value = cross_entropy(output, target)
        if self.training:
            self.level += 0.1 * (value.detach().mean() - self.level)
        return value + self.level
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Plan a run with a loss of a file of the user's own."""
    (tmp_path / "own_losses.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return lambda name, *words: plan_run(tmp_path / "runs", "loss=custom", f"loss.target=own_losses.{name}", *words)


def batch(kind: str) -> tuple[Tensor, Tensor]:
    """Outputs of a linear model's size and targets, float64; of `light` no example of the first third has a weight."""
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(BATCH, 4, generator=generator, dtype=torch.float64)
    index = torch.randint(CLASSES, (BATCH,), generator=generator)
    if kind == "light":
        index[: BATCH // 3] = 2
    if kind == "nothing":
        index[:] = 2
    return inputs, F.one_hot(index, CLASSES).double().flip(1) if kind == "soft" else index


LOSSES: dict[str, Any] = {
    "plain": losses.CrossEntropy(),
    "weighted": losses.CrossEntropy(weight=WEIGHT),
    "smoothed": losses.CrossEntropy(weight=WEIGHT, label_smoothing=0.2),
    "nll": losses.NLL(weight=WEIGHT),
    "bce": losses.BCE(weight=WEIGHT),
    "sum": losses.Focal(reduction="sum"),
    "weighted sum": losses.CrossEntropy(weight=WEIGHT, reduction="sum"),
}


@pytest.mark.parametrize("kind", ["index", "soft", "light", "nothing"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
@pytest.mark.parametrize(("accumulate", "processes"), [(3, 1), (1, 2), (4, 3)])
@pytest.mark.parametrize("counts", [None, torch.arange(BATCH) % 3 + 1], ids=["alike", "weights"])
def test_gradients_of_parts_are_those_of_the_batch(
    loss: Any, kind: str, accumulate: int, processes: int, counts: Tensor | None
) -> None:
    inputs, target = batch(kind)
    theta = torch.linspace(-1, 1, 4 * CLASSES, dtype=torch.float64).view(4, CLASSES).requires_grad_()
    repeats = torch.ones(BATCH, dtype=torch.int64) if counts is None else counts  # a weight of 2 is the example twice
    whole = loss(inputs.repeat_interleave(repeats, 0) @ theta, target.repeat_interleave(repeats, 0))
    (expected,) = torch.autograd.grad(whole, theta)
    found, value = torch.zeros_like(theta), 0.0
    shares = [slice(rank, None, processes) for rank in range(processes)]
    updates = [UpdateLoss(loss, accumulate) for _ in shares]
    for update, share in zip(updates, shares, strict=True):
        columns = (inputs[share], target[share], repeats[share].double())
        for x, y, w in zip(*(column.chunk(accumulate) for column in columns), strict=True):
            part = update.part(x @ theta, y, processes, None if counts is None else w)
            found += torch.autograd.grad(part, theta)[0] / (accumulate * processes)
            value += part.item() / (accumulate * processes)
    weights = [update._weight for update in updates if update._weight is not None]
    finished = [update.finish(lambda _: torch.stack(weights).mean()) for update in updates]
    (factor,) = {1.0 if done is None else float(done[0]) for done in finished}
    torch.testing.assert_close(found * factor, expected, rtol=1e-6, atol=1e-9)  # weights are float32
    assert value * factor == pytest.approx(float(whole.detach()), rel=1e-6, abs=1e-9)


def test_class_weights_are_those_of_the_update(planned: Plan) -> None:
    whole, parts = planned(*DIGITS), planned(*DIGITS, "trainer.accumulate_grad_batches=16")
    metrics = start(whole).metrics
    assert metrics["val/accuracy"] < 0.65  # and 0.92 without weights
    assert start(parts).metrics == pytest.approx(metrics, abs=1e-4)
    for name in ("train/loss", "train/epoch_loss", "train/gradient_norm"):
        ours, theirs = (dict(rows(run, name)) for run in (parts, whole))
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_a_sum_is_that_of_the_update(planned: Plan) -> None:
    words = (*LINEAR, "loss=cross_entropy", "+loss.reduction=sum", "optimizer.lr=0.0015", "log_every_n_steps=1")
    whole, parts = planned(*words), planned(*words, "trainer.accumulate_grad_batches=8")
    assert start(parts).metrics == pytest.approx(start(whole).metrics, rel=1e-4, abs=1e-4)
    ours, theirs = (dict(rows(run, "train/loss")) for run in (parts, whole))
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_a_reduction_over_the_batch_is_said_to_be_one(own: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    short = (*LINEAR, "trainer.max_steps=2")
    for name, parts, said in (("Hardest", 4, True), ("Hardest", 1, False), ("Tempered", 4, False)):
        run = own(name, *short, f"trainer.accumulate_grad_batches={parts}")
        start(run)
        line = "warning: loss=own_losses.Hardest is no mean over the examples of a batch"
        assert (line in capsys.readouterr().out) == (line in run.log_path.read_text()) == said


def test_what_a_loss_learns_is_trained_saved_and_loaded(own: Plan) -> None:
    learned, fixed = own("Tempered", *LINEAR, "loss_lr=0.5"), own("Tempered", *LINEAR, "loss_lr=1e-30")
    result = start(learned)
    start(fixed)
    loss: Any = lossbench.load(learned.path).parts.loss
    assert isinstance(loss.scale, nn.Parameter)
    assert abs(loss.scale.item() - 1) > 0.05
    unmoved: Any = lossbench.load(fixed.path).parts.loss
    assert unmoved.scale.item() == 1
    again = lossbench.load(learned.path).evaluate("test")
    assert again["loss"].value == pytest.approx(result.metrics["test/loss"], abs=1e-6)
    reason = "loss=own_losses.Tempered: its own parameters are trained one run at a time; a loss without them stacks"
    assert why_not_loss(learned.config) == reason


def test_what_a_loss_remembers_is_loaded(own: Plan) -> None:
    run = own("Running", *LINEAR)
    result = start(run)
    loss: Any = lossbench.load(run.path).parts.loss
    assert loss.level > 0.1
    again = lossbench.load(run.path).evaluate("test")
    assert again["loss"].value == pytest.approx(result.metrics["test/loss"], abs=1e-6)


class Counting(losses.SoftmaxMSE):  # pyright: ignore[reportGeneralTypeIssues] - users subclass what is final
    calls = 0

    def forward(self, output: Any, target: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(output, target)


def test_trying_the_parts_leaves_the_loss_as_it_was() -> None:
    loss = Counting()
    assert is_mean_of_parts(loss, torch.eye(8), torch.arange(8))
    assert loss.calls == 0


class Largest(losses.CrossEntropy):  # pyright: ignore[reportGeneralTypeIssues] - users subclass what is final
    def reduce(self, values: Tensor, target: Tensor) -> Tensor:
        return values.max()


class Doubled(losses.NLL):  # pyright: ignore[reportGeneralTypeIssues] - users subclass what is final
    def forward(self, output: Any, target: Tensor) -> Tensor:
        return 2 * super().forward(output, target)


@pytest.mark.parametrize("kind", [Largest, Doubled])
def test_a_reduction_of_ones_own_is_that_of_each_part(kind: type[losses.Loss]) -> None:
    loss, (inputs, target) = kind(weight=WEIGHT), batch("index")  # pyright: ignore[reportCallIssue] - both have it
    update, output = UpdateLoss(loss, 2), inputs @ torch.ones(4, CLASSES, dtype=torch.float64).cumsum(1)
    assert torch.equal(update.part(output, target), loss(output, target))
    assert update.finish(lambda weight: weight) is None


def test_what_a_loss_has_learned_is_resumed(own: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("data=digits", "model=mlp", "trainer=cpu", "trainer.max_epochs=2", "checkpoint.every_n_steps=4")
    words += ("trainer.accumulate_grad_batches=2", "optimizer=adam")
    whole, broken = own("Tempered", *words), own("Tempered", *words, "study=broken")
    metrics = start(whole).metrics
    before = TrainingTask.on_train_batch_start

    def stop(self: TrainingTask, batch: Any, batch_idx: int) -> None:
        if (self.global_step, batch_idx % 2) == (10, 1):
            raise ArithmeticError("stopped here")
        before(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingTask, "on_train_batch_start", stop)
        with pytest.raises(ArithmeticError, match="stopped here"):
            start(broken)
    assert start(broken).metrics == metrics
    assert same(weights(whole), weights(broken))
    assert steady(whole) == steady(broken)


def test_a_rate_for_nothing_is_refused(planned: Plan) -> None:
    with pytest.raises(UserError, match=r"loss_lr=0\.1 is the learning rate of a loss's own parameters, .*has none"):
        start(planned(*LINEAR, "loss=power", "loss_lr=0.1"))
    with pytest.raises(UserError, match=r"loss\.reduction must be mean or sum: training needs one number, got 'none'"):
        planned(*LINEAR, "loss=power", "+loss.reduction=none")
