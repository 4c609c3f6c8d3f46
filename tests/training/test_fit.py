"""Runs in this process: pairing, precision, budgets, what is kept, what fails."""

import csv
import json
import math
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT, plan_run
from run_files import arrays, rows, same, steady, weights
from torch import Tensor
from typed import command

import lossbench
import lossbench.training.predictions
from lossbench.config.rules import TASKS, tasks_of
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.losses.base import Loss
from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
from lossbench.training.task import TrainingTask

OTHERS = {name for task in TASKS.values() for target, name in task.items() if "classification" not in tasks_of(target)}
LOSSES = sorted({path.stem for path in (ROOT / "conf" / "loss").glob("*.yaml")} - OTHERS - {"custom"})
QUICK = ("data=digits", "trainer.max_epochs=2", "data.steps_per_epoch=5", "log_every_n_steps=1")
# Few images and a high learning rate: the validation NLL rises again after a few epochs.
OVERFITTING = ("data=digits", "data.images_per_class=5", "optimizer.lr=0.05", "monitor=val/nll")

Plan = Callable[..., RunDirectory]


# -- every loss learns


@pytest.mark.slow
def test_every_loss_reads_digits(tmp_path: Path) -> None:
    """As stacks of runs, which is the same training in a tenth of the time."""
    stacked = ("-m", "hydra/launcher=vectorized", "study=all", "hydra.sweeper.report=false", "seed=0")
    command("train.py", *stacked, "data=digits", "model=mlp", f"loss={','.join(LOSSES)}", runs=tmp_path)
    found = {}
    for path in tmp_path.glob("all/*/seed0/result.json"):
        result = json.loads(path.read_text())
        settings = {key: result["params"][f"optimizer.{key}"] for key in ("name", "lr")}
        assert (settings, result["params"]["data.batch_size"]) == ({"name": "adam", "lr": 3e-3}, 64)
        assert [name for name, value in result["metrics"].items() if not math.isfinite(value)] == []
        found[result["params"]["loss.name"]] = result["metrics"]["test/accuracy"]
    assert sorted(found) == LOSSES
    assert {name: value for name, value in found.items() if value < 0.96} == {}


# -- pairing and determinism


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Tensor], list[int]]]:
    """Weights before, and positions in, every training step that follows."""
    steps: list[tuple[dict[str, Tensor], list[int]]] = []
    step = TrainingTask.training_step

    def spy(self: TrainingTask, batch: Any, batch_idx: int) -> Tensor:
        steps.append(
            ({name: value.clone() for name, value in self.model.state_dict().items()}, batch.position.tolist())
        )
        return step(self, batch, batch_idx)

    monkeypatch.setattr(TrainingTask, "training_step", spy)
    return steps


def test_whatever_the_loss_the_start_and_the_order_are_the_same(
    planned: Plan, seen: list[tuple[dict[str, Tensor], list[int]]]
) -> None:
    starts, orders = [], []
    for choice in ("loss=cross_entropy", "loss=cosine_prob", "loss=cosine_xent_head", "loss=cross_entropy seed=1"):
        seen.clear()
        start(planned(*QUICK, "model.dropout=0.2", *choice.split()))
        assert len(seen) == 10
        starts.append(seen[0][0])
        orders.append([positions for _, positions in seen])
    plain, other_loss, head, other_seed = starts
    shared = {name.removeprefix("0."): value for name, value in head.items() if name.startswith("0.")}
    assert same(plain, other_loss)
    assert same(plain, shared)
    assert not same(plain, other_seed)
    assert len(head) > len(shared)
    assert orders[0] == orders[1] == orders[2] != orders[3]
    assert orders[0][:5] != orders[0][5:]


# Python 3.12 and later, whose loader workers fork.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    settings = ("data=digits", "trainer.max_epochs=3", "model.dropout=0.3", "loss=cosine_xent_head")
    alone, helped = plan_run(tmp_path / "0", *settings), plan_run(tmp_path / "2", *settings, "data.num_workers=2")
    assert start(alone).metrics == start(helped).metrics
    assert alone.path.parent.name == helped.path.parent.name
    assert same(weights(alone), weights(helped))
    assert steady(alone) == steady(helped)
    ours, theirs = arrays(alone), arrays(helped)
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)


# -- what is kept


@pytest.mark.parametrize(
    ("keep", "left"), [("all", {"last", "best"}), ("last", {"last"}), ("best", {"best"}), ("none", set())]
)
def test_only_the_wanted_checkpoints_stay(planned: Plan, keep: str, left: set[str]) -> None:
    run = planned(*QUICK, f"keep_checkpoints={keep}")
    start(run)
    assert {path.stem for path in (run.path / "checkpoints").iterdir()} == left
    if "last" not in left:
        with pytest.raises(UserError, match=r"last\.ckpt does not exist; keep_checkpoints"):
            lossbench.load(run.path, "last")


SIZE = 2 * 360 * (10 * 4 + 8)  # outputs in float32 and targets in int64 of 360 examples; the ids come on top


@pytest.mark.parametrize(
    ("wanted", "halve_above", "drop_above", "saved"),
    [
        ("auto", math.inf, math.inf, "float32"),
        ("auto", SIZE, math.inf, "float16"),
        ("auto", SIZE, SIZE, "none"),
        ("true", SIZE, SIZE, "float32"),
        ("false", math.inf, math.inf, "none"),
    ],
)
def test_predictions_are_kept_by_size(
    planned: Plan, monkeypatch: pytest.MonkeyPatch, wanted: str, halve_above: float, drop_above: float, saved: str
) -> None:
    monkeypatch.setattr(lossbench.training.predictions, "HALVE_ABOVE", halve_above)
    monkeypatch.setattr(lossbench.training.predictions, "DROP_ABOVE", drop_above)
    run = planned(*QUICK, f"save_predictions={wanted}")
    assert start(run).predictions == saved
    if saved == "none":
        assert not run.predictions_path.exists()
        assert "predictions not saved" in run.log_path.read_text()
        with pytest.raises(UserError, match="save_predictions"):
            _ = lossbench.load(run.path).predictions
    else:
        kept = lossbench.load(run.path).predictions
        assert kept["test_outputs"].dtype == saved
        assert kept["test_targets"].dtype == np.int64
        assert ("saved as float16" in run.log_path.read_text()) == (saved == "float16")


def test_predictions_give_the_result_again(planned: Plan) -> None:
    run = planned("data=digits", "trainer.max_epochs=3")
    result, saved = start(run), arrays(run)
    for stage in ("val", "test"):
        logits, targets = saved[f"{stage}_outputs"].astype(np.float64), saved[f"{stage}_targets"]
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        assert (logits.argmax(1) == targets).mean() == pytest.approx(result.metrics[f"{stage}/accuracy"], abs=1e-9)
        assert -log_p[np.arange(len(targets)), targets].mean() == pytest.approx(
            result.metrics[f"{stage}/cross_entropy"], rel=1e-5
        )
        assert len(set(saved[f"{stage}_ids"])) == len(targets) == result.n[stage]
    assert set(saved["val_ids"]) & set(saved["test_ids"]) == set()


def test_a_loaded_run_measures_the_same(planned: Plan) -> None:
    run = planned(*QUICK, "loss=cosine_xent_head")
    result = start(run)
    back = lossbench.load(run.path)
    for stage in ("val", "test"):
        again = {f"{stage}/{name}": metric.value for name, metric in back.evaluate(stage).items()}
        before = {name: value for name, value in result.metrics.items() if name.startswith(f"{stage}/")}
        assert again == pytest.approx(before, rel=1e-5, abs=1e-6)
    assert back.config == run.record
    assert not back.model.training
    inputs = torch.from_numpy(back.parts.data.split("test").inputs)
    assert torch.allclose(back.model(inputs).logits, torch.from_numpy(back.predictions["test_outputs"]), atol=1e-5)


# -- which weights are tested, and when


def test_the_best_epochs_weights_are_tested(planned: Plan) -> None:
    settings = (*OVERFITTING, "trainer.max_epochs=15")
    best, last = planned(*settings, "evaluate=best"), planned(*settings, "evaluate=last")
    ours, theirs = start(best).metrics, start(last).metrics
    values = [value for _, value in rows(best, "val/nll")]
    assert min(values) < 0.9 * values[-1]
    assert ours["val/nll"] == pytest.approx(min(values), rel=1e-6)
    assert theirs["val/nll"] == pytest.approx(values[-1], rel=1e-6)
    assert ours["test/nll"] != theirs["test/nll"]
    assert lossbench.load(best.path).evaluate("test")["nll"].value == pytest.approx(ours["test/nll"], rel=1e-5)
    assert not same(weights(best, "best"), weights(best, "last"))


def test_the_test_split_is_looked_at_once_at_the_end(planned: Plan) -> None:
    run = planned("data=digits", "trainer.max_epochs=3", "data.steps_per_epoch=5")
    result = start(run)
    assert rows(run, "test/accuracy") == [(15, result.metrics["test/accuracy"])]
    names = [line.split(",")[2] for line in run.metrics_path.read_text().splitlines()[1:]]
    first = next(i for i, name in enumerate(names) if name.startswith("test/"))
    assert all(name.startswith("test/") for name in names[first:])
    assert [step for step, _ in rows(run, "val/accuracy")] == [5, 10, 15]


# -- budgets


def test_a_budget_of_steps_ends_inside_an_epoch_and_validates_there(planned: Plan) -> None:
    run = planned("data=digits", "data.steps_per_epoch=5", "trainer.max_steps=8", "log_every_n_steps=1")
    result = start(run)
    assert (result.steps, result.epochs) == (8, 2)
    assert [step for step, _ in rows(run, "train/loss")] == list(range(8))
    assert [step for step, _ in rows(run, "val/accuracy")] == [5, 8]


def test_early_stopping_stops_and_stays_stopped(planned: Plan) -> None:
    run = planned(
        *OVERFITTING, "trainer.max_epochs=40", "callbacks=early_stopping", "callbacks.early_stopping.patience=2"
    )
    result = start(run)
    values = [value for _, value in rows(run, "val/nll")]
    assert 3 <= len(values) < 40
    assert len(values) - 1 - values.index(min(values)) == 2
    assert result.epochs == len(values)
    run.result_path.unlink()
    before = steady(run), run.checkpoint("last").stat().st_mtime_ns
    again = start(RunDirectory(run.path))
    assert (steady(run), run.checkpoint("last").stat().st_mtime_ns) == before
    assert (again.metrics, again.steps) == (result.metrics, result.steps)
    assert run.status["status"] == "done"


# -- precision


def test_under_bf16_the_loss_is_computed_in_float32(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    dtypes: set[tuple[torch.dtype, torch.dtype]] = set()
    forward = Loss.forward

    def spy(self: Loss, output: Tensor, target: Tensor) -> Tensor:
        value = forward(self, output, target)
        if value.requires_grad:
            dtypes.add((output.dtype, value.dtype))
        return value

    monkeypatch.setattr(Loss, "forward", spy)
    run = planned("data=digits", "trainer.precision=bf16-mixed", "trainer.accelerator=cpu", "trainer.max_epochs=5")
    result = start(run)
    assert dtypes == {(torch.bfloat16, torch.float32)}
    assert result.metrics["test/accuracy"] > 0.8
    assert {value.dtype for value in weights(run).values()} == {torch.float32}


# -- failures


# The second one's first update leaves no finite weights.
@pytest.mark.parametrize(("lr", "decay"), [(1e30, 0.0), (3e38, 1e10)])
def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(planned: Plan, lr: float, decay: float) -> None:
    explosive = ("optimizer=sgd", f"optimizer.lr={lr}", f"optimizer.weight_decay={decay}")
    run = planned("data=digits", "loss=cross_entropy", *explosive, "checkpoint.every_n_steps=1")
    with pytest.raises(UserError, match=r"optimizer\.lr"):
        start(run)
    assert run.status["status"] == "failed"
    assert "lower learning rate" in run.status["reason"]
    assert "Traceback" in run.log_path.read_text()
    assert not run.result_path.exists()
    if run.checkpoint("last").exists():
        assert all(value.isfinite().all() for value in weights(run).values())
    assert run.checkpoint("last").exists() == (decay == 0)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("size", "settings", "named"),
    [
        (60_000, "data=digits trainer.max_epochs=2", "last.ckpt"),  # 110 kB
        (5_000, "data.steps_per_epoch=100 log_every_n_steps=1 trainer.max_epochs=2", "metrics.csv"),  # 39 kB
    ],
)
def test_a_full_disk_names_the_file_and_repeating_finishes(
    planned: Plan, tmp_path: Path, size: int, settings: str, named: str
) -> None:
    run = planned(*settings.split())
    with largest_file(size), pytest.raises(UserError, match=rf"cannot write \S+{named}: .*free some space"):
        start(run)
    assert run.status["status"] == "failed"
    assert list(run.path.rglob("*.tmp")) == []
    whole = plan_run(tmp_path / "whole", *settings.split())
    assert start(RunDirectory(run.path)).metrics == start(whole).metrics
    assert steady(run) == steady(whole)
    assert same(weights(run), weights(whole))


def test_a_bug_is_recorded_with_its_traceback_and_not_printed(
    planned: Plan, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("as if by accident")

    monkeypatch.setattr(TrainingTask, "training_step", broken)
    run = planned(*QUICK)
    with pytest.raises(ZeroDivisionError):
        start(run)
    assert run.status["status"] == "failed"
    assert run.status["reason"] == "ZeroDivisionError: as if by accident"
    assert "Traceback" in run.log_path.read_text()
    assert capfd.readouterr().err == ""


def test_a_monitor_that_does_not_exist_is_one_clear_error(planned: Plan) -> None:
    with pytest.raises(UserError, match=r"monitor=val/acc is not measured; did you mean val/accuracy"):
        start(planned(*QUICK, "monitor=val/acc"))


@pytest.mark.parametrize("content", ["", '{"status": "do', "[]", "null"])
def test_a_damaged_result_is_one_clear_error(planned: Plan, content: str) -> None:
    run = planned(*QUICK)
    run.result_path.write_text(content)
    with pytest.raises(UserError, match=r"result\.json (cannot be read|is damaged).*move it away"):
        start(run)


def test_force_archives_and_trains_anew(planned: Plan, tmp_path: Path) -> None:
    first = planned(*QUICK)
    before = start(first)
    second = planned(*QUICK, "force=true")
    assert second.path == first.path
    assert second.result() is None
    assert start(second).metrics == before.metrics
    archived = [json.loads(path.read_text()) for path in (tmp_path / "runs" / ".archive").rglob("result.json")]
    assert archived == [before.to_json()]


# -- a loss of one's own


OWN_LOSS = '''
from dataclasses import dataclass
from lossbench.losses import Loss

def brier(logits, target):
    return (logits.softmax(-1) - target.new_zeros(logits.shape).scatter(1, target[:, None], 1)).square().sum(-1)

@dataclass(eq=False)
class BrierLoss(Loss):
    """Squared distance between the probabilities and the one-hot target."""
    function = staticmethod(brier)
'''


def test_a_loss_of_ones_own_needs_no_edit_but_a_name_in_the_environment(
    planned: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_losses.py").write_text(OWN_LOSS)
    monkeypatch.syspath_prepend(tmp_path)
    mine = (
        "data=digits",
        "trainer.max_epochs=5",
        "loss=dot_product",
        "loss.name=brier_loss",
        "loss._target_=my_losses.BrierLoss",
    )
    monkeypatch.delenv("LOSSBENCH_ALLOW", raising=False)
    with pytest.raises(UserError, match=r"loss\._target_=my_losses\.BrierLoss is refused.*LOSSBENCH_ALLOW"):
        planned(*mine)
    monkeypatch.setenv("LOSSBENCH_ALLOW", "my_losses")
    run = planned(*mine)
    result = start(run)
    assert result.metrics["test/accuracy"] > 0.8
    assert result.metrics["test/loss"] == pytest.approx(result.metrics["test/brier"], rel=1e-5)
    assert run.path.parent.name.startswith("digits-mlp-brier_loss-")
    monkeypatch.delenv("LOSSBENCH_ALLOW")
    with pytest.raises(UserError, match="refused"):
        lossbench.load(run.path)


PLAIN_LOSS = """
import torch.nn.functional as F

class Plain:
    def __call__(self, output, target):
        return self.per_example(output, target).mean()

    def per_example(self, output, target):
        return F.cross_entropy(output, target, reduction="none")

    def terms(self, output, target):
        return {}

    def logits(self, output):
        return output
"""


def test_a_loss_of_another_kind_needs_four_methods(
    planned: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_losses.py").write_text(PLAIN_LOSS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LOSSBENCH_ALLOW", "plain_losses")
    mine = ("loss=dot_product", "loss.name=plain", "loss._target_=plain_losses.Plain")
    assert start(planned(*QUICK, *mine)).metrics == start(planned(*QUICK, "loss=cross_entropy")).metrics


def test_no_example_is_tried_with_a_compiled_model(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def as_it_is(call: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        return lambda inputs: (seen.append(len(inputs)), call(inputs))[1]

    monkeypatch.setattr(torch, "compile", as_it_is)
    start(planned(*QUICK, "trainer.compile=true", "trainer.accumulate_grad_batches=2"))
    assert min(seen) == 32  # half a batch; EXAMPLES are fewer


# -- loggers, bars, debugging


def test_terms_and_yardsticks_are_logged_on_their_own(planned: Plan) -> None:
    run = planned(*QUICK, "loss=cosine_xent", "yardsticks=[cross_entropy,cosine]")
    metrics = start(run).metrics
    terms = assemble(run.config).loss.terms(torch.randn(2, 10), torch.tensor([0, 1]))
    assert len(terms) == 2
    assert sum(metrics[f"test/{name}"] for name in terms) == pytest.approx(metrics["test/loss"], rel=1e-5)
    assert all(len(rows(run, f"train/{name}")) == 10 for name in terms)
    assert {"test/cross_entropy", "test/cosine"} <= metrics.keys()
    assert all(len(rows(run, f"train/{name}")) == 10 for name in ("learning_rate", "gradient_norm", "steps_per_second"))


def test_the_csv_logger_writes_its_wide_table(planned: Plan) -> None:
    run = planned(*QUICK, "logger=csv")
    start(run)
    with open(run.path / "csv" / "metrics.csv", newline="") as file:
        table = list(csv.DictReader(file))
    found = {int(row["step"]): float(row["train/loss"]) for row in table if row["train/loss"]}
    assert found == pytest.approx(dict(rows(run, "train/loss")))
    assert len(found) == 10


def test_the_progress_bar_shows_loss_metric_and_speed(planned: Plan, capfd: pytest.CaptureFixture[str]) -> None:
    start(planned(*QUICK, "progress_bar=true"))
    drawn = "".join(capfd.readouterr())
    assert re.search(r"it/s, loss=[\d.]+, val accuracy=[\d.]+", drawn)


def test_no_bar_is_drawn_where_nobody_looks(planned: Plan, capfd: pytest.CaptureFixture[str]) -> None:
    start(planned(*QUICK))
    printed = capfd.readouterr()
    assert printed.err == ""
    assert "it/s" not in printed.out
    assert re.search(r"accuracy \(%\) +\d+\.\d\d ± \d+\.\d\d +\d+\.\d\d ± \d+\.\d\d", printed.out)
    assert "10 steps in" in printed.out


def test_a_profile_is_written_into_the_run(planned: Plan) -> None:
    run = planned("data=digits", "debug=profile", "data.steps_per_epoch=5")
    start(run)
    assert "run_training_batch" in (run.path / "fit-profile.txt").read_text()


def test_one_batch_is_learnt_by_heart(planned: Plan) -> None:
    run = planned("data=digits", "debug=overfit", "loss=cross_entropy")
    assert start(run).metrics["val/accuracy"] == 1
    assert arrays(run)["val_targets"].shape == (64,)
