"""Parts by example from predictions.npz: those that give the recorded metric again, and no others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_runs import compare_runs, make_run, right_of, write

from lossbench.metrics.measure import metrics_of
from lossbench.report.examples import Parts, RunOutputs, read_parts
from lossbench.report.records import read_record
from lossbench.rundir.files import write_yaml
from lossbench.rundir.reading import DamagedError

N = 40
STREAM = torch.Generator().manual_seed(1)
TARGET = torch.randn(N, 4, generator=STREAM)
OUTPUT = TARGET + torch.randn(N, 4, generator=STREAM)
CLASS = TARGET.argmax(1)


def saved(folder: Path, output: torch.Tensor, target: torch.Tensor, **result: Any) -> Path:
    """A run with these outputs; its other files are the usual ones."""
    run = make_run(folder, result=result)
    ids = np.array([f"example {k}" for k in range(len(target))])
    arrays = {"test_outputs": output.numpy(), "test_targets": target.numpy(), "test_ids": ids}
    np.savez(run / "predictions.npz", **arrays)
    return run


@pytest.mark.parametrize(
    ("task", "name", "output", "target"),
    [
        ("classification", "accuracy", OUTPUT, CLASS),
        ("classification", "macro_f1", OUTPUT, CLASS),
        ("classification", "ece_scaled", OUTPUT, CLASS),
        ("regression", "mae", OUTPUT, TARGET),
        ("count", "mae", OUTPUT, TARGET.exp().round()),
        ("multi_label", "accuracy", OUTPUT, (TARGET > 0.3).float()),
        ("multi_label", "macro_f1", OUTPUT, (TARGET > 0.3).float()),
        ("ranking", "pair_accuracy", OUTPUT[:, :2], TARGET[:, 0].sign()),
        ("triplets", "pair_accuracy", torch.stack((OUTPUT, TARGET, OUTPUT.roll(1, 0)), 1), torch.ones(N)),
    ],
)
def test_the_parts_of_a_run_give_its_metric_again(
    tmp_path: Path, task: str, name: str, output: torch.Tensor, target: torch.Tensor
) -> None:
    scale = 0.7 if task == "classification" else None
    value = metrics_of(output, target, task=task, scale=scale)[name].value
    run = saved(tmp_path, output, target, scale=scale, metrics={f"test/{name}": value})
    found = read_parts(RunOutputs(read_record(run)), f"test/{name}")
    assert isinstance(found, Parts)
    assert found.values.mean() == pytest.approx(value, abs=1e-5)
    assert found.ids.tolist() == [f"example {k}" for k in range(N)]


def test_outputs_are_seen_as_their_loss_sees_them(tmp_path: Path) -> None:
    value = metrics_of(30 * OUTPUT, CLASS)["nll"].value
    run = saved(tmp_path, OUTPUT, CLASS, metrics={"test/nll": value})
    lost = read_parts(RunOutputs(read_record(run)), "test/nll")
    assert lost == f"the outputs in {run} do not give its test/nll again"
    write_yaml(
        run / "config.yaml", {"loss": {"name": "cosface", "_target_": "lossbench.losses.CosFace", "scale": 30.0}}
    )
    found = read_parts(RunOutputs(read_record(run)), "test/nll")
    assert isinstance(found, Parts)
    assert found.values.mean() == pytest.approx(value, rel=1e-5)
    write_yaml(run / "config.yaml", {"loss": {"name": "own", "_target_": "os.system"}})  # of a received run
    assert isinstance(read_parts(RunOutputs(read_record(run)), "test/nll"), str)


def test_saved_in_half_precision_they_are_close_enough(tmp_path: Path) -> None:
    value = metrics_of(OUTPUT, CLASS)["nll"].value
    run = saved(tmp_path, OUTPUT.half(), CLASS, predictions="float16", metrics={"test/nll": value})
    assert isinstance(read_parts(RunOutputs(read_record(run)), "test/nll"), Parts)


def test_damaged_predictions_are_named_and_the_rest_is_judged(tmp_path: Path) -> None:
    for loss, scores in (("cross_entropy", [0.8] * 6), ("power", [0.9] * 6)):
        for seed, score in enumerate(scores):
            run = make_run(tmp_path / "study", loss, seed, accuracy=score, right=right_of(score))
    whole = compare_runs(tmp_path)
    assert whole.without_examples is None
    assert whole.paired["power"].var_examples > 0
    (run / "predictions.npz").write_bytes(b"x")
    with pytest.raises(DamagedError):
        read_parts(RunOutputs(read_record(run)), "test/accuracy")
    found = compare_runs(tmp_path)
    assert found.without_examples is not None
    assert found.without_examples.endswith("predictions.npz is damaged")
    assert len(found.damaged) == 1
    assert found.paired["power"].n == 6


def test_differences_by_example_meet_by_name_whatever_their_order(tmp_path: Path) -> None:
    for loss, score in (("cross_entropy", 0.8), ("power", 0.9)):
        for seed in range(6):
            make_run(tmp_path / "study", loss, seed, accuracy=score, right=right_of(score))
    before = compare_runs(tmp_path).paired["power"]
    run = next((tmp_path / "study").glob("*-power-*/seed3")) / "predictions.npz"
    with np.load(run) as arrays:
        turned = {name: array[::-1] for name, array in arrays.items()}
    np.savez(run, **turned)
    assert compare_runs(tmp_path).paired["power"] == before
    write(tmp_path / "study" / "looks.json", {"looks": {}})
    assert compare_runs(tmp_path).paired["power"] == before
