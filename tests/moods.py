"""A loss that fails in the way that its mood says: PYTHONPATH and LOSSBENCH_ALLOW=moody bring it into a run."""

from pathlib import Path

MOODY = """
import os, signal, sys
from lossbench.losses import CrossEntropy

class Moody(CrossEntropy):
    def __init__(self, mood=0, **settings):
        super().__init__(**settings)
        object.__setattr__(self, "mood", mood)

    def per_example(self, logits, target):
        if self.mood == 1:
            raise RuntimeError("the cat sat on the keyboard")
        if self.mood == 2:
            sys.exit(7)
        if self.mood == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.mood == 4:
            bytearray(1 << 60)
        if self.mood == 5 and os.environ.get("SLURM_PROCID", os.environ.get("LOCAL_RANK")) == "1":
            raise RuntimeError("only the second has a cat")
        return super().per_example(logits, target)
"""
CAT = ("loss=cross_entropy", "loss.name=moody", "loss._target_=moody.Moody")


def moody(folder: Path) -> dict[str, str]:
    """Write the module and give the environment that brings it in."""
    (folder / "moody.py").write_text(MOODY)
    return {"PYTHONPATH": str(folder), "LOSSBENCH_ALLOW": "moody"}
