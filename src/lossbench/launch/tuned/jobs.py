"""The runs of a fair fight as jobs: trials, and refits of what was chosen. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass

from lossbench.config.composition import written
from lossbench.launch.expand import Job, Part
from lossbench.tuning.plan import Row

LIGHT = ("keep_checkpoints=none", "save_predictions=false", "figures=false", "logger=none")
"""What trials leave out, unless it is typed."""
Settings = Mapping[str, float]


@dataclass(frozen=True)
class Entry:
    """A row with the overrides that make it.

    Args:
        row: in the plan.
        job: its overrides, without replicate.
    """

    row: Row
    job: Job

    def refit(self, study: str, replicate: int, settings: Settings) -> Job:
        """Give a run with chosen settings, which is tested."""
        job = refit_job(self.job, study, replicate, settings)
        return Job(job.parts, f"{self.row.name}, replicate {replicate}, {_words(settings)}")

    def trial(self, study: str, replicate: int, number: int, settings: Settings) -> Job:
        """Give a trial, which is not tested."""
        typed = {_key(part) for part in self.job.parts}
        light = [_fixed(text) for text in LIGHT if text.partition("=")[0] not in typed]
        job = refit_job(self.job, study, replicate, settings)
        name = f"{self.row.name}, replicate {replicate}, trial {number}, {_words(settings)}"
        return Job((*light, *job.parts, _fixed("trial=true")), name)


def refit_job(job: Job, study: str, replicate: int, settings: Settings) -> Job:
    """A row's overrides in a study and a replicate, with some settings."""
    values: dict[str, int | float] = {"replicate": replicate, **settings}
    kept = [part for part in job.parts if _key(part) != "study"]
    points = [Part(f"{key}={value!r}", key, value, swept=True) for key, value in values.items()]
    return Job((*kept, _fixed(f"study={written(study)}"), *points), job.label)


def own_overrides(job: Job) -> tuple[str, ...]:
    """What is typed for a row and not for all."""
    return tuple(part.text for part in job.parts if part.swept)


def _words(settings: Settings) -> str:
    return " ".join(f"{key.rpartition('.')[2]}={value:.6g}" for key, value in settings.items())


def _key(part: Part) -> str:
    return part.text.partition("=")[0].lstrip("+~")


def _fixed(text: str) -> Part:
    return Part(text, None, None, swept=False)
