"""What the benchmarks share: runs planned and fitted as train.py does."""

import time
from pathlib import Path
from typing import Any


def plan_words(words: list[str]) -> Any:
    """Plan a run as train.py does."""
    from lossbench.config.composition import composed, hydra_started
    from lossbench.launch.single import plan_composed

    with hydra_started():
        return plan_composed(composed(words), [])


def steps_per_second(run: Any, parts: Any, steps: int) -> float:
    """Fit a run as train.py does (metrics, TensorBoard, checkpoints) and give steps per second."""
    from lossbench.training.assemble import build_task
    from lossbench.training.fit import fit, history_of
    from lossbench.training.machine import quiet
    from lossbench.training.trainer import make_trainer

    with quiet(), history_of(run, None) as history:
        task = build_task(run.config, parts)
        trainer = make_trainer(run.config, run, parts, history, None)
        start = time.perf_counter()
        fit(trainer, task, parts, run, None)
        return steps / (time.perf_counter() - start)


def toy_fit(folder: Path, epochs: int, steps: int) -> float:
    """Fit the toy run and give steps per second."""
    from lossbench.training.assemble import assemble

    run = plan_words(
        [f"runs_dir={folder}", f"trainer.max_epochs={epochs}", "trainer=cpu", "progress_bar=false", "force=true"]
    )
    return steps_per_second(run, assemble(run.config), steps)


def hush() -> None:
    """Keep Lightning's advice on loader workers and logging intervals off the screen; nothing here depends on it."""
    import logging
    import warnings

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
