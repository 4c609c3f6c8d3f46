"""lossbench transfer: trained runs probed on other data, each question of a run answered once."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import plan_run

from lossbench.cli import transfer
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.transferred import Transferred, answers_of, outputs_path

SHORT = ("data=digits", "trainer.max_epochs=2", "keep_checkpoints=last")


def trained(folder: Path, *settings: str) -> RunDirectory:
    run = plan_run(folder, *settings)
    start(run)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two losses on digits, one of which adds a head behind the network, in one replicate."""
    folder = tmp_path_factory.mktemp("runs")
    for loss in ("cross_entropy", "arcface"):
        trained(folder, *SHORT, f"loss={loss}", "replicate=1")
    return folder


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made data of three classes: which quarter of 64 numbers is bright."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    x = rng.random((150, 4, 16), dtype=np.float32)
    x[np.arange(150), y] += 0.3
    path = tmp_path_factory.mktemp("others") / "bright.npz"
    np.savez(path, X=x.reshape(150, 64), y=y)
    return path


def answers(folder: Path) -> list[tuple[Path, Transferred]]:
    return [each for run in sorted(folder.glob("*/*/*/result.json")) for each in answers_of(run.parent)]


def printed(words: Sequence[object], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    transfer.main([*map(str, words)])
    return capsys.readouterr().out


def test_each_run_is_asked_once(
    runs: Path, others: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    question = (runs, "data=arrays", f"data.path={others}")
    said = printed(question, capsys)
    assert said.count("arrays, n = 30: accuracy ") == 2
    assert "2 probed; lossbench report" in said
    found = answers(runs)
    assert [each.features for _, each in found] == [128, 128]  # what the network's own last layer takes, head or none
    assert {each.question for _, each in found} == {found[0][1].question}
    for path, each in found:
        assert (each.replicate, each.folds, each.n) == (1, 5, {"train": 96, "val": 24, "test": 30})
        with np.load(outputs_path(path)) as arrays:
            right = arrays["test_outputs"].argmax(1) == arrays["test_targets"]
            assert len({*arrays["test_ids"].tolist(), *arrays["val_ids"].tolist()}) == 54
        assert each.metrics["test/accuracy"] == pytest.approx(float(right.mean()))
        assert right.mean() > 0.8
        assert each.trained_on == 0
        assert all(value is not None and 0 < value < 1 for value in each.class_separation.values())
    before = {path: path.read_bytes() for path, _ in found}
    monkeypatch.setattr("lossbench.load", None)  # nothing is loaded again
    assert "0 probed, 2 known already" in printed(question, capsys)
    assert {path: path.read_bytes() for path, _ in answers(runs)} == before


def test_a_typed_replicate_is_another_question_whose_test_examples_all_runs_share(
    runs: Path, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = (runs, "data=arrays", f"data.path={others}")
    printed(question, capsys)
    earlier = {each.question for _, each in answers(runs)}
    printed((*question, "replicate=0"), capsys)
    new = [each for _, each in answers(runs) if each.question not in earlier]
    assert [(each.replicate, each.folds) for each in new] == [(0, None)] * 2


def test_classes_in_order_are_measured_as_such_and_changes_of_the_data_are_part_of_the_question(
    runs: Path, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path for path, _ in answers(runs)}
    printed((runs, "data=arrays", f"data.path={others}", "data.ordered=true", "data.label_noise=0.3"), capsys)
    new = [each for path, each in answers(runs) if path not in before]
    assert [each.settings["label_noise"] for each in new] == [0.3, 0.3]
    assert all(each.metrics["test/mae"] is not None and each.class_separation["away"] is not None for each in new)


def test_examples_that_the_run_was_trained_on_are_counted(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "warning" not in printed((runs, "data=digits"), capsys)  # the same replicate of the same data
    said = printed((runs, "data=digits", "replicate=0"), capsys)
    assert said.count("warning: the run was trained on 2") == 2


def test_images_of_another_size_are_seen_through_a_convolutional_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    for side in (12, 16):
        x = rng.integers(0, 120, (60, side, side, 3), dtype=np.uint8)
        x[y == 1, : side // 2] += 120
        np.savez(tmp_path / f"{side}.npz", X=x, y=y)
    run = trained(
        tmp_path / "runs",
        *("data=arrays", f"data.path={tmp_path}/12.npz", "model=convnet", "model.width=4", "trainer.max_epochs=2"),
    )
    done = run.result()
    printed((run.path, "data=arrays", f"data.path={tmp_path}/16.npz"), capsys)
    ((_, answer),) = answers_of(run.path)
    assert (answer.features, answer.replicate, answer.folds) == (16, None, None)
    assert answer.metrics["test/accuracy"] == 1.0
    assert run.result() == done


def test_what_cannot_be_transferred_is_one_line(runs: Path, others: Path, tmp_path: Path) -> None:
    question = ("data=arrays", f"data.path={others}")
    linear = trained(tmp_path, *SHORT, "model=linear")
    with pytest.raises(UserError, match="model=linear has no layer before the last one, so no features to transfer"):
        transfer.main([str(linear.path), *question])
    np.savez(tmp_path / "narrow.npz", X=np.random.default_rng(0).random((40, 5)), y=np.arange(40) % 2)
    with pytest.raises(UserError, match=r"was trained on inputs \(1, 8, 8\) and does not take \(5,\)"):
        transfer.main([str(runs), "data=arrays", f"data.path={tmp_path}/narrow.npz"])
    with pytest.raises(UserError, match="the data are for regression: a linear probe needs data of classes"):
        transfer.main([str(runs), "data=toy_regression"])


def test_an_answer_of_other_weights_is_never_taken_or_overwritten(
    others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path, *SHORT)
    question = (run.path, "data=arrays", f"data.path={others}")
    printed(question, capsys)
    ((path, _),) = answers_of(run.path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "weights": "0" * 64}))
    with pytest.raises(UserError, match=r"was made from other weights than last\.ckpt holds now, and is never overwr"):
        printed(question, capsys)
    path.write_text(json.dumps({**content, "metrics": {"test/accuracy": "high"}}))
    with pytest.raises(UserError, match="expected finite numbers as metrics"):
        printed(question, capsys)
