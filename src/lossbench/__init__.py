"""lossbench: which classification loss should I train with on my data, and can I trust the answer?"""

from importlib import import_module
from typing import TYPE_CHECKING

from lossbench.errors import UserError

if TYPE_CHECKING:
    from lossbench import losses as losses
    from lossbench.api import compare as compare
    from lossbench.api import train as train
    from lossbench.report.loss_comparison import LossComparison as LossComparison
    from lossbench.trained.loaded import LoadedRun as LoadedRun
    from lossbench.trained.loaded import load as load

__all__ = ["LoadedRun", "LossComparison", "UserError", "compare", "load", "losses", "train"]

# torch and matplotlib take seconds to import: only what is used is.
_MODULES = {
    "LoadedRun": "lossbench.trained.loaded",
    "LossComparison": "lossbench.report.loss_comparison",
    "compare": "lossbench.api",
    "load": "lossbench.trained.loaded",
    "train": "lossbench.api",
}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    if name == "losses":
        return import_module("lossbench.losses")
    raise AttributeError(f"module 'lossbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
