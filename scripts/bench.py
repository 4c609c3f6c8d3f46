"""Measure what lossbench promises to be fast.

python scripts/bench.py {step,losses,input,train,sweep} [--data PATH] [--json FILE]

Every figure compares ours with a reference measured alternately in the same process, because machines are noisy.
ratio is how many times cheaper or faster ours is: reference / ours of a cost, ours / reference of a throughput;
more is better.
"""

import argparse
import functools
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Beside this file.
from bench_runs import hush, toy_fit
from bench_train import bare_loop, image_fit

from lossbench.config.composition import conf_folder
from lossbench.errors import UserError, exit_on_user_error


@dataclass(frozen=True)
class Figure:
    """One measured comparison: medians over n alternations, the ratio with its quartiles."""

    name: str
    unit: str
    ours: float
    reference: float
    ratio: float
    quartiles: tuple[float, float]
    n: int


def compare(
    name: str, unit: str, ours: Callable[[], float], reference: Callable[[], float], n: int, *, cost: bool
) -> Figure:
    """Measure both alternately n times; the ratio is the median of the n ratios of neighbours."""
    pairs = [(ours(), reference()) for _ in range(n)]
    ratios = [theirs / mine if cost else mine / theirs for mine, theirs in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Figure(name, unit, mine, theirs, middle, (low, high), n)


def bench_losses(given: argparse.Namespace) -> list[Figure]:
    """Forward and backward of every loss of classes at (256, 1000) against F.cross_entropy, in us on one thread."""
    import torch
    from torch.nn import functional as F

    from lossbench.atlas.catalog import registered
    from lossbench.hardware import keep_freed_memory
    from lossbench.losses.outputs import HeadOutput

    keep_freed_memory()  # as in every run; without it page faults are most of both times
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logits = torch.randn(256, 1000, requires_grad=True)
    second = torch.randn(256, 1000, requires_grad=True)
    features, classes = (F.normalize(torch.randn(n, 1000), dim=-1) for n in (256, 1000))
    cosines = (features @ classes.T).requires_grad_()
    target = torch.randint(1000, (256,))

    def timer(function: Callable[[], Any]) -> Callable[[], float]:
        def measure() -> float:
            times = []
            for _ in range(10):
                logits.grad = second.grad = cosines.grad = None
                start = time.perf_counter()
                function().backward()
                times.append(time.perf_counter() - start)
            return statistics.median(times) * 1e6

        for _ in range(5):
            measure()
        return measure

    figures = []
    for name, entry in registered(conf_folder() / "loss").items():
        if "classification" not in entry.tasks:
            continue
        loss = entry.make()
        output = cosines if loss.takes_cosines else HeadOutput(second, logits) if entry.head else logits
        ours, reference = (
            timer(lambda loss=loss, output=output: loss(output, target)),
            timer(lambda: F.cross_entropy(logits, target)),
        )
        figures.append(compare(f"losses.{name}", "us", ours, reference, 40, cost=True))
    return figures


def bench_step(given: argparse.Namespace) -> list[Figure]:
    """Training steps per second of the toy run with everything on, against a bare LightningModule in a bare Trainer.

    The bare one trains the same layer with the same loss, written in plain torch, and one self.log.
    """
    import pytorch_lightning as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    hush()
    epochs, steps = 2, 1000

    class Bare(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 5, bias=False)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            p = torch.softmax(self.linear(batch[0]), -1).gather(-1, batch[1].unsqueeze(-1))
            loss = (torch.cos(math.pi / 2 * 0.9 * p + 1) - math.cos(math.pi / 2 * 0.9 + 1)).mean()
            self.log("train/loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters())

    def bare() -> float:
        data = TensorDataset(
            torch.eye(4).repeat(steps // epochs, 1), torch.tensor([1, 2, 3, 0]).repeat(steps // epochs)
        )
        options: dict[str, Any] = {
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
        }
        trainer = pl.Trainer(accelerator="cpu", max_epochs=epochs, logger=False, **options)
        task, loader = Bare(), DataLoader(data, batch_size=4)
        start = time.perf_counter()
        trainer.fit(task, loader)
        return steps / (time.perf_counter() - start)

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        return [compare("step", "steps/s", lambda: toy_fit(Path(folder), epochs, steps), bare, 7, cost=False)]


def bench_input(given: argparse.Namespace) -> list[Figure]:
    """Normalised training batches (224 px, random crops, flips) from files, one core, against plain torchvision."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms as T
    from torchvision.datasets import ImageFolder

    from lossbench.data.augment import Augment
    from lossbench.data.module import DataModule
    from lossbench.hardware import keep_freed_memory

    if given.data is None or not given.data.is_dir():
        raise UserError(
            f"--data {given.data} must be a folder of class folders with images, such as an ImageNet train/"
        )
    keep_freed_memory()  # as in every run
    torch.set_num_threads(1)
    batch = 50
    steps = [
        T.RandomResizedCrop(224),
        T.RandomHorizontalFlip(),
        T.ToTensor(),
        T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
    usual = DataLoader(ImageFolder(str(given.data), T.Compose(steps)), batch_size=batch, shuffle=True, drop_last=True)

    def theirs() -> float:
        start = time.perf_counter()
        n = sum(len(images) for images, _ in usual)
        return n / (time.perf_counter() - start)

    figures = []
    with tempfile.TemporaryDirectory() as folder:
        source = every_image(given.data, Path(folder))
        for cache in ("none", "disk"):
            data = DataModule(source, 0, batch, augment=Augment(scale=(0.08, 1.0), flip=0.5), cache=cache)
            data.prepare()

            def ours(data: DataModule = data) -> float:
                start = time.perf_counter()
                n = sum(len(data.device_transforms(one, "train").inputs) for one in data.train_dataloader())
                return n / (time.perf_counter() - start)

            figures.append(compare(f"input.{cache}", "images/s", ours, theirs, 9, cost=False))
    return figures


def every_image(root: Path, cache: Path) -> Any:
    """All images of a folder to train on, but for the two that the other splits need."""
    from lossbench.data.images.files import class_folders
    from lossbench.data.images.source import FileSource, Listing

    class Everything(FileSource):
        def listing(self) -> Listing:
            val, test, *train = class_folders(self.folder, "").names
            files = {"train": train, "val": [val], "test": [test]}
            return Listing(("image",), files, {split: [0] * len(names) for split, names in files.items()}, {})

    return Everything(root=str(root), cache_dir=str(cache), on_bad_image="skip")


def bench_train(given: argparse.Namespace) -> list[Figure]:
    """ResNet-50, 224 px, bf16, channels_last, compiled, on a GPU: whole runs against a bare loop on one batch."""
    import torch

    if not torch.cuda.is_available() and not given.tiny:
        raise UserError("this figure is about a GPU and this machine has none; --tiny runs the same code on a CPU")
    hush()
    with tempfile.TemporaryDirectory() as folder:
        figures = []
        for cache in ("gpu", "disk"):
            trained = functools.partial(image_fit, Path(folder), cache, given.tiny)
            figures.append(compare(f"train.{cache}", "images/s", trained, lambda: bare_loop(given.tiny), 3, cost=False))
        return figures


def bench_sweep(given: argparse.Namespace) -> list[Figure]:
    """Many runs through hydra/launcher=vectorized against one run after another, in ms a run (heads: run-steps per s).

    A thousand toy runs of 5,000 steps against two, 200 linear heads of 300 steps against one: the reference is
    extrapolated from these.
    """
    import contextlib
    import io

    import bench_sweep as work

    from lossbench.hardware import keep_freed_memory

    hush()
    keep_freed_memory()
    many, steps = (20, 20) if given.tiny else (1000, 300)

    def alone() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return 1e3 * 5000 / toy_fit(Path(folder), 10, 5000)

    def silent(work: Callable[[], float]) -> Callable[[], float]:
        def measure() -> float:
            with contextlib.redirect_stdout(io.StringIO()):
                return work()

        return measure

    ours, theirs = (lambda: 1e3 * work.toy_sweep(many, True)), (lambda: 1e3 * work.toy_sweep(2, False))
    return [
        compare("sweep.toy_training", "ms/run", lambda: 1e3 * work.toy_training(many), alone, 3, cost=True),
        compare("sweep.toy_all", "ms/run", silent(ours), silent(theirs), 3, cost=True),
        compare(
            "sweep.heads", "steps/s", lambda: work.heads(many // 5, steps), lambda: work.one_head(steps), 3, cost=False
        ),
    ]


BENCHES = {"losses": bench_losses, "step": bench_step, "input": bench_input, "train": bench_train, "sweep": bench_sweep}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(BENCHES))
    parser.add_argument("--data", type=Path, help="input: a folder of class folders with images")
    parser.add_argument(
        "--tiny", action="store_true", help="train, sweep: the same code, small; its figures mean nothing"
    )
    parser.add_argument("--json", type=Path, help="also write {figure: {ours, reference, ratio}} to this file")
    given = parser.parse_args()
    if given.json and not given.json.absolute().parent.is_dir():
        parser.error(f"--json {given.json}: there is no such folder")
    figures = BENCHES[given.name](given)
    print(f"{'figure':24}{'unit':>9}{'ours':>12}{'reference':>12}{'ratio':>10}{'quartiles':>20}{'n':>5}")
    for f in figures:
        quartiles = f"{f.quartiles[0]:.2f} .. {f.quartiles[1]:.2f}"
        print(f"{f.name:24}{f.unit:>9}{f.ours:12.4g}{f.reference:12.4g}{f.ratio:10.2f}{quartiles:>20}{f.n:5}")
    if given.json:
        values = {f.name: {"ours": f.ours, "reference": f.reference, "ratio": f.ratio} for f in figures}
        given.json.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    exit_on_user_error(main)
