"""How labels become wrong, estimated from a trained run alone: no label needs to be known as right."""

import numpy as np
import torch

from lossbench.config.label_matrix import TAKERS
from lossbench.data.split import class_counts
from lossbench.errors import UserError
from lossbench.training.assemble import Parts
from lossbench.training.evaluation import Evaluation


def estimated_matrix(parts: Parts, evaluation: Evaluation, quantile: float, scale: float | None) -> np.ndarray:
    """Read the rates at which labels become wrong off the examples that are surest of each class.

    T_ij = p_j(x_i), x_i being the example whose p_i is the given quantile of all, p = softmax(scale z)

    Args:
        parts: of a run that was trained on the labels as they are.
        evaluation: its outputs on a split.
        quantile: within (0, 1]; 1 takes the example with the largest p_i, less leaves out as many above it.
        scale: fitted on the validation split when the run was tested; None is 1.

    Returns:
        (C, C) float64, a row for each true class and a column for each given label; each row adds up to 1.

    Raises:
        UserError: the quantile is not allowed, the run does not classify or corrected its labels, or a class has no
            training example.

    Reference:
        Patrini et al. 2017, arXiv 1609.03683, section 4 (not checked against the paper); the scale is not theirs.
    """
    if not 0 < quantile <= 1:
        raise UserError(f"quantile must be a number > 0 and <= 1, got {quantile:g}; 1 takes the surest example")
    if parts.source.task != "classification":
        raise UserError(f"wrong labels are estimated for classification, and the task here is {parts.source.task}")
    if type(parts.loss).__name__ in TAKERS:
        raise UserError("this run was trained to predict true classes, not labels; name one of loss=cross_entropy")
    counts = class_counts(parts.data.split("train").targets, parts.source.num_classes)
    if not counts.all():
        missing = parts.source.class_names[int(counts.argmin())]
        raise UserError(f"a class without training examples has no rates, and there is no {missing} in training")
    logits = parts.loss.logits(evaluation.output).double() * (1.0 if scale is None else scale)
    p = torch.softmax(logits, -1).numpy()
    last = max(round(quantile * len(p)), 1) - 1
    surest = np.argsort(p, axis=0, kind="stable")[last]
    return p[surest]
