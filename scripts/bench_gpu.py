"""Measure what a GPU brings.

python scripts/bench_gpu.py {images,stacks,features} [--tiny]

images: ResNet-50 at 224 px by precision and memory format; stacks: run-steps of many runs as one tensor program, and of
one run by Lightning; features: images a second through frozen backbones. --tiny runs the same code on a CPU, and its
figures mean nothing.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.images import image_fit, synchronise
from benchmarks.many import head_parts

# Beside this file.
from benchmarks.runs import hush, plan_words, steps_per_second

from lossbench.config.schema import RunConfig
from lossbench.config.sections import Optimizer
from lossbench.errors import UserError, exit_on_user_error

SECONDS = 2.0
"""How long the steps of a stack are counted."""


def images(tiny: bool) -> Iterator[str]:
    """Images a second of an ordinary run, and the most GPU memory that it has had."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        for precision in ("32-true", "bf16-mixed", *(() if tiny else ("16-mixed",))):
            for last in ("false", "true"):
                words = (f"trainer.precision={precision}", f"trainer.channels_last={last}", "trainer.compile=false")
                _forget_peak()
                speed = image_fit(Path(folder), "gpu", tiny, *words)
                peak = 0 if tiny else torch.cuda.max_memory_allocated() / 1e9
                yield f"{precision} channels_last={last}: {speed:,.0f} images/s, {peak:.1f} GB"


def _forget_peak() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def stacks(tiny: bool) -> Iterator[str]:
    """Run-steps a second, each run with a learning rate of its own, of 64 seeds."""
    import torch

    device = torch.device("cpu" if tiny else "cuda")
    with tempfile.TemporaryDirectory() as folder:
        made = {"mlp on digits": digits_parts(folder), "head on 5,912 x 512 features": head_parts(Path(folder), 10**5)}
        for name, (config, parts) in made.items():
            for runs in (2, 4) if tiny else (10, 100, 1000, 4000):
                for engine, how in (("eager", "eager"), (None, "as it chooses")):
                    speed = stack_speed(config, parts, runs, device, engine)
                    yield f"{name}, {runs:,} runs, {how}: {speed:,.0f} run-steps/s"
        trainer = "trainer=cpu" if tiny else "trainer=gpu"
        words = ("data=digits", "model=mlp", "loss=cross_entropy", trainer, "logger=none", "trainer.max_epochs=20")
        run = plan_words([*words, f"runs_dir={folder}/alone", "progress_bar=false"])
        parts = digits_parts(folder)[1]
        speed = steps_per_second(run, parts, 20 * parts.steps_per_epoch)
        yield f"mlp on digits, one run by Lightning: {speed:,.0f} steps/s"


def digits_parts(folder: str) -> tuple[RunConfig, Any]:
    """The configuration and the objects of an MLP on digits."""
    from lossbench.training.assemble import assemble

    words = ("data=digits", "model=mlp", "loss=cross_entropy", "trainer=cpu", "trainer.max_epochs=1000", "force=true")
    config = plan_words([*words, f"runs_dir={folder}"]).config
    return config, assemble(config)


def stack_speed(config: RunConfig, parts: Any, runs: int, device: Any, engine: str | None) -> float:
    """Run-steps a second of so many runs, logging included; the engine is `eager`, or what the stack chooses."""
    from lossbench.vectorized.shared import Shared
    from lossbench.vectorized.train import StackedRuns

    rates = [Optimizer({**config.optimizer.record, "lr": 1e-3 * (1 + k / runs)}) for k in range(runs)]
    configs = [replace(config, seed=k % 64, optimizer=rate) for k, rate in enumerate(rates)]
    stacked = StackedRuns(configs, Shared(parts), device)
    stacked.stack.engine = engine
    stacked.stack.train_step()
    synchronise(device)
    first, began = stacked.stack.step, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        for _ in range(10):
            stacked._step()
        synchronise(device)
    return runs * (stacked.stack.step - first) / (time.perf_counter() - began)


def features(tiny: bool) -> Iterator[str]:
    """Images a second through frozen backbones, from the cache of decoded images to the features on disk."""
    sizes = (
        ("data.n_train=16", "data.n_val=8", "data.n_test=8", "data.image_size=32") if tiny else ("data.n_train=4096",)
    )
    resnet = "resnet18" if tiny else "resnet50"
    backbones: dict[str, tuple[str, ...]] = {resnet: (f"model/backbone={resnet}",)}
    if find_spec("timm"):
        backbones["lite0"] = ("model/backbone=timm", "model.backbone.name=efficientnet_lite0")
    with tempfile.TemporaryDirectory() as folder:
        for name, words in backbones.items():
            for cache in ("gpu", "disk"):
                more = (*sizes, *words, f"data.cache={cache}", f"trainer={'cpu' if tiny else 'gpu'}")
                yield f"{name} data.cache={cache}: {feature_speed(folder, more):,.0f} images/s"


def feature_speed(folder: str, words: Sequence[str]) -> float:
    """Images a second, the second time: the first one starts the device."""
    from lossbench.config.facts import build_source
    from lossbench.training.assemble import build_data
    from lossbench.training.features.source import features_of
    from lossbench.training.modules import build_backbone

    usual = (
        "data=fake_images",
        "model=linear_probe",
        "model.backbone.pretrained=false",
        "data.num_workers=0",
        "force=true",
    )
    config = plan_words([*usual, *words, f"data.cache_dir={folder}/cache", f"runs_dir={folder}/runs"]).config
    assert config.model.backbone is not None
    source = build_source(config.data.source)
    data = build_data(config, source)
    backbone = build_backbone(config.model.backbone, source.input_shape, source.num_classes)

    def speed() -> float:
        shutil.rmtree(Path(folder) / "cache" / "features", ignore_errors=True)
        began = time.perf_counter()
        found = features_of(backbone, data, config.trainer.accelerator)
        return sum(len(split.inputs) for split in found.given.values()) / (time.perf_counter() - began)

    speed()
    return speed()


PARTS = {"images": images, "stacks": stacks, "features": features}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--tiny", action="store_true", help="the same code, small, on a CPU; its figures mean nothing")
    given = parser.parse_args()
    exit_on_user_error(lambda: measure(given.part, given.tiny))


def measure(part: str, tiny: bool) -> None:
    """Measure and print."""
    require_gpu(tiny)
    hush()
    for line in PARTS[part](tiny):
        print(line, flush=True)


def require_gpu(tiny: bool) -> None:
    """Require a GPU, except for what is tiny.

    Raises:
        UserError: there is none.
    """
    import torch

    if not tiny and not torch.cuda.is_available():
        raise UserError("these figures are about a GPU and this machine has none; --tiny runs the same code on a CPU")


if __name__ == "__main__":
    main()
