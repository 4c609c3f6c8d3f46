"""Changes of a data set: read from its record, and written there only where something is changed."""

from pathlib import Path

from conftest import plan_run

from lossbench.config.changes import split_changes
from lossbench.config.parse import Node
from lossbench.data.changes.settings import Changes
from lossbench.rundir.identity import identity_hash

NOISE = ("label_noise", "noise", "noise_validation")


def test_a_run_records_changes_that_change_something_alone(tmp_path: Path) -> None:
    plain = plan_run(tmp_path, "data=digits").config
    off = plan_run(tmp_path, "data=digits", "data.label_noise=0", "data.noise=symmetric").config
    noisy = plan_run(tmp_path, "data=digits", "data.label_noise=0.4").config
    assert not {*NOISE} & {*plain.record["data"]}
    assert off.record == plain.record
    assert [noisy.record["data"][key] for key in NOISE] == [0.4, "symmetric", True]
    assert identity_hash(noisy.record) != identity_hash(plain.record)
    assert noisy.fingerprint == plain.fingerprint


def test_a_setting_of_the_class_itself_is_no_change() -> None:
    digits = {"_target_": "lossbench.data.digits.Digits", "name": "digits", "images_per_class": 5, "label_noise": 0.2}
    whole, changes = split_changes(Node(digits))
    assert whole.record == {key: digits[key] for key in ("_target_", "name", "images_per_class")}
    assert changes == Changes(label_noise=0.2)


def test_uneven_classes_are_monitored_by_balanced_accuracy_unless_something_else_is_typed(tmp_path: Path) -> None:
    words = ("data=digits", "data.imbalance=20")
    uneven, typed = (plan_run(tmp_path, *words, *more).config for more in ((), ("monitor=val/nll",)))
    assert (uneven.monitor, typed.monitor) == ("val/balanced_accuracy", "val/nll")
    assert plan_run(tmp_path, "data=digits").config.monitor == "val/accuracy"
    assert (uneven.record["data"]["imbalance"], uneven.record["data"]["imbalance_kind"]) == (20, "exponential")
    assert "imbalance_seed" not in uneven.record["data"]


def test_all_images_per_class_are_the_same_run_as_none_typed(tmp_path: Path) -> None:
    for data in ("digits", "fake_images"):
        plain = plan_run(tmp_path, f"data={data}").config
        assert plan_run(tmp_path, f"data={data}", "data.images_per_class=all").config.record == plain.record
    few = plan_run(tmp_path, "data=fake_images", "data.images_per_class=2").config
    assert few.record["data"]["images_per_class"] == 2
    assert identity_hash(few.record) != identity_hash(plain.record)
    assert few.fingerprint == plain.fingerprint
