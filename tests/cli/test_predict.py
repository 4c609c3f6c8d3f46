"""lossbench predict: what a run says about images, long after its data are gone."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from photo_runs import CLASSES, Trained, train
from records import RESULT

import lossbench
from lossbench.cli import predict as module
from lossbench.cli.predict import predict
from lossbench.data.device_transforms import Normalise
from lossbench.data.images.decode import read_rgb
from lossbench.data.images.image_source import ImageSource
from lossbench.errors import UserError, exit_on_user_error
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory
from lossbench.trained import new_inputs

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(tmp_path_factory.mktemp("trained"), "model=resnet18", "model.stem=imagenet")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Typed:
    """The command, in this process: exit code, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["predict", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            exit_on_user_error(module.main)
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capfd.readouterr()

    return run


def written(out: str) -> list[list[str]]:
    found = re.search(
        r"^written to (.*\.csv); probabilities with the scale fitted on the run's validation split$",
        out,
        flags=re.MULTILINE,
    )
    assert found
    with open(found[1], newline="") as file:
        return list(csv.reader(file))


def check(trained: Trained) -> None:
    answers = predict(trained.run, trained.images, top=3)
    assert [answer.name for answer in answers] == [*map(str, trained.images)]
    found = np.array([[dict(zip(a.classes, a.probabilities, strict=True))[name] for name in CLASSES] for a in answers])
    np.testing.assert_allclose(found, trained.probabilities, rtol=1e-4, atol=1e-6)
    assert all(list(a.probabilities) == sorted(a.probabilities, reverse=True) for a in answers)
    for split, rows in trained.parts.items():
        nll = -np.log(np.take_along_axis(found, trained.targets[:, None], 1)[rows]).mean()
        assert nll == pytest.approx(trained.nll[split], rel=1e-4)
    assert np.ptp(found, axis=0).min() > 0.005  # not the same answer to everything


def test_a_loaded_run_predicts_from_paths_and_pixels(trained: Trained) -> None:
    expected = predict(trained.run, trained.images, top=2)
    assert trained.loaded.predict([*map(str, trained.images)], top=2) == expected
    assert trained.loaded.predict(trained.images[0], top=2)[0].classes == expected[0].classes
    pixels = read_rgb(trained.images[0].read_bytes())
    np.testing.assert_allclose(
        trained.loaded.probabilities(np.stack([pixels] * 3)), trained.probabilities[[0] * 3], rtol=1e-4, atol=1e-6
    )
    for wrong, found in ((pixels / 255, "float64 of shape"), (pixels[..., :1], "uint8 of shape")):
        with pytest.raises(UserError, match=rf"^an image must be a path or uint8 pixels.* {re.escape(found)}"):
            trained.loaded.predict([wrong])
    with pytest.raises(UserError, match=r"^gone.jpg cannot be read: No such file or directory$"):
        trained.loaded.probabilities(["gone.jpg"])
    with pytest.raises(UserError, match=r"^top must be a whole number >= 1, got 0$"):
        trained.loaded.predict(trained.images, top=0)


def test_the_answers_are_those_of_the_runs_own_evaluation_though_its_images_are_gone(trained: Trained) -> None:
    check(trained)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_linear_probe_answers_through_its_backbone(dtype: torch.dtype, tmp_path: Path) -> None:
    backbone = ("model.backbone.pretrained=false", "model.backbone.stem=imagenet")
    stored = f"features.dtype={str(dtype).removeprefix('torch.')}"
    probe = train(tmp_path, "model=linear_probe", *backbone, stored)
    check(probe)
    source = probe.loaded.parts.source
    assert isinstance(source, ImageSource)
    pixels = torch.stack([torch.from_numpy(read_rgb(path.read_bytes())[:16, :16]) for path in probe.images[:2]])
    images = Normalise(torch.tensor(source.mean), torch.tensor(source.std))(pixels)
    with torch.inference_mode():
        features = probe.loaded.parts.backbone.features(images)  # pyright: ignore[reportOptionalMemberAccess, reportCallIssue]
        torch.testing.assert_close(probe.loaded.model(images), probe.loaded.head(features.to(dtype).float()))


def test_a_backbone_whose_weights_changed_is_refused(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    weights = tmp_path / "weights.pth"
    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), weights)
    small = train(
        tmp_path / "run", "model=linear_probe", f"model.backbone.pretrained={weights}", "model.backbone.stem=imagenet"
    )
    check(small)
    torch.save(resnet18().state_dict(), weights)
    with pytest.raises(UserError, match=r"^the pretrained weights of .* have changed since it was planned"):
        predict(small.run, small.images)


def test_a_bad_image_among_many_moves_no_other_answer(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    expected = [answer.classes for answer in predict(trained.run, trained.images)]
    monkeypatch.setattr(new_inputs, "BATCH_SIZE", 4)
    paths = [*trained.images[:6], tmp_path / "empty.jpg", *trained.images[6:], tmp_path / "gone.jpg", tmp_path]
    paths.append(tmp_path / "pipe.jpg")
    answers = predict(trained.run, paths)
    assert [answer.name for answer in answers] == [*map(str, paths)]
    assert [answer.reason for answer in answers if answer.reason] == [
        "empty file",
        "No such file or directory",
        "Is a directory",
        "is not a regular file",
    ]
    assert [answer.classes for answer in answers if not answer.reason] == expected
    only_bad = predict(trained.run, [tmp_path / "empty.jpg"] * 5)
    assert [(answer.classes, answer.reason) for answer in only_bad] == [((), "empty file")] * 5


@pytest.mark.slow
def test_the_command_names_what_it_cannot_read_and_answers_the_rest(trained: Trained, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff.jpg")
    shutil.copy(trained.images[0], odd)
    bad = tmp_path / "page.jpg"
    bad.write_bytes(b"<html>404</html>")
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "lossbench",
        "predict",
        trained.run.path,
        trained.images[0],
        bad,
        odd,
        "--top",
        "2",
    ]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}, capture_output=True, text=True, check=False
    )
    first, second, where = done.stdout.splitlines()
    best = sorted(zip(trained.probabilities[0], CLASSES, strict=True), reverse=True)[:2]
    said = "  ".join(f"{name} {100 * p:.1f} %" for p, name in best)
    assert (first, second) == (f"{trained.images[0]}  {said}", f"{tmp_path}/\\udcff.jpg  {said}")
    assert where.startswith(f"written to {trained.run.path}/predicted/")
    reason = "not an image (begins with b'<html>40'); JPEG, PNG, GIF, WebP, BMP, TIFF and PPM are read"
    errors = [
        f"{bad}: cannot be read: {reason}",
        "error: 1 of 3 images cannot be read; the others are in the file above",
    ]
    assert (done.returncode, done.stderr.splitlines()) == (1, errors)


def test_the_file_has_a_row_for_each_class_named(trained: Trained, typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "a,b.jpg").touch()
    code, out, _ = typed(trained.run.path, trained.images[3], tmp_path / "a,b.jpg", "--top", "5")
    header, *rows = written(out)
    assert code == 1
    assert header == ["image", "rank", "class", "probability", "reason"]
    assert [(row[0], row[1]) for row in rows] == [
        *((str(trained.images[3]), rank) for rank in "123"),
        (str(tmp_path / "a,b.jpg"), ""),
    ]
    assert rows[-1][2:] == ["", "", "empty file"]
    truth = dict(zip(CLASSES, trained.probabilities[3], strict=True))
    assert {row[2]: float(row[3]) for row in rows[:-1]} == pytest.approx(truth, rel=1e-4)
    assert {row[4] for row in rows[:-1]} == {""}


def test_csv_and_json_are_new_files_of_ones_choice(trained: Trained, typed: Typed, tmp_path: Path) -> None:
    table, plain = tmp_path / "a.csv", tmp_path / "a.json"
    before = [*trained.run.path.rglob("*")]
    code, out, _ = typed(trained.run.path, *trained.images[:2], "--top", "2", "--csv", table, "--json", plain)
    assert (code, [*trained.run.path.rglob("*")]) == (0, before)
    assert f"written to {table} and {plain};" in out
    rows = [row[:3] for row in csv.reader(table.read_text().splitlines())][1:]
    found = json.loads(plain.read_text())
    assert rows == [
        [each["image"], str(rank), best["class"]] for each in found for rank, best in enumerate(each["classes"], 1)
    ]
    assert [each["classes"][0]["probability"] for each in found] == pytest.approx(
        trained.probabilities[:2].max(1), rel=1e-4
    )
    code, _, err = typed(trained.run.path, trained.images[0], "--json", plain)
    assert (code, err) == (1, f"error: --json {plain} exists already; name a new file\n")


def test_every_command_writes_a_new_file_and_the_run_stays_valid(trained: Trained, typed: Typed) -> None:
    results = trained.run.result()
    outs = [typed(trained.run.path, trained.images[0]) for _ in range(2)]
    assert [(code, err) for code, _, err in outs] == [(0, "")] * 2
    assert written(outs[0][1]) == written(outs[1][1])
    assert outs[0][1] != outs[1][1]
    trained.run.verify()
    assert trained.run.result() == results


def test_a_folder_is_searched_for_images(trained: Trained, typed: Typed, tmp_path: Path) -> None:
    deep = tmp_path / "b" / "deeper.jpg"
    deep.mkdir(parents=True)
    for path in (deep / "2.JPG", tmp_path / "b" / "1.png", tmp_path / "a.jpeg"):
        shutil.copy(trained.images[0], path)
    (tmp_path / "notes.txt").write_text("no image")
    junk = tmp_path / "__MACOSX" / "._a.jpeg"
    junk.parent.mkdir()
    junk.write_bytes(b"no image")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    code, out, err = typed(trained.run.path, tmp_path)
    assert (code, err) == (0, "")
    assert [row[0] for row in written(out)[1:]] == [
        str(tmp_path / name) for name in ("a.jpeg", "b/1.png", "b/deeper.jpg/2.JPG")
    ]


def test_another_checkpoint_can_be_asked_for(trained: Trained, tmp_path: Path) -> None:
    copy = tmp_path / trained.run.path.parent.name / trained.run.path.name
    shutil.copytree(trained.run.path, copy, copy_function=os.link)
    run = RunDirectory(copy)
    run.checkpoint("last").unlink()
    assert predict(run, trained.images[:1], checkpoint="best")[0].classes
    with pytest.raises(UserError, match=r"last\.ckpt does not exist"):
        predict(run, trained.images[:1])
    run.checkpoint("last").write_bytes(run.checkpoint("best").read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"last\.ckpt is refused: .*start the run with force=true"):
        predict(run, trained.images[:1])
    torch.save({"state_dict": {"model.weight": torch.zeros(3)}}, run.checkpoint("last"))
    with pytest.raises(UserError, match=r"last\.ckpt does not fit the model .*start the run with force=true"):
        predict(run, trained.images[:1])


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        (["/nonexistent.jpg"], "/nonexistent.jpg does not exist; name image files or folders of them"),
        (["EMPTY"], " has no images (.jpg, "),
        (["IMAGE", "--top", "0"], "--top must be >= 1, got 0"),
    ],
)
def test_a_mistake_is_one_line(trained: Trained, typed: Typed, tmp_path: Path, words: list[str], mention: str) -> None:
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": str(tmp_path / "empty"), "IMAGE": str(trained.images[0])}
    code, out, err = typed(trained.run.path, *(places.get(word, word) for word in words))
    assert (code, out) == (1, "")
    assert re.fullmatch(r"error: [^\n]+\n", err)
    assert mention in err


def test_a_run_on_arrays_classifies_arrays(
    trained: Trained, typed: Typed, planned: Callable[..., RunDirectory], tmp_path: Path
) -> None:
    run = planned("data=digits", "trainer.max_epochs=1", "trainer=cpu")
    start(run)
    code, out, err = typed(run.path, trained.images[0])
    assert (code, out) == (1, "")
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8)))
    wrong = typed(run.path, tmp_path / "x.npy")[2]
    assert wrong.endswith("takes an array of numbers of shape (n, 1, 8, 8), got float64 of shape (3, 8, 8)\n")
    loaded = lossbench.load(run.path)
    test = loaded.parts.data.split("test")
    np.save(tmp_path / "x.npy", test.inputs)
    assert typed(run.path, tmp_path / "x.npy", "--csv", tmp_path / "x.csv")[0] == 0
    rows = [*csv.reader((tmp_path / "x.csv").read_text().splitlines())]
    assert rows[0] == ["example", "rank", "class", "probability", "reason"]
    right = np.mean([int(row[2]) == target for row, target in zip(rows[1:], test.targets, strict=True)])
    assert right == pytest.approx(loaded.evaluate()["accuracy"].value)
    assert err == (
        f"error: {run.path} was trained on data=digits, not on image files: name one .npy file with an array of shape "
        "(n, 1, 8, 8)\n"
    )


def test_a_run_that_is_not_done(trained: Trained, typed: Typed, planned: Callable[..., RunDirectory]) -> None:
    run = planned("data=fake_images", "data.n_train=4")
    code, out, err = typed(run.path, trained.images[0])
    assert (code, out) == (1, "")
    assert err == f"error: {run.path} is not done; run it with python -m lossbench.job {run.path}\n"


def test_a_directory_that_was_edited_is_refused(trained: Trained, planned: Callable[..., RunDirectory]) -> None:
    run = RunDirectory(planned("data=fake_images", "data.n_train=4").path)
    RESULT.write(run.result_path)
    (run.path / "config.yaml").write_text((run.path / "config.yaml").read_text().replace("n_train: 4", "n_train: 5"))
    with pytest.raises(UserError, match=r"does not belong to this directory"):
        predict(run, trained.images)


def test_of_labels_all_above_half_are_named(typed: Typed, planned: Callable[..., RunDirectory], tmp_path: Path) -> None:
    run = planned("data=toy_labels", "trainer.max_epochs=1", "trainer=cpu")
    start(run)
    loaded = lossbench.load(run.path)
    inputs = loaded.parts.data.split("test").inputs
    outputs = torch.from_numpy(loaded.predictions["test_outputs"])
    np.testing.assert_allclose(loaded.probabilities(inputs), outputs.sigmoid(), atol=1e-6)
    found = loaded.predict(inputs)
    assert [len(each.classes) for each in found] == (outputs > 0).sum(1).tolist()
    assert {len(each.classes) for each in loaded.predict(inputs, top=2)} == {2}
    np.save(tmp_path / "x.npy", inputs)
    _, out, _ = typed(run.path, tmp_path / "x.npy", "--csv", tmp_path / "x.csv")
    named = [row[0] for row in csv.reader((tmp_path / "x.csv").read_text().splitlines())][1:]
    assert list(dict.fromkeys(named)) == [str(k) for k in range(len(inputs))]
    assert out.count("no label above 50 %") == (outputs <= 0).all(1).sum()
