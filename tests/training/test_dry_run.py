"""What is tried before a run directory is written: each part once, the real objects, and nothing left behind."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import plan_run

from lossbench import losses
from lossbench.config import rules
from lossbench.config.facts import build_source
from lossbench.config.schema import RunConfig
from lossbench.data.digits import Digits
from lossbench.errors import UserError
from lossbench.losses import Loss, Power
from lossbench.training import dry_run
from lossbench.training.dry_run import DryRun, augmented_examples
from lossbench.training.try_out import require_finite

IMAGES = ("data=fake_images", "data.image_size=16", "data.height=20", "data.width=24", "data.n_train=8", "data.n_val=2")
PARTS = {
    "model and loss": (("loss=cosine_xent",), ("loss=power",), 2),
    "seeds": (("seed=1",), ("seed=2",), 1),
    "learning rates": (("optimizer.lr=0.1",), ("optimizer.lr=0.2",), 1),
    "data": (("data=digits",), ("data=digits", "data.images_per_class=9"), 2),
}


def config_of(tmp_path: Path, *words: str) -> RunConfig:
    kept = [f"data.cache_dir={tmp_path}"] if IMAGES[0] in words else []
    return plan_run(tmp_path / "runs", *kept, *words).config


@pytest.mark.parametrize(("first", "second", "tried"), PARTS.values(), ids=PARTS)
def test_what_runs_have_in_common_is_tried_once(
    tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...], tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[RunConfig] = []
    whole = dry_run._try_losses
    monkeypatch.setattr(dry_run, "_try_losses", lambda config, found: (built.append(config), whole(config, found))[1])
    attempt = DryRun()
    for words in (first, second, first):
        attempt(config_of(tmp_path, *words))
    assert len(built) == tried


@pytest.mark.parametrize(
    "words",
    [
        (*IMAGES, "augment=randaugment", "model=resnet18"),
        (*IMAGES, "augment.mixup=0.2", "model=resnet18", "scheduler=finetune"),
        (*IMAGES, "model=linear_probe", "model.backbone.pretrained=false"),
        ("data=toy_triplets", "loss=triplet_margin"),
        ("data=toy_counts", "loss=poisson_nll"),
        ("data=digits", "loss=arcface", "callbacks=early_stopping", "logger=csv"),
        ("data=digits", "loss=cosine_xent", "monitor=val/xent"),
        ("data=digits", "model=linear", "optimizer=sgd", "optimizer.nesterov=true"),
    ],
    ids=" ".join,
)
def test_what_fits_is_accepted_and_draws_no_random_number(tmp_path: Path, words: tuple[str, ...]) -> None:
    config, before = config_of(tmp_path, *words), torch.get_rng_state()
    files = sorted(tmp_path.rglob("*"))
    DryRun()(config)
    assert torch.equal(torch.get_rng_state(), before)
    assert sorted(tmp_path.rglob("*")) == files


def test_a_data_set_is_read_once_for_all_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("model.hidden=[8]", "model.hidden=[16]", "data.batch_size=32", "loss=power", "data.images_per_class=9")
    configs = [config_of(tmp_path, "data=digits", word) for word in words]
    read: list[Digits] = []
    load = Digits.load
    monkeypatch.setattr(Digits, "load", lambda self: (read.append(self), load(self))[1])
    attempt = DryRun()
    for config in configs:
        attempt(config)
    assert [source.images_per_class for source in read] == [None, 9]


def test_images_are_tried_as_training_sees_them(tmp_path: Path) -> None:
    config = config_of(tmp_path, *IMAGES, "augment.flip=1", "augment.erasing=1", "augment.mixup=0.2")
    found = dry_run.try_parts(config, build_source(config.data.source))
    inputs, target = augmented_examples(found.data)
    assert inputs.shape == (4, 3, 16, 16)
    assert target.dtype == torch.int64


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            [0.0, 0.0],
            r"^loss=mine is inf for the first examples, with .* no learning rate changes: .* loss\.q=0\.5$",
        ),
        ([1.0, 0.0], r"^loss=mine has a gradient that is not finite, with the model's initial weights"),
    ],
)
def test_a_loss_that_is_not_finite_at_the_start_names_its_numbers(values: list[float], line: str) -> None:
    class Mine(Power):
        def per_example(self, output: Any, target: torch.Tensor) -> torch.Tensor:
            probability = output.new_tensor(values) * output.exp()[:, 0]
            return -probability.log() if values[0] == 0 else probability.sub(probability.detach()).sqrt()

    node: Any = type("Named", (), {"name": "mine"})
    with pytest.raises(UserError, match=line):
        require_finite(node, Mine(q=0.5), torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))


def test_inputs_that_are_not_finite_are_named_not_the_loss() -> None:
    node: Any = type("Named", (), {"name": "power"})
    with pytest.raises(UserError, match=r"^the model gives numbers that are not finite .* check the inputs \(nan"):
        require_finite(node, Power(), torch.full((2, 3), float("nan")), torch.zeros(2, dtype=torch.int64))


def test_the_losses_of_several_terms_are_those_that_measure_them() -> None:
    kinds = [kind for kind in vars(losses).values() if isinstance(kind, type) and issubclass(kind, Loss)]
    assert {kind.__name__ for kind in kinds if "terms" in vars(kind) and kind is not Loss} == {*rules.SEVERAL_TERMS}


def test_every_hyper_parameter_has_an_upper_limit() -> None:
    """A number beyond float32's range is refused whatever it is called: no learning rate could help."""
    kinds: list[Callable[..., Loss]] = [
        kind for kind in vars(losses).values() if isinstance(kind, type) and issubclass(kind, Loss) and kind is not Loss
    ]
    tried = 0
    for kind in kinds:
        for each in fields(kind):  # pyright: ignore[reportArgumentType]
            if type(each.default) is float:
                tried += 1
                with pytest.raises(ValueError, match=each.name):
                    kind(**{each.name: 1e308})
    assert tried > 20
