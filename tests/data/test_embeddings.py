"""Class embeddings for the cosine losses: files that are read, files that are refused, and runs with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from torch.nn import functional as F

import lossbench
from lossbench import losses
from lossbench.config.verify import verify
from lossbench.data.embeddings import read_embeddings
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.losses.case import Case
from lossbench.losses.laws import broken_laws
from lossbench.losses.outputs import ClassCosines
from lossbench.models.heads import ClassEmbeddings
from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

Plan = Callable[..., RunDirectory]
QUICK = ("data=digits", "trainer.max_epochs=2", "data.steps_per_epoch=5")


def unit_rows(classes: int = 10, size: int = 16, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(classes, size))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.savez(tmp_path / "rows.npz", unit_rows())
    return tmp_path / "rows.npz"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_file_is_read_as_float32_rows_of_length_1(tmp_path: Path, suffix: str, dtype: type) -> None:
    path = tmp_path / f"rows.{suffix}"
    (np.save if suffix == "npy" else np.savez)(path, unit_rows().astype(dtype))
    rows = read_embeddings(path, 10)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, unit_rows(), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


class Opened:
    """Pickled, it would run code when it is loaded."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array([Opened()], dtype=object), r"cannot be read: .*pickle"),
        (unit_rows(9), r"has 9 rows, and the data have 10 classes; give one row for each class$"),
        (2 * unit_rows(), r"must have rows of length 1, and row 0 has length 2; divide each by its length$"),
        (
            np.where(np.arange(10)[:, None] == 3, np.nan, unit_rows()),
            r"must have rows of length 1, and row 3 has length nan;",
        ),
        (
            np.eye(10, dtype=int),
            r"must hold a matrix \(C, D\) of floating-point numbers, got int64 of shape \(10, 10\)$",
        ),
        (np.ones(10), r"must hold a matrix \(C, D\) of floating-point numbers, got float64 of shape \(10,\)$"),
        (b"nothing", r"cannot be read: .*; give a \.npy file, or a \.npz file with one array$"),
        (None, r"cannot be read: there is no such file;"),
    ],
    ids=["pickle", "classes", "length", "nan", "whole numbers", "vector", "no array", "missing"],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "rows.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(UserError, match=message) as caught:
        read_embeddings(path, 10)
    assert str(caught.value).startswith(f"embeddings={path} ")
    assert "\n" not in str(caught.value)


def test_an_archive_holds_one_array_of_a_sane_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "two.npz", unit_rows(), unit_rows())
    with pytest.raises(UserError, match=r"it holds 2 arrays"):
        read_embeddings(tmp_path / "two.npz")
    monkeypatch.setattr("lossbench.data.embeddings.LARGEST", 2**20)
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros((2**10, 2**8)))
    with pytest.raises(UserError, match=r"it holds 2,097,\d+ bytes, more than 1,048,576"):
        read_embeddings(tmp_path / "bomb.npz")


@pytest.mark.parametrize("module", [losses.Cosine, losses.CosineXent])
def test_the_laws_hold_for_cosines_with_class_embeddings(module: type[losses.Loss]) -> None:
    sweep = {"xent_weight": [0.0, 0.5], "scale": [1.0, 8.0]} if module is losses.CosineXent else {}
    case = Case(
        "embedded",
        module,
        module.function,
        sweep=sweep,
        shift_invariant=False,
        output=lambda logits: ClassCosines(torch.tanh(logits)),
    )
    assert broken_laws(case) == {}


@pytest.mark.parametrize("name", ["cosine", "cosine_xent"])
def test_one_hot_rows_are_the_loss_without_embeddings(name: str) -> None:
    function, module = getattr(losses, name), {"cosine": losses.Cosine, "cosine_xent": losses.CosineXent}[name]()
    x, target = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3, 4, 0])
    output = ClassEmbeddings(np.eye(5))(x)
    torch.testing.assert_close(function(output, target), function(x, target))
    torch.testing.assert_close(module.logits(output), module.logits(x))


def test_the_cosine_is_that_between_output_and_row() -> None:
    rows, x = torch.from_numpy(unit_rows()).float(), torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    target = torch.arange(6)
    expected = 1 - F.cosine_similarity(x, rows[target])
    torch.testing.assert_close(losses.cosine(ClassEmbeddings(rows)(x), target), expected)


@pytest.mark.parametrize("loss", ["cosine", "cosine_xent"])
def test_a_run_learns_towards_its_rows_and_is_loaded_again(planned: Plan, file: Path, loss: str) -> None:
    run = planned("data=digits", f"loss={loss}", f"embeddings={file}", "trainer.max_epochs=3")
    parts = assemble(run.config)
    assert parts.body(torch.zeros(2, 1, 8, 8)).shape == (2, 16)
    result = start(run)
    assert result.metrics["test/accuracy"] > 0.8
    again = lossbench.load(run.path).evaluate("test")
    assert again["accuracy"].value == pytest.approx(result.metrics["test/accuracy"])
    with np.load(run.predictions_path, allow_pickle=False) as saved:
        assert saved["test_outputs"].shape == (len(saved["test_targets"]), 10)


def test_the_content_counts_and_not_the_place(planned: Plan, file: Path, tmp_path: Path) -> None:
    runs = {name: planned(*QUICK, "loss=cosine", f"embeddings={name}") for name in (file, "null")}
    (tmp_path / "elsewhere.npz").write_bytes(file.read_bytes())
    np.savez(tmp_path / "other.npz", unit_rows(seed=1))
    assert runs[file].path.parent != runs["null"].path.parent
    assert planned(*QUICK, "loss=cosine", f"embeddings={tmp_path / 'elsewhere.npz'}").path == runs[file].path
    assert planned(*QUICK, "loss=cosine", f"embeddings={tmp_path / 'other.npz'}").path != runs[file].path
    verify(runs[file])
    np.savez(file, unit_rows(seed=2))
    with pytest.raises(UserError, match=r"^the class embeddings of .* have changed since it was planned"):
        verify(runs[file])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("loss=cross_entropy",),
            r"^embeddings belong to loss=cosine and loss=cosine_xent without a head, got loss=cross_entropy;",
        ),
        (
            ("loss=cosine_xent_head",),
            r"^embeddings belong to loss=cosine and loss=cosine_xent without a head, got loss=cosine_xent_head;",
        ),
        (("loss=cosine", "embeddings=3"), r"^embeddings must be a \.npy or \.npz file, or null for one-hot, got 3$"),
        (
            ("loss=cosine", "embeddings=missing.npz"),
            r"^embeddings=\S*missing\.npz cannot be read: there is no such file;",
        ),
        (("loss=cosine", "embeddings=README.md"), r"^embeddings=\S*README\.md cannot be read: it ends in '\.md'; give"),
    ],
    ids=["another loss", "a head", "no path", "missing", "no array"],
)
def test_what_does_not_fit_is_refused(
    planned: Plan, file: Path, words: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=message):
        planned("data=digits", f"embeddings={file}", *words)


def test_rows_for_other_classes_are_refused(planned: Plan, tmp_path: Path) -> None:
    np.save(tmp_path / "nine.npy", unit_rows(9))
    with pytest.raises(UserError, match=r"has 9 rows, and the data have 10 classes"):
        planned("data=digits", "loss=cosine", f"embeddings={tmp_path / 'nine.npy'}")
    assert not list(tmp_path.rglob("config.yaml"))


def test_a_stack_of_runs_has_the_rows(planned: Plan, file: Path) -> None:
    runs = [planned(*QUICK, "loss=cosine_xent", f"embeddings={file}", f"loss.scale={scale}") for scale in (1.0, 8.0)]
    stacked = StackedRuns([run.config for run in runs], Shared(assemble(runs[0].config)), torch.device("cpu"))
    before = [stacked.stack.weights(k)["1.rows"] for k in range(2)]
    output = stacked.stack.train_step().output
    assert isinstance(output, ClassCosines)
    assert output.cosines.shape[-1] == 10
    assert all(torch.equal(stacked.stack.weights(k)["1.rows"], before[k]) for k in range(2))
