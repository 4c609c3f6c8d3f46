"""What the runs of a group are made of, and which of them cannot be trained."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from lossbench.data.module import DataModule
from lossbench.data.source import Source
from lossbench.errors import UserError, some
from lossbench.job.memory import memory_error, memory_failure
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import Parts, assemble
from lossbench.training.modules import build_loss
from lossbench.vectorized.chunk import fail_before_start
from lossbench.vectorized.shared import Shared

T = TypeVar("T")


def assembled(
    runs: Sequence[RunDirectory], progress: SweepProgress, locked: list[RunDirectory]
) -> tuple[list[RunDirectory], Shared | None]:
    """Assemble one run of each loss, then what each replicate has of its own; fail the runs that cannot be trained.

    Args:
        runs: of one group.
        progress: shows which have failed.
        locked: gets the runs that another process is working on.

    Returns:
        The runs that can be trained, and what they share; None where there is none.
    """
    kinds: dict[str, list[RunDirectory]] = {}
    for run in runs:
        kinds.setdefault(run.config.loss.target, []).append(run)
    good: list[RunDirectory] = []
    parts: Parts | None = None
    for members in kinds.values():
        found = _or_failed(members, lambda members=members: assemble(members[0].config), progress, locked)
        if found is not None:
            parts = parts or found
            good += members
    if parts is None:
        return [], None
    shared = Shared(parts)
    return [run for run in good if _or_failed([run], lambda run=run: _fitted(run, shared), progress, locked)], shared


def _fitted(run: RunDirectory, shared: Shared) -> bool:
    """Require that the splits of a run's replicate can be drawn, and that its loss fits them."""
    config = run.config
    replicate = shared.replicate(config)
    if config.replicate is not None:
        build_loss(config.seed, config.loss, replicate.data)
    return True


def _or_failed(
    members: Sequence[RunDirectory], work: Callable[[], T], progress: SweepProgress, locked: list[RunDirectory]
) -> T | None:
    """Give what some work gives; where it finds that runs cannot be trained, fail them and give None."""
    try:
        return work()
    except (UserError, RuntimeError, MemoryError) as error:
        no_memory = memory_failure(error)
        if no_memory is None and not isinstance(error, UserError):
            raise
        known = error if no_memory is None else memory_error(no_memory, members[0].config)
        locked += fail_before_start(members, known, progress)
        return None


def left_out_lines(runs: Iterable[RunDirectory], shared: Shared) -> Iterator[str]:
    """Say what of the data is not used, once for all replicates of which it is true."""
    said: dict[str, dict[int | None, None]] = {}
    for run in runs:
        said.setdefault(shared.replicate(run.config).left_out, {})[run.config.replicate] = None
    for line, numbers in said.items():
        if line:
            of = f" (replicates {some(map(str, numbers))})" if len(said) > 1 else ""
            yield f"{line}{of}"


def of_one_size(runs: Sequence[RunDirectory], shared: Shared) -> tuple[list[RunDirectory], list[RunDirectory]]:
    """Split runs into those whose examples are as many and as wide as those that the parts are made of, and the others.

    Groups that cross no splits may give unequal training parts; tables may give rows of other widths.
    """

    def sizes(data: DataModule, source: Source) -> tuple[object, ...]:
        return *(len(data.split(stage)) for stage in ("train", "val")), tuple(source.input_shape)

    def of(run: RunDirectory) -> tuple[object, ...]:
        return sizes(shared.replicate(run.config).data, shared.seen_by(run.config))

    wanted = sizes(shared.parts.data, shared.parts.data.source)
    alike = [run for run in runs if of(run) == wanted]
    return alike, [run for run in runs if of(run) != wanted]
