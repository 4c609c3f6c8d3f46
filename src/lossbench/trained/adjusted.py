"""The outputs of a trained run, adjusted afterwards for how frequent each class was in training."""

import math

import numpy as np
import torch

from lossbench.config.rules import NOT_LOGITS
from lossbench.data.split import class_counts
from lossbench.errors import UserError
from lossbench.metrics.estimates import Metric
from lossbench.metrics.measure import metrics_of
from lossbench.training.assemble import Parts
from lossbench.training.evaluation import Evaluation


def adjusted_metrics(parts: Parts, evaluation: Evaluation, tau: float, scale: float | None) -> dict[str, Metric]:
    """Judge a classifier's logits minus what the frequencies of the classes add to them.

    z_c - tau log pi_c, pi_c being the share of class c in the training split. Outputs that are no logits, such as
    cosines, are multiplied with their fitted scale first.

    Args:
        parts: of the run.
        evaluation: its outputs and targets on a split.
        tau: >= 0; 1 in the paper, 0 adjusts nothing.
        scale: fitted on the validation split when the run was tested.

    Returns:
        Metrics of classification without those that need a fitted scale, and without the losses.

    Raises:
        UserError: tau is not allowed, the run does not classify, or a class has no training example.

    Reference:
        Menon et al. 2021, Long-tail learning via logit adjustment, arXiv 2007.07314, equation 9.
    """
    log_prior = torch.from_numpy(np.log(_shares(parts, tau)))
    logits = parts.loss.logits(evaluation.output).double()
    if type(parts.loss).__name__ in NOT_LOGITS and scale is not None:
        logits = logits * scale
    return metrics_of(logits - tau * log_prior, evaluation.target, train_counts=parts.train_counts)


def _shares(parts: Parts, tau: float) -> np.ndarray:
    """The share of each class in the training split: (C,), each > 0."""
    source = parts.source
    if not 0 <= tau < math.inf:
        raise UserError(f"adjust must be a number >= 0, got {tau:g}; 1 is the published one")
    if source.task != "classification":
        raise UserError(f"adjust is for classifiers, and the task of these data is {source.task}; leave it out")
    counts = class_counts(parts.data.split("train").targets, source.num_classes)
    if not counts.all():
        missing = source.class_names[int(counts.argmin())]
        raise UserError(f"adjust divides by the frequencies of the training split, which has no {missing}")
    return counts / counts.sum()
