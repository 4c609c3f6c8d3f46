"""Arms are named by what tells them apart, no more and no less."""

import random
from pathlib import Path
from typing import Any

import pytest
from made_runs import change, make_arm, make_run, params_of, read

from lossbench.report.arms import Arm, make_arms
from lossbench.report.settings import differing_settings


def arms_of(folder: Path) -> dict[str, Arm]:
    return {arm.label: arm for arm in make_arms(read(folder))}


def labels(tmp_path: Path, *settings: dict[str, Any], loss: str = "power") -> list[str]:
    paths = [make_run(tmp_path / "study", loss, settings=own) for own in settings]
    found = {arm.runs[0].path: arm.label for arm in make_arms(read(tmp_path))}
    return [found[path] for path in paths]


def test_losses_are_told_by_their_name_alone(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", [0.9], settings={"loss.q": 0.7})
    make_arm(tmp_path / "study", "cosine_prob", [0.9], settings={"loss.alpha": 0.7, "loss.beta": 1.0})
    assert set(arms_of(tmp_path)) == {"power", "cosine_prob"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([{"loss.q": 0.5}, {"loss.q": 1}], ["power q=0.5", "power q=1"]),
        (
            [{"loss.q": 0.1, "optimizer.lr": 1e-5}, {"loss.q": 0.1, "optimizer.lr": 3e-5}],
            ["power lr=1e-05", "power lr=3e-05"],
        ),
        ([{"model.hidden": [128]}, {"model.hidden": [64, 64]}], ["power hidden=[128]", "power hidden=[64, 64]"]),
        (
            [{"loss.weight": 1, "head.weight": 1}, {"loss.weight": 2, "head.weight": 2}],
            ["power head.weight=1 loss.weight=1", "power head.weight=2 loss.weight=2"],
        ),
        (
            [{"trainer.gradient_clip_val": None}, {"trainer.gradient_clip_val": 1.0}],
            ["power gradient_clip_val=null", "power gradient_clip_val=1"],
        ),
        (
            [{"model.name": "mlp"}, {"model.name": "cnn", "model._target_": "my.CNN", "model.depth": 3}],
            ["power mlp", "power cnn"],
        ),
        ([{"loss._target_": "my.Power"}, {}], ["power", "power"]),
        (
            [{}, {"callbacks.ema._target_": "lossbench.training.callbacks.averaging.EMA", "callbacks.ema.decay": 0.9}],
            ["power no ema", "power EMA decay=0.9"],
        ),
        (
            [{}, {"augment._target_": "lossbench.data.augment.Augment", "augment.flip": 0.5}],
            ["power no augment", "power Augment"],
        ),
        (
            [{"trainer.sync_batchnorm": True}, {"trainer.sync_batchnorm": False}],
            ["power sync_batchnorm=true", "power sync_batchnorm=false"],
        ),
    ],
)
def test_labels_name_what_differs(tmp_path: Path, settings: list[dict[str, Any]], expected: list[str]) -> None:
    found = labels(tmp_path, *settings)
    assert [label.partition(" #")[0] for label in found] == expected
    assert len(set(found)) == len(found)


def test_a_setting_tells_apart_only_arms_that_have_it() -> None:
    arms = {
        "soft": params_of("power", 0, "s", {"loss.q": 0.5, "optimizer.lr": 0.1}),
        "hard": params_of("power", 0, "s", {"loss.q": 0.9, "optimizer.lr": 0.1}),
        "other": params_of("cross_entropy", 0, "s", {"loss.q": 7, "optimizer.lr": 0.2}),
    }
    assert differing_settings(arms) == {
        "soft": {"loss.name": "power", "loss.q": 0.5, "optimizer.lr": 0.1},
        "hard": {"loss.name": "power", "loss.q": 0.9, "optimizer.lr": 0.1},
        "other": {"loss.name": "cross_entropy", "optimizer.lr": 0.2},
    }


def test_a_head_belongs_to_its_loss_and_tells_apart_runs_of_that_loss_alone() -> None:
    head = {"head._target_": "lossbench.models.heads.CosineHead", "head.scale": 1.0}
    arms = {"plain": params_of("cross_entropy", 0, "s"), "margin": params_of("arcface", 0, "s", head)}
    named = {"plain": {"loss.name": "cross_entropy"}, "margin": {"loss.name": "arcface"}}
    assert differing_settings(arms) == named
    arms["own"] = params_of("cross_entropy", 0, "s", head)
    assert differing_settings(arms)["own"]["head._target_"].endswith("CosineHead")
    assert differing_settings(arms)["margin"] == named["margin"]


@pytest.mark.parametrize(
    "key",
    ["seed", "study", "data.num_workers", "data.root", "logger.tensorboard._target_", "trainer.threads", "fingerprint"],
)
def test_what_decides_no_number_tells_nothing(key: str) -> None:
    assert differing_settings(
        {"a": {**params_of("power", 0, "s"), key: 1}, "b": {**params_of("power", 0, "s"), key: 2}}
    ) == {
        "a": {},
        "b": {},
    }


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (0.1 + 0.2, 0.3, True),
        (1, 1.0, True),
        (None, {}, True),
        (True, 1, False),
        ("1", 1, False),
        (0.3, 0.3000001, False),
        ([], None, False),
    ],
)
def test_numbers_are_the_same_to_12_digits(ours: Any, theirs: Any, same: bool) -> None:
    arms = {"a": params_of("power", 0, "s", {"loss.q": ours}), "b": params_of("power", 0, "s", {"loss.q": theirs})}
    assert (differing_settings(arms) == {"a": {}, "b": {}}) == same


def test_a_setting_that_is_off_is_one_that_is_not_there() -> None:
    assert differing_settings({"a": params_of("power", 0, "s", {"loss.q": None}), "b": params_of("power", 0, "s")}) == {
        "a": {},
        "b": {},
    }


def test_arms_that_look_alike_are_told_by_their_hash(tmp_path: Path) -> None:
    for name, digest in (("a", "1" * 64), ("b", "2" * 64)):
        change(make_run(tmp_path / name) / "result.json", hash=digest)
    assert set(arms_of(tmp_path)) == {"cross_entropy #11111111", "cross_entropy #22222222"}


def test_labels_are_different_whatever_was_swept(tmp_path: Path) -> None:
    draw = random.Random(0)
    for _ in range(60):
        own = {
            "loss.q": draw.choice([0.1, 0.1000000001, 1, None]),
            "optimizer.lr": draw.choice([0.1, 0.2]),
            "model.name": draw.choice(["mlp", "q=0.1"]),
            "scheduler.warmup_epochs": draw.choice([0, 1.5]),
        }
        folder = tmp_path / str(draw.random())
        make_run(folder, draw.choice(["power", "power q=0.1"]), settings=own)
    records = read(tmp_path)
    found = make_arms(records)
    assert (
        len({arm.label for arm in found})
        == len(found)
        == len({record.result.hash for record in records if record.result})
    )


def test_the_order_of_the_runs_changes_no_arm(tmp_path: Path) -> None:
    make_arm(tmp_path / "a", "power", [0.7, 0.8], first=3, settings={"loss.q": 0.1})
    make_arm(tmp_path / "b", "power", [0.9, 0.6], settings={"loss.q": 0.2})
    make_arm(tmp_path / "b", "cross_entropy", [0.5])
    records = read(tmp_path)
    for order in (records, records[::-1], records[2:] + records[:2]):
        found = {arm.label: (arm.loss, arm.settings, arm.scores("test/accuracy")) for arm in make_arms(order)}
        assert {label: list(scores.items()) for label, (_, _, scores) in found.items()} == {
            "power q=0.1": [(3, 0.7), (4, 0.8)],
            "power q=0.2": [(0, 0.9), (1, 0.6)],
            "cross_entropy": [(0, 0.5)],
        }


def test_another_loss_with_the_same_settings_renames_nothing(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", [0.9], settings={"loss.q": 0.1})
    make_arm(tmp_path / "study", "power", [0.9], settings={"loss.q": 0.2})
    before = set(arms_of(tmp_path))
    make_run(tmp_path / "study", "cosine", settings={"loss.q": 0.3})
    make_run(tmp_path / "study", "power", 1, state="failed", settings={"loss.q": 0.4, "optimizer.lr": 7})
    assert set(arms_of(tmp_path)) - before == {"cosine"}
    assert before <= set(arms_of(tmp_path))


def test_values_leave_out_what_was_not_measured(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", [0.7, 0.8])
    make_run(tmp_path / "study", "power", 2, metrics={"test/ece": None})
    (arm,) = make_arms(read(tmp_path))
    assert arm.values("test/ece").tolist() == [0.5 * (1 - 0.7), 0.5 * (1 - 0.8)]
    assert arm.values("test/brier_scaled").tolist() == []
