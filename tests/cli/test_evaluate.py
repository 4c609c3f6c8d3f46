"""lossbench evaluate: a checkpoint measured again, on the same or on other data."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars
import pytest
import torch
from conftest import plan_run
from tables import a_table, written

from lossbench.cli import evaluate
from lossbench.config.hydra_errors import explain
from lossbench.data.source import replicated
from lossbench.data.tables.encoding import encode
from lossbench.data.tables.table import Table
from lossbench.errors import exit_on_user_error
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory
from lossbench.trained.loaded import load

Evaluate = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A short run whose best epoch is not its last."""
    settings = (
        "data=digits",
        "data.images_per_class=5",
        "optimizer.lr=0.05",
        "monitor=val/nll",
        "trainer.max_epochs=10",
    )
    run = plan_run(tmp_path_factory.mktemp("trained"), *settings)
    start(run)
    return run


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Evaluate:
    """The command, in this process: exit code, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", [str(evaluate.__file__), *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            exit_on_user_error(evaluate.main, explain)
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capfd.readouterr()

    return run


def test_the_same_data_give_the_same_metrics(trained: RunDirectory, typed: Evaluate, tmp_path: Path) -> None:
    before = trained.result()
    assert before is not None
    for split in ("val", "test"):
        code, printed, errors = typed(trained.path, "--split", split, "--json", tmp_path / f"{split}.json")
        assert (code, errors) == (0, "")
        assert f"{split} split, n = {before.n[split]};" in printed
        again = {
            f"{split}/{name}": value for name, value in json.loads((tmp_path / f"{split}.json").read_text()).items()
        }
        assert again == pytest.approx(
            {name: value for name, value in before.metrics.items() if name.startswith(split)}, rel=1e-5, abs=1e-6
        )
        assert re.search(rf"accuracy +{again[f'{split}/accuracy']:.5g} ± [\d.]+", printed)


def test_the_best_checkpoint_is_another_one(trained: RunDirectory, typed: Evaluate, tmp_path: Path) -> None:
    nll = {}
    for name in ("best", "last"):
        assert typed(trained.path, "--checkpoint", name, "--split", "val", "--json", tmp_path / name)[0] == 0
        nll[name] = json.loads((tmp_path / name).read_text())["nll"]
    assert nll["best"] < nll["last"]


@pytest.mark.parametrize("overrides", [("data=digits", "data.split_seed=1"), ("data.split_seed=1",)])
def test_other_data_give_other_metrics(
    trained: RunDirectory, typed: Evaluate, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    before = trained.result()
    assert before is not None
    code, printed, errors = typed(trained.path, *overrides, "--json", tmp_path / "new.json")
    assert (code, errors) == (0, "")
    assert re.search(r"trained on (\d+) of these 359 examples", printed)
    assert json.loads((tmp_path / "new.json").read_text())["nll"] != pytest.approx(before.metrics["test/nll"], rel=1e-3)
    assert trained.result() == before


def test_settings_alone_change_those_that_the_run_was_trained_with(trained: RunDirectory, typed: Evaluate) -> None:
    code, printed, errors = typed(trained.path, "data.split_seed=1", "--split", "train")
    assert (code, errors) == (0, "")
    assert "train split, n = 50;" in printed  # 5 of each class, as it was trained with


def test_a_replicate_is_measured_on_its_own_split_unless_another_is_typed(typed: Evaluate, tmp_path: Path) -> None:
    run = plan_run(tmp_path, "data=digits", "replicate=3", "trainer.max_epochs=1", "keep_checkpoints=last")
    start(run)
    done = run.result()
    assert done is not None
    assert (done.replicate, done.seed, done.n["test"], done.folds) == (3, 3, 359, 5)
    own, other = tmp_path / "own.json", tmp_path / "other.json"
    code, printed, errors = typed(run.path, "--json", own)
    assert (code, errors, "trained on" in printed) == (0, "", False)
    assert json.loads(own.read_text())["accuracy"] == pytest.approx(done.metrics["test/accuracy"])
    code, printed, errors = typed(run.path, "data.batch_size=32")
    assert (code, errors, "n = 359;" in printed, "trained on" in printed) == (0, "", True, False)
    code, printed, errors = typed(run.path, "replicate=0", "--json", other)
    assert (code, errors, "n = 360;" in printed) == (0, "", True)
    assert re.search(r"trained on 2\d\d of these 360 examples", printed)


def test_data_of_another_shape_are_one_line(trained: RunDirectory, typed: Evaluate) -> None:
    code, printed, errors = typed(trained.path, "data=toy")
    assert (code, printed) == (1, "")
    assert re.fullmatch(r"error: [^\n]*the model takes inputs \(1, 8, 8\) and 10 classes[^\n]*\n", errors)


def test_a_directory_that_is_no_run_or_has_no_checkpoint_is_one_line(
    trained: RunDirectory, typed: Evaluate, tmp_path: Path
) -> None:
    code, _, errors = typed(tmp_path)
    assert (code, errors.count("\n")) == (1, 1)
    assert "is not a run directory" in errors
    copy = tmp_path / trained.path.parent.name / trained.path.name
    shutil.copytree(trained.path, copy)
    last = RunDirectory(copy).checkpoint("last")
    last.write_bytes(last.read_bytes()[:-1000])
    code, _, errors = typed(copy)
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.startswith(f"error: {last} is refused: it is damaged")
    assert "force=true" in errors
    last.unlink()
    code, _, errors = typed(copy)
    assert (code, errors.count("\n")) == (1, 1)
    assert "last.ckpt does not exist; keep_checkpoints" in errors


def test_other_rows_of_a_table_are_encoded_as_in_training(tmp_path: Path, typed: Evaluate) -> None:
    words = ("data=table", "data.target=risk", "data.id=row_id", "trainer=cpu", "trainer.max_epochs=3")
    run = plan_run(tmp_path, *words, f"data.path={written(a_table(), tmp_path / 'old.csv')}", "replicate=1")
    start(run)
    new = a_table(200, seed=1).with_columns(polars.col("age") + 30, polars.col("row_id") + 5000)
    code, out, err = typed(run.path, f"data.path={written(new, tmp_path / 'new.csv')}", "--json", tmp_path / "new.json")
    assert (code, err) == (0, "")
    assert "warning" not in out  # the rows are new, whatever they are called
    loaded = load(run.path)
    tested = replicated(Table(path=str(tmp_path / "new.csv"), target="risk", id="row_id"), 1).splits["test"].ids
    rows = new.filter(polars.col("row_id").cast(polars.String).is_in(tested.tolist()))
    assert loaded.result is not None
    with torch.no_grad():
        outputs = loaded.model(torch.from_numpy(encode(loaded.result.facts["columns"], rows)))
    right = [loaded.result.classes[k] for k in outputs.argmax(1).tolist()] == rows["risk"].to_numpy()
    assert json.loads((tmp_path / "new.json").read_text())["accuracy"] == pytest.approx(right.mean())
    again = typed(run.path, f"data.path={tmp_path / 'old.csv'}", "replicate=2")[1]
    assert re.search(r"the run was trained on \d+ of these 60 examples", again)


@pytest.mark.parametrize("tau", [0, 1])
def test_logits_are_adjusted_for_the_frequencies_of_the_classes(
    typed: Evaluate, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, tau: float
) -> None:
    run = plan_run(tmp_path_factory.mktemp("uneven"), "data=digits", "data.imbalance=50")
    start(run)
    code, printed, _ = typed(run.path, "--adjust", tau, "--json", tmp_path / "adjusted.json")
    assert (code, f"logits minus {tau:g} log" in printed) == (0, True)
    found, result = json.loads((tmp_path / "adjusted.json").read_text()), load(run.path).result
    assert result is not None
    arrays = load(run.path).predictions
    counts = np.array(result.facts["class_counts"])
    right = (arrays["test_outputs"] - tau * np.log(counts / counts.sum())).argmax(1) == arrays["test_targets"]
    recall = [right[arrays["test_targets"] == label].mean() for label in range(10)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recall))
    if tau:
        assert found["balanced_accuracy"] > result.metrics["test/balanced_accuracy"]
        assert found["tail_accuracy"] > result.metrics["test/tail_accuracy"]
    assert "nll_scaled" not in found  # the scale was fitted to other logits
    code, _, errors = typed(run.path, "--adjust", -1)
    assert (code, "adjust must be a number >= 0, got -1" in errors) == (1, True)
