"""A loss, a model or a data set in the user's own file: trained and loaded by name, and nothing else is."""

import json
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import lossbench
from lossbench.cli import check, evaluate
from lossbench.cli.predict import predict
from lossbench.config.build import accepted, build, check_targets
from lossbench.config.custom import SOURCE, complete, load
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.identity import identity_hash
from lossbench.training.assemble import assemble
from lossbench.vectorized.eligible.settings import why_not
from lossbench.vectorized.launch.stacks import run_stacked

OWN = """
import math
import torch
from dataclasses import dataclass, replace
from lossbench.data.digits import Digits
from lossbench.data.images.folder import ImageFolder
from lossbench.data.source import Source
from lossbench.losses import Loss, Power, cross_entropy

@dataclass(eq=False)
class Mine(Loss):
    factor: float = 1.0

    def per_example(self, output, target):
        return self.factor * cross_entropy(output, target)

class Plain:
    pass

class Width(torch.nn.Sequential):
    def __init__(self, input_shape, num_classes, width=3):
        layers = torch.nn.Linear(math.prod(input_shape), width), torch.nn.Linear(width, num_classes)
        super().__init__(torch.nn.Flatten(), *layers)

class Lazy(torch.nn.Sequential):
    def __init__(self, num_classes):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, num_classes))

@dataclass(frozen=True)
class Even(Digits):
    class_names = tuple("zero one two three four five six seven eight nine".split())

@dataclass(frozen=True)
class Gone(Digits):
    def load(self):
        return open("gone.csv")

@dataclass(frozen=True)
class Floats(Digits):
    def load(self):
        return {name: replace(split, targets=split.targets / 1) for name, split in super().load().items()}

class Empty(Source):
    pass

@dataclass(frozen=True, kw_only=True)
class Photos(ImageFolder):
    pass

class Nested:
    class Inner(Loss):
        pass
"""
Plan = Callable[..., RunDirectory]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """my_own_losses.py in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my_own_losses.py"
    path.write_text(OWN)
    yield path
    sys.modules.pop("my_own_losses", None)


def result_of(run: RunDirectory) -> dict[str, Any]:
    return json.loads(run.result_path.read_text())


def node(path: Path, **changed: Any) -> dict[str, Any]:
    return {"name": "x", "_target_": "my_own_losses.Mine", SOURCE: sha256(path.read_bytes()).hexdigest(), **changed}


def test_it_trains_and_loads_again(own: Path, planned: Plan) -> None:
    words = (
        "loss=custom",
        "loss.target=my_own_losses.Mine",
        "+loss.factor=2.0",
        "data=digits",
        "trainer.max_epochs=1",
        "figures=false",
    )
    run = planned(*words)
    assert run.record["loss"] == node(own, name="my_own_losses.Mine", factor=2.0)
    assert run.path.parent.name.startswith("digits-mlp-my_own_losses.Mine-")
    start(run)
    result = run.result()
    assert result is not None
    assert result.metrics["test/loss"] == pytest.approx(2 * result.metrics["test/cross_entropy"], rel=1e-5)
    assert repr(lossbench.load(run.path).parts.loss) == "Mine(reduction='mean', factor=2.0)"
    own.write_text(OWN.replace("factor: float = 1.0", "factor: float = 3.0"))
    with pytest.raises(
        UserError, match=r"the file of loss my_own_losses\.Mine has changed since .* was planned; restore it, or"
    ):
        lossbench.load(run.path)
    assert planned(*words).path != run.path  # another content is another experiment


OWN_DATA = ("data=custom", "data.target=my_own_losses.Even")
OWN_MODEL = ("model=custom", "model.target=my_own_losses.Width")


def test_a_data_set_and_a_model_train_and_load_again(
    own: Path, planned: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*OWN_DATA, "+data.split_seed=3", *OWN_MODEL, "+model.width=5", "trainer.max_epochs=1", "figures=false")
    run = planned(*words)
    assert run.path.parent.name.startswith("my_own_losses.Even-my_own_losses.Width-cross_entropy-")
    assert run.record["model"] == node(own, name="my_own_losses.Width", _target_="my_own_losses.Width", width=5)
    start(run)
    loaded = lossbench.load(run.path)
    assert result_of(run)["classes"][:2] == ["zero", "one"]
    assert [tuple(part.shape) for part in loaded.model.parameters() if part.ndim == 2] == [(5, 64), (10, 5)]
    assert loaded.evaluate("test")["accuracy"].value == result_of(run)["metrics"]["test/accuracy"]
    capsys.readouterr()
    evaluate.main([str(run.path), "+data.split_seed=3", f"--json={own.parent / 'again.json'}"])
    assert "the run was trained on" not in capsys.readouterr().out
    assert json.loads((own.parent / "again.json").read_text())["accuracy"] == loaded.evaluate("test")["accuracy"].value
    own.write_text(f"{OWN}\n")
    with pytest.raises(UserError, match=r"^the file of data my_own_losses\.Even has changed since .* was planned"):
        lossbench.load(run.path)
    assert planned(*words).path != run.path


def test_a_model_that_is_a_sequence_of_layers_is_one_model(own: Path, planned: Plan) -> None:
    parts = assemble(planned(*OWN_DATA, *OWN_MODEL).config)
    assert parts.body is parts.model


def test_a_file_with_the_name_of_an_installed_package_is_refused(own: Path, planned: Plan) -> None:
    own.with_name("xdist.py").write_text(own.read_text())
    sys.modules.pop("xdist", None)
    with pytest.raises(UserError, match=r"xdist\.py has the name of an installed package; rename the file$"):
        load("xdist.Even", group="data")


def test_a_model_that_does_not_take_the_inputs_is_one_line(own: Path, planned: Plan) -> None:
    with pytest.raises(UserError, match=r"^the model does not fit inputs of shape \(8,\): .*mat1 and mat2 shapes"):
        assemble(
            planned(
                "data=toy_vectors", "loss=cosine_distance", "model=custom", "model.target=my_own_losses.Lazy"
            ).config
        )


def test_runs_of_them_are_stacked(own: Path, planned: Plan) -> None:
    runs = [planned(*OWN_DATA, *OWN_MODEL, "trainer.max_steps=2", f"seed={seed}") for seed in (0, 1)]
    run_stacked(runs, SweepProgress(dict.fromkeys(runs, "own"), runs, "test/loss"))
    results = [result_of(run) for run in runs]
    assert [(result["engine"], result["stacked_runs"]) for result in results] == [("vectorized", 2)] * 2
    assert len({result["metrics"]["test/loss"] for result in results}) == 2


def test_own_images_are_read_checked_and_predicted(
    own: Path, planned: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for k in range(10):
        path = own.parent / "photos" / "ab"[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8)).save(path)
    data = ("data=custom", "data.target=my_own_losses.Photos", "+data.root=photos", "+data.image_size=8")
    words = (*data, "+data.cache_dir=cache", "trainer.max_epochs=1", "figures=false")
    run = planned(*words, *OWN_MODEL)
    assert why_not(run.config) is None
    start(run)
    (answer,) = predict(run, [own.parent / "photos" / "a" / "0.png"])
    assert answer.classes[0] in ("a", "b")
    check.main([*data, "+data.cache_dir=cache"])
    assert "2 classes" in capsys.readouterr().out
    assert planned(*words, "model=resnet18").config.model.name == "resnet18"  # which is refused without images


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("Empty", r"^data: Can't instantiate abstract class Empty "),
        ("Gone", r"^data=my_own_losses\.Gone cannot be read: .*gone\.csv"),
        ("Floats", r"^data\.load\(\): train targets must be int64 \(\d+,\), got float64 \(\d+,\)$"),
        ("Width", r"my_own_losses\.Width must be a class that derives from lossbench\.data\.source\.Source"),
    ],
)
def test_a_data_set_that_is_none_is_one_line(own: Path, planned: Plan, target: str, line: str) -> None:
    with pytest.raises(UserError, match=line) as caught:
        planned("data=custom", f"data.target=my_own_losses.{target}")
    assert "\n" not in str(caught.value)


def test_arguments_are_given_by_signature_to_ours_and_theirs(own: Path) -> None:
    offer = {"input_shape": (1, 8, 8), "num_classes": 10, "other": 1}
    assert build(node(own, _target_="my_own_losses.Width"), "model", offer=offer)[2].out_features == 10
    assert build(node(own, _target_="my_own_losses.Lazy"), "model", offer=offer)[1].out_features == 10
    theirs = {"_target_": "torchvision.models.SqueezeNet", "version": "1_1"}
    assert build(theirs, "model", offer=offer).num_classes == 10
    ours = {"_target_": "lossbench.models.mlp.MLP", "hidden": []}
    assert build(ours, "model", offer=offer).layers[0].weight.shape == (10, 64)
    assert build({**ours, "num_classes": 3}, "model", offer=offer).layers[0].out_features == 3  # what is set wins
    assert accepted(lambda num_classes, **rest: rest, **offer) == {"num_classes": 10}


def test_settings_and_content_are_the_identity(own: Path, planned: Plan) -> None:
    words = ("loss=custom", "loss.target=my_own_losses.Mine", "data=digits")
    first = planned(*words).record
    assert identity_hash(first) == identity_hash(planned(*words).record)
    assert identity_hash(first) != identity_hash(planned(*words, "+loss.factor=2").record)
    assert identity_hash(first) != identity_hash({**first, "loss": {**first["loss"], SOURCE: "0" * 64}})


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, r"loss\.target must be module\.Class, .* got None"),
        (3, r"loss\.target must be module\.Class, .* got 3"),
        ("Mine", r"loss\.target must be module\.Class"),
        ("my_own_losses.Nested.Inner", r"loss\.target must be module\.Class"),
        ("my_own_losses:Mine", r"loss\.target must be module\.Class"),
        ("my_own_losses.__builtins__", r"loss\.target must be module\.Class"),
        ("../my_own_losses.Mine", r"loss\.target must be module\.Class"),
        ("os.system", r"os\.py has the name of a module that Python or lossbench needs"),
        ("lossbench.load", r"lossbench\.py has the name of a module"),
        (
            "missing_losses.Mine",
            r"there is no missing_losses\.py in the working directory or in a folder of PYTHONPATH",
        ),
        ("my_own_losses.Mien", r"does not define Mien at its top level; did you mean Mine\?"),
        ("my_own_losses.Power", r"does not define Power at its top level"),  # imported there, not defined
        ("my_own_losses.Inner", r"does not define Inner at its top level"),
    ],
)
def test_other_targets_are_refused_in_one_line(own: Path, target: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        complete({"name": "x", "target": target}, "loss")
    assert "\n" not in str(caught.value)
    assert "my_own_losses" not in sys.modules


def test_a_class_that_is_no_loss_is_refused(own: Path) -> None:
    with pytest.raises(
        UserError, match=r"my_own_losses\.Plain must be a class that derives from lossbench\.losses\.Loss"
    ):
        load("my_own_losses.Plain")
    with pytest.raises(
        UserError, match=r"derives from lossbench\.data\.source\.Source, and does not \(docs/add_a_data_set\.md\)"
    ):
        load("my_own_losses.Width", group="data")
    with pytest.raises(UserError, match=r"derives from torch\.nn\.Module, and does not \(docs/add_a_model\.md\)"):
        load("my_own_losses.Even", group="model")


def test_a_file_that_is_already_another_module_is_refused(own: Path) -> None:
    own.with_name("pytest.py").write_text(OWN)
    with pytest.raises(UserError, match=r"has the name of a module that is already imported .*; rename it"):
        load("pytest.Mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Mine(:", "is not Python: "),
        ("class Mine: pass\n1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_file_is_one_line(own: Path, text: str, message: str) -> None:
    own.write_text(text)
    with pytest.raises(UserError, match=message):
        load("my_own_losses.Mine")
    assert "my_own_losses" not in sys.modules


def test_what_is_loaded_runs_nothing_but_the_recorded_file(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.write_text(f"open('ran', 'w').close()\n{OWN}")
    stranger = node(own, **{SOURCE: "0" * 64})
    check_targets({"loss": stranger})  # imports nothing
    with pytest.raises(UserError, match=r"has changed \(SHA-256 "):
        build(stranger, "loss")
    for where in ("optimizer", "model.backbone", "yardsticks.x"):
        with pytest.raises(UserError, match=rf"^{where}\._target_=my_own_losses\.Mine is refused"):
            build(node(own), where)
    for bad in ({SOURCE: "short"}, {SOURCE: None}, {"_target_": "os.path.join"}, {"_target_": "my_own_losses"}):
        with pytest.raises(UserError, match="is refused"):
            build(node(own, **bad), "loss")
    assert not Path("ran").exists()
    assert type(build(node(own), "loss")).__name__ == "Mine"
    assert Path("ran").exists()


def test_what_runs_is_what_was_hashed_not_a_cached_copy(own: Path) -> None:
    import py_compile

    good = OWN.replace("factor: float = 1.0", "factor: float = 7.0")
    own.write_text(good)
    compiled = Path(py_compile.compile(str(own)))  # type: ignore[arg-type]
    stolen = compiled.read_bytes()
    own.write_text(OWN)
    py_compile.compile(str(own))
    compiled.write_bytes(compiled.read_bytes()[:16] + stolen[16:])  # the header of this file, the code of another
    assert load("my_own_losses.Mine")().factor == 1.0


def test_a_yardstick_needs_a_name_of_its_own(planned: Plan) -> None:
    with pytest.raises(UserError, match="yardsticks: custom names no loss by itself; leave it out"):
        planned("yardsticks=[custom]")
