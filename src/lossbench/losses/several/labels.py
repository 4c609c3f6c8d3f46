"""What the losses of several labels share."""

from torch import Tensor

from lossbench.losses.values import Numbers, of_classes


def mean_over_labels(of_true: Tensor, of_false: Tensor, target: Tensor, weight: Numbers) -> Tensor:
    """Give 1/C sum_c w_c (t_c of_true_c + (1 - t_c) of_false_c): (batch,).

    Args:
        of_true: (batch, C), the loss of each label if it holds.
        of_false: (batch, C), if it does not.
        target: (batch, C), t, within [0, 1].
        weight: w, C numbers >= 0; None weighs all by 1.

    Raises:
        ValueError: not one weight for each label.
    """
    values = target * of_true + (1 - target) * of_false
    return (values if weight is None else values * of_classes("weight", weight, values)).mean(-1)
