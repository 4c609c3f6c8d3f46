"""lossbench export: the folder predicts what the run's evaluation measured, in a process without lossbench."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from photo_runs import Trained, train
from tables import a_table, written

import lossbench
from lossbench.errors import UserError
from lossbench.export.folder import TOLERANCE, export
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory

FORMATS = ("torch", "onnx", "safetensors")
ALONE = """
import runpy, sys
sys.modules["lossbench"] = None  # importing it fails
import numpy as np
*folders, out, files = sys.argv[1:]
found = []
for folder in folders:
    sys.path.insert(0, folder)
    script = runpy.run_path(f"{folder}/predict.py")
    sys.path.remove(folder)
    found.append(np.concatenate([script["probabilities"](script["read"](file)) for file in files.split("|")]))
assert not [name for name in sys.modules if name.startswith("lossbench.")]
np.save(out, found)
"""


def alone(folders: list[Path], files: list[Path], place: Path) -> np.ndarray:
    """What the scripts of exported folders predict for files, in a process that cannot import lossbench: (k, n, C)."""
    words = [*map(str, folders), str(place / "found.npy"), "|".join(map(str, files))]
    subprocess.run([sys.executable, "-W", "error", "-c", ALONE, *words], cwd=place, check=True)
    return np.load(place / "found.npy")


def check(trained: Trained, place: Path, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    folders = [export(trained.run, name, place / name)[0] for name in formats]
    for found in alone(folders, trained.images, place):
        np.testing.assert_allclose(found, trained.probabilities, atol=TOLERANCE)
        assert np.ptp(found, axis=0).min() > 100 * TOLERANCE
    return folders


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(tmp_path_factory.mktemp("trained"), "model=mlp", "data.resize=23")


def test_every_format_predicts_what_the_run_measured_without_lossbench(trained: Trained, tmp_path: Path) -> None:
    folders = check(trained, tmp_path)
    for folder, file in zip(folders, ("model.pt2", "model.onnx", "model.safetensors"), strict=True):
        found = {path.name for path in folder.iterdir()} - {"network.py"}
        assert found == {file, "card.json", "README.md", "predict.py"}
    result, card = trained.run.result(), json.loads((folders[0] / "card.json").read_text())
    assert result is not None
    assert card["metrics"]["accuracy"] == {
        "value": result.metrics["test/accuracy"],
        "half_width_95": result.half_width_95["test/accuracy"],
        "n": 9,
    }
    assert str(tmp_path.parents[1]) not in "".join(
        path.read_text() for path in folders[2].iterdir() if path.suffix != ".safetensors"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        ("model=linear_probe", "model.backbone.pretrained=false", "model.backbone.stem=imagenet"),
        ("model=resnet18", "model.stem=imagenet", "model.head=cosine"),
    ],
)
def test_networks_of_images_leave_whole(model: tuple[str, ...], tmp_path: Path) -> None:
    check(train(tmp_path / "run", *model, "data.interpolation=bicubic"), tmp_path)


def test_arrays_and_a_loss_of_cosines(planned: Callable[..., RunDirectory], tmp_path: Path) -> None:
    run = planned("data=digits", "loss=cosface", "trainer.max_epochs=2", "trainer=cpu")
    start(run)
    test = lossbench.load(run.path)
    inputs = test.parts.data.split("test").inputs
    np.save(tmp_path / "x.npy", inputs.astype(np.float64))
    folders = [export(run, name, tmp_path / name)[0] for name in FORMATS]
    for found in alone(folders, [tmp_path / "x.npy"], tmp_path):
        np.testing.assert_allclose(found, test.probabilities(inputs), atol=TOLERANCE)
    nll = -np.log(test.probabilities(inputs)[np.arange(len(inputs)), test.parts.data.split("test").targets]).mean()
    assert nll == pytest.approx(test.evaluate()["nll_scaled"].value, rel=1e-4)


def test_a_folder_is_never_overwritten_and_none_is_left_of_a_file_that_differs(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match=r"there exists already; name a new folder with --output$"):
        export(trained.run, "safetensors", tmp_path / "there")
    monkeypatch.setattr("lossbench.export.folder.TOLERANCE", -1.0)
    with pytest.raises(UserError, match=r"cannot be exported: the file's probabilities differ from the run's by"):
        export(trained.run, "safetensors", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_rows_of_a_table_are_encoded_as_in_training(planned: Callable[..., RunDirectory], tmp_path: Path) -> None:
    frame = a_table()
    path = written(frame, tmp_path / "table.csv")
    run = planned("data=table", f"data.path={path}", "data.target=risk", "trainer.max_epochs=2", "trainer=cpu")
    start(run)
    loaded = lossbench.load(run.path)
    test = loaded.parts.data.split("test")
    found = loaded.probabilities(path)
    names = [each.name for each in loaded.predict(path)]
    place = [names.index(name) for name in test.ids.tolist()]
    np.testing.assert_allclose(found[place], loaded.probabilities(test.inputs), atol=1e-6)
    np.testing.assert_allclose(loaded.probabilities(frame), found, atol=1e-6)
    folder = export(run, "safetensors", tmp_path / "out")[0]
    np.testing.assert_allclose(alone([folder], [Path(path)], tmp_path)[0], found, atol=TOLERANCE)
    with pytest.raises(UserError, match=r"city"):
        loaded.predict(frame.drop("city"))
