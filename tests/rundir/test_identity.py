"""What decides the numbers changes the hash; nothing else does."""

from copy import deepcopy
from typing import Any

import pytest

from lossbench.rundir.identity import differences, identity, identity_hash

CONFIG: dict[str, Any] = {
    "data": {
        "name": "toy",
        "_target_": "lossbench.data.toy.Toy",
        "init": "published",
        "batch_size": 4,
        "num_workers": 0,
    },
    "model": {"name": "linear", "_target_": "lossbench.models.linear.Linear", "bias": False},
    "head": None,
    "loss": {"name": "cosine_prob", "_target_": "lossbench.losses.CosineProb", "alpha": 0.3, "beta": 1.0},
    "optimizer": {"name": "adam", "_target_": "torch.optim.Adam", "lr": 1e-3, "betas": [0.9, 0.999]},
    "scheduler": {"name": "constant", "_target_": "lossbench.training.schedules.Constant"},
    "callbacks": {},
    "yardsticks": {"cross_entropy": {"_target_": "lossbench.losses.CrossEntropy"}},
    "trainer": {
        "max_epochs": 10,
        "max_steps": -1,
        "precision": "32-true",
        "devices": 1,
        "num_nodes": 1,
        "gradient_clip_val": None,
    },
    "evaluate": "last",
    "monitor": "val/accuracy",
    "fingerprint": "0123456789abcdef",
    "seed": 0,
    "logger": {},
}


def test_a_setting_at_its_usual_value_orphans_no_run() -> None:
    usual = deepcopy(CONFIG)
    usual["data"]["interpolation"] = "bilinear"
    usual["model"]["pretrained_match"] = "order"
    assert identity_hash(usual) == identity_hash(CONFIG)
    usual["data"]["interpolation"] = "bicubic"
    assert identity_hash(usual) != identity_hash(CONFIG)


def changed(path: str, value: object) -> dict[str, Any]:
    config = deepcopy(CONFIG)
    *parents, last = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[last] = value
    return config


def test_the_scheme_is_the_one_that_named_the_runs_there_are() -> None:
    # If this fails, every run on every disk is orphaned: undo the change, or raise RESULT_VERSION and mean it.
    assert identity_hash(CONFIG) == "f2d6af7a0e4f85bbe5b85f427a661f66a0bb10a978505128f3aef6889111a8f1"


def test_all_replicates_are_one_experiment_and_none_of_seeds() -> None:
    replicates = [{**changed("data.replicate", r), "replicate": r, "seed": r} for r in (0, 7)]
    assert {identity_hash(each) for each in replicates} == {
        "ef3d2705d41ed2af12ac9453f3009bda0fb7786b82ed579c53fc3a11ecf94886"
    }
    assert differences(identity(replicates[0]), identity(CONFIG)) == ["replicates: None -> True"]
    assert identity_hash({**replicates[0], "trial": False}) == identity_hash(replicates[0])
    assert differences(identity({**replicates[0], "trial": True}), identity(replicates[0])) == ["trial: None -> True"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("replicate", None),
        ("seed", 1),
        ("logger", {"csv": {"_target_": "x"}}),
        ("runs_dir", "/elsewhere"),
        ("progress_bar", True),
        ("unrelated", {"new": [1, 2]}),
        ("trainer.accelerator", "gpu"),
        ("trainer.threads", 4),
        ("data.num_workers", 8),
        ("data.root", "/data"),
        ("data.download", True),
        ("data.pin_memory", True),
        ("data.cache_dir", "/cache"),
        ("data.train_list", "a.txt"),
        ("data.on_bad_image", "skip"),
        ("model.pretrained", "weights.pth"),
        ("model.pretrained", True),
        ("augment", {}),
        ("weights", None),
        ("trainer.accumulate_grad_batches", 1),
        ("trainer.sync_batchnorm", False),
        ("trainer.compile", True),
        ("trainer.channels_last", True),
        ("figures", True),
        ("data.new_option", None),
        ("loss.new_option", None),
        ("loss_lr", None),
        ("loss.alpha", 0.1 * 3),
        ("loss.beta", 1),
        ("trainer.max_epochs", 10.0),
        ("trainer.new", 3),
    ],
)
def test_does_not_count(path: str, value: object) -> None:
    config = changed(path, value)
    assert identity_hash(config) == identity_hash(CONFIG)
    assert differences(identity(config), identity(CONFIG)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("augment", {"flip": 0.5}),
        ("weights", {"sha256": "0" * 64}),
        ("data.cache", "disk"),
        ("trainer.accumulate_grad_batches", 2),
        ("trainer.sync_batchnorm", True),
        ("data.name", "other"),
        ("data.init", "random"),
        ("data.batch_size", 2),
        ("data.steps_per_epoch", 5),
        ("data.overfit_batches", 1),
        ("data.split_seed", 1234567890123),
        ("model.bias", True),
        ("model.num_workers", 1),  # a whereabout of the data is a setting elsewhere
        ("head", {"_target_": "lossbench.models.heads.CosineXentHead"}),
        ("loss_lr", 0.01),
        ("loss.alpha", 0.3 + 1e-9),
        ("loss.alpha", "0.3"),
        ("loss.beta", True),
        ("optimizer.lr", 2e-3),
        ("optimizer.betas", [0.999, 0.9]),
        ("scheduler.warmup_epochs", 1),
        ("callbacks.early_stopping", {"patience": 5}),
        ("yardsticks", {}),
        ("trainer.max_epochs", 11),
        ("trainer.max_steps", 100),
        ("trainer.precision", "bf16-mixed"),
        ("trainer.devices", 2),
        ("trainer.num_nodes", 2),
        ("trainer.gradient_clip_val", 1.0),
        ("evaluate", "best"),
        ("monitor", "val/nll"),
        ("fingerprint", "0" * 16),
    ],
)
def test_counts(path: str, value: object) -> None:
    config = changed(path, value)
    assert identity_hash(config) != identity_hash(CONFIG)
    (difference,) = differences(identity(config), identity(CONFIG))
    assert difference.startswith(path)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(True, 1), (1, "1"), (0.5, "0.5"), (False, None), (10**13, 10**13 + 1), ([1, 2], [2, 1]), ([True], [1])],
)
def test_types_are_told_apart(ours: object, theirs: object) -> None:
    a, b = changed("loss.alpha", ours), changed("loss.alpha", theirs)
    assert identity_hash(a) != identity_hash(b)
    assert differences(identity(a), identity(b))


@pytest.mark.parametrize(("ours", "theirs"), [(0.0, -0.0), (1, 1.0), ((1, 2), [1, 2]), (1e-3, 0.001), (1e20, 10**20)])
def test_spellings_of_one_value_are_one(ours: object, theirs: object) -> None:
    assert identity_hash(changed("loss.alpha", ours)) == identity_hash(changed("loss.alpha", theirs))


def test_the_order_of_keys_does_not_matter() -> None:
    backwards = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(CONFIG.items())
    }
    assert list(backwards) != list(CONFIG)
    assert identity_hash(backwards) == identity_hash(CONFIG)


def test_differences_say_from_what_to_what() -> None:
    config = changed("loss.alpha", 0.5)
    assert differences(identity(config), identity(CONFIG)) == ["loss.alpha: 0.3 -> 0.5"]


def test_where_arrays_lie_does_not_count_but_a_setting_of_a_users_own_data_set_does() -> None:
    moved = [{**CONFIG["data"], "path": path, "x": None} for path in ("a.npz", "b.npz")]
    assert identity({**CONFIG, "data": moved[0]}) == identity({**CONFIG, "data": moved[1]}) == identity(CONFIG)
    own = [{**data, "_target_": "my_data.Mine"} for data in moved]
    assert identity({**CONFIG, "data": own[0]}) != identity({**CONFIG, "data": own[1]})
