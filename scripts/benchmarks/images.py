"""What `bench.py train` measures: a whole run on images against a bare loop."""

import time
from pathlib import Path
from typing import Any

from benchmarks.runs import plan_words


def train_shape(tiny: bool) -> tuple[str, int, int, int]:
    """Model, image size, batch size and steps that are timed."""
    return ("resnet18", 32, 8, 4) if tiny else ("resnet50", 224, 256, 100)


def bare_loop(tiny: bool) -> float:
    """Images a second of plain torch on one batch that never changes."""
    import torch
    from torchvision.models import get_model

    name, size, batch, steps = train_shape(tiny)
    device = torch.device("cpu" if tiny else "cuda")
    model = get_model(name, num_classes=1000).to(device)
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stubs leave this form out
    if not tiny:
        model.compile()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(batch, 3, size, size, device=device).to(memory_format=torch.channels_last)
    target = torch.randint(1000, (batch,), device=device)
    start = 0.0
    for step in range(2 * steps):
        if step == steps:
            synchronise(device)
            start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(model(images), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    synchronise(device)
    return steps * batch / (time.perf_counter() - start)


def synchronise(device: Any) -> None:
    """Wait until the device has done what it was asked to do."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()


def image_fit(folder: Path, cache: str, tiny: bool, *more: str) -> float:
    """Images a second of the second half of an ordinary run on made-up images, logging and all; more words win."""
    from pytorch_lightning.callbacks import Callback

    from lossbench.training.assemble import assemble, build_task
    from lossbench.training.fit import fit, history_of, prepare_model
    from lossbench.training.machine import quiet
    from lossbench.training.trainer import make_trainer

    name, size, batch, steps = train_shape(tiny)
    words = [
        *(
            "data=fake_images",
            f"model={name}",
            "model.stem=imagenet",
            "optimizer=sgd",
            "optimizer.weight_decay=1e-4",
            "loss=cross_entropy",
        ),
        *(f"data.cache={cache}", f"data.cache_dir={folder}/cache"),
        *(
            "data.classes=1000",
            f"data.n_train={4 * batch}",
            f"data.n_val={batch}",
            f"data.n_test={batch}",
            f"data.image_size={size}",
        ),
        *(
            f"data.batch_size={batch}",
            f"data.steps_per_epoch={2 * steps}",
            "trainer.max_epochs=1",
            "trainer.channels_last=true",
        ),
        *(
            "trainer.precision=bf16-mixed",
            f"trainer.compile={str(not tiny).lower()}",
            f"trainer={'cpu' if tiny else 'gpu'}",
            "force=true",
        ),
        *("progress_bar=false", "figures=false", f"runs_dir={folder}/runs"),
        *(("data.height=40", "data.width=48", "data.num_workers=0") if tiny else ()),
        *more,
    ]
    run = plan_words(words)
    parts = assemble(run.config)
    prepare_model(run.config, parts)
    times: list[float] = []

    class Clock(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            if trainer.global_step in (steps, 2 * steps):
                synchronise(trainer.strategy.root_device)
                times.append(time.perf_counter())

    with quiet(), history_of(run, None) as history:
        task = build_task(run.config, parts)
        trainer = make_trainer(run.config, run, parts, history, None)
        trainer.callbacks.insert(0, Clock())  # pyright: ignore[reportAttributeAccessIssue] - set by the trainer's connectors
        fit(trainer, task, parts, run, None)
    return steps * batch / (times[1] - times[0])
