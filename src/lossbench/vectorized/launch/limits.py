"""What a stack of runs may be limited to, checked before anything is planned. Torch-free."""

from lossbench.errors import UserError


def check_limits(memory_gb: object, max_runs: object, tensorboard: object = "auto") -> None:
    """Require limits of a stack.

    Args:
        memory_gb: a number > 0, gigabytes; None is half of the free memory.
        max_runs: a whole number >= 1; None is as many as fit.
        tensorboard: True, False or "auto".

    Raises:
        UserError: names the key, what was found and what is allowed.
    """
    if memory_gb is not None and not (_is_number(memory_gb) and memory_gb > 0):  # pyright: ignore[reportOperatorIssue]
        raise UserError(f"hydra.launcher.memory_gb must be a number > 0 (gigabytes) or null, got {memory_gb!r}")
    if max_runs is not None and not (_is_number(max_runs) and isinstance(max_runs, int) and max_runs >= 1):
        raise UserError(f"hydra.launcher.max_runs must be a whole number >= 1 or null, got {max_runs!r}")
    if not (isinstance(tensorboard, bool) or tensorboard == "auto"):
        raise UserError(f"hydra.launcher.tensorboard must be auto, true or false, got {tensorboard!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
