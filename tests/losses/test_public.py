"""`lossbench.losses` is a promise: the names and signatures of public_api.txt stay as they are (docs/use_a_loss.md)."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lossbench import losses
from lossbench.models import heads

PROMISED = Path(__file__).with_name("public_api.txt")
OF_EVERY_LOSS = ("forward", "per_example", "reduce", "weighted", "terms", "logits", "hyper_parameters")
HEADS = ("ClassEmbeddings", "CosineHead", "CosineXentHead")


def written(name: str, value: Any) -> str:
    """A name with its arguments and their defaults, without types."""
    signature = inspect.signature(value)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    return f"{name}{signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)}"


def public() -> Iterator[str]:
    """The API as it is: a line for each name."""
    yield from (written(f"losses.{name}", getattr(losses, name)) for name in losses.__all__ if name != "Loss")
    yield from (written(f"losses.Loss.{name}", getattr(losses.Loss, name)) for name in OF_EVERY_LOSS)
    yield from (written(f"models.heads.{name}", getattr(heads, name)) for name in HEADS)


def test_what_is_promised_is_there_as_it_was_promised() -> None:
    """A new loss breaks no promise; its lines join the file, which `python tests/losses/test_public.py` writes anew."""
    promised = PROMISED.read_text().splitlines()
    assert len(promised) == len(set(promised)) > 70
    assert set(promised) - set(public()) == set()


def test_the_losses_come_with_lossbench_and_without_its_commands() -> None:
    code = (
        "import sys, lossbench; heavy = 'torch' in sys.modules; losses = lossbench.losses; losses.Focal();"
        "print(heavy, [name for name in ('hydra', 'pytorch_lightning', 'torchvision') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False []\n"


if __name__ == "__main__":
    PROMISED.write_text("".join(f"{line}\n" for line in public()))
