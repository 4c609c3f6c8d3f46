"""A loss that fails in training: PYTHONPATH and LOSSBENCH_ALLOW bring its module into a run."""

from pathlib import Path

SOURCE = """
import os, signal, sys
from pathlib import Path
from lossbench.losses import CrossEntropy

def cat():
    raise RuntimeError("the cat sat on the keyboard")

def cat_of_rank_1():
    if os.environ.get("SLURM_PROCID", os.environ.get("LOCAL_RANK")) == "1":
        raise RuntimeError("only rank 1 has a cat")

FAILURES = {
    "raise": cat,
    "raise on rank 1": cat_of_rank_1,
    "exit": lambda: sys.exit(7),
    "sigkill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "memory": lambda: bytearray(1 << 60),
}

class FailingLoss(CrossEntropy):
    def __init__(self, how="never", **settings):
        super().__init__(**settings)
        object.__setattr__(self, "how", how)

    def per_example(self, logits, target):
        loss = super().per_example(logits, target)
        if not self.training or Path(__file__).with_name("repaired").exists():
            return loss
        FAILURES.get(self.how, lambda: None)()
        return loss * float("nan") if self.how == "diverge" else loss
"""
FAILING = ("loss=cross_entropy", "loss.name=failing", "loss._target_=failing.FailingLoss")


def write_failing_loss(folder: Path) -> dict[str, str]:
    """Write the module and give the environment that brings it in."""
    (folder / "failing.py").write_text(SOURCE)
    return {"PYTHONPATH": str(folder), "LOSSBENCH_ALLOW": "failing"}


def repair(folder: Path) -> None:
    """Let the loss fail no more."""
    (folder / "repaired").touch()
