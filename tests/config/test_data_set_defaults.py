"""What wins where a data set, an experiment and the command line choose the same thing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from hydra import compose, initialize_config_dir
from hydra.utils import get_class
from omegaconf import OmegaConf

from lossbench.config.rules import TASKS

CONF = ROOT / "conf"
GROUPS = ("augment", "model", "optimizer", "scheduler")
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
IMAGES = [name for name in DATA if "parts/images@data" in (CONF / "data" / f"{name}.yaml").read_text()]


@pytest.fixture(autouse=True)
def search_path() -> Iterator[None]:
    """Compose from conf/."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def composed(*overrides: str) -> dict[str, Any]:
    config: Any = OmegaConf.to_container(compose("train", overrides=[*overrides]))
    return config


def in_file(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONF / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", DATA)
def test_a_data_set_names_its_defaults_in_its_own_file(name: str) -> None:
    defaults = {
        key: value
        for entry in in_file(f"data/{name}")["defaults"]
        if isinstance(entry, dict)
        for key, value in entry.items()
    }
    loss = defaults.pop("override /loss", "cross_entropy")
    assert [*defaults] == [f"/{group}" for group in GROUPS]  # augment first: model=linear_probe overrides it
    config = composed(f"data={name}")
    for group in GROUPS:
        assert config[group] == composed(f"{group}={defaults[f'/{group}']}")[group]
    assert config["loss"] == composed(f"loss={loss}")["loss"]
    assert not [*CONF.rglob("for_*")]


@pytest.mark.parametrize("name", DATA)
def test_a_loss_that_is_not_named_fits_the_task_and_is_cross_entropy_but_for_the_toy(name: str) -> None:
    config = composed(f"data={name}")
    expected = ["cosine_prob" if name == "toy" else "cross_entropy"]
    if name.startswith("toy_"):
        expected = [*TASKS[get_class(config["data"]["_target_"]).task].values()]  # pyright: ignore[reportAttributeAccessIssue]
    assert config["loss"]["name"] in expected


@pytest.mark.parametrize("name", DATA)
def test_what_is_typed_wins_whatever_the_data_set_brings(name: str) -> None:
    typed = {"model": "linear", "optimizer": "sgd", "scheduler": "cosine", "augment": "mixing", "loss": "focal"}
    for group, option in typed.items():
        words = [f"data={name}", f"{group}={option}"]
        expected = in_file(f"{group}/{option}")
        assert composed(*words)[group] == expected  # sgd with its own learning rate, not that of the data set
        assert composed(*reversed(words))[group] == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digits", ("mlp", "adam", 3e-3, 0.0, "constant", 0.0)),
        ("imagenet_subset", ("resnet50", "sgd", 0.1, 1e-4, "step", 0.0)),
        ("pets", ("resnet18", "adamw", 1e-3, 0.01, "cosine", 1.0)),
        ("toy", ("linear", "adam", 1e-3, 0.0, "constant", 0.0)),
        ("toy_counts", ("linear", "adam", 0.05, 0.0, "cosine", 0.0)),
    ],
)
def test_the_defaults_are_those_that_numbers_were_published_with(name: str, expected: tuple[object, ...]) -> None:
    config = composed(f"data={name}")
    model, optimizer, scheduler = config["model"], config["optimizer"], config["scheduler"]
    assert expected == (
        *(model["name"], optimizer["name"], optimizer["lr"], optimizer["weight_decay"]),
        *(scheduler["name"], scheduler["warmup_epochs"]),
    )
    assert model.get("weight") == ("data" if name == "toy" else None)


@pytest.mark.parametrize("name", IMAGES)
def test_a_linear_probe_sees_images_as_they_are_unless_typed(name: str) -> None:
    assert composed(f"data={name}")["augment"] == ({} if name == "arrays" else in_file("augment/crop_flip"))
    for words in ([f"data={name}", "model=linear_probe"], ["model=linear_probe", f"data={name}"]):
        assert composed(*words)["augment"] == {}
        assert composed(*words, "augment=mixing")["augment"] == in_file("augment/mixing")
        assert composed(*words, "model/backbone=resnet50")["model"]["backbone"]["architecture"] == "resnet50"


def test_experiments_win_over_data_sets_and_what_is_typed_over_both() -> None:
    recipe = composed("experiment=pets_losses")
    assert (recipe["scheduler"]["name"], recipe["optimizer"]["lr"]) == ("finetune", 2e-3)
    assert recipe["augment"] == composed("augment=pets")["augment"]
    typed = composed("experiment=pets_losses", "scheduler=step", "data=digits")
    assert (typed["scheduler"]["name"], typed["data"]["name"], typed["model"]["name"]) == ("step", "digits", "resnet18")
    assert composed("experiment=imagenet50_cosine_xent", "model=resnet18")["model"]["architecture"] == "resnet18"
    assert composed("experiment=digits_small")["optimizer"] == composed("optimizer=adam_3e-3")["optimizer"]


def test_a_data_set_of_the_users_own_folder_brings_its_defaults_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    text = (CONF / "data" / "digits.yaml").read_text().replace("adam_3e-3", "sgd")
    (tmp_path / "data" / "mine.yaml").write_text(text)
    config = composed(f"hydra.searchpath=[file://{tmp_path}]", "data=mine")
    assert config["optimizer"] == in_file("optimizer/sgd")
