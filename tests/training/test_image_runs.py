"""Runs on images: regularisation, resuming, frozen features, fine-tuning, pictures."""

import json
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import plan_run
from PIL import Image
from run_files import rows, same, steady, weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import lossbench
import lossbench.training.features.source
import lossbench.training.features.work
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.losses import CosineProb
from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
from lossbench.training.task import TrainingTask

Plan = Callable[..., RunDirectory]
SMALL = (
    *(
        "data=fake_images",
        "data.classes=4",
        "data.n_train=48",
        "data.n_val=13",
        "data.n_test=15",
        "data.image_size=16",
        "data.batch_size=8",
    ),
    *(
        "data.height=24",
        "data.width=30",
        "data.num_workers=0",
        "model=mlp",
        "figures=false",
        "trainer=cpu",
        "log_every_n_steps=1",
    ),
)
RESNET = ("model=resnet18", "model.stem=imagenet")
PROBE = ("model=linear_probe", "model.backbone.pretrained=false", "model.backbone.stem=imagenet", "loss=cross_entropy")
MIXED = ("augment.mixup=0.4", "augment.cutmix=1.0", "augment.label_smoothing=0.1", "augment.erasing=0.5")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Plan a small run on images below a temporary folder."""
    return lambda *words: plan_run(tmp_path / "runs", *SMALL, f"data.cache_dir={tmp_path / 'cache'}", *words)


def interrupt_at(step: int, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = TrainingTask.on_train_batch_start

    def stop(self: TrainingTask, batch: Any, batch_idx: int) -> None:
        if (self.global_step, batch_idx % self._accumulate) == (step, part):
            raise ArithmeticError("stopped here")
        before(self, batch, batch_idx)

    monkeypatch.setattr(TrainingTask, "on_train_batch_start", stop)


def test_a_probe_mixes_features_and_refuses_crops(plan: Plan) -> None:
    start(plan(*PROBE, "augment=mixing"))
    with pytest.raises(UserError, match=r"augment\.scale works on images, not on features; use augment=none"):
        start(plan(*PROBE, "augment=crop_flip"))


def test_the_backbone_of_a_probe_is_a_choice(plan: Plan) -> None:
    run = plan(*PROBE, "model/backbone=resnet34")
    parts = assemble(run.config)
    assert parts.backbone is not None
    assert len(parts.backbone.get_submodule("backbone.layer3")) == 6  # pyright: ignore[reportArgumentType] - a Sequential


@pytest.mark.parametrize(
    "words",
    [
        (*MIXED, "checkpoint.every_n_steps=2"),
        ("callbacks=ema", "callbacks.ema.decay=0.8", "checkpoint.every_n_steps=2"),
        ("trainer.accumulate_grad_batches=2", *MIXED, "checkpoint.every_n_steps=1"),
        (*RESNET, "scheduler=finetune", "optimizer=adamw", "checkpoint.every_n_steps=1"),
        ("augment=trivialaugment", "data.cache=disk", "data.num_workers=2", "checkpoint.every_n_steps=2"),
        ("data.cache=gpu", "augment.erasing=1.0", "checkpoint.every_n_steps=2"),
    ],
    ids=["mixed", "ema", "accumulated", "finetune", "transforms", "device"],
)
def test_an_interrupted_run_ends_like_one_that_was_left_alone(
    plan: Plan, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = plan(*words), plan(*words, "study=broken")
    result = start(whole)
    with monkeypatch.context() as patch:
        interrupt_at(9, 1 if "trainer.accumulate_grad_batches=2" in words else 0, patch)
        with pytest.raises(ArithmeticError):
            start(broken)
    assert broken.checkpoint("last").exists()
    assert start(broken).metrics == result.metrics
    assert same(weights(whole), weights(broken))
    assert steady(whole) == steady(broken)


def test_parts_of_a_batch_are_the_batch(plan: Plan) -> None:
    whole, parts = start(plan()), start(plan("trainer.accumulate_grad_batches=4"))
    assert (whole.steps, parts.steps) == (12, 12)
    assert whole.hash != parts.hash
    assert parts.metrics == pytest.approx(whole.metrics, abs=1e-5)
    ours, theirs = (
        rows(RunDirectory(Path(str(run))), "train/loss")
        for run in (plan("trainer.accumulate_grad_batches=4").path, plan().path)
    )
    assert [step for step, _ in ours] == list(range(12))
    assert [value for _, value in ours] == pytest.approx([value for _, value in theirs], abs=1e-5)


def test_the_average_of_the_weights_is_what_is_tested_saved_and_loaded(plan: Plan) -> None:
    plain, averaged = plan(), plan("callbacks=ema", "callbacks.ema.decay=0.5")
    start(plain)
    result = start(averaged)
    assert not same(weights(plain), weights(averaged))
    loaded = lossbench.load(averaged.path)
    metrics = loaded.evaluate("test")
    assert {name: metric.value for name, metric in metrics.items()} == pytest.approx(
        {name.removeprefix("test/"): value for name, value in result.metrics.items() if name.startswith("test/")},
        abs=1e-6,
    )
    state = {
        name.removeprefix("model."): value for name, value in weights(averaged).items() if name.startswith("model.")
    }
    assert same(state, loaded.model.state_dict())
    live = torch.load(averaged.checkpoint("last"), weights_only=True)["current_model_state"]
    assert same(
        {k: v for k, v in live.items() if k.startswith("model.")},
        {k: v for k, v in weights(plain).items() if k.startswith("model.")},
    )


def test_the_best_average_is_what_is_judged(plan: Plan) -> None:
    words = (
        "loss=cosine_prob",
        "callbacks=ema",
        "callbacks.ema.decay=0.5",
        "evaluate=best",
        "optimizer.lr=0.3",
        "trainer.max_epochs=6",
        "monitor=val/nll",
    )
    run = plan(*words)
    result = start(run)
    history = rows(run, "val/nll")
    assert min(value for _, value in history) < 0.9 * history[-1][1]  # the last average is not the best one
    assert result.metrics["val/nll"] == pytest.approx(min(value for _, value in history), abs=1e-6)
    assert lossbench.load(run.path).evaluate("val")["nll"].value == pytest.approx(result.metrics["val/nll"], abs=1e-6)
    run.result_path.unlink()
    assert start(run).metrics == result.metrics


@pytest.mark.slow
def test_a_compiled_run_is_an_ordinary_one(plan: Plan) -> None:
    plain, compiled = plan(), plan("trainer.compile=true", "trainer.channels_last=true", "study=compiled")
    first, second = start(plain), start(compiled)
    assert first.hash == second.hash
    assert weights(plain).keys() == weights(compiled).keys()
    assert second.metrics == pytest.approx(first.metrics, abs=1e-4)
    assert lossbench.load(compiled.path).evaluate("test")["accuracy"].value == second.metrics["test/accuracy"]


def test_soft_targets_are_refused_by_losses_that_do_not_take_them(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CosineProb, "soft_targets", False)
    with pytest.raises(
        UserError, match=r"augment\.cutmix=1\.0 makes targets of several classes.*use augment\.cutmix=0"
    ):
        start(plan("loss=cosine_prob", "augment.cutmix=1.0"))


def test_crops_are_refused_where_there_are_no_images(planned: Plan) -> None:
    with pytest.raises(UserError, match=r"augment\.scale works on images, not on data=digits; use augment=none"):
        start(planned("data=digits", "augment=crop_flip"))


def test_mixing_works_without_images(planned: Plan) -> None:
    words = (
        "data=digits",
        "trainer.max_epochs=3",
        "data.steps_per_epoch=4",
        "loss=cross_entropy",
        "log_every_n_steps=1",
    )
    smooth = ("augment=mixing", "augment.mixup=0", "augment.label_smoothing=0.2")
    by_target, by_loss = planned(*words, *smooth), planned(*words, "loss.label_smoothing=0.2")
    start(by_target)
    start(by_loss)
    ours, theirs = rows(by_target, "train/loss"), rows(by_loss, "train/loss")
    assert [value for _, value in ours] == pytest.approx([value for _, value in theirs], abs=1e-5)


# -- fine-tuning


def test_the_head_trains_alone_then_everything_by_depth(plan: Plan) -> None:
    words = (
        *RESNET,
        "scheduler=finetune",
        "optimizer=adamw",
        "checkpoint.every_n_steps=1",
        "optimizer.lr=0.01",
        "optimizer.weight_decay=0.5",
    )
    run = plan(*words, "trainer.max_epochs=2")
    start_weights = {name: value.clone() for name, value in assemble(run.config).model.state_dict().items()}
    head_only = plan(*words, "trainer.max_epochs=1")
    start(head_only)
    after = {name.removeprefix("model."): value for name, value in weights(head_only).items()}
    parameters = dict(assemble(run.config).model.named_parameters())
    moved = {name.split(".")[0] for name in parameters if not torch.equal(after[name], start_weights[name])}
    assert moved == {"head"}
    start(run)
    after = {name.removeprefix("model."): value for name, value in weights(run).items()}
    assert all(not torch.equal(after[name], start_weights[name]) for name in parameters)
    optimizer = torch.load(run.checkpoint("last"), weights_only=True)["optimizer_states"][0]
    rates = [group["initial_lr"] and group["lr"] for group in optimizer["param_groups"]]
    assert len(rates) == 6
    assert [b / a for a, b in pairwise(rates)] == pytest.approx([0.01 ** (-1 / 5)] * 5)
    # The optimiser started anew for the second part.
    assert {int(state["step"]) for state in optimizer["state"].values()} == {6}


def test_fine_tuning_needs_groups_of_layers(plan: Plan) -> None:
    with pytest.raises(UserError, match=r"scheduler=finetune needs a model with groups of layers, model=mlp has none"):
        plan("scheduler=finetune")


# -- frozen features


def test_a_run_says_what_the_data_are_before_features_are_computed(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lossbench.training.features.source, "computed", lambda *given: pytest.fail("computed"))
    with pytest.raises(pytest.fail.Exception, match="computed"):
        start(plan(*PROBE))
    assert "data: " in capsys.readouterr().out


def test_features_are_computed_once_for_every_loss_and_seed(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    run = plan(*PROBE)
    result = start(run)
    parts = assemble(run.config)
    assert parts.backbone is not None
    with torch.inference_mode():
        test = next(iter(parts.data.test_dataloader()))
        images = plan().config  # the same data, as images
        pictures = assemble(images).data
        batch = pictures.device_transforms(next(iter(pictures.test_dataloader())), "test")
        torch.testing.assert_close(parts.backbone.features(batch.inputs), test.inputs)  # pyright: ignore[reportCallIssue]
    assert lossbench.load(run.path).evaluate("test")["nll"].value == pytest.approx(result.metrics["test/nll"], abs=1e-6)
    monkeypatch.setattr(lossbench.training.features.work, "_compute", lambda *given: pytest.fail("computed again"))
    start(plan(*PROBE, "loss=cosine_prob"))
    start(plan(*PROBE, "seed=1", "optimizer.lr=0.1"))
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        assemble(plan(*PROBE, "data.image_size=20").config)


@pytest.mark.parametrize("words", [PROBE, ("data.cache=disk", "loss=cross_entropy")], ids=["probe", "images"])
def test_replicates_share_what_is_computed_and_are_tested_again_on_their_own_images(
    words: tuple[str, ...], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [plan(*words, f"replicate={r}") for r in range(3)]
    results = [start(runs[0])]
    monkeypatch.setattr(lossbench.training.features.work, "_compute", lambda *given: pytest.fail("computed again"))
    monkeypatch.setattr("lossbench.data.images.cache.build_cache", lambda *given: pytest.fail("decoded again"))
    results += [start(run) for run in runs[1:]]
    assert len({run.path.parent for run in runs}) == 1
    assert [(result.replicate, result.folds, result.n) for result in results] == [
        (r, 5, {"val": 13, "test": 16 if r == 0 else 15}) for r in range(3)
    ]
    seen = [{*np.load(run.predictions_path, allow_pickle=False)["test_ids"].tolist()} for run in runs]
    assert [len(first & second) for first, second in combinations(seen, 2)] == [0, 0, 0]
    for run, result in zip(runs, results, strict=True):
        accuracy = lossbench.load(run.path).evaluate("test")["accuracy"].value
        assert accuracy == pytest.approx(result.metrics["test/accuracy"], abs=1e-6)


def test_kept_features_that_are_damaged_are_computed_again(plan: Plan, tmp_path: Path) -> None:
    run = plan(*PROBE)
    before = assemble(run.config).data.split("train").inputs
    for path in (tmp_path / "cache" / "features").rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(assemble(run.config).data.split("train").inputs, before)


def test_a_probe_takes_pretrained_weights_by_content(plan: Plan, tmp_path: Path) -> None:
    base = plan(*RESNET, "trainer.max_epochs=1")
    start(base)
    copies = [tmp_path / "a.ckpt", tmp_path / "b.ckpt"]
    for copy in copies:
        copy.write_bytes(base.checkpoint("last").read_bytes())
    first, second = (plan(*PROBE, f"model.backbone.pretrained={copy}") for copy in copies)
    assert first.path == second.path
    result = start(first)
    assert result.weights_sha256 == first.record["weights"]["sha256"]
    headed = plan(*RESNET, f"model.pretrained={copies[1]}", "loss=cosine_xent_head", "trainer.max_epochs=1")
    assert start(headed).weights_sha256 == result.weights_sha256
    copies[0].write_bytes(copies[0].read_bytes() + b"0")
    assert plan(*PROBE, f"model.backbone.pretrained={copies[0]}").path != first.path
    with pytest.raises(UserError, match=r"the pretrained weights of .* have changed"):
        lossbench.load(first.path)


# -- what is seen


def test_pictures_are_drawn_into_the_run_and_its_tensorboard(plan: Plan) -> None:
    run = plan("figures=auto", "logger=tensorboard", *MIXED)
    result = start(run)
    for name in ("augmented", "confusion", "mistakes", "reliability"):
        with Image.open(run.path / "figures" / f"{name}.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    board = EventAccumulator(str(run.path / "tensorboard"), size_guidance={"images": 0}).Reload()
    assert sorted(board.Tags()["images"]) == ["augmented", "confusion", "mistakes", "reliability"]
    assert result.classes == [f"pattern {i}" for i in range(4)]


def test_pictures_of_what_are_no_images(planned: Plan) -> None:
    words = ("data=digits", "trainer.max_epochs=1", "data.steps_per_epoch=2")
    quiet, drawn = planned(*words), planned(*words, "figures=true", "seed=1")
    start(quiet)
    start(drawn)
    assert not (quiet.path / "figures").exists()
    assert sorted(path.name for path in (drawn.path / "figures").iterdir()) == ["confusion.png", "reliability.png"]


def test_what_was_left_out_is_counted_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from photos import make_imagenet

    root = make_imagenet(tmp_path / "data")
    bad = sorted((root / "val" / "n00000000").iterdir())[0]
    bad.write_bytes(b"")
    (root / "test").mkdir()
    words = (
        "data=imagenet_subset",
        f"data.root={root}",
        "data.images_per_class=8",
        "data.image_size=16",
        "data.batch_size=8",
    )
    small = (
        "model=mlp",
        "data.num_workers=0",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "figures=false",
        f"data.cache_dir={tmp_path / 'cache'}",
    )
    with pytest.raises(UserError, match=rf"^1 of 30 images cannot be read, the first is {bad} \(empty file\)"):
        plan_run(tmp_path / "runs", *words, *small)
    run = plan_run(tmp_path / "runs", *words, *small, "data.on_bad_image=skip")
    result = start(run)
    assert result.facts["skipped_images"] == {"train": 0, "val": 0, "test": 1}
    assert result.facts["learnt_images"] == {"val": 0, "test": 0}
    assert result.n == {"val": 6, "test": 5}
    out, line = capsys.readouterr().out, "using 24 of 30 training images (data.images_per_class=8); test/ is not used"
    assert "1 images could not be read and were left out" in out
    assert f"data: {line}; 1 images cannot be read (data.on_bad_image=skip)\n" in out
    assert out.count("data: data (imagenet_subset), 3 classes, 18 train / 6 val / 5 test images, 6 training ") == 1
    assert run.log_path.read_text().count(f" data: {line}; ") == 1
    assert result.facts["left_out"] == [*line.split("; "), "1 images cannot be read (data.on_bad_image=skip)"]


def test_the_hash_of_a_list_in_force_is_in_the_result(tmp_path: Path) -> None:
    from hashlib import sha256

    from photos import make_imagenet

    root = make_imagenet(tmp_path / "data")
    train = tmp_path / "train.txt"
    train.write_text("".join(f"n{c:08d}/n{c:08d}_{i}.JPEG\n" for c in range(3) for i in range(8)))
    words = (
        "data=imagenet_subset",
        f"data.root={root}",
        "data.images_per_class=null",
        f"data.train_list={train}",
        "data.image_size=16",
    )
    small = (
        "model=mlp",
        "data.num_workers=0",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "figures=false",
        f"data.cache_dir={tmp_path / 'cache'}",
    )
    run = plan_run(tmp_path / "runs", *words, *small, "data.batch_size=8")
    start(run)
    written = json.loads(run.result_path.read_text())
    assert written["lists"] == {"train": {"sha256": sha256(train.read_bytes()).hexdigest(), "known": None}}
