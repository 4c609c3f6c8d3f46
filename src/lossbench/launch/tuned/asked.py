"""What the command line of a fair fight asks, checked. Torch-free."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossbench.config.replicate import RULE
from lossbench.config.resolve import place, wants_plan
from lossbench.config.tuned import TRIALS, TUNED, require_there
from lossbench.config.values import either, real, whole
from lossbench.errors import UserError
from lossbench.launch.expand import Job, with_params

DEFAULT_TRIALS = 16
OF_THE_COMMAND = ("trials", "budget", "parent", "search", "study", "force", "plan", "runs_dir")
"""Keys with one value for the whole command."""


@dataclass(frozen=True)
class Asked:
    """What is asked beside the losses.

    Args:
        arguments: overrides that make the rows: all but the replicates.
        replicates: rising.
        trials: of each loss in each replicate; None where a budget chooses.
        search: what is searched, as typed.
        budget: minutes; None where trials and replicates are given.
        parent: first digits of the hash of the plan that this one continues; None where there is none.
        study: its name, without what the studies of trials and refits add to it.
        runs_dir: where all runs lie.
        plan_only: whether nothing is to be run.
    """

    arguments: tuple[str, ...]
    replicates: tuple[int, ...]
    trials: int
    search: Mapping[str, Any]
    budget: float | None
    parent: str | None
    study: str
    runs_dir: Path
    plan_only: bool

    @property
    def trials_study(self) -> str:
        """The study of the trials."""
        return f"{self.study}{TRIALS}"

    @property
    def tuned_study(self) -> str:
        """The study of the runs with the chosen settings."""
        return f"{self.study}{TUNED}"

    @property
    def folder(self) -> Path:
        """The folder of that study."""
        return self.runs_dir / self.tuned_study


def asked_of(
    params: Mapping[str, Any],
    typed: Sequence[str],
    composed: Mapping[str, Any],
    expand: Callable[[Sequence[str]], list[Job]],
) -> Asked:
    """Read what is asked.

    Args:
        params: what the sweeper's configuration sweeps.
        typed: overrides of the command line.
        composed: the configuration of the multirun, in plain containers.
        expand: gives the combinations of overrides.

    Raises:
        UserError: names the key that is wrong.
    """
    require_there(composed, OF_THE_COMMAND)
    arguments = with_params(params, typed)
    keys = {_key(argument) for argument in typed}
    _refuse(composed, keys)
    for argument in arguments:
        if _key(argument) in OF_THE_COMMAND and len(expand([argument])) > 1:
            raise UserError(f"{argument}: {_key(argument)} is of the whole command and cannot be swept")
    of_units = [argument for argument in arguments if _key(argument) == "replicate"]
    runs_dir, _ = place(composed)
    return Asked(
        arguments=tuple(argument for argument in arguments if argument not in of_units),
        replicates=_replicates(of_units, expand, composed),
        trials=_checked("trials", composed["trials"], TRIALS_RULE) or DEFAULT_TRIALS,
        search=composed["search"],
        budget=_budget(composed, keys),
        parent=_parent(composed["parent"]),
        study=_study(composed["study"]),
        runs_dir=runs_dir,
        plan_only=wants_plan(composed),
    )


TRIALS_RULE = either(None, whole(1, 10_000, "each is a run of every loss in every replicate"))
BUDGET_RULE = either(None, real(0, above=True))


def _key(argument: str) -> str:
    return argument.partition("=")[0].lstrip("+~")


def _refuse(composed: Mapping[str, Any], keys: set[str]) -> None:
    """Refuse what runs may have and a fair fight has not."""
    if "seed" in keys or composed.get("seed") is not None:
        raise UserError("hydra/sweeper=tuned compares over replicates, which decide the seeds; leave seed out")
    if composed.get("trial"):
        raise UserError("trial=true is one trial by hand; hydra/sweeper=tuned makes its trials itself, leave it out")
    if composed["force"]:
        raise UserError(
            f"force={str(composed['force']).lower()}: a fair fight chooses once, and its runs are not made anew; "
            "start another with study=NAME"
        )


def _checked(key: str, value: Any, rule: Callable[[str, Any], None]) -> Any:
    try:
        rule(key, value)
    except ValueError as error:
        raise UserError(str(error)) from error
    return value


def _budget(composed: Mapping[str, Any], keys: set[str]) -> float | None:
    budget = _checked("budget", composed["budget"], BUDGET_RULE)
    for key in ("trials", "replicate"):
        if budget is not None and key in keys:
            raise UserError(f"budget={budget} (minutes) chooses trials and replicates; leave out {key}=, or budget")
    return None if budget is None else float(budget)


def _parent(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value).lower()  # of digits alone Hydra makes a number
    if len(text) < 8 or set(text) - set("0123456789abcdef"):
        raise UserError(f"parent must be the hash of a plan, at least its first 8 digits, got {value!r}")
    return text


def _study(value: Any) -> str:
    name = str(value)
    if name.endswith((TRIALS, TUNED)):
        raise UserError(f"study={name}: give the name without its end, hydra/sweeper=tuned adds {TRIALS} and {TUNED}")
    return name


def _replicates(
    arguments: Sequence[str], expand: Callable[[Sequence[str]], list[Job]], composed: Mapping[str, Any]
) -> tuple[int, ...]:
    texts = [job.overrides[-1].partition("=")[2] for job in expand(arguments)] if arguments else [composed["replicate"]]
    found: set[int] = set()
    for text in texts:
        number = int(text) if str(text).isdecimal() else text
        if number in (None, "null"):
            raise UserError("hydra/sweeper=tuned compares over replicates; give them, such as replicate='range(12)'")
        found.add(_checked("replicate", number, RULE))
    return tuple(sorted(found))
