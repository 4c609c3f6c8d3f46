"""Which runs of a sweep are stacked, and how the others run: what hydra/launcher=auto chooses. Torch-free."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lossbench.config.schema import RunConfig
from lossbench.hardware import visible_gpus
from lossbench.launch.pool import most_at_a_time, on_cpu
from lossbench.launch.progress import number_of_runs
from lossbench.vectorized.eligible.settings import group_of
from lossbench.vectorized.launch.divide import LEAST, grouped, why_alone

OWN_CHECKPOINT = "each goes on from a checkpoint of its own"
NOTHING_BESIDE = "no other run can share a stack with it"


@dataclass(frozen=True)
class Choice:
    """How the runs of a sweep are brought to their results.

    Args:
        groups: indices of runs that are stacked, group by group.
        alone: why runs are not stacked -> their indices.
        n_jobs: how many of the others run at a time.
        distributed: whether some of them take several processes.
    """

    groups: list[list[int]]
    alone: dict[str, list[int]]
    n_jobs: int
    distributed: bool

    @property
    def others(self) -> list[int]:
        """The runs that are not stacked."""
        return [k for members in self.alone.values() for k in members]

    @property
    def in_processes(self) -> bool:
        """Whether they are processes of their own."""
        return self.distributed or self.n_jobs > 1

    @property
    def way(self) -> str:
        """How they run."""
        if not self.in_processes:
            return "one by one"
        return f"in {self.n_jobs} processes" if self.n_jobs > 1 else "in processes, one after another"

    def lines(self) -> Iterator[str]:
        """Say what was chosen and why, with numbers of runs; nothing of a single run, which leaves no choice."""
        stacked = sum(len(members) for members in self.groups)
        if stacked + len(self.others) == 1:
            return
        if stacked:
            programs = "one tensor program" if len(self.groups) == 1 else f"{len(self.groups)} tensor programs"
            yield f"stacked: {number_of_runs(stacked)} in {programs}"
        for reason, members in self.alone.items():
            yield f"{self.way}: {number_of_runs(len(members))}, because {reason}"


def choose(configs: Sequence[RunConfig], n_jobs: int | None = None, begun: Collection[int] = ()) -> Choice:
    """Choose what is stacked, and how the others run.

    Args:
        configs: of the runs.
        n_jobs: most of the others at a time; None is one for each GPU, without GPUs for each core that memory allows.
        begun: indices of runs that have checkpoints of their own, from which they alone go on.

    Raises:
        UserError: a loss of the user's own cannot be built.
    """

    def why(k: int) -> str | None:
        return why_alone(configs[k]) or (OWN_CHECKPOINT if k in begun else None)

    groups, alone = grouped(range(len(configs)), why, lambda k: group_of(configs[k]))
    stacked = list[list[int]]()
    for members in groups:
        if reason := _why_not_worth_it(len(members), configs[members[0]]):
            alone.setdefault(reason, []).extend(members)
        else:
            stacked.append(members)
    others = [configs[k] for members in alone.values() for k in members]
    return Choice(stacked, alone, at_a_time(others, n_jobs), any(each.trainer.processes > 1 for each in others))


def _why_not_worth_it(runs: int, config: RunConfig) -> str | None:
    """Say why a group is faster run by run; None where a stack is."""
    if runs == 1:
        return NOTHING_BESIDE
    gpus = 1 if on_cpu(config) else len(visible_gpus())
    if gpus > 1 and runs < LEAST * gpus:
        return f"a stack is on one of {gpus} GPUs, and fewer than {LEAST} runs for each are faster on all of them"
    return None


def at_a_time(configs: Sequence[RunConfig], n_jobs: int | None) -> int:
    """How many of some runs that are not stacked run at a time."""
    most = n_jobs or most_at_a_time(cpu=all(on_cpu(config) for config in configs))
    return max(1, min(most, len(configs)))
