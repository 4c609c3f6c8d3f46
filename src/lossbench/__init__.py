"""lossbench: which classification loss should I train with on my data, and can I trust the answer?"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossbench.training.loaded import LoadedRun as LoadedRun
    from lossbench.training.loaded import load as load

__all__ = ["LoadedRun", "load"]


def __getattr__(name: str) -> object:
    # torch takes seconds to import: only who loads a run pays for it
    if name in __all__:
        return getattr(import_module("lossbench.training.loaded"), name)
    raise AttributeError(f"module 'lossbench' has no attribute {name!r}")
