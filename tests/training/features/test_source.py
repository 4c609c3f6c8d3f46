"""Features: an image passes the backbone once, whatever is split anew; damage and interruptions cost what they hit."""

import errno
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from counted import Counting, N, fake, photos
from photos import save_photo
from torch import nn

from lossbench.data.images.image_source import ImageSource
from lossbench.data.module import DataModule
from lossbench.data.source import SPLITS, replicated
from lossbench.training.features import store as feature_store
from lossbench.training.features.source import FeatureSource, features_of
from lossbench.training.features.store import FeatureStore

FORK = multiprocessing.get_context("fork")


def of(source: ImageSource, backbone: nn.Module, **settings: Any) -> FeatureSource:
    return features_of(backbone, DataModule(source, 0, 4, **settings), "cpu")


def expected(source: ImageSource, stage: str) -> np.ndarray:
    """The features as batches of the stage's own give them."""
    data, backbone = DataModule(source, 0, 4, channels_last=True), Counting()
    with torch.inference_mode():
        parts = [
            backbone.features(data.device_transforms(batch, stage).inputs) for batch in data.evaluation_loader(stage)
        ]
    return torch.cat(parts).numpy()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossbench.data.module.EVALUATED_AT_ONCE", 4)


@pytest.mark.parametrize("make", [fake, photos])
def test_ten_replicates_cost_one_pass(make: Callable[[Path], ImageSource], tmp_path: Path) -> None:
    backbone, source = Counting(), make(tmp_path)
    for r in range(10):
        features = of(replicated(source, r), backbone)
        drawn = replicated(source, r)
        for split in SPLITS:
            assert features.splits[split].ids.tolist() == drawn.splits[split].ids.tolist()
            np.testing.assert_allclose(features.splits[split].inputs, expected(drawn, split), rtol=1e-5, atol=1e-6)
    assert backbone.seen == N
    of(source, backbone)  # a seed's splits, too
    assert backbone.seen == N


def test_replicates_of_features_are_those_of_the_images(tmp_path: Path) -> None:
    source, backbone = fake(tmp_path), Counting()
    features = of(replicated(source, 0), backbone)
    assert features.folds == source.folds
    assert features.pool().ids.tolist() == source.pool().ids.tolist()
    fourth = replicated(features, 4)
    assert fourth.splits["test"].ids.tolist() == replicated(source, 4).splits["test"].ids.tolist()
    assert backbone.seen == N


@pytest.mark.usefixtures("small_batches")
def test_a_seeds_features_are_computed_in_batches_of_its_splits(tmp_path: Path) -> None:
    """To the bit: in other batches the last bits could differ."""
    source = fake(tmp_path)
    features = of(source, Counting())
    for split in SPLITS:
        assert np.array_equal(features.splits[split].inputs, expected(source, split))


def test_a_changed_image_alone_is_computed_again(tmp_path: Path) -> None:
    backbone = Counting()
    of(replicated(photos(tmp_path), 0), backbone)
    name = "a/0.png"
    save_photo(tmp_path / "images" / name, 1000)
    source = replicated(photos(tmp_path), 1)
    features = of(source, backbone)
    assert backbone.seen == N + 1
    at = source.pool().ids.tolist().index(name)
    np.testing.assert_allclose(features.pool().inputs[at], expected(source, "pool")[at], rtol=1e-5)


@pytest.mark.usefixtures("small_batches")
def test_an_interruption_loses_the_block_it_hits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, "BLOCK", 8)
    backbone, source = Counting(), replicated(fake(tmp_path), 0)
    backbone.stop_at = 21
    with pytest.raises(KeyboardInterrupt):
        of(source, backbone)
    assert not [*tmp_path.rglob("*.lock")]
    backbone.stop_at, backbone.seen = None, 0
    features = of(source, backbone)
    assert backbone.seen == N - 16
    assert np.array_equal(features.pool().inputs, expected(source, "pool"))


@pytest.mark.usefixtures("small_batches")
def test_a_killed_process_keeps_the_blocks_that_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, "BLOCK", 8)
    source = replicated(fake(tmp_path), 0)
    backbone = Counting()
    backbone.stop_at, backbone.stop = 21, lambda: os.kill(os.getpid(), signal.SIGKILL)
    process = FORK.Process(target=of, args=(source, backbone))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    backbone = Counting()
    features = of(source, backbone)
    assert backbone.seen == N - 16
    assert np.array_equal(features.pool().inputs, expected(source, "pool"))


@pytest.mark.usefixtures("small_batches")
def test_a_damaged_block_alone_is_computed_again_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feature_store, "BLOCK", 8)
    backbone, source = Counting(), replicated(fake(tmp_path), 0)
    of(source, backbone)
    block = sorted((tmp_path / "features").rglob("*.npz"), key=lambda path: path.stat().st_size)[-1]
    content = bytearray(block.read_bytes())
    content[-300] ^= 1  # in the numbers
    block.write_bytes(content)
    backbone.seen = 0
    with caplog.at_level(logging.WARNING):
        features = of(source, backbone)
    assert backbone.seen == 8
    assert [f"{block} is damaged" in message for message in caplog.messages] == [True]
    assert np.array_equal(features.pool().inputs, expected(source, "pool"))


def test_no_damage_gives_wrong_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    digests, features = np.array(["a", "b"]), np.arange(4, dtype=np.float32).reshape(2, 2)
    store = FeatureStore(tmp_path / "store")
    store.add(digests, features)
    (block,) = store.folder.iterdir()
    whole = block.read_bytes()
    for damaged in [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in range(len(whole))] + [b"", b"x"]:
        block.write_bytes(damaged)
        read, missing = store.read(digests)
        assert len(missing) == 2 or np.array_equal(read, features)
        assert not len(missing) or not block.exists()


def test_blocks_that_cannot_be_read_or_deleted_are_passed_over_and_those_of_other_images_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, row = FeatureStore(tmp_path / "store"), np.array([[1.0]], dtype=np.float32)
    store.add(np.array(["other"]), row)
    (of_others,) = store.folder.iterdir()
    content = of_others.read_bytes()
    at = content.rindex(row.tobytes())
    of_others.write_bytes(content[:at] + b"\1" + content[at + 1 :])
    store.add(np.array(["a"]), row)
    unreadable, damaged = (store.folder / f"{name}.npz" for name in "xy")
    unreadable.mkdir()  # as what belongs to another user, it gives an OSError
    damaged.write_bytes(b"")

    def read_only(path: Path, **_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", read_only)
    read, missing = store.read(np.array(["a", "b"]))
    assert (read[0].tolist(), missing.tolist()) == ([1.0], [1])
    expected = [f"{unreadable} cannot be read", f"{damaged} is damaged"]
    assert [line.partition(" (")[0] for line in caplog.messages] == expected
    assert store.read(np.array(["other"]))[1].tolist() == [0]
    assert f"{of_others} is damaged" in caplog.text


def test_repeats_and_what_is_not_there(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    read, missing = store.read(np.array(["a", "b"]))
    assert (read.shape, missing.tolist()) == ((2, 0), [0, 1])
    store.add(np.array(["b", "c"]), np.array([[1.0], [2.0]], dtype=np.float32))
    store.add(np.array(["a"]), np.array([[3.0]], dtype=np.float32))
    read, missing = store.read(np.array(["c", "a", "x", "c", "b"]))
    assert read[:, 0].tolist() == [2, 3, 0, 2, 1]
    assert missing.tolist() == [2]


def _add(folder: Path, name: str, barrier: Any) -> None:
    barrier.wait()
    for i in range(20):
        FeatureStore(folder).add(np.array([f"{name}{i}"]), np.full((1, 2), i, dtype=np.float32))


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    barrier = FORK.Barrier(2)
    processes = [FORK.Process(target=_add, args=(tmp_path / "store", name, barrier)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    digests = np.array([f"{name}{i}" for name in "ab" for i in range(20)])
    read, missing = FeatureStore(tmp_path / "store").read(digests)
    assert len(missing) == 0
    assert read[:, 0].tolist() == [*range(20)] * 2


def _compute(tmp_path: Path, barrier: Any, seen: Any) -> None:
    backbone = Counting()
    barrier.wait()
    of(replicated(fake(tmp_path), 0), backbone)
    with seen.get_lock():
        seen.value += backbone.seen


def test_of_two_processes_one_computes(tmp_path: Path) -> None:
    barrier, seen = FORK.Barrier(2), FORK.Value("i", 0)
    processes = [FORK.Process(target=_compute, args=(tmp_path, barrier, seen)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert seen.value == N
