"""The losses of a command, each checked once: what they are called, and that they differ in nothing else."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossbench.config.composition import load_yardstick
from lossbench.config.facts import Cache
from lossbench.config.resolve import Check, resolve
from lossbench.config.schema import RunConfig
from lossbench.errors import UserError, some
from lossbench.launch.expand import Job
from lossbench.launch.tuned.asked import Asked
from lossbench.launch.tuned.jobs import refit_job
from lossbench.report.doses.axis import AXES
from lossbench.report.settings import describe_settings, differing_settings
from lossbench.rundir.flatten import flatten
from lossbench.rundir.identity import differences, identity

OF_A_LOSS = ("loss", "loss_lr", "head")
"""What may differ between rows; all else is the same."""


@dataclass(frozen=True)
class Draft:
    """A loss before its space is known.

    Args:
        job: its overrides, without replicate.
        composed: its configuration with the settings as declared, in the first replicate.
        config: the same, resolved.
    """

    job: Job
    composed: Mapping[str, Any]
    config: RunConfig


def drafts_of(
    asked: Asked,
    jobs: Sequence[Job],
    compose: Callable[[Job], dict[str, Any]],
    cache: Cache,
    check_supported: Check,
) -> list[Draft]:
    """Compose and check each loss once, in the first replicate.

    Raises:
        UserError: a mistake in a configuration.
    """
    found: dict[str, Draft] = {}
    for job in jobs:
        composed = compose(refit_job(job, asked.tuned_study, asked.replicates[0], {}))
        config = resolve(composed, load_yardstick, cache, check_supported)
        if config.invalid is not None:
            raise UserError(f"{job.label}: {config.invalid}")
        _require_equal_steps(config)
        found.setdefault(config.identity_hash, Draft(job, composed, config))
    return [*found.values()]


def _require_equal_steps(config: RunConfig) -> None:
    for name, callback in config.callbacks.items():
        if callback.class_name == "EarlyStopping":
            raise UserError(
                f"callbacks={name} ends some trials earlier than others, and every loss is to have the same steps; "
                "leave it out, evaluate=best tests the best weights"
            )


def labels_of(drafts: Sequence[Draft]) -> list[str]:
    """Name each row: its loss, and the settings in which it differs from other rows of this loss."""
    settings = differing_settings({str(k): flatten(draft.config.record) for k, draft in enumerate(drafts)})
    return [_label(draft, settings[str(k)], drafts) for k, draft in enumerate(drafts)]


def _label(draft: Draft, settings: Mapping[str, Any], drafts: Sequence[Draft]) -> str:
    loss, head = draft.config.loss.name, draft.config.record["head"]
    if all(each.config.record["head"] == head for each in drafts if each.config.loss.name == loss):
        settings = {key: value for key, value in settings.items() if key.split(".")[0] != "head"}
    return f"{loss} {describe_settings(settings)}".strip()


def require_shared(drafts: Sequence[Draft], labels: Sequence[str], searched: Iterable[str]) -> None:
    """Refuse rows that differ in more than the loss; what is searched is looked at later.

    Raises:
        UserError: names what differs.
    """
    keys = [f"optimizer.{name}" for name in searched]
    first = shared_of(drafts[0].config, keys)
    for draft, label in zip(drafts[1:], labels[1:], strict=True):
        if found := differences(shared_of(draft.config, keys), first):
            raise UserError(
                f"a fair fight compares losses that differ in nothing else: {labels[0]} and {label} differ in "
                f"{some(found, 3)}; {_way_out(found)}"
            )


def _way_out(found: Sequence[str]) -> str:
    """What to type instead: doses of the data are tuned one by one, or compared untuned."""
    axis = next((axis for axis in AXES if any(each.startswith(f"{axis.key}:") for each in found)), None)
    if axis is None:
        return "sweep one at a time"
    return f"tune each {axis.name} in a study of its own, study=NAME; hydra/sweeper=compare compares all in one report"


def shared_of(config: RunConfig, searched: Sequence[str] = ()) -> dict[str, Any]:
    """What all runs have in common: key -> value of all that decides numbers, but for the loss and what is searched."""
    decides = {key: value for key, value in identity(config.record).items() if key not in OF_A_LOSS}
    return {key: value for key, value in flatten(decides).items() if key not in searched}
