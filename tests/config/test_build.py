"""What a configuration may build, and how it is told what it may not."""

import os
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from lossbench.config.build import build, check_targets
from lossbench.data.digits import Digits
from lossbench.errors import UserError
from lossbench.models.mlp import MLP

LINEAR = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}
# Not below an allowed package, or not a name at all: refused before anything is imported.
FOREIGN: list[Any] = [
    "os.system", "posix.system", "builtins.eval", "builtins.exec", "subprocess.run", "subprocess.Popen",
    "shutil.rmtree",
    "torch.load", "torch.hub.load", "torch.nnx.Linear", "torchvision.io.read_file", "pickle.loads",
    "importlib.import_module",
    "hydra.utils.get_method", "hydra.utils.instantiate", "hydra.utils.get_object",
    "lossbench.training.fit.subprocess.run",
    "lossbench.job.start.subprocess.run", "lossbench.rundir.directory.shutil.rmtree", "lossbench.lossesx.Power",
    "pytorch_lightning.Trainer",
    "torch.nn.Module.__init__", "torch.nn.Module.__subclasses__", "torch.nn.functional.__builtins__.eval",
    "__main__.x",
    "", ".", "torch.nn..Linear", "torch.nn.Linear.", "torch.nn.Linear()", "torch.nn.Linear ", "${oc.env:HOME}",
    None, 3, True, ["torch.nn.Linear"], {},
]  # fmt: skip
# Reached by a walk from an allowed package to something that lives elsewhere, or that is no class.
WALKS = [
    "lossbench.data.drawn.sha256", "lossbench.data.source.np.load", "lossbench.data.digits.generator",
    "lossbench.losses.base.fields",
    "torch.nn.functional.importlib.import_module", "torch.nn.functional.torch.load",
    "torch.nn.functional.warnings.warn",
    "torch.nn.functional.relu", "torch.nn", "torch.nn.functional", "torch.nn.utils.clip_grad_norm_",
    "torch.nn.Module.load_state_dict",
    "torch.optim.swa_utils.torch.load", "torch.optim.optimizer.defaultdict",
    "torchvision.models.ResNet.load_state_dict",
    "torchvision.models.resnet.partial", "torchvision.models._api.importlib.import_module",
    "torchvision.models._api.sys.exit",
    "pytorch_lightning.callbacks.model_checkpoint.shutil.rmtree", "pytorch_lightning.callbacks.model_checkpoint.Path",
    "pytorch_lightning.strategies.launchers.subprocess_script.subprocess.Popen", "lossbench.losses.power",
]  # fmt: skip


@pytest.mark.parametrize("target", FOREIGN, ids=str)
def test_foreign_targets_are_refused_without_importing(target: object) -> None:
    before = set(sys.modules)
    with pytest.raises(
        UserError,
        match=r"^model\._target_=.* is refused: a configuration may only build things from lossbench\.losses,",
    ):
        check_targets({"model": {"_target_": target}})
    with pytest.raises(UserError, match=r"^model\._target_=.* is refused"):
        build({"_target_": target}, "model")
    assert set(sys.modules) == before


@pytest.mark.parametrize("target", WALKS)
def test_walks_out_of_an_allowed_package_are_refused(target: str) -> None:
    with pytest.raises(UserError, match=rf"^model\._target_={target} is refused"):
        build({"_target_": target}, "model")


@pytest.mark.parametrize(
    "target", ["torch.nn.Linearr", "torch.nn.Linear.missing", "lossbench.data.missing.X", "lossbench.data.missing"]
)
def test_what_does_not_exist_is_said_in_one_line(target: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        UserError, match=rf"^model\._target_={target} does not exist: No module named '{target[:15]}"
    ) as caught:
        build({"_target_": target}, "model")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("nest", "where"),
    [
        (lambda bad: {"_args_": [LINEAR, bad]}, "model._args_[1]"),
        (lambda bad: {"setting": bad}, "model.setting"),
        (lambda bad: {"setting": {"deeper": [[bad]]}}, "model.setting.deeper[0][0]"),
        (lambda bad: {"setting": (1, {"deeper": bad})}, "model.setting[1].deeper"),
    ],
)
def test_nested_targets_are_found(nest: Any, where: str) -> None:
    with pytest.raises(UserError) as caught:
        build({"_target_": "torch.nn.Sequential", **nest({"_target_": "os.system"})}, "model")
    assert str(caught.value).startswith(f"{where}._target_=os.system is refused")


def test_nested_walks_are_found() -> None:
    with pytest.raises(UserError, match=r"^model\[0\]\._target_=torch\.nn\.functional\.torch\.load is refused"):
        build({"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "torch.nn.functional.torch.load"}]}, "model")


STORED = [
    "${oc.env:HOME}", "${seed}", "${oc.create:{_target_: os.getpid}}", "${oc.decode:'[1]'}", "???", "\\${x}",
    "a ${b} c", "${", "{a: [1]}",
]  # fmt: skip


@pytest.mark.parametrize("text", STORED)
def test_stored_text_stays_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MLP, "__init__", lambda self, **settings: setattr(self, "settings", settings))
    made = build(
        {"_target_": "lossbench.models.mlp.MLP", "hidden": text, "dropout": {"deep": [text]}}, "model", input_shape=(2,)
    )
    assert made.settings == {"hidden": text, "dropout": {"deep": [text]}, "input_shape": (2,)}


def test_the_users_own_module_needs_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import os\nfrom subprocess import run\n\ndef make(x=1):\n    return [x]\n\nclass Thing:\n    pass\n"
    (tmp_path / "mine_to_build.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        UserError, match="allow a module of your own with the environment variable LOSSBENCH_ALLOW=my_module"
    ):
        build({"_target_": "mine_to_build.make"}, "model")
    assert "mine_to_build" not in sys.modules
    monkeypatch.setenv("LOSSBENCH_ALLOW", " other , mine_to_build,")
    assert build({"_target_": "mine_to_build.make", "x": 5}, "model") == [5]
    assert type(build({"_target_": "mine_to_build.Thing"}, "model")).__name__ == "Thing"
    for walk in ("os.system", "run", "os.path.join"):
        with pytest.raises(UserError, match="is refused"):
            build({"_target_": f"mine_to_build.{walk}"}, "model")
    with pytest.raises(UserError, match="is refused"):
        build({"_target_": "mine_to_build_too.make"}, "model")


def test_an_empty_environment_allows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSSBENCH_ALLOW", ", ,")
    with pytest.raises(UserError, match="is refused"):
        check_targets({"_target_": "os.system"})


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (
            {"_target_": "lossbench.losses.CosineProb", "alfa": 1},
            "loss.alfa does not exist for CosineProb; did you mean alpha? Available: alpha, beta, reduction",
        ),
        ({"_target_": "lossbench.losses.CosineProb", "alpha": -1.0}, "loss.alpha must be > 0, got -1.0"),
        (
            {"_target_": "lossbench.data.digits.Digits", "split_seed": "x"},
            "loss.split_seed must be a whole number >= 0, got 'x'",
        ),
        (
            {"_target_": "torch.nn.Sequential", "_args_": [{**LINEAR, "bia": True}]},
            "loss[0].bia does not exist for Linear; did you mean bias? Available: bias, device, dtype, in_features, "
            "out_features",
        ),
        (
            {"_target_": "torch.nn.Linear", "in_features": 2},
            "loss: Linear.__init__() missing 1 required positional argument: 'out_features'",
        ),
    ],
)
def test_mistakes_are_one_line_that_names_the_key(node: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as caught:
        build(node, "loss")
    assert str(caught.value) == line


def test_a_bug_in_what_is_built_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Digits, "__post_init__", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build({"_target_": "lossbench.data.digits.Digits"}, "data")


def test_settings_arguments_and_nested_nodes_arrive() -> None:
    model = build(
        {"_target_": "torch.nn.Sequential", "_args_": [LINEAR, {"_target_": "torch.nn.ReLU"}]}, "model", nn.Flatten()
    )
    assert [type(layer) for layer in model] == [nn.Flatten, nn.Linear, nn.ReLU]
    assert model[1].weight.shape == (3, 2)


def test_extra_arguments_replace_settings() -> None:
    assert build(LINEAR, "model", in_features=7).in_features == 7


def test_the_label_goes_only_to_what_takes_it() -> None:
    assert build({"_target_": "lossbench.losses.Power", "name": "power", "q": 0.5}, "loss").hyper_parameters() == {
        "q": 0.5
    }
    logger = build(
        {"_target_": "pytorch_lightning.loggers.CSVLogger", "name": "csv", "version": ""}, "logger", save_dir="x"
    )
    assert logger.name == "csv"


def test_nested_partial_waits() -> None:
    make = build({"_target_": "torch.nn.Sequential", "_args_": []}, "x", partial=True)
    assert len(make(nn.ReLU())) == 1
    norm = {"_target_": "torch.nn.BatchNorm2d", "_partial_": True, "eps": 0.5}
    model = build({"_target_": "torchvision.models.resnet18", "norm_layer": norm, "num_classes": 2}, "model")
    assert model.bn1.eps == 0.5


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_optimisers_get_plain_containers(name: str) -> None:
    node = OmegaConf.create({"_target_": f"torch.optim.{name}", "name": "x", "lr": 0.1, "betas": [0.8, 0.9]})
    make = build(cast(dict[str, Any], OmegaConf.to_container(node)), "optimizer", partial=True)
    assert type(make.keywords["betas"]) is list
    optimizer = make([nn.Parameter(torch.zeros(1))])
    assert type(optimizer).__name__ == name
    assert type(optimizer.defaults["betas"]) in (list, tuple)
    assert (*optimizer.defaults["betas"], optimizer.defaults["lr"]) == (0.8, 0.9, 0.1)
    torch.save(optimizer.state_dict(), buffer := BytesIO())
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True)["param_groups"][0]["lr"] == 0.1


def test_nothing_is_written_into_the_configuration() -> None:
    node = {"_target_": "torch.nn.Sequential", "name": "x", "_args_": [dict(LINEAR)]}
    build(node, "model")
    build(node, "model", partial=True)
    assert node == {"_target_": "torch.nn.Sequential", "name": "x", "_args_": [LINEAR]}
    assert "LOSSBENCH_ALLOW" not in os.environ
