"""What cannot differ between the losses of a report, so that it is said in a line and not drawn."""

from lossbench.config.rules import NOT_LOGITS
from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison


def stack_line(comparison: Comparison) -> str:
    """Time and memory of runs that were trained in one program: a run has its share, the same for every loss.

    Returns:
        A sentence; "" where every run was trained alone, so that its time is its own.
    """
    sizes = sorted({run.done_result.stacked_runs or 1 for run in comparison.runs})
    if sizes == [1]:
        return ""
    seconds = [run.done_result.seconds for run in comparison.runs]
    stack = f"stacks of {' to '.join(str(size) for size in dict.fromkeys((sizes[0], sizes[-1])))} runs"
    share = f"{min(seconds):.2g}" if max(seconds) < 1.05 * min(seconds) else f"{min(seconds):.2g} to {max(seconds):.2g}"
    return (
        f"Runs were trained together, in {stack}: time ({share} s a run) and memory are shares of the stack's, "
        "and say nothing about a loss."
    )


def has_logits(arm: Arm) -> bool:
    """Whether the loss trains a softmax of its outputs, so that their calibration means something before scaling."""
    return str(arm.params.get("loss._target_")).rpartition(".")[2] not in NOT_LOGITS
