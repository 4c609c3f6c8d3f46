"""A sweep's jobs: which there are, and that each is configured as if it had been composed by itself."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import ROOT
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from lossbench.errors import UserError
from lossbench.launch.compose import Composer
from lossbench.launch.expand import Job, Part, expand


@pytest.fixture
def hydra() -> Iterator[tuple[ConfigLoader, DictConfig]]:
    """Hydra's loader and the configuration of a multirun."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        yield loader, loader.load_configuration("train", [], RunMode.MULTIRUN, from_shell=False)


def alone(loader: ConfigLoader, master: DictConfig, overrides: list[str]) -> Any:
    config = loader.load_sweep_config(master, overrides)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return OmegaConf.to_container(config, resolve=True)


SWEEPS = {
    "seeds and losses": ["loss=cross_entropy,cosine_prob,power", "seed=range(3)"],
    "replicates and data sets": ["data=toy,digits", "replicate=range(3)"],
    "two numbers": ["loss=cosine_prob", "loss.alpha=range(0.1,2.05,0.5)", "loss.beta=0,1,1.5"],
    "groups that choose others": ["data=toy,digits", "seed=1,2"],
    "lists and words": ["data=digits", "model=mlp", "model.hidden=[8],[8,4]", "study=a,'b c'"],
    "null and true": ["data.steps_per_epoch=null,3", "force=true,false"],
    "experiments": ["experiment=digits,digits_small", "optimizer.lr=0.1,0.001"],
    "a value that is composed": ["+loss.extra=1,2", "seed=0,1"],
    "an added group": ["data=digits", "+callbacks@callbacks.mine=none,early_stopping", "seed=0,1"],
    "a deleted key": ["~yardsticks", "seed=0,1"],
    "a whole node": ["loss={name:a,_target_:x},{name:b,_target_:y}"],
    "an interpolation as a value": ["loss=cosine_prob", "loss.alpha='${loss.beta}',0.5"],
    "a key others depend on": ["+copy='${seed}'", "seed=range(3)"],
    "a key whose parent others depend on": ["+copy='${optimizer}'", "optimizer.lr=0.1,0.2"],
}  # fmt: skip


@pytest.mark.parametrize("arguments", SWEEPS.values(), ids=SWEEPS)
def test_a_job_is_what_composing_it_gives(hydra: tuple[ConfigLoader, DictConfig], arguments: list[str]) -> None:
    loader, master = hydra
    jobs, compose = expand(arguments, loader), Composer(loader, master)
    configs = [compose(job) for job in jobs]
    assert len(jobs) > 1
    for job, config in zip(jobs, configs, strict=True):
        theirs = alone(loader, master, job.overrides)
        assert config == theirs
        assert list(config) == list(theirs)


def test_jobs_share_nothing_that_one_could_change_for_another(hydra: tuple[ConfigLoader, DictConfig]) -> None:
    compose = Composer(*hydra)
    first, second = (compose(job) for job in expand(["data=digits", "model=mlp", "seed=0,1"], hydra[0]))
    before = copy.deepcopy(second)
    first["model"]["hidden"].append(1)
    first["optimizer"]["lr"] = -1
    assert second == before


def test_hydra_composes_once_for_each_choice_of_groups(
    hydra: tuple[ConfigLoader, DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    loader, master = hydra
    composed: list[list[str]] = []
    real: Callable[..., DictConfig] = loader.load_sweep_config
    monkeypatch.setattr(
        loader, "load_sweep_config", lambda config, words: composed.append(words) or real(config, words)
    )
    compose = Composer(loader, master)
    for job in expand(["loss=cosine_prob,power", "optimizer.lr=range(0.001,0.01,0.001)", "seed=range(10)"], loader):
        compose(job)
        compose(Job((*job.parts, Part("data.batch_size=32", "data.batch_size", 32, swept=False))))
    assert len(composed) == 2


@pytest.mark.parametrize("unit", ["seed", "replicate"])
def test_units_change_slowest_so_that_a_stopped_sweep_holds_whole_comparisons(
    hydra: tuple[ConfigLoader, DictConfig], unit: str
) -> None:
    jobs = expand([f"{unit}=0,1", "loss=power,cosine", "data=digits"], hydra[0])
    assert [job.label for job in jobs] == [f"{unit}={k} loss={loss}" for k in (0, 1) for loss in ("power", "cosine")]
    assert all(job.overrides[2] == "data=digits" for job in jobs)
    late = expand(["loss=power,cosine", f"{unit}=0,1"], hydra[0])
    assert [job.label for job in late] == [f"loss={loss} {unit}={k}" for k in (0, 1) for loss in ("power", "cosine")]


def test_the_last_of_two_values_counts(hydra: tuple[ConfigLoader, DictConfig]) -> None:
    assert [job.overrides for job in expand(["seed=0,1", "seed=5"], hydra[0])] == [["seed=5"]]


def test_every_loss_of_a_glob(hydra: tuple[ConfigLoader, DictConfig]) -> None:
    labels = {job.label for job in expand(["loss=glob(inverse*)"], hydra[0])}
    assert labels == {"loss=inverse", "loss=inverse_tuned"}


@pytest.mark.parametrize(
    ("word", "mention"), [("seed=interval(0,1)", "range(start,stop,step)"), ("seed=range(0)", "no value at all")]
)
def test_sweeps_that_cannot_be_listed(hydra: tuple[ConfigLoader, DictConfig], word: str, mention: str) -> None:
    with pytest.raises(UserError, match=mention.replace("(", r"\(").replace(")", r"\)")):
        expand([word], hydra[0])
