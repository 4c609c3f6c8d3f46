"""Measure what lossbench promises to be fast: python scripts/bench.py {step,losses} [--json FILE].

Every figure compares ours with a reference measured alternately in the same process, because machines are noisy.
ratio is how many times cheaper or faster ours is: reference / ours of a cost, ours / reference of a throughput; more is better.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONF = Path(__file__).resolve().parents[1] / "conf"


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


def compare(name: str, unit: str, ours: Callable[[], float], reference: Callable[[], float], n: int, *, cost: bool) -> Figure:
    """Measure both alternately n times; the ratio is the median of the n ratios of neighbours."""
    pairs = [(ours(), reference()) for _ in range(n)]
    ratios = [theirs / mine if cost else mine / theirs for mine, theirs in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Figure(name, unit, mine, theirs, middle, (low, high), n)


def bench_losses() -> list[Figure]:
    """Forward and backward of every loss at (256, 1000) in float32 against F.cross_entropy, in microseconds, on one thread."""
    import torch
    import yaml
    from torch.nn import functional as F

    from lossbench.build import build
    from lossbench.hardware import keep_freed_memory
    from lossbench.outputs import HeadOutput

    keep_freed_memory()  # as in every run; without it page faults are most of both times
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logits = torch.randn(256, 1000, requires_grad=True)
    second = torch.randn(256, 1000, requires_grad=True)
    target = torch.randint(1000, (256,))

    def timer(function: Callable[[], Any]) -> Callable[[], float]:
        def measure() -> float:
            times = []
            for _ in range(10):
                logits.grad = second.grad = None
                start = time.perf_counter()
                function().backward()
                times.append(time.perf_counter() - start)
            return statistics.median(times) * 1e6

        for _ in range(5):
            measure()
        return measure

    figures = []
    for path in sorted((CONF / "loss").glob("*.yaml")):
        node = yaml.safe_load(path.read_text())
        loss = build(node.get("loss", node), "loss")
        output = HeadOutput(second, logits) if "head" in node else logits
        ours, reference = timer(lambda loss=loss, output=output: loss(output, target)), timer(lambda: F.cross_entropy(logits, target))
        figures.append(compare(f"losses.{path.stem}", "us", ours, reference, 40, cost=True))
    return figures


def bench_step() -> list[Figure]:
    """Training steps per second of the toy run with everything switched on, against a bare LightningModule in a bare Trainer.

    The bare one trains the same layer with the same loss, written in plain torch, and one self.log.
    """
    import logging
    import warnings

    import pytorch_lightning as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # advice on loader workers and logging intervals; nothing here depends on it
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
        data = TensorDataset(torch.eye(4).repeat(steps // epochs, 1), torch.tensor([1, 2, 3, 0]).repeat(steps // epochs))
        options: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        trainer = pl.Trainer(accelerator="cpu", max_epochs=epochs, logger=False, **options)
        task, loader = Bare(), DataLoader(data, batch_size=4)
        start = time.perf_counter()
        trainer.fit(task, loader)
        return steps / (time.perf_counter() - start)

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        return [compare("step", "steps/s", lambda: toy_fit(Path(folder), epochs, steps), bare, 7, cost=False)]


def toy_fit(folder: Path, epochs: int, steps: int) -> float:
    """Fit the toy run as train.py does (metrics, TensorBoard, checkpoints) and return steps per second."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from lossbench.assemble import assemble, build_task
    from lossbench.commandline import load_yardstick
    from lossbench.machine import quiet
    from lossbench.plan import prepare
    from lossbench.run import fit, history_of
    from lossbench.trainer import make_trainer

    with initialize_config_dir(str(CONF), version_base="1.3"):
        given = [f"runs_dir={folder}", f"trainer.max_epochs={epochs}", "trainer=cpu", "progress_bar=false", "force=true"]
        config: Any = OmegaConf.to_container(compose("train", overrides=given), resolve=True)
        run = prepare(config, load_yardstick, [])
    parts = assemble(run.config)
    with quiet(), history_of(run, None) as history:
        task = build_task(run.config, parts)
        trainer = make_trainer(run.config, run, parts, history, None)
        start = time.perf_counter()
        fit(trainer, task, parts, run, None)
        return steps / (time.perf_counter() - start)


BENCHES = {"losses": bench_losses, "step": bench_step}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(BENCHES))
    parser.add_argument("--json", type=Path, help="also write {figure: {ours, reference, ratio}} to this file")
    given = parser.parse_args()
    if given.json and not given.json.absolute().parent.is_dir():
        parser.error(f"--json {given.json}: there is no such folder")
    figures = BENCHES[given.name]()
    print(f"{'figure':24}{'unit':>9}{'ours':>12}{'reference':>12}{'ratio':>8}{'quartiles':>16}{'n':>5}")
    for f in figures:
        quartiles = f"{f.quartiles[0]:.2f} .. {f.quartiles[1]:.2f}"
        print(f"{f.name:24}{f.unit:>9}{f.ours:12.4g}{f.reference:12.4g}{f.ratio:8.2f}{quartiles:>16}{f.n:5}")
    if given.json:
        values = {f.name: {"ours": f.ours, "reference": f.reference, "ratio": f.ratio} for f in figures}
        given.json.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    main()
